//! What a replica knows to be chosen, and what it executes.

use super::super::types::Slot;
use crate::paxos::Ballot;

/// A leader says that a slot is chosen. Is it what this node accepted there? If it accepted it in that leader's ballot;
/// what it accepted in another one may be something else (Paxos Made Simple §2.2).
pub fn own_vote_is_chosen(voted: Ballot, notice: Ballot) -> bool {
    voted == notice
}

/// May a slot be executed? Right after the one before it (Paxos Made Simple §3: "executes the sequence of commands").
pub fn may_execute(slot: Slot, executed: Slot) -> bool {
    slot == executed + 1
}

/// Was a request applied before, if its client's last applied sequence is `last`? The same command may be chosen in two
/// slots, and is performed once (PMMC §2.1).
pub fn was_applied(last: Option<u64>, sequence: u64) -> bool {
    last.is_some_and(|last| sequence <= last)
}
