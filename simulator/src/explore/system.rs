//! What an explorer has to know of a system.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::Hash;

use perjury_systems::breach::Breach;
use perjury_systems::raft::invariants::{Observed as RaftObserved, Own, Shared};
use perjury_systems::raft::{self, Raft, Timer};
use perjury_systems::replica::{Cluster, ConfigError, Durable, Lsn, NodeId};

use crate::systems::Simulated;

/// What it means for a timer to run out, where time stands still and that is a choice like any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// The node wants to lead: bounded by [`super::Bounds::elections`].
    Election,
    /// The node tells the others that it leads, and tries again: bounded by [`super::Bounds::heartbeats`].
    Heartbeat,
}

/// One step of one node, as it is to be judged.
#[derive(Clone, Copy, Debug)]
pub struct Observed<'a, R: Simulated> {
    /// Which node.
    pub node: NodeId,
    /// As it is after the step.
    pub replica: &'a R,
    /// What it recorded in the step.
    pub traces: &'a [R::Trace],
    /// How far its write-ahead log is durable.
    pub durable: Lsn,
}

/// A system whose states can be told apart, and whose invariants can be taken apart: into what a node's own past
/// decides, and the rest.
pub trait Explored: Simulated {
    /// What one node did before, as far as its steps are judged by it.
    type Own: Clone + fmt::Debug;
    /// What the nodes did together, as far as their steps are judged by it.
    type Shared: Clone + fmt::Debug + Hash;

    /// Fills in the settings under which nothing depends on time.
    ///
    /// # Errors
    /// If a setting that was given cannot be explored, with the reason.
    fn hold_still(settings: &mut BTreeMap<String, String>) -> Result<(), ConfigError>;

    /// What a timer is for; none for one that never runs out while time stands still.
    fn pace(timer: Self::Timer) -> Option<Pace>;

    /// Writes everything that tells this node's state from others.
    ///
    /// # Errors
    /// Only if `out` refuses.
    fn write_state(&self, durable: Lsn, out: &mut dyn fmt::Write) -> fmt::Result;

    /// Leaves out the records that later ones make void.
    fn compact(durable: &mut Durable<Self::Record>);

    /// Whether a step that recorded this is judged by the state of other nodes too.
    fn looks_around(traces: &[Self::Trace]) -> bool;

    /// A node that has not started.
    fn own() -> Self::Own;

    /// Nodes that have not started.
    fn shared(cluster: &Cluster) -> Self::Shared;

    /// The node stopped, losing what was not durable.
    fn stop(own: &mut Self::Own, node: NodeId);

    /// A node stopped, losing what was not durable.
    fn stop_shared(shared: &mut Self::Shared, node: NodeId);

    /// Judges a step by the node's own past.
    ///
    /// # Errors
    /// The first invariant found broken.
    fn judge_own(own: &mut Self::Own, step: Observed<'_, Self>) -> Result<(), Breach>;

    /// Judges a step by what all nodes did before; `owns` is each node's past.
    ///
    /// # Errors
    /// The first invariant found broken.
    fn judge_shared(
        shared: &mut Self::Shared,
        step: Observed<'_, Self>,
        owns: &[&Self::Own],
    ) -> Result<(), Breach>;

    /// Writes what of a node's past is not in its state.
    ///
    /// # Errors
    /// Only if `out` refuses.
    fn write_own(own: &Self::Own, out: &mut dyn fmt::Write) -> fmt::Result;

    /// Writes what other nodes' steps are judged by.
    ///
    /// # Errors
    /// Only if `out` refuses.
    fn write_seen(own: &Self::Own, out: &mut dyn fmt::Write) -> fmt::Result;
}

/// Raft's settings that depend on time or on what is not explored: the name, the value, the reason.
const STILL: &[(&str, &str, &str)] = &[
    (
        "prevote",
        "off",
        "PreVote depends on when a leader was heard last",
    ),
    ("reads", "readindex", "leases depend on how much time has passed"),
    ("apply-delay-us", "0", "a slow state machine is a matter of time"),
];

/// Raft's settings that make states few; others may be given.
const FEW: &[(&str, &str)] = &[
    ("check-quorum", "off"),
    ("identity", "trust"),
    ("snapshot-every", "0"),
];

impl Explored for Raft {
    type Own = Own;
    type Shared = Shared;

    fn hold_still(settings: &mut BTreeMap<String, String>) -> Result<(), ConfigError> {
        for (name, value, reason) in STILL {
            let given = settings
                .entry((*name).to_owned())
                .or_insert_with(|| (*value).to_owned());
            if given != value {
                return Err(ConfigError(format!(
                    "{name}={given} cannot be explored, since time stands still there and {reason}; leave it at {value}"
                )));
            }
        }
        for (name, value) in FEW {
            settings
                .entry((*name).to_owned())
                .or_insert_with(|| (*value).to_owned());
        }
        Ok(())
    }

    fn pace(timer: Timer) -> Option<Pace> {
        match timer {
            Timer::Election => Some(Pace::Election),
            Timer::Heartbeat | Timer::Quorum | Timer::Register => Some(Pace::Heartbeat),
            Timer::Transfer | Timer::Apply | Timer::Sweep => None,
        }
    }

    fn write_state(&self, durable: Lsn, out: &mut dyn fmt::Write) -> fmt::Result {
        Raft::write_state(self, durable, out)
    }

    fn compact(durable: &mut Durable<raft::Record>) {
        raft::compact(durable);
    }

    fn looks_around(traces: &[raft::Trace]) -> bool {
        Shared::looks_around(traces)
    }

    fn own() -> Own {
        Own::default()
    }

    fn shared(cluster: &Cluster) -> Shared {
        Shared::new(&cluster.members)
    }

    fn stop(own: &mut Own, node: NodeId) {
        own.stopped(node);
    }

    fn stop_shared(shared: &mut Shared, node: NodeId) {
        shared.stopped(node);
    }

    fn judge_own(own: &mut Own, step: Observed<'_, Self>) -> Result<(), Breach> {
        own.observe(observed(step))
    }

    fn judge_shared(shared: &mut Shared, step: Observed<'_, Self>, owns: &[&Own]) -> Result<(), Breach> {
        shared.observe(observed(step), owns.iter().copied())
    }

    fn write_own(own: &Own, out: &mut dyn fmt::Write) -> fmt::Result {
        own.write_state(out)
    }

    fn write_seen(own: &Own, out: &mut dyn fmt::Write) -> fmt::Result {
        own.write_seen(out)
    }
}

fn observed(step: Observed<'_, Raft>) -> RaftObserved<'_> {
    RaftObserved {
        node: step.node,
        raft: step.replica,
        traces: step.traces,
        durable: step.durable,
    }
}
