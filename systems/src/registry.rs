//! The bundled systems by name, for command lines and campaigns.

use crate::marks::Mark;
use crate::raft;
use crate::replica::{MutantInfo, Replica};
use crate::settings::Setting;

/// A bundled system.
#[derive(Clone, Copy, Debug)]
pub struct System {
    /// The name: `raft`.
    pub name: &'static str,
    /// What it is and what it promises, in a sentence.
    pub about: &'static str,
    /// Its options.
    pub settings: &'static [Setting],
    /// Its planted bugs.
    pub mutants: &'static [MutantInfo],
    /// What a campaign should reach.
    pub marks: &'static [Mark],
}

/// Every bundled system.
pub const SYSTEMS: &[System] = &[System {
    name: raft::Raft::NAME,
    about: "Raft: a linearizable key-value store with elections, snapshots, sessions, membership changes",
    settings: raft::SETTINGS,
    mutants: raft::MUTANTS,
    marks: raft::MARKS,
}];

/// Something to be done with a system's type.
pub trait Visitor {
    /// What comes of it.
    type Output;

    /// Does it.
    fn visit<R: Replica>(self) -> Self::Output;
}

/// Does something with the system of this name; none if there is no such system.
pub fn visit<V: Visitor>(name: &str, visitor: V) -> Option<V::Output> {
    match name {
        raft::Raft::NAME => Some(visitor.visit::<raft::Raft>()),
        _ => None,
    }
}

/// The planted bug of this whole name: `raft/double-vote`.
pub fn mutant(name: &str) -> Option<&'static MutantInfo> {
    SYSTEMS
        .iter()
        .flat_map(|system| system.mutants)
        .find(|mutant| mutant.name == name)
}
