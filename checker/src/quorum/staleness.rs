//! How stale reads are (Bailis et al., "Probabilistically bounded staleness for practical partial quorums", VLDB 2012).
//!
//! - ***k*-staleness** of a read: how many newer writes of its key were over when it began.
//! - ***t*-visibility**: of the reads that began at least *t* after the newest write that was over, how many returned it, or
//!   something newer.
//! - **Δ**: how long before a stale read the first newer write was over.
//!
//! If every quorum is drawn at random and a write goes to no more than W replicas, a read misses one write with
//! *p* = C(N−W, R) / C(N, R), and is *k* or more writes behind with *pᵏ*. Stores send a write to all N, so that reads are
//! fresher than that; how fresh is what [`visible_after_ns`](super::visible_after_ns) predicts where the delays are known.

use serde::{Deserialize, Serialize};

use super::regular::{by_key, is_read};
use crate::history::{History, Operation, Outcome, Quorum, Tag};
use crate::words;

/// Times at which visibility is asked for, in nanoseconds: 0, then from 100 µs to 10 s.
pub const VISIBILITY_NS: [u64; 17] = [
    0,
    100_000,
    200_000,
    500_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    20_000_000,
    50_000_000,
    100_000_000,
    200_000_000,
    500_000_000,
    1_000_000_000,
    2_000_000_000,
    5_000_000_000,
    10_000_000_000,
];

/// How stale the reads of a history are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Staleness {
    /// N, W and R, as most operations had them.
    pub quorums: (u16, u16, u16),
    /// By *k*: how many reads were *k* writes behind. Reads of keys that were never written do not count.
    pub behind: Vec<u64>,
    /// By time: how many reads began that long or longer after the newest write, and how many of them returned it.
    pub visibility: Vec<Visibility>,
    /// For each stale read, how long before it the first newer write was over, in nanoseconds, shortest first.
    pub since_ns: Vec<u64>,
}

/// A point of the curve of visibility.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visibility {
    /// So long after the newest write was over, in nanoseconds.
    pub after_ns: u64,
    /// Reads that began then or later.
    pub reads: u64,
    /// Of these, those that returned it or something newer.
    pub fresh: u64,
}

impl Visibility {
    /// The share of reads that returned it; 0 where there were none.
    pub fn share(&self) -> f64 {
        self.fresh as f64 / self.reads.max(1) as f64
    }
}

impl Staleness {
    /// Reads that were measured.
    pub fn reads(&self) -> u64 {
        self.behind.iter().sum()
    }

    /// The share of reads that were `k` or more writes behind.
    pub fn share(&self, k: usize) -> f64 {
        let behind: u64 = self.behind.iter().skip(k).sum();
        behind as f64 / self.reads().max(1) as f64
    }

    /// The share that random quorums of this size predict.
    pub fn predicted(&self, k: usize) -> f64 {
        let (n, w, r) = self.quorums;
        missed(n, w, r).powi(i32::try_from(k).unwrap_or(i32::MAX))
    }

    /// Whether more reads were behind than random quorums predict, by more than five standard deviations.
    pub fn exceeds_prediction(&self) -> bool {
        let (share, predicted) = (self.share(1), self.predicted(1));
        let deviation = (predicted * (1.0 - predicted) / self.reads().max(1) as f64).sqrt();
        share > predicted + 5.0 * deviation
    }

    /// `3.1 % of 812 reads missed the last write, at most by 2 writes; random quorums of N=3, W=1, R=1 predict 66.7 %.`
    pub fn sentence(&self) -> String {
        let (n, w, r) = self.quorums;
        let worst = self.behind.len().saturating_sub(1);
        let mut sentence = format!(
            "{:.1} % of {} reads missed the last write",
            100.0 * self.share(1),
            self.reads()
        );
        if worst > 0 {
            let writes = if worst == 1 { "write" } else { "writes" };
            sentence += &format!(", at most by {worst} {writes}");
        }
        if let Some(longest) = self.since_ns.last() {
            sentence += &format!(" and {}", words::span(*longest));
        }
        sentence
            + &format!(
                "; random quorums of N={n}, W={w}, R={r} predict {:.1} %.",
                100.0 * self.predicted(1)
            )
    }
}

/// With which chance a random read quorum misses a random write quorum.
pub(super) fn missed(n: u16, w: u16, r: u16) -> f64 {
    let mut chance = 1.0;
    for drawn in 0..r {
        let (others, left) = (n.saturating_sub(w).saturating_sub(drawn), n - drawn);
        chance *= f64::from(others) / f64::from(left);
    }
    chance
}

/// Measures the reads whose answers name their replicas and versions; none if there are none.
pub fn staleness(history: &History) -> Option<Staleness> {
    let mut measured = Staleness {
        quorums: (0, 0, 0),
        behind: Vec::new(),
        visibility: VISIBILITY_NS
            .iter()
            .map(|after_ns| Visibility {
                after_ns: *after_ns,
                reads: 0,
                fresh: 0,
            })
            .collect(),
        since_ns: Vec::new(),
    };
    let mut sizes: Vec<(u16, Option<u16>, Option<u16>)> = Vec::new();
    for (_, operations) in by_key(history) {
        let mut writes: Vec<(&Operation, Tag)> = Vec::new();
        let mut reads: Vec<(&Operation, &Quorum)> = Vec::new();
        for operation in operations {
            let completion = &operation.completion;
            let Some(quorum) = completion
                .quorum
                .as_deref()
                .filter(|_| completion.outcome == Outcome::Ok)
            else {
                continue;
            };
            let n = quorum.of.len() as u16;
            if is_read(operation) {
                sizes.push((n, None, Some(quorum.need)));
                reads.push((operation, quorum));
            } else if let Some(tag) = quorum.tag {
                sizes.push((n, Some(quorum.need), None));
                writes.push((operation, tag));
            }
        }
        writes.sort_by_key(|(write, _)| write.returned());
        for (read, quorum) in reads {
            measured.read(read, quorum.tag, &writes);
        }
    }
    measured.quorums = (
        usual(sizes.iter().map(|(n, ..)| *n))?,
        usual(sizes.iter().filter_map(|(_, w, _)| *w)).unwrap_or(0),
        usual(sizes.iter().filter_map(|(.., r)| *r)).unwrap_or(0),
    );
    measured.since_ns.sort_unstable();
    Some(measured)
}

fn usual(numbers: impl Iterator<Item = u16>) -> Option<u16> {
    let mut counts = std::collections::BTreeMap::new();
    for number in numbers {
        *counts.entry(number).or_insert(0_u64) += 1;
    }
    counts
        .into_iter()
        .max_by_key(|(_, count)| *count)
        .map(|(number, _)| number)
}

impl Staleness {
    /// Counts a read of a key whose writes these are, in the order of their ends.
    fn read(&mut self, read: &Operation, tag: Option<Tag>, writes: &[(&Operation, Tag)]) {
        let over = writes.partition_point(|(write, _)| write.returned() < read.invoked.index);
        let over = &writes[..over];
        let Some((newest, greatest)) = over.iter().max_by_key(|(_, tag)| *tag) else {
            return;
        };
        let ended = |write: &Operation| write.completion.at.map_or(0, |at| at.time);
        let mut newer = over.iter().filter(|(_, other)| Some(*other) > tag);
        let first = newer.clone().next();
        let k = newer.by_ref().count();
        if self.behind.len() <= k {
            self.behind.resize(k + 1, 0);
        }
        self.behind[k] += 1;
        if let Some((first, _)) = first {
            self.since_ns.push(read.invoked.time.saturating_sub(ended(first)));
        }
        let after = read.invoked.time.saturating_sub(ended(newest));
        for point in self.visibility.iter_mut().filter(|point| point.after_ns <= after) {
            point.reads += 1;
            point.fresh += u64::from(tag >= Some(*greatest));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::missed;

    #[test]
    fn the_chance_to_miss_a_write_is_that_of_random_quorums() {
        for (n, w, r, percent) in [
            (3, 1, 1, 66.7),
            (3, 1, 2, 33.3),
            (3, 2, 1, 33.3),
            (3, 2, 2, 0.0),
            (5, 1, 1, 80.0),
            (5, 2, 2, 30.0),
            (5, 3, 3, 0.0),
        ] {
            let chance = 100.0 * missed(n, w, r);
            assert!((chance - percent).abs() < 0.05, "({n},{w},{r}): {chance} %");
        }
    }
}
