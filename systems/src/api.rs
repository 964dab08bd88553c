//! What clients ask and what they are told: one vocabulary for all systems.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::replica::NodeId;

/// A value of the store. In JSON it is itself: `null`, `7`, `"x"`, `[1, 2]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Value {
    /// The key is absent.
    #[default]
    Nil,
    /// An integer.
    Int(i64),
    /// A text.
    Text(Arc<str>),
    /// A list: shared by all copies, since it is copied far more often than it is changed.
    List(Arc<Vec<Value>>),
}

impl From<Vec<Value>> for Value {
    fn from(values: Vec<Value>) -> Self {
        Value::List(Arc::new(values))
    }
}

/// One part of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MicroOp {
    /// Read the key.
    Read {
        /// The key.
        key: Arc<str>,
    },
    /// Replace the key's value.
    Write {
        /// The key.
        key: Arc<str>,
        /// The new value.
        value: Value,
    },
    /// Append to the key's list; an absent key is an empty list.
    Append {
        /// The key.
        key: Arc<str>,
        /// The element.
        value: Value,
    },
    /// Add to the key's integer; an absent key is 0. Not idempotent.
    Add {
        /// The key.
        key: Arc<str>,
        /// What to add.
        amount: i64,
    },
}

impl MicroOp {
    /// The key that it is about.
    pub fn key(&self) -> &Arc<str> {
        match self {
            MicroOp::Read { key }
            | MicroOp::Write { key, .. }
            | MicroOp::Append { key, .. }
            | MicroOp::Add { key, .. } => key,
        }
    }
}

/// What a client wants done.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Command {
    /// Read a key.
    Read {
        /// The key.
        key: Arc<str>,
    },
    /// Replace a key's value.
    Write {
        /// The key.
        key: Arc<str>,
        /// The new value.
        value: Value,
    },
    /// Replace a key's value if it is what the client expects.
    Cas {
        /// The key.
        key: Arc<str>,
        /// What the client expects; `Nil` for an absent key.
        expected: Value,
        /// The new value.
        new: Value,
    },
    /// Remove a key.
    Delete {
        /// The key.
        key: Arc<str>,
    },
    /// Do several things at once, or none.
    Txn(Vec<MicroOp>),
    /// Change the members. Not part of the replicated store.
    Reconfigure(Reconfigure),
    /// Hand leadership to another node.
    Transfer {
        /// To whom; none lets the leader choose.
        to: Option<NodeId>,
    },
}

impl Command {
    /// Whether it changes nothing.
    pub(crate) fn reads_only(&self) -> bool {
        match self {
            Command::Read { .. } => true,
            Command::Txn(parts) => parts.iter().all(|part| matches!(part, MicroOp::Read { .. })),
            _ => false,
        }
    }
}

/// A change of the members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Reconfigure {
    /// Add a node: it catches up without a vote first, then becomes a voter. The answer comes when it votes.
    Join(NodeId),
    /// Add a node that never votes.
    Learn(NodeId),
    /// Remove a node.
    Leave(NodeId),
    /// Put one node in another's place, in one change: the new one catches up first.
    Replace {
        /// Who leaves.
        leaves: NodeId,
        /// Who joins.
        joins: NodeId,
    },
}

/// A client's session: a request that is retried under the same client and sequence is applied once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Session {
    /// The client, unique.
    pub client: u64,
    /// Counts the client's requests from 1; one is open at a time.
    pub sequence: u64,
}

/// A client's request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Request {
    /// Who asks; none for a request that may be applied twice if it is sent twice.
    pub session: Option<Session>,
    /// What it wants.
    pub command: Command,
    /// How it wants it, where the system leaves a choice.
    pub wish: Wish,
}

impl Request {
    /// A request that leaves every choice to the cluster.
    pub fn new(session: Option<Session>, command: Command) -> Self {
        Request {
            session,
            command,
            wish: Wish::default(),
        }
    }
}

/// What a client may ask of one request, where the system leaves it a choice; it is the cluster's choice otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Wish {
    /// How many replicas have to store a write.
    pub w: Option<u16>,
    /// How many replicas have to answer a read.
    pub r: Option<u16>,
    /// The furthest [`Response::position`] that the client was told: nothing older may be read for it.
    pub seen: Option<u64>,
}

/// What a client is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    /// The node that answered.
    pub node: NodeId,
    /// Its term, ballot number or epoch; 0 where nobody leads others.
    pub term: u64,
    /// How far in the system's order the state was that it answered from; 0 where a client need not tell what it has seen.
    pub position: u64,
    /// What came of it.
    pub result: Result<Reply, Failure>,
    /// Which replicas took part in a success, where the system asks several.
    pub quorum: Option<Box<Quorum>>,
}

/// A version of a key in a store without a leader: the greater one is the newer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Tag {
    /// The counter, or the time, that orders versions.
    pub counter: u64,
    /// The node that gave it out: it breaks ties.
    pub node: NodeId,
    /// Which life of that node gave it out: it keeps versions apart.
    pub life: u32,
}

/// Which replicas took part in an operation that succeeded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quorum {
    /// The epoch of the ring under which it was carried out.
    pub epoch: u64,
    /// The key's replicas in that epoch.
    pub of: Vec<NodeId>,
    /// Those that it had before, while the ring changes: then enough of both have to answer.
    pub before: Vec<NodeId>,
    /// How many replicas had to answer.
    pub need: u16,
    /// The version that was written, or that the value read has.
    pub tag: Option<Tag>,
    /// Those that answered and were counted, each with the version that it then had.
    pub answers: Vec<(NodeId, Option<Tag>)>,
    /// For a read that was written back: those that stored what it returned, before it returned.
    pub stored: Vec<NodeId>,
}

/// A success.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reply {
    /// Read: the value. Txn: a list with the value read, or `Nil`, for each part. Otherwise `Nil`.
    pub value: Value,
    /// The position of the key's last change in the system's order; 0 for a key that was never written, or
    /// where the system has no such order.
    pub version: u64,
}

/// Why a request did not succeed. Each tells definite from indefinite.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Failure {
    /// Compared and differed: surely not applied.
    Precondition {
        /// What was there.
        observed: Value,
        /// Its version.
        version: u64,
    },
    /// Surely not applied: this node does not lead, or there is no leader, or it is handing over.
    Unavailable {
        /// Who may lead.
        leader: Option<NodeId>,
        /// Why.
        reason: String,
    },
    /// Surely not applied: the request makes no sense, such as appending to a text.
    Invalid {
        /// Why.
        reason: String,
    },
    /// Gave up waiting, or lost the means to learn the outcome: it may or may not be applied, now or later.
    Indefinite {
        /// Why.
        reason: String,
    },
}

impl Failure {
    /// It may or may not be applied.
    pub(crate) fn unknown(reason: &str) -> Self {
        Failure::Indefinite {
            reason: reason.to_owned(),
        }
    }
}
