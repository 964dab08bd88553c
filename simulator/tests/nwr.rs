//! Quorum NWR in the simulator: never accused, whatever breaks; planted bugs found; the same every time.

mod campaigns;

use campaigns::campaign;
use perjury_systems::nwr::MUTANTS;

#[test]
fn correct_nwr_is_never_accused_in_a_swarm() {
    campaigns::never_accused(campaign("nwr", 40), 2);
}

#[test]
fn planted_bugs_of_the_core_are_found_within_a_few_runs() {
    let core = MUTANTS.iter().filter(|bug| bug.core);
    campaigns::found(core.map(|bug| bug.name), 60);
}

#[test]
fn a_swarm_run_is_the_same_every_time() {
    campaigns::same_every_time("nwr");
}
