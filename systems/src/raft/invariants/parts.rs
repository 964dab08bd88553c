//! The same invariants, taken apart: what one node's own past decides, and what the others are needed for. An
//! explorer keeps the first with each node's state, so that it is judged once for every state of that node, and the
//! second once for the cluster.

use std::fmt;

use super::{
    Breach, Config, Mirror, Step, View, Views, append_only, completeness, configuration, durable_majority,
    effects, election_safety, log_matching, monotone, no_holes, oracle, own_term, reads, state_hash, terms,
    votes,
};
use crate::node_map::NodeMap;
use crate::raft::Raft;
use crate::raft::types::Trace;
use crate::replica::{Lsn, NodeId};

/// What one node did before.
#[derive(Clone, Debug, Default)]
pub struct Own {
    views: NodeMap<View>,
    votes: votes::Votes,
    monotone: monotone::Monotone,
}

/// What the nodes did together.
#[derive(Clone, Debug, Default, Hash)]
pub struct Shared {
    oracle: oracle::Oracle,
    election_safety: election_safety::ElectionSafety,
    log_matching: log_matching::LogMatching,
    votes: votes::Votes,
    terms: terms::Terms,
    configuration: configuration::Configuration,
    reads: reads::Reads,
    state_hash: state_hash::StateHash,
    effects: effects::Effects,
}

/// One step of one node, as it is to be judged.
#[derive(Clone, Copy, Debug)]
pub struct Observed<'a> {
    /// Which node.
    pub node: NodeId,
    /// As it is after the step.
    pub raft: &'a Raft,
    /// What it recorded in the step.
    pub traces: &'a [Trace],
    /// How far its write-ahead log is durable.
    pub durable: Lsn,
}

impl<'a> Observed<'a> {
    fn step(self, views: Views<'a>, lost: &'a NodeMap<Mirror>) -> Step<'a> {
        Step {
            node: self.node,
            raft: self.raft,
            traces: self.traces,
            durable: self.durable,
            before: views.get(self.node),
            views,
            lost,
        }
    }
}

fn breach(node: NodeId, name: (&'static str, &'static str)) -> impl Fn(String) -> Breach {
    move |what| Breach::new(name, node, what)
}

impl Own {
    /// The node stopped, losing what was not durable.
    pub fn stopped(&mut self, node: NodeId) {
        if let Some(view) = self.views.get_mut(node) {
            view.running = false;
        }
        self.votes.stopped(node);
        self.monotone.stopped(node);
    }

    /// Judges a step by the node's own past.
    ///
    /// # Errors
    /// The first invariant found broken.
    pub fn observe(&mut self, observed: Observed<'_>) -> Result<(), Breach> {
        let (node, lost) = (observed.node, NodeMap::default());
        let step = observed.step(Views::Kept(&self.views), &lost);
        no_holes(&step).map_err(breach(node, log_matching::NAME))?;
        self.votes.check_own(&step).map_err(breach(node, votes::NAME))?;
        append_only::check(&step).map_err(breach(node, append_only::NAME))?;
        own_term::check(step.traces).map_err(breach(node, own_term::NAME))?;
        self.monotone.check(&step).map_err(breach(node, monotone::NAME))?;
        self.votes.forget_before(node, observed.raft.term());
        self.views.insert(node, View::of(observed.raft, observed.durable));
        Ok(())
    }

    /// Writes what is not written in the node's own state.
    ///
    /// # Errors
    /// Only if `out` refuses.
    pub fn write_state(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        self.views
            .iter()
            .try_for_each(|(node, _)| write!(out, "{:?}", self.votes.of(node)))
    }

    /// Writes what other nodes' steps are judged by: the durable log.
    ///
    /// # Errors
    /// Only if `out` refuses.
    pub fn write_seen(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        self.views
            .iter()
            .try_for_each(|(node, view)| write!(out, "{node} {}", view.log.durable_terms()))
    }
}

impl Shared {
    /// Nodes that have not started; `initial` are the members from the start.
    pub fn new(initial: &[NodeId]) -> Self {
        Shared {
            configuration: configuration::Configuration::new(Config::initial(initial)),
            ..Shared::default()
        }
    }

    /// A node stopped, losing what was not durable.
    pub fn stopped(&mut self, node: NodeId) {
        self.reads.stopped(node);
    }

    /// Judges a step by what all nodes did before; `owns` is each node's past, the one's that stepped included.
    ///
    /// # Errors
    /// The first invariant found broken.
    pub fn observe<'a>(
        &mut self,
        observed: Observed<'_>,
        owns: impl Iterator<Item = &'a Own>,
    ) -> Result<(), Breach> {
        let (node, lost) = (observed.node, NodeMap::default());
        let views = Views::Gathered(owns.flat_map(|own| own.views.iter()).collect());
        let step = observed.step(views, &lost);
        self.election_safety
            .check(&step)
            .map_err(breach(node, election_safety::NAME))?;
        self.votes
            .check_counted(&step)
            .map_err(breach(node, votes::NAME))?;
        self.terms.check(step.traces).map_err(breach(node, terms::NAME))?;
        self.log_matching
            .check(&step)
            .map_err(breach(node, log_matching::NAME))?;
        completeness::check(&step, &self.oracle).map_err(breach(node, completeness::NAME))?;
        let committed = self.oracle.check(&step).map_err(breach(node, oracle::NAME))?;
        durable_majority::check(&step, &self.oracle, committed)
            .map_err(breach(node, durable_majority::NAME))?;
        self.configuration
            .check(&step, &self.oracle)
            .map_err(breach(node, configuration::NAME))?;
        self.reads.check(&step).map_err(breach(node, reads::NAME))?;
        self.state_hash
            .check(step.traces)
            .map_err(breach(node, state_hash::NAME))?;
        self.effects
            .check(step.traces)
            .map_err(breach(node, effects::NAME))
    }

    /// Whether the durable logs of other nodes take part in judging a step with these traces.
    pub fn looks_around(traces: &[Trace]) -> bool {
        traces.iter().any(|trace| {
            matches!(
                trace,
                Trace::Committed { counted: true, .. }
                    | Trace::Truncated { .. }
                    | Trace::SnapshotInstalled { .. }
                    | Trace::Recovered { .. }
            )
        })
    }
}
