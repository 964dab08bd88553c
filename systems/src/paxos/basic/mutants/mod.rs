//! Planted bugs: each replaces exactly one rule by a realistic mistake.
//!
//! The names are those of the catalogue, under the system's: the mistakes about one instance are here, those about the
//! log under `paxos/`.

mod acceptor;
mod learner;
mod proposer;

crate::rules::mutants!("basic-paxos": proposer, acceptor, learner);
