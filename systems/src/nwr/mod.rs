//! A store without a leader: each key has N replicas, a write is done when W of them stored it, a read when R of them
//! answered (Gifford, SOSP 1979; DeCandia et al., Dynamo, SOSP 2007; Attiya, Bar-Noy and Dolev, 1995).
//!
//! Any node coordinates. Keys are placed by consistent hashing ([`crate::ring`]). With W + R > N every read quorum meets every
//! write quorum, which makes registers *regular*: a read returns the last write that completed before it, or one that was
//! under way. With `reads=abd` a read stores what it found before it returns it, which makes them atomic. With W + R ≤ N
//! nothing but convergence is promised.
//!
//! Nodes join and leave one change after the other, each in two views: in the first, writes need quorums of both rings and
//! reads are served by the old one, while members fetch what they will have to hold; when all have it, the second view is the
//! new ring alone. A replica serves requests of its own view only. The first node of the cluster orders the changes (as an
//! administrator does in Dynamo §4.8.1); reads and writes do not need it.
//!
//! A node that lost its disk must not answer for what it acknowledged and forgot: it is told by the others that they know
//! another disk of it, and comes back by a change of the ring that brings it what it has to hold.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::breach::Judge;
use crate::context::Context;
use crate::marks::Marks;
use crate::replica::{
    Cluster, ConfigError, Durable, Event, Lsn, MutantCounts, NodeId, Promise, Replica, Role, Status,
};
use crate::ring::Ring;

mod answers;
mod coordinator;
mod identity;
pub mod invariants;
mod marks;
pub mod mutants;
mod operations;
mod recovery;
mod removals;
mod repair;
mod replicas;
pub mod rules;
pub mod settings;
mod transfer;
pub mod types;
mod views;

pub use marks::MARKS;
pub use mutants::MUTANTS;
pub use settings::{SETTINGS, Settings};
pub use types::{Message, Record, Timer, Trace, View};

use identity::Registration;
use operations::Operation;
use removals::Doubt;
use repair::Hint;
use replicas::Held;
use rules::Rules;
use settings::{ReadMode, Versions};
use transfer::Pulls;
use types::{Epoch, Identity, Ticket, newest};
use views::Steward;

type Cx = Context<Nwr>;

/// One node of the store.
#[derive(Clone, Debug)]
pub struct Nwr {
    me: NodeId,
    nodes: Arc<[NodeId]>,
    settings: Arc<Settings>,
    rules: Rules,
    /// Tells the versions and actors of this incarnation from those of others.
    life: u32,

    // What is durable.
    identity: Identity,
    view: View,
    /// The newest view of which the node holds all that it has to.
    synced: Epoch,
    cells: BTreeMap<Arc<str>, Held>,
    hints: BTreeMap<Ticket, Hint>,
    /// The greatest counter of a removal that was forgotten, here or by those from whom it fetched keys.
    forgotten: u64,
    /// Records since the last snapshot.
    records: u64,

    // What is not.
    ring: Ring,
    /// Where keys were before, while the ring changes.
    old_ring: Option<Ring>,
    operations: BTreeMap<Ticket, Operation>,
    tickets: Ticket,
    /// The greatest counter that this incarnation gave out for each key.
    given: BTreeMap<Arc<str>, u64>,
    registration: Registration,
    pulls: Option<Pulls>,
    /// How often it forgot a removal, counted on from a number drawn for this incarnation.
    forgets: u64,
    /// Keys of which it was told to hold what may be older than a removal that it forgot.
    doubts: BTreeMap<Arc<str>, Doubt>,
    steward: Steward,
    durable: Lsn,
    /// Messages to itself, each with what must be durable first.
    loopback: VecDeque<(Lsn, Message)>,
    retrying: bool,
    changing: bool,
    /// How many writes this incarnation counted in version vectors, and the last version of each key among them: the next
    /// one has to include it, since it counts on.
    acted: u64,
    own: BTreeMap<Arc<str>, types::Version>,
    /// Whom it compared itself with last.
    compared: usize,
}

impl Replica for Nwr {
    type Message = Message;
    type Record = Record;
    type Timer = Timer;
    type Trace = Trace;

    const NAME: &'static str = "nwr";
    const FIFO: bool = false;
    const LEADERLESS: bool = true;

    fn validate(cluster: &Cluster) -> Result<(), ConfigError> {
        let settings = Settings::parse(&cluster.settings)?;
        mutants::find(cluster.mutant.as_deref())?;
        let nodes: BTreeSet<NodeId> = cluster.nodes.iter().copied().collect();
        if let Some(stranger) = cluster.members.iter().find(|member| !nodes.contains(member)) {
            return Err(ConfigError(format!(
                "the member {stranger} is not one of the nodes"
            )));
        }
        let members: BTreeSet<NodeId> = cluster.members.iter().copied().collect();
        if members.len() < settings.n {
            return Err(ConfigError(format!(
                "nwr: n={} replicas of each key need as many nodes; there are {}",
                settings.n,
                members.len()
            )));
        }
        Ok(())
    }

    fn recover(cluster: &Cluster, me: NodeId, durable: Durable<Record>, cx: &mut Cx) -> Self {
        Nwr::start(cluster, me, durable, cx)
    }

    fn step(&mut self, event: Event<Self>, cx: &mut Cx) {
        match event {
            Event::Message { from, message } if self.nodes.contains(&from) && from != self.me => {
                self.receive(from, message, cx);
            }
            Event::Message { .. } => {}
            Event::Request { id, request } => self.request(id, request, cx),
            Event::Timer(Timer::Retry) => self.retry(cx),
            Event::Timer(Timer::Repair) => self.repair(cx),
            Event::Timer(Timer::Change) => self.go_on(cx),
            Event::Durable(lsn) => self.durable = self.durable.max(lsn),
        }
        self.settle(cx);
    }

    fn status(&self) -> Status {
        Status {
            node: self.me,
            role: if self.view.members.contains(&self.me) {
                Role::Follower
            } else {
                Role::Outsider
            },
            term: self.view.epoch,
            leader: None,
            committed: 0,
            applied: 0,
            // A change counts once it has ended.
            voters: self.view.agreed().to_vec(),
            learners: self
                .view
                .members
                .iter()
                .copied()
                .filter(|node| !self.view.agreed().contains(node))
                .collect(),
        }
    }

    fn leads(&self) -> Option<u64> {
        None
    }

    fn promise(cluster: &Cluster) -> Promise {
        let settings = Settings::parse(&cluster.settings).unwrap_or_default();
        let rules = mutants::rules(cluster.mutant.as_deref());
        let meets = rules.intersect(settings.w, settings.r, settings.n) && !settings.sloppy;
        match settings.versions {
            Versions::Counter if meets && settings.reads == ReadMode::Abd => Promise::Linearizable,
            Versions::Counter | Versions::Vector if meets => Promise::Regular,
            _ => Promise::Eventual,
        }
    }

    fn judge(cluster: &Cluster) -> Option<Box<dyn Judge<Trace>>> {
        Some(Box::new(invariants::Recorded::new(cluster)))
    }

    fn marks(&self) -> Marks {
        self.rules.marks()
    }

    fn may_vote(&self) -> bool {
        self.identity.ready
    }

    fn mutant_counts(&self) -> MutantCounts {
        self.rules.counts()
    }
}

impl Nwr {
    fn receive(&mut self, from: NodeId, message: Message, cx: &mut Cx) {
        match message {
            Message::Ask { ticket, epoch, key } => self.on_ask(from, ticket, epoch, key, cx),
            Message::Answer {
                ticket,
                epoch,
                cell,
                known_to_all,
                forgotten,
            } => {
                self.hear_of_removals(from, ticket, newest(&cell).filter(|_| known_to_all), forgotten);
                self.on_answer(from, ticket, epoch, cell, cx);
            }
            Message::Store {
                ticket,
                epoch,
                key,
                cell,
                chosen,
                hint_for,
            } => self.on_store(from, (ticket, epoch), key, (cell, chosen), hint_for, cx),
            Message::Stored {
                ticket,
                epoch,
                tag,
                hint_for,
            } => self.on_stored(from, (ticket, epoch), tag, hint_for, cx),
            Message::Refused { ticket, view } => self.on_refused(from, ticket, view, cx),
            Message::Hint { ticket, key, cell } => self.on_hint(from, ticket, key, cell, cx),
            Message::HintTaken { ticket } => self.on_hint_taken(from, ticket, cx),
            Message::Removed { key, tag } => self.on_removed(&key, tag),
            Message::Doubt { epoch, key, forgets } => self.on_doubt(from, epoch, key, forgets, cx),
            Message::Sure {
                epoch,
                key,
                forgets,
                cell,
            } => self.on_sure(from, (epoch, forgets), &key, cell, cx),
            Message::View(view) if view.epoch < self.view.epoch => {
                let mine = self.view.clone();
                self.send(from, Message::View(mine), cx);
            }
            Message::View(view) => self.on_view(view, cx),
            Message::Change { ticket, change } => self.on_change(from, ticket, change, cx),
            Message::Changed { ticket, refused } => self.on_changed(ticket, refused, cx),
            Message::Renew { disk } => self.on_renew(from, disk, cx),
            Message::Synced { epoch } => self.on_synced(from, epoch, cx),
            Message::Pull { epoch, after } => self.on_pull(from, epoch, after, cx),
            Message::Part {
                epoch,
                after,
                cells,
                last,
                forgotten,
            } => self.on_part(from, epoch, after, (cells, last, forgotten), cx),
            Message::Hello { disk, again } => self.on_hello(from, disk, again, cx),
            Message::Known { disk, first, view } => self.on_known(from, disk, first, view, cx),
            Message::Tree { epoch, at, hashes } => self.on_tree(from, epoch, at, &hashes, cx),
            Message::Leaf {
                epoch,
                leaf,
                cells,
                reply,
            } => self.on_leaf(from, epoch, leaf, (cells, reply), cx),
        }
    }

    /// What a step leaves to be done: messages to itself whose time has come, timers, a snapshot.
    fn settle(&mut self, cx: &mut Cx) {
        let me = self.me;
        while let Some(place) = self.loopback.iter().position(|(after, _)| *after <= self.durable) {
            if let Some((_, message)) = self.loopback.remove(place) {
                self.receive(me, message, cx);
            }
        }
        if !self.retrying && !self.operations.is_empty() {
            self.retrying = true;
            cx.arm(Timer::Retry, self.settings.retry);
        }
        if !self.changing && self.has_change() {
            self.changing = true;
            cx.arm(Timer::Change, CHANGE_EVERY);
        }
        if self.settings.snapshot_every > 0 && self.records >= self.settings.snapshot_every {
            self.take_snapshot(cx);
        }
    }

    /// Sends a message once everything written so far is durable, to itself as well.
    fn send(&mut self, to: NodeId, message: Message, cx: &mut Cx) {
        if to == self.me {
            self.loopback.push_back((cx.written(), message));
        } else {
            cx.send(to, message);
        }
    }

    /// Sends a message that depends on nothing durable, to itself as well. None that holds a view: whoever makes views
    /// would make another one under the same epoch, if it forgot this one.
    fn send_now(&mut self, to: NodeId, message: Message, cx: &mut Cx) {
        if to == self.me {
            self.loopback.push_back((Lsn(0), message));
        } else {
            cx.send_now(to, message);
        }
    }

    fn append(&mut self, record: Record, cx: &mut Cx) -> Lsn {
        self.records += 1;
        cx.append(record)
    }

    fn others(&self) -> impl Iterator<Item = NodeId> + use<> {
        let (nodes, me) = (Arc::clone(&self.nodes), self.me);
        (0..nodes.len())
            .map(move |place| nodes[place])
            .filter(move |node| *node != me)
    }

    fn next_ticket(&mut self) -> Ticket {
        self.tickets = self.tickets.wrapping_add(1).max(1);
        self.tickets
    }

    /// Its view of the ring.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// Whether it answers for what it holds.
    pub fn is_ready(&self) -> bool {
        self.identity.ready
    }

    /// Everything that it holds, by key.
    pub fn cells(&self) -> impl Iterator<Item = (&Arc<str>, &types::Cell)> {
        self.cells.iter().map(|(key, held)| (key, &held.cell))
    }

    /// The replicas of a key under its view, by its own ring.
    pub fn replicas(&self, key: &str) -> Vec<NodeId> {
        self.ring.replicas(key, self.settings.n, &self.rules)
    }

    /// How many hints it keeps for others.
    pub fn hints(&self) -> usize {
        self.hints.len()
    }
}

/// Between two attempts to go on with a change of the ring.
const CHANGE_EVERY: Duration = Duration::from_millis(60);
