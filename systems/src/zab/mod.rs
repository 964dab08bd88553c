//! ZAB, the atomic broadcast of ZooKeeper (Junqueira, Reed and Serafini 2011), complete: fast leader election,
//! discovery, synchronisation, broadcast; observers, requests passed on by followers, sync before reads, reads of a
//! server's own state, fuzzy snapshots.
//!
//! [`Zab`] is one node. Its parts are methods on it, a file each; what the proof rests on is gathered in [`rules`], what
//! can be planted in [`mutants`], what must always hold in [`invariants`].
//!
//! A learner's session with its leader is a FIFO channel: it ends when the connection breaks or either side leaves, and
//! a message of another session is void. What leaves a node before its log is durable says so (`send_now`); the order
//! of messages matters only among those of one gate.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::breach::Judge;
use crate::context::Context;
use crate::marks::Marks;
use crate::replica::{
    Cluster, ConfigError, Durable, Event, Lsn, MutantCounts, NodeId, Promise, Replica, Role, Status,
};

mod apply;
mod broadcast;
mod discovery;
mod election;
pub mod invariants;
mod leading;
mod learner;
pub mod log;
pub mod machine;
mod marks;
pub mod mutants;
mod oracle;
mod reads;
mod recovery;
mod requests;
pub mod rules;
pub mod settings;
mod snapshots;
mod sync;
mod trace;
pub mod types;

pub use log::Log;
pub use machine::Machine;
pub use marks::MARKS;
pub use mutants::MUTANTS;
pub use settings::{Election, SETTINGS, Settings};
pub use types::{Epoch, Epochs, Message, Record, Timer, Trace, Txn, Vote, Zxid};

use election::Search;
use leading::{Leading, Phase};
use learner::{Following, Step};
use requests::Requests;
use rules::Rules;
use snapshots::Shot;
use types::Standing;

type Cx = Context<Zab>;

/// One node of a ZAB cluster.
#[derive(Clone, Debug)]
pub struct Zab {
    me: NodeId,
    nodes: Arc<[NodeId]>,
    voters: Arc<[NodeId]>,
    settings: Arc<Settings>,
    rules: Rules,

    // What is durable, besides snapshots.
    epochs: Epochs,
    /// Where the epochs were last written.
    epochs_at: Lsn,
    log: Log,

    // What is not.
    committed: Zxid,
    machine: Machine,
    /// Transactions applied since the last snapshot was begun.
    since_snapshot: usize,
    shot: Option<Shot>,
    /// The election round.
    round: u64,
    vote: Vote,
    state: State,
    /// Sessions with leaders so far, from a number of this incarnation on.
    session: u64,
    /// The last session of each learner that this node has ended, as a leader or before it was one.
    closed: BTreeMap<NodeId, u64>,
    /// The slow state machine is at work.
    applying: bool,
    requests: Requests,
    halted: Option<Arc<str>>,
}

/// What a node is at the moment.
#[derive(Clone, Debug)]
enum State {
    Looking(Search),
    Following(Box<Following>),
    Leading(Box<Leading>),
}

impl Replica for Zab {
    type Message = Message;
    type Record = Record;
    type Timer = Timer;
    type Trace = Trace;

    const NAME: &'static str = "zab";
    const FIFO: bool = true;

    fn validate(cluster: &Cluster) -> Result<(), ConfigError> {
        let settings = Settings::parse(&cluster.settings)?;
        mutants::find(cluster.mutant.as_deref())?;
        if let Some(stranger) = cluster
            .members
            .iter()
            .find(|member| !cluster.nodes.contains(member))
        {
            return Err(ConfigError(format!(
                "the member {stranger} is not one of the nodes"
            )));
        }
        if voters(cluster, &settings).is_empty() {
            return Err(ConfigError(format!(
                "zab needs at least one member that votes: there are {} members, and observers={}",
                cluster.members.len(),
                settings.observers
            )));
        }
        Ok(())
    }

    fn recover(cluster: &Cluster, me: NodeId, durable: Durable<Record>, cx: &mut Cx) -> Self {
        Zab::start(cluster, me, durable, cx)
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

    fn disconnected(&mut self, peer: NodeId, cx: &mut Cx) {
        if self.halted.is_some() {
            return;
        }
        match &mut self.state {
            State::Looking(_) => self.tell_vote(peer, cx),
            State::Following(following) if following.leader == peer => {
                self.look("the connection with the leader broke", cx);
            }
            State::Following(_) => {}
            State::Leading(leading) => {
                leading.learners.remove(&peer);
            }
        }
        self.settle(cx);
    }

    fn status(&self) -> Status {
        let observers = self.nodes.iter().copied().filter(|node| !self.is_voter(*node));
        Status {
            node: self.me,
            role: self.role(),
            term: u64::from(self.epochs.current),
            leader: self.leader(),
            committed: self.committed.position(),
            applied: self.machine.applied().position(),
            voters: self.voters.to_vec(),
            learners: observers.collect(),
        }
    }

    fn leads(&self) -> Option<u64> {
        self.established().map(u64::from)
    }

    // Whatever cannot be parsed is refused elsewhere.
    fn promise(cluster: &Cluster) -> Promise {
        match Settings::parse(&cluster.settings).map(|settings| settings.reads) {
            Ok(settings::Reads::Local) => Promise::Sequential,
            _ => Promise::Linearizable,
        }
    }

    fn judge(_: &Cluster) -> Option<Box<dyn Judge<Trace>>> {
        Some(Box::new(invariants::Recorded::default()))
    }

    fn marks(&self) -> Marks {
        self.rules.marks()
    }

    fn mutant_counts(&self) -> MutantCounts {
        self.rules.counts()
    }
}

/// Who votes: the members but for the last ones, if some are observers.
fn voters(cluster: &Cluster, settings: &Settings) -> Vec<NodeId> {
    let count = cluster.members.len().saturating_sub(settings.observers);
    cluster.members[..count].to_vec()
}

impl Zab {
    fn receive(&mut self, from: NodeId, message: Message, cx: &mut Cx) {
        if from == self.me || !self.nodes.contains(&from) {
            return;
        }
        match message {
            Message::Notification {
                round,
                vote,
                standing,
            } => self.on_notification(from, round, vote, standing, cx),
            Message::Close { session } => self.on_close(from, session, cx),
            message if message.is_from_learner() => self.lead_on(from, message, cx),
            message => self.learn(from, message, cx),
        }
    }

    fn tick(&mut self, timer: Timer, cx: &mut Cx) {
        match timer {
            Timer::Finalize => self.finalize(cx),
            Timer::Notify => self.vote_again(cx),
            Timer::Init => self.init_limit(cx),
            Timer::Tick => self.heartbeat(cx),
            Timer::Apply => self.apply_batch(cx),
            Timer::Snapshot => self.snapshot_piece(cx),
            Timer::Sweep => self.sweep(cx),
        }
    }

    fn on_durable(&mut self, lsn: Lsn, cx: &mut Cx) {
        self.log.synced(lsn);
        self.count_own(lsn, cx);
    }

    /// What follows from a step, whatever it was.
    fn settle(&mut self, cx: &mut Cx) {
        self.apply_committed(cx);
        self.answer_reads(cx);
    }

    /// One of the two sides has left.
    fn on_close(&mut self, from: NodeId, session: u64, cx: &mut Cx) {
        match &mut self.state {
            State::Following(following) if following.leader == from && following.session == session => {
                self.look("the leader ended the session", cx);
            }
            State::Leading(leading)
                if leading
                    .learners
                    .get(&from)
                    .is_some_and(|learner| learner.session == session) =>
            {
                leading.learners.remove(&from);
            }
            _ => {}
        }
    }

    /// Discovery and synchronisation have taken too long.
    fn init_limit(&mut self, cx: &mut Cx) {
        match &self.state {
            State::Looking(_) => {}
            State::Following(following) if following.step == Step::Serving => {}
            State::Leading(leading) if leading.phase == Phase::Broadcast => {}
            _ => self.look("no quorum came together in time", cx),
        }
    }

    fn heartbeat(&mut self, cx: &mut Cx) {
        match &self.state {
            State::Looking(_) => return,
            State::Following(_) => self.look_after_leader(cx),
            State::Leading(_) => self.look_after_learners(cx),
        }
        if !matches!(self.state, State::Looking(_)) {
            cx.arm(Timer::Tick, self.settings.tick);
        }
    }

    fn is_voter(&self, node: NodeId) -> bool {
        self.voters.contains(&node)
    }

    fn role(&self) -> Role {
        match &self.state {
            _ if !self.is_voter(self.me) => Role::Learner,
            State::Leading(leading) if leading.phase == Phase::Broadcast => Role::Leader,
            State::Following(_) => Role::Follower,
            State::Looking(_) | State::Leading(_) => Role::Candidate,
        }
    }

    fn standing(&self) -> Standing {
        match self.state {
            State::Looking(_) => Standing::Looking,
            State::Following(_) => Standing::Following,
            State::Leading(_) => Standing::Leading,
        }
    }

    fn leader(&self) -> Option<NodeId> {
        match &self.state {
            State::Looking(_) => None,
            State::Following(following) => (following.step == Step::Serving).then_some(following.leader),
            State::Leading(leading) => (leading.phase == Phase::Broadcast).then_some(self.me),
        }
    }

    /// Whether it answers clients.
    fn serves(&self) -> bool {
        self.leader().is_some()
    }

    /// Why the node refuses to run, if it does.
    pub fn halted(&self) -> Option<&str> {
        self.halted.as_deref()
    }

    /// Who votes.
    pub fn voters(&self) -> &[NodeId] {
        &self.voters
    }

    /// The epochs.
    pub fn epochs(&self) -> Epochs {
        self.epochs
    }

    /// Where the epochs were last written: once that is durable, they are.
    pub fn epochs_at(&self) -> Lsn {
        self.epochs_at
    }

    /// Its log.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The last transaction that it knows to be committed.
    pub fn committed(&self) -> Zxid {
        self.committed
    }

    /// Its state.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// The epoch that it leads, if a quorum has adopted its history.
    pub fn established(&self) -> Option<Epoch> {
        match &self.state {
            State::Leading(leading) if leading.phase == Phase::Broadcast => Some(leading.epoch),
            _ => None,
        }
    }

    /// Whether it takes part in broadcasts, as leader or learner, with the epoch's history adopted.
    pub fn is_in_broadcast(&self) -> bool {
        match &self.state {
            State::Looking(_) => false,
            State::Following(following) => matches!(following.step, Step::Complete | Step::Serving),
            State::Leading(leading) => leading.phase != Phase::Discovery,
        }
    }
}
