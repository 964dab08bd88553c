//! The replicated state machine: the store, the clients' sessions, and how far the log is applied.

use std::time::Duration;

use super::marks::Place;
use super::rules::Rules;
use super::types::{Entry, Index, Payload, Position};
use crate::api::{Command, Failure, Reply, Session};
use crate::digest::scatter;
use crate::kv::{Store, at_the_end};
use crate::sessions::{Admission, Sessions};

/// What applying may see of the node; a correct state machine uses none of it.
pub(crate) struct Local<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) wall: Duration,
    pub(crate) chance: u32,
}

/// What applying an entry did.
pub(crate) struct Effected {
    pub(crate) outcome: Result<Reply, Failure>,
    /// The session whose request took effect.
    pub(crate) effect: Option<Session>,
}

/// The state machine.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    pub(crate) store: Store,
    pub(crate) sessions: Sessions,
    applied: Position,
    /// This node's wall clock when it last looked for idle sessions.
    looked: Duration,
}

impl Machine {
    /// The state that a snapshot holds.
    pub(crate) fn restored(store: Store, sessions: Sessions, applied: Position) -> Self {
        Machine {
            store,
            sessions,
            applied,
            looked: Duration::ZERO,
        }
    }

    /// The last entry that is applied.
    pub fn applied(&self) -> Index {
        self.applied.index
    }

    /// The last entry that is applied, with its term.
    pub fn applied_at(&self) -> Position {
        self.applied
    }

    /// A hash of the store and the sessions.
    pub fn hash(&self) -> u64 {
        scatter(self.store.hash() ^ self.sessions.hash().rotate_left(32))
    }

    /// Answers a command that only reads.
    pub(crate) fn read(&self, command: &Command) -> Option<Reply> {
        self.store.read(command)
    }

    /// What applying an entry now would answer.
    pub(crate) fn preview(&self, index: Index, entry: &Entry) -> Result<Reply, Failure> {
        match &**entry.payload {
            Payload::Command { command, .. } => self.store.clone().apply(index, command, &mut at_the_end),
            Payload::Noop | Payload::Config(_) => Ok(Reply::default()),
        }
    }

    /// Applies the next entry.
    pub(crate) fn apply(&mut self, entry: &Entry, capacity: usize, local: &Local<'_>) -> Effected {
        let idle = local.wall.saturating_sub(self.looked);
        if !self.sessions.is_empty() && local.rules.expires_sessions(idle) {
            self.looked = local.wall;
            self.sessions.expire(entry.at.index);
        }
        self.applied = entry.at;
        match &**entry.payload {
            Payload::Noop | Payload::Config(_) => Effected {
                outcome: Ok(Reply::default()),
                effect: None,
            },
            Payload::Command { session, command } => {
                self.execute(entry.at.index, *session, command, capacity, local)
            }
        }
    }

    fn execute(
        &mut self,
        index: Index,
        session: Option<Session>,
        command: &Command,
        capacity: usize,
        local: &Local<'_>,
    ) -> Effected {
        if let Some(session) = session
            && local
                .rules
                .was_applied(self.sessions.last(session.client), session.sequence)
            && let Admission::Answered(outcome) = self.sessions.admit(session)
        {
            local.rules.reach(Place::DuplicateAnswered as u8);
            return Effected {
                outcome,
                effect: None,
            };
        }
        let mut place = |length| local.rules.list_place(length, local.chance);
        let outcome = self.store.apply(index, command, &mut place);
        if let Some(session) = session {
            self.sessions.record(session, index, outcome.clone(), capacity);
        }
        Effected {
            outcome,
            effect: session,
        }
    }
}
