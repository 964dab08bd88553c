//! The proposer: ballots, and what to propose in them (Paxos Made Simple §2.2, §2.4).

use std::collections::BTreeSet;
use std::time::Duration;

use rand::RngExt;

use super::marks::Place;
use super::requests::Want;
use super::types::{Key, Message, Offer, Record, Timer, Trace, Vote};
use super::{BasicPaxos, Cx};
use crate::paxos::Ballot;
use crate::replica::NodeId;

/// A disk that is not registered has so many rounds for itself, as a power of two, unless two names are almost the same.
const ROUNDS_OF_A_DISK_BITS: u32 = 16;

/// How often the longest back-off doubles.
const MAX_DOUBLINGS: u32 = 5;

/// A ballot under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The ballot.
    pub ballot: Ballot,
    /// How far it is.
    pub phase: Phase,
    refused: BTreeSet<NodeId>,
    deadline: Duration,
}

/// How far a ballot is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Waits for promises; those that came, in order.
    Preparing(Vec<(NodeId, Option<Vote>)>),
    /// Waits for votes.
    Accepting(Offer),
}

impl BasicPaxos {
    /// Begins a ballot for a register that somebody waits for.
    pub(super) fn begin(&mut self, key: &Key, cx: &mut Cx) {
        let before = self.round_before_first();
        let instance = self.instances.entry(key.clone()).or_default();
        if instance.waiting.is_empty() || instance.chosen.is_some() {
            return;
        }
        instance.round = instance.round.max(before) + 1;
        let ballot = self.rules.ballot(instance.round, self.me);
        for waiting in &mut instance.waiting {
            waiting.joined = true;
        }
        instance.attempt = Some(Attempt {
            ballot,
            phase: Phase::Preparing(Vec::new()),
            refused: BTreeSet::new(),
            deadline: cx.now + self.settings.ballot_timeout,
        });
        let (round, wish) = (instance.round, instance.wish());
        cx.trace(Trace::Began {
            key: key.clone(),
            ballot,
        });
        self.write(
            Record::Began {
                key: key.clone(),
                round,
            },
            cx,
        );
        for node in self.acceptors.clone().iter() {
            let (key, wish) = (key.clone(), wish.clone());
            self.say(*node, Message::Prepare { key, ballot, wish }, cx);
        }
    }

    /// The round after which this proposer begins. A disk that is not known by the others may be a second one, whose
    /// proposer does not know which rounds it used with the first: so it has rounds of its own, drawn with its name.
    fn round_before_first(&self) -> u64 {
        if self.identity.registered {
            0
        } else {
            self.identity.disk >> ROUNDS_OF_A_DISK_BITS
        }
    }

    pub(super) fn on_promise(
        &mut self,
        from: NodeId,
        key: &Key,
        ballot: Ballot,
        accepted: Option<Vote>,
        cx: &mut Cx,
    ) {
        let Some(instance) = self.instances.get_mut(key) else {
            return;
        };
        let Some(attempt) = &mut instance.attempt else {
            self.rules.reach(Place::LatePromise as u8);
            return;
        };
        let mine = attempt.ballot;
        let Phase::Preparing(promises) = &mut attempt.phase else {
            return;
        };
        if !self.acceptors.contains(&from) || promises.iter().any(|(node, _)| *node == from) {
            return;
        }
        if !self.rules.counts_promise(ballot, mine) {
            self.rules.reach(Place::LatePromise as u8);
            return;
        }
        promises.push((from, accepted));
        cx.trace(Trace::PromiseCounted {
            key: key.clone(),
            ballot: mine,
            acceptor: from,
        });
        self.propose_when_promised(key, cx);
    }

    pub(super) fn on_nack(&mut self, from: NodeId, key: &Key, ballot: Ballot, promised: Ballot, cx: &mut Cx) {
        let acceptors = self.acceptors.len();
        let Some(instance) = self.instances.get_mut(key) else {
            return;
        };
        instance.round = instance.round.max(promised.round);
        let Some(attempt) = &mut instance.attempt else {
            return;
        };
        if attempt.ballot != ballot || !self.acceptors.contains(&from) {
            return;
        }
        if let Phase::Preparing(promises) = &mut attempt.phase
            && !promises.iter().any(|(node, _)| *node == from)
            && self.rules.refusal_promises()
        {
            promises.push((from, None));
            self.propose_when_promised(key, cx);
            return;
        }
        attempt.refused.insert(from);
        if attempt.refused.len() + self.rules.majority(acceptors) > acceptors {
            self.give_up(key, cx);
        }
    }

    /// Proposes once a quorum has promised: what the promises demand, or else what a client wants.
    fn propose_when_promised(&mut self, key: &Key, cx: &mut Cx) {
        let acceptors = self.acceptors.len();
        let Some(instance) = self.instances.get_mut(key) else {
            return;
        };
        let wish = instance.wish();
        let Some(attempt) = &mut instance.attempt else {
            return;
        };
        let Phase::Preparing(promises) = &attempt.phase else {
            return;
        };
        let majority = self.rules.majority(acceptors);
        if promises.len() < self.rules.phase_one_needs(majority, acceptors) {
            return;
        }
        let reports: Vec<Option<Ballot>> = promises
            .iter()
            .map(|(_, vote)| vote.as_ref().map(|(ballot, _)| *ballot))
            .collect();
        if reports.iter().flatten().collect::<BTreeSet<_>>().len() > 1 {
            self.rules.reach(Place::ReportsDiffer as u8);
        }
        let adopted = self.rules.value_to_adopt(&reports);
        let adopted = adopted
            .and_then(|place| promises[place].1.clone())
            .map(|(_, offer)| offer);
        if adopted.is_some() {
            self.rules.reach(Place::ValueAdopted as u8);
        }
        match adopted {
            Some(offer) => {
                let proposes = wish.is_some() || self.rules.read_proposes(true);
                if !proposes {
                    instance.attempt = None;
                    self.answer_looking(key, Some(&offer), cx);
                    self.begin(key, cx);
                    return;
                }
                if wish.is_none() {
                    self.rules.reach(Place::ReadFinishes as u8);
                }
                self.propose(key, offer, cx);
            }
            None => {
                self.rules.reach(Place::ReadUnwritten as u8);
                self.answer_unwritten(key, cx);
                match wish {
                    Some(wish) => self.propose(key, wish, cx),
                    None => {
                        if let Some(instance) = self.instances.get_mut(key) {
                            instance.attempt = None;
                        }
                        // Those who came meanwhile want a ballot of their own.
                        self.begin(key, cx);
                    }
                }
            }
        }
    }

    fn propose(&mut self, key: &Key, offer: Offer, cx: &mut Cx) {
        let Some(instance) = self.instances.get_mut(key) else {
            return;
        };
        let Some(attempt) = &mut instance.attempt else {
            return;
        };
        let ballot = attempt.ballot;
        attempt.phase = Phase::Accepting(offer.clone());
        attempt.refused.clear();
        attempt.deadline = cx.now + self.settings.ballot_timeout;
        for waiting in &mut instance.waiting {
            waiting.sent |= waiting.want == Want::Propose(offer.clone());
        }
        cx.trace(Trace::Proposed {
            key: key.clone(),
            ballot,
            value: offer.digest(),
        });
        for node in self.acceptors.clone().iter() {
            let (key, offer) = (key.clone(), offer.clone());
            self.say(*node, Message::Accept { key, ballot, offer }, cx);
        }
    }

    /// Leaves a ballot and waits a while, longer and longer, so that two proposers do not disturb each other for ever
    /// (Paxos Made Simple §2.4).
    fn give_up(&mut self, key: &Key, cx: &mut Cx) {
        let Some(instance) = self.instances.get_mut(key) else {
            return;
        };
        let Some(attempt) = instance.attempt.take() else {
            return;
        };
        self.rules.reach(Place::BallotGivenUp as u8);
        instance.in_vain += 1;
        let shortest = self.settings.backoff.as_micros() as u64;
        let longest = shortest << instance.in_vain.min(MAX_DOUBLINGS);
        instance.resume_at = cx.now + Duration::from_micros(cx.rng.random_range(shortest..=longest));
        cx.trace(Trace::GaveUp {
            key: key.clone(),
            ballot: attempt.ballot,
        });
        self.arm_retry(cx);
    }

    /// Looks after the registers that somebody waits for.
    pub(super) fn retry(&mut self, cx: &mut Cx) {
        let keys: Vec<Key> = self.busy.iter().cloned().collect();
        for key in keys {
            self.expire(&key, cx);
            let Some(instance) = self.instances.get_mut(&key) else {
                continue;
            };
            if instance.waiting.is_empty() {
                instance.attempt = None;
                self.busy.remove(&key);
                continue;
            }
            match &instance.attempt {
                Some(attempt) if attempt.deadline <= cx.now => self.give_up(&key, cx),
                None if instance.resume_at <= cx.now => self.begin(&key, cx),
                _ => {}
            }
        }
        self.arm_retry(cx);
    }

    /// The timer runs out when the next of these things is due.
    pub(super) fn arm_retry(&mut self, cx: &mut Cx) {
        let due = self.busy.iter().filter_map(|key| {
            let instance = self.instances.get(key)?;
            let client = instance.waiting.iter().map(|waiting| waiting.deadline).min()?;
            let ballot = instance
                .attempt
                .as_ref()
                .map_or(instance.resume_at, |attempt| attempt.deadline);
            Some(client.min(ballot))
        });
        match due.min() {
            Some(due) => cx.arm(
                Timer::Retry,
                due.saturating_sub(cx.now).max(Duration::from_millis(1)),
            ),
            None => cx.disarm(Timer::Retry),
        }
    }
}
