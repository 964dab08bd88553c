//! The systems that can be simulated, by name, with their invariants.

use perjury_systems::raft::{self, Raft};
use perjury_systems::replica::{Cluster, ConfigError, Replica};

use crate::explore::Explored;
use crate::world::Invariants;

/// A system whose invariants are known.
pub trait Simulated: Replica {
    /// Watches a cluster that has not started.
    fn invariants(cluster: &Cluster) -> Box<dyn Invariants<Self>>;

    /// The timer that directed schedules call by this name: `election`, `heartbeat`.
    fn timer(name: &str) -> Option<Self::Timer>;

    /// Settings with which a run is easier to follow, and as legal.
    const SIMPLER: &'static [(&'static str, &'static str)] = &[];
}

impl Simulated for Raft {
    const SIMPLER: &'static [(&'static str, &'static str)] = &[("prevote", "off"), ("check-quorum", "off")];

    fn invariants(cluster: &Cluster) -> Box<dyn Invariants<Self>> {
        Box::new(raft::invariants::Invariants::new(&cluster.members))
    }

    fn timer(name: &str) -> Option<Self::Timer> {
        Some(match name {
            "election" => raft::Timer::Election,
            "heartbeat" => raft::Timer::Heartbeat,
            "quorum" => raft::Timer::Quorum,
            "transfer" => raft::Timer::Transfer,
            "apply" => raft::Timer::Apply,
            "sweep" => raft::Timer::Sweep,
            _ => return None,
        })
    }
}

/// Something to be done with a system's type.
pub(crate) trait Visitor {
    /// What comes of it.
    type Output;

    /// Does it.
    fn visit<R: Explored>(self) -> Self::Output;
}

/// The settings with which a system's runs are easier to follow.
pub(crate) fn simpler(system: &str) -> &'static [(&'static str, &'static str)] {
    struct Simpler;
    impl Visitor for Simpler {
        type Output = &'static [(&'static str, &'static str)];
        fn visit<R: Simulated>(self) -> Self::Output {
            R::SIMPLER
        }
    }
    visit(system, Simpler).unwrap_or_default()
}

/// The names of all systems that can be simulated.
pub const NAMES: &[&str] = &[Raft::NAME];

/// Does something with the system of this name.
///
/// # Errors
/// If there is no such system; the error lists those that there are.
pub(crate) fn visit<V: Visitor>(name: &str, visitor: V) -> Result<V::Output, ConfigError> {
    match name {
        Raft::NAME => Ok(visitor.visit::<Raft>()),
        _ => Err(ConfigError(format!(
            "no system called {name:?} can be simulated; there are: {}",
            NAMES.join(", ")
        ))),
    }
}
