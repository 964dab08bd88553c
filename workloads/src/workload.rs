//! The contract of a workload.

use std::collections::BTreeMap;

use perjury_checker::linearizability::Watch;
use perjury_checker::{Finding, Function, History, Key, Operation, Options, Value};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// One thing for a client to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// What.
    pub f: Function,
    /// On which key.
    pub key: Key,
    /// With which argument: `[expected, new]` for a compare-and-set, `Nil` for a read.
    pub value: Value,
}

/// A generator of operations with its judges. Deterministic: the same seed and the same completions in the same
/// order give the same calls.
pub trait Workload: Send {
    /// The name on the command line.
    fn name(&self) -> &'static str;

    /// The next call of client `client` (0-based; there are as many as the concurrency) in the main phase.
    fn next(&mut self, client: usize, rng: &mut ChaCha8Rng) -> Call;

    /// Tells what came of a call; `operation` has its completion. Most workloads draw the next whatever came of the last.
    fn completed(&mut self, _operation: &Operation) {}

    /// What has to be read once everything is healed. Each is retried until it succeeds, within the limit.
    fn final_calls(&mut self) -> Vec<Call>;

    /// Whether a call whose outcome is unknown is sent again under the same client and sequence number.
    fn retries(&self) -> bool;

    /// Judges the history. Every property that this workload promises gets one finding.
    fn judge(&self, history: &History, options: &Options) -> Vec<Finding>;

    /// Somebody who watches the history while it grows, so that a run can stop at the first proven violation;
    /// none if this workload's properties can only be judged in the end.
    fn watch(&self) -> Option<Box<dyn Watch>> {
        None
    }

    /// What must have succeeded for a verdict to mean anything.
    fn minimum(&self) -> Minimum;
}

/// The least that a run must have covered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Minimum {
    /// Function → how many must have succeeded (for a compare-and-set, compared and differed counts too).
    pub succeeded: BTreeMap<String, u64>,
    /// How many operations must have succeeded while each kind of fault was active, where such faults left a
    /// majority and lasted long enough for any to succeed.
    pub during_each_fault: u64,
}

/// What a run covered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// Function → how many succeeded, failed, and remained unknown.
    pub functions: BTreeMap<String, Counts>,
    /// Fault kind → function → how many were invoked and succeeded while such a fault was active.
    pub during: BTreeMap<String, BTreeMap<String, u64>>,
    /// Fault kind → how many were injected, and how many of these bit.
    pub faults: BTreeMap<String, Bites>,
    /// Changes of leadership that were seen in the main phase.
    pub leader_changes: u64,
    /// Directed links that were cut.
    pub links_cut: u64,
    /// Of these, how many dropped at least one packet.
    pub links_cut_with_traffic: u64,
    /// What is missing, a sentence each; empty when the coverage is sufficient.
    pub missing: Vec<String>,
}

/// Outcomes, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Succeeded.
    pub ok: u64,
    /// Surely did not happen.
    pub fail: u64,
    /// Of these, compare-and-sets that compared and differed.
    #[serde(default)]
    pub differed: u64,
    /// Unknown.
    pub info: u64,
}

impl Counts {
    /// How many did what they are for: succeeded, or compared and differed.
    pub fn succeeded(&self) -> u64 {
        self.ok + self.differed
    }
}

/// Faults of a kind, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bites {
    /// Injected.
    pub injected: u64,
    /// Of these, verified to have had an effect.
    pub bit: u64,
}
