//! Proposal numbers.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::replica::NodeId;

/// A proposal number: totally ordered, and no two proposers share one (Paxos Made Simple §2.2: "different proposers
/// choose their numbers from disjoint sets of numbers").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ballot {
    /// Counts a proposer's ballots; the larger one wins.
    pub round: u64,
    /// Whose it is; decides between equal rounds.
    pub node: NodeId,
}

impl Ballot {
    /// Before every ballot.
    pub const NONE: Ballot = Ballot {
        round: 0,
        node: NodeId(0),
    };
}

impl Default for Ballot {
    fn default() -> Self {
        Ballot::NONE
    }
}

impl fmt::Display for Ballot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.round, self.node)
    }
}
