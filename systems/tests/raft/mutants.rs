//! Every mutant is caught: by random runs, or by a directed schedule. A run with one may never panic.

use std::collections::BTreeSet;

use perjury_systems::raft::MUTANTS;

use crate::chaos::{Plan, run};
use crate::hunt::plan;

/// Mutant, the plan that catches it, within how many seeds from 1, and how the finding begins.
#[rustfmt::skip]
const RANDOM: &[(&str, &str, u64, &[&str])] = &[
    ("vote-not-durable",                    "bare3",   3,  &["R-I7"]),
    ("term-not-durable",                    "bare3",   3,  &["R-I7"]),
    ("double-vote",                         "hasty5",  5,  &["R-I7", "R-I1"]),
    ("vote-skip-log-check",                 "hasty5",  5,  &["R-I4"]),
    ("log-check-index-before-term",         "hasty5",  60, &["R-I4"]),
    ("stale-vote-reply-counted",            "late",    5,  &["R-I7", "R-I1"]),
    ("votes-counted-per-message",           "hasty5",  30, &["R-I1", "R-I4", "R-I6"]),
    ("election-quorum-half",                "even4",   3,  &["R-I1"]),
    ("votedfor-not-reset",                  "bare3",   3,  &["no recovery"]),
    ("vote-uses-cached-last-log",           "lease",   40, &["R-I4", "R-I5", "R-I6"]),
    ("restart-resumes-leadership",          "bare3",   5,  &["R-I1", "R-I3"]),
    ("learner-counts-in-quorum",            "members", 10, &["R-I6", "R-I1", "R-I4"]),
    ("nonvoter-campaigns",                  "members", 10, &["R-I1"]),
    ("commit-old-term-by-count",            "bare3",   5,  &["R-I9"]),
    ("commit-scan-stops-at-old-term",       "bare3",   3,  &["no recovery"]),
    ("follower-commit-past-last-new",       "hasty5",  5,  &["R-I5"]),
    ("skip-prev-log-check",                 "bare3",   3,  &["R-I3", "R-I5"]),
    ("prev-log-index-only",                 "hasty5",  5,  &["R-I3", "R-I5"]),
    ("truncate-on-any-append",              "bare3",   3,  &["R-I6", "R-I8"]),
    ("overwrite-without-truncating-tail",   "hasty5",  5,  &["R-I3", "R-I4", "R-I5"]),
    ("ack-with-last-log-index",             "hasty5",  30, &["R-I6"]),
    ("accept-append-from-old-term",         "lease",   20, &["R-I2", "R-I3", "R-I5", "R-I6"]),
    ("match-index-regress",                 "bare3",   3,  &["R-I8"]),
    ("commit-quorum-half",                  "bare3",   3,  &["R-I6"]),
    ("quorum-index-off-by-one",             "even4",   3,  &["R-I6"]),
    ("ack-before-commit",                   "bare3",   3,  &["R-I5"]),
    ("apply-uncommitted",                   "bare3",   3,  &["R-I5", "R-I8"]),
    ("leader-loss-reported-as-fail",        "hasty5",  10, &["Int("]),
    ("reply-keyed-by-index-only",           "hasty5",  5,  &["R-I5"]),
    ("pipeline-positional-acks",            "bare3",   3,  &["R-I6", "R-I8"]),
    ("entry-cache-not-truncated",           "hasty5",  5,  &["R-I3", "R-I5"]),
    ("append-ack-before-fsync",             "bare3",   3,  &["R-I6"]),
    ("leader-counts-unsynced-self",         "bare3",   3,  &["R-I8", "R-I6"]),
    ("log-dropped-before-snapshot-durable", "power",   20, &["R-I3", "R-I7"]),
    ("snapshot-omits-sessions",             "bare3",   3,  &["R-I12"]),
    ("snapshot-omits-config",               "members", 10, &["R-I10"]),
    ("install-older-snapshot",              "bare3",   60, &["R-I8", "R-I6"]),
    ("install-discards-matching-suffix",    "members", 20, &["R-I6", "R-I8"]),
    ("snapshot-last-term-lost",             "bare3",   3,  &["R-I3", "R-I8", "no recovery"]),
    ("snapshot-labelled-with-commit-index", "slow",    5,  &["R-I12"]),
    ("term-from-snapshot",                  "bare3",   5,  &["R-I7"]),
    ("read-local-at-leader",                "lease",   10, &["R-I11"]),
    ("read-local-at-any-node",              "bare3",   3,  &["R-I11"]),
    ("readindex-before-term-commit",        "hasty5",  20, &["R-I11"]),
    ("readindex-reuses-old-acks",           "lease",   30, &["R-I11"]),
    ("readindex-no-apply-wait",             "lease",   10, &["R-I11"]),
    ("lease-counts-ticks",                  "lease",   20, &["R-I11"]),
    ("no-dedup",                            "plain5",  20, &["R-I13"]),
    ("session-expiry-by-local-clock",       "bare3",   3,  &["R-I12", "R-I13"]),
    ("nondeterministic-apply",              "bare3",   3,  &["R-I12"]),
    ("joint-checks-new-majority-only",      "churn",   20, &["R-I6", "R-I1", "R-I4"]),
    ("truncated-config-not-rolled-back",    "churn",   40, &["R-I10"]),
    ("removed-leader-counts-itself",        "churn",   20, &["R-I6"]),
];

/// Those that need a directed schedule; see `directed`, `leases` and `liveness`.
const DIRECTED: &[&str] = &[
    "log-check-vector-order",
    "prevote-changes-state",
    "prevote-ignores-live-leader",
    "learner-refuses-vote",
    "checkquorum-disabled",
    "amnesiac-rejoins-as-voter",
    "stale-append-reply-counted",
    "hardstate-fsync-skipped",
    "truncate-front-to-back",
    "corruption-treated-as-end-of-log",
    "lease-ignores-drift",
    "lease-from-reply-time",
    "lease-survives-transfer",
    "direct-switch",
    "single-change-before-term-commit",
    "new-voter-without-catchup",
];

#[test]
fn random_runs_catch_the_mutants() {
    let mut missed = Vec::new();
    for (mutant, name, seeds, findings) in RANDOM {
        let mutated = Plan {
            mutant: Some(mutant),
            ..plan(name)
        };
        let caught = (1..=*seeds).find_map(|seed| {
            let outcome = run(&mutated, seed);
            let finding = outcome.finding()?.clone();
            assert!(
                outcome.counts.differed > 0,
                "{mutant}, seed {seed}: {finding}, without a different decision"
            );
            Some((seed, finding))
        });
        match caught {
            Some((_, finding)) if findings.iter().any(|start| finding.starts_with(start)) => {}
            other => missed.push(format!("{mutant} in {name}: {other:?}")),
        }
    }
    assert_eq!(missed, Vec::<String>::new());
}

#[test]
fn no_mutant_is_without_a_test() {
    let tested: BTreeSet<&str> = RANDOM
        .iter()
        .map(|(mutant, ..)| *mutant)
        .chain(DIRECTED.iter().copied())
        .collect();
    let all: BTreeSet<&str> = MUTANTS
        .iter()
        .filter_map(|info| info.name.strip_prefix("raft/"))
        .collect();
    assert_eq!(tested, all);
}
