//! The messages of a run as its folder keeps them: all of them counted, and one by one where there is room, around
//! what the verdict rests on.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::path::Path;

use perjury_nemesis::Node;
use perjury_runner::{Fate, Message, Messages};
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::files::LineWriter;
use crate::record::{SCHEMA, VerdictRecord};
use crate::report::focus;

/// Messages in a run's folder at most; at some 30 bytes each this is 2 MB.
const MOST: usize = 60_000;

/// Places that messages are kept around, if there are too many of them.
const CENTRES: usize = 5;

/// The messages of a run, read back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// The names of the kinds.
    pub kinds: Vec<String>,
    /// How many messages of each kind met each fate, in the order of [`Fate::ALL`]; of the whole run.
    pub counts: Vec<[u64; 4]>,
    /// The spans, in microseconds since the start, in which every message is here; empty if all are.
    pub windows: Vec<[u64; 2]>,
    /// The messages, in the order in which they were sent.
    pub messages: Vec<Message>,
}

/// The first line of the file.
#[derive(Serialize, Deserialize)]
struct Header {
    schema: u32,
    kinds: Vec<String>,
    counts: Vec<[u64; 4]>,
    windows: Vec<[u64; 2]>,
}

/// A further line: sent at (in microseconds), under way for (or none), from, to, kind, fate.
type Line = (u64, Option<u64>, u16, u16, u8, u8);

impl Traffic {
    /// How many messages there were.
    pub fn total(&self) -> u64 {
        self.counts.iter().flatten().sum()
    }
}

/// The times that a verdict turns on, in nanoseconds since the start, the most important first.
pub(crate) fn centres(verdict: Option<&VerdictRecord>) -> Vec<u64> {
    let findings = verdict.iter().flat_map(|verdict| &verdict.findings);
    findings
        .flat_map(|finding| &finding.witnesses)
        .take(CENTRES)
        .map(focus)
        .collect()
}

/// Chooses at most `most` of things that stand in the order of their times: around each of the centres equally many,
/// half of them before it; at the beginning if there is no centre. Gives ranges that do not overlap.
pub(crate) fn around(
    times: impl ExactSizeIterator<Item = u64> + Clone,
    centres: &[u64],
    most: usize,
) -> Vec<Range<usize>> {
    let all = times.len();
    if all <= most {
        return std::iter::once(0..all).collect();
    }
    let mut places: Vec<usize> = centres
        .iter()
        .map(|centre| times.clone().position(|at| at >= *centre).unwrap_or(all))
        .collect();
    if places.is_empty() {
        places.push(0);
    }
    places.sort_unstable();
    let chosen = |each: usize| {
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for place in &places {
            let start = place.saturating_sub(each / 2).min(all - each);
            match ranges.last_mut() {
                Some(last) if last.end >= start => last.end = start + each,
                _ => ranges.push(start..start + each),
            }
        }
        ranges
    };
    let count = |ranges: &[Range<usize>]| ranges.iter().map(ExactSizeIterator::len).sum::<usize>();
    // Centres that lie close together leave room for more.
    let (mut least, mut limit) = (most / places.len(), most + 1);
    while limit - least > 1 {
        let each = usize::midpoint(least, limit);
        if count(&chosen(each)) <= most {
            least = each;
        } else {
            limit = each;
        }
    }
    chosen(least)
}

/// Writes the messages of a run.
pub(crate) fn write(path: &Path, messages: &Messages, verdict: &VerdictRecord) -> Result<(), StoreError> {
    let kept: Vec<&Message> = messages.kept().collect();
    let ranges = around(
        kept.iter().map(|message| message.at),
        &centres(Some(verdict)),
        MOST,
    );
    let complete = messages.forgotten() == 0 && kept.len() <= MOST;
    let windows = ranges
        .iter()
        .filter(|range| !complete && !range.is_empty())
        .map(|range| [kept[range.start].at / 1_000, kept[range.end - 1].at / 1_000])
        .collect();
    let mut lines = LineWriter::create(path)?;
    lines.push_json(&Header {
        schema: SCHEMA,
        kinds: messages.kinds.clone(),
        counts: messages.counts.clone(),
        windows,
    })?;
    for message in ranges.into_iter().flat_map(|range| &kept[range]) {
        let line: Line = (
            message.at / 1_000,
            message.arrived.map(|at| at.saturating_sub(message.at) / 1_000),
            message.from.0,
            message.to.0,
            message.kind,
            message.fate as u8,
        );
        lines.push_json(&line)?;
    }
    lines.flush()
}

/// Reads the messages of a run; none if none were taken down. A torn or unreadable line ends them.
pub(crate) fn read(path: &Path) -> Result<Option<Traffic>, StoreError> {
    let file = match File::open(path).map_err(StoreError::io(path, "read it")) {
        Ok(file) => file,
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut lines = BufReader::new(file).split(b'\n');
    let Some(first) = lines.next() else {
        return Ok(None);
    };
    let first = first.map_err(StoreError::io(path, "read it"))?;
    let Some(header) = serde_json::from_slice::<Header>(&first)
        .ok()
        .filter(|header| header.schema <= SCHEMA)
    else {
        return Ok(None);
    };
    let mut messages = Vec::new();
    for line in lines {
        let line = line.map_err(StoreError::io(path, "read it"))?;
        let Ok((at, took, from, to, kind, fate)) = serde_json::from_slice::<Line>(&line) else {
            break;
        };
        let Some(&fate) = Fate::ALL.get(usize::from(fate)) else {
            break;
        };
        let at = at.saturating_mul(1_000);
        messages.push(Message {
            at,
            arrived: took.map(|took| at.saturating_add(took.saturating_mul(1_000))),
            from: Node(from),
            to: Node(to),
            kind,
            fate,
        });
    }
    Ok(Some(Traffic {
        kinds: header.kinds,
        counts: header.counts,
        windows: header.windows,
        messages,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_chosen_lies_around_the_centres() {
        let times = || (0..1_000_u32).map(|at| u64::from(at) * 10);
        let chosen = |centres: &[u64]| {
            let ranges = around(times(), centres, 100);
            ranges
                .iter()
                .map(|range| (range.start, range.end))
                .collect::<Vec<_>>()
        };
        assert_eq!(chosen(&[]), [(0, 100)]);
        assert_eq!(chosen(&[5_000]), [(450, 550)]);
        assert_eq!(chosen(&[5_000, 0]), [(0, 50), (475, 525)]);
        assert_eq!(chosen(&[5_000, 5_100]), [(455, 555)]);
        assert_eq!(chosen(&[99_999]), [(900, 1_000)]);
        assert_eq!(around(times(), &[3], 5_000)[0], 0..1_000);
    }
}
