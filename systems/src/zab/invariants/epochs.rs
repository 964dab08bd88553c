//! Z-I1: at most one leader is established in an epoch. Z-I6: a node's epochs never fall, also across restarts, agreed
//! to ≥ adopted ≥ that of its last transaction, and a server's agreement to an epoch counts for one leader only. Z-I7:
//! whoever acknowledged NEWLEADER has the epoch's history and the epoch, durably (paper §IV).

use std::collections::BTreeMap;

use super::Step;
use crate::breach::Breach;
use crate::replica::NodeId;
use crate::zab::types::{Epoch, Epochs, Trace, Zxid};

pub(super) const NAME: (&str, &str) = ("Z-I6", "epochs");
pub(super) const ADOPTION: (&str, &str) = ("Z-I7", "adopted history");
const ESTABLISHED: (&str, &str) = ("Z-I1", "one leader an epoch");

/// What the node itself did before is enough to judge this.
pub(super) fn check(step: &Step<'_>) -> Result<(), String> {
    let Epochs { accepted, current } = step.zab.epochs();
    let last = step.zab.log().last().epoch;
    if accepted < current || accepted < last {
        return Err(format!(
            "it has agreed to epoch {accepted}, adopted {current}, and has a transaction of epoch {last}"
        ));
    }
    // In the middle of a synchronisation its log is ahead of the epoch that it has adopted.
    if step.zab.is_in_broadcast() && current < last {
        return Err(format!(
            "it follows broadcasts of epoch {last} and has adopted epoch {current}"
        ));
    }
    if let Some(before) = step.earlier()
        && (accepted < before.epochs.accepted || current < before.epochs.current)
    {
        return Err(format!(
            "its epochs fell from {:?} to {:?}",
            before.epochs,
            step.zab.epochs()
        ));
    }
    if let Some(before) = step.before().filter(|before| !before.running) {
        let durable = before.durable_epochs;
        if accepted < durable.accepted || current < durable.current {
            return Err(format!(
                "it restarted with {:?} after {durable:?} was durable",
                step.zab.epochs()
            ));
        }
    }
    Ok(())
}

#[derive(Clone, Debug, Default)]
pub(super) struct EpochLeaders {
    established: BTreeMap<Epoch, NodeId>,
    counted: BTreeMap<(Epoch, NodeId), NodeId>,
    /// Where the history of an epoch's leader ended.
    initial: BTreeMap<(Epoch, NodeId), (Zxid, Option<u64>)>,
}

impl EpochLeaders {
    /// What traces alone decide.
    pub(super) fn check(&mut self, node: NodeId, trace: &Trace) -> Result<(), Breach> {
        match trace {
            Trace::Established { epoch } => match self.established.insert(*epoch, node) {
                Some(earlier) => {
                    let what = format!("{earlier} and {node} were both established in epoch {epoch}");
                    Err(Breach::new(ESTABLISHED, node, what))
                }
                None => Ok(()),
            },
            Trace::EpochAckCounted { epoch, from } => match self.counted.insert((*epoch, *from), node) {
                Some(earlier) if earlier != node => {
                    let what =
                        format!("{from}'s agreement to epoch {epoch} counted for {earlier} and for {node}");
                    Err(Breach::new(NAME, node, what))
                }
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// Whether those who are counted have adopted what they should.
    pub(super) fn check_adoptions(&mut self, step: &Step<'_>) -> Result<(), String> {
        for trace in step.traces {
            match trace {
                Trace::Discovered { epoch, last } => {
                    let digest = step.zab.log().get(*last).map(|txn| txn.digest());
                    self.initial.insert((*epoch, step.node), (*last, digest));
                }
                Trace::NewLeaderAckCounted { epoch, from } => self.adopted(step, *epoch, *from)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn adopted(&self, step: &Step<'_>, epoch: Epoch, from: NodeId) -> Result<(), String> {
        let Some((last, digest)) = self.initial.get(&(epoch, step.node)) else {
            return Ok(());
        };
        if from == step.node {
            return match step.zab.log().durable() >= *last {
                true => Ok(()),
                false => Err(format!("it counted itself in epoch {epoch} too early")),
            };
        }
        let Some(view) = step.views.get(from) else {
            return Ok(());
        };
        // It has gone on to a later epoch: its acknowledgement came late.
        if view.epochs.accepted > epoch {
            return Ok(());
        }
        if view.durable_epochs.current < epoch {
            return Err(format!(
                "{from} acknowledged the history of epoch {epoch}, and has adopted epoch {} durably",
                view.durable_epochs.current
            ));
        }
        let holds = match digest {
            Some(digest) => view.log.holds(*last, *digest),
            None => view.log.durable() >= *last,
        };
        if !holds {
            return Err(format!(
                "{from} acknowledged the history of epoch {epoch} without {last}, durably"
            ));
        }
        Ok(())
    }
}
