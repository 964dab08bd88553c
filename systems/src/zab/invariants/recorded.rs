//! The invariants that traces alone decide, for runs whose nodes cannot be looked into. Traces come in the order of
//! each node; how nodes interleave does not matter.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::{epochs, oracle, sessions, states};
use crate::breach::{Breach, Judge};
use crate::replica::NodeId;
use crate::zab::types::{Epochs, Trace, Zxid};

/// Judges recorded traces.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    epochs: epochs::EpochLeaders,
    states: states::States,
    sessions: sessions::SessionOrder,
    proposed: oracle::Oracle,
    applied: FxHashMap<Zxid, u64>,
    /// What each node has agreed to and adopted; what was not durable when it stopped is forgotten lawfully.
    known: BTreeMap<NodeId, Epochs>,
}

impl Judge<Trace> for Recorded {
    fn observe(&mut self, node: NodeId, trace: &Trace) -> Result<(), Breach> {
        let breach = |name: (&'static str, &'static str)| move |what: String| Breach::new(name, node, what);
        self.epochs.check(node, trace)?;
        self.sessions.check(node, trace)?;
        self.states.note(node, trace).map_err(breach(states::NAME))?;
        match trace {
            Trace::Proposed { zxid, digest } => self
                .proposed
                .proposal(node, *zxid, *digest)
                .map_err(breach(oracle::PRIMARY_ORDER)),
            Trace::Applied { zxid, digest, .. } => {
                let known = self.applied.entry(*zxid).or_insert(*digest);
                if known == digest {
                    return Ok(());
                }
                let what = format!("two different transactions were applied as {zxid}");
                Err(breach(oracle::NAME)(what))
            }
            Trace::Recovered { epochs, .. } => {
                self.known.insert(node, *epochs);
                Ok(())
            }
            Trace::EpochAccepted { epoch } => {
                let known = self.known.entry(node).or_default();
                let earlier = std::mem::replace(&mut known.accepted, *epoch);
                if *epoch >= earlier {
                    return Ok(());
                }
                let what = format!("it agreed to epoch {epoch} after epoch {earlier}");
                Err(breach(epochs::NAME)(what))
            }
            _ => Ok(()),
        }
    }

    fn finish(&mut self) -> Result<(), Breach> {
        Ok(())
    }
}
