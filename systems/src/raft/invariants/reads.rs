//! R-I11: a read sees everything that was acknowledged to any client before the read was invoked (paper §8).

use std::hash::{Hash, Hasher};

use rustc_hash::FxHashMap;

use super::Step;
use crate::digest::hash_unordered;
use crate::raft::types::{Index, Trace};
use crate::replica::{NodeId, RequestId};

pub(super) const NAME: (&str, &str) = ("R-I11", "linearizable reads");

#[derive(Clone, Debug, Default)]
pub(super) struct Reads {
    acknowledged: Index,
    floors: FxHashMap<(NodeId, RequestId), Index>,
}

impl Hash for Reads {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.acknowledged.hash(state);
        hash_unordered(self.floors.iter(), state);
    }
}

impl Reads {
    pub(super) fn stopped(&mut self, node: NodeId) {
        self.floors.retain(|(reader, _), _| *reader != node);
    }

    pub(super) fn check(&mut self, step: &Step<'_>) -> Result<(), String> {
        for trace in step.traces {
            match trace {
                Trace::Acked { index, .. } => self.acknowledged = self.acknowledged.max(*index),
                Trace::ReadInvoked { id } => {
                    self.floors.insert((step.node, *id), self.acknowledged);
                }
                Trace::ReadServed { id, index } => {
                    let floor = self.floors.remove(&(step.node, *id)).unwrap_or(0);
                    if *index < floor {
                        return Err(format!(
                            "a read was served at {index}; {floor} was acknowledged before it came"
                        ));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}
