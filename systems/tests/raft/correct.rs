//! The correct Raft in random runs.

use crate::bed::Weather;
use crate::chaos::{FAULTS, Fault, Plan, run};
use crate::hunt::{PLANS, plan};

fn seeds() -> u64 {
    std::env::var("RAFT_SEEDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(25)
}

fn first_seed() -> u64 {
    std::env::var("RAFT_FIRST_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(1)
}

fn check(plan: Plan) {
    let (mut acknowledged, mut leaders) = (0, 0);
    for seed in first_seed()..first_seed() + seeds() {
        let outcome = run(&plan, seed);
        assert_eq!(outcome.finding(), None, "seed {seed}");
        acknowledged += outcome.acknowledged;
        leaders += outcome.leaders;
    }
    let runs = seeds() as usize;
    assert!(leaders > 2 * runs, "only {leaders} leaders in {runs} runs");
    assert!(
        acknowledged > 100 * runs,
        "only {acknowledged} operations in {runs} runs"
    );
}

#[test]
fn five_nodes_keep_every_invariant_under_partitions_and_crashes() {
    check(Plan::default());
}

#[test]
fn three_nodes_keep_every_invariant_without_prevote_and_with_tiny_appends() {
    check(Plan {
        members: 3,
        settings: vec![
            ("prevote", "off"),
            ("check-quorum", "off"),
            ("max-entries-per-append", "1"),
            ("snapshot-every", "10"),
            ("snapshot-keep", "0"),
            ("chunk-bytes", "100"),
        ],
        ..Plan::default()
    });
}

#[test]
fn all_faults_with_changing_members_and_a_slow_state_machine() {
    check(everything());
}

fn everything() -> Plan {
    Plan {
        members: 3,
        spare: 3,
        faults: FAULTS.to_vec(),
        settings: vec![
            ("snapshot-every", "15"),
            ("snapshot-keep", "3"),
            ("chunk-bytes", "200"),
            ("apply-delay-us", "3000"),
        ],
        ..Plan::default()
    }
}

#[test]
fn single_server_changes_are_as_safe_as_joint_ones() {
    check(Plan {
        members: 4,
        spare: 2,
        faults: vec![
            Fault::Members,
            Fault::Members,
            Fault::Halves,
            Fault::CrashLeader,
            Fault::Transfer,
        ],
        settings: vec![
            ("membership", "single"),
            ("prevote", "off"),
            ("snapshot-every", "20"),
        ],
        pace: 300_000_000,
        ..Plan::default()
    });
}

#[test]
fn leases_hold_while_clocks_keep_to_the_declared_drift() {
    check(Plan {
        members: 3,
        faults: vec![
            Fault::Clock,
            Fault::Clock,
            Fault::Leader,
            Fault::PauseLeader,
            Fault::Transfer,
            Fault::Crash,
        ],
        settings: vec![("reads", "lease"), ("lease-drift-ppm", "40000")],
        ..Plan::default()
    });
}

#[test]
fn the_plans_that_catch_mutants_find_nothing_in_the_correct_raft() {
    for name in PLANS {
        for seed in first_seed()..first_seed() + seeds() / 2 {
            assert_eq!(run(&plan(name), seed).finding(), None, "{name}, seed {seed}");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_run_to_the_last_trace() {
    let plan = Plan {
        members: 3,
        spare: 2,
        faults: FAULTS.to_vec(),
        weather: Weather::ROUGH,
        ..Plan::default()
    };
    for seed in 1..4 {
        assert_eq!(run(&plan, seed).hash, run(&plan, seed).hash, "seed {seed}");
    }
}

#[test]
#[ignore = "prints one run"]
fn explain() {
    crate::chaos::explain(&everything(), first_seed(), 4000);
}
