//! Messages between nodes: the data of the space-time diagram, and the numbers behind it.

use perjury_runner::Fate;
use serde::Serialize;

use super::tables::Table;
use crate::evidence::Evidence;
use crate::messages::{Traffic, around, centres};
use crate::words;

/// Messages on the page at most; at some 25 bytes each this is 250 KB.
const MOST: usize = 10_000;

/// What the script gets: a column for each part of the messages. Times are microseconds since the start.
#[derive(Debug, Serialize)]
pub(crate) struct Diagram {
    kinds: Vec<String>,
    /// The spans in which every message is here; empty if all are.
    exact: Vec<[u64; 2]>,
    /// When it was sent.
    t: Vec<u64>,
    /// How long it was under way; -1 if it never arrived.
    d: Vec<i64>,
    /// From whom and to whom: the number of the node.
    a: Vec<u16>,
    b: Vec<u16>,
    k: Vec<u8>,
    /// What became of it: 0 delivered, 1 dropped, 2 delayed, 3 a second copy.
    f: Vec<u8>,
}

impl Diagram {
    pub(crate) fn of(evidence: &Evidence) -> Option<Self> {
        let traffic = evidence.messages.as_ref()?;
        let mut diagram = Diagram {
            kinds: traffic.kinds.iter().map(|kind| words::tame(kind, 40)).collect(),
            exact: Vec::new(),
            t: Vec::new(),
            d: Vec::new(),
            a: Vec::new(),
            b: Vec::new(),
            k: Vec::new(),
            f: Vec::new(),
        };
        let times = traffic.messages.iter().map(|message| message.at);
        let ranges = around(times, &centres(evidence.verdict.as_ref()), MOST);
        let all_here = traffic.messages.len() <= MOST && traffic.windows.is_empty();
        for range in ranges {
            let chosen = &traffic.messages[range];
            if let ([first, .., last], false) = (chosen, all_here) {
                diagram.exact.push([first.at / 1_000, last.at / 1_000]);
            }
            for message in chosen {
                diagram.t.push(message.at / 1_000);
                let took = message.arrived.map(|at| at.saturating_sub(message.at) / 1_000);
                diagram.d.push(took.map_or(-1, |took| took as i64));
                diagram.a.push(message.from.0);
                diagram.b.push(message.to.0);
                diagram.k.push(message.kind);
                diagram.f.push(message.fate as u8);
            }
        }
        Some(diagram)
    }

    /// What is not on the page one by one, for whoever reads it; none if everything is.
    pub(crate) fn left_out(&self, traffic: &Traffic) -> Option<String> {
        let spans: Vec<String> = self
            .exact
            .iter()
            .map(|[from, to]| format!("{} – {}", words::moment(from * 1_000), words::moment(to * 1_000)))
            .collect();
        (!spans.is_empty()).then(|| {
            format!(
                "{} of {} messages are here one by one: those of {}.",
                words::count(self.t.len() as u64),
                words::count(traffic.total()),
                words::listed(&spans)
            )
        })
    }
}

/// How many messages of each kind met each fate.
pub(crate) fn counts(traffic: &Traffic) -> Table {
    let seen = traffic.kinds.iter().zip(&traffic.counts);
    let rows = seen
        .filter(|(_, counts)| counts.iter().any(|count| *count > 0))
        .map(|(kind, counts)| {
            let numbers = counts.iter().map(|count| words::count(*count));
            std::iter::once(words::tame(kind, 40)).chain(numbers).collect()
        })
        .collect();
    Table {
        heads: std::iter::once("kind".to_owned())
            .chain(Fate::ALL.iter().map(|fate| fate.word().to_owned()))
            .collect(),
        rows,
    }
}
