//! Both kinds of Paxos in the simulator: never accused, whatever breaks; planted bugs found; the same every time.

use perjury_runner::Options;
use perjury_simulator::determinism::compare;
use perjury_simulator::{Campaign, Setup, Swarm, hunt};
use perjury_systems::registry::{self, mutant};

fn campaign(system: &str, runs: u64) -> Campaign {
    let options = Options {
        recovery_limit_ms: 20_000,
        ..Options::default()
    };
    let workload = registry::system(system).expect("a system").workloads[0];
    Campaign {
        swarm: Swarm::new(Setup::new(system, workload, options)),
        first_seed: 1,
        runs,
        jobs: 1,
        keep_going: false,
        invariants: true,
    }
}

/// A number that whoever looks for rare alarms gives.
fn number(name: &str, otherwise: u64) -> u64 {
    let given = std::env::var(name).ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

fn is_never_accused(system: &str, runs: u64, unreached: usize) {
    let runs = number("PERJURY_TEST_RUNS", runs);
    let mut campaign = campaign(system, runs);
    campaign.first_seed = number("PERJURY_TEST_SEED", 1);
    campaign.keep_going = true;
    let tally = hunt(&campaign, &|| false, &mut |_| {}).expect("it can be run");
    let found: Vec<_> = tally
        .found
        .iter()
        .map(|found| (found.seed, &found.violations))
        .collect();
    assert_eq!((tally.runs, found), (runs, Vec::new()));
    assert_eq!(tally.first_trouble, None);
    let marks = registry::system(system).expect("a system").marks;
    let left = tally.unreached(marks.iter().map(|mark| mark.name));
    assert!(left.len() <= unreached, "{left:?}");
}

/// Those that need a campaign of more runs than a test can have.
const RARE: [&str; 3] = [
    "paxos/accepted-replies-not-matched-to-ballot",
    "paxos/lease-drift-ignored",
    "paxos/amnesiac-acceptor-votes",
];

fn bugs_are_found(system: &str) {
    let mut unfound = Vec::new();
    let mutants = registry::system(system).expect("a system").mutants;
    for info in mutants.iter().filter(|info| !RARE.contains(&info.name)) {
        let mut campaign = campaign(system, 60);
        campaign.swarm = Swarm::for_mutant(campaign.swarm.base, mutant(info.name).expect("planted"));
        let tally = hunt(&campaign, &|| false, &mut |_| {}).expect("it can be run");
        println!("{} {} {:?}", info.name, tally.runs, tally.mutant_runs);
        if tally.failed == 0 {
            unfound.push((info.name, tally.mutant_runs));
        }
    }
    assert!(unfound.is_empty(), "{unfound:?}");
}

#[test]
fn correct_basic_paxos_is_never_accused_in_a_swarm() {
    is_never_accused("basic-paxos", 200, 0);
}

#[test]
fn correct_paxos_is_never_accused_in_a_swarm() {
    is_never_accused("paxos", 150, 2);
}

#[test]
fn planted_bugs_of_basic_paxos_are_found_within_a_few_runs() {
    bugs_are_found("basic-paxos");
}

#[test]
fn planted_bugs_of_paxos_are_found_within_a_few_runs() {
    bugs_are_found("paxos");
}

#[test]
fn a_swarm_run_is_the_same_every_time() {
    for system in ["basic-paxos", "paxos"] {
        let swarm = campaign(system, 1).swarm;
        for seed in 0..6 {
            let setup = swarm.setup(seed).expect("drawn");
            assert_eq!(compare(&setup), Ok(None), "{system} seed {seed}");
        }
    }
}
