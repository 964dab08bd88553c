//! What must hold in every run, checked after every step of every node: one file a subject.
//!
//! [`Invariants`] watches a whole cluster from outside, across restarts. It is told of each step of each node, with
//! what the node traced in it and how far its log is durable. Nothing here is used by the protocol.
//!
//! "One leader" is one of each established epoch, never one at a time; what is volatile is compared within one
//! incarnation only; a state that a snapshot holds in part is compared once the log that makes it whole is applied.
//! [`Recorded`] is the part that needs no more than traces, and so also judges runs of real processes.

use std::collections::{BTreeMap, VecDeque};

use super::types::{Epochs, Trace};
use super::{Zab, Zxid};
use crate::breach::{self, Breach};
use crate::node_map::NodeMap;
use crate::replica::{Lsn, NodeId};

mod durable;
mod election;
mod epochs;
mod mirror;
mod oracle;
mod recorded;
mod sessions;
mod states;

pub use recorded::Recorded;

use mirror::Mirror;

/// One step of one node.
pub(crate) struct Step<'a> {
    pub(crate) node: NodeId,
    pub(crate) zab: &'a Zab,
    pub(crate) traces: &'a [Trace],
    /// The nodes as they were before, this one included.
    pub(crate) views: &'a NodeMap<View>,
}

impl Step<'_> {
    pub(crate) fn before(&self) -> Option<&View> {
        self.views.get(self.node)
    }

    /// As it was before, if it has run without a break since.
    pub(crate) fn earlier(&self) -> Option<&View> {
        self.before().filter(|before| before.running)
    }
}

/// A node as it was seen last; kept while it is down.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) log: Mirror,
    pub(crate) committed: Zxid,
    pub(crate) epochs: Epochs,
    /// What is surely durable of them, and what is written and is not yet.
    pub(crate) durable_epochs: Epochs,
    written_epochs: VecDeque<(Lsn, Epochs)>,
    /// Whether it has run without a break since.
    pub(crate) running: bool,
}

/// Watches a cluster.
#[derive(Clone, Debug, Default)]
pub struct Invariants {
    views: NodeMap<View>,
    oracle: oracle::Oracle,
    epochs: epochs::EpochLeaders,
    elections: election::Elections,
    states: states::States,
    sessions: sessions::SessionOrder,
    reads: sessions::Barriers,
}

impl breach::Invariants<Zab> for Invariants {
    fn observe(&mut self, node: NodeId, zab: &Zab, traces: &[Trace], durable: Lsn) -> Result<(), Breach> {
        let step = Step {
            node,
            zab,
            traces,
            views: &self.views,
        };
        let breach = |name: (&'static str, &'static str)| move |what: String| Breach::new(name, node, what);
        epochs::check(&step).map_err(breach(epochs::NAME))?;
        if traces.is_empty() {
            self.look(node, zab, traces, durable)
                .map_err(breach(mirror::NAME))?;
            return Ok(());
        }
        for trace in traces {
            self.epochs.check(node, trace)?;
            self.elections.check(node, zab.voters(), trace)?;
            self.sessions.check(node, trace)?;
        }
        self.epochs
            .check_adoptions(&step)
            .map_err(breach(epochs::ADOPTION))?;
        self.oracle
            .note_proposals(&step)
            .map_err(breach(oracle::PRIMARY_ORDER))?;
        self.oracle
            .check_established(&step)
            .map_err(breach(oracle::COMPLETENESS))?;
        let known = self.oracle.len();
        self.oracle.check_commits(&step).map_err(breach(oracle::NAME))?;
        durable::check(&step, &self.oracle, known).map_err(breach(durable::NAME))?;
        self.states
            .check(node, traces, &self.oracle)
            .map_err(breach(states::NAME))?;
        self.reads
            .check(node, traces, self.oracle.last())
            .map_err(breach(sessions::BARRIER))?;
        self.look(node, zab, traces, durable)
            .map_err(breach(mirror::NAME))
    }

    fn stopped(&mut self, node: NodeId) {
        if let Some(view) = self.views.get_mut(node) {
            view.running = false;
            view.written_epochs.clear();
        }
        self.sessions.stopped(node);
        self.reads.stopped(node);
        self.states.stopped(node);
    }

    fn wiped(&mut self, node: NodeId) {
        self.views.remove(node);
    }

    fn full(&mut self, nodes: &BTreeMap<NodeId, &Zab>) -> Result<(), Breach> {
        for (node, zab) in nodes {
            self.oracle
                .full(zab)
                .map_err(|what| Breach::new(oracle::NAME, *node, what))?;
        }
        Ok(())
    }
}

impl Invariants {
    fn look(&mut self, node: NodeId, zab: &Zab, traces: &[Trace], durable: Lsn) -> Result<(), String> {
        let view = self.views.get_or_insert_with(node, || View {
            log: Mirror::default(),
            committed: zab.committed(),
            epochs: zab.epochs(),
            durable_epochs: Epochs::default(),
            written_epochs: VecDeque::new(),
            running: true,
        });
        view.log.follow(zab, traces, durable)?;
        view.committed = zab.committed();
        view.epochs = zab.epochs();
        let written = (zab.epochs_at(), zab.epochs());
        if view.written_epochs.back() != Some(&written) {
            view.written_epochs.push_back(written);
        }
        while let Some((at, epochs)) = view.written_epochs.front()
            && *at <= durable
        {
            view.durable_epochs = *epochs;
            view.written_epochs.pop_front();
        }
        view.running = true;
        Ok(())
    }
}
