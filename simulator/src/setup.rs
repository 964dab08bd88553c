//! Everything that a simulated run depends on.

use std::collections::BTreeMap;

use perjury_checker::quorum::Promise;
use perjury_nemesis::Plan;
use perjury_runner::Options;
use perjury_systems::replica::{Cluster, NodeId};
use serde::{Deserialize, Serialize};

use crate::script::Script;
use crate::world::{Scheduler, Trigger, Weather};

/// A run as data: with the same setup, the same program does exactly the same again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setup {
    /// The system's name: `raft`.
    pub system: String,
    /// The planted bug, without the system's name: `read-local-at-leader`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mutant: Option<String>,
    /// The system's own options.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
    /// How many of the nodes are members from the start (the first ones); none for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<u16>,
    /// The workload.
    pub workload: Work,
    /// Clients, limits and the seed.
    pub options: Options,
    /// Faults that come at their times.
    #[serde(default)]
    pub plan: Plan,
    /// Faults that come at events.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub triggers: Vec<Trigger>,
    /// How the machines and their network are apart from that.
    #[serde(default)]
    pub weather: Weather,
    /// In which order messages arrive.
    #[serde(default, skip_serializing_if = "Scheduler::is_timed")]
    pub scheduler: Scheduler,
    /// When everything is healed, a random majority has to serve alone before the other nodes come back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub quorum_trial: bool,
    /// What happens besides faults, where that is written out: then nothing of it is drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<Script>,
    /// What the noise is drawn from (latencies, fsyncs, nodes' own draws); none for the options' seed. Shrinking
    /// keeps what clients do and tries other noise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise: Option<u64>,
    /// A run with more events than this is a runaway.
    #[serde(default = "default_max_events")]
    pub max_events: u64,
}

/// A workload by its name, and its shape.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Work {
    /// The name: `cas`.
    pub name: String,
    /// Keys in use at a time; none for the workload's own choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<usize>,
    /// Values are drawn from 1 to this, instead of never being written twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<u32>,
    /// Operations on a key before a fresh one takes its place; none for the workload's own choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ops_per_key: Option<u64>,
}

impl Work {
    /// A workload in its usual shape.
    pub fn named(name: &str) -> Self {
        Work {
            name: name.to_owned(),
            keys: None,
            values: None,
            ops_per_key: None,
        }
    }

    /// Its shape, as the workloads take it, for a system that promises so much.
    pub fn options(&self, promise: Promise) -> perjury_workloads::Options {
        perjury_workloads::Options {
            keys: self.keys,
            values: self.values,
            ops_per_key: self.ops_per_key,
            promise,
        }
    }
}

const fn default_max_events() -> u64 {
    20_000_000
}

impl Setup {
    /// A run without faults, in fair weather.
    pub fn new(system: &str, workload: &str, options: Options) -> Self {
        Setup {
            system: system.to_owned(),
            mutant: None,
            settings: BTreeMap::new(),
            members: None,
            workload: Work::named(workload),
            options,
            plan: Plan::default(),
            triggers: Vec::new(),
            weather: Weather::FAIR,
            scheduler: Scheduler::Timed,
            quorum_trial: false,
            script: None,
            noise: None,
            max_events: default_max_events(),
        }
    }

    /// What every node is told of the cluster.
    pub fn cluster(&self) -> Cluster {
        let nodes: Vec<NodeId> = (1..=self.options.nodes).map(NodeId).collect();
        let members = usize::from(self.members.unwrap_or(self.options.nodes)).min(nodes.len());
        Cluster {
            members: nodes[..members].to_vec(),
            nodes,
            settings: self.settings.clone(),
            mutant: self.mutant.clone(),
        }
    }

    /// What the noise is drawn from.
    pub fn noise(&self) -> u64 {
        self.noise.unwrap_or(self.options.seed)
    }
}
