//! Planted bugs: each replaces exactly one rule by a realistic mistake.
//!
//! The names are those of the catalogue for Multi-Paxos, under the system's.

mod acceptor;
mod leader;
mod learner;
mod reads;

crate::rules::mutants!("paxos": leader, acceptor, learner, reads);
