//! What must hold in every run, checked after every step of every node: one file an invariant.
//!
//! [`Invariants`] watches a whole cluster from outside, across restarts. It is told of each step of each node, with
//! what the node traced in it and how far its log is durable. Nothing here is used by the protocol.
//!
//! What is volatile (commit and applied index, a leader's bookkeeping) is compared within one incarnation only; what
//! is durable, across them. [`Recorded`] is the part that needs no more than traces, in the order of each node, and
//! so also judges runs of real processes.

use std::collections::BTreeMap;

use super::Raft;
use super::config::Config;
use super::types::{Index, Term, Trace};
use crate::breach::{self, Breach};
use crate::node_map::NodeMap;
use crate::replica::{Lsn, NodeId};

mod append_only;
mod completeness;
mod configuration;
mod durable_majority;
mod effects;
mod election_safety;
mod log_matching;
mod mirror;
mod monotone;
mod oracle;
mod own_term;
mod parts;
mod reads;
mod recorded;
mod state_hash;
mod terms;
mod votes;

pub use oracle::{Committed, Oracle};
pub use parts::{Observed, Own, Shared};
pub use recorded::Recorded;

use mirror::Mirror;

/// One step of one node.
pub(crate) struct Step<'a> {
    pub(crate) node: NodeId,
    pub(crate) raft: &'a Raft,
    pub(crate) traces: &'a [Trace],
    /// How far the node's write-ahead log is durable.
    pub(crate) durable: Lsn,
    /// The node as it was before.
    pub(crate) before: Option<&'a View>,
    /// The nodes as they were before, this one included.
    pub(crate) views: Views<'a>,
    /// The logs that went with disks that were lost.
    pub(crate) lost: &'a NodeMap<Mirror>,
}

/// Nodes as they were.
pub(crate) enum Views<'a> {
    /// All of them, kept together.
    Kept(&'a NodeMap<View>),
    /// Each kept elsewhere.
    Gathered(NodeMap<&'a View>),
}

impl<'a> Views<'a> {
    pub(crate) fn get(&self, node: NodeId) -> Option<&'a View> {
        match self {
            Views::Kept(views) => views.get(node),
            Views::Gathered(views) => views.get(node).copied(),
        }
    }

    /// The nodes that were seen, in order.
    pub(crate) fn nodes(&self) -> Vec<NodeId> {
        match self {
            Views::Kept(views) => views.iter().map(|(node, _)| node).collect(),
            Views::Gathered(views) => views.iter().map(|(node, _)| node).collect(),
        }
    }
}

/// A node as it was seen last; kept while it is down.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) log: Mirror,
    pub(crate) commit: Index,
    pub(crate) applied: Index,
    pub(crate) term: Term,
    pub(crate) vote: Option<NodeId>,
    /// Whether both are surely durable.
    pub(crate) promised: bool,
    /// Which term it leads.
    pub(crate) leads: Option<Term>,
    /// Whether it has run without a break since.
    pub(crate) running: bool,
}

impl View {
    /// A node that runs.
    fn of(raft: &Raft, durable: Lsn) -> Self {
        View {
            log: Mirror::of(raft.log()),
            commit: raft.commit(),
            applied: raft.machine().applied(),
            term: raft.term(),
            vote: raft.vote(),
            promised: durable >= raft.hard_state_at(),
            leads: raft.is_leader().then(|| raft.term()),
            running: true,
        }
    }

    /// Whether the node is now as it was in everything that is judged when a step records nothing, but for what it
    /// knows of its followers.
    fn is_still(&self, raft: &Raft, durable: Lsn) -> bool {
        self.running
            && self.term == raft.term()
            && self.vote == raft.vote()
            && self.promised == (durable >= raft.hard_state_at())
            && self.leads == raft.is_leader().then(|| raft.term())
            && self.commit == raft.commit()
            && self.applied == raft.machine().applied()
            && self.log.durable() == raft.log().durable()
            && self.log.last() == raft.log().last()
    }
}

/// Watches a cluster.
#[derive(Clone, Debug, Default)]
pub struct Invariants {
    views: NodeMap<View>,
    lost: NodeMap<Mirror>,
    oracle: Oracle,
    election_safety: election_safety::ElectionSafety,
    log_matching: log_matching::LogMatching,
    votes: votes::Votes,
    terms: terms::Terms,
    monotone: monotone::Monotone,
    configuration: configuration::Configuration,
    reads: reads::Reads,
    state_hash: state_hash::StateHash,
    effects: effects::Effects,
}

impl breach::Invariants<Raft> for Invariants {
    fn observe(&mut self, node: NodeId, raft: &Raft, traces: &[Trace], durable: Lsn) -> Result<(), Breach> {
        let step = Step {
            node,
            raft,
            traces,
            durable,
            before: self.views.get(node),
            views: Views::Kept(&self.views),
            lost: &self.lost,
        };
        let breach = |name: (&'static str, &'static str)| move |what: String| Breach::new(name, node, what);
        if traces.is_empty() {
            // Most steps: nothing of what the others judge has happened, and mostly nothing at all.
            if step.before.is_some_and(|before| before.is_still(raft, durable)) {
                return self.monotone.check(&step).map_err(breach(monotone::NAME));
            }
            self.votes.check(&step).map_err(breach(votes::NAME))?;
            append_only::check(&step).map_err(breach(append_only::NAME))?;
            durable_majority::check(&step, &self.oracle, None).map_err(breach(durable_majority::NAME))?;
            self.monotone.check(&step).map_err(breach(monotone::NAME))?;
            self.look(node, raft, traces, durable);
            return Ok(());
        }
        let kinds = kinds(traces);
        let any = |of: u8| kinds & of != 0;
        if any(RARE) {
            no_holes(&step).map_err(breach(log_matching::NAME))?;
            self.election_safety
                .check(&step)
                .map_err(breach(election_safety::NAME))?;
            self.votes.check_counted(&step).map_err(breach(votes::NAME))?;
            self.terms.check(step.traces).map_err(breach(terms::NAME))?;
            completeness::check(&step, &self.oracle).map_err(breach(completeness::NAME))?;
        }
        self.votes.check_own(&step).map_err(breach(votes::NAME))?;
        append_only::check(&step).map_err(breach(append_only::NAME))?;
        if any(APPENDED) {
            self.log_matching
                .check(&step)
                .map_err(breach(log_matching::NAME))?;
        }
        let mut committed = None;
        if any(COMMITTED | APPLIED | ASKED) {
            own_term::check(step.traces).map_err(breach(own_term::NAME))?;
            committed = self.oracle.check(&step).map_err(breach(oracle::NAME))?;
        }
        let lost_nothing = !any(RARE)
            && step
                .before
                .is_some_and(|before| before.log.durable() <= raft.log().durable());
        if committed.is_some() || !lost_nothing {
            durable_majority::check(&step, &self.oracle, committed)
                .map_err(breach(durable_majority::NAME))?;
        }
        self.monotone.check(&step).map_err(breach(monotone::NAME))?;
        self.configuration
            .check(&step, &self.oracle)
            .map_err(breach(configuration::NAME))?;
        if any(ASKED) {
            self.reads.check(&step).map_err(breach(reads::NAME))?;
        }
        if any(APPLIED) {
            self.state_hash
                .check(step.traces)
                .map_err(breach(state_hash::NAME))?;
            self.effects.check(step.traces).map_err(breach(effects::NAME))?;
        }
        self.look(node, raft, traces, durable);
        Ok(())
    }

    fn stopped(&mut self, node: NodeId) {
        if let Some(view) = self.views.get_mut(node) {
            view.running = false;
        }
        self.votes.stopped(node);
        self.monotone.stopped(node);
        self.reads.stopped(node);
    }

    fn wiped(&mut self, node: NodeId) {
        if let Some(view) = self.views.remove(node) {
            self.lost.insert(node, view.log);
        }
        self.votes.wiped(node);
    }

    fn full(&mut self, nodes: &BTreeMap<NodeId, &Raft>) -> Result<(), Breach> {
        log_matching::full(nodes)?;
        self.oracle.full(nodes)
    }
}

impl Invariants {
    /// A cluster that has not started; `initial` are its members from the start.
    pub fn new(initial: &[NodeId]) -> Self {
        Invariants {
            configuration: configuration::Configuration::new(Config::initial(initial)),
            ..Invariants::default()
        }
    }

    /// What is known to be committed.
    pub fn oracle(&self) -> &Oracle {
        &self.oracle
    }

    fn look(&mut self, node: NodeId, raft: &Raft, traces: &[Trace], durable: Lsn) {
        let leads = raft.is_leader().then(|| raft.term());
        let changed = |view: &View| view.log.durable() != raft.log().durable() || !traces.is_empty();
        match self.views.get_mut(node) {
            Some(view) => {
                if changed(view) {
                    view.log.follow(raft.log(), traces);
                }
                view.commit = raft.commit();
                view.applied = raft.machine().applied();
                view.term = raft.term();
                view.vote = raft.vote();
                view.promised = durable >= raft.hard_state_at();
                view.leads = leads;
                view.running = true;
            }
            None => {
                self.views.insert(node, View::of(raft, durable));
            }
        }
    }
}

/// Entries were appended.
const APPENDED: u8 = 1;
/// The commit index rose.
const COMMITTED: u8 = 2;
/// Entries were applied.
const APPLIED: u8 = 4;
/// Clients asked or were answered.
const ASKED: u8 = 8;
/// Anything else: elections, terms, members, snapshots, a start. Everybody looks at that.
const RARE: u8 = 16;

/// What a step recorded, as bits: most steps record one or two of these, which few of the invariants are about.
fn kinds(traces: &[Trace]) -> u8 {
    let kind = |trace: &Trace| match trace {
        Trace::Appended { .. } => APPENDED,
        Trace::Committed { .. } => COMMITTED,
        Trace::Applied { .. } => APPLIED,
        Trace::Proposed { .. }
        | Trace::Acked { .. }
        | Trace::ReadInvoked { .. }
        | Trace::ReadServed { .. } => ASKED,
        _ => RARE | APPENDED | COMMITTED | APPLIED | ASKED,
    };
    traces.iter().fold(0, |kinds, trace| kinds | kind(trace))
}

/// A log without its middle is no log: nothing may start from one.
fn no_holes(step: &Step<'_>) -> Result<(), String> {
    let halted = step.traces.iter().find_map(|trace| match trace {
        Trace::Halted { reason } => Some(reason),
        _ => None,
    });
    halted.map_or(Ok(()), |reason| {
        Err(format!("the node cannot start from its disk: {reason}"))
    })
}
