//! What an acceptor may promise, accept and forget.

use super::super::types::Slot;
use crate::paxos::Ballot;

/// May it promise this ballot? If it promised none that is higher; the same one again is the same promise (Paxos Made
/// Simple §2.2, phase 1b).
pub fn may_promise(ballot: Ballot, promised: Ballot) -> bool {
    ballot >= promised
}

/// May it accept in this ballot? If it promised none that is higher (Paxos Made Simple §2.2, P1a).
pub fn may_accept(ballot: Ballot, promised: Ballot) -> bool {
    ballot >= promised
}

/// What is promised for a slot beyond all that it had accepted when it promised? The same: a promise is for "all
/// instances greater than" the first one (Paxos Made Simple §3).
pub fn promise_for_new_slot(promised: Ballot) -> Ballot {
    promised
}

/// Up to where does it tell a proposer that everything is chosen? As far as it has forgotten its votes: silence would
/// mean that there were none (Paxos Made Simple §2.2, phase 1b; Scylla #6149).
pub fn reported_trim(trimmed: Slot) -> Slot {
    trimmed
}

/// Does it refuse to promise to others while the leader has a lease of it? Yes (Paxos Made Live §5.2).
pub fn lease_refuses(leased: bool) -> bool {
    leased
}

/// May it promise and accept with this disk? Only if no promise of that node stands on another one (Paxos Made Live
/// §5.1).
pub fn may_use_vote(disk_is_known: bool) -> bool {
    disk_is_known
}
