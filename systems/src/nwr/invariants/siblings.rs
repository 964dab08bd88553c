//! Q-I6: a version that was acknowledged goes from a replica only when another one takes its place that knew of it.
//!
//! What knew of what is taken from what coordinators say that they read, not from version vectors: a vector that is wrong
//! claims to include what nobody read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::super::Settings;
use super::super::settings::Versions;
use super::super::types::{Kind, Trace};
use super::facts::{keep_own, told};
use crate::api::Tag;
use crate::replica::NodeId;

pub(super) const NAME: (&str, &str) = ("Q-I6", "acknowledged versions are not lost");

/// What stands beside what.
#[derive(Clone, Debug)]
pub(super) struct Siblings {
    judged: bool,
    settings: Settings,
    /// What each version took the place of.
    replaces: FxHashMap<(Arc<str>, Tag), Vec<Tag>>,
    acknowledged: FxHashSet<(Arc<str>, Tag)>,
    held: BTreeMap<NodeId, FxHashMap<Arc<str>, Vec<Tag>>>,
    /// The view of each node.
    epochs: BTreeMap<NodeId, u64>,
}

impl Siblings {
    pub(super) fn new(settings: &Settings) -> Self {
        Siblings {
            judged: settings.versions == Versions::Vector,
            settings: settings.clone(),
            replaces: FxHashMap::default(),
            acknowledged: FxHashSet::default(),
            held: BTreeMap::new(),
            epochs: BTreeMap::new(),
        }
    }

    pub(super) fn stopped(&mut self, node: NodeId) {
        self.held.remove(&node);
    }

    pub(super) fn check(&mut self, node: NodeId, trace: &Trace) -> Result<(), String> {
        if !self.judged {
            return Ok(());
        }
        match trace {
            Trace::Tagged {
                key, tag, replaces, ..
            } => drop(self.replaces.insert((Arc::clone(key), *tag), replaces.clone())),
            Trace::Done {
                key,
                kind,
                tag: Some(tag),
                answers,
                epoch,
                ..
            } if *kind != Kind::Read => {
                self.acknowledged.insert((Arc::clone(key), *tag));
                // One that has gone on to another view may have let go of it, and be fetching it again.
                let here = |replica: &NodeId| self.epochs.get(replica) == Some(epoch);
                for (replica, _) in answers.iter().filter(|(replica, _)| here(replica)) {
                    let held = self.held.get(replica).and_then(|keys| keys.get(key));
                    if held.is_some_and(|held| !self.knows(key, held, *tag)) {
                        return Err(format!(
                            "{} of {key} is done, and {replica}, which counts for it, neither holds it nor what knew of it",
                            told(*tag)
                        ));
                    }
                }
            }
            // What it lets go of is kept by others, from whom it may have it again, part by part.
            Trace::Adopted { view, .. } => {
                self.epochs.insert(node, view.epoch);
                if let Some(held) = self.held.get_mut(&node).filter(|_| view.before.is_none()) {
                    keep_own(held, node, view, &self.settings);
                }
            }
            Trace::Wrote { key, versions, .. } => {
                let now: Vec<Tag> = versions.iter().map(|(tag, _)| *tag).collect();
                let before = self
                    .held
                    .entry(node)
                    .or_default()
                    .insert(Arc::clone(key), now.clone())
                    .unwrap_or_default();
                let mut gone = before.into_iter().filter(|tag| !now.contains(tag));
                let lost = gone.find(|tag| {
                    self.acknowledged.contains(&(Arc::clone(key), *tag)) && !self.knows(key, &now, *tag)
                });
                if let Some(lost) = lost {
                    let what = format!(
                        "{} of {key} was acknowledged, and went without a trace",
                        told(lost)
                    );
                    return Err(what);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether one of these versions is this one, or took its place by way of others.
    fn knows(&self, key: &Arc<str>, versions: &[Tag], wanted: Tag) -> bool {
        let (mut seen, mut todo): (BTreeSet<Tag>, Vec<Tag>) = (BTreeSet::new(), versions.to_vec());
        while let Some(tag) = todo.pop() {
            if tag == wanted {
                return true;
            }
            if seen.insert(tag) {
                todo.extend(self.replaces.get(&(Arc::clone(key), tag)).into_iter().flatten());
            }
        }
        false
    }
}
