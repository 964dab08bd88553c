//! Clients: a register is written once, by whoever gets a value chosen, and read by running a ballot.

use std::time::Duration;

use rand::Rng;

use super::types::{Key, Offer, Proposal, Trace};
use super::{BasicPaxos, Cx};
use crate::api::{Command, Failure, Reply, Request, Response, Session, Value};
use crate::replica::RequestId;

/// The most requests that may wait at a node; more are refused.
const MAX_WAITING: usize = 20_000;

/// The version of a register that is written: it changes once.
const WRITTEN: u64 = 1;

/// What a client wants of a register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    /// To write this, if nothing is written yet.
    Propose(Offer),
    /// To know what is written.
    Read,
    /// To replace what is written, if it is this: which never happens.
    Compare(Value),
}

/// A client that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) id: RequestId,
    pub(crate) want: Want,
    pub(crate) deadline: Duration,
    /// It came before the ballot that is under way began.
    pub(crate) joined: bool,
    /// Its proposal was sent to acceptors.
    pub(crate) sent: bool,
}

impl BasicPaxos {
    pub(super) fn request(&mut self, id: RequestId, request: Request, cx: &mut Cx) {
        let (key, want) = match self.wanted(request, cx) {
            Ok(wanted) => wanted,
            Err(reason) => {
                self.answer(id, Err(invalid(reason)), cx);
                return;
            }
        };
        if let Want::Propose(offer) = &want {
            cx.trace(Trace::Requested {
                key: key.clone(),
                value: offer.digest(),
            });
        }
        if self.waiting >= MAX_WAITING {
            self.answer(id, Err(unavailable("too many requests are waiting")), cx);
            return;
        }
        let deadline = cx.now + self.settings.request_timeout;
        let instance = self.instances.entry(key.clone()).or_default();
        instance.waiting.push(Waiting {
            id,
            want,
            deadline,
            joined: false,
            sent: false,
        });
        self.waiting += 1;
        self.busy.insert(key.clone());
        let free = instance.attempt.is_none() && instance.resume_at <= cx.now;
        if instance.chosen.is_some() {
            self.answer_waiting(&key, cx);
        } else if free {
            self.begin(&key, cx);
        }
        self.arm_retry(cx);
    }

    fn wanted(&self, request: Request, cx: &mut Cx) -> Result<(Key, Want), &'static str> {
        let by = request.session.unwrap_or_else(|| Session {
            client: cx.rng.next_u64(),
            sequence: 0,
        });
        let propose = |value: Value| match value {
            Value::Nil => Err("nil is what an unwritten register holds"),
            value => Ok(Want::Propose(std::sync::Arc::new(Proposal { by, value }.into()))),
        };
        match request.command {
            Command::Read { key } => Ok((key, Want::Read)),
            Command::Write { key, value } => Ok((key, propose(value)?)),
            Command::Cas {
                key,
                expected: Value::Nil,
                new,
            } => Ok((key, propose(new)?)),
            Command::Cas { key, expected, .. } => Ok((key, Want::Compare(expected))),
            Command::Delete { .. } => Err("a register is written once"),
            Command::Txn(_) => Err("a register is decided alone"),
            Command::Reconfigure(_) | Command::Transfer { .. } => {
                Err("the acceptors are those from the start, and nobody leads")
            }
        }
    }

    /// What is chosen is known: everybody is told.
    pub(super) fn answer_waiting(&mut self, key: &Key, cx: &mut Cx) {
        let Some(instance) = self.instances.get_mut(key) else {
            return;
        };
        let Some((_, chosen)) = instance.chosen.clone() else {
            return;
        };
        let waiting = std::mem::take(&mut instance.waiting);
        self.busy.remove(key);
        self.waiting -= waiting.len();
        for Waiting { id, want, .. } in waiting {
            let result = self.outcome(id, key, &want, Some(&chosen), cx);
            self.answer(id, result, cx);
        }
    }

    /// A quorum has promised a ballot and none of it has voted: when it was asked, nothing was chosen. That answers
    /// those who asked before, and do not want to write.
    pub(super) fn answer_unwritten(&mut self, key: &Key, cx: &mut Cx) {
        self.answer_looking(key, None, cx);
    }

    /// Answers those of the ballot under way that only look, with what was found.
    pub(super) fn answer_looking(&mut self, key: &Key, found: Option<&Offer>, cx: &mut Cx) {
        let Some(instance) = self.instances.get_mut(key) else {
            return;
        };
        let looks = |waiting: &Waiting| waiting.joined && !matches!(waiting.want, Want::Propose(_));
        let (done, left) = std::mem::take(&mut instance.waiting).into_iter().partition(looks);
        instance.waiting = left;
        let done: Vec<Waiting> = done;
        self.waiting -= done.len();
        for Waiting { id, want, .. } in done {
            let result = self.outcome(id, key, &want, found, cx);
            self.answer(id, result, cx);
        }
    }

    fn outcome(
        &self,
        id: RequestId,
        key: &Key,
        want: &Want,
        chosen: Option<&Offer>,
        cx: &mut Cx,
    ) -> Result<Reply, Failure> {
        let (observed, version) = match chosen {
            Some(offer) => (offer.value.clone(), WRITTEN),
            None => (Value::Nil, 0),
        };
        match want {
            Want::Propose(mine) if chosen.is_some_and(|chosen| chosen.by == mine.by) => {
                cx.trace(Trace::Acked { id, key: key.clone() });
                let value = Value::Nil;
                Ok(Reply { value, version })
            }
            Want::Read => {
                cx.trace(Trace::ReadServed {
                    id,
                    key: key.clone(),
                    value: chosen.map(|offer| offer.digest()),
                });
                let value = observed;
                Ok(Reply { value, version })
            }
            Want::Compare(expected) if *expected == observed => Err(invalid("a register is written once")),
            Want::Propose(_) | Want::Compare(_) => Err(Failure::Precondition { observed, version }),
        }
    }

    /// Gives up on clients that wait too long.
    pub(super) fn expire(&mut self, key: &Key, cx: &mut Cx) {
        let Some(instance) = self.instances.get_mut(key) else {
            return;
        };
        let late = |waiting: &Waiting| waiting.deadline <= cx.now;
        let (late, left) = std::mem::take(&mut instance.waiting).into_iter().partition(late);
        instance.waiting = left;
        let late: Vec<Waiting> = late;
        self.waiting -= late.len();
        for waiting in late {
            let proposes = matches!(waiting.want, Want::Propose(_));
            let failure = if proposes && self.rules.may_be_chosen(waiting.sent) {
                Failure::unknown("no ballot of it was decided in time")
            } else {
                unavailable("no ballot of it succeeded in time")
            };
            self.answer(waiting.id, Err(failure), cx);
        }
    }

    /// What is said rests on what a quorum has on disk: nothing to wait for.
    pub(super) fn answer(&self, id: RequestId, result: Result<Reply, Failure>, cx: &mut Cx) {
        let response = Response {
            node: self.me,
            term: 0,
            position: 0,
            result,
            quorum: None,
        };
        cx.reply_now(id, response);
    }
}

fn invalid(reason: &str) -> Failure {
    Failure::Invalid {
        reason: reason.to_owned(),
    }
}

pub(super) fn unavailable(reason: &str) -> Failure {
    Failure::Unavailable {
        leader: None,
        reason: reason.to_owned(),
    }
}
