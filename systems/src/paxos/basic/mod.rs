//! Basic Paxos (Lamport, Paxos Made Simple, 2001): every key is one instance, which chooses one value, once. So a key
//! is a register that is written once. Every node is proposer, acceptor and learner.
//!
//! A client's write becomes a proposal. A read runs a ballot too: it finds that nothing can have been chosen before it
//! asked, or it gets chosen what it found.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::breach::Judge;
use crate::context::Context;
use crate::identity::{Identity, Registers, Registration};
use crate::marks::Marks;
use crate::replica::{
    Cluster, ConfigError, Durable, Event, Lsn, MutantCounts, NodeId, Replica, Role, Status,
};

mod acceptor;
pub mod invariants;
mod learner;
mod marks;
pub mod mutants;
mod proposer;
mod recovery;
mod requests;
pub mod rules;
pub mod settings;
pub mod types;

pub use acceptor::Acceptor;
pub use marks::MARKS;
pub use mutants::MUTANTS;
pub use proposer::{Attempt, Phase};
pub use settings::{SETTINGS, Settings};
pub use types::{Key, Message, Offer, Proposal, Record, Timer, Trace, Vote};

use super::Ballot;
use requests::{Waiting, Want};
use rules::Rules;

type Cx = Context<BasicPaxos>;

/// One node.
#[derive(Clone, Debug)]
pub struct BasicPaxos {
    me: NodeId,
    nodes: Arc<[NodeId]>,
    acceptors: Arc<BTreeSet<NodeId>>,
    settings: Arc<Settings>,
    rules: Rules,
    identity: Identity,
    registration: Registration,
    instances: BTreeMap<Key, Instance>,
    /// The registers that somebody waits for.
    busy: BTreeSet<Key>,
    /// How many wait.
    waiting: usize,
    /// How many registers are known to be written.
    decided: u64,
    /// Records since the last snapshot.
    records: u64,
    /// What this node says to itself, each with what must be durable first.
    loopback: VecDeque<(Lsn, Message)>,
    durable: Lsn,
    halted: Option<Arc<str>>,
}

/// One register.
#[derive(Clone, Debug, Default)]
pub struct Instance {
    /// The last round that this proposer used, or heard of.
    round: u64,
    acceptor: Acceptor,
    /// What is chosen, with a ballot in which it was.
    chosen: Option<Vote>,
    /// The votes that the learner has heard of.
    votes: Vec<(NodeId, Ballot, Offer)>,
    attempt: Option<Attempt>,
    /// Ballots that came to nothing.
    in_vain: u32,
    /// Not before this is another ballot begun.
    resume_at: Duration,
    waiting: Vec<Waiting>,
}

impl Instance {
    /// What the first client that waits to write wants.
    fn wish(&self) -> Option<Offer> {
        self.waiting.iter().find_map(|waiting| match &waiting.want {
            Want::Propose(offer) => Some(offer.clone()),
            _ => None,
        })
    }

    /// What the acceptor must remember.
    pub fn acceptor(&self) -> &Acceptor {
        &self.acceptor
    }

    /// What the learner knows to be chosen.
    pub fn chosen(&self) -> Option<&Vote> {
        self.chosen.as_ref()
    }

    /// The ballot under way.
    pub fn attempt(&self) -> Option<&Attempt> {
        self.attempt.as_ref()
    }
}

impl Replica for BasicPaxos {
    type Message = Message;
    type Record = Record;
    type Timer = Timer;
    type Trace = Trace;

    const NAME: &'static str = "basic-paxos";
    const FIFO: bool = false;
    const LEADERLESS: bool = true;

    fn validate(cluster: &Cluster) -> Result<(), ConfigError> {
        Settings::parse(&cluster.settings)?;
        mutants::find(cluster.mutant.as_deref())?;
        super::members_are_nodes(Self::NAME, cluster)
    }

    fn judge(_: &Cluster) -> Option<Box<dyn Judge<Trace>>> {
        Some(Box::new(invariants::Recorded::default()))
    }

    fn recover(cluster: &Cluster, me: NodeId, durable: Durable<Record>, cx: &mut Cx) -> Self {
        BasicPaxos::start(cluster, me, durable, cx)
    }

    fn step(&mut self, event: Event<Self>, cx: &mut Cx) {
        if let Some(reason) = &self.halted {
            if let Event::Request { id, .. } = event {
                let reason = format!("this node refuses to run: {reason}");
                self.answer(id, Err(requests::unavailable(&reason)), cx);
            }
            return;
        }
        match event {
            Event::Message { from, message } => {
                if from != self.me && self.nodes.contains(&from) {
                    self.receive(from, message, cx);
                }
            }
            Event::Request { id, request } => self.request(id, request, cx),
            Event::Timer(Timer::Retry) => self.retry(cx),
            Event::Timer(Timer::Register) => self.ask_to_be_registered(cx),
            Event::Durable(lsn) => self.durable = lsn,
        }
        while let Some((after, _)) = self.loopback.front()
            && *after <= self.durable
            && let Some((_, message)) = self.loopback.pop_front()
        {
            self.receive(self.me, message, cx);
        }
        self.snapshot_when_due(cx);
    }

    fn status(&self) -> Status {
        Status {
            node: self.me,
            role: if self.acceptors.contains(&self.me) {
                Role::Follower
            } else {
                Role::Outsider
            },
            term: 0,
            leader: None,
            committed: self.decided,
            applied: self.decided,
            voters: self.acceptors.iter().copied().collect(),
            learners: Vec::new(),
        }
    }

    fn may_vote(&self) -> bool {
        self.identity.registered
    }

    fn mutant_counts(&self) -> MutantCounts {
        self.rules.counts()
    }

    fn marks(&self) -> Marks {
        self.rules.marks()
    }
}

impl BasicPaxos {
    fn receive(&mut self, from: NodeId, message: Message, cx: &mut Cx) {
        match message {
            Message::Prepare { key, ballot, wish } => self.on_prepare(from, key, ballot, wish, cx),
            Message::Promise {
                key,
                ballot,
                accepted,
            } => self.on_promise(from, &key, ballot, accepted, cx),
            Message::Nack {
                key,
                ballot,
                promised,
            } => self.on_nack(from, &key, ballot, promised, cx),
            Message::Accept { key, ballot, offer } => self.on_accept(from, key, ballot, &offer, cx),
            Message::Accepted { key, ballot, offer } => self.on_accepted(from, key, ballot, offer, cx),
            Message::Chosen { key, ballot, offer } => self.on_chosen(key, ballot, offer, cx),
            Message::Register { disk } => self.on_register(from, disk, cx),
            Message::RegisterReply { disk, first } => self.on_register_reply(from, disk, first, cx),
        }
    }

    /// Sends, also to itself, once everything written so far is durable.
    fn say(&mut self, to: NodeId, message: Message, cx: &mut Cx) {
        if to == self.me {
            self.loopback.push_back((cx.written(), message));
        } else {
            cx.send(to, message);
        }
    }

    /// The registers that it knows.
    pub fn instances(&self) -> &BTreeMap<Key, Instance> {
        &self.instances
    }

    /// Whether its disk is known to the others, so that it may vote.
    pub fn is_registered(&self) -> bool {
        self.identity.registered
    }
}
