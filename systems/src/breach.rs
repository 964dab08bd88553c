//! What invariants find.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::replica::NodeId;

/// Something that cannot happen, happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breach {
    /// The invariant's id: `R-I1`.
    pub invariant: String,
    /// Its name: `election safety`.
    pub name: String,
    /// The node at which it was seen.
    pub node: NodeId,
    /// What was seen.
    pub what: String,
}

impl Breach {
    /// An invariant by its id and its name, broken at a node.
    pub(crate) fn new((invariant, name): (&str, &str), node: NodeId, what: String) -> Self {
        Breach {
            invariant: invariant.to_owned(),
            name: name.to_owned(),
            node,
            what,
        }
    }
}

/// Judges what nodes recorded of themselves, where they cannot be looked into. Traces come in the order of each node; how
/// nodes interleave does not matter.
pub trait Judge<Trace> {
    /// Takes in what a node recorded.
    ///
    /// # Errors
    /// The first invariant found broken.
    fn observe(&mut self, node: NodeId, trace: &Trace) -> Result<(), Breach>;

    /// Everything was recorded.
    ///
    /// # Errors
    /// An invariant that only the whole shows to be broken.
    fn finish(&mut self) -> Result<(), Breach>;
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({}) at {}: {}",
            self.invariant, self.name, self.node, self.what
        )
    }
}

impl std::error::Error for Breach {}
