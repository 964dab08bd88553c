//! Which disk a node has, and whether it may vote with it ([`crate::identity`]).
//!
//! A candidate names the disk that it expects, so that a node which does not know its latest configuration can judge
//! all the same.

use super::types::{Message, Record, Timer, Trace};
use super::{Cx, Raft};
use crate::identity::{Disk, Registers, Standing};

impl Registers for Raft {
    const RETRY: Timer = Timer::Register;
    const AMNESIAC: Trace = Trace::Amnesiac;

    fn standing(&mut self) -> Standing<'_> {
        Standing {
            identity: &mut self.identity,
            registration: &mut self.registration,
            me: self.me,
            members: &self.initial.voters,
            required: self.settings.register_disks,
            retry: self.settings.heartbeat,
        }
    }

    fn register(disk: Disk) -> Message {
        Message::Register { disk }
    }

    fn register_reply(disk: Disk, first: bool) -> Message {
        Message::RegisterReply { disk, first }
    }

    fn write_identity(&mut self, cx: &mut Cx) {
        cx.append(Record::Identity(self.identity.clone()));
    }
}

impl Raft {
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
