//! Raft (Ongaro and Ousterhout 2014), complete: elections with PreVote and CheckQuorum, pipelined replication,
//! linearizable reads, client sessions, snapshots, membership changes, leadership transfer.
//!
//! [`Raft`] is one node. Its parts are methods on it, a file each; what the proof rests on is gathered in
//! [`rules`], what can be planted in [`mutants`], what must always hold in [`invariants`].

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::breach::Judge;
use crate::chunks::Incoming;
use crate::context::Context;
use crate::identity::{Identity, Registers, Registration};
use crate::machine::Machine;
use crate::marks::Marks;
use crate::node_map::NodeMap;
use crate::replica::{
    Cluster, ConfigError, Durable, Event, Lsn, MutantCounts, NodeId, Replica, Role, Status,
};

mod apply;
pub mod config;
mod election;
mod finite;
mod identity;
pub mod invariants;
pub mod log;
mod marks;
mod membership;
pub mod mutants;
pub mod progress;
mod reads;
mod recovery;
mod replication;
mod requests;
pub mod rules;
pub mod settings;
mod snapshots;
mod transfer;
pub mod types;

pub use config::{Config, ConfigHistory};
pub use finite::compact;
pub use marks::MARKS;
pub use mutants::MUTANTS;
pub use settings::{SETTINGS, Settings};
pub use types::{Entry, Index, Message, Payload, Position, Record, Term, Timer, Trace};

use election::Tally;
use membership::Change;
use progress::{Image, Progress};
use reads::PendingRead;
use requests::Requests;
use rules::Rules;
use transfer::Transfer;

type Cx = Context<Raft>;

/// How many rounds of heartbeats a leader remembers the beginning of.
const ROUNDS: usize = 128;

/// One node of a Raft cluster.
#[derive(Clone, Debug)]
pub struct Raft {
    me: NodeId,
    nodes: Arc<[NodeId]>,
    settings: Arc<Settings>,
    rules: Rules,
    initial: Arc<Config>,
    identity: Identity,
    registration: Registration,

    // Persistent state (figure 2), besides the log.
    term: Term,
    vote: Option<NodeId>,
    /// Where term and vote were last written.
    hard_state_at: Lsn,
    log: Log,
    configs: ConfigHistory,

    // Volatile state.
    commit: Index,
    machine: Machine<Position>,
    image: Option<Image>,
    incoming: Option<Incoming<(Term, Position)>>,
    state: State,
    leader: Option<NodeId>,
    /// When a leader was heard last.
    heard_at: Option<Duration>,
    /// The last entry as of the last tick of a timer.
    last_at_tick: Position,
    /// The slow state machine is at work.
    applying: bool,
    requests: Requests,
    halted: Option<Arc<str>>,
}

use log::Log;

/// What a node is at the moment (paper §5.1).
#[derive(Clone, Debug)]
enum State {
    Follower,
    PreCandidate(Tally),
    Candidate(Tally),
    Leader(Box<Leader>),
}

/// What only a leader keeps.
#[derive(Clone, Debug, Default)]
struct Leader {
    progress: NodeMap<Progress>,
    /// The place of its first entry.
    first_own: Index,
    /// The last round of heartbeats that was begun.
    round: u64,
    /// The last one that a majority answered.
    confirmed_round: u64,
    rounds: VecDeque<Round>,
    /// Heartbeats since it leads.
    ticks: u64,
    reads: VecDeque<PendingRead>,
    change: Option<Change>,
    transfer: Option<Transfer>,
    /// Another node was told to campaign in this term.
    handed_over: bool,
}

/// When a round of heartbeats began.
#[derive(Clone, Copy, Debug)]
struct Round {
    number: u64,
    began: Duration,
    tick: u64,
}

impl Leader {
    fn follow(&mut self, node: NodeId, me: NodeId, next: Index) {
        if node != me {
            self.progress.get_or_insert_with(node, || Progress::new(next));
        }
    }

    fn start_round(&mut self, now: Duration) {
        self.round += 1;
        self.rounds.push_back(Round {
            number: self.round,
            began: now,
            tick: self.ticks,
        });
        if self.rounds.len() > ROUNDS {
            self.rounds.pop_front();
        }
    }
}

impl Replica for Raft {
    type Message = Message;
    type Record = Record;
    type Timer = Timer;
    type Trace = Trace;

    const NAME: &'static str = "raft";
    const FIFO: bool = false;

    fn judge(_: &Cluster) -> Option<Box<dyn Judge<Trace>>> {
        Some(Box::new(invariants::Recorded::default()))
    }

    fn validate(cluster: &Cluster) -> Result<(), ConfigError> {
        Settings::parse(&cluster.settings)?;
        mutants::find(cluster.mutant.as_deref())?;
        let nodes: BTreeSet<NodeId> = cluster.nodes.iter().copied().collect();
        if cluster.members.is_empty() {
            return Err(ConfigError("raft needs at least one member to begin with".into()));
        }
        match cluster.members.iter().find(|member| !nodes.contains(member)) {
            Some(stranger) => Err(ConfigError(format!(
                "the member {stranger} is not one of the nodes"
            ))),
            None => Ok(()),
        }
    }

    fn recover(cluster: &Cluster, me: NodeId, durable: Durable<Record>, cx: &mut Cx) -> Self {
        Raft::start(cluster, me, durable, cx)
    }

    fn starts_from_damaged_log(cluster: &Cluster) -> bool {
        mutants::rules(cluster.mutant.as_deref()).may_start_from_damaged_log()
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
            Event::Message { from, message } => self.receive(from, message, cx),
            Event::Request { id, request } => self.request(id, request, cx),
            Event::Timer(timer) => self.tick(timer, cx),
            Event::Durable(lsn) => self.on_durable(lsn, cx),
        }
        self.settle(cx);
    }

    fn status(&self) -> Status {
        let config = self.configs.latest();
        Status {
            node: self.me,
            role: self.role(),
            term: self.term,
            leader: self.leader,
            committed: self.commit,
            applied: self.machine.applied(),
            voters: config.all_voters().into_iter().collect(),
            learners: config.learners.iter().copied().collect(),
        }
    }

    fn may_vote(&self) -> bool {
        self.has_a_vote()
    }

    fn leads(&self) -> Option<u64> {
        self.is_leader().then_some(self.term)
    }

    fn marks(&self) -> Marks {
        self.rules.marks()
    }

    fn mutant_counts(&self) -> MutantCounts {
        self.rules.counts()
    }
}

impl Raft {
    fn receive(&mut self, from: NodeId, message: Message, cx: &mut Cx) {
        if from == self.me || !self.nodes.contains(&from) {
            return;
        }
        if let Some(term) = message.term()
            && term > self.term
        {
            // Nodes that were removed, or cut off for a while, must not depose a leader that is alive.
            if matches!(message, Message::Vote { transfer: false, .. }) && self.hears_a_leader(cx.now) {
                return;
            }
            self.adopt_term(term, cx);
        }
        match message {
            Message::PreVote { term, last, disk } => self.on_pre_vote(from, (term, last), disk, cx),
            Message::PreVoteReply { term, granted } => self.on_pre_vote_reply(from, term, granted, cx),
            Message::Vote { term, last, disk, .. } => self.on_vote(from, (term, last), disk, cx),
            Message::VoteReply { term, granted } => self.on_vote_reply(from, term, granted, cx),
            Message::Append {
                term,
                prev,
                entries,
                commit,
                round,
            } => self.on_append(from, (term, round), (prev, entries), commit, cx),
            Message::AppendReply {
                term,
                round,
                outcome,
                disk,
                votes,
            } => self.on_append_reply(from, term, round, outcome, (disk, votes), cx),
            Message::Snapshot {
                term,
                last,
                offset,
                data,
                done,
                round,
            } => self.on_snapshot(from, (term, round), last, (offset, data, done), cx),
            Message::SnapshotReply {
                term,
                last,
                offset,
                done,
                round,
                disk,
                votes,
            } => self.on_snapshot_reply(from, (term, round), last, (offset, done), (disk, votes), cx),
            Message::TimeoutNow { term } if term == self.term => self.on_timeout_now(from, cx),
            Message::TimeoutNow { .. } => {}
            Message::ReadIndex { ticket, .. } => self.lead_read(from, ticket, cx),
            Message::ReadIndexReply { ticket, index, .. } => self.on_read_index(ticket, index),
            Message::Register { disk } => self.on_register(from, disk, cx),
            Message::RegisterReply { disk, first } => self.on_register_reply(from, disk, first, cx),
        }
    }

    fn tick(&mut self, timer: Timer, cx: &mut Cx) {
        match timer {
            Timer::Election => self.election_timeout(cx),
            Timer::Heartbeat => self.heartbeat(cx),
            Timer::Quorum => self.check_quorum(cx),
            Timer::Transfer => self.abort_transfer(cx),
            Timer::Apply => self.apply_batch(cx),
            Timer::Sweep => self.sweep(cx),
            Timer::Register => self.ask_to_be_registered(cx),
        }
    }

    /// What follows from a step, whatever it was: apply, answer, carry on with changes.
    fn settle(&mut self, cx: &mut Cx) {
        self.take_read_indexes(cx);
        self.apply_committed(cx);
        self.advance_change(cx);
        self.answer_reads(cx);
    }

    fn role(&self) -> Role {
        let config = self.configs.latest();
        match &self.state {
            State::Leader(_) => Role::Leader,
            State::Candidate(_) | State::PreCandidate(_) => Role::Candidate,
            State::Follower if config.is_voter(self.me) => Role::Follower,
            State::Follower if config.learners.contains(&self.me) => Role::Learner,
            State::Follower => Role::Outsider,
        }
    }

    /// Why the node refuses to run, if it does.
    pub fn halted(&self) -> Option<&str> {
        self.halted.as_deref()
    }

    /// The node's term.
    pub fn term(&self) -> Term {
        self.term
    }

    /// Whom it voted for in that term.
    pub fn vote(&self) -> Option<NodeId> {
        self.vote
    }

    /// Where term and vote were last written: once that is durable, they are.
    pub fn hard_state_at(&self) -> Lsn {
        self.hard_state_at
    }

    /// Whether it leads its term.
    pub fn is_leader(&self) -> bool {
        matches!(self.state, State::Leader(_))
    }

    /// The place of its first entry in the term that it leads.
    pub fn first_own(&self) -> Option<Index> {
        match &self.state {
            State::Leader(leader) => Some(leader.first_own),
            _ => None,
        }
    }

    /// Its log.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The configurations in its log.
    pub fn configs(&self) -> &ConfigHistory {
        &self.configs
    }

    /// The last place that it knows to be committed.
    pub fn commit(&self) -> Index {
        self.commit
    }

    /// Its state machine.
    pub fn machine(&self) -> &Machine<Position> {
        &self.machine
    }

    /// Its newest snapshot.
    pub fn image(&self) -> Option<&Image> {
        self.image.as_ref()
    }

    /// What it knows of its followers, while it leads.
    pub fn progress(&self) -> Option<&NodeMap<Progress>> {
        match &self.state {
            State::Leader(leader) => Some(&leader.progress),
            _ => None,
        }
    }
}
