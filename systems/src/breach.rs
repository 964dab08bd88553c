//! What watches a cluster for what cannot happen, and what it finds.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::replica::{Lsn, NodeId, Replica};

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

/// Watches a cluster from outside, across restarts.
pub trait Invariants<R: Replica>: fmt::Debug {
    /// A node made a step, its first one included; `traces` is what it recorded in it, `durable` how far its log is
    /// durable. Called before anything that the step wants done is done.
    ///
    /// # Errors
    /// The first invariant found broken.
    fn observe(&mut self, node: NodeId, replica: &R, traces: &[R::Trace], durable: Lsn)
    -> Result<(), Breach>;

    /// A node's process ended, losing what was not durable.
    fn stopped(&mut self, node: NodeId);

    /// A node's disk was emptied while it was down.
    fn wiped(&mut self, node: NodeId);

    /// Compares everything with everything: slow, for checkpoints. `nodes` are those that run.
    ///
    /// # Errors
    /// The first invariant found broken.
    fn full(&mut self, nodes: &BTreeMap<NodeId, &R>) -> Result<(), Breach>;

    /// Within which time [`Self::at_rest`] holds of a cluster that is whole again and of which nothing is asked; none if
    /// nothing is promised of it.
    fn rests_within(&self) -> Option<Duration> {
        None
    }

    /// What holds in the end of a cluster of which nothing is asked any more. `nodes` are those that run: all.
    ///
    /// # Errors
    /// What does not hold yet.
    fn at_rest(&mut self, _nodes: &BTreeMap<NodeId, &R>) -> Result<(), Breach> {
        Ok(())
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
