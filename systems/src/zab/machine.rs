//! What a leader makes of a request before it proposes it, and what every node does with that.
//!
//! A leader carries each request out on a copy of the state that is ahead of what is committed, and proposes what came
//! of it: the values, the client's answer. So applying a transaction decides nothing, and applying it again changes
//! nothing (Hunt et al., ZooKeeper, ATC 2010, §4.1). That is what lets a snapshot be taken while the state goes on
//! changing (§4.3): it may hold more than it says, and replaying the log over it comes to the same.

use std::sync::Arc;
use std::time::Duration;

use super::types::{Change, Txn, Zxid};
use crate::api::{Command, MicroOp, Reply, Request, Session, Value};
use crate::kv::{Store, Versioned};
use crate::machine::{Conduct, Machine as Replicated, Stored};
use crate::replica::NodeId;
use crate::sessions::{Known, Sessions};

/// The state.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    replicated: Replicated<Zxid>,
    whole_from: Zxid,
}

/// How a leader prepares transactions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Preparing {
    /// For how many clients the last answer is kept.
    pub(super) capacity: usize,
    /// Whether it is looked up if the request was carried out before.
    pub(super) remembers: bool,
    /// Whether the transaction holds the operation instead of what came of it.
    pub(super) operation: bool,
}

impl Conduct for Preparing {
    fn was_applied(&self, last: Option<u64>, sequence: u64) -> bool {
        self.remembers && last.is_some_and(|last| sequence <= last)
    }
}

/// What was decided by the leader is not asked again.
struct Decided;

impl Conduct for Decided {
    fn was_applied(&self, _: Option<u64>, _: u64) -> bool {
        false
    }
}

impl Machine {
    /// The state that a snapshot holds: everything up to `applied`, nothing after `whole_from`.
    pub(super) fn restored(
        keys: Vec<(Arc<str>, Versioned)>,
        clients: Vec<(u64, Known)>,
        applied: Zxid,
        whole_from: Zxid,
    ) -> Self {
        Machine {
            replicated: Stored::of(keys, clients).restore(applied),
            whole_from,
        }
    }

    /// The last transaction that is applied.
    pub fn applied(&self) -> Zxid {
        self.replicated.applied_at()
    }

    /// The last transaction that may be in the state.
    pub fn whole_from(&self) -> Zxid {
        self.whole_from.max(self.applied())
    }

    /// Whether the state is as if each transaction up to the last applied one had been applied once.
    pub fn is_whole(&self) -> bool {
        self.applied() >= self.whole_from
    }

    /// A hash of the store and the sessions.
    pub fn hash(&self) -> u64 {
        self.replicated.hash()
    }

    pub(super) fn store(&self) -> &Store {
        self.replicated.store()
    }

    pub(super) fn sessions(&self) -> &Sessions {
        self.replicated.sessions()
    }

    /// Counts everything up to a transaction as applied.
    pub(super) fn skip_to(&mut self, zxid: Zxid) {
        self.replicated.skip_to(zxid.max(self.applied()));
    }

    /// Answers a command that only reads.
    pub(super) fn read(&self, command: &Command) -> Option<Reply> {
        let mut reply = self.replicated.read(command)?;
        if matches!(command, Command::Txn(_)) {
            reply.version = self.applied().position();
        }
        Some(reply)
    }

    /// Carries a request out as the transaction `zxid`.
    pub(super) fn prepare(
        &mut self,
        zxid: Zxid,
        origin: (NodeId, u64),
        request: Request,
        how: Preparing,
    ) -> Txn {
        let done = self
            .replicated
            .apply(zxid, Some(&request), how.capacity, Duration::ZERO, &how);
        let retried = request.session.is_some() && done.effect.is_none();
        let change = match request.command {
            _ if retried => Change::Values(Vec::new()),
            command if how.operation => Change::Operation(command),
            command => Change::Values(self.changed(&command, zxid.position())),
        };
        Txn {
            zxid,
            origin,
            session: done.effect,
            outcome: done.outcome,
            change,
        }
    }

    /// What a command has changed.
    fn changed(&self, command: &Command, position: u64) -> Vec<(Arc<str>, Value)> {
        let mut keys: Vec<&Arc<str>> = match command {
            Command::Write { key, .. } | Command::Cas { key, .. } | Command::Delete { key } => vec![key],
            Command::Txn(parts) => parts.iter().map(MicroOp::key).collect(),
            Command::Read { .. } | Command::Reconfigure(_) | Command::Transfer { .. } => Vec::new(),
        };
        keys.sort_unstable();
        keys.dedup();
        let held = keys.into_iter().map(|key| (key, self.store().get(key)));
        held.filter(|(_, held)| held.version == position)
            .map(|(key, held)| (Arc::clone(key), held.value))
            .collect()
    }

    /// Applies the next transaction; says whose request took effect.
    pub(super) fn apply(&mut self, txn: &Txn, capacity: usize) -> Option<Session> {
        match &txn.change {
            Change::Values(values) => {
                let answer = txn.session.map(|session| (session, txn.outcome.clone()));
                self.replicated.set(txn.zxid, values, answer, capacity);
            }
            Change::Operation(command) => {
                let request = Request::new(txn.session, command.clone());
                self.replicated
                    .apply(txn.zxid, Some(&request), capacity, Duration::ZERO, &Decided);
            }
        }
        txn.session
    }
}
