//! Environments that do not keep their word: the runner neither panics nor hangs.

use crate::toy::Test;
use perjury_nemesis::{Node, stream};
use perjury_runner::{Action, Answer, Bite, Failure, Input, Options, Phase, View, exit};
use rand::RngExt;

const MS: u64 = 1_000_000;

/// Some input, sensible or not.
fn anything(rng: &mut impl RngExt, attempts: &[u64]) -> Input {
    let id = rng.random_range(0..20);
    let node = Node(rng.random_range(0..8));
    let bite = || Bite {
        bit: true,
        links: Vec::new(),
        evidence: String::new(),
    };
    let answer = match rng.random_range(0..5) {
        0 | 1 => Answer::Ok {
            value: 7.into(),
            version: None,
            quorum: None,
            term: id.into(),
        },
        2 => Answer::Failed {
            error: "invalid".into(),
            observed: None,
            version: None,
        },
        3 => Answer::Unavailable {
            error: "no-leader".into(),
            leader: Some(node),
        },
        _ => Answer::Unknown {
            error: "timeout".into(),
        },
    };
    match rng.random_range(0..40) {
        0 => Input::Started,
        1 => Input::View(View {
            leader: Some((node, id.into())),
            up: vec![node],
        }),
        2 => Input::View(View::default()),
        3 => Input::Injected {
            id,
            result: Ok(bite()),
        },
        4 => Input::Injected {
            id,
            result: Err("no".to_owned()),
        },
        5 => Input::Healed {
            id,
            result: Ok(bite()),
        },
        6 => Input::Healed {
            id,
            result: Err("no".to_owned()),
        },
        7 if rng.random_range(0..20) == 0 => Input::NodeDied {
            node,
            reason: "died".to_owned(),
        },
        8 if rng.random_range(0..20) == 0 => Input::Trouble("trouble".to_owned()),
        9 if rng.random_range(0..20) == 0 => Input::Interrupt,
        10..15 => Input::Woke,
        _ => {
            let known = attempts.get(rng.random_range(0..attempts.len().max(1))).copied();
            Input::Answer {
                attempt: known.unwrap_or(rng.random()),
                answer,
            }
        }
    }
}

#[test]
fn no_sequence_of_inputs_panics_and_time_ends_every_test() {
    for seed in 0..300 {
        let mut rng = stream(seed, "hostile");
        let options = Options {
            seed,
            nodes: rng.random_range(1..=6),
            ..Test::default().options
        };
        let nemesis = if options.nodes > 3 { "all" } else { "swarm" };
        let test = Test {
            nemesis,
            workload: ["counter", "cas"][rng.random_range(0..2)],
            options,
            ..Test::default()
        };
        let mut runner = test.runner();
        let (mut now_ns, mut out, mut attempts) = (0u64, Vec::new(), Vec::new());
        let limit_ns = (5_000 + 8_000 + 4 * 5_000 + 5_000) * MS;
        runner.step(0, Input::Started, &mut out);
        while !runner.is_done() {
            now_ns += rng.random_range(0..10 * MS);
            let before = now_ns.saturating_sub(rng.random_range(0..MS));
            runner.step(before, anything(&mut rng, &attempts), &mut out);
            attempts.truncate(100);
            for action in out.drain(..) {
                if let Action::Send(attempt) = action {
                    attempts.insert(0, attempt.id);
                }
            }
            assert!(now_ns < limit_ns, "seed {seed}: still in {:?}", runner.phase());
        }
        runner.step(now_ns, Input::Started, &mut out);
        assert!(out.is_empty(), "nothing after the end");
        runner.finish();
    }
}

#[test]
fn an_environment_that_only_wakes_us_comes_to_an_end() {
    let mut runner = Test {
        nemesis: "all",
        ..Test::default()
    }
    .runner();
    let mut out = Vec::new();
    let mut now_ns = 0;
    runner.step(0, Input::Started, &mut out);
    while !runner.is_done() {
        let wake = out
            .drain(..)
            .filter_map(|action| {
                if let Action::Wake(at) = action {
                    Some(at)
                } else {
                    None
                }
            })
            .next_back();
        now_ns = wake.expect("something to wait for").max(now_ns);
        runner.step(now_ns, Input::Woke, &mut out);
    }
    let summary = runner.finish().judge(&perjury_checker::Options::default());
    assert_eq!(summary.exit_code, exit::HARNESS);
}

/// A toy whose nodes serve until the end of the main phase, and some never again.
#[test]
fn a_cluster_that_does_not_recover_is_a_violation() {
    let test = Test::default();
    let mut runner = test.runner();
    let (mut out, mut now_ns) = (Vec::new(), 0);
    let mut pending = std::collections::VecDeque::from([Input::Started]);
    let mut wake_ns = u64::MAX;
    while !runner.is_done() {
        let input = pending.pop_front().unwrap_or_else(|| {
            now_ns = wake_ns.max(now_ns);
            Input::Woke
        });
        now_ns += MS / 10;
        runner.step(now_ns, input, &mut out);
        for action in out.drain(..) {
            match action {
                Action::Wake(at_ns) => wake_ns = at_ns,
                Action::Send(attempt) => {
                    let sick = runner.phase() >= Phase::Heal && attempt.node == Node(4);
                    let answer = if sick {
                        Answer::Unavailable {
                            error: "no-leader".into(),
                            leader: None,
                        }
                    } else {
                        Answer::Ok {
                            value: perjury_checker::Value::Nil,
                            version: None,
                            quorum: None,
                            term: 1,
                        }
                    };
                    pending.push_back(Input::Answer {
                        attempt: attempt.id,
                        answer,
                    });
                }
                _ => {}
            }
        }
    }
    let finished = runner.finish();
    assert!(
        matches!(&finished.failures[..], [Failure::DidNotRecover { nodes, limit_ms: 5_000 }]
            if nodes[..] == [(Node(4), "no-leader".to_owned())]),
        "{:?}",
        finished.failures
    );
    assert_eq!(
        finished
            .recovery
            .iter()
            .filter(|recovery| recovery.after.is_none())
            .count(),
        1
    );
    assert_eq!(finished.sum_up(Vec::new()).exit_code, exit::VIOLATION);
}
