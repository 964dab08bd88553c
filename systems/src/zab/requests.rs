//! Clients' requests: who orders them, when they are answered, and what is said when the outcome is not known.
//!
//! Any server that serves takes any request. What changes something goes to the leader; the server whose client waits
//! answers it when it has applied the transaction itself.

use std::collections::BTreeMap;
use std::time::Duration;

use super::marks::Place;
use super::reads::LocalRead;
use super::rules::clients::Stage;
use super::types::{Message, Timer, Trace, Txn};
use super::{Cx, State, Zab};
use crate::api::{Command, Failure, MicroOp, Reply, Request, Response, Session};
use crate::replica::{NodeId, RequestId};

/// The most requests that may wait at a server; more are refused.
const MAX_WAITING: usize = 20_000;

/// Why a leader does not take a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It does not lead, or its epoch is not established.
    NotLeading,
    /// It needs another epoch.
    Exhausted,
}

/// A request that changes something and whose client waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    id: RequestId,
    session: Option<Session>,
    deadline: Duration,
}

/// The requests that wait at a server.
#[derive(Clone, Debug, Default)]
pub(super) struct Requests {
    /// By ticket.
    pub(super) writes: BTreeMap<u64, Waiting>,
    /// By ticket.
    pub(super) reads: BTreeMap<u64, LocalRead>,
    sweeping: bool,
    tickets: u64,
}

impl Requests {
    /// Requests whose tickets begin at `nonce`: what an earlier incarnation asked must not match.
    pub(super) fn new(nonce: u64) -> Self {
        Requests {
            tickets: nonce,
            ..Requests::default()
        }
    }

    pub(super) fn next_ticket(&mut self) -> u64 {
        self.tickets = self.tickets.wrapping_add(1);
        self.tickets
    }

    /// The last request of a client's that waits here.
    pub(super) fn open_write(&self, client: u64) -> Option<u64> {
        let of_client = |waiting: &Waiting| waiting.session.is_some_and(|session| session.client == client);
        let mut open = self.writes.iter().filter(|(_, waiting)| of_client(waiting));
        open.next_back().map(|(ticket, _)| *ticket)
    }
}

impl Zab {
    pub(super) fn request(&mut self, id: RequestId, request: Request, cx: &mut Cx) {
        match &request.command {
            Command::Reconfigure(_) => {
                let reason = "zab's members are given when it starts and do not change".to_owned();
                self.answer(id, Err(Failure::Invalid { reason }), cx);
            }
            Command::Transfer { .. } => {
                let reason = "zab has no hand-over of leadership".to_owned();
                self.answer(id, Err(Failure::Invalid { reason }), cx);
            }
            command if reads_only(command) => self.read(id, request, cx),
            _ => self.write(id, request, cx),
        }
    }

    fn write(&mut self, id: RequestId, request: Request, cx: &mut Cx) {
        if !self.serves() || self.requests.writes.len() >= MAX_WAITING {
            let reason = if self.serves() {
                "too many requests are waiting"
            } else {
                NOT_SERVING
            };
            self.answer(id, Err(self.unavailable(reason)), cx);
            return;
        }
        let ticket = self.requests.next_ticket();
        let session = request.session;
        cx.trace(Trace::Submitted { id, session });
        let deadline = cx.now + self.settings.request_timeout;
        self.requests.writes.insert(
            ticket,
            Waiting {
                id,
                session,
                deadline,
            },
        );
        self.arm_sweep(cx);
        match &self.state {
            State::Following(following) => {
                self.rules.reach(Place::Forwarded as u8);
                let message = Message::Forward {
                    session: following.session,
                    ticket,
                    request: request.into(),
                };
                cx.send_now(following.leader, message);
            }
            _ => {
                if let Err(refusal) = self.propose((self.me, ticket), request, cx) {
                    self.on_refused(ticket, cx);
                    self.give_up_if_exhausted(refusal, cx);
                } else {
                    self.advance_commit(cx);
                }
            }
        }
    }

    /// A learner passes a request on.
    pub(super) fn on_forward(
        &mut self,
        from: NodeId,
        session: u64,
        ticket: u64,
        request: Request,
        cx: &mut Cx,
    ) {
        match self.propose((from, ticket), request, cx) {
            Ok(()) => self.advance_commit(cx),
            Err(refusal) => {
                cx.send_now(from, Message::Refused { session, ticket });
                self.give_up_if_exhausted(refusal, cx);
            }
        }
    }

    fn give_up_if_exhausted(&mut self, refusal: Refusal, cx: &mut Cx) {
        if refusal == Refusal::Exhausted {
            self.look("the counter has reached its limit", cx);
        }
    }

    /// The leader did not take a request.
    pub(super) fn on_refused(&mut self, ticket: u64, cx: &mut Cx) {
        if let Some(waiting) = self.requests.writes.remove(&ticket) {
            let refusal = self.unavailable("the leader does not take requests");
            self.settled(waiting.id, None, Err(refusal), cx);
        }
    }

    /// A transaction was applied: its client, if it waits here, is told.
    pub(super) fn answer_applied(&mut self, txn: &Txn, cx: &mut Cx) {
        if self.rules.may_answer(Stage::Applied) {
            self.answer_write(txn, cx);
        }
    }

    pub(super) fn answer_write(&mut self, txn: &Txn, cx: &mut Cx) {
        let (server, ticket) = txn.origin;
        if server == self.me
            && let Some(waiting) = self.requests.writes.remove(&ticket)
        {
            self.settled(waiting.id, Some(txn), txn.outcome.clone(), cx);
        }
    }

    fn settled(&self, id: RequestId, txn: Option<&Txn>, result: Result<Reply, Failure>, cx: &mut Cx) {
        cx.trace(Trace::Settled {
            id,
            zxid: txn.map(|txn| txn.zxid),
            applied: self.machine.applied(),
        });
        self.answer(id, result, cx);
    }

    /// The leader is lost: what it took may or may not be committed; a read has no outcome.
    pub(super) fn give_up_requests(&mut self, cx: &mut Cx) {
        for (_, waiting) in std::mem::take(&mut self.requests.writes) {
            self.settled(waiting.id, None, Err(unknown("the leader was lost")), cx);
        }
        for (_, read) in std::mem::take(&mut self.requests.reads) {
            self.answer(read.id, Err(self.unavailable("the leader was lost")), cx);
        }
    }

    pub(super) fn arm_sweep(&mut self, cx: &mut Cx) {
        if !std::mem::replace(&mut self.requests.sweeping, true) {
            cx.arm(Timer::Sweep, self.settings.request_timeout / 4);
        }
    }

    /// Gives up on requests that waited too long.
    pub(super) fn sweep(&mut self, cx: &mut Cx) {
        self.requests.sweeping = false;
        let now = cx.now;
        let late = |deadline: &Duration| *deadline <= now;
        let writes = self
            .requests
            .writes
            .iter()
            .filter(|(_, waiting)| late(&waiting.deadline));
        let writes: Vec<_> = writes.map(|(ticket, waiting)| (*ticket, waiting.id)).collect();
        for (ticket, id) in writes {
            self.requests.writes.remove(&ticket);
            self.settled(id, None, Err(unknown("it was not committed in time")), cx);
        }
        let reads = self
            .requests
            .reads
            .iter()
            .filter(|(_, read)| late(&read.deadline));
        let reads: Vec<_> = reads.map(|(ticket, read)| (*ticket, read.id)).collect();
        for (ticket, id) in reads {
            self.requests.reads.remove(&ticket);
            self.answer(
                id,
                Err(self.unavailable("the read was not confirmed in time")),
                cx,
            );
        }
        if !self.requests.writes.is_empty() || !self.requests.reads.is_empty() {
            self.arm_sweep(cx);
        }
    }

    /// What is said rests on what is committed, and that is durable where it has to be: nothing to wait for.
    pub(super) fn answer(&self, id: RequestId, result: Result<Reply, Failure>, cx: &mut Cx) {
        let response = Response {
            node: self.me,
            term: u64::from(self.epochs.current),
            position: self.machine.applied().position(),
            result,
            quorum: None,
        };
        cx.reply_now(id, response);
    }

    /// Surely not applied.
    pub(super) fn unavailable(&self, reason: &str) -> Failure {
        Failure::Unavailable {
            leader: self.leader().filter(|leader| *leader != self.me),
            reason: reason.into(),
        }
    }
}

/// Why a server that has no leader does not answer.
pub(super) const NOT_SERVING: &str = "this server has no leader";

/// It may or may not be applied.
fn unknown(reason: &str) -> Failure {
    Failure::Indefinite {
        reason: reason.into(),
    }
}

fn reads_only(command: &Command) -> bool {
    match command {
        Command::Read { .. } => true,
        Command::Txn(parts) => parts.iter().all(|part| matches!(part, MicroOp::Read { .. })),
        _ => false,
    }
}
