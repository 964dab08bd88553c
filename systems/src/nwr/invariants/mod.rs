//! What must hold in every run, checked after every step of every node. Nothing here is used by the store.
//!
//! | id | what |
//! |---|---|
//! | Q-I1 | a replica's version of a key never falls, until it is forgotten or lost |
//! | Q-I2 | a version has one value, wherever it is |
//! | Q-I3 | what is counted as stored is, or was, durable there |
//! | Q-I4 | an operation that succeeds had its quorum, returns the newest version in it, and sees what was done before |
//! | Q-I5 | replicas of which nothing is asked any more hold the same in the end, and what was kept for them |
//! | Q-I6 | a version that was acknowledged goes only when one takes its place that knew of it |
//! | H-I1 | the same members place a key alike, on every node, whatever happened before |
//! | H-I5 | a key's replicas are as many distinct nodes as there should be |
//! | H-I8 | a replica serves requests of its own view only |
//!
//! What traces alone decide ([`Facts`]) also judges runs of real processes.

use std::collections::BTreeMap;
use std::time::Duration;

use super::types::Trace;
use super::{Nwr, Settings};
use crate::breach::{self, Breach};
use crate::replica::{Cluster, Lsn, NodeId};

mod durability;
mod facts;
mod freshness;
mod rest;
mod siblings;

pub use facts::{Facts, Recorded};

/// Watches a cluster.
#[derive(Clone, Debug)]
pub struct Invariants {
    facts: Facts,
    durability: durability::Durability,
    freshness: freshness::Freshness,
    siblings: siblings::Siblings,
    rest: rest::Rest,
}

impl breach::Invariants<Nwr> for Invariants {
    fn observe(&mut self, node: NodeId, _: &Nwr, traces: &[Trace], durable: Lsn) -> Result<(), Breach> {
        let breach = |name: (&'static str, &'static str)| move |what: String| Breach::new(name, node, what);
        self.durability.durable(node, durable);
        self.rest.durable(node, durable);
        for trace in traces {
            self.facts.observe(node, trace)?;
            self.durability
                .check(node, trace)
                .map_err(breach(durability::NAME))?;
            self.freshness.check(node, trace).map_err(breach(facts::QUORUM))?;
            self.siblings.check(node, trace).map_err(breach(siblings::NAME))?;
            self.rest.note(node, trace);
        }
        Ok(())
    }

    fn stopped(&mut self, node: NodeId) {
        self.facts.stopped(node);
        self.freshness.stopped(node);
        self.siblings.stopped(node);
        self.rest.stopped(node);
    }

    fn wiped(&mut self, node: NodeId) {
        self.facts.wiped(node);
        self.durability.wiped(node);
        self.siblings.wiped(node);
        self.rest.wiped(node);
    }

    // What is compared with everything is compared when nothing happens any more.
    fn full(&mut self, _: &BTreeMap<NodeId, &Nwr>) -> Result<(), Breach> {
        Ok(())
    }

    fn rests_within(&self) -> Option<Duration> {
        self.rest.within()
    }

    fn at_rest(&mut self, nodes: &BTreeMap<NodeId, &Nwr>) -> Result<(), Breach> {
        self.rest.check(nodes)
    }
}

impl Invariants {
    /// A cluster that has not started.
    pub fn new(cluster: &Cluster) -> Self {
        let settings = Settings::parse(&cluster.settings).unwrap_or_default();
        Invariants {
            facts: Facts::new(settings.clone()),
            durability: durability::Durability::default(),
            freshness: freshness::Freshness::new(&settings),
            siblings: siblings::Siblings::new(&settings),
            rest: rest::Rest::new(settings),
        }
    }
}
