//! A member fetches what it has to hold under a new view, before the view before it ends.
//!
//! It asks the members of before, which have taken over the view and so no longer serve requests of the one before it. Of a
//! key's N replicas of before, N − W + 1 must have answered: every write that completed under the old view is at one of them
//! at least. Asking all members but W − 1 makes sure of that for every key; a node that lost what it held asks all but W − 2,
//! since its own acknowledgement may be one of the W.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::marks::Place;
use super::types::{Cell, Epoch, Message};
use super::{Cx, Nwr};
use crate::replica::NodeId;

/// How many keys one part holds.
const KEYS: usize = 64;

/// Fetching what a view demands.
#[derive(Clone, Debug)]
pub(super) struct Pulls {
    epoch: Epoch,
    /// From whom, with the last key that was received; done if there is none to come.
    from: BTreeMap<NodeId, Progress>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Progress {
    after: Option<Arc<str>>,
    done: bool,
}

impl Nwr {
    pub(super) fn begin_pulling(&mut self, joins: bool, cx: &mut Cx) {
        let epoch = self.view.epoch;
        if self.view.settled {
            return self.acknowledge(cx);
        }
        if self.synced >= epoch || !(self.is_renewed() || self.rules.must_pull(joins)) {
            return self.caught_up(cx);
        }
        let sources = self.view.readers().iter().filter(|node| **node != self.me);
        let from = sources.map(|node| {
            let progress = Progress {
                after: None,
                done: false,
            };
            (*node, progress)
        });
        self.pulls = Some(Pulls {
            epoch,
            from: from.collect(),
        });
        self.go_on_pulling(cx);
    }

    /// Asks those that are not done; reports again if all are.
    pub(super) fn go_on_pulling(&mut self, cx: &mut Cx) {
        let Some(pulls) = &self.pulls else {
            let member = self.view.members.contains(&self.me);
            if self.view.settled {
                self.acknowledge(cx);
            } else if self.view.before.is_some() && member && self.synced == self.view.epoch {
                self.caught_up(cx);
            }
            return;
        };
        let epoch = pulls.epoch;
        let open = pulls.from.iter().filter(|(_, progress)| !progress.done);
        let open: Vec<_> = open
            .map(|(node, progress)| (*node, progress.after.clone()))
            .collect();
        for (node, after) in open {
            self.send(node, Message::Pull { epoch, after }, cx);
        }
        self.end_pulling(cx);
    }

    pub(super) fn on_pull(&mut self, from: NodeId, epoch: Epoch, after: Option<Arc<str>>, cx: &mut Cx) {
        if epoch != self.view.epoch {
            let mine = self.view.clone();
            return self.send(from, Message::View(mine), cx);
        }
        // One that lost its disk has nothing to say.
        if !self.identity.ready {
            return;
        }
        use std::ops::Bound;
        let begin = after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut wanted = self
            .cells
            .range::<str, _>((begin, Bound::Unbounded))
            .filter(|(_, held)| held.replicas.contains(&from));
        let cells: Vec<_> = wanted
            .by_ref()
            .take(KEYS)
            .map(|(key, held)| (Arc::clone(key), held.cell.clone()))
            .collect();
        let last = wanted.next().is_none();
        let message = Message::Part {
            epoch,
            after,
            cells,
            last,
            forgotten: self.forgotten,
        };
        self.send(from, message, cx);
    }

    pub(super) fn on_part(
        &mut self,
        from: NodeId,
        epoch: Epoch,
        after: Option<Arc<str>>,
        (cells, last, forgotten): (Vec<(Arc<str>, Cell)>, bool, u64),
        cx: &mut Cx,
    ) {
        let current = epoch == self.view.epoch;
        let Some(progress) = self
            .pulls
            .as_mut()
            .filter(|_| current)
            .and_then(|pulls| pulls.from.get_mut(&from))
        else {
            return;
        };
        if progress.done || progress.after != after {
            return;
        }
        progress.done = last;
        if let Some((key, _)) = cells.last() {
            progress.after = Some(Arc::clone(key));
        }
        let after = progress.after.clone();
        self.go_above(forgotten, cx);
        for (key, cell) in cells {
            self.apply(&key, cell, cx);
        }
        if !last {
            self.send(from, Message::Pull { epoch, after }, cx);
        }
        self.end_pulling(cx);
    }

    fn end_pulling(&mut self, cx: &mut Cx) {
        let Some(pulls) = &self.pulls else {
            return;
        };
        let renewed = self.is_renewed() || !self.identity.ready;
        let spared = self.settings.w.saturating_sub(if renewed { 2 } else { 1 });
        let done = pulls.from.values().filter(|progress| progress.done).count();
        if done + spared >= pulls.from.len() {
            self.pulls = None;
            self.rules.reach(Place::CaughtUp as u8);
            self.caught_up(cx);
        }
    }
}
