//! Whole tests against a toy store: a correct one is never accused, a lying one is found.

use crate::toy::{Bug, FAIR, FOUL, Test};
use perjury_checker::{EventKind, History, Outcome, Process, Verdict};
use perjury_nemesis::{Node, kinds};
use perjury_runner::{Failure, Input, Notice, Options, Phase, exit};

const MS: u64 = 1_000_000;
const WORKLOADS: [&str; 5] = ["register", "cas", "append", "counter", "set"];

fn seeded(seed: u64) -> Options {
    Options {
        seed,
        ..Test::default().options
    }
}

#[test]
fn a_correct_store_is_never_accused() {
    for workload in WORKLOADS {
        for (nemesis, weather) in [
            ("none", FAIR),
            ("none", FOUL),
            ("partition,kill", FAIR),
            ("all", FOUL),
            ("swarm", FOUL),
        ] {
            for seed in 0..6 {
                let test = Test {
                    workload,
                    nemesis,
                    options: seeded(seed),
                    weather,
                    ..Test::default()
                };
                let (finished, summary) = test.run();
                assert_eq!(
                    summary.exit_code,
                    exit::VALID,
                    "{workload} under {nemesis}, seed {seed}: {summary:#?}\n{:#?}",
                    finished.faults
                );
            }
        }
    }
}

#[test]
fn a_correct_store_is_never_accused_with_few_values() {
    for workload in ["register", "cas"] {
        for seed in 0..6 {
            let test = Test {
                workload,
                nemesis: "partition",
                options: seeded(seed),
                weather: FOUL,
                values: Some(3),
                ..Test::default()
            };
            let (_, summary) = test.run();
            assert_eq!(
                summary.exit_code,
                exit::VALID,
                "{workload}, seed {seed}: {summary:#?}"
            );
        }
    }
}

#[test]
fn a_store_that_lies_is_found() {
    let cases = [
        ("register", Bug::StaleReads),
        ("cas", Bug::StaleReads),
        ("append", Bug::StaleReads),
        ("counter", Bug::StaleReads),
        ("register", Bug::LostWrites),
        ("cas", Bug::LostWrites),
        ("append", Bug::LostWrites),
        ("counter", Bug::LostWrites),
        ("set", Bug::LostWrites),
        ("append", Bug::NoSessions),
        ("counter", Bug::NoSessions),
        ("register", Bug::FailsButApplies),
        ("append", Bug::FailsButApplies),
        ("set", Bug::FailsButApplies),
        ("counter", Bug::FailsButApplies),
    ];
    for (workload, bug) in cases {
        let found = (0..4).filter(|seed| {
            let test = Test {
                workload,
                bug,
                weather: FOUL,
                options: seeded(*seed),
                ..Test::default()
            };
            let (_, summary) = test.run();
            summary.exit_code == exit::VIOLATION && summary.verdict == Verdict::Invalid
        });
        assert!(found.count() >= 3, "{workload} with {bug:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_actions() {
    let trace = |seed| {
        let test = Test {
            nemesis: "all",
            weather: FOUL,
            options: seeded(seed),
            ..Test::default()
        };
        let mut toy = test.toy();
        toy.traced = true;
        toy.run(test.runner());
        toy.trace
    };
    assert!(trace(1) == trace(1));
    assert!(trace(1) != trace(2));
}

#[test]
fn what_listeners_hear_is_the_history() {
    for workload in WORKLOADS {
        let test = Test {
            workload,
            nemesis: "all",
            weather: FOUL,
            ..Test::default()
        };
        let mut toy = test.toy();
        let finished = toy.run(test.runner());
        let events: Vec<_> = toy
            .notices
            .iter()
            .filter_map(|notice| {
                if let Notice::Event(event) = notice {
                    Some(event.clone())
                } else {
                    None
                }
            })
            .collect();
        assert!(
            events.iter().zip(0..).all(|(event, index)| event.index == index),
            "indexes rise by one"
        );
        assert!(
            events.windows(2).all(|pair| pair[0].time <= pair[1].time),
            "time never falls"
        );
        let nemesis = events.iter().filter(|event| event.process == Process::Nemesis);
        assert!(nemesis.clone().any(|event| event.kind == EventKind::Ok));
        let heard = History::from_events(events).expect("a history");
        assert_eq!(heard, finished.history);
    }
}

#[test]
fn a_process_number_is_retired_with_its_unknown_outcome() {
    let test = Test {
        weather: FOUL,
        ..Test::default()
    };
    let (finished, _) = test.run();
    let mut retired = std::collections::BTreeSet::new();
    for operation in &finished.history.operations {
        assert!(!retired.contains(&operation.process));
        if operation.completion.outcome == Outcome::Info {
            retired.insert(operation.process);
        }
    }
    assert!(retired.len() > 10);
}

#[test]
fn the_rate_is_kept() {
    for rate in [50.0, 500.0] {
        let options = Options {
            rate,
            concurrency: 20,
            ..seeded(1)
        };
        let (finished, _) = Test {
            workload: "register",
            options,
            ..Test::default()
        }
        .run();
        let main = finished
            .phases
            .iter()
            .find(|(phase, _)| *phase == Phase::Heal)
            .map_or(0, |(_, at)| *at);
        let invoked = finished
            .history
            .operations
            .iter()
            .filter(|op| op.invoked.time < main)
            .count() as f64;
        assert!(
            (invoked / (8.0 * rate) - 1.0).abs() < 0.05,
            "{invoked} operations at {rate} a second"
        );
    }
}

#[test]
fn an_interrupt_at_any_point_heals_and_ends() {
    for at_ms in (0..9_500).step_by(97) {
        let test = Test {
            nemesis: "all",
            weather: FOUL,
            ..Test::default()
        };
        let mut toy = test.toy();
        toy.script.push((at_ms * MS, Input::Interrupt));
        let finished = toy.run(test.runner());
        assert!(
            toy.now_ns < at_ms * MS + 1_000 * MS,
            "interrupted at {at_ms} ms, over at {} ns",
            toy.now_ns
        );
        assert!(
            finished
                .faults
                .iter()
                .all(|fault| fault.healed_at.is_some() || fault.error.is_some())
        );
        if finished.interrupted {
            let summary = finished.judge(&perjury_checker::Options::default());
            assert_eq!(summary.exit_code, exit::INTERRUPTED, "{summary:#?}");
        }
    }
}

#[test]
fn a_node_that_dies_by_itself_is_a_violation() {
    let test = Test {
        nemesis: "kill",
        ..Test::default()
    };
    let mut toy = test.toy();
    toy.script.push((
        3_000 * MS,
        Input::NodeDied {
            node: Node(2),
            reason: "panicked".to_owned(),
        },
    ));
    let finished = toy.run(test.runner());
    assert!(toy.now_ns < 6_000 * MS, "what is proven needs no more time");
    let summary = finished.judge(&perjury_checker::Options::default());
    assert_eq!(
        (summary.exit_code, summary.verdict),
        (exit::VIOLATION, Verdict::Invalid)
    );
    assert!(
        matches!(&summary.failures[..], [Failure::NodeDied { node: Node(2), .. }]),
        "{summary:#?}"
    );
}

#[test]
fn a_run_stops_at_the_first_proven_violation_if_it_is_asked_to() {
    let mut test = Test {
        bug: Bug::StaleReads,
        ..Test::default()
    };
    let mut ends = Vec::new();
    for stop_on_violation in [false, true] {
        test.options.stop_on_violation = stop_on_violation;
        let mut toy = test.toy();
        let finished = toy.run(test.runner());
        let summary = finished.judge(&perjury_checker::Options::default());
        assert_eq!(summary.exit_code, exit::VIOLATION, "{summary:#?}");
        assert!(!finished.interrupted);
        ends.push(toy.now_ns);
    }
    assert!(ends[1] < ends[0] / 2, "{ends:?}");
}

#[test]
fn a_cluster_that_never_serves_is_a_failed_set_up() {
    let test = Test::default();
    let mut toy = test.toy();
    toy.broken.insert(Node(3));
    let summary = toy.run(test.runner()).judge(&perjury_checker::Options::default());
    assert_eq!(summary.exit_code, exit::HARNESS);
    assert!(
        summary.trouble[0].contains("n3 (connection-refused)"),
        "{:?}",
        summary.trouble
    );

    let mut toy = test.toy();
    toy.broken.insert(Node(3));
    toy.script.push((
        100 * MS,
        Input::NodeDied {
            node: Node(3),
            reason: "no such directory".to_owned(),
        },
    ));
    let summary = toy.run(test.runner()).judge(&perjury_checker::Options::default());
    assert_eq!(summary.exit_code, exit::HARNESS);
    assert!(toy.now_ns < 200 * MS, "noticed at once");
}

#[test]
fn trouble_of_the_harness_is_never_a_verdict() {
    let test = Test {
        nemesis: "partition",
        ..Test::default()
    };
    let mut toy = test.toy();
    toy.script
        .push((4_000 * MS, Input::Trouble("no more sockets".to_owned())));
    let summary = toy.run(test.runner()).judge(&perjury_checker::Options::default());
    assert_eq!(summary.exit_code, exit::HARNESS);
    assert!(summary.failures.is_empty());
}

#[test]
fn too_little_coverage_is_not_a_pass() {
    let options = Options {
        time_limit_ms: 20,
        ..seeded(1)
    };
    let (_, summary) = Test {
        options,
        ..Test::default()
    }
    .run();
    assert_eq!(
        (summary.exit_code, summary.verdict),
        (exit::UNKNOWN, Verdict::Unknown)
    );
    assert!(!summary.coverage.missing.is_empty());
}

#[test]
fn every_kind_of_fault_is_covered_and_recovery_is_measured() {
    let options = Options {
        time_limit_ms: 20_000,
        ..seeded(3)
    };
    let (finished, summary) = Test {
        nemesis: "all",
        options,
        ..Test::default()
    }
    .run();
    for kind in kinds::ALL {
        assert!(summary.coverage.faults[kind].injected > 0, "{kind}");
        assert!(summary.coverage.during[kind].values().sum::<u64>() > 0, "{kind}");
    }
    assert!(summary.coverage.leader_changes > 0 && summary.coverage.links_cut > 0);
    assert_eq!(finished.recovery.len(), 5);
    assert!(finished.recovery.iter().all(|recovery| recovery.after.is_some()));
    let phases: Vec<Phase> = finished.phases.iter().map(|(phase, _)| *phase).collect();
    assert_eq!(
        phases,
        [
            Phase::Start,
            Phase::Main,
            Phase::Heal,
            Phase::Recover,
            Phase::Final,
            Phase::Done
        ]
    );
}
