//! The simulator itself, with a replica that is too simple to be wrong.

mod toy;

use perjury_nemesis::{Crash, Fault, Node, Options as Planning, Plan, Step, StepKind, Target, plan, stream};
use perjury_runner::{Failure, Options};
use perjury_simulator::determinism::compare_as;
use perjury_simulator::{On, Outcome, Setup, Strike, Trigger, Violation, Wanted, run_as};
use toy::Toy;

fn setup(seed: u64) -> Setup {
    let options = Options {
        nodes: 3,
        time_limit_ms: 4_000,
        seed,
        ..Options::default()
    };
    Setup::new("toy", "cas", options)
}

fn with_nemesis(name: &str, seed: u64) -> Setup {
    let mut setup = setup(seed);
    let mut planning = Planning::new(3, setup.options.time_limit_ms);
    planning.can.remove("membership");
    let nemesis = name.parse().expect("a nemesis");
    setup.plan = plan(&nemesis, &planning, &mut stream(seed, "nemesis")).expect("a plan");
    setup
}

fn went(setup: &Setup) -> Outcome {
    run_as::<Toy>(setup, &Wanted::default()).expect("it can be run")
}

#[test]
fn a_store_on_one_node_is_linearizable_whatever_breaks() {
    for name in [
        "none",
        "partition",
        "kill",
        "pause",
        "clock",
        "packets",
        "disk",
        "disk-slow",
        "disk-full",
        "disk-flipped-bit",
        "swarm",
    ] {
        for seed in 0..4 {
            let outcome = went(&with_nemesis(name, seed));
            assert!(outcome.is_clean(), "{name} {seed}: {:?}", outcome.violations);
            assert!(
                outcome.summary.trouble.is_empty(),
                "{name} {seed}: {:?}",
                outcome.summary.trouble
            );
            assert!(outcome.summary.operations > 100);
        }
    }
}

#[test]
fn faults_bite() {
    for name in [
        "partition",
        "kill",
        "pause",
        "clock",
        "packets",
        "disk-crash",
        "disk-slow",
        "disk-full",
        "disk-flipped-bit",
    ] {
        let bit: u64 = (0..4)
            .map(|seed| {
                let faults = went(&with_nemesis(name, seed)).summary.coverage.faults;
                faults.values().map(|one| one.bit).sum::<u64>()
            })
            .sum();
        assert!(bit >= 4, "{name} bit {bit} times");
    }
}

#[test]
fn a_write_that_was_acknowledged_before_its_fsync_is_lost_in_a_crash() {
    let lost = (0..20).any(|seed| {
        let mut setup = with_nemesis("disk-crash", seed);
        setup.mutant = Some("answer-before-fsync".into());
        went(&setup).violations.iter().any(Violation::is_black_box)
    });
    assert!(lost, "no crash lost an acknowledged write");
}

#[test]
fn a_kill_at_an_event_strikes_at_that_event() {
    for strike in [Strike::KillBefore, Strike::KillAfter, Strike::Pause] {
        let mut setup = setup(3);
        setup.triggers.push(Trigger {
            node: Some(Node(1)),
            on: On::Step("Wrote".into()),
            skip: 5,
            after_ms: 500,
            strike,
            beside: Vec::new(),
            heal_ms: 50,
        });
        let outcome = went(&setup);
        assert_eq!(outcome.struck.len(), 1, "{strike:?}");
        assert!(outcome.is_clean(), "{strike:?} {:?}", outcome.violations);
        let restarted = outcome.marks["Started"] > 3;
        assert_eq!(restarted, strike != Strike::Pause);
    }
}

fn struck_at_a_write(strike: Strike, seed: u64) -> Setup {
    let mut setup = setup(seed);
    setup.triggers = (0..6)
        .map(|turn| Trigger {
            node: Some(Node(1)),
            on: On::Step("Wrote".into()),
            skip: 2,
            after_ms: 500 + 500 * turn,
            strike,
            beside: Vec::new(),
            heal_ms: 100,
        })
        .collect();
    setup
}

#[test]
fn a_failed_fsync_and_a_full_disk_stop_the_node_and_lose_nothing_that_was_acknowledged() {
    for strike in [Strike::FailSync, Strike::FillDisk] {
        let outcome = went(&struck_at_a_write(strike, 3));
        assert_eq!(outcome.struck.len(), 6, "{strike:?}");
        assert_eq!(
            outcome.marks["Started"], 9,
            "{strike:?}: it stops and starts each time"
        );
        assert!(outcome.is_clean(), "{strike:?} {:?}", outcome.violations);
    }
}

#[test]
fn a_write_that_was_acknowledged_before_its_fsync_is_lost_if_the_fsync_fails() {
    let lost = (0..20).any(|seed| {
        let mut setup = struck_at_a_write(Strike::FailSync, seed);
        setup.mutant = Some("answer-before-fsync".into());
        went(&setup).violations.iter().any(Violation::is_black_box)
    });
    assert!(lost, "no failed fsync lost an acknowledged write");
}

#[test]
fn a_node_that_panics_is_a_failure_of_the_system() {
    let mut setup = setup(1);
    setup.mutant = Some("panics".into());
    let outcome = went(&setup);
    let died = outcome
        .violations
        .iter()
        .any(|one| matches!(one, Violation::System(Failure::NodeDied { .. })));
    assert!(died, "{:?}", outcome.violations);
}

#[test]
fn a_cluster_that_never_serves_again_is_found_out() {
    let mut setup = setup(1);
    setup.mutant = Some("mute-after-restart".into());
    setup.options.recovery_limit_ms = 2_000;
    setup.plan = Plan {
        steps: vec![Step {
            at_ms: 1_000,
            id: 1,
            what: StepKind::Inject(Fault::Kill {
                target: Target::Nodes([Node(1)].into()),
                crash: Crash::Kill,
            }),
        }],
    };
    let outcome = went(&setup);
    let property = outcome.violations.first().map(Violation::property);
    assert_eq!(property.as_deref(), Some("does-not-recover"));
}

#[test]
fn a_run_is_the_same_every_time() {
    for seed in 0..4 {
        let mut setup = with_nemesis("swarm", seed);
        setup.weather.loss_ppm = 10_000;
        setup.weather.duplicate_ppm = 10_000;
        setup.weather.clog_every_ms = 300;
        assert_eq!(compare_as::<Toy>(&setup), Ok(None));
    }
}

#[test]
fn a_replica_that_depends_on_more_than_its_inputs_is_found_out_with_the_event() {
    let mut setup = setup(1);
    setup.mutant = Some("impure".into());
    let difference = compare_as::<Toy>(&setup)
        .expect("it can be run")
        .expect("it differs");
    assert!(
        difference
            .descriptions
            .0
            .iter()
            .any(|line| line.contains("Beat(1")),
        "{difference}"
    );
}

#[test]
fn too_many_events_are_a_runaway_and_not_an_endless_loop() {
    let mut setup = setup(1);
    setup.max_events = 1_000;
    assert!(went(&setup).violations.contains(&Violation::Runaway));
}
