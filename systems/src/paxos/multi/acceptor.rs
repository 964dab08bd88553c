//! The acceptor: one promise for the whole log, and a vote for each slot (Paxos Made Simple §2.2, §3).

use std::time::Duration;

use super::marks::Place;
use super::settings::ReadMode;
use super::types::{Message, Record, Slot, Trace, Value};
use super::{Cx, Paxos};
use crate::identity::Disk;
use crate::paxos::Ballot;
use crate::replica::{Lsn, NodeId};

/// What an acceptor accepted last in a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vote {
    /// The ballot.
    pub ballot: Ballot,
    /// What.
    pub value: Value,
    /// Where it is written.
    pub(crate) at: Lsn,
}

impl Paxos {
    /// Whether this node may promise and vote where it is known by `expected` (none for an initial member); one that
    /// may not stays silent.
    pub(super) fn may_use_vote(&self, expected: Option<Disk>) -> bool {
        let may = self.rules.may_use_vote(self.is_known_by(expected));
        if !may {
            self.rules.reach(Place::AmnesiacSilent as u8);
        }
        may
    }

    /// Whether its disk is the one by which it is known (none for an initial member, whose disk is registered).
    pub(super) fn is_known_by(&self, expected: Option<Disk>) -> bool {
        match expected {
            Some(disk) => disk == self.identity.disk,
            None => self.is_registered(),
        }
    }

    /// Whether its disk is the only one that it had as a member from the start.
    pub(super) fn is_registered(&self) -> bool {
        self.identity.registered || !self.initial.voters.contains(&self.me)
    }

    pub(super) fn on_prepare(
        &mut self,
        from: NodeId,
        (ballot, first): (Ballot, Slot),
        disk: Option<Disk>,
        transfer: bool,
        cx: &mut Cx,
    ) {
        if !self.may_use_vote(disk) {
            return;
        }
        let leased = self.settings.reads == ReadMode::Lease
            && !transfer
            && self.leader != Some(from)
            && self.heard_within(self.settings.election_timeout, cx.now);
        if leased && ballot > self.promised && self.rules.lease_refuses(true) {
            self.rules.reach(Place::LeaseRefuses as u8);
            return;
        }
        if !self.rules.may_promise(ballot, self.promised) {
            self.rules.reach(Place::LowBallotRefused as u8);
            let promised = self.promised;
            cx.send(from, Message::Nack { ballot, promised });
            return;
        }
        if ballot > self.promised {
            self.promise(ballot, cx);
            self.arm_election(cx);
        }
        self.report(from, ballot, first, cx);
    }

    /// Promises a higher ballot: whoever leads in a lower one does not lead this node any more.
    pub(super) fn promise(&mut self, ballot: Ballot, cx: &mut Cx) {
        self.promised = ballot;
        self.covered = self.highest_accepted();
        cx.append(Record::Promised(ballot));
        cx.trace(Trace::Promised {
            ballot,
            at: cx.written(),
        });
        self.be_bound(ballot, cx);
    }

    /// What follows from a higher ballot, promised or accepted: nobody leads this node in a lower one any more, and no
    /// lease of a lower one counts, since who leads in this one does not wait for it.
    fn be_bound(&mut self, ballot: Ballot, cx: &mut Cx) {
        self.round = self.round.max(ballot.round);
        self.leader = None;
        self.read_lease = None;
        self.stop_leading_below(ballot, cx);
    }

    /// Tells a proposer what it has accepted.
    pub(super) fn report(&mut self, to: NodeId, ballot: Ballot, first: Slot, cx: &mut Cx) {
        let trimmed = self.rules.reported_trim(self.trimmed);
        if self.trimmed >= first {
            self.rules.reach(Place::TrimReported as u8);
        }
        cx.trace(Trace::Reported {
            ballot,
            from: first,
            trimmed,
        });
        let votes = self.accepted.range(first..);
        let votes = votes
            .map(|(slot, vote)| (*slot, vote.ballot, vote.value.clone()))
            .collect();
        self.say(
            to,
            Message::Promise {
                ballot,
                trimmed,
                votes,
            },
            cx,
        );
    }

    pub(super) fn on_accept(
        &mut self,
        from: NodeId,
        ballot: Ballot,
        values: Vec<(Slot, Value)>,
        disk: Option<Disk>,
        cx: &mut Cx,
    ) {
        if !self.may_use_vote(disk) {
            return;
        }
        let mut slots = Vec::with_capacity(values.len());
        let mut refused = false;
        for (slot, value) in values {
            if self.vote(slot, ballot, value, cx) {
                slots.push(slot);
            } else {
                refused = true;
            }
        }
        if refused {
            self.rules.reach(Place::AcceptRefused as u8);
            let promised = self.promised;
            cx.send(from, Message::Nack { ballot, promised });
        }
        if ballot >= self.promised {
            self.follow(ballot, cx);
        }
        if !slots.is_empty() {
            cx.send(from, Message::Accepted { ballot, slots });
        }
    }

    /// Accepts, if that is allowed. What is trimmed is chosen already, and not accepted again.
    pub(super) fn vote(&mut self, slot: Slot, ballot: Ballot, value: Value, cx: &mut Cx) -> bool {
        let promised = if slot > self.covered {
            self.rules.promise_for_new_slot(self.promised)
        } else {
            self.promised
        };
        if slot <= self.trimmed || !self.rules.may_accept(ballot, promised) {
            return false;
        }
        if let Some(vote) = self.accepted.get(&slot)
            && vote.ballot == ballot
            && vote.value == value
        {
            return true;
        }
        if ballot > self.promised {
            self.promised = ballot;
            self.be_bound(ballot, cx);
        }
        let digest = value.digest();
        let at = cx.append(Record::Accepted {
            ballot,
            slot,
            value: value.clone(),
        });
        self.accepted.insert(slot, Vote { ballot, value, at });
        cx.trace(Trace::Accepted {
            slot,
            ballot,
            value: digest,
            at,
        });
        true
    }

    /// The highest slot in which it has accepted anything.
    pub(super) fn highest_accepted(&self) -> Slot {
        self.accepted
            .last_key_value()
            .map_or(self.trimmed, |(slot, _)| *slot)
    }

    /// Whether a leader was heard within this time.
    pub(super) fn heard_within(&self, timeout: Duration, now: Duration) -> bool {
        self.heard_at.is_some_and(|at| now.saturating_sub(at) < timeout)
    }
}
