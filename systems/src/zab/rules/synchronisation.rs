//! How a learner comes to have the leader's history (paper, phase 2; ZooKeeper's `LearnerHandler` and `Learner`).

use super::super::types::{How, Zxid};
use crate::rules::Gate;

/// What a leader knows of a learner that is to be synchronised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behind {
    /// The last transaction in the learner's log.
    pub theirs: Zxid,
    /// The latest of the leader's that is not later; none if that is no longer in the leader's log.
    pub common: Option<Zxid>,
    /// Before which transactions the learner's log does not reach back.
    pub their_base: Zxid,
}

/// A moment of synchronisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// It begins.
    Begun,
    /// The history is complete (NEWLEADER).
    Complete,
    /// A quorum has adopted it (UPTODATE).
    UpToDate,
}

/// When NEWLEADER is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// After the history that it is about.
    AfterHistory,
    /// Before it.
    BeforeHistory,
}

/// How is a learner synchronised? If its last transaction is in the leader's log, it gets what follows. If not, but the
/// leader has earlier ones of the same epoch, the learner has those too, and drops what came after. A transaction of
/// another epoch need not be in its log, even if it is earlier: then, and where the log does not reach, it gets the
/// whole state (`LearnerHandler.syncFollower`: "we cannot send TRUNC that cross epoch boundary").
pub fn how(behind: Behind) -> How {
    match behind.common {
        Some(common) if common == behind.theirs => How::Diff,
        Some(common) if common.epoch == behind.theirs.epoch && common >= behind.their_base => {
            How::Trunc(common)
        }
        _ => How::Snap,
    }
}

/// Which is the last transaction that stays when a learner drops what comes after `last`? That one; `before` is the one
/// before it.
pub fn kept(last: Zxid, before: Zxid) -> Zxid {
    let _ = before;
    last
}

/// When does a learner adopt the epoch? When it has the history that the epoch begins with, durably (paper, step f.2.1:
/// both "atomically").
pub fn adopts_at(moment: Moment) -> bool {
    moment == Moment::Complete
}

/// When may a learner acknowledge NEWLEADER? When history and epoch are durable (paper, step f.2.1).
pub fn new_leader_gate() -> Gate {
    Gate::Durable
}

/// When is NEWLEADER sent? After the history that it is about: the learner cannot tell otherwise when it has it.
pub fn new_leader_place() -> Place {
    Place::AfterHistory
}

/// Up to where does a server that begins to look for a leader count its state as loaded? As far as it has applied its
/// log, however long the log is (ZOOKEEPER-2845).
pub fn loaded(applied: Zxid, last: Zxid) -> Zxid {
    let _ = last;
    applied
}

/// Does a part of a state stay when the rest does not come? No.
pub fn half_a_state_stays(half: bool) -> bool {
    let _ = half;
    false
}

/// Is a logged transaction among those from which later learners are synchronised? Yes, also one that came while the
/// server itself was synchronised.
pub fn is_listed(during_sync: bool) -> bool {
    let _ = during_sync;
    true
}

/// Up to where is the history committed when a learner is told to serve? As far as it was told, for what comes after
/// may be outstanding.
pub fn committed_after_sync(told: Zxid, last: Zxid) -> Zxid {
    let _ = last;
    told
}

/// Does a learner get what is proposed and committed while it is synchronised? Yes, in order, from the moment on at
/// which its history was put together.
pub fn hears_proposals(up_to_date: bool) -> bool {
    let _ = up_to_date;
    true
}
