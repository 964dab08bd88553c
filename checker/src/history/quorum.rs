//! What a store of quorums tells of an operation: which replicas took part in it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A version of a key: the greater one is the newer. In JSON `[counter, node, life]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Tag(
    /// The counter, or the time, that orders versions.
    pub u64,
    /// The node that gave it out: it breaks ties.
    pub u16,
    /// Which life of that node gave it out: it keeps versions apart.
    pub u32,
);

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.n{}", self.0, self.1)
    }
}

/// Who took part in an operation that succeeded. Nodes are numbers: 2 is `n2`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quorum {
    /// The epoch of the ring under which it was carried out.
    pub epoch: u64,
    /// The key's replicas in that epoch.
    pub of: Vec<u16>,
    /// Those that it had before, while the ring changes: then enough of both have to answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<u16>,
    /// How many replicas had to answer.
    pub need: u16,
    /// The version that was written, or that the value read has; none where versions are not in one order, or for a
    /// key that was never written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<Tag>,
    /// Those that answered and were counted, each with the version that it then had: for a write, those that stored it.
    pub answers: Vec<(u16, Option<Tag>)>,
    /// For a read that was written back: those that stored what it returned, before it returned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stored: Vec<u16>,
}

impl Quorum {
    /// The nodes that answered, in the order in which they were counted.
    pub fn answered(&self) -> impl Iterator<Item = u16> {
        self.answers.iter().map(|(node, _)| *node)
    }

    /// Whether a node is a replica of the key, or was one before the ring changed.
    pub fn is_replica(&self, node: u16) -> bool {
        self.of.contains(&node) || self.before.contains(&node)
    }

    /// For whom those answered who are no replicas: the replicas that did not, if there are as many of these; empty where
    /// that is not known.
    pub fn represented(&self) -> Vec<u16> {
        let stood_in = self.answered().filter(|node| !self.is_replica(*node)).count();
        let silent = self
            .of
            .iter()
            .copied()
            .filter(|node| self.answered().all(|one| one != *node))
            .collect::<Vec<_>>();
        if self.before.is_empty() && silent.len() == stood_in {
            silent
        } else {
            Vec::new()
        }
    }
}
