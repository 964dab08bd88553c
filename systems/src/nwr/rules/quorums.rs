//! Who counts, and when there are enough.

/// What was heard of a replica that was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// What it holds.
    Answer,
    /// That it does not answer: another view, or not ready.
    Refusal,
    /// Nothing yet, though it was asked some time ago.
    Silence,
}

/// When an acknowledgement may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// Once what it acknowledges is durable.
    Durable,
    /// At once.
    AtOnce,
}

/// What a client is told of a write that too few replicas are known to have stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Short {
    /// It may take effect, now or later.
    Unknown,
    /// It surely takes no effect.
    Refused,
    /// It succeeded.
    Done,
}

/// Who has answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Met {
    /// Of the key's replicas, in this epoch.
    pub of: usize,
    /// Of those that it had before, in this epoch; as many as of the others when the ring does not change.
    pub before: usize,
    /// Anybody, in any epoch.
    pub anybody: usize,
    /// How many have to.
    pub need: usize,
}

/// Do any `w` and any `r` of `n` replicas have one in common? Only if together they are more than `n` (Gifford §2).
pub fn intersect(w: usize, r: usize, n: usize) -> bool {
    w + r > n
}

/// Have enough replicas answered? Enough of the key's replicas under one view; while the ring changes, also enough of those
/// that it had before: quorums of two rings need not meet.
pub fn is_met(met: Met) -> bool {
    met.of >= met.need && met.before >= met.need
}

/// Does a replica count that was counted before? No: what is counted is replicas, not answers.
pub fn counts_again(counted_before: bool) -> bool {
    !counted_before
}

/// Does this count as an answer to a read? Only what a replica says that it holds: an error is not "not found".
pub fn counts_as_answer(heard: Heard) -> bool {
    heard == Heard::Answer
}

/// Does a replica count for a write as soon as it was sent there? No: once it says that it stored it.
pub fn counts_when_sent() -> bool {
    false
}

/// Does a stand-in outside the key's replicas count for a write? Only in a sloppy quorum (Dynamo §4.6), which need not meet
/// any read quorum.
pub fn counts_stand_in(sloppy: bool) -> bool {
    sloppy
}

/// When may a replica acknowledge a write? Once it is durable.
pub fn ack_gate() -> Gate {
    Gate::Durable
}

/// What is a client told of a write that did not reach its quorum in time? That nobody knows, once any replica may have
/// stored it: any later read, repair or hint may spread it.
pub fn short_of_quorum(may_be_stored: bool) -> Short {
    if may_be_stored {
        Short::Unknown
    } else {
        Short::Refused
    }
}

/// Does a replica serve a request of this epoch? Only of its own: under another view the key may have other replicas.
pub fn accepts_epoch(theirs: u64, mine: u64) -> bool {
    theirs == mine
}

/// Are reads served by a key's new replicas while the ring changes? No: they may not have the data yet.
pub fn reads_from_new(changing: bool) -> bool {
    let _ = changing;
    false
}

/// May a change of the ring end? Once every member holds what it has to.
pub fn may_finish_change(all_synced: bool) -> bool {
    all_synced
}

/// Must a member fetch what it has to hold under a new view? Yes, also one that was a member before: when others leave, it
/// takes over some of their keys.
pub fn must_pull(joins: bool) -> bool {
    let _ = joins;
    true
}
