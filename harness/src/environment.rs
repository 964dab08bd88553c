//! What an environment is asked to run, and what it says when it is over.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use perjury_nemesis::{Link, Node};
use perjury_runner::Messages;
use perjury_simulator::Score;
use perjury_systems::replica::{Cluster, ConfigError, MutantCounts, NodeId};
use serde::{Deserialize, Serialize};

/// A cluster to run as real processes.
#[derive(Clone, Debug)]
pub struct ClusterConfig {
    /// The system's name: `raft`.
    pub system: String,
    /// How many nodes there are, called 1 to `nodes`.
    pub nodes: u16,
    /// How many of them are members from the start (the first ones); none for all.
    pub members: Option<u16>,
    /// The system's own options.
    pub settings: BTreeMap<String, String>,
    /// The planted bug, without the system's name.
    pub mutant: Option<String>,
    /// The test's seed: nodes and links draw from it.
    pub seed: u64,
    /// Where the nodes' logs (`n1.log`) and traces (`n1.trace.jsonl`) go: the run's `nodes` folder; created if it is
    /// missing.
    pub folder: PathBuf,
    /// Whether nodes write traces.
    pub traces: bool,
    /// Whether messages between nodes are taken down.
    pub messages: bool,
    /// Where the nodes' data directories go; none for the machine's temporary directory.
    pub data: Option<PathBuf>,
    /// Whether the data directories stay when it is over.
    pub keep_data: bool,
    /// A run to be led through in step, as it was simulated.
    pub score: Option<Arc<Score>>,
    /// The program to start; none for this very program. For tests and benchmarks, which are other programs.
    pub program: Option<PathBuf>,
}

impl ClusterConfig {
    /// A cluster of `nodes` nodes with default settings, whose logs go to `folder`.
    pub fn new(system: &str, nodes: u16, folder: PathBuf) -> Self {
        ClusterConfig {
            system: system.to_owned(),
            nodes,
            members: None,
            settings: BTreeMap::new(),
            mutant: None,
            seed: 0,
            folder,
            traces: false,
            messages: false,
            data: None,
            keep_data: false,
            score: None,
            program: None,
        }
    }

    /// What every node is told of the cluster.
    pub fn cluster(&self) -> Cluster {
        let nodes: Vec<NodeId> = (1..=self.nodes).map(NodeId).collect();
        let members = usize::from(self.members.unwrap_or(self.nodes)).min(nodes.len());
        Cluster {
            members: nodes[..members].to_vec(),
            nodes,
            settings: self.settings.clone(),
            mutant: self.mutant.clone(),
        }
    }

    /// Checks everything that can be checked before a process is started.
    ///
    /// # Errors
    /// What is wrong, with what would be right: wrong usage, not a failure of the harness.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if self.nodes == 0 || self.nodes > MAX_NODES {
            return Err(ConfigError(format!(
                "a cluster has 1 to {MAX_NODES} nodes, not {}",
                self.nodes
            )));
        }
        if self
            .members
            .is_some_and(|members| members == 0 || members > self.nodes)
        {
            return Err(ConfigError(format!(
                "of {} nodes, 1 to {0} can be members",
                self.nodes
            )));
        }
        crate::node::validate(&self.system, &self.cluster())
    }
}

/// The most nodes that a cluster may have: links grow with the square.
pub const MAX_NODES: u16 = 32;

/// Why a cluster did not start: a failure of the harness or of the machine.
#[derive(Debug)]
pub struct StartError(pub String);

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StartError {}

/// What an environment knows when it is over, besides what it told the runner.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// How often the planted mistake was asked and decided otherwise, over all nodes and incarnations, as far as
    /// the nodes' status pages told.
    pub mutant_reached: u64,
    /// See `mutant_reached`.
    pub mutant_differed: u64,
    /// Per directed link, how many packets passed and how many were dropped.
    pub links: Vec<LinkTraffic>,
    /// How many times each node was started again.
    pub restarts: BTreeMap<Node, u64>,
    /// The messages between nodes, if they were to be taken down.
    #[serde(skip)]
    pub messages: Option<Messages>,
    /// How it went, if the run was led in step.
    pub led: Option<Led>,
}

/// How a run went that was led in step, as it was simulated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Led {
    /// How many turns were taken.
    pub turns: usize,
    /// The first turn that came out otherwise than in the simulation.
    pub difference: Option<String>,
    /// Why it went on no more, if it did not get to its end.
    pub stopped: Option<String>,
}

/// Packets of a directed link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkTraffic {
    /// The link.
    pub link: Link,
    /// Packets that arrived from its sender.
    pub arrived: u64,
    /// Of these, how many a fault dropped.
    pub dropped: u64,
}

impl Summary {
    pub(crate) fn count(&mut self, counts: MutantCounts) {
        self.mutant_reached += counts.reached;
        self.mutant_differed += counts.differed;
    }
}
