//! ZAB in the simulator: never accused, whatever breaks; planted bugs found; runs that are the same every time.

use perjury_nemesis::{Options as Planning, plan, stream};
use perjury_runner::Options;
use perjury_simulator::determinism::compare;
use perjury_simulator::{Campaign, Setup, Swarm, Wanted, hunt, run};

fn campaign(runs: u64) -> Campaign {
    let options = Options {
        recovery_limit_ms: 20_000,
        ..Options::default()
    };
    Campaign {
        swarm: Swarm::new(Setup::new("zab", "cas", options)),
        first_seed: 1,
        runs,
        jobs: 2,
        keep_going: false,
        invariants: true,
    }
}

#[test]
fn correct_zab_is_never_accused_under_any_nemesis() {
    for name in ["none", "partition", "kill", "pause", "clock", "packets", "disk"] {
        for (seed, workload) in (0..).zip(["register", "cas", "append", "counter", "set"]) {
            let options = Options {
                time_limit_ms: 10_000,
                seed,
                ..Options::default()
            };
            let mut setup = Setup::new("zab", workload, options);
            let nemesis = name.parse().expect("a nemesis");
            let planning = Planning::new(5, 10_000);
            setup.plan = plan(&nemesis, &planning, &mut stream(seed, "nemesis")).expect("a plan");
            let outcome = run(&setup, &Wanted::default()).expect("it can be run");
            assert!(outcome.is_clean(), "{name} {workload}: {:?}", outcome.violations);
            assert!(
                outcome.summary.trouble.is_empty(),
                "{name} {workload}: {:?}",
                outcome.summary.trouble
            );
            assert_eq!(outcome.summary.recovery.len(), 5, "{name} {workload}");
        }
    }
}

#[test]
fn correct_zab_is_never_accused_in_a_swarm() {
    let tally = hunt(&campaign(150), &|| false, &mut |_| {}).expect("it can be run");
    assert_eq!((tally.runs, &tally.found), (150, &Vec::new()));
    assert_eq!(tally.first_trouble, None);
}

#[test]
fn correct_zab_keeps_its_promise_of_sequential_consistency() {
    let mut campaign = campaign(100);
    let settings = &mut campaign.swarm.base.settings;
    settings.insert("reads".into(), "local".into());
    let tally = hunt(&campaign, &|| false, &mut |_| {}).expect("it can be run");
    assert_eq!((tally.runs, &tally.found), (100, &Vec::new()));
    assert_eq!(tally.first_trouble, None);
}

#[test]
fn a_swarm_run_is_the_same_every_time() {
    let swarm = campaign(1).swarm;
    for seed in 0..6 {
        let setup = swarm.setup(seed).expect("drawn");
        assert_eq!(compare(&setup), Ok(None), "seed {seed}");
    }
}

#[test]
fn planted_bugs_of_every_kind_are_found_within_a_few_runs() {
    for name in [
        "zab/fle-vote-order-not-total",
        "zab/observer-votes-counted",
        "zab/epoch-reused",
        "zab/leader-skips-ahead-check",
        "zab/current-epoch-before-history",
        "zab/memory-db-retained-across-election",
        "zab/partial-snap-then-diff",
        "zab/committedlog-hole",
        "zab/ack-before-fsync",
        "zab/non-idempotent-txn-log",
        "zab/sync-without-quorum",
        "zab/session-goes-back-in-time",
        "zab/session-reorder",
        "zab/forwarded-retry-applied-twice",
    ] {
        let mutant = perjury_systems::registry::mutant(name).expect("it is planted");
        let mut campaign = campaign(60);
        campaign.swarm = Swarm::for_mutant(campaign.swarm.base, mutant);
        let tally = hunt(&campaign, &|| false, &mut |_| {}).expect("it can be run");
        assert_eq!(tally.failed, 1, "{name}: {:?}", tally.mutant_runs);
    }
}
