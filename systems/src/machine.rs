//! The state machine that the consensus systems replicate: the store, the clients' sessions, and how far the order is
//! applied.
//!
//! A protocol says where a command stands ([`Place`]) and what it decides about applying (`Conduct`); the rest is
//! the same for all.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::api::{Command, Failure, Reply, Request, Session, Value};
use crate::digest::scatter;
use crate::kv::{Store, Versioned, at_the_end};
use crate::sessions::{Admission, Known, Outcome, Sessions};

/// Where a command stands in a system's order: a number that rises, and whatever else the system knows it by.
pub trait Place: Copy + Default {
    /// The number; 0 is before the first. It becomes the version of what the command changes.
    fn index(self) -> u64;
}

impl Place for u64 {
    fn index(self) -> u64 {
        self
    }
}

/// What a protocol decides about applying. The defaults are right; only planted mistakes differ from them.
pub(crate) trait Conduct {
    /// Was a request applied before, if its client's last applied sequence is `last`? (Raft thesis §6.3)
    fn was_applied(&self, last: Option<u64>, sequence: u64) -> bool {
        last.is_some_and(|last| sequence <= last)
    }

    /// Are the sessions cleared of old clients `idle` after that was last done, by the node's own clock?
    fn expires_sessions(&self, idle: Duration) -> bool {
        let _ = idle;
        false
    }

    /// Where an appended element goes in a list of this length.
    fn list_place(&self, length: usize) -> usize {
        at_the_end(length)
    }

    /// A request that was applied before is answered without applying it again.
    fn answers_duplicate(&self) {}
}

/// What applying a request did.
pub(crate) struct Effected {
    pub(crate) outcome: Result<Reply, Failure>,
    /// The session whose request took effect.
    pub(crate) effect: Option<Session>,
}

/// The state machine.
#[derive(Clone, Debug, Default)]
pub struct Machine<P = u64> {
    store: Store,
    sessions: Sessions,
    applied: P,
    /// This node's wall clock when it last looked for idle sessions.
    looked: Duration,
}

/// The state as snapshots hold it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stored {
    keys: Vec<(Arc<str>, Versioned)>,
    sessions: Vec<(u64, Known)>,
}

impl Stored {
    /// The state that these keys and clients are.
    pub(crate) fn of(keys: Vec<(Arc<str>, Versioned)>, sessions: Vec<(u64, Known)>) -> Self {
        Stored { keys, sessions }
    }

    /// The machine that is in this state after `applied`.
    pub(crate) fn restore<P: Place>(self, applied: P) -> Machine<P> {
        Machine {
            store: self.keys.into_iter().collect(),
            sessions: self.sessions.into_iter().collect(),
            applied,
            looked: Duration::ZERO,
        }
    }
}

impl<P: Place> Machine<P> {
    /// The state, to be put in a snapshot; it belongs there whole, and only a planted mistake leaves the sessions out.
    pub(crate) fn stored(&self, with_sessions: bool) -> Stored {
        let keys = self.store.iter();
        let sessions = self.sessions.iter().filter(|_| with_sessions);
        Stored {
            keys: keys.map(|(key, value)| (key.clone(), value.clone())).collect(),
            sessions: sessions.map(|(client, known)| (*client, known.clone())).collect(),
        }
    }

    /// The number of the last place that is applied.
    pub fn applied(&self) -> u64 {
        self.applied.index()
    }

    /// The last place that is applied.
    pub fn applied_at(&self) -> P {
        self.applied
    }

    /// The store.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// The clients' sessions.
    pub(crate) fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// Counts everything up to a place as applied.
    pub(crate) fn skip_to(&mut self, at: P) {
        self.applied = at;
    }

    /// Applies the next place where what comes of it was decided before: these keys have these values, and this client
    /// this answer. `capacity` is for how many clients the last answer is kept.
    pub(crate) fn set(
        &mut self,
        at: P,
        values: &[(Arc<str>, Value)],
        answer: Option<(Session, Outcome)>,
        capacity: usize,
    ) {
        self.applied = at;
        for (key, value) in values {
            self.store.put_at(at.index(), key, value.clone());
        }
        if let Some((session, outcome)) = answer {
            self.sessions.record(session, at.index(), outcome, capacity);
        }
    }

    /// Whether any client has a session.
    pub(crate) fn has_sessions(&self) -> bool {
        !self.sessions.is_empty()
    }

    /// A hash of the store and the sessions.
    pub fn hash(&self) -> u64 {
        scatter(self.store.hash() ^ self.sessions.hash().rotate_left(32))
    }

    /// Answers a command that only reads; none if it does not.
    pub(crate) fn read(&self, command: &Command) -> Option<Reply> {
        self.store.read(command)
    }

    /// What applying a request now, at `index`, would answer; none is a place at which no client asked for anything.
    pub(crate) fn preview(&self, index: u64, request: Option<&Request>) -> Result<Reply, Failure> {
        match request {
            Some(request) => self.store.clone().apply(index, &request.command, &mut at_the_end),
            None => Ok(Reply::default()),
        }
    }

    /// Applies the next place: a client's request, or none where no client asked for anything. `capacity` is for how
    /// many clients the last answer is kept; `wall` is the node's own clock, of which a correct machine makes no use.
    pub(crate) fn apply(
        &mut self,
        at: P,
        request: Option<&Request>,
        capacity: usize,
        wall: Duration,
        conduct: &impl Conduct,
    ) -> Effected {
        let idle = wall.saturating_sub(self.looked);
        if self.has_sessions() && conduct.expires_sessions(idle) {
            self.looked = wall;
            self.sessions.expire(at.index());
        }
        self.applied = at;
        match request {
            Some(request) => self.execute(at.index(), request, capacity, conduct),
            None => Effected {
                outcome: Ok(Reply::default()),
                effect: None,
            },
        }
    }

    fn execute(
        &mut self,
        index: u64,
        request: &Request,
        capacity: usize,
        conduct: &impl Conduct,
    ) -> Effected {
        let session = request.session;
        if let Some(session) = session
            && conduct.was_applied(self.sessions.last(session.client), session.sequence)
            && let Admission::Answered(outcome) = self.sessions.admit(session)
        {
            conduct.answers_duplicate();
            return Effected {
                outcome,
                effect: None,
            };
        }
        let mut place = |length| conduct.list_place(length);
        let outcome = self.store.apply(index, &request.command, &mut place);
        if let Some(session) = session {
            self.sessions.record(session, index, outcome.clone(), capacity);
        }
        Effected {
            outcome,
            effect: session,
        }
    }
}
