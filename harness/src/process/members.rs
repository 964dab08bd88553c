//! Changing the members of a cluster by its own means, as an operator would: ask the leader, or any node where none
//! leads, until it is done.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use perjury_nemesis::Node;
use perjury_systems::api::Reconfigure;
use perjury_systems::replica::NodeId;
use serde::Deserialize;

use super::Tag;
use super::nodes::Nodes;
use super::watch::Watch;
use crate::http::client::{Connections, End, Outgoing};
use crate::http::request;

/// How long a cluster may take to let a node go.
const LEAVE_LIMIT: Duration = Duration::from_secs(10);

/// How long it may take to let it in again: it may have to catch up from a snapshot.
const JOIN_LIMIT: Duration = Duration::from_secs(30);

/// How long one answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(3);

const EVERY: Duration = Duration::from_millis(100);

/// The lanes of these requests: no client has them.
const FIRST_LANE: u64 = 1 << 48;

/// How often it is looked whether all members are there, once everything is healed.
const REPAIR: Duration = Duration::from_millis(500);

/// Once everything is healed, members that are missing are asked back until all are there: a change that nobody heard of any
/// more may be carried out in the end.
#[derive(Debug)]
pub(super) struct Repair {
    since: Instant,
    next: Instant,
}

impl Repair {
    pub fn new(now: Instant) -> Self {
        Repair {
            since: now,
            next: now + REPAIR,
        }
    }

    /// When to go on.
    pub fn next(&self) -> Instant {
        self.next
    }

    /// Asks a member back, if it is time to look and one is missing.
    pub fn go_on(&mut self, now: Instant, nodes: &Nodes, watch: &Watch, connections: &mut Connections<Tag>) {
        if now < self.next {
            return;
        }
        self.next = now + REPAIR;
        let spokesman = watch.spokesman(nodes);
        let Some((asked, (voters, _))) =
            spokesman.and_then(|node| Some((node, watch.members(node, self.since)?)))
        else {
            return;
        };
        let missing = nodes
            .members()
            .into_iter()
            .find(|member| !voters.contains(member));
        if let (Some(missing), Some(address)) = (missing, nodes.http(asked)) {
            let join = Outgoing {
                lane: FIRST_LANE - 1,
                place: asked.0,
                address,
                bytes: request::reconfigure(Reconfigure::Join(NodeId(missing.0))),
                deadline: now + ANSWER_LIMIT,
                tag: Tag::Operator,
            };
            connections.send(join);
        }
    }
}

/// How far a change is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Waiting,
    /// With what was seen.
    Done(String),
    /// With why.
    Failed(String),
}

/// Nodes that leave, or join again, one after the other.
#[derive(Debug)]
pub(super) struct Change {
    fault: u32,
    leaving: bool,
    nodes: VecDeque<Node>,
    names: String,
    since: Instant,
    deadline: Instant,
    next: Instant,
    asking: bool,
    /// Whom a node named as leader.
    hint: Option<Node>,
    /// What the last answer said.
    last: String,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
    #[serde(default)]
    message: String,
    leader: Option<Node>,
}

impl Change {
    pub fn new(fault: u32, nodes: &BTreeSet<Node>, leaving: bool, now: Instant) -> Self {
        Change {
            fault,
            leaving,
            nodes: nodes.iter().copied().collect(),
            names: nodes.iter().map(Node::to_string).collect::<Vec<_>>().join(", "),
            since: now,
            deadline: now + if leaving { LEAVE_LIMIT } else { JOIN_LIMIT },
            next: now,
            asking: false,
            hint: None,
            last: "nobody could be asked".to_owned(),
        }
    }

    /// When to go on.
    pub fn next(&self) -> Instant {
        if self.asking {
            self.deadline
        } else {
            self.next.min(self.deadline)
        }
    }

    /// Takes in an answer.
    pub fn answered(&mut self, end: &End, now: Instant) {
        self.asking = false;
        self.hint = None;
        self.next = now + EVERY;
        match end {
            End::Response { status: 200, .. } => {
                self.nodes.pop_front();
                self.next = now;
            }
            End::Response { status, body } => {
                self.last = format!("status {status}");
                if let Ok(refusal) = serde_json::from_slice::<Refusal>(body) {
                    self.hint = refusal.leader;
                    self.last = format!("{}: {}", refusal.error, refusal.message);
                }
            }
            End::NotSent(why) | End::Lost(why) => self.last = (*why).to_owned(),
            End::TimedOut => self.last = "no answer in time".to_owned(),
        }
    }

    /// Asks for the next step, if it is time to.
    pub fn go_on(
        &mut self,
        now: Instant,
        nodes: &Nodes,
        watch: &Watch,
        connections: &mut Connections<Tag>,
    ) -> Progress {
        let spokesman = watch.spokesman(nodes);
        let members = spokesman.and_then(|node| watch.members(node, self.since));
        while let (Some(node), Some((voters, learners))) = (self.nodes.front(), &members)
            && !self.asking
        {
            let out = !voters.contains(node) && !learners.contains(node);
            if (self.leaving && out) || (!self.leaving && voters.contains(node)) {
                self.nodes.pop_front();
            } else {
                break;
            }
        }
        let Some(&node) = self.nodes.front() else {
            let word = if self.leaving { "left" } else { "joined again" };
            return Progress::Done(format!(
                "{} {word} after {:.1} s",
                self.names,
                (now - self.since).as_secs_f64()
            ));
        };
        if now >= self.deadline {
            let word = if self.leaving { "let go" } else { "let in again" };
            let limit = (self.deadline - self.since).as_secs();
            return Progress::Failed(format!("{node} was not {word} within {limit} s: {}", self.last));
        }
        if self.asking || now < self.next {
            return Progress::Waiting;
        }
        self.next = now + EVERY;
        if let Some(asked) = self.hint.take().or(spokesman)
            && let Some(address) = nodes.http(asked)
        {
            let member = NodeId(node.0);
            let change = if self.leaving {
                Reconfigure::Leave(member)
            } else {
                Reconfigure::Join(member)
            };
            self.asking = true;
            connections.send(Outgoing {
                lane: FIRST_LANE + u64::from(self.fault),
                place: asked.0,
                address,
                bytes: request::reconfigure(change),
                deadline: now + ANSWER_LIMIT,
                tag: Tag::Member { fault: self.fault },
            });
        }
        Progress::Waiting
    }
}
