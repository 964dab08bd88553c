//! Both kinds of Paxos in the simulator: never accused, whatever breaks; planted bugs found; the same every time.

mod campaigns;

use campaigns::campaign;
use perjury_systems::paxos::{basic, multi};

/// Those that need a campaign of more runs than a test can have.
const RARE: [&str; 3] = [
    "paxos/accepted-replies-not-matched-to-ballot",
    "paxos/lease-drift-ignored",
    "paxos/amnesiac-acceptor-votes",
];

#[test]
fn correct_basic_paxos_is_never_accused_in_a_swarm() {
    campaigns::never_accused(campaign("basic-paxos", 200), 0);
}

#[test]
fn correct_paxos_is_never_accused_in_a_swarm() {
    campaigns::never_accused(campaign("paxos", 150), 2);
}

#[test]
fn planted_bugs_of_basic_paxos_are_found_within_a_few_runs() {
    campaigns::found(basic::MUTANTS.iter().map(|bug| bug.name), 60);
}

#[test]
fn planted_bugs_of_paxos_are_found_within_a_few_runs() {
    let bugs = multi::MUTANTS.iter().map(|bug| bug.name);
    campaigns::found(bugs.filter(|name| !RARE.contains(name)), 60);
}

#[test]
fn a_swarm_run_is_the_same_every_time() {
    for system in ["basic-paxos", "paxos"] {
        campaigns::same_every_time(system);
    }
}
