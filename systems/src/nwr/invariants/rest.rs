//! Q-I5: when nothing is asked any more, replicas of a key come to hold the same, and what was kept for one that was silent
//! gets there.
//!
//! Replicas agree in the end where they compare themselves with each other; without that they may differ for ever, but for
//! what somebody keeps for them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::super::settings::Versions;
use super::super::types::{Trace, is_removed, newest};
use super::super::{Nwr, Settings};
use super::facts::told;
use crate::api::Tag;
use crate::breach::Breach;
use crate::replica::{Lsn, NodeId};

const NAME: (&str, &str) = ("Q-I5", "convergence");

/// So many comparisons of each node with some other one, and so much more time, are more than enough.
const COMPARISONS: u32 = 100;
const AT_LEAST: Duration = Duration::from_secs(20);

/// Something that is kept for a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kept {
    replica: NodeId,
    key: Arc<str>,
    tag: Tag,
    /// The position at which it is durable; none once it is.
    at: Option<Lsn>,
}

/// What has to come true in the end.
#[derive(Clone, Debug)]
pub(super) struct Rest {
    settings: Settings,
    /// What each node keeps for others.
    kept: BTreeMap<NodeId, Vec<Kept>>,
    /// The newest removal of each key that a node has forgotten.
    forgotten: BTreeMap<(NodeId, Arc<str>), Tag>,
}

impl Rest {
    pub(super) fn new(settings: Settings) -> Self {
        Rest {
            settings,
            kept: BTreeMap::new(),
            forgotten: BTreeMap::new(),
        }
    }

    fn compares(&self) -> bool {
        !self.settings.anti_entropy.is_zero()
    }

    pub(super) fn within(&self) -> Option<Duration> {
        let promises = self.compares() || self.settings.handoff;
        promises.then(|| AT_LEAST + COMPARISONS * self.settings.anti_entropy)
    }

    pub(super) fn durable(&mut self, node: NodeId, durable: Lsn) {
        for kept in self.kept.get_mut(&node).into_iter().flatten() {
            kept.at = kept.at.filter(|at| *at > durable);
        }
    }

    /// What was not durable may be gone.
    pub(super) fn stopped(&mut self, node: NodeId) {
        if let Some(kept) = self.kept.get_mut(&node) {
            kept.retain(|kept| kept.at.is_none());
        }
    }

    pub(super) fn wiped(&mut self, node: NodeId) {
        self.kept.remove(&node);
        self.forgotten.retain(|(at, _), _| *at != node);
    }

    pub(super) fn note(&mut self, node: NodeId, trace: &Trace) {
        match trace {
            Trace::Hinted {
                at,
                key,
                replica,
                tag: Some(tag),
            } => self.kept.entry(node).or_default().push(Kept {
                replica: *replica,
                key: Arc::clone(key),
                tag: *tag,
                at: Some(*at),
            }),
            Trace::HandedOver {
                key,
                replica,
                tag: Some(tag),
            } => {
                let done = |kept: &Kept| kept.replica == *replica && kept.key == *key && kept.tag == *tag;
                if let Some(kept) = self.kept.get_mut(&node) {
                    kept.retain(|kept| !done(kept));
                }
            }
            Trace::Forgot { key, tag } => {
                let known = self.forgotten.entry((node, Arc::clone(key))).or_insert(*tag);
                *known = (*known).max(*tag);
            }
            _ => {}
        }
    }

    pub(super) fn check(&self, nodes: &BTreeMap<NodeId, &Nwr>) -> Result<(), Breach> {
        // One that left, and heard of no view since, holds what it held: nobody asks it.
        let newest_epoch = nodes.values().map(|node| node.view().epoch).max();
        let current = |node: &&&Nwr| Some(node.view().epoch) == newest_epoch;
        if self.compares() {
            for (node, replica) in nodes.iter().filter(|(_, replica)| current(replica)) {
                for (key, cell) in replica.cells() {
                    let replicas = replica.replicas(key);
                    if !replicas.contains(node) {
                        continue;
                    }
                    for other in replicas.iter().filter(|other| *other != node) {
                        let Some(held) = nodes.get(other).filter(current).map(|other| other.held(key)) else {
                            continue;
                        };
                        // A removal is forgotten by one replica after the other.
                        if held != *cell && !(is_removed(&held) && is_removed(cell)) {
                            let (mine, theirs) = (version(newest(cell)), version(newest(&held)));
                            let what = format!("it holds {mine} of {key}, and {other} holds {theirs}");
                            return Err(Breach::new(NAME, *node, what));
                        }
                    }
                }
            }
        }
        if self.settings.versions == Versions::Vector {
            return Ok(());
        }
        for (keeper, kept) in self
            .kept
            .iter()
            .flat_map(|(keeper, all)| all.iter().map(move |one| (keeper, one)))
        {
            let Some(replica) = nodes.get(&kept.replica).filter(current) else {
                continue;
            };
            let forgotten = self.forgotten.get(&(kept.replica, Arc::clone(&kept.key)));
            let holds = newest(&replica.held(&kept.key)).max(forgotten.copied());
            if replica.replicas(&kept.key).contains(&kept.replica) && holds < Some(kept.tag) {
                let what = format!(
                    "{keeper} kept {} of {} for it, and it holds {}",
                    told(kept.tag),
                    kept.key,
                    version(holds)
                );
                return Err(Breach::new(NAME, kept.replica, what));
            }
        }
        Ok(())
    }
}

fn version(tag: Option<Tag>) -> String {
    tag.map_or("nothing".to_owned(), told)
}
