//! Clients' requests: who answers them, when, and what is said when the outcome is not known.

use std::collections::BTreeMap;
use std::time::Duration;

use super::leader::Leader;
use super::reads::Local;
use super::settings::ReadMode;
use super::types::{Decree, Slot, Timer, Trace, Value};
use super::{Cx, Paxos, State};
use crate::api::{Command, Failure, Reply, Request, Response};
use crate::replica::{NodeId, RequestId};

/// The most requests that may wait at a node; more are refused.
const MAX_WAITING: usize = 20_000;

/// A command that waits for a slot.
#[derive(Clone, Debug)]
pub(crate) struct Queued {
    /// The client that waits; none for what the leader wants itself.
    pub(crate) id: Option<RequestId>,
    pub(crate) value: Value,
    pub(crate) deadline: Duration,
}

impl Queued {
    /// It is proposed in this slot.
    pub(crate) fn place(self, slot: Slot, requests: &mut Requests) -> Value {
        if let Some(id) = self.id {
            let proposal = Proposal {
                id,
                value: self.value.digest(),
                deadline: self.deadline,
            };
            requests.proposals.insert(slot, proposal);
        }
        self.value
    }
}

/// A command that is proposed, and whose client waits here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Proposal {
    id: RequestId,
    value: u64,
    deadline: Duration,
}

/// The requests that wait at a node, besides those that wait for a slot.
#[derive(Clone, Debug, Default)]
pub(crate) struct Requests {
    pub(crate) proposals: BTreeMap<Slot, Proposal>,
    /// Reads of a replica that has a lease.
    pub(crate) local: Vec<Local>,
    sweeping: bool,
}

impl Paxos {
    pub(super) fn request(&mut self, id: RequestId, request: Request, cx: &mut Cx) {
        match request.command {
            Command::Reconfigure(change) => self.reconfigure(id, change, cx),
            Command::Transfer { to } => self.transfer(id, to, cx),
            command if command.reads_only() && self.settings.reads != ReadMode::Slot => {
                self.read(id, command, cx);
            }
            command if command.reads_only() && self.rules.may_read_anywhere() => self.read(id, command, cx),
            command => {
                let decree = Decree::Command {
                    request: Request::new(request.session, command),
                    token: self.incarnation.wrapping_add(id.0),
                };
                self.enqueue(id, decree.into(), cx);
            }
        }
    }

    fn enqueue(&mut self, id: RequestId, value: Value, cx: &mut Cx) {
        if let Some(refusal) = self.refusal() {
            self.answer(id, Err(refusal), cx);
            return;
        }
        cx.trace(Trace::Requested {
            value: value.digest(),
        });
        let deadline = cx.now + self.settings.request_timeout;
        if let State::Leader(leader) = &mut self.state {
            leader.queue.push_back(Queued {
                id: Some(id),
                value,
                deadline,
            });
        }
        self.arm_sweep(cx);
    }

    /// Why this node takes no commands now, if it does not.
    pub(super) fn refusal(&self) -> Option<Failure> {
        match &self.state {
            State::Leader(leader) if leader.handing_over.is_some() => {
                Some(self.unavailable("the leader is handing over"))
            }
            State::Leader(leader) if leader.queue.len() + self.requests.proposals.len() >= MAX_WAITING => {
                Some(self.unavailable("too many requests are waiting"))
            }
            State::Leader(_) => None,
            _ if self.leader.is_some() => Some(self.unavailable("this node does not lead")),
            _ => Some(self.unavailable("no leader is known")),
        }
    }

    /// A slot was executed: the client whose command was proposed there, if it waits here, is told what came of it.
    pub(super) fn answer_proposal(
        &mut self,
        slot: Slot,
        value: &Value,
        outcome: Result<Reply, Failure>,
        cx: &mut Cx,
    ) {
        let Some(proposal) = self.requests.proposals.remove(&slot) else {
            return;
        };
        if proposal.value != value.digest() {
            // It was proposed here alone, and something else is chosen.
            self.answer(
                proposal.id,
                Err(self.unavailable("another leader's command took its slot")),
                cx,
            );
            return;
        }
        if outcome.is_ok() {
            cx.trace(Trace::Acked {
                id: proposal.id,
                slot,
            });
        }
        self.answer(proposal.id, outcome, cx);
    }

    /// A snapshot took the place of these slots: what came of them is not known here.
    pub(super) fn lose_proposals(&mut self, last: Slot, cx: &mut Cx) {
        let left = self.requests.proposals.split_off(&(last + 1));
        for proposal in std::mem::replace(&mut self.requests.proposals, left).into_values() {
            self.answer(
                proposal.id,
                Err(Failure::unknown("its slot was decided elsewhere")),
                cx,
            );
        }
    }

    /// A leader lost its place. What it proposed may be chosen, and is answered when it is executed here; what waits
    /// for a slot will never have one.
    pub(super) fn give_up_leading(&mut self, leader: Leader, cx: &mut Cx) {
        for Queued { id, .. } in leader.queue {
            if let Some(id) = id {
                self.answer(id, Err(self.unavailable("the leader stepped down")), cx);
            }
        }
        for read in leader.reads {
            self.answer(read.id, Err(self.unavailable("the leader stepped down")), cx);
        }
        if let Some(id) = leader.change.and_then(|change| change.id) {
            self.answer(id, Err(Failure::unknown("the leader stepped down")), cx);
        }
        if let Some((id, _)) = leader.handing_over {
            self.answer(id, Ok(Reply::default()), cx);
        }
    }

    pub(super) fn arm_sweep(&mut self, cx: &mut Cx) {
        if !std::mem::replace(&mut self.requests.sweeping, true) {
            cx.arm(Timer::Sweep, self.settings.heartbeat);
        }
    }

    /// Gives up on requests that waited too long: the outcome of what was proposed is not known.
    pub(super) fn sweep(&mut self, cx: &mut Cx) {
        self.requests.sweeping = false;
        let now = cx.now;
        let proposals = self.requests.proposals.iter();
        let late = proposals.filter(|(_, waits)| waits.deadline <= now);
        let late: Vec<(Slot, RequestId)> = late.map(|(slot, waits)| (*slot, waits.id)).collect();
        for (slot, id) in late {
            self.requests.proposals.remove(&slot);
            self.answer(id, Err(Failure::unknown("it was not chosen in time")), cx);
        }
        let (late, local) = std::mem::take(&mut self.requests.local)
            .into_iter()
            .partition(|read| read.deadline <= now);
        self.requests.local = local;
        let mut refused: Vec<RequestId> = Vec::new();
        refused.extend(Vec::<Local>::into_iter(late).map(|read| read.id));
        let mut waiting = !self.requests.proposals.is_empty() || !self.requests.local.is_empty();
        if let State::Leader(leader) = &mut self.state {
            while leader.queue.front().is_some_and(|queued| queued.deadline <= now) {
                refused.extend(leader.queue.pop_front().and_then(|queued| queued.id));
            }
            while leader.reads.front().is_some_and(|read| read.deadline <= now) {
                refused.extend(leader.reads.pop_front().map(|read| read.id));
            }
            waiting |= !leader.queue.is_empty() || !leader.reads.is_empty() || leader.change.is_some();
            waiting |= leader.handing_over.is_some();
            if leader.handing_over.is_some_and(|(_, until)| until <= now) {
                // The other one did not take over: this one goes on.
                refused.extend(leader.handing_over.take().map(|(id, _)| id));
            }
        }
        for id in refused {
            self.answer(id, Err(self.unavailable("its turn did not come in time")), cx);
        }
        self.expire_change(cx);
        if waiting {
            self.arm_sweep(cx);
        }
    }

    /// What is said rests on what is chosen, and that is durable where it has to be: nothing to wait for.
    pub(super) fn answer(&self, id: RequestId, result: Result<Reply, Failure>, cx: &mut Cx) {
        let response = Response {
            node: self.me,
            term: self.promised.round,
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
