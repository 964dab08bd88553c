//! What ZAB's nodes say to each other, what they write down, and what they let be seen.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::api::{Command, Failure, Reply, Request, Session, Value};
use crate::kv::Versioned;
use crate::machine::Place;
use crate::replica::NodeId;
use crate::sealed::Sealed;
use crate::sessions::Known;

pub use super::trace::{How, Trace};

/// An epoch: at most one leader each that a quorum follows.
pub type Epoch = u32;

/// The identifier of a transaction: the epoch of the leader that proposed it, and its place among that leader's
/// proposals, from 1 on. Ordered by epoch first. `(0, 0)` comes before all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Zxid {
    /// The epoch.
    pub epoch: Epoch,
    /// The counter.
    pub counter: u32,
}

impl Zxid {
    /// An identifier by its parts.
    pub const fn new(epoch: Epoch, counter: u32) -> Self {
        Zxid { epoch, counter }
    }

    /// As one number: the epoch in the upper half, the counter in the lower one. It never falls.
    pub fn position(self) -> u64 {
        u64::from(self.epoch) << 32 | u64::from(self.counter)
    }

    /// Whether a leader proposes `next` right after this one.
    pub fn precedes(self, next: Zxid) -> bool {
        if self.epoch == next.epoch {
            self.counter.checked_add(1) == Some(next.counter)
        } else {
            self.epoch < next.epoch && next.counter == 1
        }
    }
}

impl From<u64> for Zxid {
    fn from(position: u64) -> Self {
        Zxid::new((position >> 32) as u32, position as u32)
    }
}

impl Place for Zxid {
    fn index(self) -> u64 {
        self.position()
    }
}

impl fmt::Display for Zxid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({}, {})", self.epoch, self.counter)
    }
}

/// What a transaction does to the state.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Change {
    /// These keys hold these values from now on: the same, however often it is applied.
    Values(Vec<(Arc<str>, Value)>),
    /// Carry out this command, whatever comes of it at that time. Only a planted mistake writes such a transaction.
    Operation(Command),
}

/// A transaction: what a leader made of a request, so that applying it needs no more decisions.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Txn {
    /// Its identifier.
    pub zxid: Zxid,
    /// The server whose client waits, and the name that it gave to the request.
    pub origin: (NodeId, u64),
    /// The client's session, if its request takes effect here.
    pub session: Option<Session>,
    /// What the client is told.
    pub outcome: Result<Reply, Failure>,
    /// What changes.
    pub change: Change,
}

/// A transaction as nodes hold it.
pub type Shared = Arc<Sealed<Txn>>;

/// A vote: whom to elect, and what speaks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Vote {
    /// Whom.
    pub leader: NodeId,
    /// The last transaction in its log.
    pub zxid: Zxid,
    /// The epoch whose history it has adopted; once it leads an epoch of its own, that.
    pub epoch: Epoch,
}

/// What a node is doing, as it says with its vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Standing {
    /// It looks for a leader.
    Looking,
    /// It follows the one that it voted for, as a participant or an observer.
    Following,
    /// It leads.
    Leading,
}

/// A message between nodes. All but votes belong to one session of a learner with its leader, named by a number that
/// the learner drew; a message of another session is void.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// A vote.
    Notification {
        /// The election round that the vote is of.
        round: u64,
        /// The vote.
        vote: Vote,
        /// What the sender does.
        standing: Standing,
    },
    /// A learner asks to follow (discovery, step 1).
    FollowerInfo {
        /// The session, new with this message.
        session: u64,
        /// The last epoch that the learner agreed to.
        accepted: Epoch,
    },
    /// The leader proposes its epoch.
    NewEpoch {
        /// The session.
        session: u64,
        /// The epoch.
        epoch: Epoch,
    },
    /// The learner agrees and tells what it has.
    AckEpoch {
        /// The session.
        session: u64,
        /// The epoch whose history it has adopted.
        current: Epoch,
        /// The last transaction in its log.
        last: Zxid,
        /// Before which transactions its log does not reach back.
        base: Zxid,
        /// It had not agreed to this epoch before: only then does it count.
        fresh: bool,
    },
    /// Synchronisation: what follows continues the learner's log.
    Diff {
        /// The session.
        session: u64,
    },
    /// Synchronisation: drop everything after this transaction; what follows continues from there.
    Trunc {
        /// The session.
        session: u64,
        /// The last transaction to be kept.
        last: Zxid,
    },
    /// Synchronisation: a part of the state as of `last`, which replaces the learner's; what follows continues from
    /// there.
    Snap {
        /// The session.
        session: u64,
        /// Everything up to this transaction is in the state.
        last: Zxid,
        /// Nothing after this one is.
        whole_from: Zxid,
        /// Keys.
        keys: Vec<(Arc<str>, Versioned)>,
        /// Clients.
        clients: Vec<(u64, Known)>,
        /// Whether it is the last part.
        done: bool,
    },
    /// A transaction to be logged and acknowledged.
    Propose {
        /// The session.
        session: u64,
        /// The transaction.
        txn: Shared,
    },
    /// Everything up to this transaction is durable at the participant.
    Ack {
        /// The session.
        session: u64,
        /// The transaction.
        zxid: Zxid,
    },
    /// Everything up to this transaction is committed.
    Commit {
        /// The session.
        session: u64,
        /// The transaction.
        zxid: Zxid,
    },
    /// A committed transaction, for an observer.
    Inform {
        /// The session.
        session: u64,
        /// The transaction.
        txn: Shared,
    },
    /// The learner has the whole initial history of the epoch.
    NewLeader {
        /// The session.
        session: u64,
        /// The epoch.
        epoch: Epoch,
    },
    /// The learner has adopted the history and the epoch, durably.
    AckNewLeader {
        /// The session.
        session: u64,
        /// The epoch.
        epoch: Epoch,
        /// The last transaction in its log.
        last: Zxid,
    },
    /// The epoch is established: serve.
    UpToDate {
        /// The session.
        session: u64,
    },
    /// A round of heartbeats.
    Ping {
        /// The session.
        session: u64,
        /// The round.
        round: u64,
    },
    /// The answer.
    Pong {
        /// The session.
        session: u64,
        /// The round.
        round: u64,
    },
    /// A client's request that changes something, for the leader to order.
    Forward {
        /// The session.
        session: u64,
        /// Names the request.
        ticket: u64,
        /// The request: larger than any other message.
        request: Box<Request>,
    },
    /// The leader does not take it: surely not applied.
    Refused {
        /// The session.
        session: u64,
        /// The request.
        ticket: u64,
    },
    /// What is committed by now? Answered once a quorum has confirmed that the leader still leads.
    Sync {
        /// The session.
        session: u64,
        /// Names the question.
        ticket: u64,
    },
    /// The answer.
    Synced {
        /// The session.
        session: u64,
        /// The question.
        ticket: u64,
        /// Apply up to here, then read.
        zxid: Zxid,
    },
    /// The sender has left the session.
    Close {
        /// The session.
        session: u64,
    },
}

impl Message {
    /// Whether a learner sends it to its leader.
    pub fn is_from_learner(&self) -> bool {
        matches!(
            self,
            Message::FollowerInfo { .. }
                | Message::AckEpoch { .. }
                | Message::Ack { .. }
                | Message::AckNewLeader { .. }
                | Message::Pong { .. }
                | Message::Forward { .. }
                | Message::Sync { .. }
        )
    }

    /// The session that it belongs to; none for a vote.
    pub fn session(&self) -> Option<u64> {
        match self {
            Message::Notification { .. } => None,
            Message::FollowerInfo { session, .. }
            | Message::NewEpoch { session, .. }
            | Message::AckEpoch { session, .. }
            | Message::Diff { session }
            | Message::Trunc { session, .. }
            | Message::Snap { session, .. }
            | Message::Propose { session, .. }
            | Message::Ack { session, .. }
            | Message::Commit { session, .. }
            | Message::Inform { session, .. }
            | Message::NewLeader { session, .. }
            | Message::AckNewLeader { session, .. }
            | Message::UpToDate { session }
            | Message::Ping { session, .. }
            | Message::Pong { session, .. }
            | Message::Forward { session, .. }
            | Message::Refused { session, .. }
            | Message::Sync { session, .. }
            | Message::Synced { session, .. }
            | Message::Close { session } => Some(*session),
        }
    }
}

/// What the write-ahead log holds. Replayed in order, it gives back what was durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// The two epochs.
    Epochs(Epochs),
    /// A transaction, at the end of the log.
    Txn(Shared),
    /// Take every transaction after this one out of the log.
    Remove {
        /// The last that stays.
        after: Zxid,
    },
    /// The log begins anew after this transaction, with these.
    Restart {
        /// What is covered by the snapshot that was written right before.
        base: Zxid,
        /// What follows it.
        txns: Vec<Shared>,
    },
}

/// The two epochs that a node keeps (Medeiros 2012, §3.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Epochs {
    /// The last epoch that it agreed to.
    pub accepted: Epoch,
    /// The last epoch whose initial history it adopted.
    pub current: Epoch,
}

/// A node's timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Timer {
    /// A quorum agrees: look no further.
    Finalize,
    /// Nothing was heard: vote again.
    Notify,
    /// Discovery and synchronisation took too long.
    Init,
    /// A heartbeat of the leader, or a look at whether it was heard.
    Tick,
    /// Apply more transactions.
    Apply,
    /// Write more of a snapshot.
    Snapshot,
    /// Look for requests that wait too long.
    Sweep,
}
