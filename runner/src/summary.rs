//! What a test came to: three things that are told apart and never mixed.

use std::fmt;

use perjury_checker::{Finding, History, Verdict};
use perjury_nemesis::Node;
use perjury_workloads::{Coverage, Workload};
use serde::{Deserialize, Serialize};

use crate::exit;
use crate::step::{FaultRecord, Phase};

/// A failure of the system under test that no history is needed to prove.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "failure")]
pub enum Failure {
    /// A node's process ended though nobody asked it to.
    NodeDied {
        /// The node.
        node: Node,
        /// When, in nanoseconds since the start.
        at: u64,
        /// How, with the last lines that it wrote.
        reason: String,
    },
    /// Nodes did not serve again in time after everything was healed.
    DidNotRecover {
        /// Each with the last thing that was heard of it.
        nodes: Vec<(Node, String)>,
        /// The limit, in milliseconds.
        limit_ms: u64,
    },
    /// Nodes that had left could not join again in time.
    DidNotRejoin {
        /// The nodes.
        nodes: Vec<Node>,
        /// The limit, in milliseconds.
        limit_ms: u64,
    },
    /// Final reads did not succeed in time, though everything was healed.
    FinalReadsFailed {
        /// How many.
        reads: u64,
        /// The limit, in milliseconds.
        limit_ms: u64,
        /// What the last one failed with.
        error: String,
    },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::NodeDied { node, at, reason } => {
                write!(
                    f,
                    "{node} died by itself after {:.1} s: {reason}",
                    *at as f64 / 1e9
                )
            }
            Failure::DidNotRecover { nodes, limit_ms } => {
                let nodes: Vec<String> = nodes
                    .iter()
                    .map(|(node, error)| format!("{node} ({error})"))
                    .collect();
                write!(
                    f,
                    "not serving {limit_ms} ms after everything was healed: {}",
                    nodes.join(", ")
                )
            }
            Failure::DidNotRejoin { nodes, limit_ms } => {
                let nodes: Vec<String> = nodes.iter().map(Node::to_string).collect();
                write!(
                    f,
                    "could not join the cluster again within {limit_ms} ms: {}",
                    nodes.join(", ")
                )
            }
            Failure::FinalReadsFailed {
                reads,
                limit_ms,
                error,
            } => {
                write!(
                    f,
                    "{reads} final reads did not succeed within {limit_ms} ms of a healed cluster: {error}"
                )
            }
        }
    }
}

/// How long a node took to serve again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// The node.
    pub node: Node,
    /// How long after everything was healed, in nanoseconds; none if it did not within the limit.
    pub after: Option<u64>,
}

/// Everything that a test left behind.
pub struct Finished {
    /// What clients and the nemesis did.
    pub history: History,
    /// What became of each fault.
    pub faults: Vec<FaultRecord>,
    /// What was covered, and what is missing.
    pub coverage: Coverage,
    /// Failures of the system that no history is needed to prove.
    pub failures: Vec<Failure>,
    /// What went wrong in the harness or in setting the cluster up.
    pub trouble: Vec<String>,
    /// Whether the user ended it.
    pub interrupted: bool,
    /// How long each node took to serve again; empty if it did not come to that.
    pub recovery: Vec<Recovery>,
    /// When each phase began, in nanoseconds since the start.
    pub phases: Vec<(Phase, u64)>,
    pub(crate) workload: Box<dyn Workload>,
}

impl fmt::Debug for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Finished")
            .field("operations", &self.history.operations.len())
            .field("faults", &self.faults)
            .field("coverage", &self.coverage)
            .field("failures", &self.failures)
            .field("trouble", &self.trouble)
            .field("interrupted", &self.interrupted)
            .field("recovery", &self.recovery)
            .field("phases", &self.phases)
            .finish_non_exhaustive()
    }
}

impl Finished {
    /// Has the workload judge the history, and sums up.
    pub fn judge(&self, options: &perjury_checker::Options) -> Summary {
        self.judge_with(options, Vec::new())
    }

    /// The same, with findings about what clients cannot see.
    pub fn judge_with(&self, options: &perjury_checker::Options, more: Vec<Finding>) -> Summary {
        let mut findings = self.workload.judge(&self.history, options);
        findings.extend(more);
        self.sum_up(findings)
    }

    /// Sums up with findings that came from elsewhere.
    pub fn sum_up(&self, findings: Vec<Finding>) -> Summary {
        let mut summary = Summary {
            verdict: Verdict::Valid,
            exit_code: exit::VALID,
            operations: self.history.operations.len() as u64,
            findings,
            failures: self.failures.clone(),
            coverage: self.coverage.clone(),
            trouble: self.trouble.clone(),
            interrupted: self.interrupted,
            recovery: self.recovery.clone(),
            phases: self.phases.clone(),
        };
        summary.verdict = summary.merged();
        summary.exit_code = summary.code();
        summary
    }
}

/// What a test came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Findings and failures merged: `invalid` if any proves a violation, else `unknown` if any finding is or
    /// the coverage is insufficient.
    pub verdict: Verdict,
    /// See [`exit`].
    pub exit_code: u8,
    /// How many operations the history has.
    pub operations: u64,
    /// What the history proves.
    pub findings: Vec<Finding>,
    /// Failures of the system that no history is needed to prove.
    pub failures: Vec<Failure>,
    /// What was covered, and what is missing.
    pub coverage: Coverage,
    /// What went wrong in the harness or in setting the cluster up.
    pub trouble: Vec<String>,
    /// Whether the user ended it.
    pub interrupted: bool,
    /// How long each node took to serve again.
    pub recovery: Vec<Recovery>,
    /// When each phase began, in nanoseconds since the start.
    pub phases: Vec<(Phase, u64)>,
}

impl Summary {
    fn merged(&self) -> Verdict {
        let history = self
            .findings
            .iter()
            .map(|finding| finding.verdict)
            .max()
            .unwrap_or(Verdict::Unknown);
        if !self.failures.is_empty() {
            Verdict::Invalid
        } else if self.coverage.missing.is_empty() {
            history
        } else {
            history.max(Verdict::Unknown)
        }
    }

    /// A proven violation wins over everything else; after that, what kept the test from proving anything.
    fn code(&self) -> u8 {
        match self.verdict {
            Verdict::Invalid => exit::VIOLATION,
            _ if !self.trouble.is_empty() => exit::HARNESS,
            _ if self.interrupted => exit::INTERRUPTED,
            Verdict::Unknown => exit::UNKNOWN,
            Verdict::Valid => exit::VALID,
        }
    }
}
