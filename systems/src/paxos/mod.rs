//! Paxos, twice: [`basic`] decides one value for each key, once and for all; [`multi`] decides a log of commands, and
//! so replicates the whole store.
//!
//! "Paxos Made Simple" is Lamport, ACM SIGACT News 32 (2001); "Voting" is the specification of that name in Lamport's
//! TLA+ proof of Paxos; "Paxos Made Live" is Chandra, Griesemer and Redstone, PODC 2007; "PMMC" is van Renesse and
//! Altinbuken, Paxos Made Moderately Complex, ACM Computing Surveys 47 (2015).

pub mod ballot;
pub mod basic;
pub mod ledger;
pub mod multi;

pub use ballot::Ballot;
pub use basic::BasicPaxos;
pub use multi::Paxos;

use std::collections::BTreeSet;

use crate::replica::{Cluster, ConfigError, NodeId};

/// Whether the members from the start are some of the nodes.
fn members_are_nodes(system: &str, cluster: &Cluster) -> Result<(), ConfigError> {
    let nodes: BTreeSet<NodeId> = cluster.nodes.iter().copied().collect();
    if cluster.members.is_empty() {
        return Err(ConfigError(format!(
            "{system} needs at least one member to begin with"
        )));
    }
    match cluster.members.iter().find(|member| !nodes.contains(member)) {
        Some(stranger) => Err(ConfigError(format!(
            "the member {stranger} is not one of the nodes"
        ))),
        None => Ok(()),
    }
}
