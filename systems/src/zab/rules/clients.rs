//! What clients are promised (Hunt et al., ZooKeeper, ATC 2010, §2.3 and §4.4).

use super::super::types::Zxid;

/// How far a write has got at the server whose client waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It is committed.
    Committed,
    /// It is applied.
    Applied,
}

/// Does an answer to a sync wait until a quorum confirms that the leader still leads? Yes: else a leader that was
/// replaced answers with what it knows (ZOOKEEPER-1675).
pub fn sync_waits() -> bool {
    true
}

/// May a server read its own state for a client that has seen so much? If it has that, too: "a client … will never see
/// an older view", whichever server it moves to (ZooKeeper's single system image).
pub fn is_recent_enough(applied: Zxid, seen: Zxid) -> bool {
    applied >= seen
}

/// Does a read wait for an earlier write of the same session that is not applied yet? Yes: a client's requests are
/// carried out in the order in which it sent them (§2.3, FIFO client order).
pub fn waits_for_own_write(open: bool) -> bool {
    open
}

/// May a server answer a write? When it has applied it itself: the client's next read must see it.
pub fn may_answer(stage: Stage) -> bool {
    stage == Stage::Applied
}

/// Does the leader look whether a request was carried out before? Always, whoever passed it on.
pub fn remembers_sessions(forwarded: bool) -> bool {
    let _ = forwarded;
    true
}
