//! Who the members are (paper §6, thesis §4).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::types::Index;
use crate::identity::Disk;
use crate::replica::NodeId;

/// Who votes and who only receives the log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Config {
    /// Those who vote.
    pub voters: BTreeSet<NodeId>,
    /// In the joint configuration: those who voted before, whose majority is needed too (paper §6).
    pub outgoing: Option<BTreeSet<NodeId>>,
    /// Those who receive the log and do not vote.
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

    /// Whether a node votes, in either majority.
    pub fn is_voter(&self, node: NodeId) -> bool {
        self.voters.contains(&node) || self.outgoing.as_ref().is_some_and(|old| old.contains(&node))
    }

    /// Whether a node is a member of any kind.
    pub fn is_member(&self, node: NodeId) -> bool {
        self.is_voter(node) || self.learners.contains(&node)
    }

    /// All members.
    pub fn members(&self) -> BTreeSet<NodeId> {
        self.each_member().collect()
    }

    /// All members, in no order, and some perhaps twice.
    pub fn each_member(&self) -> impl Iterator<Item = NodeId> {
        let outgoing = self.outgoing.iter().flatten();
        self.voters.iter().chain(outgoing).chain(&self.learners).copied()
    }

    /// All who vote, in either majority.
    pub fn all_voters(&self) -> BTreeSet<NodeId> {
        let outgoing = self.outgoing.iter().flatten();
        self.voters.iter().chain(outgoing).copied().collect()
    }

    /// Whether two majorities are needed.
    pub fn is_joint(&self) -> bool {
        self.outgoing.is_some()
    }

    /// The configuration that follows a joint one.
    pub fn leave_joint(&self) -> Self {
        let mut next = self.clone();
        next.outgoing = None;
        let members = next.members();
        next.disks.retain(|node, _| members.contains(node));
        next
    }
}

/// The configurations in the log, the last one in force. The first is the newest that cannot be rolled back by
/// removing entries: the initial one (at 0) or a snapshot's.
#[derive(Clone, Debug)]
pub struct ConfigHistory(VecDeque<(Index, Config)>);

impl ConfigHistory {
    /// A history that begins with a configuration at `index`.
    pub fn new(index: Index, config: Config) -> Self {
        ConfigHistory(VecDeque::from([(index, config)]))
    }

    /// The configuration in force: the latest in the log, committed or not (paper §6).
    pub fn latest(&self) -> &Config {
        &self.0.back().expect("a history is never empty").1
    }

    /// Where the configuration in force was appended.
    pub fn latest_index(&self) -> Index {
        self.0.back().expect("a history is never empty").0
    }

    /// The configuration as of an entry, for a snapshot that ends there.
    pub fn as_of(&self, index: Index) -> &Config {
        let found = self.0.iter().rev().find(|(at, _)| *at <= index);
        &found
            .unwrap_or_else(|| self.0.front().expect("a history is never empty"))
            .1
    }

    /// A configuration was appended.
    pub fn push(&mut self, index: Index, config: Config) {
        self.0.push_back((index, config));
    }

    /// Entries from some place on were removed: forgets the configurations among them that `survives` does not
    /// keep, and says where those were.
    pub fn roll_back(&mut self, survives: impl Fn(Index) -> bool) -> Vec<Index> {
        let mut gone = Vec::new();
        while self.0.len() > 1 && !survives(self.latest_index()) {
            gone.extend(self.0.pop_back().map(|(index, _)| index));
        }
        gone
    }

    /// Entries up to `index` were compacted: what they set becomes the beginning.
    pub fn compact(&mut self, index: Index) {
        while self.0.len() > 1 && self.0[1].0 <= index {
            self.0.pop_front();
        }
    }

    /// Every configuration with its place, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &(Index, Config)> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(voters: &[u16]) -> Config {
        let voters: Vec<NodeId> = voters.iter().copied().map(NodeId).collect();
        Config::initial(&voters)
    }

    #[test]
    fn a_removed_entry_takes_its_configuration_with_it() {
        let mut history = ConfigHistory::new(0, config(&[1, 2, 3]));
        history.push(5, config(&[1, 2, 3, 4]));
        history.push(9, config(&[1, 2, 4]));
        assert_eq!(history.roll_back(|index| index < 6), [9]);
        assert_eq!(history.latest(), &config(&[1, 2, 3, 4]));
        assert_eq!(history.roll_back(|_| false), [5]);
        assert_eq!(history.latest(), &config(&[1, 2, 3]), "the first one stays");
    }

    #[test]
    fn a_snapshot_holds_the_configuration_as_of_its_last_entry() {
        let mut history = ConfigHistory::new(0, config(&[1, 2, 3]));
        history.push(5, config(&[1, 2]));
        history.push(9, config(&[1]));
        assert_eq!(history.as_of(4), &config(&[1, 2, 3]));
        assert_eq!(history.as_of(8), &config(&[1, 2]));
        history.compact(8);
        assert_eq!(
            history.iter().map(|(index, _)| *index).collect::<Vec<_>>(),
            [5, 9]
        );
    }

    #[test]
    fn leaving_a_joint_configuration_forgets_those_who_left() {
        let mut joint = config(&[1, 2, 4]);
        joint.outgoing = Some(config(&[1, 2, 3]).voters);
        joint.disks = BTreeMap::from([(NodeId(3), 33), (NodeId(4), 44)]);
        assert!(joint.is_voter(NodeId(3)));
        let left = joint.leave_joint();
        assert!(!left.is_member(NodeId(3)));
        assert_eq!(left.disks, BTreeMap::from([(NodeId(4), 44)]));
    }
}
