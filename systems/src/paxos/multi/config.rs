//! Who the members are, and from which slot on (PMMC §4.4: a configuration chosen in a slot is in force some slots
//! later, so that everybody who may propose for a slot knows who decides it).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::types::Slot;
use crate::identity::Disk;
use crate::replica::NodeId;

/// Who votes and who only learns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Config {
    /// The acceptors.
    pub voters: BTreeSet<NodeId>,
    /// Those who only learn.
    pub learners: BTreeSet<NodeId>,
    /// The disks of the nodes that joined later; a node whose disk is another one has forgotten its promises.
    pub disks: BTreeMap<NodeId, Disk>,
}

impl Config {
    /// The members from the start.
    pub fn initial(members: &[NodeId]) -> Self {
        Config {
            voters: members.iter().copied().collect(),
            ..Config::default()
        }
    }

    /// Whether these are a majority of the acceptors.
    pub fn agrees(&self, some: &BTreeSet<NodeId>) -> bool {
        some.len() > self.voters.len() / 2 && self.agrees_by(|node| some.contains(&node))
    }

    /// Whether a majority of the acceptors does so.
    pub fn agrees_by(&self, does: impl Fn(NodeId) -> bool) -> bool {
        self.voters.iter().filter(|node| does(**node)).count() > self.voters.len() / 2
    }

    /// All members.
    pub fn members(&self) -> impl Iterator<Item = NodeId> {
        self.voters.union(&self.learners).copied()
    }
}

/// The configurations, each with the first slot that it decides, oldest first. The first is always in force already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configs(VecDeque<(Slot, Config)>);

impl Configs {
    /// Only the configuration from the start.
    pub fn new(initial: Config) -> Self {
        Configs(VecDeque::from([(0, initial)]))
    }

    /// The configuration that decides a slot.
    pub fn of(&self, slot: Slot) -> &Config {
        let found = self.0.iter().rev().find(|(from, _)| *from <= slot);
        &found.unwrap_or(&self.0[0]).1
    }

    /// The last one, and the first slot that it decides.
    pub fn latest(&self) -> (Slot, &Config) {
        let (from, config) = &self.0[self.0.len() - 1];
        (*from, config)
    }

    /// Those that decide a slot from this one on.
    pub fn from(&self, slot: Slot) -> impl Iterator<Item = &Config> {
        let first = self.0.iter().rposition(|(from, _)| *from <= slot).unwrap_or(0);
        self.0.range(first..).map(|(_, config)| config)
    }

    /// From `effective` on, these are the members.
    pub fn push(&mut self, effective: Slot, config: Config) {
        self.0.push_back((effective, config));
    }

    /// Slots up to `executed` need no configuration any more.
    pub fn trim(&mut self, executed: Slot) {
        while self.0.len() > 1 && self.0[1].0 <= executed + 1 {
            self.0.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_decides_the_slots_from_its_first_on() {
        let config = |voters: &[u16]| Config::initial(&voters.iter().map(|n| NodeId(*n)).collect::<Vec<_>>());
        let mut configs = Configs::new(config(&[1, 2, 3]));
        configs.push(15, config(&[1, 2, 3, 4]));
        configs.push(20, config(&[2, 3, 4]));
        assert_eq!(configs.of(14), &config(&[1, 2, 3]));
        assert_eq!(configs.of(15), &config(&[1, 2, 3, 4]));
        assert_eq!(configs.from(15).count(), 2);
        assert_eq!(configs.from(3).count(), 3);
        configs.trim(14);
        assert_eq!(configs.of(15), &config(&[1, 2, 3, 4]));
        assert_eq!(configs.from(3).count(), 2);
        assert_eq!(configs.latest().0, 20);
    }
}
