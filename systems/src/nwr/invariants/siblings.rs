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
    /// The view of each node, if all that it acknowledged under it is on the disk that it has.
    epochs: BTreeMap<NodeId, u64>,
    /// The last view of each node that lost its disk, at that time. What it acknowledged until then counts for what it held;
    /// it answers for nothing before a later view has brought it what it lost.
    lost: BTreeMap<NodeId, u64>,
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
            lost: BTreeMap::new(),
        }
    }

    pub(super) fn stopped(&mut self, node: NodeId) {
        self.held.remove(&node);
    }

    /// A node lost its disk.
    pub(super) fn wiped(&mut self, node: NodeId) {
        self.stopped(node);
        if let Some(epoch) = self.epochs.remove(&node) {
            self.lost.insert(node, epoch);
        }
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
                self.epochs.remove(&node);
                if self.lost.get(&node).is_none_or(|lost| view.epoch > *lost) {
                    self.epochs.insert(node, view.epoch);
                }
                if let Some(held) = self.held.get_mut(&node).filter(|_| !view.settled) {
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

#[cfg(test)]
mod tests {
    use super::super::super::types::View;
    use super::*;
    use crate::replica::{Lsn, RequestId};

    const KEY: &str = "x";
    const OLD: Tag = tag(2, 4);
    const NEW: Tag = tag(3, 3);

    const fn tag(counter: u64, node: u16) -> Tag {
        Tag {
            counter,
            node: NodeId(node),
            life: 1,
        }
    }

    fn adopted(epoch: u64) -> Trace {
        Trace::Adopted {
            view: View {
                epoch,
                members: (1..=3).map(NodeId).collect(),
                before: None,
                settled: false,
                renewed: Vec::new(),
            },
            sample: Vec::new(),
        }
    }

    fn wrote(tag: Tag) -> Trace {
        Trace::Wrote {
            at: Lsn(1),
            key: KEY.into(),
            versions: vec![(tag, tag.counter)],
        }
    }

    /// A write of the new version that counts n1 and n3.
    fn done(epoch: u64) -> Trace {
        Trace::Done {
            id: RequestId(1),
            key: KEY.into(),
            kind: Kind::Add,
            epoch,
            of: (1..=3).map(NodeId).collect(),
            before: Vec::new(),
            need: 2,
            answers: [1, 3].map(|node| (NodeId(node), Some(NEW))).to_vec(),
            tag: Some(NEW),
            stored: Vec::new(),
        }
    }

    fn all_hold(siblings: &mut Siblings, traces: &[(u16, Trace)]) {
        for (node, trace) in traces {
            assert_eq!(siblings.check(NodeId(*node), trace), Ok(()), "{trace:?}");
        }
    }

    /// n1 and n3 have stored the new version, under the third view.
    fn stored() -> Siblings {
        let settings = [("versions", "vector")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        let settings = Settings::parse(&settings.into()).expect("settings that can be");
        let mut siblings = Siblings::new(&settings);
        for node in [1, 3] {
            all_hold(&mut siblings, &[(node, adopted(3)), (node, wrote(NEW))]);
        }
        siblings
    }

    /// n1 is counted for a write, loses its disk, and is handed something older that was kept for it, all before the write is
    /// done under the same view. It does not answer reads until it has fetched what it lost.
    #[test]
    fn a_disk_that_was_lost_counts_for_what_it_held() {
        let mut siblings = stored();
        siblings.wiped(NodeId(1));
        let after = [(1, adopted(0)), (1, wrote(OLD)), (1, adopted(3)), (3, done(3))];
        all_hold(&mut siblings, &after);
    }

    #[test]
    fn a_new_disk_counts_only_for_what_it_holds() {
        let mut siblings = stored();
        siblings.wiped(NodeId(1));
        let renewed = [(1, adopted(0)), (1, adopted(6)), (3, adopted(6)), (1, wrote(OLD))];
        all_hold(&mut siblings, &renewed);
        assert!(siblings.check(NodeId(3), &done(6)).is_err());
    }

    #[test]
    fn a_node_that_was_killed_still_holds_what_it_counts_for() {
        let mut siblings = stored();
        siblings.stopped(NodeId(1));
        all_hold(&mut siblings, &[(1, adopted(3)), (1, wrote(OLD))]);
        assert!(siblings.check(NodeId(3), &done(3)).is_err());
    }
}
