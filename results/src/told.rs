//! What a checker tells in words alone: the nodes' own traces, and sentences that say when.
//!
//! A protocol's invariants are judged on what the nodes wrote down of themselves. Such a witness has no
//! operations, only lines like `3.210 s  n2: BecameLeader { term: 4 }`; what follows knows how to read them.

use perjury_checker::{Finding, Witness};

/// The name that the invariants of a protocol have among the properties.
pub const INVARIANTS: &str = "protocol invariants";

/// A line of a story that says when.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Told<'s> {
    /// Nanoseconds since the start.
    pub at: u64,
    /// What happened then.
    pub text: &'s str,
}

impl<'s> Told<'s> {
    /// Reads `3.210 s  n2: …` or `At 3.210 s: …`; none for a line that does not begin with a time.
    pub(crate) fn read(line: &'s str) -> Option<Self> {
        let (time, text) = match line.strip_prefix("At ") {
            Some(rest) => rest.split_once(" s: ")?,
            None => line.split_once(" s  ")?,
        };
        let seconds: f64 = time.parse().ok()?;
        // A year is more than any run takes, and far from where rounding would matter.
        (0.0..3.2e7).contains(&seconds).then_some(Told {
            at: (seconds * 1e9).round() as u64,
            text,
        })
    }
}

/// From when to when a story tells, in nanoseconds since the start; none if nothing in it says when.
pub(crate) fn span(witness: &Witness) -> Option<(u64, u64)> {
    let times = || witness.story.iter().filter_map(|line| Some(Told::read(line)?.at));
    Some((times().min()?, times().max()?))
}

/// The sentences of a witness that the finding's own sentence does not say already.
pub(crate) fn beyond<'f>(
    finding: &'f Finding,
    witness: &'f Witness,
) -> impl Iterator<Item = &'f str> + use<'f> {
    witness
        .story
        .iter()
        .map(String::as_str)
        .filter(|sentence| !sentence.is_empty() && !finding.sentence.contains(sentence))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_only_taken_for_a_trace_if_it_begins_with_a_time() {
        let read = |line| Told::read(line).map(|told| (told.at, told.text));
        assert_eq!(
            read("3.210 s  n2: VoteCounted { term: 4, voter: NodeId(1) }"),
            Some((3_210_000_000, "n2: VoteCounted { term: 4, voter: NodeId(1) }"))
        );
        assert_eq!(
            read("At 0.334 s: two leaders."),
            Some((334_000_000, "two leaders."))
        );
        for other in [
            "Process 8 wrote 67 to k0 on n1 (0.9839 s – 0.9848 s) and was told ok.",
            "NaN s  n1: nothing",
            "-1 s  n1: nothing",
            "1e300 s  n1: nothing",
            "At noon s: nothing",
            "",
        ] {
            assert_eq!(read(other), None, "{other}");
        }
    }
}
