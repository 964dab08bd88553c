//! What must hold in every run: agreement, validity, one value per ballot, acceptors that keep their word, proposals
//! that a quorum shows to be safe, and learners that know only what is chosen.
//!
//! [`Invariants`] watches a cluster from outside, across restarts; a promise or a vote counts once it is durable.
//! [`Recorded`] judges what traces alone decide, for runs of real processes.

use std::collections::{BTreeMap, BTreeSet};

use super::BasicPaxos;
use super::types::{Key, Trace};
use crate::breach::{self, Breach, Judge};
use crate::paxos::Ballot;
use crate::paxos::ledger::{
    ACCEPTORS, AGREEMENT, AfterDisk, Broken, LEARNED, Ledger, ONE_VALUE, VALIDITY, is_majority,
};
use crate::replica::{Lsn, NodeId};

/// What an acceptor has said of a register.
#[derive(Clone, Copy, Debug, Default)]
struct Word {
    promised: Ballot,
    voted: Ballot,
}

/// Something an acceptor says of a register once it is durable: a promise, or a vote for a value.
type Said = (Key, Ballot, Option<u64>);

/// Watches a cluster.
#[derive(Clone, Debug)]
pub struct Invariants {
    acceptors: BTreeSet<NodeId>,
    ledger: Ledger<Key>,
    requested: BTreeMap<Key, BTreeSet<u64>>,
    /// What each acceptor has said durably, by register.
    durable: BTreeMap<Key, BTreeMap<NodeId, Word>>,
    /// What it has said in this incarnation, by register.
    current: BTreeMap<NodeId, BTreeMap<Key, Word>>,
    pending: AfterDisk<Said>,
    /// What was promised on disks that are lost: their nodes are silent from then on.
    lost: BTreeMap<Key, BTreeMap<NodeId, Ballot>>,
}

impl breach::Invariants<BasicPaxos> for Invariants {
    fn observe(
        &mut self,
        node: NodeId,
        paxos: &BasicPaxos,
        traces: &[Trace],
        durable: Lsn,
    ) -> Result<(), Breach> {
        let breach = |(name, what): Broken| Breach::new(name, node, what);
        self.promote(node, durable).map_err(breach)?;
        traces
            .iter()
            .try_for_each(|trace| self.take(node, paxos, trace))
            .map_err(breach)
    }

    fn stopped(&mut self, node: NodeId) {
        self.current.remove(&node);
    }

    fn wiped(&mut self, node: NodeId) {
        for (key, words) in &mut self.durable {
            if let Some(word) = words.remove(&node) {
                let lost = self.lost.entry(key.clone()).or_default().entry(node).or_default();
                *lost = (*lost).max(word.promised);
            }
        }
    }

    fn full(&mut self, nodes: &BTreeMap<NodeId, &BasicPaxos>) -> Result<(), Breach> {
        for (node, paxos) in nodes {
            for (key, instance) in paxos.instances() {
                if let Some((_, offer)) = instance.chosen() {
                    self.ledger
                        .learned(key, offer.digest())
                        .map_err(|(name, what)| Breach::new(name, *node, what))?;
                }
            }
        }
        Ok(())
    }
}

impl Invariants {
    /// A cluster that has not started; `acceptors` are its members.
    pub fn new(acceptors: &[NodeId]) -> Self {
        Invariants {
            acceptors: acceptors.iter().copied().collect(),
            ledger: Ledger::default(),
            requested: BTreeMap::new(),
            durable: BTreeMap::new(),
            current: BTreeMap::new(),
            pending: AfterDisk::default(),
            lost: BTreeMap::new(),
        }
    }

    /// What waited for the disk and is durable now.
    fn promote(&mut self, node: NodeId, durable: Lsn) -> Result<(), Broken> {
        while let Some((key, ballot, vote)) = self.pending.next(node, durable) {
            let word = self
                .durable
                .entry(key.clone())
                .or_default()
                .entry(node)
                .or_default();
            word.promised = word.promised.max(ballot);
            if let Some(value) = vote {
                word.voted = word.voted.max(ballot);
                let acceptors = &self.acceptors;
                self.ledger
                    .voted((node, &key), (ballot, value), |some| is_majority(some, acceptors))?;
            }
        }
        Ok(())
    }

    fn take(&mut self, node: NodeId, paxos: &BasicPaxos, trace: &Trace) -> Result<(), Broken> {
        match trace {
            Trace::Recovered { .. } => self.recovered(node, paxos),
            Trace::Requested { key, value } => {
                self.requested.entry(key.clone()).or_default().insert(*value);
                Ok(())
            }
            Trace::Promised { key, ballot, at } => self.said(node, key, (*ballot, None), *at),
            Trace::Accepted {
                key,
                ballot,
                value,
                at,
            } => {
                self.said(node, key, (*ballot, Some(*value)), *at)?;
                let acceptor = paxos.instances().get(key).map(|instance| instance.acceptor());
                if let Some(acceptor) = acceptor
                    && acceptor.promised < *ballot
                {
                    let promised = acceptor.promised;
                    let what =
                        format!("it accepted in {ballot} for {key}, and goes by its promise of {promised}");
                    return Err((ACCEPTORS, what));
                }
                Ok(())
            }
            Trace::Proposed { key, ballot, value } => {
                if !self.requested.get(key).is_some_and(|some| some.contains(value)) {
                    return Err((VALIDITY, format!("it proposes for {key} what no client wants")));
                }
                self.ledger.proposed(key, *ballot, *value)?;
                let words = self.durable.get(key).into_iter().flatten();
                let words = words.map(|(node, word)| (*node, word.promised));
                let lost = self.lost.get(key).into_iter().flatten();
                let lost = lost.map(|(node, ballot)| (*node, *ballot));
                // Those of lost disks last: nothing was promised since.
                let promises = words.chain(lost).collect();
                let acceptors = &self.acceptors;
                self.ledger.shows_safe(key, (*ballot, *value), &promises, |some| {
                    is_majority(some, acceptors)
                })
            }
            Trace::Learned { key, value } => self.ledger.learned(key, *value),
            _ => Ok(()),
        }
    }

    /// An acceptor promises or votes.
    fn said(
        &mut self,
        node: NodeId,
        key: &Key,
        (ballot, vote): (Ballot, Option<u64>),
        at: Lsn,
    ) -> Result<(), Broken> {
        let word = self
            .current
            .entry(node)
            .or_default()
            .entry(key.clone())
            .or_default();
        let (verb, bound) = match vote {
            None => ("promises", word.promised),
            Some(_) => ("accepts in", word.promised.max(word.voted)),
        };
        if ballot < bound {
            return Err((
                ACCEPTORS,
                format!("it {verb} {ballot} for {key} after promising {bound}"),
            ));
        }
        word.promised = word.promised.max(ballot);
        if vote.is_some() {
            word.voted = ballot;
        }
        self.pending.say(node, at, (key.clone(), ballot, vote));
        Ok(())
    }

    /// A node is back: what it had said durably, it must still know.
    fn recovered(&mut self, node: NodeId, paxos: &BasicPaxos) -> Result<(), Broken> {
        // What was not durable is gone, and was told to nobody.
        self.pending.forget(node);
        let current = self.current.entry(node).or_default();
        current.clear();
        for (key, words) in &self.durable {
            let Some(word) = words.get(&node) else {
                continue;
            };
            current.insert(key.clone(), *word);
            let instance = paxos.instances().get(key);
            if instance.is_some_and(|instance| instance.chosen().is_some()) {
                continue;
            }
            let known = instance
                .map(|instance| instance.acceptor().clone())
                .unwrap_or_default();
            let voted = known
                .accepted
                .as_ref()
                .map_or(Ballot::NONE, |(ballot, _)| *ballot);
            if known.promised < word.promised || voted < word.voted {
                let what = format!(
                    "it had promised {} for {key} and voted in {}, and came back with {} and {voted}",
                    word.promised, word.voted, known.promised
                );
                return Err((ACCEPTORS, what));
            }
        }
        Ok(())
    }
}

/// Judges recorded traces.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    requested: BTreeSet<(Key, u64)>,
    proposed: BTreeMap<(Key, Ballot), u64>,
    learned: BTreeMap<Key, (NodeId, u64)>,
    voters: BTreeMap<(Key, u64), BTreeMap<Ballot, BTreeSet<NodeId>>>,
    nodes: BTreeSet<NodeId>,
}

impl Judge<Trace> for Recorded {
    fn observe(&mut self, node: NodeId, trace: &Trace) -> Result<(), Breach> {
        self.nodes.insert(node);
        match trace {
            Trace::Requested { key, value } => {
                self.requested.insert((key.clone(), *value));
            }
            Trace::Proposed { key, ballot, value }
            | Trace::VoteCounted {
                key, ballot, value, ..
            } => {
                let known = *self.proposed.entry((key.clone(), *ballot)).or_insert(*value);
                if known != *value {
                    let what = format!("ballot {ballot} of {key} has two values");
                    return Err(Breach::new(ONE_VALUE, node, what));
                }
                if let Trace::VoteCounted { acceptor, .. } = trace {
                    let ballots = self.voters.entry((key.clone(), *value)).or_default();
                    ballots.entry(*ballot).or_default().insert(*acceptor);
                }
            }
            Trace::Learned { key, value } => {
                let (earlier, known) = *self.learned.entry(key.clone()).or_insert((node, *value));
                if known != *value {
                    let what = format!("it learned another value for {key} than {earlier}");
                    return Err(Breach::new(AGREEMENT, node, what));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Breach> {
        for (key, (node, value)) in &self.learned {
            if !self.requested.contains(&(key.clone(), *value)) {
                let what = format!("it learned for {key} what no client wanted");
                return Err(Breach::new(VALIDITY, *node, what));
            }
            let ballots = self.voters.get(&(key.clone(), *value));
            let most = ballots
                .into_iter()
                .flatten()
                .map(|(_, voters)| voters.len())
                .max();
            if most.unwrap_or(0) <= self.nodes.len() / 2 {
                let what = format!("it learned a value for {key} without a majority's votes in one ballot");
                return Err(Breach::new(LEARNED, *node, what));
            }
        }
        Ok(())
    }
}
