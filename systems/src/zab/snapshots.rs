//! Snapshots: written piece by piece while the state goes on changing (Hunt et al., ZooKeeper, ATC 2010, §4.3), and the
//! state that a leader sends to a learner whose log it cannot continue.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::machine::Machine;
use super::marks::Place;
use super::types::{Epochs, Message, Record, Shared, Timer, Trace, Zxid};
use super::{Cx, Zab};
use crate::kv::Versioned;
use crate::replica::NodeId;
use crate::sessions::Known;

/// What a snapshot's bytes say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Contents {
    /// Everything up to here is in it.
    pub(super) last: Zxid,
    /// Nothing after this is.
    whole_from: Zxid,
    pub(super) epochs: Epochs,
    /// It replaced the log before it: what was written earlier is void, and these follow it.
    pub(super) replaces: Option<Vec<Shared>>,
    keys: Vec<(Arc<str>, Versioned)>,
    clients: Vec<(u64, Known)>,
}

/// A snapshot that is being written.
#[derive(Clone, Debug)]
pub(super) struct Shot {
    /// What was applied when it was begun.
    last: Zxid,
    keys: Vec<(Arc<str>, Versioned)>,
}

/// A leader's state that is arriving, and what follows it.
#[derive(Clone, Debug)]
pub(super) struct Incoming {
    pub(super) last: Zxid,
    pub(super) whole_from: Zxid,
    pub(super) keys: Vec<(Arc<str>, Versioned)>,
    pub(super) clients: Vec<(u64, Known)>,
    pub(super) txns: Vec<Shared>,
    pub(super) complete: bool,
}

impl Incoming {
    pub(super) fn new(last: Zxid, whole_from: Zxid) -> Self {
        Incoming {
            last,
            whole_from,
            keys: Vec::new(),
            clients: Vec::new(),
            txns: Vec::new(),
            complete: false,
        }
    }
}

impl Contents {
    /// Reads a snapshot's bytes.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        postcard::from_bytes(bytes).ok()
    }

    /// The state.
    pub(super) fn restore(self) -> Machine {
        Machine::restored(self.keys, self.clients, self.last, self.whole_from)
    }
}

impl Zab {
    /// Begins a snapshot if enough was applied since the last one.
    pub(super) fn snapshot_when_due(&mut self, cx: &mut Cx) {
        let every = self.settings.snapshot_every;
        if every == 0 || self.since_snapshot < every || self.shot.is_some() {
            return;
        }
        self.since_snapshot = 0;
        let last = self.machine.applied();
        cx.trace(Trace::SnapshotBegun { last });
        self.shot = Some(Shot {
            last,
            keys: Vec::new(),
        });
        self.snapshot_piece(cx);
    }

    /// Takes some more keys; the snapshot is written when there are no more.
    pub(super) fn snapshot_piece(&mut self, cx: &mut Cx) {
        let Some(shot) = &mut self.shot else {
            return;
        };
        let known = shot.keys.last().map(|(key, _)| Arc::clone(key));
        let piece = self.settings.piece;
        let more = self.machine.store().after(known.as_ref()).take(piece);
        let before = shot.keys.len();
        shot.keys
            .extend(more.map(|(key, held)| (Arc::clone(key), held.clone())));
        if shot.keys.len() - before == piece {
            cx.arm(Timer::Snapshot, self.settings.snapshot_pause);
        } else {
            self.write_snapshot(cx);
        }
    }

    fn write_snapshot(&mut self, cx: &mut Cx) {
        let Some(Shot { last, keys }) = self.shot.take() else {
            return;
        };
        let whole_from = self.machine.whole_from();
        let contents = Contents {
            last,
            whole_from,
            epochs: self.durable_epochs(),
            replaces: None,
            keys,
            clients: self.clients().collect(),
        };
        let Ok(bytes) = postcard::to_allocvec(&contents) else {
            return;
        };
        cx.snapshot(bytes);
        if whole_from > last {
            self.rules.reach(Place::FuzzySnapshot as u8);
        }
        cx.trace(Trace::SnapshotTaken { last, whole_from });
        self.log
            .trim(self.log.back_from(last, self.settings.snapshot_keep));
        self.release(cx);
    }

    fn clients(&self) -> impl Iterator<Item = (u64, Known)> {
        let clients = self.machine.sessions().iter();
        clients.map(|(client, known)| (*client, known.clone()))
    }

    /// Lets go of the part of the write-ahead log that nothing needs any more.
    fn release(&mut self, cx: &mut Cx) {
        self.write_epochs(cx);
        let rewritten = self.epochs_at;
        let before = self
            .log
            .first_lsn()
            .map_or(rewritten, |first| first.min(rewritten));
        cx.release(before, cx.written());
    }

    /// Sends a learner the state, as it is applied, a piece at a time.
    pub(super) fn send_state(&mut self, to: NodeId, session: u64, cx: &mut Cx) {
        let (last, whole_from) = (self.machine.applied(), self.machine.whole_from());
        let piece = self.settings.piece;
        let keys: Vec<_> = self
            .machine
            .store()
            .iter()
            .map(|(key, held)| (Arc::clone(key), held.clone()))
            .collect();
        for keys in keys.chunks(piece) {
            let message = Message::Snap {
                session,
                last,
                whole_from,
                keys: keys.to_vec(),
                clients: Vec::new(),
                done: false,
            };
            cx.send_now(to, message);
        }
        let message = Message::Snap {
            session,
            last,
            whole_from,
            keys: Vec::new(),
            clients: self.clients().collect(),
            done: true,
        };
        cx.send_now(to, message);
    }

    /// A leader's state, with what follows it, replaces this node's: in one write, for what is committed must never
    /// be missing.
    pub(super) fn install(&mut self, incoming: Incoming, cx: &mut Cx) {
        let Incoming {
            last,
            whole_from,
            keys,
            clients,
            txns,
            ..
        } = incoming;
        let contents = Contents {
            last,
            whole_from,
            epochs: self.durable_epochs(),
            replaces: Some(txns.clone()),
            keys,
            clients,
        };
        let Ok(bytes) = postcard::to_allocvec(&contents) else {
            return;
        };
        let lsn = cx.snapshot(bytes);
        cx.append(Record::Restart {
            base: last,
            txns: txns.clone(),
        });
        self.machine = contents.restore();
        self.shot = None;
        self.since_snapshot = 0;
        self.log.restart(last, lsn);
        self.committed = last;
        cx.trace(Trace::SnapshotInstalled {
            last,
            hash: self.machine.hash(),
            whole: self.machine.is_whole(),
        });
        let at = cx.written();
        for txn in txns {
            let zxid = txn.zxid;
            let listed = self.rules.is_listed(true);
            if self.log.push(txn, at, listed) {
                cx.trace(Trace::Appended { zxid });
            }
        }
        self.release(cx);
    }
}
