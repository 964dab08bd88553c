//! Clients' sessions: a request that is sent twice is applied once (Raft thesis §6.3).
//!
//! The table is part of the replicated state: it changes only by applying the log, and it travels in snapshots.
//! For every client it keeps the highest sequence that was applied, for ever (16 bytes a client), and the answer
//! to it for the clients heard of last. So an answer can be forgotten, but a request never applied twice; which
//! answers are forgotten depends on the log alone.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::api::{Failure, Reply, Session};
use crate::digest::digest;

/// An answer as the table keeps it.
pub type Outcome = Result<Reply, Failure>;

/// What the table knows of a client.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Known {
    /// The highest sequence that was applied.
    pub sequence: u64,
    /// The position at which the client was last heard of.
    pub touched: u64,
    /// The answer to that sequence, unless it was forgotten.
    pub answer: Option<Outcome>,
}

/// What to do with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is new: apply it, then [`Sessions::record`] the answer.
    New,
    /// It was applied before: answer with this and apply nothing.
    Answered(Outcome),
}

/// What is kept of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kept {
    known: Known,
    /// What the client adds to the table's hash.
    share: u64,
}

impl Kept {
    /// Whether the client was last heard of there, and has its answer.
    fn answered_at(&self, position: u64) -> bool {
        self.known.touched == position && self.known.answer.is_some()
    }
}

/// So many places that are of no use any more are kept at least.
const USELESS: usize = 64;

/// The table.
#[derive(Clone, Debug, Default)]
pub struct Sessions {
    clients: BTreeMap<u64, Kept>,
    /// When clients were heard of, in that order: of those that were last heard of then and have an answer, the first
    /// is forgotten first. The others are of no use any more, and cleared away when there are too many.
    heard: VecDeque<(u64, u64)>,
    /// How many clients have an answer.
    answered: usize,
    hash: u64,
}

impl PartialEq for Sessions {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.clients == other.clients
    }
}

impl Eq for Sessions {}

impl Sessions {
    /// A hash of the table, kept up to date with every change.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// How many clients are known.
    pub fn len(&self) -> usize {
        self.clients.len()
    }

    /// Whether no client is known.
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// The highest sequence of a client that was applied.
    pub fn last(&self, client: u64) -> Option<u64> {
        self.clients.get(&client).map(|kept| kept.known.sequence)
    }

    /// What to do with a request whose client's `last` applied sequence is as told by [`Sessions::last`].
    ///
    /// A request behind the last one was superseded by its own client; whether it was applied is no longer known,
    /// so the answer must not claim that it was not.
    pub fn admit(&self, session: Session) -> Admission {
        let Some(Kept { known, .. }) = self.clients.get(&session.client) else {
            return Admission::New;
        };
        if session.sequence > known.sequence {
            return Admission::New;
        }
        let forgotten = |reason: &str| {
            Admission::Answered(Err(Failure::Indefinite {
                reason: reason.to_owned(),
            }))
        };
        if session.sequence < known.sequence {
            return forgotten("the client has sent a later request; what came of this one is forgotten");
        }
        match &known.answer {
            Some(answer) => Admission::Answered(answer.clone()),
            None => forgotten("it was applied, and the answer is forgotten"),
        }
    }

    /// Notes the answer to a request that was applied at `position`; more than `capacity` answers are forgotten,
    /// oldest first.
    pub fn record(&mut self, session: Session, position: u64, answer: Outcome, capacity: usize) {
        let known = Known {
            sequence: session.sequence,
            touched: position,
            answer: Some(answer),
        };
        self.put(session.client, known);
        while self.answered > capacity {
            let Some((position, client)) = self.heard.pop_front() else {
                break;
            };
            self.forget_answer(client, position);
        }
        if self.heard.len() > 2 * self.answered + USELESS {
            let clients = &self.clients;
            self.heard.retain(|(position, client)| {
                let kept = clients.get(client);
                kept.is_some_and(|kept| kept.answered_at(*position))
            });
        }
    }

    /// Drops every client last heard of before `position`. The correct system never does: a retry that comes
    /// later would be applied again.
    pub fn expire(&mut self, position: u64) {
        let old: Vec<u64> = self
            .clients
            .iter()
            .filter(|(_, kept)| kept.known.touched < position)
            .map(|(client, _)| *client)
            .collect();
        for client in old {
            self.remove(client);
        }
    }

    /// Every client that is known, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&u64, &Known)> {
        self.clients.iter().map(|(client, kept)| (client, &kept.known))
    }

    /// Forgets the answer to a client that was last heard of at `position`.
    fn forget_answer(&mut self, client: u64, position: u64) {
        let kept = self.clients.get_mut(&client);
        if let Some(kept) = kept.filter(|kept| kept.answered_at(position)) {
            self.answered -= 1;
            kept.known.answer = None;
            let share = digest(&(client, &kept.known));
            let lost = std::mem::replace(&mut kept.share, share);
            self.hash = self.hash.wrapping_sub(lost).wrapping_add(share);
        }
    }

    fn put(&mut self, client: u64, known: Known) {
        let share = digest(&(client, &known));
        self.hash = self.hash.wrapping_add(share);
        if known.answer.is_some() {
            self.answered += 1;
            // Positions rise, but for tables that are read back.
            let later = self.heard.iter().rev().take_while(|(at, _)| *at > known.touched);
            let place = self.heard.len() - later.count();
            self.heard.insert(place, (known.touched, client));
        }
        if let Some(old) = self.clients.insert(client, Kept { known, share }) {
            self.gone(&old);
        }
    }

    fn remove(&mut self, client: u64) {
        if let Some(old) = self.clients.remove(&client) {
            self.gone(&old);
        }
    }

    fn gone(&mut self, old: &Kept) {
        self.hash = self.hash.wrapping_sub(old.share);
        self.answered -= usize::from(old.known.answer.is_some());
    }
}

impl FromIterator<(u64, Known)> for Sessions {
    fn from_iter<I: IntoIterator<Item = (u64, Known)>>(clients: I) -> Self {
        let mut sessions = Sessions::default();
        for (client, known) in clients {
            sessions.put(client, known);
        }
        sessions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(client: u64, sequence: u64) -> Session {
        Session { client, sequence }
    }

    fn answer(version: u64) -> Outcome {
        Ok(Reply {
            version,
            ..Reply::default()
        })
    }

    #[test]
    fn a_retry_gets_the_first_answer() {
        let mut sessions = Sessions::default();
        assert_eq!(sessions.admit(session(1, 1)), Admission::New);
        sessions.record(session(1, 1), 10, answer(10), 8);
        assert_eq!(sessions.admit(session(1, 1)), Admission::Answered(answer(10)));
        assert_eq!(sessions.admit(session(1, 2)), Admission::New);
    }

    #[test]
    fn a_superseded_request_is_neither_applied_nor_said_not_to_be() {
        let mut sessions = Sessions::default();
        sessions.record(session(1, 5), 10, answer(10), 8);
        let Admission::Answered(Err(Failure::Indefinite { .. })) = sessions.admit(session(1, 4)) else {
            panic!("an old sequence must get an indefinite answer");
        };
    }

    #[test]
    fn a_forgotten_answer_does_not_let_the_request_be_applied_again() {
        let mut sessions = Sessions::default();
        for client in 1..=3 {
            sessions.record(session(client, 1), client * 10, answer(client), 2);
        }
        let Admission::Answered(Err(Failure::Indefinite { .. })) = sessions.admit(session(1, 1)) else {
            panic!("the oldest answer was to be forgotten, not the request");
        };
        assert_eq!(sessions.admit(session(2, 1)), Admission::Answered(answer(2)));
        assert_eq!(sessions.admit(session(1, 2)), Admission::New);
    }

    #[test]
    fn whoever_was_heard_of_last_is_forgotten_last_however_often_the_others_were() {
        let mut sessions = Sessions::default();
        for position in 1..=1_000 {
            sessions.record(session(position % 3, position), position, answer(position), 3);
            assert!(
                sessions.heard.len() <= 2 * 3 + USELESS,
                "what is of no use is cleared away"
            );
        }
        sessions.record(session(7, 1), 1_001, answer(1_001), 3);
        let has_answer = |client: u64| {
            let mut found = sessions.iter().filter(|(known, _)| **known == client);
            found.next().is_some_and(|(_, known)| known.answer.is_some())
        };
        // The last three of the thousand were of 2, 0 and 1.
        assert_eq!([0, 1, 2, 7].map(has_answer), [true, true, false, true]);
    }

    #[test]
    fn a_table_read_back_forgets_in_the_same_order() {
        let mut one = Sessions::default();
        for client in [3, 1, 2] {
            one.record(session(client, 1), client * 10, answer(client), 3);
        }
        let mut two: Sessions = one
            .iter()
            .map(|(client, known)| (*client, known.clone()))
            .collect();
        assert_eq!(one, two);
        for sessions in [&mut one, &mut two] {
            sessions.record(session(4, 1), 40, answer(4), 3);
        }
        assert_eq!(one.hash(), two.hash());
        assert_eq!(one, two);
    }
}
