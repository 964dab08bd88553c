//! Planted bugs: each puts one mistake in the place of one rule.
//!
//! The mistakes are realistic: most were found in ZooKeeper. Each description names its source and the configuration
//! that unmasks it, since a complete implementation often hides one bug behind another mechanism.

mod broadcast;
mod clients;
mod discovery;
mod election;
mod synchronisation;

crate::rules::mutants!("zab": election, discovery, synchronisation, broadcast, clients);
