//! From what a test came to, to the record of it that the store keeps.

use std::time::Duration;

use perjury_results::{MutantSeen, Recovery, RunOutcome, SCHEMA, SystemFailure, TestRecord, VerdictRecord};
use perjury_runner::{Failure, Summary, exit};

/// The record of a run's verdict.
pub fn record(
    test: &TestRecord,
    summary: &Summary,
    mutant: Option<MutantSeen>,
    ran: Duration,
    checked: Duration,
) -> VerdictRecord {
    VerdictRecord {
        schema: SCHEMA,
        id: test.id.clone(),
        outcome: outcome(summary.exit_code),
        exit_code: summary.exit_code,
        findings: summary.findings.clone(),
        coverage: summary.coverage.clone(),
        ran_ns: ran.as_nanos() as u64,
        checked_ns: checked.as_nanos() as u64,
        recovery: (!summary.recovery.is_empty()).then(|| Recovery {
            limit_ns: test.recovery_limit_ms * 1_000_000,
            nodes: summary
                .recovery
                .iter()
                .map(|recovery| (recovery.node, recovery.after))
                .collect(),
        }),
        system_failures: summary.failures.iter().map(failure).collect(),
        troubles: summary.trouble.clone(),
        mutant,
        predicted_visibility: Vec::new(),
    }
}

fn outcome(exit_code: u8) -> RunOutcome {
    match exit_code {
        exit::VALID => RunOutcome::Valid,
        exit::VIOLATION => RunOutcome::Invalid,
        exit::UNKNOWN => RunOutcome::Unknown,
        exit::INTERRUPTED => RunOutcome::Interrupted,
        _ => RunOutcome::HarnessFailed,
    }
}

fn failure(failure: &Failure) -> SystemFailure {
    let (at, node) = match failure {
        Failure::NodeDied { node, at, .. } => (*at, Some(*node)),
        _ => (0, None),
    };
    SystemFailure {
        at,
        node,
        reason: failure.to_string(),
    }
}
