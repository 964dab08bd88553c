//! What the nodes say to each other, what they write down, and what they let be seen.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::config::Config;
use crate::api::{Request, Session};
use crate::identity::{Disk, Identity};
use crate::paxos::Ballot;
use crate::replica::{Lsn, NodeId, RequestId};
use crate::sealed::Sealed;

/// A place in the log, counted from 1: one instance of Paxos.
pub type Slot = u64;

/// What a slot decides.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Decree {
    /// Nothing: it fills a gap.
    Noop,
    /// A client's command.
    Command {
        /// What the client asks.
        request: Request,
        /// Tells it from another one that asks the same: whoever finds it chosen knows whether it is its own.
        token: u64,
    },
    /// The members, from some slots later on; nothing, if others were decided since those that it was made from. Where
    /// leaders fail, a decree of an earlier one may be chosen after one of a later one.
    Config {
        /// The members.
        config: Config,
        /// The first slot that those decide whom it was made from.
        follows: Slot,
    },
}

/// A decree as it travels.
pub type Value = Arc<Sealed<Decree>>;

impl From<Decree> for Value {
    fn from(decree: Decree) -> Self {
        Arc::new(decree.into())
    }
}

/// What a node's own clock showed, and in which of its incarnations: clocks begin anew with each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// A number drawn when the node started.
    pub incarnation: u64,
    /// The time.
    pub at: Duration,
}

/// A lease to read with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// It counts from what the receiver's own clock showed then.
    pub anchor: Clock,
    /// No later slot is chosen: the receiver may not read before it has executed this one.
    pub chosen: Slot,
}

/// A message between nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// Phase 1a, for every slot from one on: promise not to accept anything below this ballot.
    Prepare {
        /// The ballot.
        ballot: Ballot,
        /// The first slot of which the sender does not know what is chosen.
        from: Slot,
        /// The disk by which its configuration knows the receiver.
        disk: Option<Disk>,
        /// The leader asked for this: its lease is over.
        transfer: bool,
    },
    /// Phase 1b: promised, with every vote from the slot on.
    Promise {
        /// The ballot.
        ballot: Ballot,
        /// Up to here everything is chosen, and the votes are forgotten.
        trimmed: Slot,
        /// The votes.
        votes: Vec<(Slot, Ballot, Value)>,
    },
    /// The ballot is refused: a higher one is promised.
    Nack {
        /// The ballot that is refused.
        ballot: Ballot,
        /// The one that is promised.
        promised: Ballot,
    },
    /// Phase 2a: accept these.
    Accept {
        /// The ballot.
        ballot: Ballot,
        /// Each with its slot.
        values: Vec<(Slot, Value)>,
        /// As in [`Message::Commit`].
        commit: Slot,
        /// As in [`Message::Prepare`].
        disk: Option<Disk>,
    },
    /// Phase 2b: accepted.
    Accepted {
        /// The ballot.
        ballot: Ballot,
        /// The slots.
        slots: Vec<Slot>,
    },
    /// Everything up to here is chosen; whoever accepted it in this ballot knows what.
    Commit {
        /// The ballot of the leader that says so.
        ballot: Ballot,
        /// The slot.
        commit: Slot,
    },
    /// The leader is alive.
    Heartbeat {
        /// Its ballot.
        ballot: Ballot,
        /// As in [`Message::Commit`].
        commit: Slot,
        /// Counts its heartbeats; the answer repeats it.
        round: u64,
        /// A lease to read with.
        grant: Option<Grant>,
    },
    /// The answer.
    HeartbeatReply {
        /// The ballot.
        ballot: Ballot,
        /// The round.
        round: u64,
        /// The sender's own clock.
        clock: Clock,
        /// What it has executed.
        executed: Slot,
        /// Its disk.
        disk: Disk,
        /// Whether it may vote as a member from the start.
        registered: bool,
    },
    /// What is chosen from this slot on?
    Fetch {
        /// The slot.
        from: Slot,
        /// The snapshot that is arriving, by its last slot, and the byte that is wanted next.
        snapshot: Option<(Slot, u64)>,
    },
    /// These are chosen.
    Decided {
        /// The first one's slot.
        first: Slot,
        /// One after the other.
        values: Vec<Value>,
    },
    /// A piece of a snapshot.
    Snapshot {
        /// The last slot that it covers.
        last: Slot,
        /// Where the piece begins, in bytes.
        offset: u64,
        /// The piece.
        data: Vec<u8>,
        /// Whether it is the last one.
        done: bool,
    },
    /// Lead now: the leader hands over.
    TakeOver {
        /// The leader's ballot.
        ballot: Ballot,
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
    /// The acceptor's promise, for all slots.
    Promised(Ballot),
    /// A vote, which is a promise too.
    Accepted {
        /// The ballot.
        ballot: Ballot,
        /// The slot.
        slot: Slot,
        /// What was accepted.
        value: Value,
    },
    /// Which disk this is.
    Identity(Identity),
}

/// A node's timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Timer {
    /// No leader was heard: try to lead.
    Election,
    /// A leader's heartbeat.
    Heartbeat,
    /// Look for requests that wait too long.
    Sweep,
    /// Ask again for what is missing.
    Fetch,
    /// Ask again to be registered.
    Register,
}

/// What is worth recording of a step. Decrees are given by their hashes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trace {
    /// The node started.
    Recovered {
        /// What its snapshot covers.
        executed: Slot,
        /// The hash of that state.
        hash: u64,
    },
    /// The node refuses to go on.
    Halted {
        /// Why.
        reason: String,
    },
    /// A client's command came to a leader.
    Requested {
        /// The decree.
        value: u64,
    },
    /// A node wants to lead.
    Prepared {
        /// Its ballot.
        ballot: Ballot,
        /// From this slot on.
        from: Slot,
    },
    /// An acceptor promised.
    Promised {
        /// The ballot.
        ballot: Ballot,
        /// Once this is durable the promise is.
        at: Lsn,
    },
    /// An acceptor answered a Prepare.
    Reported {
        /// The ballot.
        ballot: Ballot,
        /// From this slot on.
        from: Slot,
        /// What it says that it has forgotten.
        trimmed: Slot,
    },
    /// A quorum has promised.
    BecameLeader {
        /// The ballot.
        ballot: Ballot,
    },
    /// A leader gave its place up.
    SteppedDown {
        /// The ballot.
        ballot: Ballot,
    },
    /// A leader proposed.
    Proposed {
        /// The slot.
        slot: Slot,
        /// The ballot.
        ballot: Ballot,
        /// The decree.
        value: u64,
        /// Whether it says which command, or that there is none.
        noop: bool,
    },
    /// An acceptor accepted.
    Accepted {
        /// The slot.
        slot: Slot,
        /// The ballot.
        ballot: Ballot,
        /// The decree.
        value: u64,
        /// Once this is durable the vote is.
        at: Lsn,
    },
    /// A node knows what is chosen.
    Learned {
        /// The slot.
        slot: Slot,
        /// The decree.
        value: u64,
    },
    /// A decree was executed.
    Executed {
        /// The slot.
        slot: Slot,
        /// The decree.
        value: u64,
        /// A hash of the state afterwards, sessions included.
        hash: u64,
        /// The session whose request took effect here.
        effect: Option<Session>,
    },
    /// A decree that sets the members was executed.
    ConfigExecuted {
        /// The slot.
        slot: Slot,
        /// From this slot on they are the members.
        effective: Slot,
        /// Those who vote.
        voters: BTreeSet<NodeId>,
    },
    /// A snapshot of the state was written, and the log in front of it trimmed.
    SnapshotTaken {
        /// The last slot that it covers.
        last: Slot,
        /// A hash of the state.
        hash: u64,
        /// Up to here votes are forgotten.
        trimmed: Slot,
    },
    /// Another node's snapshot replaced the state.
    SnapshotInstalled {
        /// The last slot that it covers.
        last: Slot,
        /// A hash of the state.
        hash: u64,
    },
    /// A client asked for a read.
    ReadInvoked {
        /// The request.
        id: RequestId,
    },
    /// A read was answered.
    ReadServed {
        /// The request.
        id: RequestId,
        /// Everything up to here was executed.
        slot: Slot,
        /// The ballot whose lease allowed it, if one did.
        lease: Option<Ballot>,
    },
    /// A write was answered as done.
    Acked {
        /// The request.
        id: RequestId,
        /// The slot.
        slot: Slot,
    },
    /// The leader told another node to lead.
    HandedOver {
        /// To whom.
        to: NodeId,
    },
    /// The disk is empty, and another one is known as this node's: it must not vote.
    Amnesiac,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Command;

    #[test]
    fn what_is_written_and_sent_can_be_read_again() {
        let command = Command::Write {
            key: "x".into(),
            value: crate::Value::Int(7),
        };
        let value: Value = Decree::Command {
            request: Request::new(None, command),
            token: 1,
        }
        .into();
        let ballot = Ballot {
            round: 3,
            node: NodeId(2),
        };
        let record = Record::Accepted {
            ballot,
            slot: 9,
            value: value.clone(),
        };
        let bytes = postcard::to_allocvec(&record).expect("it can be written");
        assert_eq!(
            postcard::from_bytes::<Record>(&bytes).expect("it can be read"),
            record
        );
        let message = Message::Promise {
            ballot,
            trimmed: 4,
            votes: vec![(9, ballot, value)],
        };
        let bytes = postcard::to_allocvec(&message).expect("it can be written");
        assert_eq!(
            postcard::from_bytes::<Message>(&bytes).expect("it can be read"),
            message
        );
    }
}
