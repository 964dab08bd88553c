//! How transactions are broadcast (paper, phase 3).

use super::super::types::{Epoch, Zxid};
use crate::rules::Gate;

/// When may a follower acknowledge a transaction? When it is durable (paper, step f.3.1: "f appends … and sends").
pub fn ack_gate() -> Gate {
    Gate::Durable
}

/// How many of so many voters commit a transaction? More than half (paper, step l.3.2).
pub fn commit_quorum(voters: usize) -> usize {
    voters / 2 + 1
}

/// Does this server take part in broadcasts: is it sent proposals, and do its acknowledgements count? If it votes;
/// observers are informed of what is committed.
pub fn participates(voter: bool) -> bool {
    voter
}

/// Is a message of this session accepted in that one? Only if it is the same: what an earlier connection still brings
/// is void (paper §III-A: channels are re-established in each epoch).
pub fn accepts(message: u64, session: u64) -> bool {
    message == session
}

/// The identifier of a leader's next transaction, `last` being the last one in its log. None if the counter has reached
/// its limit: then a new epoch is needed (ZOOKEEPER-1277).
pub fn next(last: Zxid, epoch: Epoch, limit: u32) -> Option<Zxid> {
    if last.epoch < epoch {
        return Some(Zxid::new(epoch, 1));
    }
    (last.counter < limit).then(|| Zxid::new(epoch, last.counter + 1))
}

/// Must a leader give up? If it has not heard from a quorum within the limit (`Leader.lead`).
pub fn must_give_up(heard_from_quorum: bool) -> bool {
    !heard_from_quorum
}

/// Does a transaction hold the operation instead of its result? No: it must be idempotent, for a snapshot may hold it
/// already when it is applied again (Hunt et al., ZooKeeper, ATC 2010, §4.1 and §4.3).
pub fn logs_operation() -> bool {
    false
}
