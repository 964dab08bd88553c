//! What an acceptor may promise and accept, and what it remembers.

use std::time::Duration;

use crate::paxos::Ballot;

/// May it promise this ballot? If it promised none that is higher (Paxos Made Simple §2.2, phase 1b); the same one
/// again is the same promise.
pub fn may_promise(ballot: Ballot, promised: Ballot) -> bool {
    ballot >= promised
}

/// May it accept in this ballot? "An acceptor can accept a proposal numbered n iff it has not responded to a prepare
/// request having a number greater than n" (Paxos Made Simple §2.2, P1a).
pub fn may_accept(ballot: Ballot, promised: Ballot) -> bool {
    ballot >= promised
}

/// What does it promise by accepting? To accept nothing lower from then on: what it accepted last must be the highest,
/// since only that is reported.
pub fn promised_by_accepting(promised: Ballot, ballot: Ballot) -> Ballot {
    promised.max(ballot)
}

/// Does a Prepare make it accept anything? No: what the proposer wishes is not what it may propose.
pub fn prepare_accepts(wished: bool) -> bool {
    let _ = wished;
    false
}

/// Does a promise tell the vote cast last, if there is one? Yes (Paxos Made Simple §2.2, phase 1b).
pub fn reports_vote(voted: bool) -> bool {
    voted
}

/// Is a promise on disk before it is given? Yes: "an acceptor must remember this information even if it fails and then
/// restarts" (Paxos Made Simple §2.2, §2.5).
pub fn promise_is_written() -> bool {
    true
}

/// Is a vote on disk before it is told? Yes (Paxos Made Simple §2.2, §2.5).
pub fn vote_is_written() -> bool {
    true
}

/// Does it forget what it promised and accepted after so long? Never, as long as it does not know what is chosen
/// (Paxos Made Simple §2.5).
pub fn state_expires(idle: Duration) -> bool {
    let _ = idle;
    false
}

/// May it promise and vote with this disk? Only if no promise of that node stands on another one: what "an acceptor
/// must remember" (Paxos Made Simple §2.2) is gone with the disk that held it (Paxos Made Live §5.1).
pub fn may_use_vote(disk_is_known: bool) -> bool {
    disk_is_known
}
