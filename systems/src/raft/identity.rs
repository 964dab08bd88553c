//! Which disk a node has, and whether it may vote with it ([`crate::identity`]).
//!
//! A candidate names the disk that it expects, so that a node which does not know its latest configuration can judge
//! all the same.

use rand::Rng;

use super::types::{Message, Record, Timer, Trace};
use super::{Cx, Raft};
use crate::identity::{Disk, Identity, Registered};
use crate::replica::NodeId;

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
        for node in self.others().filter(|node| !self.registration.has(*node)) {
            let disk = self.identity.disk;
            cx.send(node, Message::Register { disk });
        }
        cx.arm(Timer::Register, self.settings.heartbeat);
    }

    pub(super) fn on_register(&mut self, from: NodeId, disk: Disk, cx: &mut Cx) {
        if !self.initial.is_voter(from) {
            return;
        }
        let (first, new) = self.identity.meet(from, disk);
        if new {
            cx.append(Record::Identity(self.identity.clone()));
        }
        cx.send(from, Message::RegisterReply { disk, first });
    }

    pub(super) fn on_register_reply(&mut self, from: NodeId, disk: Disk, first: bool, cx: &mut Cx) {
        if !self.initial.is_voter(from) {
            return;
        }
        let others = self.others().count();
        match self
            .identity
            .answered(&mut self.registration, (from, disk, first), others)
        {
            Registered::Waiting => {}
            Registered::Amnesiac => cx.trace(Trace::Amnesiac),
            Registered::Now => {
                cx.append(Record::Identity(self.identity.clone()));
                cx.disarm(Timer::Register);
            }
        }
    }

    /// Whether this node may use its vote, as far as it knows.
    pub(super) fn has_a_vote(&self) -> bool {
        self.may_use_vote(self.configs.latest().disks.get(&self.me).copied())
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
