//! What a replica holds, and what it says of it.

use std::sync::Arc;
use std::time::Duration;

use super::marks::Place;
use super::rules::quorums::Gate;
use super::rules::versions::Order;
use super::settings::Versions;
use super::types::{
    Cell, Epoch, Forgotten, Message, Record, Ticket, Trace, Version, cell_digest, is_removed, newest,
};
use super::{Cx, Nwr};
use crate::digest::digest;
use crate::replica::NodeId;

/// What is held of a key.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) cell: Cell,
    /// A hash of it.
    pub(super) digest: u64,
    /// The key's replicas under the node's view.
    pub(super) replicas: Vec<NodeId>,
    /// Since when it is held.
    pub(super) since: Duration,
    /// Whether all replicas are known to hold it: of use for what was removed.
    pub(super) known_to_all: bool,
}

impl Nwr {
    pub(super) fn on_ask(&mut self, from: NodeId, ticket: Ticket, epoch: Epoch, key: Arc<str>, cx: &mut Cx) {
        if !self.serves(from, ticket, epoch, cx) {
            return;
        }
        if !self.identity.ready {
            self.rules.reach(Place::NotReady as u8);
            let view = self.view.clone();
            return self.send(from, Message::Refused { ticket, view }, cx);
        }
        let cell = self.held(&key);
        let forgotten = Forgotten {
            greatest: if is_removed(&cell) { self.forgotten } else { 0 },
            times: self.forgets,
        };
        let answer = Message::Answer {
            ticket,
            epoch,
            cell,
            known_to_all: self.is_known_to_all(&key),
            forgotten,
        };
        // A reader may rely on it, so it must not be lost.
        self.send(from, answer, cx);
    }

    /// Whether it serves a request of this epoch; the sender is told if not.
    fn serves(&mut self, from: NodeId, ticket: Ticket, epoch: Epoch, cx: &mut Cx) -> bool {
        let serves = self.rules.accepts_epoch(epoch, self.view.epoch);
        if !serves {
            self.rules.reach(if epoch < self.view.epoch {
                Place::OldEpochRefused as u8
            } else {
                Place::NewEpochRefused as u8
            });
            let view = self.view.clone();
            self.send(from, Message::Refused { ticket, view }, cx);
        } else if epoch != self.view.epoch {
            let mine = self.view.epoch;
            cx.trace(Trace::ServedOther { epoch, mine });
        }
        serves
    }

    pub(super) fn held(&self, key: &str) -> Cell {
        self.cells
            .get(key)
            .map(|held| held.cell.clone())
            .unwrap_or_default()
    }

    pub(super) fn on_store(
        &mut self,
        from: NodeId,
        (ticket, epoch): (Ticket, Epoch),
        key: Arc<str>,
        (cell, chosen): (Cell, Epoch),
        hint_for: Option<NodeId>,
        cx: &mut Cx,
    ) {
        if !self.serves(from, ticket, epoch, cx) {
            return;
        }
        let tag = if let Some(node) = hint_for {
            let tag = newest(&cell);
            self.keep_hint(node, key, cell, cx);
            tag
        } else if self.is_doubtful(&key, &cell, chosen) {
            return self.ask_whether(&key, &cell, cx);
        } else {
            self.apply(&key, cell, cx);
            newest(&self.held(&key))
        };
        if ticket == 0 {
            return;
        }
        if !self.is_known() {
            // Taken for new with an empty disk, it would answer without what it acknowledged.
            self.rules.reach(Place::NotReady as u8);
            return;
        }
        let message = Message::Stored {
            ticket,
            epoch,
            tag,
            hint_for,
        };
        match self.rules.ack_gate() {
            Gate::Durable => self.send(from, message, cx),
            Gate::AtOnce => self.send_now(from, message, cx),
        }
    }

    /// Takes in versions that are newer than those held.
    pub(super) fn apply(&mut self, key: &Arc<str>, cell: Cell, cx: &mut Cx) {
        let held = self.held(key);
        let mut next = held.clone();
        for version in cell {
            self.take_in(&mut next, version);
        }
        if next != held {
            self.hold(key, next, cx);
        }
    }

    fn take_in(&self, cell: &mut Cell, version: Version) {
        if self.settings.versions != Versions::Vector {
            match cell.first().map(|held| held.tag) {
                None => cell.push(version),
                Some(held) if held == version.tag => {}
                Some(held) if self.rules.applies(version.tag, held) => *cell = vec![version],
                Some(_) => self.rules.reach(Place::OlderIgnored as u8),
            }
            return;
        }
        let (mut keeps, mut included) = (Vec::with_capacity(cell.len() + 1), false);
        for held in cell.drain(..) {
            match self.rules.order(&held.clock, &version.clock) {
                Order::Before => {}
                Order::Same | Order::After => {
                    included = true;
                    keeps.push(held);
                }
                Order::Concurrent => {
                    self.rules.reach(Place::SiblingKept as u8);
                    if self.rules.keeps_sibling(held.tag > version.tag) {
                        keeps.push(held);
                    }
                }
            }
        }
        if !included {
            keeps.push(version);
        }
        keeps.sort_by_key(|version| version.tag);
        *cell = keeps;
    }

    /// All versions of these cells that no other one includes.
    pub(super) fn merged(&self, cells: &[Cell]) -> Cell {
        let mut merged = Cell::new();
        for version in cells.iter().flatten() {
            self.take_in(&mut merged, version.clone());
        }
        merged
    }

    /// Holds this from now on.
    pub(super) fn hold(&mut self, key: &Arc<str>, cell: Cell, cx: &mut Cx) {
        let versions = cell
            .iter()
            .map(|version| (version.tag, digest(&(&version.value, &version.clock))))
            .collect();
        let record = Record::Cell {
            key: Arc::clone(key),
            cell: cell.clone(),
        };
        let at = self.append(record, cx);
        cx.trace(Trace::Wrote {
            at,
            key: Arc::clone(key),
            versions,
        });
        self.put(key, cell, cx.now);
    }

    /// The same, of what is durable.
    pub(super) fn put(&mut self, key: &Arc<str>, cell: Cell, now: Duration) {
        if cell.is_empty() {
            self.cells.remove(key);
            return;
        }
        let digest = cell_digest(key, &cell);
        let replicas = match self.cells.get(key) {
            Some(held) => held.replicas.clone(),
            None => self.replicas(key),
        };
        let held = Held {
            cell,
            digest,
            replicas,
            since: now,
            known_to_all: false,
        };
        self.cells.insert(Arc::clone(key), held);
    }

    /// The ring changed: where its keys belong.
    pub(super) fn place_keys(&mut self) {
        let (ring, n, rules) = (&self.ring, self.settings.n, &self.rules);
        for (key, held) in &mut self.cells {
            held.replicas = ring.replicas(key, n, rules);
        }
    }

    /// Lets go of keys that other nodes have to hold: under the ring that is served, which is the one of before where a
    /// change begins. What it holds of other keys then is left over from views whose end it has missed. If it lost its disk, it fetches all
    /// anew: what it was told to hold since may be older than what others have forgotten, and who may rely on that asks so many
    /// others that one of them has it.
    pub(super) fn keep_own(&mut self) {
        let (me, n, rules) = (self.me, self.settings.n, &self.rules);
        let before = self.cells.len();
        match &self.old_ring {
            Some(_) if self.is_renewed() && self.settings.forgets_removals() => self.cells.clear(),
            Some(old) => self
                .cells
                .retain(|key, _| old.replicas(key, n, rules).contains(&me)),
            None => self.cells.retain(|_, held| held.replicas.contains(&me)),
        }
        if self.cells.len() < before {
            self.rules.reach(Place::HandedOn as u8);
        }
    }
}
