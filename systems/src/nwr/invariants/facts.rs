//! The invariants that traces alone decide: Q-I1, Q-I2, Q-I4 without real time, H-I1, H-I5.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::super::settings::{ReadMode, Versions};
use super::super::types::{Kind, Trace, View};
use super::super::{Settings, views};
use crate::api::Tag;
use crate::breach::{Breach, Judge};
use crate::replica::{Cluster, NodeId};
use crate::ring::{Correct, Ring};

const MONOTONE: (&str, &str) = ("Q-I1", "versions of a replica never fall");
const FUNCTION: (&str, &str) = ("Q-I2", "a version has one value");
pub(super) const QUORUM: (&str, &str) = ("Q-I4", "quorums");
const PLACEMENT: (&str, &str) = ("H-I1", "the same members place a key alike");
const OWN_VIEW: (&str, &str) = ("H-I8", "requests of the own view only");
const DISTINCT: (&str, &str) = ("H-I5", "replicas are distinct nodes");

/// What nodes recorded so far.
#[derive(Clone, Debug)]
pub struct Facts {
    settings: Settings,
    /// What each node holds of each key: its newest version.
    held: BTreeMap<NodeId, FxHashMap<Arc<str>, Tag>>,
    values: FxHashMap<(Arc<str>, Tag), u64>,
    /// Who the members are in each epoch, and which nodes took that over and have not lost it.
    views: BTreeMap<u64, (View, BTreeSet<NodeId>)>,
}

impl Facts {
    /// Nothing was recorded yet.
    pub fn new(settings: Settings) -> Self {
        Facts {
            settings,
            held: BTreeMap::new(),
            values: FxHashMap::default(),
            views: BTreeMap::new(),
        }
    }

    fn ordered(&self) -> bool {
        self.settings.versions != Versions::Vector
    }

    /// What a node holds may have been lost with the end of its log.
    pub fn stopped(&mut self, node: NodeId) {
        self.held.remove(&node);
    }

    /// A node lost its disk.
    pub fn wiped(&mut self, node: NodeId) {
        self.held.remove(&node);
    }

    /// Takes in what a node recorded.
    ///
    /// # Errors
    /// The first invariant found broken.
    pub fn observe(&mut self, node: NodeId, trace: &Trace) -> Result<(), Breach> {
        let breach = |name: (&'static str, &'static str)| move |what: String| Breach::new(name, node, what);
        match trace {
            Trace::Recovered { epoch, .. } => {
                self.stopped(node);
                self.lost_views(node, *epoch);
            }
            // A removal that is forgotten stays known here: an older value that comes back came back.
            Trace::Wrote { key, versions, .. } => self.wrote(node, key, versions)?,
            Trace::Adopted { view, sample } => {
                self.adopted(node, view, sample).map_err(breach(PLACEMENT))?;
                if view.renewed.contains(&node) && self.settings.forgets_removals() {
                    self.held.remove(&node);
                } else if !view.settled
                    && let Some(held) = self.held.get_mut(&node)
                {
                    keep_own(held, node, view, &self.settings);
                }
            }
            Trace::ServedOther { epoch, mine } => {
                let what = format!("in epoch {mine} it serves a request of epoch {epoch}");
                return Err(Breach::new(OWN_VIEW, node, what));
            }
            Trace::Done { .. } => {
                distinct(trace, &self.settings).map_err(breach(DISTINCT))?;
                self.quorum(trace).map_err(breach(QUORUM))?;
            }
            _ => {}
        }
        Ok(())
    }

    fn wrote(&mut self, node: NodeId, key: &Arc<str>, versions: &[(Tag, u64)]) -> Result<(), Breach> {
        for (tag, digest) in versions {
            let known = *self.values.entry((Arc::clone(key), *tag)).or_insert(*digest);
            if known != *digest {
                let what = format!("{key} has two values under {}", told(*tag));
                return Err(Breach::new(FUNCTION, node, what));
            }
        }
        let newest = versions.iter().map(|(tag, _)| *tag).max();
        let Some(newest) = newest.filter(|_| self.ordered()) else {
            return Ok(());
        };
        let held = self.held.entry(node).or_default();
        match held.insert(Arc::clone(key), newest) {
            Some(before) if before > newest => {
                let what = format!(
                    "its version of {key} fell from {} to {}",
                    told(before),
                    told(newest)
                );
                Err(Breach::new(MONOTONE, node, what))
            }
            _ => Ok(()),
        }
    }

    /// What the end of its log held is lost: a view that nobody else took over may be made anew, otherwise.
    fn lost_views(&mut self, node: NodeId, epoch: u64) {
        for (_, holders) in self.views.range_mut(epoch + 1..).map(|(_, known)| known) {
            holders.remove(&node);
        }
        self.views.retain(|_, (_, holders)| !holders.is_empty());
    }

    fn adopted(&mut self, node: NodeId, view: &View, sample: &[Vec<NodeId>]) -> Result<(), String> {
        let (known, holders) = self
            .views
            .entry(view.epoch)
            .or_insert_with(|| (view.clone(), BTreeSet::new()));
        holders.insert(node);
        if known != view {
            return Err(format!("epoch {} has two views", view.epoch));
        }
        let settings = &self.settings;
        let ring = Ring::of(&view.members, settings.shape);
        for (key, placed) in views::sample().iter().zip(sample) {
            let right = ring.replicas(key, settings.n, &Correct);
            if *placed != right {
                return Err(format!(
                    "in epoch {} it places {key} on {}; these members place it on {}",
                    view.epoch,
                    names(placed),
                    names(&right)
                ));
            }
        }
        Ok(())
    }

    /// E2, E4 and E6: enough distinct replicas took part, and what was returned is the newest among them.
    fn quorum(&self, trace: &Trace) -> Result<(), String> {
        let Trace::Done {
            key,
            kind,
            of,
            before,
            need,
            answers,
            tag,
            stored,
            ..
        } = trace
        else {
            return Ok(());
        };
        let sloppy = self.settings.sloppy;
        let counted: BTreeSet<NodeId> = answers.iter().map(|(node, _)| *node).collect();
        for set in [of, before].into_iter().filter(|set| !set.is_empty() && !sloppy) {
            let among = counted.iter().filter(|node| set.contains(node)).count();
            if among < usize::from(*need) {
                return Err(format!(
                    "an operation on {key} was done with {among} of {} where {need} are needed",
                    names(set)
                ));
            }
        }
        if *kind != Kind::Read || !self.ordered() {
            return Ok(());
        }
        let newest = answers.iter().filter_map(|(_, tag)| *tag).max();
        if newest != *tag {
            return Err(format!(
                "a read of {key} returned {}, and the newest answer was {}",
                tag.map_or("nothing".to_owned(), told),
                newest.map_or("nothing".to_owned(), told)
            ));
        }
        if let Some(tag) = tag
            && self.settings.reads == ReadMode::Abd
        {
            let holders: BTreeSet<NodeId> = stored.iter().copied().collect();
            if holders.len() < self.settings.w {
                return Err(format!(
                    "an atomic read of {key} returned {} when {} of {} replicas were known to hold it",
                    told(*tag),
                    holders.len(),
                    self.settings.w
                ));
            }
        }
        Ok(())
    }
}

/// A node lets go of keys that others hold in this view, or in the one of before where a change begins.
pub(super) fn keep_own<V>(held: &mut FxHashMap<Arc<str>, V>, node: NodeId, view: &View, settings: &Settings) {
    let ring = Ring::of(view.agreed(), settings.shape);
    held.retain(|key, _| ring.replicas(key, settings.n, &Correct).contains(&node));
}

/// E1: as many distinct replicas as there should be.
fn distinct(trace: &Trace, settings: &Settings) -> Result<(), String> {
    let Trace::Done { key, of, .. } = trace else {
        return Ok(());
    };
    let distinct: BTreeSet<&NodeId> = of.iter().collect();
    let wanted = settings.n;
    if distinct.len() != of.len() || of.len() != wanted {
        return Err(format!(
            "{key} has the replicas {}, not {wanted} nodes",
            names(of)
        ));
    }
    Ok(())
}

pub(super) fn told(tag: Tag) -> String {
    format!("version {}.{}", tag.counter, tag.node)
}

fn names(nodes: &[NodeId]) -> String {
    nodes.iter().map(NodeId::to_string).collect::<Vec<_>>().join(", ")
}

/// Judges the recorded traces of processes: the newest version of a node may be lost with a kill, so Q-I1 is judged within an
/// incarnation.
#[derive(Clone, Debug)]
pub struct Recorded(Facts);

impl Recorded {
    /// A cluster that has not started.
    pub fn new(cluster: &Cluster) -> Self {
        Recorded(Facts::new(Settings::parse(&cluster.settings).unwrap_or_default()))
    }
}

impl Judge<Trace> for Recorded {
    fn observe(&mut self, node: NodeId, trace: &Trace) -> Result<(), Breach> {
        self.0.observe(node, trace)
    }

    fn finish(&mut self) -> Result<(), Breach> {
        Ok(())
    }
}
