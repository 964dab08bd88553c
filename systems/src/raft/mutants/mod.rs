//! Planted bugs: each puts one mistake in the place of one rule.
//!
//! The mistakes are realistic: most were found in real systems. Each description names its source and the
//! configuration that unmasks it, since a complete implementation often hides one bug behind another mechanism.

mod durability;
mod elections;
mod membership;
mod reads;
mod replication;
mod snapshots;
mod state;

crate::rules::mutants!("raft": elections, replication, durability, snapshots, reads, state, membership);
