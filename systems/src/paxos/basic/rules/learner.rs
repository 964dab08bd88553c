//! When a value is known to be chosen.

use crate::paxos::Ballot;

/// How many votes make a value chosen? Those of a majority (Paxos Made Simple §2.2).
pub fn learner_needs(majority: usize, acceptors: usize) -> usize {
    let _ = acceptors;
    majority
}

/// Do two votes for the same value count together? If they are in the same ballot: "a proposal … has been accepted by
/// a majority", not a value (Paxos Made Simple §2.2).
pub fn count_together(one: Ballot, other: Ballot) -> bool {
    one == other
}
