//! Z-I10: a node's state is what replaying its snapshot and its log comes to: it applies every committed transaction
//! after the other, and nodes that have applied the same are in the same state, sessions included.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::oracle::Oracle;
use crate::replica::NodeId;
use crate::zab::types::{Trace, Zxid};

pub(super) const NAME: (&str, &str) = ("Z-I10", "state is replay");

#[derive(Clone, Debug, Default)]
pub(super) struct States {
    hashes: FxHashMap<Zxid, u64>,
    applied: BTreeMap<NodeId, Zxid>,
}

impl States {
    pub(super) fn stopped(&mut self, node: NodeId) {
        self.applied.remove(&node);
    }

    pub(super) fn check(&mut self, node: NodeId, traces: &[Trace], oracle: &Oracle) -> Result<(), String> {
        for trace in traces {
            if let Trace::Applied { zxid, .. } = trace
                && let Some(before) = self.applied.get(&node)
                && let Some(next) = oracle.next_of(*before)
                && next != *zxid
            {
                return Err(format!(
                    "it applied {zxid} right after {before}, where {next} is committed"
                ));
            }
            self.note(node, trace)?;
        }
        Ok(())
    }

    /// What traces alone decide.
    pub(super) fn note(&mut self, node: NodeId, trace: &Trace) -> Result<(), String> {
        let (what, zxid, hash, whole) = match trace {
            Trace::Applied {
                zxid, hash, whole, ..
            } => ("the state", zxid, hash, *whole),
            Trace::SnapshotInstalled { last, hash, whole } => ("a state installed", last, hash, *whole),
            Trace::Recovered {
                applied,
                hash,
                whole_from,
                ..
            } => ("a state recovered", applied, hash, whole_from <= applied),
            _ => return Ok(()),
        };
        self.applied.insert(node, *zxid);
        if whole && self.hashes.entry(*zxid).or_insert(*hash) != hash {
            return Err(format!("{what} as of {zxid} differs from another node's"));
        }
        Ok(())
    }
}
