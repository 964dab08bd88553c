//! Real processes, led in step through what was simulated.

mod support;

use std::sync::Arc;

use perjury::environment::Led;
use perjury::{ClusterConfig, ProcessEnvironment};
use perjury_runner::{Finished, Options, Runner};
use perjury_simulator::{Cue, Score, Setup, Swarm, Wanted};
use perjury_systems::registry::SYSTEMS;
use support::config;

/// Events of a run that processes are led through.
const EVENTS: u64 = 1_500;

/// A drawn run of a system, as far as it is wanted.
fn drawn(system: &str, seed: u64) -> Setup {
    let swarm = Swarm::new(Setup::new(system, "cas", Options::default()));
    let mut setup = swarm.setup(seed).expect("it can be drawn");
    setup.max_events = EVENTS;
    setup
}

fn lead(setup: &Setup, score: Score, mut runner: Runner, interrupted: bool) -> (Led, Finished) {
    let folder = tempfile::tempdir().expect("a directory");
    let mut config = ClusterConfig {
        settings: setup.settings.clone(),
        members: setup.members,
        mutant: setup.mutant.clone(),
        seed: setup.noise(),
        score: Some(Arc::new(score)),
        ..config(&setup.system, setup.options.nodes, folder.path())
    };
    config.traces = true;
    let environment = ProcessEnvironment::start(config).expect("it starts");
    if interrupted {
        environment.interrupter().interrupt();
    }
    let summary = environment.run(
        &mut |now, input, actions| runner.step(now, input, actions),
        &mut |_| {},
    );
    (summary.led.expect("it was led"), runner.finish())
}

#[test]
fn processes_do_turn_by_turn_what_the_simulated_nodes_did() {
    let mut kills = 0;
    for system in SYSTEMS {
        for seed in [1, 2] {
            let setup = drawn(system.name, seed);
            let simulated = perjury_simulator::run(&setup, &Wanted::default()).expect("it can be run");
            let (score, runner) = perjury_simulator::score(&setup, true).expect("it can be run");
            kills += score
                .cues
                .iter()
                .filter(|(_, cue)| matches!(cue, Cue::Kill { .. }))
                .count();
            let (turns, obstacle) = (score.turns(), score.obstacle);
            let (led, finished) = lead(&setup, score, runner, false);
            let named = format!("{}, seed {seed}", system.name);
            let all = Led {
                turns,
                ..Led::default()
            };
            assert_eq!((led, obstacle), (all, None), "{named}");
            assert_eq!(
                finished.history.operations, simulated.finished.history.operations,
                "{named}"
            );
        }
    }
    assert!(kills > 0, "no process was killed");
}

#[test]
fn the_first_turn_that_comes_out_otherwise_is_named() {
    let setup = drawn("raft", 1);
    let (mut score, runner) = perjury_simulator::score(&setup, true).expect("it can be run");
    let turns = score.cues.iter_mut().filter_map(|(_, cue)| match cue {
        Cue::Turn(turn) => Some(turn),
        _ => None,
    });
    for turn in turns.skip(40) {
        turn.effect ^= 1;
    }
    let (led, _) = lead(&setup, score, runner, false);
    let difference = led.difference.expect("there is one");
    assert!(difference.starts_with("turn 41 ("), "{difference}");
    assert_eq!(led.stopped, None);
}

#[test]
fn who_interrupts_it_is_not_told_that_the_harness_failed() {
    let setup = drawn("raft", 1);
    let (score, runner) = perjury_simulator::score(&setup, true).expect("it can be run");
    let (led, finished) = lead(&setup, score, runner, true);
    assert_eq!(led, Led::default());
    assert!(finished.interrupted && finished.trouble.is_empty());
}
