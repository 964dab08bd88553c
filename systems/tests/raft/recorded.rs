//! The invariants over traces alone, as they judge runs of real processes.

use perjury_systems::breach::Judge;
use perjury_systems::raft::invariants::Recorded;

use crate::chaos::{FAULTS, Plan, traces};
use crate::hunt::plan;

fn judge(plan: &Plan, seed: u64) -> Option<String> {
    let mut recorded = Recorded::default();
    let mut traces = traces(plan, seed);
    // One node's after the other: how they interleave must not matter.
    traces.sort_by_key(|(_, node, _)| *node);
    traces
        .iter()
        .find_map(|(_, node, trace)| recorded.observe(*node, trace).err())
        .or_else(|| recorded.finish().err())
        .map(|breach| breach.to_string())
}

#[test]
fn the_correct_raft_gives_no_alarm() {
    let everything = Plan {
        members: 3,
        spare: 3,
        faults: FAULTS.to_vec(),
        ..Plan::default()
    };
    for seed in 1..40 {
        assert_eq!(judge(&everything, seed), None, "seed {seed}");
        assert_eq!(judge(&plan("power"), seed), None, "seed {seed}");
    }
}

#[test]
fn mutants_are_seen_in_traces_alone() {
    let cases = [
        ("election-quorum-half", "bare3", "R-I"),
        ("apply-uncommitted", "hasty5", "R-I5"),
        ("double-vote", "hasty5", "R-I"),
        ("vote-not-durable", "bare3", "R-I7"),
        ("term-not-durable", "bare3", "R-I7"),
        ("stale-vote-reply-counted", "late", "R-I7"),
        ("commit-old-term-by-count", "bare3", "R-I9"),
        ("snapshot-omits-sessions", "bare3", "R-I12"),
        ("no-dedup", "plain5", "R-I13"),
    ];
    for (mutant, name, start) in cases {
        let mutated = Plan {
            mutant: Some(mutant),
            ..plan(name)
        };
        let found = (1..40).find_map(|seed| judge(&mutated, seed));
        assert!(
            found.as_ref().is_some_and(|found| found.starts_with(start)),
            "{mutant}: {found:?}"
        );
    }
}
