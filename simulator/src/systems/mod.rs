//! The systems that can be simulated, by name: with their invariants, and what campaigns draw of each.

mod basic_paxos;
mod nwr;
mod paxos;
mod raft;
mod zab;

use std::collections::BTreeMap;

use perjury_checker::quorum as judged;
use perjury_systems::nwr::Nwr;
use perjury_systems::paxos::{BasicPaxos, Paxos};
use perjury_systems::raft::Raft;
use perjury_systems::registry;
use perjury_systems::replica::{Cluster, ConfigError, Promise, Replica};
use perjury_systems::zab::Zab;
use rand_chacha::ChaCha8Rng;

use crate::setup::Setup;
use crate::swarm::moments::Moment;
use crate::world::Invariants;

/// A system whose invariants are known.
pub trait Simulated: Replica {
    /// Settings with which a run is easier to follow, and as legal as long as no disk is emptied.
    const SIMPLER: &'static [(&'static str, &'static str)] = &[];

    /// Whether any majority of the nodes promises to serve every key soon.
    fn majority_serves(_: &Cluster) -> bool {
        true
    }

    /// Whether a cluster claims to survive that a node loses what its disk held.
    fn survives_a_lost_disk(_: &Cluster) -> bool {
        true
    }

    /// Watches a cluster that has not started.
    fn invariants(cluster: &Cluster) -> Box<dyn Invariants<Self>>;

    /// The timer that directed schedules call by this name: `election`, `heartbeat`.
    fn timer(name: &str) -> Option<Self::Timer>;
}

/// A system that campaigns draw runs of.
pub trait Drawn: Simulated {
    /// What they draw.
    const DRAWING: Drawing;
}

/// What campaigns draw of a system.
#[derive(Clone, Copy, Debug)]
pub struct Drawing {
    /// The workloads, those that are drawn more often more than once.
    pub workloads: &'static [&'static str],
    /// The steps, as their traces are called, at which something may strike: three at least.
    pub steps: &'static [&'static str],
    /// Moments of one kind at which something strikes again and again, one kind at least.
    pub(crate) moments: &'static [Moment],
    /// Draws settings that are legal together, of those that are not given: whether elections are hurried, chance.
    pub(crate) settings: fn(&Setup, bool, &mut ChaCha8Rng) -> BTreeMap<&'static str, String>,
}

impl Drawing {
    /// The moments of this kind, if there are any.
    pub(crate) fn moment(&self, name: &str) -> Option<&'static Moment> {
        self.moments.iter().find(|kind| kind.name == name)
    }
}

/// Something to be done with a system's type.
pub(crate) trait Visitor {
    /// What comes of it.
    type Output;

    /// Does it.
    fn visit<R: Drawn>(self) -> Self::Output;
}

/// The settings with which a system's runs are easier to follow.
pub(crate) fn simpler(system: &str) -> &'static [(&'static str, &'static str)] {
    struct Simpler;
    impl Visitor for Simpler {
        type Output = &'static [(&'static str, &'static str)];
        fn visit<R: Drawn>(self) -> Self::Output {
            R::SIMPLER
        }
    }
    visit(system, Simpler).unwrap_or_default()
}

/// What a system promises of a register under these settings, as the checkers have it. One that is not bundled is held to
/// linearizability.
pub fn promised(system: &str, cluster: &Cluster) -> judged::Promise {
    struct Promised<'a>(&'a Cluster);
    impl registry::Visitor for Promised<'_> {
        type Output = judged::Promise;
        fn visit<R: Replica>(self) -> Self::Output {
            promise_of::<R>(self.0)
        }
    }
    registry::visit(system, Promised(cluster)).unwrap_or_default()
}

/// The same, by the system's type.
pub(crate) fn promise_of<R: Replica>(cluster: &Cluster) -> judged::Promise {
    match R::promise(cluster) {
        Promise::Linearizable => judged::Promise::Linearizable,
        Promise::Sequential => judged::Promise::Sequential,
        Promise::Regular => judged::Promise::Regular,
        Promise::Eventual => judged::Promise::Eventual,
    }
}

/// What campaigns draw of a system.
///
/// # Errors
/// If there is no such system; the error lists those that there are.
pub fn drawing(system: &str) -> Result<Drawing, ConfigError> {
    struct Draws;
    impl Visitor for Draws {
        type Output = Drawing;
        fn visit<R: Drawn>(self) -> Self::Output {
            R::DRAWING
        }
    }
    visit(system, Draws)
}

/// The names of all systems that can be simulated.
pub const NAMES: &[&str] = &[Raft::NAME, BasicPaxos::NAME, Paxos::NAME, Zab::NAME, Nwr::NAME];

/// Does something with the system of this name.
///
/// # Errors
/// If there is no such system; the error lists those that there are.
pub(crate) fn visit<V: Visitor>(name: &str, visitor: V) -> Result<V::Output, ConfigError> {
    match name {
        Raft::NAME => Ok(visitor.visit::<Raft>()),
        BasicPaxos::NAME => Ok(visitor.visit::<BasicPaxos>()),
        Paxos::NAME => Ok(visitor.visit::<Paxos>()),
        Zab::NAME => Ok(visitor.visit::<Zab>()),
        Nwr::NAME => Ok(visitor.visit::<Nwr>()),
        _ => Err(ConfigError(format!(
            "no system called {name:?} can be simulated; there are: {}",
            NAMES.join(", ")
        ))),
    }
}
