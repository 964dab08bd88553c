//! Who proposed and voted for what, seen from outside: what the invariants of both kinds of Paxos are judged by.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Display;

use super::Ballot;
use crate::replica::{Lsn, NodeId};

/// P-I1: "only a single value is chosen" (Paxos Made Simple §2.1).
pub(crate) const AGREEMENT: (&str, &str) = ("P-I1", "agreement");
/// P-I2: "only a value that has been proposed may be chosen" (Paxos Made Simple §2.1).
pub(crate) const VALIDITY: (&str, &str) = ("P-I2", "validity");
/// P-I3: a ballot has one value (Voting, `OneValuePerBallot`).
pub(crate) const ONE_VALUE: (&str, &str) = ("P-I3", "one value per ballot");
/// P-I4: what an acceptor promised and accepted does not go back (Paxos Made Simple §2.2, §2.5).
pub(crate) const ACCEPTORS: (&str, &str) = ("P-I4", "acceptors keep their word");
/// P-I5: a value is proposed only where a quorum shows that no other can have been chosen (Voting, `ShowsSafeAt`).
pub(crate) const SAFE: (&str, &str) = ("P-I5", "only safe values are proposed");
/// P-I6: "a process never learns that a value has been chosen unless it actually has been" (Paxos Made Simple §2.1).
pub(crate) const LEARNED: (&str, &str) = ("P-I6", "learned is chosen");

/// A broken invariant, and what was seen.
pub(crate) type Broken = ((&'static str, &'static str), String);

/// What happened in the instances of `K`, each of which decides one value. Values are known by their hashes.
#[derive(Clone, Debug)]
pub(crate) struct Ledger<K> {
    instances: BTreeMap<K, Instance>,
}

#[derive(Clone, Debug, Default)]
struct Instance {
    proposed: BTreeMap<Ballot, u64>,
    votes: BTreeMap<Ballot, BTreeSet<NodeId>>,
    chosen: Option<(Ballot, u64)>,
}

impl<K> Default for Ledger<K> {
    fn default() -> Self {
        Ledger {
            instances: BTreeMap::new(),
        }
    }
}

impl<K: Ord + Clone + Display> Ledger<K> {
    /// What is chosen.
    pub(crate) fn chosen(&self, key: &K) -> Option<u64> {
        self.instances.get(key)?.chosen.map(|(_, value)| value)
    }

    /// A value is proposed in a ballot, or a vote shows that it was.
    pub(crate) fn proposed(&mut self, key: &K, ballot: Ballot, value: u64) -> Result<(), Broken> {
        let instance = self.instances.entry(key.clone()).or_default();
        let known = *instance.proposed.entry(ballot).or_insert(value);
        if known == value {
            return Ok(());
        }
        Err((ONE_VALUE, format!("ballot {ballot} of {key} has two values")))
    }

    /// An acceptor's vote is durable: from now on it counts. `quorum` says whether these acceptors are enough.
    pub(crate) fn voted(
        &mut self,
        (node, key): (NodeId, &K),
        (ballot, value): (Ballot, u64),
        quorum: impl Fn(&BTreeSet<NodeId>) -> bool,
    ) -> Result<(), Broken> {
        self.proposed(key, ballot, value)?;
        let Some(instance) = self.instances.get_mut(key) else {
            return Ok(());
        };
        let votes = instance.votes.entry(ballot).or_default();
        votes.insert(node);
        if !quorum(votes) {
            return Ok(());
        }
        match instance.chosen {
            Some((earlier, other)) if other != value => Err((
                AGREEMENT,
                format!(
                    "two values are chosen for {key}: one in ballot {earlier}, another in ballot {ballot}"
                ),
            )),
            Some(_) => Ok(()),
            None => {
                instance.chosen = Some((ballot, value));
                Ok(())
            }
        }
    }

    /// A node believes that this value is chosen.
    pub(crate) fn learned(&self, key: &K, value: u64) -> Result<(), Broken> {
        match self.chosen(key) {
            Some(chosen) if chosen == value => Ok(()),
            Some(_) => Err((
                LEARNED,
                format!("it learned another value for {key} than the chosen one"),
            )),
            None => Err((
                LEARNED,
                format!("it learned a value for {key} where none is chosen"),
            )),
        }
    }

    /// Whether the `promises` (each acceptor's durable one) show that `value` is safe in `ballot`: there is a quorum
    /// whose members will vote in no earlier ballot any more, and did so last for this value, or never (Voting,
    /// `ShowsSafeAt`).
    pub(crate) fn shows_safe(
        &self,
        key: &K,
        (ballot, value): (Ballot, u64),
        promises: &BTreeMap<NodeId, Ballot>,
        quorum: impl Fn(&BTreeSet<NodeId>) -> bool,
    ) -> Result<(), Broken> {
        let none = Instance::default();
        let instance = self.instances.get(key).unwrap_or(&none);
        let last = |node: NodeId| {
            let earlier = instance.votes.range(..ballot).rev();
            let mut voted = earlier.filter(|(_, voters)| voters.contains(&node));
            voted.next().map_or(Ballot::NONE, |(earlier, _)| *earlier)
        };
        let bound: Vec<(NodeId, Ballot)> = promises
            .iter()
            .filter(|(_, promised)| **promised >= ballot)
            .map(|(node, _)| (*node, last(*node)))
            .collect();
        let of_value = instance
            .votes
            .keys()
            .filter(|earlier| **earlier < ballot && instance.proposed.get(earlier) == Some(&value));
        let shown = [Ballot::NONE].into_iter().chain(of_value.copied()).any(|at| {
            let members = bound.iter().filter(|(_, last)| *last <= at);
            quorum(&members.map(|(node, _)| *node).collect())
        });
        if shown {
            return Ok(());
        }
        Err((
            SAFE,
            format!("no quorum shows that the value proposed for {key} in ballot {ballot} is safe"),
        ))
    }
}

/// What nodes say once it is durable: kept back until then.
#[derive(Clone, Debug)]
pub(crate) struct AfterDisk<T> {
    waiting: BTreeMap<NodeId, VecDeque<(Lsn, T)>>,
}

impl<T> Default for AfterDisk<T> {
    fn default() -> Self {
        AfterDisk {
            waiting: BTreeMap::new(),
        }
    }
}

impl<T> AfterDisk<T> {
    /// A node says this once its log is durable up to `at`.
    pub(crate) fn say(&mut self, node: NodeId, at: Lsn, what: T) {
        self.waiting.entry(node).or_default().push_back((at, what));
    }

    /// The next thing that is said, if the node's log is durable so far.
    pub(crate) fn next(&mut self, node: NodeId, durable: Lsn) -> Option<T> {
        let waiting = self.waiting.get_mut(&node)?;
        let (at, _) = waiting.front()?;
        if *at > durable {
            return None;
        }
        waiting.pop_front().map(|(_, what)| what)
    }

    /// What the node has not said yet it will not say.
    pub(crate) fn forget(&mut self, node: NodeId) {
        self.waiting.remove(&node);
    }
}

/// Whether so many of `acceptors` are a majority.
pub(crate) fn is_majority(some: &BTreeSet<NodeId>, acceptors: &BTreeSet<NodeId>) -> bool {
    let quorum = acceptors.len() / 2 + 1;
    some.len() >= quorum && some.iter().filter(|node| acceptors.contains(node)).count() >= quorum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ballot(round: u64) -> Ballot {
        Ballot {
            round,
            node: NodeId(1),
        }
    }

    fn of_three(some: &BTreeSet<NodeId>) -> bool {
        some.len() >= 2
    }

    #[test]
    fn a_majority_across_ballots_chooses_nothing() {
        let mut ledger = Ledger::default();
        for (node, round) in [(1, 1), (3, 3)] {
            ledger
                .voted((NodeId(node), &"k"), (ballot(round), 7), of_three)
                .expect("lawful");
        }
        assert_eq!(ledger.chosen(&"k"), None);
        ledger
            .voted((NodeId(2), &"k"), (ballot(3), 7), of_three)
            .expect("lawful");
        assert_eq!(ledger.chosen(&"k"), Some(7));
        ledger
            .voted((NodeId(1), &"k"), (ballot(4), 8), of_three)
            .expect("a vote alone chooses nothing");
        let broken = ledger.voted((NodeId(2), &"k"), (ballot(4), 8), of_three);
        assert_eq!(broken.expect_err("two values").0, AGREEMENT);
    }

    #[test]
    fn a_value_is_safe_where_the_last_votes_of_a_quorum_are_for_it() {
        let mut ledger = Ledger::default();
        ledger
            .voted((NodeId(1), &"k"), (ballot(1), 7), of_three)
            .expect("lawful");
        let promises = |nodes: &[u16]| nodes.iter().map(|node| (NodeId(*node), ballot(5))).collect();
        let safe = |value, nodes: &[u16]| {
            ledger
                .shows_safe(&"k", (ballot(5), value), &promises(nodes), of_three)
                .is_ok()
        };
        assert!(safe(8, &[2, 3]), "neither has voted");
        assert!(safe(7, &[1, 2]), "the one that has, did so for it");
        assert!(!safe(8, &[1, 2]), "7 may be chosen");
        assert!(!safe(7, &[1]), "no quorum is bound");
    }
}
