//! Multi-Paxos (Lamport, Paxos Made Simple §3, 2001; van Renesse and Altinbuken, PMMC, 2015): a log of instances that
//! replicates the store. A leader runs phase 1 once, for the whole suffix of the log, and then phase 2 alone for each
//! command, several at a time.
//!
//! [`Paxos`] is one node; its parts are methods on it, a file each. What the proof rests on is gathered in [`rules`],
//! what can be planted in [`mutants`], what must always hold in [`invariants`].

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::breach::Judge;
use crate::chunks::{Chunk, Incoming};
use crate::context::Context;
use crate::identity::{Identity, Registers, Registration};
use crate::machine::Machine;
use crate::marks::Marks;
use crate::replica::{
    Cluster, ConfigError, Durable, Event, Lsn, MutantCounts, NodeId, Replica, Role, Status,
};

mod acceptor;
pub mod config;
mod election;
mod heartbeats;
pub mod invariants;
mod leader;
mod learner;
mod marks;
mod membership;
pub mod mutants;
mod reads;
mod recovery;
mod requests;
pub mod rules;
pub mod settings;
mod snapshots;
pub mod types;

pub use acceptor::Vote;
pub use config::{Config, Configs};
pub use marks::MARKS;
pub use mutants::MUTANTS;
pub use settings::{SETTINGS, Settings};
pub use snapshots::Image;
pub use types::{Decree, Message, Record, Slot, Timer, Trace, Value};

use super::Ballot;
use leader::{Candidate, Leader};
use learner::Fetching;
use reads::ReadLease;
use requests::Requests;
use rules::Rules;

type Cx = Context<Paxos>;

/// One node.
#[derive(Clone, Debug)]
pub struct Paxos {
    me: NodeId,
    nodes: Arc<[NodeId]>,
    settings: Arc<Settings>,
    rules: Rules,
    initial: Arc<Config>,
    identity: Identity,
    registration: Registration,

    // The acceptor, durable.
    promised: Ballot,
    /// The highest slot in which it had accepted anything when it promised.
    covered: Slot,
    accepted: BTreeMap<Slot, Vote>,
    /// Up to here votes are forgotten; a snapshot covers them.
    trimmed: Slot,

    // The replica.
    /// What is known to be chosen, executed or not, beyond what is trimmed.
    chosen: BTreeMap<Slot, Value>,
    /// Up to here everything is said to be chosen.
    wanted: Slot,
    configs: Configs,
    machine: Machine,
    image: Option<Image>,
    incoming: Option<Incoming<Slot>>,
    fetching: Option<Fetching>,

    // The proposer.
    /// The highest round that it has heard of.
    round: u64,
    state: State,
    leader: Option<NodeId>,
    /// When a leader was heard last.
    heard_at: Option<Duration>,
    /// Tells this incarnation's clock and commands from those of others.
    incarnation: u64,
    read_lease: Option<ReadLease>,
    reads_ready: bool,
    requests: Requests,
    /// What this node says to itself, each with what must be durable first.
    loopback: VecDeque<(Lsn, Message)>,
    durable: Lsn,
    halted: Option<Arc<str>>,
}

/// What a node is at the moment, besides acceptor and replica.
#[derive(Clone, Debug)]
enum State {
    Follower,
    Candidate(Candidate),
    Leader(Box<Leader>),
}

impl Replica for Paxos {
    type Message = Message;
    type Record = Record;
    type Timer = Timer;
    type Trace = Trace;

    const NAME: &'static str = "paxos";
    const FIFO: bool = false;

    fn validate(cluster: &Cluster) -> Result<(), ConfigError> {
        Settings::parse(&cluster.settings)?;
        mutants::find(cluster.mutant.as_deref())?;
        super::members_are_nodes(Self::NAME, cluster)
    }

    fn judge(_: &Cluster) -> Option<Box<dyn Judge<Trace>>> {
        Some(Box::new(invariants::Recorded::default()))
    }

    fn recover(cluster: &Cluster, me: NodeId, durable: Durable<Record>, cx: &mut Cx) -> Self {
        Paxos::start(cluster, me, durable, cx)
    }

    fn step(&mut self, event: Event<Self>, cx: &mut Cx) {
        if let Some(reason) = &self.halted {
            if let Event::Request { id, .. } = event {
                let reason = format!("this node refuses to run: {reason}");
                self.answer(id, Err(self.unavailable(&reason)), cx);
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
            Event::Timer(timer) => self.tick(timer, cx),
            Event::Durable(lsn) => self.durable = lsn,
        }
        self.settle(cx);
    }

    fn status(&self) -> Status {
        let config = self.configs.of(self.executed() + 1);
        Status {
            node: self.me,
            role: match &self.state {
                State::Leader(_) => Role::Leader,
                State::Candidate(_) => Role::Candidate,
                State::Follower if config.voters.contains(&self.me) => Role::Follower,
                State::Follower if config.learners.contains(&self.me) => Role::Learner,
                State::Follower => Role::Outsider,
            },
            term: self.promised.round,
            leader: self.leader,
            committed: self.executed(),
            applied: self.executed(),
            voters: config.voters.iter().copied().collect(),
            learners: config.learners.iter().copied().collect(),
        }
    }

    // Whoever wants to lead needs promises for slots that a later configuration decides, too.
    fn quorums_of(&self) -> Vec<Vec<NodeId>> {
        let configs = self.configs.from(self.executed() + 1);
        configs
            .map(|config| config.voters.iter().copied().collect())
            .collect()
    }

    fn may_vote(&self) -> bool {
        self.is_known_by(self.configs.latest().1.disks.get(&self.me).copied())
    }

    fn leads(&self) -> Option<u64> {
        match &self.state {
            State::Leader(leader) => Some(leader.ballot.round),
            _ => None,
        }
    }

    fn mutant_counts(&self) -> MutantCounts {
        self.rules.counts()
    }

    fn marks(&self) -> Marks {
        self.rules.marks()
    }
}

impl Paxos {
    fn receive(&mut self, from: NodeId, message: Message, cx: &mut Cx) {
        match message {
            Message::Prepare {
                ballot,
                from: first,
                disk,
                transfer,
            } => self.on_prepare(from, (ballot, first), disk, transfer, cx),
            Message::Promise {
                ballot,
                trimmed,
                votes,
            } => self.on_promise(from, ballot, trimmed, votes, cx),
            Message::Nack { ballot, promised } => self.on_nack(ballot, promised, cx),
            Message::Accept {
                ballot,
                values,
                commit,
                disk,
            } => {
                self.on_accept(from, ballot, values, disk, cx);
                self.on_notice(from, ballot, commit, cx);
            }
            Message::Accepted { ballot, slots } => self.on_accepted(from, ballot, &slots),
            Message::Commit { ballot, commit } => self.on_notice(from, ballot, commit, cx),
            Message::Heartbeat {
                ballot,
                commit,
                round,
                grant,
            } => {
                self.on_heartbeat(from, ballot, round, grant, cx);
                self.on_notice(from, ballot, commit, cx);
            }
            Message::HeartbeatReply {
                ballot,
                round,
                clock,
                executed,
                disk,
                registered,
            } => self.on_heartbeat_reply(from, (ballot, round), clock, executed, (disk, registered), cx),
            Message::Fetch {
                from: first,
                snapshot,
            } => self.on_fetch(from, first, snapshot, cx),
            Message::Decided { first, values } => self.on_decided(from, first, values, cx),
            Message::Snapshot {
                last,
                offset,
                data,
                done,
            } => self.on_snapshot(from, last, &Chunk { offset, data, done }, cx),
            Message::TakeOver { ballot } if ballot >= self.promised => self.prepare(true, cx),
            Message::TakeOver { .. } => {}
            Message::Register { disk } => self.on_register(from, disk, cx),
            Message::RegisterReply { disk, first } => self.on_register_reply(from, disk, first, cx),
        }
    }

    fn tick(&mut self, timer: Timer, cx: &mut Cx) {
        match timer {
            Timer::Election => self.election_timeout(cx),
            Timer::Heartbeat => self.heartbeat(cx),
            Timer::Sweep => self.sweep(cx),
            Timer::Fetch => self.fetch_again(cx),
            Timer::Register => self.ask_to_be_registered(cx),
        }
    }

    /// What follows from a step, whatever it was: hear oneself, choose, execute, propose, carry on with changes, answer.
    fn settle(&mut self, cx: &mut Cx) {
        while let Some((after, _)) = self.loopback.front()
            && *after <= self.durable
            && let Some((_, message)) = self.loopback.pop_front()
        {
            self.receive(self.me, message, cx);
        }
        self.choose(cx);
        self.execute(cx);
        self.advance_change(cx);
        self.pump(cx);
        self.answer_reads(cx);
    }

    /// Sends, also to itself, once everything written so far is durable.
    fn say(&mut self, to: NodeId, message: Message, cx: &mut Cx) {
        if to == self.me {
            self.loopback.push_back((cx.written(), message));
        } else {
            cx.send(to, message);
        }
    }

    /// What the acceptor has promised.
    pub fn promised(&self) -> Ballot {
        self.promised
    }

    /// What the acceptor has accepted, beyond what is trimmed.
    pub fn accepted(&self) -> &BTreeMap<Slot, Vote> {
        &self.accepted
    }

    /// Up to here votes are forgotten.
    pub fn trimmed(&self) -> Slot {
        self.trimmed
    }

    /// The state machine.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// The newest snapshot.
    pub fn image(&self) -> Option<&Image> {
        self.image.as_ref()
    }

    /// The ballot in which it leads.
    pub fn leading(&self) -> Option<Ballot> {
        match &self.state {
            State::Leader(leader) => Some(leader.ballot),
            _ => None,
        }
    }
}
