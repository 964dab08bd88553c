//! Faults as data: the vocabulary, whom they hit, plans derived from a seed, and what they covered.
//!
//! This crate decides what is to be broken and when; it breaks nothing itself. A [`Plan`] is a list of
//! [`Step`]s in time; whoever runs it resolves the targets that are only known then (the leader), carries the
//! faults out, and says whether they bit.

pub mod fault;
pub mod plan;

pub use fault::{Bend, Crash, Fault, Grudge, Link, Node, Packets, Resolved, Target};
pub use plan::{Plan, Step, StepKind};
