//! The vocabulary of faults.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

/// A node of the cluster, counted from 1; shown as `n1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Node(pub u16);

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{}", self.0)
    }
}

/// A directed link between two nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Link {
    /// The sender.
    pub from: Node,
    /// The receiver.
    pub to: Node,
}

/// For each node, those whose packets it drops.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Grudge(pub BTreeMap<Node, BTreeSet<Node>>);

/// Whom a fault hits. What depends on the run (the leader) is resolved when the fault is injected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// Exactly these.
    Nodes(BTreeSet<Node>),
    /// Who leads when the fault is injected; the node given, if nobody does.
    Leader {
        /// Hit instead when there is no leader.
        otherwise: Node,
    },
    /// Who leads, and these besides.
    LeaderAnd {
        /// Hit instead of the leader when there is none.
        otherwise: Node,
        /// Hit too, unless it leads.
        others: BTreeSet<Node>,
    },
}

/// Something that breaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Fault {
    /// Links are cut as the shape says.
    Partition {
        /// Who is cut off from whom.
        shape: Shape,
    },
    /// Processes are killed; healing starts them again.
    Kill {
        /// Whom.
        target: Target,
        /// What the disk keeps.
        crash: Crash,
    },
    /// Processes are frozen; healing lets them go on.
    Pause {
        /// Whom.
        target: Target,
    },
    /// Clocks are bent; healing sets them right.
    Clock {
        /// Whose.
        target: Target,
        /// How.
        bend: Bend,
    },
    /// Packets on all links from and to the target are mistreated.
    Packets {
        /// Whose links.
        target: Target,
        /// How.
        packets: Packets,
    },
    /// Nodes leave the cluster by its own means; healing lets them join again.
    Leave {
        /// Who.
        target: Target,
    },
}

/// Who is cut off from whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// These node groups cannot talk to each other (halves, one alone).
    Groups(Vec<BTreeSet<Node>>),
    /// The target is alone (the leader).
    Alone(Target),
    /// The target and these nodes against the rest: a leader in a minority.
    Minority(Target),
    /// An explicit grudge (majorities ring, bridge, one-way).
    Grudge(Grudge),
    /// The target hears nobody, or nobody hears it.
    OneWay {
        /// Whom it hits.
        target: Target,
        /// Whether packets to it (true) or from it (false) are dropped.
        inbound: bool,
    },
}

/// What a killed node's disk keeps of what was written but not yet fsynced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Crash {
    /// Nothing of it, as when the process is killed while its log waits in memory.
    Kill,
    /// Nothing of it, and its fsyncs are slowed down beforehand so that there is something to lose.
    LoseUnsynced,
    /// A prefix of it, the last record torn.
    TornWrite,
}

/// How a clock is bent. A node reads only its own clock; the machine's is never touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bend {
    /// The wall clock jumps once, forwards or backwards.
    Jump {
        /// By how much.
        offset_ms: i64,
    },
    /// Wall and monotonic clocks run fast or slow.
    Drift {
        /// Parts per million; 1_000_000 is twice as fast.
        rate_ppm: i64,
    },
    /// The wall clock flips between right and `offset_ms` ahead.
    Strobe {
        /// By how much.
        offset_ms: i64,
        /// Half the period.
        every_ms: u64,
    },
}

/// How packets are mistreated. Zero turns a part off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packets {
    /// Mean extra delay; drawn per packet, heavy-tailed.
    pub delay_ms: u64,
    /// How many per cent are lost.
    pub loss_percent: u8,
    /// How many per cent arrive twice.
    pub duplicate_percent: u8,
    /// How many per cent are overtaken by later ones.
    pub reorder_percent: u8,
}

/// A fault with its targets resolved, as an environment carries it out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Resolved {
    /// Cut these directed links.
    Cut {
        /// The links.
        links: BTreeSet<Link>,
    },
    /// Kill these nodes.
    Kill {
        /// Whom.
        nodes: BTreeSet<Node>,
        /// What the disk keeps.
        crash: Crash,
    },
    /// Freeze these nodes.
    Pause {
        /// Whom.
        nodes: BTreeSet<Node>,
    },
    /// Bend these nodes' clocks.
    Clock {
        /// Whose.
        nodes: BTreeSet<Node>,
        /// How.
        bend: Bend,
    },
    /// Mistreat packets on these links.
    Packets {
        /// The links.
        links: BTreeSet<Link>,
        /// How.
        packets: Packets,
    },
    /// Make these nodes leave the cluster.
    Leave {
        /// Who.
        nodes: BTreeSet<Node>,
    },
}
