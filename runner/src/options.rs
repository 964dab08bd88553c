//! How a test is to be run.

use std::fmt;

use perjury_nemesis::{Plan, PlanError};
use serde::{Deserialize, Serialize};

/// An operation that is retried has this many request time-outs, all attempts together.
pub const RETRIED_TIMEOUTS: u64 = 4;

/// How a test is to be run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// How many nodes the cluster has: n1 to n`nodes`.
    pub nodes: u16,
    /// How many clients work at once.
    pub concurrency: usize,
    /// Operations a second, all clients together; 0 for as fast as they can.
    pub rate: f64,
    /// How long the main phase lasts, in milliseconds.
    pub time_limit_ms: u64,
    /// How long a client waits for an answer, in milliseconds; also how long it goes on trying other nodes,
    /// unless the workload retries (then [`RETRIED_TIMEOUTS`] times as long).
    pub request_timeout_ms: u64,
    /// How long the cluster may take to serve again after everything is healed, in milliseconds. Healing and
    /// final reads may each take as long again.
    pub recovery_limit_ms: u64,
    /// How long the cluster may take to serve for the first time, in milliseconds.
    pub start_limit_ms: u64,
    /// Whether the main phase ends at the first violation that the history proves while it grows.
    #[serde(default)]
    pub stop_on_violation: bool,
    /// What all random streams of the test are derived from.
    pub seed: u64,
}

impl Default for Options {
    /// Five nodes, ten clients, 200 operations a second for 30 seconds, a second's patience.
    fn default() -> Self {
        Options {
            nodes: 5,
            concurrency: 10,
            rate: 200.0,
            time_limit_ms: 30_000,
            request_timeout_ms: 1_000,
            recovery_limit_ms: 30_000,
            start_limit_ms: 30_000,
            stop_on_violation: false,
            seed: 0,
        }
    }
}

/// Most clients that a test may have.
pub const MAX_CONCURRENCY: usize = 100_000;

impl Options {
    /// Checks the options and the plan.
    ///
    /// # Errors
    /// What cannot be, and what would be right.
    pub fn validate(&self, plan: &Plan) -> Result<(), OptionsError> {
        let wrong = |problem: String| Err(OptionsError(problem));
        if self.nodes == 0 {
            return wrong("a cluster needs at least one node".to_owned());
        }
        if self.concurrency == 0 || self.concurrency > MAX_CONCURRENCY {
            return wrong(format!(
                "the concurrency is {}: give from 1 to {MAX_CONCURRENCY} clients",
                self.concurrency
            ));
        }
        if !self.rate.is_finite() || self.rate < 0.0 {
            return wrong(format!(
                "the rate is {}: give operations a second, or 0 for no limit",
                self.rate
            ));
        }
        for (name, limit_ms) in [
            ("time limit", self.time_limit_ms),
            ("request time-out", self.request_timeout_ms),
            ("recovery limit", self.recovery_limit_ms),
            ("start limit", self.start_limit_ms),
        ] {
            const YEAR_MS: u64 = 365 * 24 * 3_600_000;
            if limit_ms == 0 || limit_ms > YEAR_MS {
                return wrong(format!(
                    "the {name} is {limit_ms} ms: give at least 1 ms and at most a year"
                ));
            }
        }
        plan.validate(self.nodes)
            .map_err(|PlanError { step, problem }| OptionsError(PlanError { step, problem }.to_string()))
    }
}

/// Options that cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionsError(pub String);

impl fmt::Display for OptionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OptionsError {}
