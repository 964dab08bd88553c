//! Broadcast: a leader proposes, participants log and acknowledge, a quorum commits (paper, phase 3).

use super::leading::{Phase, Stage};
use super::machine::Preparing;
use super::marks::Place;
use super::requests::Refusal;
use super::types::{Message, Record, Shared, Trace, Zxid};
use super::{Cx, State, Zab};
use crate::api::Request;
use crate::replica::NodeId;

impl Zab {
    /// Makes a transaction of a request and proposes it.
    pub(super) fn propose(
        &mut self,
        origin: (NodeId, u64),
        request: Request,
        cx: &mut Cx,
    ) -> Result<(), Refusal> {
        let last = self.log.last();
        let State::Leading(leading) = &mut self.state else {
            return Err(Refusal::NotLeading);
        };
        if leading.phase != Phase::Broadcast {
            return Err(Refusal::NotLeading);
        }
        let Some(zxid) = self.rules.next(last, leading.epoch, self.settings.counter_limit) else {
            self.rules.reach(Place::CounterExhausted as u8);
            return Err(Refusal::Exhausted);
        };
        let how = Preparing {
            capacity: self.settings.session_capacity,
            remembers: self.rules.remembers_sessions(origin.0 != self.me),
            operation: self.rules.logs_operation(),
        };
        let retried = request.session.is_some();
        let txn = leading.ahead.prepare(zxid, origin, request, how);
        if retried && txn.session.is_none() {
            self.rules.reach(Place::DuplicateAnswered as u8);
        }
        let txn: Shared = Shared::new(txn.into());
        cx.trace(Trace::Proposed {
            zxid,
            digest: txn.digest(),
        });
        for (node, session) in self.broadcast_set(true) {
            let txn = txn.clone();
            cx.send_now(node, Message::Propose { session, txn });
        }
        self.log_txn(txn, false, cx);
        Ok(())
    }

    /// Those who hear of what is proposed (the participants) or of what is committed (the others).
    fn broadcast_set(&self, participants: bool) -> Vec<(NodeId, u64)> {
        let State::Leading(leading) = &self.state else {
            return Vec::new();
        };
        leading
            .learners
            .iter()
            .filter(|(node, _)| self.rules.participates(self.is_voter(**node)) == participants)
            .filter(|(_, learner)| {
                learner.stage >= Stage::Synchronising
                    && self.rules.hears_proposals(learner.stage == Stage::UpToDate)
            })
            .map(|(node, learner)| (*node, learner.session))
            .collect()
    }

    /// Adds a transaction to the log.
    pub(super) fn log_txn(&mut self, txn: Shared, during_sync: bool, cx: &mut Cx) {
        let zxid = txn.zxid;
        let last = self.log.last();
        if zxid <= last {
            return;
        }
        self.rules
            .ensure(last.precedes(zxid), "a transaction follows from the one before");
        let lsn = cx.append(Record::Txn(txn.clone()));
        let listed = self.rules.is_listed(during_sync);
        if self.log.push(txn, lsn, listed) {
            cx.trace(Trace::Appended { zxid });
        }
    }

    /// A participant has logged everything up to here.
    pub(super) fn on_ack(&mut self, from: NodeId, zxid: Zxid, cx: &mut Cx) {
        let State::Leading(leading) = &mut self.state else {
            return;
        };
        if let Some(learner) = leading.learners.get_mut(&from) {
            learner.acked = learner.acked.max(zxid);
        }
        self.advance_commit(cx);
    }

    /// Commits what a quorum has acknowledged. What came before the epoch was committed when it was established.
    pub(super) fn advance_commit(&mut self, cx: &mut Cx) {
        let State::Leading(leading) = &self.state else {
            return;
        };
        if leading.phase != Phase::Broadcast || self.log.last() == self.committed {
            return;
        }
        let acks = leading
            .learners
            .iter()
            .filter(|(node, _)| self.rules.participates(self.is_voter(**node)))
            .map(|(_, learner)| learner.acked);
        let mut acks: Vec<Zxid> = acks.chain([self.log.durable()]).collect();
        acks.sort_unstable_by(|one, other| other.cmp(one));
        let quorum = self.rules.commit_quorum(self.voters.len());
        let Some(zxid) = acks.get(quorum.saturating_sub(1)).copied() else {
            return;
        };
        let zxid = zxid.min(self.log.last());
        if zxid > self.committed && zxid.epoch >= leading.epoch {
            self.commit_to(zxid, true, cx);
        }
    }

    /// Everything up to here is committed.
    pub(super) fn commit_to(&mut self, zxid: Zxid, counted: bool, cx: &mut Cx) {
        if zxid <= self.committed {
            return;
        }
        let before = std::mem::replace(&mut self.committed, zxid);
        let epoch = match &self.state {
            State::Leading(leading) => leading.epoch,
            _ => self.epochs.current,
        };
        cx.trace(Trace::Committed { zxid, epoch, counted });
        self.answer_committed(before, cx);
        if !matches!(self.state, State::Leading(_)) {
            return;
        }
        for (node, session) in self.broadcast_set(true) {
            cx.send_now(node, Message::Commit { session, zxid });
        }
        let observers = self.broadcast_set(false);
        if !observers.is_empty() {
            let txns: Vec<Shared> = self
                .log
                .after(before)
                .take_while(|txn| txn.zxid <= zxid)
                .cloned()
                .collect();
            for (node, session) in observers {
                for txn in &txns {
                    let txn = txn.clone();
                    cx.send_now(node, Message::Inform { session, txn });
                }
            }
        }
    }
}
