//! Invariants: what must hold after every step of every node.

use std::collections::BTreeMap;
use std::fmt;

use perjury_systems::breach::Breach;
use perjury_systems::replica::{Lsn, NodeId, Replica};

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
}

/// No invariants.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwatched;

impl<R: Replica> Invariants<R> for Unwatched {
    fn observe(&mut self, _: NodeId, _: &R, _: &[R::Trace], _: Lsn) -> Result<(), Breach> {
        Ok(())
    }

    fn stopped(&mut self, _: NodeId) {}

    fn wiped(&mut self, _: NodeId) {}

    fn full(&mut self, _: &BTreeMap<NodeId, &R>) -> Result<(), Breach> {
        Ok(())
    }
}
