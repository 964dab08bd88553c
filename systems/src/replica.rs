//! The contract between a replica and whoever drives it.
//!
//! **Durability.** [`Context::append`] and [`Context::snapshot`] write to the node's log and return a position
//! ([`Lsn`]). Every send and reply carries the position that must be durable before it may leave, by default
//! everything written so far; the context owns the one rule *transmit when durable ≥ after*, and whoever drives may
//! coalesce the writes of many steps into one fsync. [`Context::send_now`] is the audited exception. When writes became
//! durable the driver says so with [`Event::Durable`]. A crash drops what was gated and keeps a prefix of what
//! was written but not durable, the last record possibly torn. A failed fsync stops the node.
//!
//! **Order.** One step is one atomic handler; what it wants done is carried out in order. Messages may be lost,
//! duplicated, delayed and reordered unless the replica declares [`Replica::FIFO`]: then what a node sends to another
//! arrives in order and without a gap, as long as their connection lasts; when it breaks, what is under way may be
//! lost in either direction, and each of both ends that runs is told ([`Replica::disconnected`]) before anything of
//! the next connection reaches it. What it sends before it is told is lost.

use std::collections::BTreeMap;
use std::fmt::{self, Debug};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::api::Request;
use crate::breach::Judge;
use crate::context::Context;
use crate::marks::Marks;

/// A node of the cluster, counted from 1; shown as `n1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub u16);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{}", self.0)
    }
}

/// A position in a node's log: the number of records and snapshots written before and including this one,
/// counted over the node's whole life. 0 is the position before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Lsn(pub u64);

/// A client's request as the driver knows it: unique in the node's incarnation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(pub u64);

/// What every node knows of the cluster when it starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// All nodes that there may be.
    pub nodes: Vec<NodeId>,
    /// Those that are members from the start; the others wait to be added.
    pub members: Vec<NodeId>,
    /// The system's own options, as `name → value`; see the system's `Settings`.
    pub settings: BTreeMap<String, String>,
    /// The planted bug, by its name without the system: `read-local-at-leader`.
    pub mutant: Option<String>,
}

/// What was durable when a node last stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Durable<Record> {
    /// The newest durable snapshot with its position.
    pub snapshot: Option<(Lsn, Vec<u8>)>,
    /// The durable records in order, each with its position; records that were released may still be here.
    pub records: Vec<(Lsn, Record)>,
    /// The position of the last thing durable; the next record gets the position after it.
    pub end: Lsn,
}

impl<Record> Default for Durable<Record> {
    fn default() -> Self {
        Durable {
            snapshot: None,
            records: Vec::new(),
            end: Lsn(0),
        }
    }
}

/// What a replica is told.
#[derive(Clone, Debug)]
pub enum Event<R: Replica> {
    /// A message from another node.
    Message {
        /// Who sent it.
        from: NodeId,
        /// What it says.
        message: R::Message,
    },
    /// A client's request.
    Request {
        /// Names it in the reply.
        id: RequestId,
        /// What the client wants.
        request: Request,
    },
    /// A timer that was armed has run out (once; arm it again for the next time).
    Timer(R::Timer),
    /// Everything up to this position is durable.
    Durable(Lsn),
}

/// What a node is at the moment, in words that all systems share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// It orders the clients' requests.
    Leader,
    /// It wants to.
    Candidate,
    /// It follows a leader, or waits for one.
    Follower,
    /// It receives the log without a vote.
    Learner,
    /// It is not a member.
    Outsider,
}

/// What a status page, a client library or a nemesis may see of a node. Never used by the protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The node.
    pub node: NodeId,
    /// What it is.
    pub role: Role,
    /// Its term, ballot number or epoch.
    pub term: u64,
    /// Whom it believes to lead.
    pub leader: Option<NodeId>,
    /// The last position that it knows to be committed.
    pub committed: u64,
    /// The last position that it has applied.
    pub applied: u64,
    /// The voting members, as it knows them.
    pub voters: Vec<NodeId>,
    /// The members without a vote, as it knows them.
    pub learners: Vec<NodeId>,
}

/// How often a planted mistake was asked, and how often it decided otherwise than the correct rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MutantCounts {
    /// The rule was asked.
    pub reached: u64,
    /// The mistake changed the decision.
    pub differed: u64,
}

/// A configuration that a system refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(pub String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

/// A planted bug, as `list mutants` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MutantInfo {
    /// The name with its system: `raft/read-local-at-leader`.
    pub name: &'static str,
    /// The catalogue's short id: `R63`.
    pub id: &'static str,
    /// Whether it belongs to the core set: what any harness should find.
    pub core: bool,
    /// What was changed, in a sentence.
    pub change: &'static str,
    /// Where such a bug was seen, or the section that forbids it.
    pub source: &'static str,
    /// The workload that unmasks it: `register`.
    pub workload: &'static str,
    /// The nemesis that unmasks it, as the command line takes it: `partition,kill`.
    pub nemesis: &'static str,
    /// The kind of moments at which a fault unmasks it, as the simulator's swarm names them (`vote`); empty for any.
    pub moment: &'static str,
    /// The system's settings that unmask it, as the command line takes them: `prevote=off`.
    pub settings: &'static [&'static str],
    /// The finding to expect.
    pub finding: &'static str,
    /// How hard it is to find with one default run.
    pub difficulty: Difficulty,
}

impl MutantInfo {
    /// The settings that unmask it, as names and values.
    pub fn given(&self) -> impl Iterator<Item = (&'static str, &'static str)> + use<> {
        self.settings.iter().filter_map(|setting| setting.split_once('='))
    }
}

/// The chance that one default run finds a mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Difficulty {
    /// At least one in twenty.
    Easy,
    /// Between one in a thousand and one in twenty.
    Medium,
    /// Less: it needs a directed schedule or a targeted nemesis.
    Hard,
}

/// What a system promises of the values that it keeps, under its settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Promise {
    /// Each operation takes effect at one instant between its invocation and its completion.
    Linearizable,
    /// One order explains all results, and agrees with the order in which each client asked.
    Sequential,
    /// A read returns the last write that completed before it, or one that was under way.
    Regular,
    /// Replicas agree in the end; until then a read may return anything that was written.
    Eventual,
}

/// One node of a replicated system.
pub trait Replica: Clone + Debug + Sized + 'static {
    /// What nodes say to each other.
    type Message: Serialize + DeserializeOwned + Clone + Debug + Send + 'static;
    /// What the write-ahead log holds.
    type Record: Serialize + DeserializeOwned + Clone + Debug + Send + 'static;
    /// The timers of a node.
    type Timer: Copy + Ord + Debug + Send + 'static;
    /// What is worth recording of a step.
    type Trace: Serialize + DeserializeOwned + Clone + Debug + Send + 'static;

    /// The system's name: `raft`.
    const NAME: &'static str;
    /// Whether each directed link must deliver in order, or break.
    const FIFO: bool;
    /// Every node serves clients, and none ever leads.
    const LEADERLESS: bool = false;

    /// Checks settings and mutant before any node starts.
    ///
    /// # Errors
    /// An unknown setting or mutant, or a value out of range, with what would be right.
    fn validate(cluster: &Cluster) -> Result<(), ConfigError>;

    /// Builds the replica from what was durable when it last stopped (nothing, at first boot). `cluster` has
    /// passed [`Replica::validate`].
    fn recover(cluster: &Cluster, me: NodeId, durable: Durable<Self::Record>, cx: &mut Context<Self>)
    -> Self;

    /// Whether a node may start from a log that is damaged in the middle, by ending it there. It may not: what came
    /// after was acknowledged. Only a planted mistake says otherwise.
    fn starts_from_damaged_log(cluster: &Cluster) -> bool {
        let _ = cluster;
        false
    }

    /// Handles one event.
    fn step(&mut self, event: Event<Self>, cx: &mut Context<Self>);

    /// The connection with another node broke, and there is a new one from now on. Of use to those that declare
    /// [`Replica::FIFO`].
    fn disconnected(&mut self, peer: NodeId, cx: &mut Context<Self>) {
        let _ = (peer, cx);
    }

    /// What a status page, a client or a nemesis may see.
    fn status(&self) -> Status;

    /// The voters of every configuration of which a majority may be needed from now on.
    fn quorums_of(&self) -> Vec<Vec<NodeId>> {
        vec![self.status().voters]
    }

    /// Whether the disk that it has is known well enough to vote with, as far as it knows. One whose disk is not known yet
    /// needs more others than a quorum to become known ([`crate::identity`]).
    fn may_vote(&self) -> bool {
        true
    }

    /// The term, ballot number or epoch that it claims to lead, if it does.
    fn leads(&self) -> Option<u64> {
        let status = self.status();
        (status.role == Role::Leader).then_some(status.term)
    }

    /// How often the planted mistake, if there is one, was asked and decided otherwise.
    fn mutant_counts(&self) -> MutantCounts;

    /// What it promises under the cluster's settings, which have passed [`Replica::validate`].
    fn promise(cluster: &Cluster) -> Promise {
        let _ = cluster;
        Promise::Linearizable
    }

    /// Judges what this cluster's nodes recorded of themselves; none for a system without invariants over traces.
    fn judge(_: &Cluster) -> Option<Box<dyn Judge<Self::Trace>>> {
        None
    }

    /// Which of the system's marks this incarnation has reached.
    fn marks(&self) -> Marks {
        Marks::default()
    }
}
