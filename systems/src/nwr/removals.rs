//! How removals are forgotten.
//!
//! A removal is held like a value, so that it wins over older ones. It may be forgotten once all replicas of its key hold it, or
//! something newer: then no replica holds anything older, and none must ever take that again. Three things may bring it back:
//!
//! - **A new version below the removal.** So a node keeps one number, durably: the greatest counter of a removal that it forgot.
//!   It says so where it holds no value, and a writer goes above it. Each replica of the key holds the removal or has such a
//!   number, so any that a writer hears is enough. Whoever fetches keys for a view takes over the number.
//! - **An old message or hint.** So a node that holds no value takes nothing at or below its number from anybody who tells it to.
//!   It asks the other replicas what they hold *now*, and takes it from them: what they hold after it has forgotten a removal
//!   cannot be older than that. If none of them holds anything, what was kept for it has had its day. A node that is to hold a key
//!   under a new view does the same with what was chosen under an earlier one, until it has fetched its keys.
//! - **An old answer.** A reader that hears an old version from one replica, and later from another one that it holds nothing and
//!   has a number as great, asks all again, until none of those has forgotten anything since it asked.
//!
//! With version vectors, with clocks instead of counters and in sloppy quorums (where who stands in for a replica may hold what
//! is older) removals are kept for ever.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::marks::Place;
use super::operations::Counted;
use super::replicas::Held;
use super::types::{Cell, Epoch, Forgotten, Message, Record, Ticket, Trace, Version, is_removed, newest};
use super::{Cx, Nwr};
use crate::api::Tag;
use crate::replica::NodeId;

/// What a node was told to hold of a key, and does not trust.
#[derive(Clone, Debug, Default)]
pub(super) struct Doubt {
    /// The newest version that it was told of.
    told: Option<Tag>,
    /// Who held nothing as new.
    denied: BTreeSet<NodeId>,
}

impl Nwr {
    pub(super) fn on_removed(&mut self, key: &str, tag: Tag) {
        let may = self.settings.forgets_removals();
        if let Some(held) = self.cells.get_mut(key).filter(|_| may)
            && newest(&held.cell) == Some(tag)
        {
            held.known_to_all = true;
        }
    }

    /// Forgets keys that were removed long ago.
    pub(super) fn collect_garbage(&mut self, cx: &mut Cx) {
        // While the ring changes, those who hold a key now need not be those who serve it.
        if !self.settings.forgets_removals() || self.view.before.is_some() || !self.identity.ready {
            return;
        }
        let (now, grace) = (cx.now, self.settings.gc_grace);
        let forgets = |held: &Held| {
            let age = now.saturating_sub(held.since);
            is_removed(&held.cell) && !self.rules.keeps_tombstone(held.known_to_all, age, grace)
        };
        let old: Vec<(Arc<str>, Tag)> = self
            .cells
            .iter()
            .filter(|(_, held)| forgets(held))
            .filter_map(|(key, held)| Some((Arc::clone(key), newest(&held.cell)?)))
            .collect();
        for (key, tag) in old {
            self.rules.reach(Place::Forgotten as u8);
            self.forgets = self.forgets.wrapping_add(1);
            self.go_above(tag.counter, cx);
            self.cells.remove(&key);
            self.doubts.remove(&key);
            cx.trace(Trace::Forgot {
                key: Arc::clone(&key),
                tag,
            });
            let cell = Vec::new();
            self.append(Record::Cell { key, cell }, cx);
        }
    }

    /// Whether it holds a removal that all replicas hold, or have forgotten since.
    pub(super) fn is_known_to_all(&self, key: &str) -> bool {
        self.cells.get(key).is_some_and(|held| held.known_to_all)
    }

    /// A replica that answers tells of removals.
    pub(super) fn hear_of_removals(
        &mut self,
        from: NodeId,
        ticket: Ticket,
        known_to_all: Option<Tag>,
        forgotten: Forgotten,
    ) {
        if let Some(operation) = self.operations.get_mut(&ticket) {
            operation.known_to_all = operation.known_to_all.max(known_to_all);
            operation.forgotten.insert(from, forgotten);
        }
    }

    /// All replicas, as those that hold a removal.
    pub(super) fn all_know(&self, key: &str, cell: &Cell) -> Vec<Counted> {
        let counted = |replica| Counted::answer(replica, self.view.epoch, cell.clone());
        self.readers(key).into_iter().map(counted).collect()
    }

    /// Removals up to this counter may be forgotten: new versions go above it.
    pub(super) fn go_above(&mut self, forgotten: u64, cx: &mut Cx) {
        if forgotten > self.forgotten {
            self.forgotten = forgotten;
            self.append(Record::Forgotten(forgotten), cx);
        }
    }

    /// Whether what it is told to hold may be older than a removal that it has forgotten, or that those have forgotten from whom
    /// it is fetching the key. What was chosen under its view is newer than those.
    pub(super) fn is_doubtful(&self, key: &str, cell: &[Version], chosen: Epoch) -> bool {
        if !self.settings.forgets_removals() {
            return false;
        }
        let (told, held) = (newest(cell), self.cells.get(key));
        let fetches = self.view.before.is_some() && !self.view.settled && self.synced < self.view.epoch;
        let had_it = || !self.is_renewed() && self.holders(key).1.contains(&self.me);
        let old = told.is_some_and(|tag| !self.rules.may_take(tag.counter, self.forgotten))
            || (chosen < self.view.epoch && fetches && !had_it());
        old && held.is_none_or(|held| is_removed(&held.cell) && newest(&held.cell) < told)
    }

    /// Asks the other replicas whether they hold that, or something newer.
    pub(super) fn ask_whether(&mut self, key: &Arc<str>, cell: &[Version], cx: &mut Cx) {
        self.rules.reach(Place::Doubted as u8);
        let doubt = self.doubts.entry(Arc::clone(key)).or_default();
        if doubt.told < newest(cell) {
            *doubt = Doubt {
                told: newest(cell),
                denied: BTreeSet::new(),
            };
        }
        let (epoch, forgets) = (self.view.epoch, self.forgets);
        for node in self.other_replicas(key) {
            let key = Arc::clone(key);
            self.send_now(node, Message::Doubt { epoch, key, forgets }, cx);
        }
    }

    fn other_replicas(&self, key: &str) -> Vec<NodeId> {
        let (mut others, before) = self.holders(key);
        others.extend(before);
        others.sort_unstable();
        others.dedup();
        others.retain(|node| *node != self.me);
        others
    }

    /// Whether each other replica has held nothing as new at some time since this node was first told of that.
    pub(super) fn all_deny(&self, key: &str, cell: &[Version]) -> bool {
        let doubt = self.doubts.get(key).filter(|doubt| doubt.told >= newest(cell));
        let denies = |doubt: &Doubt| {
            self.other_replicas(key)
                .iter()
                .all(|node| doubt.denied.contains(node))
        };
        doubt.is_some_and(denies)
    }

    pub(super) fn on_doubt(&mut self, from: NodeId, epoch: Epoch, key: Arc<str>, forgets: u64, cx: &mut Cx) {
        if epoch != self.view.epoch || !self.identity.ready {
            return;
        }
        let known = self.is_known_to_all(&key);
        let cell = if known { Vec::new() } else { self.held(&key) };
        let sure = Message::Sure {
            epoch,
            key,
            forgets,
            cell,
        };
        self.send(from, sure, cx);
    }

    pub(super) fn on_sure(
        &mut self,
        from: NodeId,
        (epoch, forgets): (Epoch, u64),
        key: &Arc<str>,
        cell: Cell,
        cx: &mut Cx,
    ) {
        if epoch != self.view.epoch || forgets != self.forgets {
            return;
        }
        let Some(doubt) = self.doubts.get_mut(key) else {
            return;
        };
        if newest(&cell) < doubt.told {
            doubt.denied.insert(from);
        } else {
            self.doubts.remove(key);
        }
        self.apply(key, cell, cx);
    }
}
