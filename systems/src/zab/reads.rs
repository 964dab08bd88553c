//! Reads: after a sync, which makes them linearizable, or from the server's own state, which is sequentially
//! consistent for a client that says what it has seen (Hunt et al., ZooKeeper, ATC 2010, §2.3 and §4.4).
//!
//! ZooKeeper's own leader answers a sync without asking anybody, so that one which was replaced and does not know it
//! answers with the past. This one asks: a quorum has to answer a round of heartbeats that began after the sync came.

use std::time::Duration;

use super::leading::Phase;
use super::marks::Place;
use super::requests::NOT_SERVING;
use super::settings::Reads;
use super::types::{Message, Trace, Zxid};
use super::{Cx, State, Zab};
use crate::api::{Command, Request, Session};
use crate::replica::{NodeId, RequestId};

/// A read that waits at a server.
#[derive(Clone, Debug)]
pub(super) struct LocalRead {
    pub(super) id: RequestId,
    command: Command,
    pub(super) deadline: Duration,
    /// Apply up to here first; none while that is not known.
    upto: Option<Zxid>,
    /// A write of the same session that comes first.
    after: Option<u64>,
    /// For a read of the server's own state: the session, and what the client had seen.
    local: Option<(Option<Session>, Zxid)>,
}

/// A sync that waits at the leader for a quorum.
#[derive(Clone, Copy, Debug)]
pub(super) struct PendingSync {
    /// Who asks; none for the leader itself.
    from: Option<NodeId>,
    ticket: u64,
    /// What was committed when it came.
    zxid: Zxid,
    /// The round of heartbeats that confirms it.
    round: u64,
}

impl Zab {
    pub(super) fn read(&mut self, id: RequestId, request: Request, cx: &mut Cx) {
        if !self.serves() {
            self.answer(id, Err(self.unavailable(NOT_SERVING)), cx);
            return;
        }
        let is_local = self.settings.reads == Reads::Local;
        let seen = Zxid::from(request.wish.seen.unwrap_or(0));
        if is_local && !self.rules.is_recent_enough(self.machine.applied(), seen) {
            self.rules.reach(Place::BehindClient as u8);
            let reason = "the client has seen more than this server has";
            self.answer(id, Err(self.unavailable(reason)), cx);
            return;
        }
        let open = request
            .session
            .and_then(|session| self.requests.open_write(session.client));
        let waits = self.rules.waits_for_own_write(open.is_some());
        if !is_local {
            cx.trace(Trace::ReadInvoked { id });
        }
        let ticket = self.requests.next_ticket();
        let read = LocalRead {
            id,
            command: request.command,
            deadline: cx.now + self.settings.request_timeout,
            upto: is_local.then(Zxid::default),
            after: open.filter(|_| waits),
            local: is_local.then_some((request.session, seen)),
        };
        self.requests.reads.insert(ticket, read);
        self.arm_sweep(cx);
        if is_local {
            return;
        }
        match &self.state {
            State::Following(following) => {
                let session = following.session;
                cx.send_now(following.leader, Message::Sync { session, ticket });
            }
            _ => self.on_sync(None, ticket, cx),
        }
    }

    /// What is committed by now? (the leader)
    pub(super) fn on_sync(&mut self, from: Option<NodeId>, ticket: u64, cx: &mut Cx) {
        let zxid = self.committed;
        let State::Leading(leading) = &mut self.state else {
            return;
        };
        if leading.phase != Phase::Broadcast {
            return;
        }
        let under_way = leading.confirmed < leading.round;
        let sync = PendingSync {
            from,
            ticket,
            zxid,
            round: leading.round + 1,
        };
        if !self.rules.sync_waits() {
            self.answer_sync(sync, cx);
            return;
        }
        leading.syncs.push_back(sync);
        // One that is under way may have begun before: the next one covers all that come meanwhile.
        if !under_way {
            self.start_round(cx);
        }
    }

    /// Begins a round of heartbeats.
    pub(super) fn start_round(&mut self, cx: &mut Cx) {
        let State::Leading(leading) = &mut self.state else {
            return;
        };
        leading.round += 1;
        let round = leading.round;
        for (node, learner) in &leading.learners {
            if learner.stage >= super::leading::Stage::Synchronising {
                let session = learner.session;
                cx.send_now(*node, Message::Ping { session, round });
            }
        }
        self.confirm_syncs(cx);
    }

    /// A learner answers a heartbeat.
    pub(super) fn on_pong(&mut self, from: NodeId, round: u64, cx: &mut Cx) {
        let State::Leading(leading) = &mut self.state else {
            return;
        };
        if let Some(learner) = leading.learners.get_mut(&from) {
            learner.round = learner.round.max(round);
        }
        self.confirm_syncs(cx);
    }

    /// Answers the syncs that a quorum has confirmed.
    fn confirm_syncs(&mut self, cx: &mut Cx) {
        let State::Leading(leading) = &mut self.state else {
            return;
        };
        let learners = leading.learners.iter();
        let rounds = learners
            .filter(|(node, _)| self.voters.contains(node))
            .map(|(_, learner)| learner.round);
        let mut rounds: Vec<u64> = rounds.chain([leading.round]).collect();
        rounds.sort_unstable_by(|one, other| other.cmp(one));
        let quorum = self.rules.quorum(self.voters.len());
        let Some(confirmed) = rounds.get(quorum - 1).copied() else {
            return;
        };
        leading.confirmed = leading.confirmed.max(confirmed);
        let due = leading.syncs.partition_point(|sync| sync.round <= confirmed);
        let due: Vec<PendingSync> = leading.syncs.drain(..due).collect();
        let next = !leading.syncs.is_empty() && leading.confirmed == leading.round;
        if !due.is_empty() {
            self.rules.reach(Place::SyncConfirmed as u8);
        }
        for sync in due {
            self.answer_sync(sync, cx);
        }
        if next {
            self.start_round(cx);
        }
    }

    fn answer_sync(&mut self, sync: PendingSync, cx: &mut Cx) {
        let PendingSync { ticket, zxid, .. } = sync;
        let Some(to) = sync.from else {
            self.on_synced(ticket, zxid);
            return;
        };
        let State::Leading(leading) = &self.state else {
            return;
        };
        if let Some(learner) = leading.learners.get(&to) {
            let session = learner.session;
            cx.send_now(
                to,
                Message::Synced {
                    session,
                    ticket,
                    zxid,
                },
            );
        }
    }

    /// The leader has answered a sync.
    pub(super) fn on_synced(&mut self, ticket: u64, zxid: Zxid) {
        let applied = self.machine.applied();
        if let Some(read) = self.requests.reads.get_mut(&ticket) {
            read.upto = Some(zxid);
            if zxid > applied {
                self.rules.reach(Place::ReadWaited as u8);
            }
        }
    }

    /// Answers the reads that need not wait any longer.
    pub(super) fn answer_reads(&mut self, cx: &mut Cx) {
        if self.requests.reads.is_empty() {
            return;
        }
        let applied = self.machine.applied();
        let writes = &self.requests.writes;
        let ready = |read: &LocalRead| {
            let open = read.after.is_some_and(|ticket| writes.contains_key(&ticket));
            !open && read.upto.is_some_and(|upto| applied >= upto)
        };
        let ready = self.requests.reads.iter().filter(|(_, read)| ready(read));
        let ready: Vec<u64> = ready.map(|(ticket, _)| *ticket).collect();
        for ticket in ready {
            let Some(read) = self.requests.reads.remove(&ticket) else {
                continue;
            };
            if read.local.is_some() {
                self.rules.reach(Place::ReadLocally as u8);
            }
            cx.trace(Trace::ReadServed {
                id: read.id,
                applied,
                local: read.local,
            });
            let result = self
                .machine
                .read(&read.command)
                .ok_or_else(|| self.unavailable("it is no read"));
            self.answer(read.id, result, cx);
        }
    }
}
