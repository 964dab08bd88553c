//! Quorum NWR in the simulator: never accused, whatever breaks; planted bugs found; the same every time.

mod campaigns;

use campaigns::campaign;
use perjury_checker::quorum::{Visibility, staleness};
use perjury_checker::{Function, History, Operation, Outcome};
use perjury_runner::Options;
use perjury_simulator::{Setup, Wanted, Weather, Work, all_marks, predicted_visibility, run};
use perjury_systems::nwr::MUTANTS;

#[test]
fn correct_nwr_is_never_accused_in_a_swarm() {
    campaigns::never_accused(campaign("nwr", 40), 2);
}

#[test]
fn where_nobody_leads_no_run_is_to_reach_two_leaders() {
    let leaders = |system: &str| all_marks(system).any(|mark| mark.name == "two-leaders-at-once");
    assert!(leaders("raft") && !leaders("nwr"));
}

#[test]
fn removals_that_are_forgotten_as_soon_as_may_be_do_not_come_back() {
    let mut deletes = campaign("nwr", 40);
    let swarm = &mut deletes.swarm;
    swarm.base.workload = Work::named("delete");
    swarm.draws.workload = false;
    let grace = ("gc-grace-ms".to_owned(), "20".to_owned());
    swarm.base.settings.extend([grace]);
    let tally = campaigns::never_accused(deletes, 4);
    let left = tally.unreached(["forgotten", "doubted", "asked-anew"]);
    assert!(left.is_empty(), "{left:?}");
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

/// A store of registers that nothing repairs, so that what reads see is a matter of delays alone.
fn unrepaired((n, w, r): (u16, u16, u16), seed: u64) -> Setup {
    let options = Options {
        nodes: n,
        concurrency: 8,
        rate: 100.0,
        time_limit_ms: 10_000,
        seed,
        ..Options::default()
    };
    let mut setup = Setup::new("nwr", "register", options);
    setup.workload.keys = Some(1);
    setup.weather = Weather {
        latency_us: 500,
        jitter_us: 5_000,
        ..Weather::FAIR
    };
    let numbers =
        [("n", n), ("w", w), ("r", r), ("anti-entropy-ms", 0)].map(|(name, of)| (name, of.to_string()));
    let off = ["read-repair", "handoff"].map(|name| (name, "off".to_owned()));
    let all = numbers.into_iter().chain(off);
    setup.settings = all.map(|(name, value)| (name.to_owned(), value)).collect();
    setup
}

/// The history without the reads that a write overlaps.
fn quiet_reads(history: &History) -> History {
    let writes = |operation: &&Operation| {
        operation.f == Function::Write && operation.completion.outcome != Outcome::Fail
    };
    let writes: Vec<&Operation> = history.operations.iter().filter(writes).collect();
    let quiet = |operation: &&Operation| {
        operation.f == Function::Write
            || writes.iter().all(|write| {
                write.returned() < operation.invoked.index || operation.returned() < write.invoked.index
            })
    };
    History {
        operations: history.operations.iter().filter(quiet).cloned().collect(),
        ..History::default()
    }
}

#[test]
fn reads_see_a_write_as_soon_after_it_as_wars_predicts() {
    for quorums in [(3, 1, 1), (3, 1, 2), (3, 2, 1), (5, 2, 2)] {
        let mut measured: Vec<Visibility> = Vec::new();
        for seed in 1..=40 {
            let outcome = run(&unrepaired(quorums, seed), &Wanted::default()).expect("it can be run");
            assert!(outcome.is_clean(), "{quorums:?} {seed}: {:?}", outcome.violations);
            let one =
                staleness(&quiet_reads(&outcome.finished.history)).expect("answers name their replicas");
            if measured.is_empty() {
                measured = one.visibility;
            } else {
                for (sum, point) in measured.iter_mut().zip(one.visibility) {
                    (sum.reads, sum.fresh) = (sum.reads + point.reads, sum.fresh + point.fresh);
                }
            }
        }
        let times: Vec<u64> = measured.iter().map(|point| point.after_ns).collect();
        let predicted =
            predicted_visibility(&unrepaired(quorums, 1), &times, 100_000).expect("settings of NWR");
        let (mut judged, mut least) = (0, 1.0_f64);
        for (place, pair) in measured.windows(2).enumerate() {
            let (reads, fresh) = (pair[0].reads - pair[1].reads, pair[0].fresh - pair[1].fresh);
            if reads < 50 {
                continue;
            }
            let (low, high) = (predicted[place].share(), predicted[place + 1].share());
            let seen = fresh as f64 / reads as f64;
            // The model knows nothing of answers that wait for an fsync.
            let band = |share: f64| 5.0 * (share * (1.0 - share) / reads as f64).sqrt() + 0.01;
            assert!(
                (low - band(low)..=high + band(high)).contains(&seen),
                "{quorums:?}: of {reads} reads that began after {} to {} ns {seen} saw the write, not {low} to {high}",
                times[place],
                times[place + 1]
            );
            judged += 1;
            least = least.min(seen);
        }
        assert!(
            judged >= 5 && least < 0.99,
            "{quorums:?} shows nothing: {judged} {least}"
        );
    }
}
