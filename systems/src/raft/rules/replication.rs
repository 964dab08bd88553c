//! What is replicated, committed, applied and answered.

use super::super::types::{Index, Position, Term};

/// What a follower does with its own entries when new ones arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Splice {
    /// Nothing stands in the way: skip those that are there, add the others.
    Extend,
    /// Remove everything from this place on, then add.
    RemoveFrom(Index),
    /// Write from this place on over what is there.
    Overwrite(Index),
}

/// How far a command has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It stands in the leader's log.
    Appended,
    /// It is committed and applied.
    Applied,
}

/// What a client is told of a proposal whose leader lost its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// It may or may not take effect.
    Unknown,
    /// It surely takes no effect.
    Refused,
}

/// May a leader of `term` commit up to an entry that a majority holds? Only if that entry is of its own term:
/// "only log entries from the leader's current term are committed by counting replicas" (paper §5.4.2, figure 8).
/// What stands before it, of whatever term, commits with it; `oldest` is the term of the first of those.
pub fn may_commit(term: Term, entry_term: Term, oldest: Term) -> bool {
    let _ = oldest;
    entry_term == term
}

/// How many of so many voters commit an entry? More than half (paper §5.3).
pub fn commit_quorum(voters: usize) -> usize {
    voters / 2 + 1
}

/// A follower's commit index after an append whose last new entry is `last_new`: "min(leaderCommit, index of last
/// new entry)" (figure 2, AppendEntries 5). What its log holds after that may be another leader's.
pub fn follower_commit(leader_commit: Index, last_new: Index, last: Index) -> Index {
    let _ = last;
    leader_commit.min(last_new)
}

/// Where do entries go that follow `prev` at the leader, if this node has an entry of term `mine` there (none if
/// its log, which ends at `last`, is too short)? Right behind it if the terms agree; otherwise nowhere: "reply
/// false if log doesn't contain an entry at prevLogIndex whose term matches prevLogTerm" (figure 2).
pub fn place_for(prev: Position, mine: Option<Term>, last: Index) -> Option<Index> {
    let _ = last;
    (mine == Some(prev.term)).then_some(prev.index + 1)
}

/// What must go before new entries are added that begin at `first`? "If an existing entry conflicts with a new one
/// (same index but different terms), delete the existing entry and all that follow it" (figure 2, AppendEntries 3),
/// and nothing else: what matches may be acknowledged already.
pub fn splice(conflict: Option<Index>, first: Index, last: Index) -> Splice {
    let _ = (first, last);
    conflict.map_or(Splice::Extend, Splice::RemoveFrom)
}

/// What does a follower acknowledge? That it holds what the append covered, prevLogIndex + entries, and not
/// whatever stands after that (figure 2: matchIndex is what is "known to be replicated").
pub fn acked_index(last_new: Index, last: Index) -> Index {
    let _ = last;
    last_new
}

/// Does a node take entries from a leader of this term? "Reply false if term < currentTerm" (figure 2).
pub fn accepts_leader(message_term: Term, term: Term) -> bool {
    message_term >= term
}

/// Does an answer to an append count? Only in the term that it answers: what a follower held in an earlier one may
/// have been removed since (paper §5.1; the specification's DropStaleResponse).
pub fn counts_append_reply(reply_term: Term, term: Term) -> bool {
    reply_term == term
}

/// A follower's match index after an answer: it "increases monotonically" (figure 2), though answers overtake
/// each other.
pub fn match_after(matched: Index, acked: Index) -> Index {
    matched.max(acked)
}

/// What does an answer acknowledge, while other appends are in flight, the oldest of them up to `oldest_in_flight`?
/// What it says itself; answers are lost and overtake each other.
pub fn acked_by_reply(acked: Index, oldest_in_flight: Option<Index>) -> Index {
    let _ = oldest_in_flight;
    acked
}

/// May a client be told that its command is done? Once it is applied (figure 2: "respond after entry applied to
/// state machine").
pub fn may_answer(stage: Stage) -> bool {
    stage == Stage::Applied
}

/// How far may a node apply? What is committed (paper §5.3).
pub fn apply_limit(commit: Index, last: Index) -> Index {
    let _ = last;
    commit
}

/// What is a client told if the leader that took its command steps down? That the outcome is unknown: the entry is
/// in a log, and a later leader may commit it (paper §8).
pub fn answer_on_step_down() -> Loss {
    Loss::Unknown
}

/// What does a leader remember a proposal by? Index and term: at that index, another leader's entry may commit
/// (paper §5.3: an entry is identified by both).
pub fn proposal_key(index: Index, term: Term) -> (Index, Term) {
    (index, term)
}

/// From where on does the cache of recent entries forget, when the log is truncated at `from`? From the same place.
pub fn cache_truncation(from: Index) -> Option<Index> {
    Some(from)
}
