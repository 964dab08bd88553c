//! R-I3, log matching: "if two logs contain an entry with the same index and term, then the logs are identical in
//! all entries up through the given index" (paper §5.3, figure 3), on what is not compacted.
//!
//! By induction it is enough that index and term determine the payload and the term of the entry before it.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

use rustc_hash::FxHashMap;

use super::Step;
use crate::breach::Breach;
use crate::digest::hash_unordered;
use crate::raft::Raft;
use crate::raft::log::Log;
use crate::raft::types::{Index, Position, Term, Trace};
use crate::replica::NodeId;

pub(super) const NAME: (&str, &str) = ("R-I3", "log matching");

#[derive(Clone, Debug, Default)]
pub(super) struct LogMatching {
    /// The payload's hash and the term of the entry before, unless that is compacted.
    entries: FxHashMap<Position, (u64, Option<Term>)>,
}

impl Hash for LogMatching {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash_unordered(self.entries.iter(), state);
    }
}

impl LogMatching {
    pub(super) fn check(&mut self, step: &Step<'_>) -> Result<(), String> {
        let log = step.raft.log();
        for trace in step.traces {
            if let Trace::Appended { first, last, .. } = trace {
                self.added(log, *first, *last)?;
            }
        }
        Ok(())
    }

    fn added(&mut self, log: &Log, first: Index, last: Index) -> Result<(), String> {
        for index in first..=last {
            let Some(entry) = log.entry(index) else {
                // Compacted in the same step, or removed again by a planted mistake.
                continue;
            };
            let digest = entry.digest();
            let before = log.term_at(index - 1);
            let at = entry.at;
            if at.index != index {
                return Err(format!("the entry at {index} says that it is at {}", at.index));
            }
            let (known, known_before) = self.entries.entry(at).or_insert((digest, before));
            if *known != digest {
                return Err(format!(
                    "the entry at {index} of term {} has two payloads",
                    at.term
                ));
            }
            if let (Some(one), Some(other)) = (*known_before, before)
                && one != other
            {
                return Err(format!(
                    "before the entry at {index} of term {}, one log has term {one} and another {other}",
                    at.term
                ));
            }
            *known_before = known_before.or(before);
        }
        Ok(())
    }
}

/// Compares every pair of logs.
pub(super) fn full(nodes: &BTreeMap<NodeId, &Raft>) -> Result<(), Breach> {
    let logs: Vec<(NodeId, &Log)> = nodes.iter().map(|(node, raft)| (*node, raft.log())).collect();
    for (position, (node, one)) in logs.iter().enumerate() {
        for (other_node, other) in &logs[position + 1..] {
            let from = one.base().index.max(other.base().index) + 1;
            let until = one.last().index.min(other.last().index);
            let agree = |index: Index| one.term_at(index) == other.term_at(index);
            let Some(top) = (from..=until).rev().find(|index| agree(*index)) else {
                continue;
            };
            let differs = (from..=top).find(|index| one.entry(*index) != other.entry(*index));
            if let Some(index) = differs {
                let what = format!("its log and {other_node}'s agree at {top} and differ at {index}");
                return Err(Breach::new(NAME, *node, what));
            }
        }
    }
    Ok(())
}
