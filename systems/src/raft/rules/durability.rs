//! What must be on disk before anybody may rely on it.

use super::super::types::{HardState, Index, Term};
use crate::replica::{Lsn, NodeId};

pub use crate::rules::Gate;

/// How entries are taken out of the log on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// All at once, by one record.
    Atomic,
    /// One by one, the oldest first.
    FrontToBack,
}

/// What of a vote is written down? All of it: `votedFor` is persistent state (figure 2).
pub fn durable_vote(vote: Option<NodeId>) -> Option<NodeId> {
    vote
}

/// The term and vote after a restart: those that were written down, and not what the log suggests (figure 2).
pub fn recovered_hard_state(stored: HardState, last_entry_term: Term) -> HardState {
    let _ = last_entry_term;
    stored
}

/// When may a vote leave? When it is durable: "updated on stable storage before responding to RPCs" (figure 2).
pub fn vote_gate() -> Gate {
    Gate::Durable
}

/// When may a follower acknowledge entries? When they are durable (figure 2).
pub fn append_ack_gate() -> Gate {
    Gate::Durable
}

/// Up to where does a leader count itself? As far as its own disk has got: it may write in parallel with sending,
/// and only then count (thesis §10.2.1).
pub fn leader_holds(durable: Index, last: Index) -> Index {
    let _ = last;
    durable
}

/// How is a conflicting suffix removed? So that a crash in the middle leaves no hole: "delete the existing entry
/// and all that follow it" (figure 2) is one step.
pub fn removal() -> Removal {
    Removal::Atomic
}

/// What must be durable before the log in front of a snapshot is dropped? The snapshot, and what was written again
/// behind it (paper §7: "once a server completes writing a snapshot, it may delete all log entries").
pub fn release_after(written: Lsn) -> Lsn {
    written
}

/// May a node start with a log that is damaged in the middle, by ending it there? No: what came after was
/// acknowledged (Alagappan et al., Protocol-Aware Recovery, FAST 2018).
pub fn may_start_from_damaged_log() -> bool {
    false
}
