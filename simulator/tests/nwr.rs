//! Quorum NWR in simulation: correct runs raise no alarm, and planted bugs are found.

use perjury_runner::Options;
use perjury_simulator::{Campaign, Outcome, Setup, Swarm, Wanted, hunt, run};

fn campaign(first_seed: u64, runs: u64, mutant: Option<&str>) -> Campaign {
    let base = Setup::new("nwr", "register", Options::default());
    let mutant = mutant.and_then(perjury_systems::registry::mutant);
    Campaign {
        swarm: match mutant {
            Some(mutant) => Swarm::for_mutant(base, mutant),
            None => Swarm::new(base),
        },
        first_seed,
        runs,
        jobs: 1,
        keep_going: mutant.is_none(),
        invariants: true,
    }
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(otherwise)
}

#[test]
fn correct_runs_raise_no_alarm() {
    let (first, runs) = (number("PERJURY_TEST_SEED", 0), number("PERJURY_TEST_RUNS", 40));
    let tally = hunt(&campaign(first, runs, None), &|| false, &mut |_| {}).expect("runs");
    for found in &tally.found {
        for violation in &found.violations {
            eprintln!("seed {}: {violation}\n{:?}", found.seed, found.setup.settings);
        }
    }
    assert_eq!((tally.failed, tally.trouble), (0, 0), "{:?}", tally.first_trouble);
    eprintln!(
        "unreached: {:?}",
        tally.unreached(perjury_systems::nwr::MARKS.iter().map(|mark| mark.name))
    );
}

fn once(setup: &Setup) -> Outcome {
    run(setup, &Wanted::default()).expect("it runs")
}

#[test]
fn the_same_seed_does_the_same_twice() {
    for seed in 0..3 {
        let setup = campaign(0, 1, None).swarm.setup(seed).expect("drawn");
        let (one, other) = (once(&setup), once(&setup));
        assert_eq!((one.hash, one.events), (other.hash, other.events), "seed {seed}");
    }
}

#[test]
fn planted_bugs_are_found() {
    let only = std::env::var("PERJURY_TEST_ONLY").ok();
    let runs = number("PERJURY_TEST_RUNS", 60);
    let mut missed = Vec::new();
    for mutant in perjury_systems::nwr::MUTANTS {
        if only
            .as_ref()
            .is_some_and(|only| !mutant.name.contains(only.as_str()))
        {
            continue;
        }
        let tally = hunt(
            &campaign(number("PERJURY_TEST_SEED", 0), runs, Some(mutant.name)),
            &|| false,
            &mut |_| {},
        );
        match tally {
            Ok(tally) => {
                let found = tally.found.first().map(|found| found.violations[0].to_string());
                eprintln!(
                    "{} {} {:?} {:?}",
                    mutant.name, tally.runs, tally.mutant_runs, found
                );
                if found.is_none() && mutant.core {
                    missed.push(mutant.name);
                }
            }
            Err(error) => {
                eprintln!("{}: {error}", mutant.name);
                missed.push(mutant.name);
            }
        }
    }
    assert_eq!(missed, Vec::<&str>::new());
}
