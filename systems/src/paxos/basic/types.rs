//! What the nodes say to each other, what they write down, and what they let be seen.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::api::{Session, Value};
use crate::identity::{Disk, Identity};
use crate::paxos::Ballot;
use crate::replica::{Lsn, NodeId, RequestId};
use crate::sealed::Sealed;

/// The register that an instance decides.
pub type Key = Arc<str>;

/// A value, and who wants it. Two clients that want equal values want different proposals: only one of them wrote.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Proposal {
    /// The client's session, or one that was drawn for this request.
    pub by: Session,
    /// The value.
    pub value: Value,
}

/// A proposal as it travels.
pub type Offer = Arc<Sealed<Proposal>>;

/// A vote: the ballot in which an acceptor accepted a proposal.
pub type Vote = (Ballot, Offer);

/// A message between nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// Phase 1a: promise not to accept anything below this ballot (Paxos Made Simple §2.2).
    Prepare {
        /// The register.
        key: Key,
        /// The ballot.
        ballot: Ballot,
        /// What the proposer would like to propose; no acceptor makes use of it.
        wish: Option<Offer>,
    },
    /// Phase 1b: the promise, with the vote cast last.
    Promise {
        /// The register.
        key: Key,
        /// The ballot that is promised.
        ballot: Ballot,
        /// What the acceptor accepted last, if anything.
        accepted: Option<Vote>,
    },
    /// The ballot is refused: a higher one is promised.
    Nack {
        /// The register.
        key: Key,
        /// The ballot that is refused.
        ballot: Ballot,
        /// The one that is promised.
        promised: Ballot,
    },
    /// Phase 2a: accept this.
    Accept {
        /// The register.
        key: Key,
        /// The ballot.
        ballot: Ballot,
        /// What to accept.
        offer: Offer,
    },
    /// Phase 2b: accepted, said to all learners.
    Accepted {
        /// The register.
        key: Key,
        /// The ballot.
        ballot: Ballot,
        /// What was accepted.
        offer: Offer,
    },
    /// This is chosen.
    Chosen {
        /// The register.
        key: Key,
        /// A ballot in which it was chosen.
        ballot: Ballot,
        /// What.
        offer: Offer,
    },
    /// An empty disk asks to be known as this node's.
    Register {
        /// The disk.
        disk: Disk,
    },
    /// The answer.
    RegisterReply {
        /// The disk.
        disk: Disk,
        /// No other disk was known as that node's before.
        first: bool,
    },
}

/// What the write-ahead log holds. Replayed in order, it gives back what was durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// A proposer used this round.
    Began {
        /// The register.
        key: Key,
        /// The round.
        round: u64,
    },
    /// An acceptor's promise.
    Promised {
        /// The register.
        key: Key,
        /// The ballot.
        ballot: Ballot,
    },
    /// An acceptor's vote, which is a promise too.
    Accepted {
        /// The register.
        key: Key,
        /// The ballot.
        ballot: Ballot,
        /// What.
        offer: Offer,
    },
    /// What a learner knows to be chosen.
    Chosen {
        /// The register.
        key: Key,
        /// A ballot in which it was chosen.
        ballot: Ballot,
        /// What.
        offer: Offer,
    },
    /// Which disk this is.
    Identity(Identity),
}

/// A node's timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Timer {
    /// Look for ballots that got nowhere, back-offs that are over, and clients that wait too long.
    Retry,
    /// Ask again to be registered.
    Register,
}

/// What is worth recording of a step. Values are given by their hashes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trace {
    /// The node started.
    Recovered {
        /// How many registers it knows.
        keys: u64,
    },
    /// A client wants this value.
    Requested {
        /// The register.
        key: Key,
        /// The proposal.
        value: u64,
    },
    /// A proposer began a ballot.
    Began {
        /// The register.
        key: Key,
        /// The ballot.
        ballot: Ballot,
    },
    /// An acceptor promised.
    Promised {
        /// The register.
        key: Key,
        /// The ballot.
        ballot: Ballot,
        /// Once this is durable the promise is.
        at: Lsn,
    },
    /// A proposer counted a promise.
    PromiseCounted {
        /// The register.
        key: Key,
        /// The proposer's ballot.
        ballot: Ballot,
        /// Whose promise.
        acceptor: NodeId,
    },
    /// A proposer has the promises of a quorum, and proposes.
    Proposed {
        /// The register.
        key: Key,
        /// The ballot.
        ballot: Ballot,
        /// The proposal.
        value: u64,
    },
    /// An acceptor accepted.
    Accepted {
        /// The register.
        key: Key,
        /// The ballot.
        ballot: Ballot,
        /// The proposal.
        value: u64,
        /// Once this is durable the vote is.
        at: Lsn,
    },
    /// A learner heard of a vote.
    VoteCounted {
        /// The register.
        key: Key,
        /// The ballot.
        ballot: Ballot,
        /// The proposal.
        value: u64,
        /// Whose vote.
        acceptor: NodeId,
    },
    /// A learner knows what is chosen.
    Learned {
        /// The register.
        key: Key,
        /// The proposal.
        value: u64,
    },
    /// A proposer gave a ballot up, since a higher one is promised or nobody answers.
    GaveUp {
        /// The register.
        key: Key,
        /// The ballot.
        ballot: Ballot,
    },
    /// A read was answered.
    ReadServed {
        /// The request.
        id: RequestId,
        /// The register.
        key: Key,
        /// The proposal that was read; none if the register is unwritten.
        value: Option<u64>,
    },
    /// A write was answered as done.
    Acked {
        /// The request.
        id: RequestId,
        /// The register.
        key: Key,
    },
    /// The whole state was written anew.
    SnapshotTaken {
        /// How many registers it knows.
        keys: u64,
    },
    /// The disk is empty, and another one is known as this node's: it must not vote.
    Amnesiac,
    /// The node refuses to go on.
    Halted {
        /// Why.
        reason: String,
    },
}
