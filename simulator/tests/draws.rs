//! What campaigns leave to chance: what they never draw, they never try.

use std::collections::BTreeSet;

use perjury_runner::Options;
use perjury_simulator::{Setup, Swarm};
use perjury_systems::registry::SYSTEMS;

/// Settings that stay as they are: to trust an empty disk is to break what is promised when one is lost, and a learner that is
/// given up is asked for again, early or late.
const FIXED: [&str; 2] = ["identity", "catch-up-timeout-ms"];

#[test]
fn every_setting_of_a_system_is_drawn_and_takes_several_values() {
    for system in SYSTEMS {
        let base = Setup::new(system.name, system.workloads[0], Options::default());
        let mut swarm = Swarm::new(base);
        // A slow world has longer times all over, which try nothing new.
        swarm.draws.slowness = false;
        let mut drawn = BTreeSet::new();
        for seed in 1..=400 {
            let setup = swarm.setup(seed).expect("a bundled system");
            drawn.extend(setup.settings);
        }
        for setting in system.settings {
            let values = drawn.iter().filter(|(name, _)| name == setting.name).count();
            let fixed = FIXED.contains(&setting.name);
            // What is not drawn is the default, which is another value.
            assert_eq!(
                values == 0,
                fixed,
                "{}: {} has {values}",
                system.name,
                setting.name
            );
        }
    }
}

#[test]
fn clusters_are_large_enough_for_the_faults_that_were_asked_for() {
    let mut swarm = Swarm::new(Setup::new("raft", "cas", Options::default()));
    swarm.nemesis = "kill,membership".to_owned();
    for seed in 1..=100 {
        let setup = swarm.setup(seed).expect("its nodes are drawn so that it can be");
        assert!(setup.options.nodes >= 4, "{seed}");
    }
}
