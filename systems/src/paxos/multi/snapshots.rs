//! Snapshots: taking them, trimming the log in front of them, installing another node's.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::config::Configs;
use super::marks::Place;
use super::types::{Record, Slot, Trace};
use super::{Cx, Paxos};
use crate::machine::{Machine, Stored};
use crate::replica::Lsn;

/// A snapshot in a node's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The last slot that it covers.
    pub last: Slot,
    /// Its encoding.
    pub bytes: Arc<[u8]>,
}

/// What a snapshot's bytes say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Contents {
    last: Slot,
    configs: Configs,
    state: Stored,
}

impl Contents {
    /// Reads a snapshot's bytes.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        postcard::from_bytes(bytes).ok()
    }

    /// The state and the configurations.
    pub(crate) fn restore(self) -> (Machine, Configs) {
        (self.state.restore(self.last), self.configs)
    }
}

impl Paxos {
    /// Takes a snapshot if enough was executed since the last one, and forgets the votes in front of it.
    pub(super) fn snapshot_when_due(&mut self, cx: &mut Cx) {
        let every = self.settings.snapshot_every;
        let last = self.executed();
        let covered = self.image.as_ref().map_or(0, |image| image.last);
        if every == 0 || last < covered + every {
            return;
        }
        let contents = Contents {
            last,
            configs: self.configs.clone(),
            state: self.machine.stored(true),
        };
        let Ok(bytes) = postcard::to_allocvec(&contents) else {
            return;
        };
        cx.snapshot(bytes.clone());
        self.image = Some(Image {
            last,
            bytes: bytes.into(),
        });
        self.trim(last.saturating_sub(self.settings.snapshot_keep), cx);
        cx.trace(Trace::SnapshotTaken {
            last,
            hash: self.machine.hash(),
            trimmed: self.trimmed,
        });
    }

    /// Forgets the votes, and what was chosen, up to a slot that a snapshot covers. The snapshot is written already, and
    /// the log is let go of once it is durable.
    fn trim(&mut self, to: Slot, cx: &mut Cx) {
        if to > self.trimmed {
            self.rules.reach(Place::LogTrimmed as u8);
            self.trimmed = to;
            self.accepted = self.accepted.split_off(&(to + 1));
            self.chosen = self.chosen.split_off(&(to + 1));
        }
        let rewritten = cx.append(Record::Identity(self.identity.clone()));
        let after = cx.append(Record::Promised(self.promised));
        let first = self.accepted.values().map(|vote| vote.at).min();
        let before: Lsn = first.map_or(rewritten, |first| first.min(rewritten));
        cx.release(before, after);
    }

    /// Replaces the state by another node's snapshot.
    pub(super) fn install(&mut self, last: Slot, bytes: Vec<u8>, cx: &mut Cx) {
        let Some(contents) = Contents::decode(&bytes).filter(|contents| contents.last == last) else {
            return;
        };
        cx.snapshot(bytes.clone());
        (self.machine, self.configs) = contents.restore();
        self.image = Some(Image {
            last,
            bytes: bytes.into(),
        });
        self.rules.reach(Place::SnapshotInstalled as u8);
        cx.trace(Trace::SnapshotInstalled {
            last,
            hash: self.machine.hash(),
        });
        self.trim(last, cx);
        self.lose_proposals(last, cx);
        // What another leader got chosen there may be something else than this one proposed.
        if let super::State::Leader(leader) = &self.state
            && leader.open.range(..=last).next().is_some()
        {
            self.step_down(cx);
        }
        self.reads_ready = true;
        self.execute(cx);
    }
}
