//! Clients' requests: who answers them, when, and what is said when the outcome is not known.

use std::collections::BTreeMap;
use std::time::Duration;

use super::reads::LocalRead;
use super::rules::replication::{Loss, Stage};
use super::types::{Index, Payload, Term, Trace};
use super::{Cx, Leader, Raft, State};
use crate::api::{Command, Failure, Reply, Request, Response};
use crate::replica::{NodeId, RequestId};

/// The most proposals that may wait; more are refused.
const MAX_PROPOSALS: usize = 20_000;

/// A command that stands in the log and whose client waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Proposal {
    pub(crate) id: RequestId,
    pub(crate) deadline: Duration,
}

/// The requests that wait at a node.
#[derive(Clone, Debug, Default)]
pub(crate) struct Requests {
    /// By the place and term of their entries.
    pub(crate) proposals: BTreeMap<(Index, Term), Proposal>,
    /// By ticket.
    pub(crate) reads: BTreeMap<u64, LocalRead>,
    /// A read may be ready to be answered.
    pub(crate) reads_ready: bool,
    /// The sweep timer is running.
    pub(crate) sweeping: bool,
    tickets: u64,
}

impl Requests {
    /// Requests whose tickets begin at `nonce`: an answer to an earlier incarnation's question must not match.
    pub(crate) fn new(nonce: u64) -> Self {
        Requests {
            tickets: nonce,
            ..Requests::default()
        }
    }

    /// How many tickets were given out, from the nonce on.
    pub(crate) fn tickets(&self) -> u64 {
        self.tickets
    }

    pub(crate) fn next_ticket(&mut self) -> u64 {
        self.tickets = self.tickets.wrapping_add(1);
        self.tickets
    }
}

impl Raft {
    pub(super) fn request(&mut self, id: RequestId, request: Request, cx: &mut Cx) {
        match request.command {
            Command::Reconfigure(change) => self.reconfigure(id, change, cx),
            Command::Transfer { to } => self.transfer(id, to, cx),
            command if command.reads_only() => self.read(id, command, cx),
            command => self.propose(id, Payload::Command(Request::new(request.session, command)), cx),
        }
    }

    fn propose(&mut self, id: RequestId, payload: Payload, cx: &mut Cx) {
        if let Some(refusal) = self.refusal() {
            self.answer(id, Err(refusal), cx);
            return;
        }
        let at = self.append_entry(payload, cx);
        cx.trace(Trace::Proposed { id, at });
        if self.rules.may_answer(Stage::Appended) {
            if let Some(entry) = self.log.entry(at.index) {
                let outcome = self.machine.preview(at.index, entry.request());
                self.answer_write(id, at.index, outcome, cx);
            }
            return;
        }
        let key = self.rules.proposal_key(at.index, at.term);
        let deadline = cx.now + self.settings.request_timeout;
        if let Some(earlier) = self.requests.proposals.insert(key, Proposal { id, deadline }) {
            self.answer(earlier.id, Err(Failure::unknown("its entry was replaced")), cx);
        }
        self.arm_sweep(cx);
    }

    /// Why this node takes no proposals now, if it does not.
    pub(super) fn refusal(&self) -> Option<Failure> {
        match &self.state {
            State::Leader(leader) if leader.transfer.is_some() => {
                Some(self.unavailable("the leader is handing over"))
            }
            State::Leader(_) if self.requests.proposals.len() >= MAX_PROPOSALS => {
                Some(self.unavailable("too many requests are waiting"))
            }
            State::Leader(_) => None,
            _ if self.leader.is_some() => Some(self.unavailable("this node does not lead")),
            _ => Some(self.unavailable("no leader is known")),
        }
    }

    /// The entry at a place was applied: its client, if it waits here, is told.
    pub(super) fn answer_proposal(
        &mut self,
        index: Index,
        term: Term,
        outcome: Result<Reply, Failure>,
        cx: &mut Cx,
    ) {
        let key = self.rules.proposal_key(index, term);
        if let Some(proposal) = self.requests.proposals.remove(&key)
            && self.rules.may_answer(Stage::Applied)
        {
            self.answer_write(proposal.id, index, outcome, cx);
        }
    }

    fn answer_write(&mut self, id: RequestId, index: Index, outcome: Result<Reply, Failure>, cx: &mut Cx) {
        if outcome.is_ok() {
            cx.trace(Trace::Acked { id, index });
        }
        self.answer(id, outcome, cx);
    }

    /// A leader lost its place: what it took may or may not be committed by another.
    pub(super) fn give_up_leading(&mut self, leader: Leader, cx: &mut Cx) {
        let loss = self.rules.answer_on_step_down();
        let term = self.term;
        let mine = |key: &(Index, Term)| key.1 <= term;
        let keys: Vec<_> = self.requests.proposals.keys().copied().filter(mine).collect();
        for key in keys {
            if let Some(proposal) = self.requests.proposals.remove(&key) {
                let failure = match loss {
                    Loss::Unknown => Failure::unknown("the leader stepped down"),
                    Loss::Refused => self.unavailable("the leader stepped down"),
                };
                self.answer(proposal.id, Err(failure), cx);
            }
        }
        if let Some(change) = leader.change {
            self.answer_change(change.id, Err(Failure::unknown("the leader stepped down")), cx);
        }
        if let Some(transfer) = leader.transfer {
            let done = transfer.sent.then(Reply::default);
            let refused = self.unavailable("the leader stepped down before it could hand over");
            self.answer(transfer.id, done.ok_or(refused), cx);
        }
    }

    /// Gives up on requests that waited too long: the outcome of a write is not known; a read has none.
    pub(super) fn sweep(&mut self, cx: &mut Cx) {
        self.requests.sweeping = false;
        let now = cx.now;
        let late = self
            .requests
            .proposals
            .iter()
            .filter(|(_, waits)| waits.deadline <= now);
        let late: Vec<_> = late.map(|(key, proposal)| (*key, proposal.id)).collect();
        for (key, id) in late {
            self.requests.proposals.remove(&key);
            self.answer(id, Err(Failure::unknown("it was not committed in time")), cx);
        }
        let late = self
            .requests
            .reads
            .iter()
            .filter(|(_, waits)| waits.deadline <= now);
        let late: Vec<_> = late.map(|(ticket, read)| (*ticket, read.id)).collect();
        for (ticket, id) in late {
            self.requests.reads.remove(&ticket);
            self.answer(
                id,
                Err(self.unavailable("the read was not confirmed in time")),
                cx,
            );
        }
        self.ask_overdue(cx);
        self.expire_change(cx);
        if !self.requests.proposals.is_empty() || !self.requests.reads.is_empty() || self.has_change() {
            self.arm_sweep(cx);
        }
    }

    /// What is said rests on what is committed, and that is durable where it has to be: nothing to wait for.
    pub(super) fn answer(&self, id: RequestId, result: Result<Reply, Failure>, cx: &mut Cx) {
        let response = Response {
            node: self.me,
            term: self.term,
            position: 0,
            result,
            quorum: None,
        };
        cx.reply_now(id, response);
    }

    /// Surely not applied.
    pub(super) fn unavailable(&self, reason: &str) -> Failure {
        Failure::Unavailable {
            leader: self.leader.filter(|leader: &NodeId| *leader != self.me),
            reason: reason.into(),
        }
    }
}
