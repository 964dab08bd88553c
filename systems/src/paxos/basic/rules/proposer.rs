//! What a proposer may propose, and when.

use crate::paxos::Ballot;
use crate::replica::NodeId;

/// Which promise's vote must be proposed? That of the highest ballot; none leaves the choice to the proposer (Paxos
/// Made Simple §2.2, P2c: "the value of the highest-numbered proposal among all proposals numbered less than n
/// accepted by the acceptors in S"). The promises come in the order in which they arrived.
pub fn value_to_adopt(reports: &[Option<Ballot>]) -> Option<usize> {
    let voted = reports.iter().enumerate();
    let voted = voted.filter_map(|(place, ballot)| Some((ballot.as_ref()?, place)));
    voted.max().map(|(_, place)| place)
}

/// A proposer's ballot of a round: its own, and nobody else's (Paxos Made Simple §2.5).
pub fn ballot(round: u64, node: NodeId) -> Ballot {
    Ballot { round, node }
}

/// The last round that a proposer has used, after a restart: "each proposer remembers (in stable storage) the
/// highest-numbered proposal it has tried to issue" (Paxos Made Simple §2.5).
pub fn round_after_restart(durable: u64) -> u64 {
    durable
}

/// Does a promise count? Only one for the ballot that the proposer is in (Paxos Made Simple §2.2, phase 2a: "a
/// response to its prepare requests (numbered n)").
pub fn counts_promise(promised: Ballot, mine: Ballot) -> bool {
    promised == mine
}

/// Does a refusal count as a promise? No: nothing was promised (Paxos Made Simple §2.2).
pub fn refusal_promises() -> bool {
    false
}

/// How many of so many acceptors are a majority? More than half: "any two majorities have at least one acceptor in
/// common" (Paxos Made Simple §2.2).
pub fn majority(acceptors: usize) -> usize {
    acceptors / 2 + 1
}

/// How many promises does a proposal need? Those of a majority (Paxos Made Simple §2.2, phase 2a).
pub fn phase_one_needs(majority: usize, acceptors: usize) -> usize {
    let _ = acceptors;
    majority
}

/// Must a read that found a vote propose its value? Yes: a later reader might find nothing, if it is not chosen
/// (Paxos Made Simple §2.3: a learner that wants to know "can have a proposer issue a proposal").
pub fn read_proposes(found: bool) -> bool {
    found
}

/// When a proposer gives up, may its proposal be chosen all the same? If it was ever sent to an acceptor, whatever
/// others answered.
pub fn may_be_chosen(sent: bool) -> bool {
    sent
}
