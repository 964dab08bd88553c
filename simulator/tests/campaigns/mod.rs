//! What is asked of every system in the simulator alike.

#![allow(dead_code, reason = "not every test file asks all of it")]

use perjury_nemesis::{Options as Planning, plan, stream};
use perjury_runner::Options;
use perjury_simulator::determinism::compare;
use perjury_simulator::{Campaign, Setup, Swarm, Tally, Wanted, run};
use perjury_systems::registry::{self, System};

fn bundled(system: &str) -> &'static System {
    registry::system(system).expect("a bundled system")
}

/// A number that whoever looks for rare alarms gives.
fn number(name: &str, otherwise: u64) -> u64 {
    let given = std::env::var(name).ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Runs drawn from the first seeds.
pub fn campaign(system: &str, runs: u64) -> Campaign {
    let options = Options {
        recovery_limit_ms: 20_000,
        ..Options::default()
    };
    Campaign {
        swarm: Swarm::new(Setup::new(system, bundled(system).workloads[0], options)),
        first_seed: number("PERJURY_TEST_SEED", 1),
        runs: number("PERJURY_TEST_RUNS", runs),
        jobs: 1,
        keep_going: false,
        invariants: true,
    }
}

/// Hunts without being interrupted.
pub fn hunt(campaign: &Campaign) -> Tally {
    perjury_simulator::hunt(campaign, &|| false, &mut |_| {}).expect("it can be run")
}

/// No run of a correct system fails, and at most so many of its marks are not reached.
pub fn never_accused(mut campaign: Campaign, unreached: usize) -> Tally {
    campaign.keep_going = true;
    let tally = hunt(&campaign);
    let found: Vec<_> = tally
        .found
        .iter()
        .map(|found| (found.seed, &found.violations))
        .collect();
    assert_eq!((tally.runs, found), (campaign.runs, Vec::new()));
    assert_eq!(tally.first_trouble, None);
    let marks = bundled(&campaign.swarm.base.system).marks;
    let left = tally.unreached(marks.iter().map(|mark| mark.name));
    assert!(left.len() <= unreached, "{left:?}");
    tally
}

/// A correct system passes the test that a user would run with each of these, and every node recovers.
pub fn never_accused_under(system: &str, nemeses: &[&str]) {
    for name in nemeses {
        for (seed, workload) in (0..).zip(["register", "cas", "append", "counter", "set"]) {
            let options = Options {
                time_limit_ms: 10_000,
                seed,
                ..Options::default()
            };
            let mut setup = Setup::new(system, workload, options);
            let nemesis = name.parse().expect("a nemesis");
            let planning = Planning::new(5, 10_000);
            setup.plan = plan(&nemesis, &planning, &mut stream(seed, "nemesis")).expect("a plan");
            let outcome = run(&setup, &Wanted::default()).expect("it can be run");
            assert!(outcome.is_clean(), "{name} {workload}: {:?}", outcome.violations);
            let trouble = &outcome.summary.trouble;
            assert!(trouble.is_empty(), "{name} {workload}: {trouble:?}");
            assert_eq!(outcome.summary.recovery.len(), 5, "{name} {workload}");
        }
    }
}

/// Runs that are drawn are the same when they are run again.
pub fn same_every_time(system: &str) {
    let swarm = campaign(system, 1).swarm;
    for seed in 0..6 {
        let setup = swarm.setup(seed).expect("drawn");
        assert_eq!(compare(&setup), Ok(None), "{system} seed {seed}");
    }
}

/// Each of these planted bugs fails within so many runs.
pub fn found<'a>(bugs: impl IntoIterator<Item = &'a str>, runs: u64) {
    let only = std::env::var("PERJURY_TEST_ONLY").unwrap_or_default();
    let mut unfound = Vec::new();
    for name in bugs.into_iter().filter(|name| name.contains(&only)) {
        let info = registry::mutant(name).expect("it is planted");
        let (system, _) = name.split_once('/').expect("a system before it");
        let mut campaign = campaign(system, runs);
        campaign.swarm = Swarm::for_mutant(campaign.swarm.base, info);
        let tally = hunt(&campaign);
        println!("{name} {} {:?}", tally.runs, tally.mutant_runs);
        if tally.failed == 0 {
            unfound.push((name, tally.mutant_runs));
        }
    }
    assert!(unfound.is_empty(), "{unfound:?}");
}
