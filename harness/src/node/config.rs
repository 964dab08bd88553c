//! What the control node tells a node's process, and what it hears back.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use perjury_systems::replica::{Cluster, NodeId};
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
}

/// A further line on a node's standard input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Bend the clock like this from now on; replaces what was said before.
    Clock(Bends),
    /// Stop writing to disk, go on for a moment, report [`Report::Crashing`], and die of SIGKILL.
    Crash(Tail),
    /// Write down what is buffered of the traces, and exit.
    Stop,
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
}
