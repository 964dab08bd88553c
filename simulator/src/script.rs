//! A run written out: which message arrives and when, whose timers run out, what clients and the operator ask.
//!
//! Nothing else happens: a message that the script does not name is lost, a timer that it does not name is late. Both
//! are legal in an asynchronous network, so whatever a scripted run proves is as true as what any other run proves. A
//! script has no noise, so that one thing can be taken out of it without changing what is drawn for all others.

use perjury_nemesis::Node;
use perjury_runner::Scripted;
use perjury_systems::api::Command;
use serde::{Deserialize, Serialize};

/// What happens in a run, besides its faults. Times are in nanoseconds since the start. The main phase begins as soon as
/// all nodes run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// Whose timers run out.
    #[serde(default)]
    pub timers: Vec<Firing>,
    /// Which messages arrive.
    #[serde(default)]
    pub deliveries: Vec<Delivery>,
    /// What befalls machines.
    #[serde(default)]
    pub mishaps: Vec<Mishap>,
    /// What clients ask.
    #[serde(default)]
    pub operations: Vec<Scripted>,
    /// What the operator asks.
    #[serde(default)]
    pub requests: Vec<Asked>,
    /// The weather is fair before the first and after the second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weather_ns: Option<(u64, u64)>,
    /// When the run ends.
    pub ends_ns: u64,
}

/// From its time on, the node's next timer goes off as soon as it is due: once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Firing {
    /// When.
    pub at_ns: u64,
    /// Whose.
    pub node: Node,
}

/// A message arrives: at its time, or as soon as it is sent, if that is later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    /// When.
    pub at_ns: u64,
    /// Who sent it.
    pub from: Node,
    /// Where it arrives.
    pub to: Node,
    /// Its name, such as `VoteReply` of Raft.
    pub message: String,
    /// Which message of this name from this sender to this receiver it is, counted from 1.
    pub nth: u32,
}

/// Something befalls a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mishap {
    /// When.
    pub at_ns: u64,
    /// Which.
    pub node: Node,
    /// What.
    pub what: Blow,
}

/// What can befall a machine at a time of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "snake_case")]
pub enum Blow {
    /// Its process is killed, if it runs.
    Crash {
        /// How many of the writes that were not durable survive, the oldest first.
        keeps: u64,
    },
    /// Its process is started, if it does not run.
    Start,
    /// Its disk stands still.
    Stall {
        /// For how long, in nanoseconds.
        for_ns: u64,
    },
}

/// The operator asks a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// When.
    pub at_ns: u64,
    /// Whom.
    pub node: Node,
    /// What.
    pub command: Command,
}

impl Script {
    /// How many things it names.
    pub fn len(&self) -> usize {
        self.timers.len()
            + self.deliveries.len()
            + self.mishaps.len()
            + self.operations.len()
            + self.requests.len()
    }

    /// Whether it names nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Checks it against a cluster of so many nodes.
    ///
    /// # Errors
    /// The first line that names a node that there is not.
    pub fn validate(&self, nodes: u16) -> Result<(), String> {
        let there = |node: &Node, what: &str, place: usize| {
            if (1..=nodes).contains(&node.0) {
                return Ok(());
            }
            Err(format!(
                "{what} {} of the script names {node}, and there are nodes n1 to n{nodes}",
                place + 1
            ))
        };
        for (place, timer) in self.timers.iter().enumerate() {
            there(&timer.node, "timer", place)?;
        }
        for (place, delivery) in self.deliveries.iter().enumerate() {
            there(&delivery.from, "delivery", place)?;
            there(&delivery.to, "delivery", place)?;
        }
        for (place, mishap) in self.mishaps.iter().enumerate() {
            there(&mishap.node, "mishap", place)?;
        }
        for (place, asked) in self.requests.iter().enumerate() {
            there(&asked.node, "request", place)?;
        }
        Ok(())
    }
}
