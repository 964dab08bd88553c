//! What a leader may propose, and when it may call it chosen.

use super::super::types::Slot;
use crate::paxos::Ballot;

/// What a leader does when it hears of a higher ballot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preempted {
    /// It stops leading; to lead again it needs new promises.
    StepsDown,
    /// It takes a higher ballot and goes on.
    RaisesBallot,
}

/// From which slot on does a would-be leader ask for promises? From the lowest one of which it does not know what is
/// chosen, whatever it has accepted beyond it (Paxos Made Simple §3).
pub fn prepare_from(lowest_unchosen: Slot, highest_accepted: Slot) -> Slot {
    let _ = highest_accepted;
    lowest_unchosen
}

/// Does a promise count? Only one for the ballot that the proposer is in (Paxos Made Simple §2.2, phase 2a).
pub fn counts_promise(promised: Ballot, mine: Ballot) -> bool {
    promised == mine
}

/// Is a gap below the highest reported slot filled with a no-op? If no promise reported a vote there; otherwise that
/// must be proposed, whether or not the leader itself had accepted anything (Paxos Made Simple §3, PMMC §3.2).
pub fn fills_with_noop(reported: bool, accepted_here: bool) -> bool {
    let _ = accepted_here;
    !reported
}

/// What does a leader do that hears of a higher ballot? It stops: the promises that it has are for its own ballot (PMMC
/// §3: a preempted leader starts a new scout).
pub fn after_preemption() -> Preempted {
    Preempted::StepsDown
}

/// Does a vote count? Only one in the leader's own ballot (Paxos Made Simple §2.2; PMMC §3, commander).
pub fn counts_accepted(accepted: Ballot, mine: Ballot) -> bool {
    accepted == mine
}

/// May a slot that a quorum accepted be called chosen, while so many replicas with a lease to read have not accepted
/// it? No: they may still answer with the old state (Ceph's monitors; Moraru et al., Paxos Quorum Leases, 2014).
pub fn may_choose(readers: usize) -> bool {
    readers == 0
}

/// From which slot on is a configuration in force that is chosen in a slot? α slots later, since that many may be open
/// (Paxos Made Simple §3; PMMC §4.4).
pub fn effective_at(slot: Slot, alpha: Slot) -> Slot {
    slot + alpha
}
