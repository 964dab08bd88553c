//! The nodes' own words, merged into one table on the control node's time.

use perjury_nemesis::{Bend, Resolved};
use perjury_runner::Notice;

use crate::evidence::Evidence;
use crate::words;

/// Lines on the page at most, all nodes together.
const LINES: usize = 2_000;
/// Characters of a line.
const LINE: usize = 600;
/// Nanoseconds of a day: logs that say only the time of day begin anew after it.
const DAY: i128 = 86_400_000_000_000;

/// The ends of the nodes' logs, within what a page can hold.
#[derive(Debug, Default)]
pub(crate) struct Logs {
    /// The lines, in the order of time; those without any at the end.
    pub rows: Vec<LogRow>,
    /// What is not here, or worth knowing first: a sentence each.
    pub notes: Vec<String>,
}

/// A line.
#[derive(Debug)]
pub(crate) struct LogRow {
    /// Microseconds since the start; none if neither it nor a line near it says when.
    pub at: Option<u64>,
    pub when: String,
    pub node: String,
    /// How far the node's clock was off then, by what was done to it; empty while it was right.
    pub skew: String,
    pub line: String,
}

impl Logs {
    pub(crate) fn of(evidence: &Evidence) -> Self {
        let started = evidence.test.started_at.as_nanosecond();
        let each = LINES / evidence.logs.len().max(1);
        let mut logs = Logs::default();
        for log in &evidence.logs {
            let node = words::tame(&log.node, 40);
            let skipped = log.lines.len().saturating_sub(each);
            let died = evidence.notices.iter().any(
                |notice| matches!(notice, Notice::NodeDied { node, .. } if node.to_string() == log.node),
            );
            if died {
                logs.notes.push(format!("{node} died by itself."));
            }
            match (log.bytes_before, skipped) {
                (0, 0) => {}
                (0, lines) => logs.notes.push(format!(
                    "Of {node}, {} more stand before these in its file.",
                    words::plural(lines as u64, "line")
                )),
                (bytes, _) => logs.notes.push(format!(
                    "Of {node}, {} KiB and more stand before these lines in its file.",
                    words::count(bytes / 1024)
                )),
            }
            let lines = &log.lines[skipped..];
            for (line, at) in lines.iter().zip(times(lines, started)) {
                logs.rows.push(LogRow {
                    at: at.map(|at| at / 1_000),
                    when: at.map_or_else(|| "–".to_owned(), words::moment),
                    node: node.clone(),
                    skew: at.map(|at| skew(evidence, &log.node, at)).unwrap_or_default(),
                    line: words::tame(line, LINE),
                });
            }
        }
        // Stable: the lines of one node keep their order.
        logs.rows.sort_by_key(|row| (row.at.is_none(), row.at));
        logs
    }

    /// Whether any node's clock was off when it wrote a line.
    pub(crate) fn skewed(&self) -> bool {
        self.rows.iter().any(|row| !row.skew.is_empty())
    }

    /// The place of the line of a node that is nearest to a time, in nanoseconds since the start, among those that
    /// are about leading, and within a second of it.
    pub(crate) fn about_leading(&self, node: &str, at: u64) -> Option<usize> {
        let at = at / 1_000;
        let near = |row: &LogRow| row.at.filter(|_| row.node == node).map(|then| then.abs_diff(at));
        let lines = self.rows.iter().enumerate();
        lines
            .filter_map(|(place, row)| Some((near(row)?, place, row)))
            .filter(|(apart, _, row)| *apart <= 1_000_000 && row.line.to_lowercase().contains("lead"))
            .min_by_key(|(apart, place, _)| (*apart, *place))
            .map(|(_, place, _)| place)
    }

    /// The place of the last line that a node wrote until a time, in nanoseconds since the start.
    pub(crate) fn last_words(&self, node: &str, at: u64) -> Option<usize> {
        let until = at / 1_000;
        let wrote = |row: &LogRow| row.node == node && row.at.is_some_and(|then| then <= until);
        self.rows.iter().rposition(wrote)
    }
}

/// How far the clock of a node was off at a time, by the faults that bent it then: `+1500 ms`, `+12.5 ms, 5.0 % fast`.
fn skew(evidence: &Evidence, node: &str, at: u64) -> String {
    let bends = evidence
        .faults_during(at, at)
        .filter_map(|fault| match &fault.fault {
            Resolved::Clock { nodes, bend } if nodes.iter().any(|bent| bent.to_string() == node) => {
                Some((bend, at.saturating_sub(fault.injected_at?)))
            }
            _ => None,
        });
    let told: Vec<String> = bends
        .map(|(bend, since)| match bend {
            Bend::Jump { offset_ms } => format!("{offset_ms:+} ms"),
            Bend::Drift { rate_ppm } => {
                let gained_ms = since as f64 / 1e6 * *rate_ppm as f64 / 1e6;
                let percent = rate_ppm.unsigned_abs() as f64 / 1e4;
                let pace = if *rate_ppm < 0 { "slow" } else { "fast" };
                format!("{gained_ms:+.1} ms, {percent:.1} % {pace}")
            }
            Bend::Strobe { offset_ms, .. } => format!("0 or {offset_ms:+} ms"),
        })
        .collect();
    told.join("; ")
}

/// When each line was written, in nanoseconds since the start. One that does not say so was written with the
/// next that does, or else with the last.
fn times(lines: &[String], started: i128) -> Vec<Option<u64>> {
    let mut latest = 0_i128;
    let mut times: Vec<Option<u64>> = lines
        .iter()
        .map(|line| {
            let mut at = read(line, started)?;
            // The first line may be a little older than the start, by another clock.
            while at < latest - DAY / 2 {
                at += DAY;
            }
            latest = latest.max(at);
            Some(u64::try_from(at).unwrap_or(0))
        })
        .collect();
    let mut next = None;
    for time in times.iter_mut().rev() {
        next = time.or(next);
        *time = next;
    }
    let mut last = None;
    for time in &mut times {
        last = time.or(last);
        *time = last;
    }
    times
}

/// The time at a line's beginning, `07:48:06.110722` or `2026-11-21T07:48:06.110Z`, in nanoseconds since the
/// start; of a time of day it may be a day too early.
fn read(line: &str, started: i128) -> Option<i128> {
    let word = line.split_whitespace().next()?.get(..)?;
    if word.len() > 40 {
        return None;
    }
    if let Ok(stamp) = word.parse::<jiff::Timestamp>() {
        return Some(stamp.as_nanosecond() - started);
    }
    let mut parts = word.split(':');
    let (hours, minutes, seconds) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || hours.len() != 2 || minutes.len() != 2 || seconds.len() < 2 {
        return None;
    }
    let (hours, minutes): (i128, i128) = (hours.parse().ok()?, minutes.parse().ok()?);
    let seconds: f64 = seconds.trim_end_matches('Z').parse().ok()?;
    if !(0..24).contains(&hours) || !(0..60).contains(&minutes) || !(0.0..61.0).contains(&seconds) {
        return None;
    }
    let of_day = (hours * 3_600 + minutes * 60) * 1_000_000_000 + (seconds * 1e9).round() as i128;
    Some(of_day - started.rem_euclid(DAY))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(lines: &[&str]) -> Vec<Option<u64>> {
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        let started: jiff::Timestamp = "2026-11-21T23:59:58Z".parse().expect("a time");
        times(&lines, started.as_nanosecond())
            .into_iter()
            .map(|at| Some(at? / 1_000_000))
            .collect()
    }

    #[test]
    fn a_line_without_a_time_takes_that_of_its_neighbour() {
        assert_eq!(
            at(&["---- start 1 ----", "23:59:58.500000 n1 starts", "  in detail"]),
            [Some(500), Some(500), Some(500)]
        );
        assert_eq!(at(&["nothing here", "nor 12:00:00 here"]), [None, None]);
        assert_eq!(at(&["99:99:99 no", "1:2:3 no", "é:ü:ö", ""]), [None; 4]);
    }

    #[test]
    fn a_run_over_midnight_goes_on_after_it() {
        assert_eq!(
            at(&["23:59:59.000000 a", "00:00:01.250000 b", "2026-11-22T00:00:02Z c"]),
            [Some(1_000), Some(3_250), Some(4_000)]
        );
    }
}
