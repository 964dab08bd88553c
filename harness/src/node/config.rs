//! What the control node tells a node's process, and what it hears back.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use perjury_systems::replica::{Cluster, Lsn, NodeId};
use serde::{Deserialize, Serialize};

use super::clock::Bends;

/// The first line on a node's standard input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    /// The system's name: `raft`.
    pub system: String,
    /// Which node this is.
    pub me: NodeId,
    /// What every node knows of the cluster.
    pub cluster: Cluster,
    /// The test's seed; the node's own stream also depends on its number and incarnation.
    pub seed: u64,
    /// How many times this node was started before.
    pub incarnation: u64,
    /// Where its log and snapshots are; created if it is missing.
    pub data: PathBuf,
    /// The file that traces are added to; none records none.
    pub trace: Option<PathBuf>,
    /// Where to reach the other nodes: the addresses of the control node's link proxies.
    pub peers: BTreeMap<NodeId, SocketAddr>,
    /// How its clock is bent from the start.
    pub clock: Bends,
    /// What is wrong with its disk from the start.
    pub disk: Ailment,
    /// Its first turn, if it is led through a run in step: then it does nothing but what it is told with
    /// [`Command::Turn`].
    pub in_step: Option<Turn>,
}

/// A further line on a node's standard input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Bend the clock like this from now on; replaces what was said before.
    Clock(Bends),
    /// What is wrong with the disk from now on; replaces what was said before. [`Report::Slowed`] follows if an fsync is
    /// slow.
    Disk(Ailment),
    /// Stop writing to disk, go on for a moment, report [`Report::Crashing`], and die of SIGKILL.
    Crash(Tail),
    /// Do this now, and report [`Report::Turned`]: for a node that is led in step.
    Turn(Turn),
    /// Write down what is buffered of the traces, and exit.
    Stop,
}

/// What is wrong with a disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ailment {
    /// Each fsync takes so many milliseconds longer, on average.
    pub slow_ms: u64,
    /// There is no room: a write is cut short, and fails.
    pub full: bool,
}

/// What a node that is led in step does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Turn {
    /// When, since the Unix epoch, for its traces.
    pub at: Duration,
    /// What its clocks show.
    pub clocks: Clocks,
    /// What it does.
    pub what: Do,
    /// Of what follows from it, only the first so many things are done; none for all.
    pub done: Option<u64>,
}

/// What a node's clocks show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clocks {
    /// Since some moment before it started.
    pub monotonic: Duration,
    /// Since the Unix epoch.
    pub wall: Duration,
}

/// What a node can do in one turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Do {
    /// Start.
    Start,
    /// Take the next message of this node; wait for it if it has not come.
    Message {
        /// Who sent it.
        from: NodeId,
    },
    /// Take the next request; wait for it if it has not come.
    Request,
    /// Let the timers go off that are due.
    Timers,
    /// Make durable what was written up to here.
    Durable {
        /// The last position.
        lsn: Lsn,
    },
    /// Take note that the connection with this node broke.
    Disconnected {
        /// Which.
        peer: NodeId,
    },
    /// Make durable the first so many writes of those that are not, without taking note of it: it is about to be
    /// killed.
    Keep {
        /// How many.
        writes: u64,
    },
}

/// What a crash leaves of the records that were not yet written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tail {
    /// Nothing.
    Lost,
    /// A prefix whose last record is torn.
    Torn,
}

/// A line on a node's standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Report {
    /// It listens on these ports of 127.0.0.1.
    Ready {
        /// For clients.
        http: u16,
        /// For other nodes.
        peers: u16,
    },
    /// It is about to die, as it was told to.
    Crashing {
        /// Records that were written by the protocol and are not whole on disk.
        lost_records: u64,
        /// Bytes of them that were left on disk.
        torn_bytes: u64,
    },
    /// The first fsync since it was told that its disk is slow has taken longer.
    Slowed,
    /// It has taken its turn.
    Turned {
        /// A hash of all that followed from it and of the state that it is in ([`perjury_simulator::score::effect`]).
        effect: u64,
        /// How many messages have left since it started.
        sent: u64,
        /// How many requests it has answered since it started.
        answered: u64,
    },
}

impl Report {
    /// Tells the control node.
    pub(super) fn say(self) {
        println!(
            "{}",
            serde_json::to_string(&self).expect("a report can be encoded")
        );
    }
}
