//! Whether a node may use its vote with the disk that it has.
//!
//! A node that lost its disk has forgotten whom it voted for and what it acknowledged; voting again under the same
//! id can elect two leaders or lose what was committed. An empty disk looks the same at the first boot, though. So
//! an initial member draws a name for its empty disk, writes it down, and asks the other members to write it down
//! too; it may vote once so many of them did that no two such sets are disjoint. Whoever knows another disk as that
//! node's refuses: the node is then an amnesiac, which receives the log without a vote until it is removed and
//! joined again. A node that joins later is known by its disk in the configuration itself, and a candidate names
//! the disk that it expects, so that a node which does not know its latest configuration can judge all the same.

use std::collections::{BTreeMap, BTreeSet};

use rand::Rng;
use serde::{Deserialize, Serialize};

use super::config::Disk;
use super::types::{Message, Record, Timer, Trace};
use super::{Cx, Raft};
use crate::replica::NodeId;

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

/// How many of the `others` must know a disk, so that any two such sets have a node in common.
fn registration_quorum(others: usize) -> usize {
    if others == 0 { 0 } else { others / 2 + 1 }
}

impl Raft {
    /// Names an empty disk, and begins to register it where that is needed.
    pub(super) fn start_identity(&mut self, found: Option<Identity>, cx: &mut Cx) {
        match found {
            Some(identity) => self.identity = identity,
            None => {
                self.identity.disk = cx.rng.next_u64();
                self.identity.registered = !self.settings.register_disks || self.others().next().is_none();
                cx.append(Record::Identity(self.identity.clone()));
            }
        }
        self.ask_to_be_registered(cx);
    }

    fn others(&self) -> impl Iterator<Item = NodeId> {
        let me = self.me;
        self.initial
            .voters
            .iter()
            .copied()
            .filter(move |node| *node != me)
    }

    pub(super) fn ask_to_be_registered(&mut self, cx: &mut Cx) {
        if self.identity.registered || !self.initial.is_voter(self.me) {
            return;
        }
        for node in self
            .others()
            .filter(|node| !self.registration.accepted.contains(node))
        {
            let disk = self.identity.disk;
            cx.send(node, Message::Register { disk });
        }
        cx.arm(Timer::Register, self.settings.heartbeat);
    }

    pub(super) fn on_register(&mut self, from: NodeId, disk: Disk, cx: &mut Cx) {
        if !self.initial.is_voter(from) {
            return;
        }
        let known = match self.identity.known.get(&from) {
            Some(known) => *known,
            None => {
                self.identity.known.insert(from, disk);
                cx.append(Record::Identity(self.identity.clone()));
                disk
            }
        };
        let first = known == disk;
        cx.send(from, Message::RegisterReply { disk, first });
    }

    pub(super) fn on_register_reply(&mut self, from: NodeId, disk: Disk, first: bool, cx: &mut Cx) {
        if disk != self.identity.disk || self.identity.registered || !self.initial.is_voter(from) {
            return;
        }
        if !first {
            if !std::mem::replace(&mut self.registration.refused, true) {
                cx.trace(Trace::Amnesiac);
            }
            return;
        }
        self.registration.accepted.insert(from);
        if self.registration.accepted.len() >= registration_quorum(self.others().count()) {
            self.identity.registered = true;
            cx.append(Record::Identity(self.identity.clone()));
            cx.disarm(Timer::Register);
        }
    }

    /// Whether this node may vote or campaign where it is known by `expected` (none for an initial member).
    pub(super) fn may_use_vote(&self, expected: Option<Disk>) -> bool {
        let known = match expected {
            Some(disk) => disk == self.identity.disk,
            None => self.identity.registered || !self.initial.is_voter(self.me),
        };
        self.rules.may_use_vote(known)
    }
}
