//! What ZAB's nodes let be seen of their steps.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::types::{Epoch, Epochs, Vote, Zxid};
use crate::api::Session;
use crate::replica::{NodeId, RequestId};

/// What is worth recording of a step: for logs, triggers, marks and invariants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trace {
    /// The node started.
    Recovered {
        /// The last transaction that was durable.
        last: Zxid,
        /// The durable epochs.
        epochs: Epochs,
        /// The snapshot at which it starts.
        applied: Zxid,
        /// A hash of that state.
        hash: u64,
        /// From which transaction on the state is as if each had been applied once.
        whole_from: Zxid,
    },
    /// The node refuses to go on.
    Halted {
        /// Why.
        reason: String,
    },
    /// It began to look for a leader.
    Looking {
        /// The election round.
        round: u64,
        /// The vote that it began with.
        vote: Vote,
    },
    /// It took on a later round of election.
    RoundAdopted {
        /// The round.
        round: u64,
        /// What it has itself.
        vote: Vote,
    },
    /// It voted.
    Voted {
        /// The round.
        round: u64,
        /// The vote.
        vote: Vote,
    },
    /// It was offered a vote and judged whether it is better.
    Compared {
        /// The vote that it was offered.
        offered: Vote,
        /// The one that it had.
        had: Vote,
        /// Whether it took it.
        taken: bool,
    },
    /// It looks no further.
    Elected {
        /// The round.
        round: u64,
        /// The vote that won.
        vote: Vote,
        /// Who has cast that vote, as far as the node knows.
        voters: BTreeSet<NodeId>,
        /// It joined those who already follow a leader.
        joined: bool,
        /// The leader itself has said that it leads, or is this node.
        confirmed: bool,
    },
    /// It leads an epoch that is not established.
    Leading,
    /// It follows.
    Following {
        /// Whom.
        leader: NodeId,
    },
    /// It agreed to an epoch.
    EpochAccepted {
        /// The epoch.
        epoch: Epoch,
    },
    /// A leader counted an agreement.
    EpochAckCounted {
        /// The epoch.
        epoch: Epoch,
        /// Whose.
        from: NodeId,
    },
    /// A leader has found its epoch and its initial history.
    Discovered {
        /// The epoch.
        epoch: Epoch,
        /// Its history ends here.
        last: Zxid,
    },
    /// A leader gave up, since somebody else has more.
    Outdated {
        /// Who.
        by: NodeId,
    },
    /// A leader began to synchronise a learner.
    SyncBegun {
        /// Whom.
        with: NodeId,
        /// How.
        how: How,
    },
    /// A learner adopted an epoch.
    EpochAdopted {
        /// The epoch.
        epoch: Epoch,
    },
    /// A leader counted the acknowledgement of its history.
    NewLeaderAckCounted {
        /// The epoch.
        epoch: Epoch,
        /// Whose.
        from: NodeId,
    },
    /// A quorum has adopted the leader's history.
    Established {
        /// The epoch.
        epoch: Epoch,
    },
    /// A learner serves.
    Serving {
        /// The epoch.
        epoch: Epoch,
    },
    /// It led and does no longer.
    SteppedDown {
        /// The epoch that it led.
        epoch: Epoch,
        /// Why.
        reason: String,
    },
    /// It followed and does no longer.
    Left {
        /// Whom it followed.
        leader: NodeId,
        /// Why.
        reason: String,
    },
    /// A leader proposed.
    Proposed {
        /// The transaction.
        zxid: Zxid,
        /// Its hash.
        digest: u64,
    },
    /// A transaction was added to the log.
    Appended {
        /// Which.
        zxid: Zxid,
    },
    /// Transactions were removed from the log because the leader does not have them.
    Truncated {
        /// The last that was kept.
        after: Zxid,
    },
    /// More is committed.
    Committed {
        /// Up to here.
        zxid: Zxid,
        /// In which epoch.
        epoch: Epoch,
        /// Whether the node counted acknowledgements, as a leader, or was told.
        counted: bool,
    },
    /// A transaction was applied.
    Applied {
        /// Which.
        zxid: Zxid,
        /// Its hash.
        digest: u64,
        /// A hash of the state afterwards, sessions included.
        hash: u64,
        /// Whether the state is as if each transaction had been applied once.
        whole: bool,
        /// The session whose request took effect here.
        effect: Option<Session>,
    },
    /// A snapshot was begun.
    SnapshotBegun {
        /// Everything up to here is in it, and perhaps more.
        last: Zxid,
    },
    /// A snapshot was written.
    SnapshotTaken {
        /// Everything up to here is in it.
        last: Zxid,
        /// Nothing after this.
        whole_from: Zxid,
    },
    /// A leader's state replaced the node's.
    SnapshotInstalled {
        /// What it covers.
        last: Zxid,
        /// A hash of the state afterwards.
        hash: u64,
        /// Whether the state is as if each transaction had been applied once.
        whole: bool,
    },
    /// A client's request that changes something was taken.
    Submitted {
        /// The request.
        id: RequestId,
        /// The client's session.
        session: Option<Session>,
    },
    /// It was answered, or given up.
    Settled {
        /// The request.
        id: RequestId,
        /// Where it took its place, if the outcome is known.
        zxid: Option<Zxid>,
        /// What was applied by then.
        applied: Zxid,
    },
    /// A client asked for a linearizable read.
    ReadInvoked {
        /// The request.
        id: RequestId,
    },
    /// A read was answered.
    ReadServed {
        /// The request.
        id: RequestId,
        /// Everything up to here was applied.
        applied: Zxid,
        /// The client's session, and the last that it had seen before, for a read from this node's own state.
        local: Option<(Option<Session>, Zxid)>,
    },
}

/// How a learner is synchronised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum How {
    /// What it lacks.
    Diff,
    /// It drops everything after this transaction first.
    Trunc(Zxid),
    /// It gets the whole state.
    Snap,
}
