//! Whether a node may use its vote with the disk that it has.
//!
//! A node that lost its disk has forgotten what it promised and what it acknowledged; voting again under the same id
//! can elect two leaders or lose what was committed. An empty disk looks the same at the first boot, though. So an
//! initial member draws a name for its empty disk, writes it down, and asks the other initial members to write it down
//! too; it may vote once so many of them did that no two such sets are disjoint. Whoever knows another disk as that
//! node's refuses: the node is then an amnesiac, which has no vote until it is removed and joined again, where the
//! system can do that. A node that joins later is known by its disk in the configuration itself.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::replica::NodeId;

/// Names a disk: drawn when an empty disk is first used.
pub type Disk = u64;

/// What is durable about this disk and those of others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// This disk.
    pub disk: Disk,
    /// Whether it is known to be an initial member's only one.
    pub registered: bool,
    /// The disk of each other initial member that asked to be known.
    pub known: BTreeMap<NodeId, Disk>,
}

/// Asking to be registered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registration {
    accepted: BTreeSet<NodeId>,
    refused: bool,
}

/// What an answer to a registration came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Registered {
    /// Nothing new.
    Waiting,
    /// The disk is registered now: write the identity down.
    Now,
    /// Another disk is known as this node's: it has forgotten something.
    Amnesiac,
}

/// How many of the `others` must know a disk, so that any two such sets have a node in common.
pub(crate) fn registration_quorum(others: usize) -> usize {
    if others == 0 { 0 } else { others / 2 + 1 }
}

impl Identity {
    /// Another node's disk asks to be known. Says whether no other disk of that node was known before, and whether
    /// this is new and so to be written down.
    pub(crate) fn meet(&mut self, node: NodeId, disk: Disk) -> (bool, bool) {
        match self.known.get(&node) {
            Some(known) => (*known == disk, false),
            None => {
                self.known.insert(node, disk);
                (true, true)
            }
        }
    }

    /// The `others` answered: `from` knows this `disk`, or, if it is not the `first`, another one.
    pub(crate) fn answered(
        &mut self,
        registration: &mut Registration,
        (from, disk, first): (NodeId, Disk, bool),
        others: usize,
    ) -> Registered {
        if disk != self.disk || self.registered {
            return Registered::Waiting;
        }
        if !first {
            return if std::mem::replace(&mut registration.refused, true) {
                Registered::Waiting
            } else {
                Registered::Amnesiac
            };
        }
        registration.accepted.insert(from);
        if registration.accepted.len() < registration_quorum(others) {
            return Registered::Waiting;
        }
        self.registered = true;
        Registered::Now
    }
}

impl Registration {
    /// Whether a node has answered that it knows the disk.
    pub(crate) fn has(&self, node: NodeId) -> bool {
        self.accepted.contains(&node)
    }
}
