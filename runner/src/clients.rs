//! Clients: whom they ask, and what they make of the answers.
//!
//! A client keeps its own idea of who leads, as real client libraries do, and follows hints. It also has a home:
//! a node that it prefers for a share of its operations whatever it believes, so that cut-off nodes are asked
//! too, and have the opportunity to lie.
//!
//! **What an operation may be recorded as.** It is `ok` or `fail` if an answer says so. If every attempt surely
//! did nothing, it is `fail`. One attempt of unknown outcome makes it `info`, whatever later attempts failed
//! with; only where all attempts belong to one session, in which the store applies a request at most once, does
//! a later answer settle it.

use std::sync::Arc;

use perjury_checker::history::PRECONDITION_FAILED;
use perjury_checker::{Function, Outcome, Value};
use perjury_nemesis::{Node, stream};
use perjury_workloads::Call;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::record::End;
use crate::step::Answer;

/// The first pause after an attempt that surely did nothing; doubled up to the longest, and jittered.
const FIRST_PAUSE_MS: u64 = 8;
const LONGEST_PAUSE_MS: u64 = 128;

/// Hints that are followed at once, one after the other: nodes may point at each other in circles.
const HOPS: u8 = 2;

/// One client.
#[derive(Debug)]
pub(crate) struct Client {
    /// Its number in the history; retired after an `info`.
    pub(crate) process: u64,
    /// Draws its operations.
    pub(crate) workload_rng: ChaCha8Rng,
    /// The operation that it is at.
    pub(crate) open: Option<Open>,
    sequence: u64,
    home: Node,
    leader: Option<Node>,
    nodes: u16,
    rng: ChaCha8Rng,
}

/// An operation that has not come to its end.
#[derive(Debug)]
pub(crate) struct Open {
    /// Its place in the history.
    pub(crate) operation: usize,
    /// What it is.
    pub(crate) call: Call,
    /// Its session, if it changes anything.
    pub(crate) session: Option<(u64, u64)>,
    /// When the client gives up.
    pub(crate) deadline_ns: u64,
    /// The attempt that is under way.
    pub(crate) attempt: Option<u64>,
    /// The node that is or was asked last, or is to be asked next.
    pub(crate) node: Node,
    /// Whether it is one of the final calls.
    pub(crate) last: bool,
    doubt: bool,
    hops: u8,
    pause_ms: u64,
}

/// What a client does about an answer.
#[derive(Debug)]
pub(crate) enum Next {
    /// The operation has come to its end.
    End(End),
    /// It is tried again, at `open.node`, at this time.
    Retry(u64),
}

/// Whether carrying it out changes anything.
pub(crate) fn changes(f: &Function) -> bool {
    *f != Function::Read
}

impl Client {
    pub(crate) fn new(number: usize, nodes: u16, seed: u64) -> Self {
        let home = Node((number % usize::from(nodes.max(1))) as u16 + 1);
        Client {
            process: number as u64,
            workload_rng: stream(seed, &format!("workload/{number}")),
            open: None,
            sequence: 0,
            home,
            leader: None,
            nodes,
            rng: stream(seed, &format!("client/{number}")),
        }
    }

    /// Whom to ask first.
    pub(crate) fn choose(&mut self, f: &Function) -> Node {
        let leads = self.leader.unwrap_or(self.home);
        // Any node may serve reads, so they go everywhere; a change mostly goes to who leads.
        let (home, anyone) = if changes(f) { (3, 4) } else { (6, 10) };
        match self.rng.random_range(0..16) {
            draw if draw < home => self.home,
            draw if draw < anyone => Node(self.rng.random_range(1..=self.nodes)),
            _ => leads,
        }
    }

    /// Begins an operation that was recorded at this place.
    pub(crate) fn begin(&mut self, operation: usize, call: Call, node: Node, deadline_ns: u64, last: bool) {
        let session = changes(&call.f).then(|| {
            self.sequence += 1;
            (self.process, self.sequence)
        });
        self.open = Some(Open {
            operation,
            call,
            session,
            deadline_ns,
            attempt: None,
            node,
            last,
            doubt: false,
            hops: 0,
            pause_ms: FIRST_PAUSE_MS,
        });
    }

    /// Takes the number that the next operation is recorded under.
    pub(crate) fn retire(&mut self, concurrency: usize) {
        self.process += concurrency as u64;
        self.sequence = 0;
    }

    /// What to do about an answer to the open operation's attempt. `retries`: whether an unknown outcome is
    /// tried again in the same session.
    pub(crate) fn answered(&mut self, now_ns: u64, answer: Answer, retries: bool) -> Option<Next> {
        let open = self.open.as_mut()?;
        open.attempt = None;
        let node = open.node;
        Some(match answer {
            Answer::Ok { value, version, .. } => {
                if changes(&open.call.f) {
                    self.leader = Some(node);
                }
                let end = End {
                    outcome: Outcome::Ok,
                    value,
                    error: None,
                    observed: None,
                    version,
                    node: Some(node),
                };
                Next::End(end)
            }
            Answer::Failed {
                error,
                observed,
                version,
            } => {
                // A compare-and-set that differed is the session's answer to the request, whichever attempt
                // carried it. Other refusals say nothing about an attempt before them.
                let settled = !open.doubt || !changes(&open.call.f) || &*error == PRECONDITION_FAILED;
                let outcome = if settled { Outcome::Fail } else { Outcome::Info };
                Next::End(End {
                    outcome,
                    value: open.call.value.clone(),
                    error: Some(error),
                    observed: observed.filter(|_| settled),
                    version: version.filter(|_| settled),
                    node: Some(node),
                })
            }
            Answer::Unavailable { error, leader } => {
                let hint = leader.filter(|hint| *hint != node && hint.0 >= 1 && hint.0 <= self.nodes);
                if hint.is_some() || self.leader == Some(node) {
                    self.leader = hint;
                }
                match hint {
                    Some(hint) if open.hops < HOPS && now_ns < open.deadline_ns => {
                        open.hops += 1;
                        open.node = hint;
                        Next::Retry(now_ns)
                    }
                    hint => self.pause(now_ns, error, hint),
                }
            }
            Answer::Unknown { error } => {
                open.doubt = true;
                if self.leader == Some(node) {
                    self.leader = None;
                }
                if retries {
                    self.pause(now_ns, error, None)
                } else {
                    Next::End(open.given_up(error))
                }
            }
        })
    }

    /// Tries again after a pause, at this node or another; gives up if there is no time left.
    fn pause(&mut self, now_ns: u64, error: Arc<str>, node: Option<Node>) -> Next {
        let Some(open) = self.open.as_mut() else {
            return Next::Retry(now_ns);
        };
        let jittered_us = open.pause_ms * 1_000 * self.rng.random_range(50..=150) / 100;
        let at_ns = now_ns.saturating_add(jittered_us * 1_000);
        if at_ns >= open.deadline_ns {
            return Next::End(open.given_up(error));
        }
        open.pause_ms = (open.pause_ms * 2).min(LONGEST_PAUSE_MS);
        open.hops = 0;
        open.node = node.unwrap_or(Node(open.node.0 % self.nodes + 1));
        Next::Retry(at_ns)
    }
}

impl Open {
    /// The end of an operation that got no answer of its own.
    pub(crate) fn given_up(&self, error: Arc<str>) -> End {
        End {
            outcome: if self.doubt || self.attempt.is_some() {
                Outcome::Info
            } else {
                Outcome::Fail
            },
            value: if changes(&self.call.f) {
                self.call.value.clone()
            } else {
                Value::Nil
            },
            error: Some(error),
            observed: None,
            version: None,
            node: Some(self.node),
        }
    }
}
