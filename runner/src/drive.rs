//! Drives the clients: sends attempts, takes answers, records how operations end.

use std::sync::Arc;

use perjury_checker::Outcome;
use perjury_nemesis::Node;
use perjury_workloads::Call;

use crate::clients::Next;
use crate::options::RETRIED_TIMEOUTS;
use crate::record::End;
use crate::step::{Action, Answer, Attempt, Phase};
use crate::test::{MS, Runner};
use crate::timers::Timer;

/// Pause before final calls are tried again after one failed.
const FINAL_PAUSE_NS: u64 = 50 * MS;

impl Runner {
    /// Begins an operation.
    pub(crate) fn invoke(&mut self, client: usize, call: Call, last: bool, out: &mut Vec<Action>) {
        let node = self.clients[client].choose(self.now_ns, &call.f);
        self.invoke_at(client, call, node, last, out);
    }

    /// Begins an operation by asking this node.
    pub(crate) fn invoke_at(
        &mut self,
        client: usize,
        call: Call,
        node: Node,
        last: bool,
        out: &mut Vec<Action>,
    ) {
        let state = &mut self.clients[client];
        let patience_ms = self.options.request_timeout_ms * if self.retries { RETRIED_TIMEOUTS } else { 1 };
        let deadline_ns = self.now_ns.saturating_add(patience_ms.saturating_mul(MS));
        let operation = self.recorder.invoke(self.now_ns, state.process, node, &call, out);
        state.begin(operation, call, node, deadline_ns, last);
        self.send(client, out);
    }

    /// Sends the open operation of a client to the node that it has chosen.
    fn send(&mut self, client: usize, out: &mut Vec<Action>) {
        let id = self.name_attempt(client);
        let Some(open) = self.clients[client].open.as_mut() else {
            return;
        };
        open.attempt = Some(id);
        let left_ms = open.deadline_ns.saturating_sub(self.now_ns).div_ceil(MS);
        out.push(Action::Send(Attempt {
            id,
            client,
            node: open.node,
            call: open.call.clone(),
            session: open.session,
            timeout_ms: left_ms.clamp(1, self.options.request_timeout_ms),
        }));
    }

    /// Takes the answer to a client's attempt.
    pub(crate) fn answered(&mut self, client: usize, answer: Answer, out: &mut Vec<Action>) {
        match self.clients[client].answered(self.now_ns, answer, self.retries) {
            None => {}
            Some(Next::End(end)) => self.end(client, end, out),
            Some(Next::Retry(at_ns)) if at_ns <= self.now_ns => self.send(client, out),
            Some(Next::Retry(at_ns)) => {
                if let Some(open) = &self.clients[client].open {
                    self.timers.set(
                        at_ns,
                        Timer::Retry {
                            client,
                            operation: open.operation,
                        },
                    );
                }
            }
        }
    }

    /// The pause before another attempt is over.
    pub(crate) fn retry(&mut self, client: usize, operation: usize, out: &mut Vec<Action>) {
        let waits = |open: &crate::clients::Open| open.operation == operation && open.attempt.is_none();
        if self.clients[client].open.as_ref().is_some_and(waits) {
            self.send(client, out);
        }
    }

    /// Ends a client's open operation.
    pub(crate) fn end(&mut self, client: usize, end: End, out: &mut Vec<Action>) {
        let state = &mut self.clients[client];
        let Some(open) = state.open.take() else { return };
        let outcome = end.outcome;
        if outcome == Outcome::Info {
            state.retire(self.options.concurrency);
        }
        if open.last && outcome != Outcome::Ok {
            self.final_calls.push_back((open.node, open.call));
            self.final_pause_ns = self.now_ns + FINAL_PAUSE_NS;
            self.timers.set(self.final_pause_ns, Timer::Final);
            if let Some(error) = &end.error {
                self.final_error = error.to_string();
            }
        }
        let operation = self.recorder.complete(self.now_ns, open.operation, end, out);
        self.counter.completed(operation);
        self.workload.completed(operation);
        self.idle.push_back(client);
    }

    /// Ends every open operation without an answer.
    pub(crate) fn end_all(&mut self, error: &str, out: &mut Vec<Action>) {
        let error: Arc<str> = error.into();
        for client in 0..self.clients.len() {
            if let Some(open) = &self.clients[client].open {
                let end = open.given_up(error.clone());
                self.end(client, end, out);
            }
        }
    }

    /// Whether any client waits for an answer, or to try again.
    pub(crate) fn busy(&self) -> bool {
        self.idle.len() < self.clients.len()
    }

    /// Sends a probe to a node, by its place.
    pub(crate) fn probe(&mut self, place: usize, out: &mut Vec<Action>) {
        if !matches!(self.phase, Phase::Start | Phase::Recover) || !self.probes.wants(place) {
            return;
        }
        let node = Node(place as u16 + 1);
        if self.faults.dead().contains(&node) {
            return;
        }
        let client = self.clients.len() + place;
        let id = self.name_attempt(client);
        self.probes.sent(place, id);
        out.push(Action::Send(Attempt {
            id,
            client,
            node,
            call: self.probes.call(),
            session: None,
            timeout_ms: self.options.request_timeout_ms.min(1_000),
        }));
    }
}
