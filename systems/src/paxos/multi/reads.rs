//! Linearizable reads: by asking a quorum, by a slot of their own, by the leader's lease, or by every replica's.

use std::time::Duration;

use super::marks::Place;
use super::settings::ReadMode;
use super::types::{Grant, Slot, Trace};
use super::{Cx, Paxos, State};
use crate::api::{Command, Failure};
use crate::paxos::Ballot;
use crate::replica::RequestId;

/// A read that waits at the leader.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub(crate) id: RequestId,
    pub(crate) command: Command,
    /// The round that confirms it: one that began after it came.
    pub(crate) round: u64,
    pub(crate) deadline: Duration,
}

/// A read that waits at a replica with a lease, until everything that the replica has accepted is executed.
#[derive(Clone, Debug)]
pub(crate) struct Local {
    pub(crate) id: RequestId,
    pub(crate) command: Command,
    pub(crate) deadline: Duration,
}

/// A lease to read with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadLease {
    until: Duration,
    /// What was chosen when it was given.
    chosen: Slot,
    /// The ballot of the leader that gave it.
    ballot: Ballot,
}

impl Paxos {
    pub(super) fn read(&mut self, id: RequestId, command: Command, cx: &mut Cx) {
        cx.trace(Trace::ReadInvoked { id });
        if self.rules.may_read_anywhere() {
            self.answer_read(id, &command, None, cx);
            return;
        }
        let deadline = cx.now + self.settings.request_timeout;
        let recovered = self.recovered();
        let lease = self.settings.reads.has_leases() && self.leader_lease_holds(cx.now);
        let State::Leader(leader) = &mut self.state else {
            if self.read_lease.is_some_and(|lease| lease.until > cx.now) {
                self.requests.local.push(Local {
                    id,
                    command,
                    deadline,
                });
                self.reads_ready = true;
                self.arm_sweep(cx);
                return;
            }
            let reason = if self.leader.is_some() {
                "this node does not lead"
            } else {
                "no leader is known"
            };
            self.answer(id, Err(self.unavailable(reason)), cx);
            return;
        };
        if lease && self.rules.may_read(recovered) {
            self.rules.reach(Place::ReadByLease as u8);
            let ballot = Some(leader.ballot).filter(|_| self.settings.reads == ReadMode::Lease);
            self.answer_read(id, &command, ballot, cx);
            return;
        }
        let idle = leader.confirmed >= leader.round;
        leader.reads.push_back(Pending {
            id,
            command,
            round: leader.round + 1,
            deadline,
        });
        if idle {
            self.begin_round(cx);
        }
        self.reads_ready = true;
        self.arm_sweep(cx);
    }

    /// Answers the reads that are confirmed, at a leader that has recovered, and those of a replica that has executed
    /// all that it knows of.
    pub(super) fn answer_reads(&mut self, cx: &mut Cx) {
        let recovered = self.recovered();
        let mut ready = Vec::new();
        let mut another = false;
        if let State::Leader(leader) = &mut self.state {
            let confirmed = leader
                .reads
                .iter()
                .take_while(|read| read.round <= leader.confirmed)
                .count();
            if confirmed > 0 && !recovered {
                self.rules.reach(Place::ReadWaitsForRecovery as u8);
            }
            if confirmed > 0 && self.rules.may_read(recovered) {
                self.rules.reach(Place::ReadByRound as u8);
                ready.extend(leader.reads.drain(..confirmed));
            }
            let wanted = leader.reads.back().is_some_and(|read| read.round > leader.round);
            another = wanted && leader.confirmed >= leader.round;
        }
        for read in ready {
            self.answer_read(read.id, &read.command, None, cx);
        }
        if another {
            self.begin_round(cx);
        }
        if std::mem::take(&mut self.reads_ready) && !self.requests.local.is_empty() {
            self.answer_local(cx);
        }
    }

    fn answer_local(&mut self, cx: &mut Cx) {
        match self.read_lease.filter(|lease| lease.until > cx.now) {
            None => {
                for read in std::mem::take(&mut self.requests.local) {
                    self.answer(read.id, Err(self.unavailable("the lease is over")), cx);
                }
            }
            Some(lease) if self.executed() >= lease.chosen.max(self.highest_accepted_in(lease.ballot)) => {
                self.rules.reach(Place::ReadByReplica as u8);
                for read in std::mem::take(&mut self.requests.local) {
                    self.answer_read(read.id, &read.command, None, cx);
                }
            }
            Some(_) => {}
        }
    }

    fn answer_read(&mut self, id: RequestId, command: &Command, lease: Option<Ballot>, cx: &mut Cx) {
        let reply = self.machine.read(command);
        let slot = self.executed();
        cx.trace(Trace::ReadServed { id, slot, lease });
        let result = reply.ok_or_else(|| Failure::Invalid {
            reason: "it is not a read".into(),
        });
        self.answer(id, result, cx);
    }

    /// The highest slot that it has accepted in a ballot: what that leader calls chosen while this node has a lease of it,
    /// this node has accepted then. Votes of earlier ballots may never be chosen, and nothing waits for them.
    fn highest_accepted_in(&self, ballot: Ballot) -> Slot {
        let mut votes = self.accepted.iter().rev();
        votes
            .find(|(_, vote)| vote.ballot == ballot)
            .map_or(0, |(slot, _)| *slot)
    }

    /// The leader gave this node a lease to read with.
    pub(super) fn take_read_lease(&mut self, ballot: Ballot, grant: Grant) {
        let Grant { anchor, chosen } = grant;
        if anchor.incarnation != self.incarnation {
            return;
        }
        let length = self
            .rules
            .lease_length(self.settings.election_timeout, self.settings.lease_drift_ppm);
        self.read_lease = Some(ReadLease {
            until: anchor.at + length,
            chosen,
            ballot,
        });
        self.reads_ready = true;
    }

    /// Whether a quorum answered a round of heartbeats so recently that nobody else can have begun to lead, or to lead
    /// without waiting.
    fn leader_lease_holds(&self, now: Duration) -> bool {
        let State::Leader(leader) = &self.state else {
            return false;
        };
        let length = self
            .rules
            .lease_length(self.settings.election_timeout, self.settings.lease_drift_ppm);
        let oldest = leader
            .rounds
            .iter()
            .find(|round| now.saturating_sub(round.began) < length);
        let Some(oldest) = oldest else {
            return false;
        };
        let number = oldest.number;
        !leader.handed_over && self.agree(|node| node == self.me || leader.has_answered(node, number))
    }
}
