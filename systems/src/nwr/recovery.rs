//! Starting from what was durable, and snapshots of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::Rng as _;
use serde::{Deserialize, Serialize};

use super::repair::Hint;
use super::settings::Settings;
use super::types::{Cell, Epoch, Identity, Record, Trace, View};
use super::{Cx, Nwr, mutants};
use crate::digest::digest;
use crate::replica::{Cluster, Durable, NodeId};
use crate::ring::Ring;

/// What a snapshot holds.
#[derive(Serialize, Deserialize)]
struct Contents {
    identity: Identity,
    view: View,
    synced: Epoch,
    cells: Vec<(Arc<str>, Cell)>,
    hints: Vec<(NodeId, Arc<str>, Cell)>,
    forgotten: u64,
}

impl Nwr {
    pub(super) fn start(cluster: &Cluster, me: NodeId, durable: Durable<Record>, cx: &mut Cx) -> Self {
        let settings = Settings::parse(&cluster.settings).unwrap_or_default();
        let rules = mutants::rules(cluster.mutant.as_deref());
        let mut members = cluster.members.clone();
        members.sort_unstable();
        let life = cx.rng.next_u32();
        let nonce = digest(&(cx.rng.next_u64(), cx.now, cx.wall, durable.end));
        let ring = Ring::new(settings.shape, u64::from(life));
        let mut node = Nwr {
            me,
            nodes: cluster.nodes.iter().copied().collect(),
            settings: settings.into(),
            rules,
            life,
            identity: Identity::default(),
            view: View {
                epoch: 0,
                members,
                before: None,
                settled: false,
                renewed: Vec::new(),
            },
            synced: 0,
            cells: Default::default(),
            hints: Default::default(),
            forgotten: 0,
            records: 0,
            ring,
            old_ring: None,
            operations: Default::default(),
            tickets: nonce,
            given: Default::default(),
            registration: Default::default(),
            pulls: None,
            forgets: nonce,
            doubts: Default::default(),
            steward: Default::default(),
            durable: durable.end,
            loopback: Default::default(),
            retrying: false,
            changing: false,
            acted: 0,
            own: Default::default(),
            compared: 0,
        };
        let empty = durable.snapshot.is_none() && durable.records.is_empty();
        let cells = node.replay(durable);
        node.ring.become_of(&node.view.members, &node.rules);
        if let Some(before) = &node.view.before {
            let mut old = Ring::new(node.settings.shape, u64::from(life));
            old.become_of(before, &node.rules);
            node.old_ring = Some(old);
        }
        for (key, cell) in cells {
            node.put(&key, cell, cx.now);
        }
        if node.view.before.is_none() {
            node.keep_own();
        }
        cx.trace(Trace::Recovered {
            epoch: node.view.epoch,
            keys: node.cells.len() as u64,
            empty,
        });
        node.trace_view(cx);
        if empty {
            node.identity.disk = cx.rng.next_u64();
            node.identity.ready = !node.settings.register_disks || node.nodes.len() == 1;
            let identity = node.identity.clone();
            node.append(Record::Identity(identity), cx);
        }
        if node.is_registering() {
            node.ask_to_be_known(cx);
        }
        if node.view.before.is_some() && node.view.members.contains(&me) {
            let joins = node
                .view
                .before
                .as_ref()
                .is_some_and(|before| !before.contains(&me));
            node.begin_pulling(joins, cx);
        }
        node.arm_repair(cx);
        node.settle(cx);
        node
    }

    /// Replays the records over the snapshot; says what is held.
    fn replay(&mut self, durable: Durable<Record>) -> BTreeMap<Arc<str>, Cell> {
        let mut cells = BTreeMap::new();
        let mut covered = None;
        if let Some((lsn, bytes)) = durable.snapshot
            && let Ok(contents) = postcard::from_bytes::<Contents>(&bytes)
        {
            covered = Some(lsn);
            self.identity = contents.identity;
            self.view = contents.view;
            self.synced = contents.synced;
            self.forgotten = contents.forgotten;
            cells.extend(contents.cells);
            for (node, key, cell) in contents.hints {
                let ticket = self.next_ticket();
                self.hints.insert(ticket, Hint { node, key, cell });
            }
        }
        for (lsn, record) in durable.records {
            if covered.is_some_and(|covered| lsn <= covered) {
                continue;
            }
            self.records += 1;
            match record {
                Record::Identity(identity) => self.identity = identity,
                Record::View(view) => {
                    self.keep_under(&view, &mut cells);
                    self.view = view;
                }
                Record::Cell { key, cell } if cell.is_empty() => drop(cells.remove(&key)),
                Record::Cell { key, cell } => drop(cells.insert(key, cell)),
                Record::Forgotten(forgotten) => self.forgotten = forgotten,
                Record::Synced(epoch) => self.synced = epoch,
                Record::Hint { node, key, cell } => {
                    let ticket = self.next_ticket();
                    self.hints.insert(ticket, Hint { node, key, cell });
                }
                Record::HandedOver { node, key, cell } => {
                    let arrived = Hint { node, key, cell };
                    self.hints.retain(|_, hint| *hint != arrived);
                }
            }
        }
        cells
    }

    /// Lets go of what the node let go of when it took over this view.
    fn keep_under(&self, view: &View, cells: &mut BTreeMap<Arc<str>, Cell>) {
        if view.settled {
            return;
        }
        if view.renewed.contains(&self.me) && self.settings.forgets_removals() {
            return cells.clear();
        }
        let mut ring = Ring::new(self.settings.shape, u64::from(self.life));
        ring.become_of(view.agreed(), &self.rules);
        let n = self.settings.n;
        cells.retain(|key, _| ring.replicas(key, n, &self.rules).contains(&self.me));
    }

    pub(super) fn take_snapshot(&mut self, cx: &mut Cx) {
        let cells = self
            .cells
            .iter()
            .map(|(key, held)| (Arc::clone(key), held.cell.clone()));
        let hints = self
            .hints
            .values()
            .map(|hint| (hint.node, Arc::clone(&hint.key), hint.cell.clone()));
        let contents = Contents {
            identity: self.identity.clone(),
            view: self.view.clone(),
            synced: self.synced,
            cells: cells.collect(),
            hints: hints.collect(),
            forgotten: self.forgotten,
        };
        self.records = 0;
        // Values and numbers can always be encoded.
        let bytes = postcard::to_allocvec(&contents).expect("a snapshot can be encoded into memory");
        let at = cx.snapshot(bytes);
        cx.release(at, at);
    }
}
