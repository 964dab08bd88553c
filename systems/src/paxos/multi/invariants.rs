//! What must hold in every run, besides what both kinds of Paxos share ([`crate::paxos::ledger`]): replicas that execute
//! the same decrees in the same order, at most one lease, trimming only what a snapshot covers, requests that take
//! effect once, reads that see what was answered.
//!
//! [`Invariants`] watches a cluster from outside, across restarts; a promise or a vote counts once it is durable.
//! [`Recorded`] judges what traces alone decide, for runs of real processes.

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;

use super::Paxos;
use super::config::{Config, Configs};
use super::settings::Settings;
use super::types::{Slot, Trace};
use crate::api::Session;
use crate::breach::{self, Breach, Judge};
use crate::paxos::Ballot;
use crate::paxos::ledger::{ACCEPTORS, AGREEMENT, AfterDisk, Broken, LEARNED, Ledger, ONE_VALUE, VALIDITY};
use crate::replica::{Cluster, Lsn, NodeId, RequestId};

/// P-I6 for whole replicas: a gap-free prefix of the same decrees, and so equal states (PMMC §2).
const EXECUTION: (&str, &str) = ("P-I6", "equal executions");
/// P-I7: nobody begins to lead beside a lease (Paxos Made Live §5.2).
const LEASE: (&str, &str) = ("P-I7", "one lease");
/// P-I8: only what a snapshot covers is trimmed, and an acceptor says so.
const TRIMMING: (&str, &str) = ("P-I8", "trimming");
/// P-I10: a request takes effect once (PMMC §2.1).
const ONCE: (&str, &str) = ("P-I10", "at most once");
/// P-I11: a read sees everything that was answered before it came.
const READS: (&str, &str) = ("P-I11", "linearizable reads");

/// P-I12: the members are changed from those in force, one change after the other (PMMC §4.4).
const MEMBERS: (&str, &str) = ("P-I12", "one change of the members at a time");

/// What replicas did, as far as traces tell it.
#[derive(Clone, Debug, Default)]
struct Executions {
    decrees: BTreeMap<Slot, u64>,
    states: FxHashMap<Slot, u64>,
    effects: FxHashMap<Session, Slot>,
    executed: BTreeMap<NodeId, Slot>,
}

impl Executions {
    fn take(&mut self, node: NodeId, trace: &Trace) -> Result<(), Broken> {
        match trace {
            Trace::Executed {
                slot,
                value,
                hash,
                effect,
            } => {
                let before = self.executed.insert(node, *slot).unwrap_or(0);
                if *slot != before + 1 {
                    return Err((EXECUTION, format!("it executed slot {slot} right after {before}")));
                }
                if *self.decrees.entry(*slot).or_insert(*value) != *value {
                    return Err((
                        EXECUTION,
                        format!("two different decrees were executed in slot {slot}"),
                    ));
                }
                if let Some(session) = effect {
                    let first = *self.effects.entry(*session).or_insert(*slot);
                    if first != *slot {
                        let Session { client, sequence } = session;
                        let what = format!(
                            "request {sequence} of client {client} took effect in slots {first} and {slot}"
                        );
                        return Err((ONCE, what));
                    }
                }
                self.state(*slot, *hash)
            }
            Trace::SnapshotTaken { last, hash, .. } => self.state(*last, *hash),
            Trace::SnapshotInstalled { last, hash } => {
                self.executed.insert(node, *last);
                self.state(*last, *hash)
            }
            Trace::Recovered { executed, hash } => {
                self.executed.insert(node, *executed);
                self.state(*executed, *hash)
            }
            _ => Ok(()),
        }
    }

    fn state(&mut self, slot: Slot, hash: u64) -> Result<(), Broken> {
        if *self.states.entry(slot).or_insert(hash) == hash {
            return Ok(());
        }
        Err((
            EXECUTION,
            format!("the state after slot {slot} differs from another node's"),
        ))
    }
}

/// What an acceptor has said.
#[derive(Clone, Debug, Default)]
struct Word {
    promised: Ballot,
    votes: BTreeMap<Slot, Ballot>,
}

impl Word {
    fn vote(&self, slot: Slot) -> Ballot {
        self.votes.get(&slot).copied().unwrap_or_default()
    }
}

/// Something an acceptor says once it is durable: a promise, or a vote for a value in a slot.
type Said = (Ballot, Option<(Slot, u64)>);

/// Watches a cluster.
#[derive(Clone, Debug)]
pub struct Invariants {
    alpha: Slot,
    configs: Configs,
    ledger: Ledger<Slot>,
    requested: BTreeSet<u64>,
    /// What each acceptor has said durably, and in this incarnation.
    durable: BTreeMap<NodeId, Word>,
    current: BTreeMap<NodeId, Word>,
    pending: AfterDisk<Said>,
    /// What was promised on disks that are lost, by nodes that have not joined again since: they are silent.
    lost: BTreeMap<NodeId, Ballot>,
    executions: Executions,
    /// The highest ballot in which anybody led, and who.
    leader: (Ballot, Option<NodeId>),
    acknowledged: Slot,
    floors: FxHashMap<(NodeId, RequestId), Slot>,
}

impl breach::Invariants<Paxos> for Invariants {
    fn observe(&mut self, node: NodeId, paxos: &Paxos, traces: &[Trace], durable: Lsn) -> Result<(), Breach> {
        let breach = |(name, what): Broken| Breach::new(name, node, what);
        self.promote(node, durable).map_err(breach)?;
        traces
            .iter()
            .try_for_each(|trace| self.take(node, paxos, trace))
            .map_err(breach)
    }

    fn stopped(&mut self, node: NodeId) {
        self.floors.retain(|(reader, _), _| *reader != node);
    }

    fn wiped(&mut self, node: NodeId) {
        self.pending.forget(node);
        if let Some(word) = self.durable.remove(&node) {
            let lost = self.lost.entry(node).or_default();
            *lost = (*lost).max(word.promised);
        }
    }

    fn full(&mut self, nodes: &BTreeMap<NodeId, &Paxos>) -> Result<(), Breach> {
        for (node, paxos) in nodes {
            let executed = paxos.machine().applied();
            if executed > 0 && self.ledger.chosen(&executed).is_none() {
                let what = format!("it has executed up to slot {executed}, which is not chosen");
                return Err(Breach::new(LEARNED, *node, what));
            }
        }
        Ok(())
    }
}

impl Invariants {
    /// A cluster that has not started.
    pub fn new(cluster: &Cluster) -> Self {
        let alpha = Settings::parse(&cluster.settings).map_or(1, |settings| settings.alpha);
        Invariants {
            alpha,
            configs: Configs::new(Config::initial(&cluster.members)),
            ledger: Ledger::default(),
            requested: BTreeSet::new(),
            durable: BTreeMap::new(),
            current: BTreeMap::new(),
            pending: AfterDisk::default(),
            lost: BTreeMap::new(),
            executions: Executions::default(),
            leader: (Ballot::NONE, None),
            acknowledged: 0,
            floors: FxHashMap::default(),
        }
    }

    /// What waited for the disk and is durable now.
    fn promote(&mut self, node: NodeId, durable: Lsn) -> Result<(), Broken> {
        while let Some((ballot, vote)) = self.pending.next(node, durable) {
            let word = self.durable.entry(node).or_default();
            word.promised = word.promised.max(ballot);
            if let Some((slot, value)) = vote {
                word.votes.insert(slot, ballot);
                let config = self.configs.of(slot);
                self.ledger
                    .voted((node, &slot), (ballot, value), |some| config.agrees(some))?;
            }
        }
        Ok(())
    }

    fn take(&mut self, node: NodeId, paxos: &Paxos, trace: &Trace) -> Result<(), Broken> {
        self.executions.take(node, trace)?;
        match trace {
            Trace::Recovered { .. } => self.recovered(node, paxos),
            Trace::Requested { value } => {
                self.requested.insert(*value);
                Ok(())
            }
            Trace::Promised { ballot, at } => {
                let word = self.current.entry(node).or_default();
                let promised = word.promised;
                if *ballot < promised {
                    return Err((
                        ACCEPTORS,
                        format!("it promises {ballot} after promising {promised}"),
                    ));
                }
                word.promised = *ballot;
                self.pending.say(node, *at, (*ballot, None));
                Ok(())
            }
            Trace::Accepted {
                slot,
                ballot,
                value,
                at,
            } => {
                let word = self.current.entry(node).or_default();
                let bound = word.promised.max(word.vote(*slot));
                if *ballot < bound {
                    let what = format!("it accepts in {ballot} for slot {slot} after promising {bound}");
                    return Err((ACCEPTORS, what));
                }
                word.promised = word.promised.max(*ballot);
                word.votes.insert(*slot, *ballot);
                self.pending.say(node, *at, (*ballot, Some((*slot, *value))));
                Ok(())
            }
            Trace::Reported { trimmed, .. } if *trimmed < paxos.trimmed() => {
                let what = format!(
                    "it says nothing of the slots up to {}, which it has trimmed",
                    paxos.trimmed()
                );
                Err((TRIMMING, what))
            }
            Trace::SnapshotTaken { last, trimmed, .. } if trimmed > last => Err((
                TRIMMING,
                format!("it trimmed up to {trimmed}, and its snapshot ends at {last}"),
            )),
            Trace::Proposed {
                slot,
                ballot,
                value,
                noop,
            } => {
                if !noop && !self.requested.contains(value) {
                    return Err((VALIDITY, format!("it proposes in slot {slot} what nobody wants")));
                }
                self.ledger.proposed(slot, *ballot, *value)?;
                let promises = self.promises();
                let config = self.configs.of(*slot);
                self.ledger
                    .shows_safe(slot, (*ballot, *value), &promises, |some| config.agrees(some))
            }
            Trace::Learned { slot, value } => self.ledger.learned(slot, *value),
            // The first that executes it says who decides the slots from α later on; the rule is stated once more here.
            Trace::ConfigExecuted { slot, voters, .. } => {
                let effective = slot + self.alpha;
                let pending = self.configs.latest().0;
                if pending < effective {
                    if *slot < pending {
                        let what = format!(
                            "slot {slot} changes the members; others are to be in force from {pending} on"
                        );
                        return Err((MEMBERS, what));
                    }
                    let before = &self.configs.latest().1.voters;
                    self.lost
                        .retain(|node, _| before.contains(node) || !voters.contains(node));
                    let voters: Vec<NodeId> = voters.iter().copied().collect();
                    self.configs.push(effective, Config::initial(&voters));
                }
                Ok(())
            }
            Trace::BecameLeader { ballot } => {
                if *ballot > self.leader.0 {
                    self.leader = (*ballot, Some(node));
                }
                Ok(())
            }
            Trace::Acked { slot, .. } => {
                self.acknowledged = self.acknowledged.max(*slot);
                Ok(())
            }
            Trace::ReadInvoked { id } => {
                self.floors.insert((node, *id), self.acknowledged);
                Ok(())
            }
            Trace::ReadServed { id, slot, lease } => self.served(node, *id, *slot, *lease),
            _ => Ok(()),
        }
    }

    /// What everybody has promised durably, also on a disk that is lost.
    fn promises(&self) -> BTreeMap<NodeId, Ballot> {
        let said = self.durable.iter().map(|(node, word)| (*node, word.promised));
        let mut promises: BTreeMap<NodeId, Ballot> = said.collect();
        for (node, lost) in &self.lost {
            let promised = promises.entry(*node).or_default();
            *promised = (*promised).max(*lost);
        }
        promises
    }

    /// Whether those who decide from now on have promised a ballot. Whoever knows only former members may begin to lead by
    /// their promises, and gets nothing chosen until it has those of the present ones.
    fn is_in_force(&self, ballot: Ballot) -> bool {
        let promises = self.promises();
        let promised = |node| promises.get(&node).is_some_and(|promised| *promised >= ballot);
        let mut configs = self.configs.from(self.acknowledged + 1);
        configs.all(|config| config.agrees_by(promised))
    }

    fn served(
        &mut self,
        node: NodeId,
        id: RequestId,
        slot: Slot,
        lease: Option<Ballot>,
    ) -> Result<(), Broken> {
        if let Some(lease) = lease
            && let (ballot, Some(other)) = self.leader
            && ballot > lease
            && other != node
            && self.is_in_force(ballot)
        {
            return Err((
                LEASE,
                format!("it reads by its lease of {lease}, and {other} leads in {ballot}"),
            ));
        }
        let floor = self.floors.remove(&(node, id)).unwrap_or(0);
        if slot < floor {
            let what = format!("a read was served at {slot}; {floor} was acknowledged before it came");
            return Err((READS, what));
        }
        Ok(())
    }

    /// A node is back: what it had said durably, it must still know, but for what is trimmed.
    fn recovered(&mut self, node: NodeId, paxos: &Paxos) -> Result<(), Broken> {
        // What was not durable is gone, and was told to nobody.
        self.pending.forget(node);
        let word = self.durable.entry(node).or_default();
        let trimmed = paxos.trimmed();
        word.votes = word.votes.split_off(&(trimmed + 1));
        self.current.insert(node, word.clone());
        if paxos.promised() < word.promised {
            let what = format!(
                "it had promised {}, and came back with {}",
                word.promised,
                paxos.promised()
            );
            return Err((ACCEPTORS, what));
        }
        for (slot, ballot) in &word.votes {
            let known = paxos
                .accepted()
                .get(slot)
                .map_or(Ballot::NONE, |vote| vote.ballot);
            if known < *ballot {
                let what = format!("it had voted in {ballot} for slot {slot}, and came back with {known}");
                return Err((ACCEPTORS, what));
            }
        }
        Ok(())
    }
}

/// Judges recorded traces.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    executions: Executions,
    proposed: BTreeMap<(Slot, Ballot), u64>,
    learned: BTreeMap<Slot, u64>,
    leaders: BTreeMap<Ballot, NodeId>,
}

impl Judge<Trace> for Recorded {
    fn observe(&mut self, node: NodeId, trace: &Trace) -> Result<(), Breach> {
        let breach = |(name, what): Broken| Breach::new(name, node, what);
        self.executions.take(node, trace).map_err(breach)?;
        match trace {
            Trace::Proposed {
                slot, ballot, value, ..
            }
            | Trace::Accepted {
                slot, ballot, value, ..
            } => {
                let known = *self.proposed.entry((*slot, *ballot)).or_insert(*value);
                if known != *value {
                    let what = format!("ballot {ballot} of slot {slot} has two values");
                    return Err(Breach::new(ONE_VALUE, node, what));
                }
            }
            Trace::Learned { slot, value } => {
                let known = *self.learned.entry(*slot).or_insert(*value);
                if known != *value {
                    let what = format!("two values were learned for slot {slot}");
                    return Err(Breach::new(AGREEMENT, node, what));
                }
            }
            Trace::BecameLeader { ballot } => {
                let known = *self.leaders.entry(*ballot).or_insert(node);
                if known != node || ballot.node != node {
                    let what = format!("{known} and {node} lead in ballot {ballot}");
                    return Err(Breach::new(ONE_VALUE, node, what));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Breach> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leader_of_former_members_leads_beside_no_lease() {
        let members: Vec<NodeId> = (1..=5).map(NodeId).collect();
        let cluster = Cluster {
            nodes: members.clone(),
            members: members.clone(),
            settings: BTreeMap::new(),
            mutant: None,
        };
        let mut watch = Invariants::new(&cluster);
        watch.configs.push(10, Config::initial(&members[..3]));
        watch.acknowledged = 20;
        let ballot = |node| Ballot {
            round: 7,
            node: NodeId(node),
        };
        watch.leader = (ballot(2), Some(NodeId(2)));
        let mut reads = |promised: &[u16]| {
            for node in promised {
                watch.durable.entry(NodeId(*node)).or_default().promised = ballot(2);
            }
            watch.served(NodeId(1), RequestId(1), 20, Some(ballot(1)))
        };
        assert_eq!(reads(&[2, 4, 5]), Ok(()), "n2 cannot get anything chosen");
        assert_eq!(reads(&[3]).map_err(|(name, _)| name), Err(LEASE));
    }
}
