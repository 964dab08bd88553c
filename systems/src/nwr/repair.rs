//! How replicas that lag are brought up to date: read repair (Dynamo §5), hinted handoff (Dynamo §4.6) and anti-entropy by
//! Merkle trees (Dynamo §4.7).
//!
//! **Read repair.** Whoever answered a read with something older than what it returned is told to store that.
//!
//! **Handoff.** What a replica is too slow to store is kept, durably, by the next node on the ring behind the replicas, or by
//! the coordinator if there is none, and sent to the replica until it says that it has it. Only in a sloppy quorum does the
//! stand-in count.
//!
//! **Anti-entropy.** Each node compares itself with one other after the other: the keys that both have to hold form a tree of
//! 16 branches with 16 leaves each, by the hash of the key. Where branches differ, their leaves are compared; where leaves
//! differ, both send what they hold there.

use std::sync::Arc;

use super::marks::Place;
use super::operations::Counted;
use super::settings::Versions;
use super::types::{Cell, Epoch, Message, Record, Ticket, Trace, Version, newest};
use super::{Cx, Nwr};
use crate::api::Tag;
use crate::digest::{digest, scatter};
use crate::replica::NodeId;

/// Something that is kept for another node; once, however often it is to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hint {
    pub(super) node: NodeId,
    pub(super) key: Arc<str>,
    pub(super) cell: Cell,
}

const BRANCHES: u8 = 16;

/// The leaf of the tree in which a key is.
fn leaf_of(key: &str) -> u8 {
    (digest(&("leaf", key)) >> 56) as u8
}

impl Nwr {
    /// A replica answers a read that is over: it may lag.
    pub(super) fn answered_late(
        &mut self,
        from: NodeId,
        ticket: Ticket,
        epoch: Epoch,
        cell: Cell,
        cx: &mut Cx,
    ) {
        self.repair_late(from, ticket, &cell, cx);
        let Some(operation) = self.operations.get_mut(&ticket) else {
            return;
        };
        operation.answers.push(Counted::answer(from, epoch, cell));
        self.end_if_over(ticket, cx);
    }

    /// A replica that answered a read holds something older than what was returned.
    pub(super) fn repair_late(&mut self, replica: NodeId, ticket: Ticket, held: &[Version], cx: &mut Cx) {
        let Some(operation) = self.operations.get(&ticket) else {
            return;
        };
        let (read, mine) = (operation.tag(), newest(held));
        let behind = match self.settings.versions {
            Versions::Vector => operation.cell != held && !operation.cell.is_empty(),
            Versions::Counter | Versions::Clock => read > mine,
        };
        if !self.settings.read_repair || !behind || self.view.before.is_some() {
            return;
        }
        self.rules.reach(Place::ReadRepaired as u8);
        let (key, mut cell) = (Arc::clone(&operation.key), operation.cell.clone());
        for version in &mut cell {
            let fresh = Tag {
                counter: version.tag.counter + 1,
                node: self.me,
                life: self.life,
            };
            version.tag = self.rules.repair_tag(version.tag, fresh);
        }
        cx.trace(Trace::Repaired {
            key: Arc::clone(&key),
            replica,
        });
        let message = Message::Store {
            ticket: 0,
            epoch: self.view.epoch,
            key,
            cell,
            chosen: self.view.epoch,
            hint_for: None,
        };
        self.send_now(replica, message, cx);
    }

    /// Keeps for replicas that have been silent for long what they miss.
    pub(super) fn keep_for_the_silent(&mut self, ticket: Ticket, cx: &mut Cx) {
        let Some(operation) = self.operations.get(&ticket) else {
            return;
        };
        if !self.settings.handoff || cx.now.saturating_sub(operation.since) < self.settings.hint_after {
            return;
        }
        let (key, cell, epoch, chosen) = (
            Arc::clone(&operation.key),
            operation.cell.clone(),
            self.view.epoch,
            operation.chosen,
        );
        let silent: Vec<NodeId> = self
            .replicas(&key)
            .into_iter()
            .filter(|node| !operation.has_stored(*node, epoch) && !operation.hinted.contains(node))
            .collect();
        let n = self.settings.n;
        let walk = self.ring.replicas(&key, n + silent.len(), &self.rules);
        let long_ago = cx.now.saturating_sub(operation.since) >= 3 * self.settings.hint_after;
        for (place, node) in silent.into_iter().enumerate() {
            match walk.get(n + place) {
                Some(stand_in) if *stand_in != self.me && !long_ago => {
                    let message = Message::Store {
                        ticket,
                        epoch,
                        key: Arc::clone(&key),
                        cell: cell.clone(),
                        chosen,
                        hint_for: Some(node),
                    };
                    self.send_now(*stand_in, message, cx);
                }
                _ => {
                    self.keep_hint(node, Arc::clone(&key), cell.clone(), cx);
                    if let Some(operation) = self.operations.get_mut(&ticket) {
                        operation.hinted.insert(node);
                    }
                }
            }
        }
        self.end_if_over(ticket, cx);
    }

    pub(super) fn keep_hint(&mut self, node: NodeId, key: Arc<str>, cell: Cell, cx: &mut Cx) {
        let hint = Hint { node, key, cell };
        if self.hints.values().any(|kept| *kept == hint) {
            return;
        }
        self.rules.reach(Place::Hinted as u8);
        if self.rules.hint_is_durable() {
            let Hint { node, key, cell } = hint.clone();
            self.append(Record::Hint { node, key, cell }, cx);
        }
        cx.trace(Trace::Hinted {
            at: cx.written(),
            key: Arc::clone(&hint.key),
            replica: node,
            tag: newest(&hint.cell),
        });
        let ticket = self.next_ticket();
        self.hints.insert(ticket, hint);
    }

    pub(super) fn on_hint(&mut self, from: NodeId, ticket: Ticket, key: Arc<str>, cell: Cell, cx: &mut Cx) {
        // It may have become another node's, which has it by the change of the ring.
        if self.replicas(&key).contains(&self.me) && !self.takes_hint(&key, cell, cx) {
            return;
        }
        self.send(from, Message::HintTaken { ticket }, cx);
    }

    /// Takes in what was kept for it, unless that may be older than a removal that it has forgotten; whether it need be kept
    /// no longer.
    fn takes_hint(&mut self, key: &Arc<str>, cell: Cell, cx: &mut Cx) -> bool {
        let doubtful = self.is_doubtful(key, &cell, 0);
        if doubtful && !self.all_deny(key, &cell) {
            self.ask_whether(key, &cell, cx);
            return false;
        }
        self.doubts.remove(key);
        if !doubtful {
            self.apply(key, cell, cx);
        }
        true
    }

    pub(super) fn on_hint_taken(&mut self, from: NodeId, ticket: Ticket, cx: &mut Cx) {
        if self.hints.get(&ticket).is_none_or(|hint| hint.node != from) {
            return;
        }
        self.keep_no_longer(ticket, cx);
    }

    fn keep_no_longer(&mut self, ticket: Ticket, cx: &mut Cx) {
        let Some(Hint { node, key, cell }) = self.hints.remove(&ticket) else {
            return;
        };
        self.rules.reach(Place::HandedOver as u8);
        cx.trace(Trace::HandedOver {
            key: Arc::clone(&key),
            replica: node,
            tag: newest(&cell),
        });
        // What else is kept for it is in records of its own: a crash must not come between an end of all and the rest.
        self.append(Record::HandedOver { node, key, cell }, cx);
    }

    /// The repair timer.
    pub(super) fn repair(&mut self, cx: &mut Cx) {
        self.arm_repair(cx);
        let hints: Vec<(Ticket, Hint)> = self
            .hints
            .iter()
            .map(|(ticket, hint)| (*ticket, hint.clone()))
            .collect();
        for (ticket, hint) in hints {
            let Hint { node, key, cell } = hint;
            if node == self.me {
                if !self.replicas(&key).contains(&self.me) || self.takes_hint(&key, cell, cx) {
                    self.keep_no_longer(ticket, cx);
                }
            } else {
                self.send_now(node, Message::Hint { ticket, key, cell }, cx);
            }
        }
        self.collect_garbage(cx);
        if self.settings.anti_entropy.is_zero() || self.view.before.is_some() || !self.identity.ready {
            return;
        }
        let others: Vec<NodeId> = self
            .view
            .members
            .iter()
            .copied()
            .filter(|node| *node != self.me)
            .collect();
        if others.is_empty() || !self.view.members.contains(&self.me) {
            return;
        }
        self.compared += 1;
        let peer = others[(self.compared + usize::from(self.me.0)) % others.len()];
        let (epoch, hashes) = (self.view.epoch, self.branches(peer));
        self.send(peer, Message::Tree { epoch, at: 0, hashes }, cx);
    }

    pub(super) fn arm_repair(&self, cx: &mut Cx) {
        const WITHOUT_COMPARISON: std::time::Duration = std::time::Duration::from_millis(500);
        let every = self.settings.anti_entropy;
        cx.arm(
            super::Timer::Repair,
            if every.is_zero() {
                WITHOUT_COMPARISON
            } else {
                every
            },
        );
    }

    /// The keys that this node and another one both have to hold.
    fn shared(&self, peer: NodeId) -> impl Iterator<Item = (&Arc<str>, &super::Held)> {
        let me = self.me;
        let both = move |(_, held): &(&Arc<str>, &super::Held)| {
            held.replicas.contains(&me) && held.replicas.contains(&peer)
        };
        self.cells.iter().filter(both)
    }

    /// A hash of each leaf.
    fn leaves(&self, peer: NodeId) -> Vec<u64> {
        let mut leaves = vec![0_u64; 1 << 8];
        for (key, held) in self.shared(peer) {
            let leaf = &mut leaves[usize::from(leaf_of(key))];
            *leaf = leaf.wrapping_add(scatter(held.digest));
        }
        leaves
    }

    /// A hash of each branch: of the hashes of its leaves.
    fn branches(&self, peer: NodeId) -> Vec<u64> {
        let leaves = self.leaves(peer);
        leaves
            .chunks(usize::from(BRANCHES))
            .map(|branch| digest(&branch))
            .collect()
    }

    pub(super) fn on_tree(&mut self, from: NodeId, epoch: Epoch, at: u8, hashes: &[u64], cx: &mut Cx) {
        if epoch != self.view.epoch {
            let mine = self.view.clone();
            return self.send(from, Message::View(mine), cx);
        }
        if self.view.before.is_some() || !self.identity.ready || at > BRANCHES {
            return;
        }
        if at == 0 {
            let mine = self.branches(from);
            let leaves = self.leaves(from);
            let differing =
                (1..=BRANCHES).filter(|at| mine.get(usize::from(at - 1)) != hashes.get(usize::from(at - 1)));
            for at in differing {
                let first = usize::from(at - 1) * usize::from(BRANCHES);
                let hashes = leaves[first..first + usize::from(BRANCHES)].to_vec();
                self.send(from, Message::Tree { epoch, at, hashes }, cx);
            }
            return;
        }
        let leaves = self.leaves(from);
        for place in 0..BRANCHES {
            let leaf = (at - 1) * BRANCHES + place;
            if hashes.get(usize::from(place)) != leaves.get(usize::from(leaf)) {
                self.rules.reach(Place::TreesDiffer as u8);
                cx.trace(Trace::Differed { peer: from, leaf });
                let cells = self.leaf(from, leaf);
                let message = Message::Leaf {
                    epoch,
                    leaf,
                    cells,
                    reply: true,
                };
                self.send(from, message, cx);
            }
        }
    }

    fn leaf(&self, peer: NodeId, leaf: u8) -> Vec<(Arc<str>, Cell)> {
        self.shared(peer)
            .filter(|(key, _)| leaf_of(key) == leaf)
            // It may have forgotten what all replicas hold.
            .filter(|(_, held)| !held.known_to_all)
            .map(|(key, held)| (Arc::clone(key), held.cell.clone()))
            .collect()
    }

    pub(super) fn on_leaf(
        &mut self,
        from: NodeId,
        epoch: Epoch,
        leaf: u8,
        (cells, reply): (Vec<(Arc<str>, Cell)>, bool),
        cx: &mut Cx,
    ) {
        if epoch != self.view.epoch || self.view.before.is_some() {
            return;
        }
        if reply {
            let cells = self.leaf(from, leaf);
            let message = Message::Leaf {
                epoch,
                leaf,
                cells,
                reply: false,
            };
            self.send(from, message, cx);
        }
        for (key, cell) in cells {
            if !self.replicas(&key).contains(&self.me) {
                continue;
            }
            if self.settings.versions == Versions::Vector {
                self.apply(&key, cell, cx);
            } else if self.is_doubtful(&key, &cell, epoch) {
                self.ask_whether(&key, &cell, cx);
            } else if let Some(theirs) = newest(&cell) {
                let mine = newest(&self.held(&key));
                if mine != Some(theirs) && self.rules.takes_from_peer(theirs, mine) {
                    self.hold(&key, cell, cx);
                }
            }
        }
    }
}
