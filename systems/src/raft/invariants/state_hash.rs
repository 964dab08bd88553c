//! R-I12: nodes that have applied the same entries are in the same state, sessions included, and a snapshot is the
//! state at its index (paper §2, §7; thesis §6.3).

use std::hash::{Hash, Hasher};

use rustc_hash::FxHashMap;

use crate::digest::hash_unordered;
use crate::raft::types::{Index, Trace};

pub(super) const NAME: (&str, &str) = ("R-I12", "equal states");

#[derive(Clone, Debug, Default)]
pub(super) struct StateHash {
    states: FxHashMap<Index, u64>,
}

impl Hash for StateHash {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash_unordered(self.states.iter(), state);
    }
}

impl StateHash {
    pub(super) fn check(&mut self, traces: &[Trace]) -> Result<(), String> {
        for trace in traces {
            let (what, index, hash) = match trace {
                Trace::Applied { at, hash, .. } => ("the state", at.index, hash),
                Trace::SnapshotTaken { last, hash } => ("a snapshot taken", last.index, hash),
                Trace::SnapshotInstalled { last, hash, .. } => ("a snapshot installed", last.index, hash),
                Trace::Recovered { applied, hash, .. } => ("a snapshot recovered", *applied, hash),
                _ => continue,
            };
            let known = self.states.entry(index).or_insert(*hash);
            if known != hash {
                return Err(format!("{what} as of {index} differs from another node's"));
            }
        }
        Ok(())
    }
}
