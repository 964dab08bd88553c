//! Invariants: what must hold after every step of every node.

use std::collections::BTreeMap;

use perjury_systems::breach::Breach;
pub use perjury_systems::breach::Invariants;
use perjury_systems::replica::{Lsn, NodeId, Replica};

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
