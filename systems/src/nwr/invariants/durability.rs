//! Q-I3: what a coordinator counts as stored is durable at that replica, or was before it lost its disk.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::super::types::Trace;
use super::facts::told;
use crate::api::Tag;
use crate::replica::{Lsn, NodeId};

pub(super) const NAME: (&str, &str) = ("Q-I3", "what is acknowledged is durable");

/// What is durable where.
#[derive(Clone, Debug, Default)]
pub(super) struct Durability {
    /// What was written and is not known to be durable, in order.
    written: BTreeMap<NodeId, VecDeque<(Lsn, Arc<str>, Tag)>>,
    /// The newest version of each key that ever was durable.
    durable: BTreeMap<NodeId, FxHashMap<Arc<str>, Tag>>,
}

impl Durability {
    /// What it wrote is gone.
    pub(super) fn wiped(&mut self, node: NodeId) {
        self.written.remove(&node);
    }

    /// The node's log is durable up to here.
    pub(super) fn durable(&mut self, node: NodeId, durable: Lsn) {
        let Some(written) = self.written.get_mut(&node) else {
            return;
        };
        while let Some((lsn, ..)) = written.front()
            && *lsn <= durable
        {
            if let Some((_, key, tag)) = written.pop_front() {
                let known = self.durable.entry(node).or_default().entry(key).or_insert(tag);
                *known = (*known).max(tag);
            }
        }
    }

    pub(super) fn check(&mut self, node: NodeId, trace: &Trace) -> Result<(), String> {
        let (key, tag, replica) = match trace {
            Trace::Wrote { at, key, versions } => {
                if let Some(tag) = versions.iter().map(|(tag, _)| *tag).max() {
                    let written = self.written.entry(node).or_default();
                    written.push_back((*at, Arc::clone(key), tag));
                }
                return Ok(());
            }
            // What a crash kept of the log is durable now; the rest is lost.
            Trace::Recovered { .. } => {
                self.written.remove(&node);
                return Ok(());
            }
            Trace::Counted {
                key, tag, replica, ..
            } => (key, tag, replica),
            _ => return Ok(()),
        };
        let durable = self.durable.get(replica).and_then(|keys| keys.get(key));
        if durable.is_some_and(|durable| durable >= tag) {
            return Ok(());
        }
        Err(format!(
            "it counts {replica} for {} of {key}, where it is not durable",
            told(*tag)
        ))
    }
}
