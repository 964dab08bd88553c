//! The vocabulary of faults.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A node of the cluster, counted from 1; shown as `n1`, which is also how it stands in JSON (there the bare
/// number is accepted too).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node(pub u16);

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{}", self.0)
    }
}

impl FromStr for Node {
    type Err = String;

    /// Reads `n1` or `1`.
    ///
    /// # Errors
    /// If it is neither, with what would be right.
    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_prefix('n').unwrap_or(text);
        match number.parse() {
            Ok(number) if number > 0 => Ok(Node(number)),
            _ => Err(format!("{text:?} is not a node: nodes are named n1, n2, …")),
        }
    }
}

impl Serialize for Node {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_u16(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl serde::de::Visitor<'_> for Name {
            type Value = Node;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a node such as \"n1\"")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Node, E> {
                text.parse().map_err(E::custom)
            }
            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Node, E> {
                match u16::try_from(number) {
                    Ok(number) if number > 0 => Ok(Node(number)),
                    _ => Err(E::custom(format!(
                        "{number} is not a node: nodes are counted from 1"
                    ))),
                }
            }
        }
        if deserializer.is_human_readable() {
            deserializer.deserialize_any(Name)
        } else {
            u16::deserialize(deserializer).map(Node)
        }
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
    /// Disks fail their nodes; healing repairs them, and starts again the nodes that stopped for it.
    Disk {
        /// Whose.
        target: Target,
        /// How.
        defect: Defect,
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
    /// These node groups cannot talk to each other (halves, one alone). A node in no group talks to all.
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

/// What is wrong with a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "snake_case")]
pub enum Defect {
    /// Each fsync takes longer.
    Slow {
        /// By how much, on average; drawn per fsync, between half and one and a half times as much.
        fsync_ms: u64,
    },
    /// There is no room: the next write is cut short, and the node stops.
    Full,
    /// The process is killed, a bit flips in a record that had been durable, and the process is started again: it must
    /// refuse to start from such a log. Healing flips the bit back.
    FlippedBit,
}

impl Defect {
    /// Whether the node is down while its disk is like this.
    pub fn stops(self) -> bool {
        !matches!(self, Defect::Slow { .. })
    }
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

/// How packets are mistreated. Zero, or leaving it out of the JSON, turns a part off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
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

/// The kinds of faults, as coverage counts them.
pub mod kinds {
    /// Links are cut.
    pub const PARTITION: &str = "partition";
    /// Processes are killed; the disk keeps what a killed process leaves.
    pub const KILL: &str = "kill";
    /// Processes are frozen.
    pub const PAUSE: &str = "pause";
    /// Clocks are bent.
    pub const CLOCK: &str = "clock";
    /// Packets are mistreated.
    pub const PACKETS: &str = "packets";
    /// Disks lose or tear what was not fsynced, are slow or full, or rot.
    pub const DISK: &str = "disk";
    /// Nodes leave and join.
    pub const MEMBERSHIP: &str = "membership";
    /// All of them.
    pub const ALL: [&str; 7] = [PARTITION, KILL, PAUSE, CLOCK, PACKETS, DISK, MEMBERSHIP];
}

impl Fault {
    /// The kind, as coverage counts it; one of [`kinds::ALL`].
    pub fn kind(&self) -> &'static str {
        match self {
            Fault::Partition { .. } => kinds::PARTITION,
            Fault::Kill {
                crash: Crash::Kill, ..
            } => kinds::KILL,
            Fault::Kill { .. } | Fault::Disk { .. } => kinds::DISK,
            Fault::Pause { .. } => kinds::PAUSE,
            Fault::Clock { .. } => kinds::CLOCK,
            Fault::Packets { .. } => kinds::PACKETS,
            Fault::Leave { .. } => kinds::MEMBERSHIP,
        }
    }
}

impl Resolved {
    /// The kind, as coverage counts it; one of [`kinds::ALL`].
    pub fn kind(&self) -> &'static str {
        match self {
            Resolved::Cut { .. } => kinds::PARTITION,
            Resolved::Kill {
                crash: Crash::Kill, ..
            } => kinds::KILL,
            Resolved::Kill { .. } | Resolved::Disk { .. } => kinds::DISK,
            Resolved::Pause { .. } => kinds::PAUSE,
            Resolved::Clock { .. } => kinds::CLOCK,
            Resolved::Packets { .. } => kinds::PACKETS,
            Resolved::Leave { .. } => kinds::MEMBERSHIP,
        }
    }

    /// The nodes that it hits; none for faults of links.
    pub fn nodes(&self) -> Option<&BTreeSet<Node>> {
        match self {
            Resolved::Cut { .. } | Resolved::Packets { .. } => None,
            Resolved::Kill { nodes, .. }
            | Resolved::Pause { nodes }
            | Resolved::Clock { nodes, .. }
            | Resolved::Disk { nodes, .. }
            | Resolved::Leave { nodes } => Some(nodes),
        }
    }

    /// The links that it hits; none for faults of nodes.
    pub fn links(&self) -> Option<&BTreeSet<Link>> {
        match self {
            Resolved::Cut { links } | Resolved::Packets { links, .. } => Some(links),
            _ => None,
        }
    }

    /// Whether it hits nothing: every node that was meant is already down, or alone in the cluster.
    pub fn is_empty(&self) -> bool {
        self.nodes().is_none_or(BTreeSet::is_empty) && self.links().is_none_or(BTreeSet::is_empty)
    }
}

/// A fault with its targets resolved, as an environment carries it out. Where faults overlap: a link stays cut
/// while any fault cuts it, and packets on a link are mistreated by every fault that names it. Faults of
/// processes, clocks and disks never overlap with their like on a node (see [`Situation`](crate::Situation)).
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
    /// Break these nodes' disks.
    Disk {
        /// Whose.
        nodes: BTreeSet<Node>,
        /// How.
        defect: Defect,
    },
    /// Make these nodes leave the cluster.
    Leave {
        /// Who.
        nodes: BTreeSet<Node>,
    },
}
