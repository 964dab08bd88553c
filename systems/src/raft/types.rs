//! What Raft's nodes say to each other, what they write down, and what they let be seen.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::config::Config;
use crate::api::{Request, Session};
use crate::identity::{Disk, Identity};
use crate::machine::Place;
use crate::replica::{NodeId, RequestId};

/// A term: at most one leader each.
pub type Term = u64;

/// A place in the replicated log, counted from 1.
pub type Index = u64;

/// The term and the index of an entry. Positions are ordered by term first (paper §5.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// The term of the leader that created it.
    pub term: Term,
    /// Its place.
    pub index: Index,
}

impl Place for Position {
    fn index(self) -> u64 {
        self.index
    }
}

/// What an entry does.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Payload {
    /// Nothing: a new leader's first entry.
    Noop,
    /// A client's command.
    Command(Request),
    /// The members from here on.
    Config(Config),
}

/// A payload with its hash.
pub type Sealed = crate::sealed::Sealed<Payload>;

impl From<Payload> for Arc<Sealed> {
    fn from(payload: Payload) -> Self {
        Arc::new(payload.into())
    }
}

/// An entry of the replicated log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its term and place.
    pub at: Position,
    /// What it does.
    pub payload: Arc<Sealed>,
}

impl Entry {
    /// A hash of what it does.
    pub fn digest(&self) -> u64 {
        self.payload.digest()
    }

    /// The client's request that it holds, if it does.
    pub fn request(&self) -> Option<&Request> {
        match &**self.payload {
            Payload::Command(request) => Some(request),
            _ => None,
        }
    }

    /// The members that it sets, if it does.
    pub fn config(&self) -> Option<&Config> {
        match &**self.payload {
            Payload::Config(config) => Some(config),
            _ => None,
        }
    }
}

/// A message between nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// Would you vote for me in this term? Changes nothing at the one who is asked (thesis §9.6).
    PreVote {
        /// The term that the sender would campaign in; it has not taken it on.
        term: Term,
        /// Its last entry.
        last: Position,
        /// The disk by which its configuration knows the receiver.
        disk: Option<Disk>,
    },
    /// The answer.
    PreVoteReply {
        /// If granted, the term asked about; otherwise the voter's own.
        term: Term,
        /// Whether it would.
        granted: bool,
    },
    /// RequestVote (paper, figure 2).
    Vote {
        /// The candidate's term.
        term: Term,
        /// Its last entry.
        last: Position,
        /// The leader asked for this election: do not refuse because it is alive (thesis §4.2.3).
        transfer: bool,
        /// The disk by which its configuration knows the receiver.
        disk: Option<Disk>,
    },
    /// The answer.
    VoteReply {
        /// The voter's term.
        term: Term,
        /// Whether it voted for the candidate.
        granted: bool,
    },
    /// AppendEntries (paper, figure 2); a heartbeat if it has no entries.
    Append {
        /// The leader's term.
        term: Term,
        /// What stands right before the entries.
        prev: Position,
        /// The entries.
        entries: Vec<Entry>,
        /// The leader's commit index.
        commit: Index,
        /// The leader's last round of heartbeats; the answer repeats it (thesis §6.4).
        round: u64,
    },
    /// The answer.
    AppendReply {
        /// The follower's term.
        term: Term,
        /// The round that is answered.
        round: u64,
        /// What came of it.
        outcome: Appended,
        /// The follower's disk.
        disk: Disk,
        /// Whether the follower may use its vote with that disk.
        votes: bool,
    },
    /// InstallSnapshot (paper, figure 13): one chunk.
    Snapshot {
        /// The leader's term.
        term: Term,
        /// The last entry that the snapshot covers.
        last: Position,
        /// Where the chunk begins, in bytes.
        offset: u64,
        /// The chunk.
        data: Vec<u8>,
        /// Whether it is the last one.
        done: bool,
        /// As in [`Message::Append`].
        round: u64,
    },
    /// The answer.
    SnapshotReply {
        /// The follower's term.
        term: Term,
        /// The snapshot.
        last: Position,
        /// The byte that it wants next.
        offset: u64,
        /// Everything up to `last` is there, durably.
        done: bool,
        /// The round that is answered.
        round: u64,
        /// The follower's disk.
        disk: Disk,
        /// Whether the follower may use its vote with that disk.
        votes: bool,
    },
    /// Campaign now: the leader hands over (thesis §3.10).
    TimeoutNow {
        /// The leader's term.
        term: Term,
    },
    /// A follower asks for a read index on behalf of a client (thesis §6.4).
    ReadIndex {
        /// The follower's term.
        term: Term,
        /// Names the request; the answer repeats it.
        ticket: u64,
    },
    /// The answer.
    ReadIndexReply {
        /// The leader's term.
        term: Term,
        /// The request.
        ticket: u64,
        /// Apply up to here, then read.
        index: Index,
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

/// What came of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Appended {
    /// The log agrees with the leader's up to this place.
    Matches(Index),
    /// The entry right before the new ones is missing or of another term.
    Conflict {
        /// Which place was asked about.
        prev: Index,
        /// The first place that the leader should try instead.
        first: Index,
        /// The term found at `prev`; none if the log is shorter.
        term: Option<Term>,
    },
    /// The sender's term is over.
    Stale,
}

impl Message {
    /// The sender's term, unless the message has none or names one that the sender has not taken on.
    pub fn term(&self) -> Option<Term> {
        match self {
            Message::PreVote { .. }
            | Message::PreVoteReply { granted: true, .. }
            | Message::Register { .. }
            | Message::RegisterReply { .. } => None,
            Message::PreVoteReply { term, .. }
            | Message::Vote { term, .. }
            | Message::VoteReply { term, .. }
            | Message::Append { term, .. }
            | Message::AppendReply { term, .. }
            | Message::Snapshot { term, .. }
            | Message::SnapshotReply { term, .. }
            | Message::TimeoutNow { term }
            | Message::ReadIndex { term, .. }
            | Message::ReadIndexReply { term, .. } => Some(*term),
        }
    }
}

/// What the write-ahead log holds. Replayed in order, it gives back what was durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// The persistent state of figure 2 besides the log.
    HardState(HardState),
    /// Which disk this is.
    Identity(Identity),
    /// An entry: at the end of the log, or in place of one.
    Entry(Entry),
    /// Take these entries out of the log, both ends included.
    Remove {
        /// The first.
        first: Index,
        /// The last.
        last: Index,
    },
}

/// The term and the vote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HardState {
    /// The latest term that the node has seen.
    pub term: Term,
    /// Whom it voted for in that term.
    pub vote: Option<NodeId>,
}

/// A node's timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Timer {
    /// No leader was heard: campaign.
    Election,
    /// A leader's heartbeat.
    Heartbeat,
    /// A leader looks whether a majority still answers.
    Quorum,
    /// A handover took too long.
    Transfer,
    /// Apply more entries.
    Apply,
    /// Look for requests that wait too long.
    Sweep,
    /// Ask again to be registered.
    Register,
}

/// What is worth recording of a step: for logs, triggers, marks and invariants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trace {
    /// The node started.
    Recovered {
        /// The last entry that was durable.
        last: Position,
        /// The durable term.
        term: Term,
        /// The state at which it starts: position of the snapshot, or 0.
        applied: Index,
        /// The hash of that state.
        hash: u64,
    },
    /// The node refuses to go on.
    Halted {
        /// Why.
        reason: String,
    },
    /// It took on a later term.
    TermChanged {
        /// The term.
        term: Term,
    },
    /// It began to ask whether it could win.
    PreCampaigned {
        /// The term that it would campaign in.
        term: Term,
    },
    /// It became a candidate.
    Campaigned {
        /// The term.
        term: Term,
    },
    /// It voted.
    Voted {
        /// In which term.
        term: Term,
        /// For whom.
        candidate: NodeId,
    },
    /// A candidate counted a voter's grant.
    VoteCounted {
        /// The candidate's term.
        term: Term,
        /// The voter.
        voter: NodeId,
    },
    /// It won an election.
    BecameLeader {
        /// The term.
        term: Term,
    },
    /// It led and does no longer.
    SteppedDown {
        /// The term that it led.
        term: Term,
    },
    /// Entries were added.
    Appended {
        /// The first place.
        first: Index,
        /// The last place.
        last: Index,
        /// The term of the last.
        term: Term,
    },
    /// Entries were removed because a leader's differ.
    Truncated {
        /// From here on.
        from: Index,
    },
    /// The commit index rose.
    Committed {
        /// To here.
        index: Index,
        /// The term of the entry there.
        entry_term: Term,
        /// The node's term.
        term: Term,
        /// Whether the node counted replicas, as a leader, or was told.
        counted: bool,
    },
    /// An entry was applied.
    Applied {
        /// Which.
        at: Position,
        /// A hash of the entry.
        digest: u64,
        /// A hash of the state afterwards, sessions included.
        hash: u64,
        /// The session whose request took effect here.
        effect: Option<Session>,
    },
    /// A snapshot of the state was written.
    SnapshotTaken {
        /// What it covers, by its label.
        last: Position,
        /// A hash of the state that it holds.
        hash: u64,
    },
    /// A leader's snapshot replaced the state.
    SnapshotInstalled {
        /// What it covers.
        last: Position,
        /// A hash of the state afterwards.
        hash: u64,
        /// Whether entries after it were kept.
        kept_suffix: bool,
    },
    /// A configuration came into force because it was appended.
    ConfigAppended {
        /// Where.
        index: Index,
        /// Those who vote.
        voters: BTreeSet<NodeId>,
        /// While two majorities are needed: those who voted before.
        outgoing: Option<BTreeSet<NodeId>>,
        /// Those who do not.
        learners: BTreeSet<NodeId>,
    },
    /// A configuration went out of force because its entry was removed.
    ConfigRolledBack {
        /// Where it was.
        index: Index,
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
        /// Everything up to here was applied.
        index: Index,
    },
    /// A client's command was appended.
    Proposed {
        /// The request.
        id: RequestId,
        /// Its entry.
        at: Position,
    },
    /// A write was answered as done.
    Acked {
        /// The request.
        id: RequestId,
        /// The entry's place.
        index: Index,
    },
    /// The leader told another node to campaign.
    HandedOver {
        /// To whom.
        to: NodeId,
    },
    /// The disk is empty, and another one is known as this node's: it must not vote.
    Amnesiac,
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use serde::de::DeserializeOwned;

    use super::*;
    use crate::api::Command;

    fn comes_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: T) {
        let bytes = postcard::to_allocvec(&value).expect("it can be written");
        assert_eq!(postcard::from_bytes::<T>(&bytes).expect("it can be read"), value);
    }

    #[test]
    fn what_is_written_and_sent_can_be_read_again() {
        let at = Position { term: 3, index: 9 };
        let command = Command::Cas {
            key: "x".into(),
            expected: crate::Value::Nil,
            new: vec![crate::Value::Int(-1), crate::Value::Text("é".into())].into(),
        };
        let session = Some(Session {
            client: u64::MAX,
            sequence: 1,
        });
        let payload = Payload::Command(Request::new(session, command)).into();
        let entry = Entry { at, payload };
        comes_back(Record::Entry(entry.clone()));
        comes_back(Record::HardState(HardState {
            term: 7,
            vote: Some(NodeId(2)),
        }));
        comes_back(Message::Append {
            term: 3,
            prev: at,
            entries: vec![entry],
            commit: 8,
            round: 1,
        });
        let config = Config {
            outgoing: Some([NodeId(1)].into()),
            ..Config::initial(&[NodeId(1), NodeId(2)])
        };
        comes_back(Payload::Config(config));
    }

    #[test]
    fn bytes_that_mean_nothing_are_an_error_and_not_a_panic() {
        for length in 0..200_usize {
            let bytes: Vec<u8> = (0..length)
                .map(|place| (place * 37 + length * 101) as u8)
                .collect();
            let _ = postcard::from_bytes::<Message>(&bytes);
            let _ = postcard::from_bytes::<Record>(&bytes);
        }
    }
}
