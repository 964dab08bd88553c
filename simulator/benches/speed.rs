//! How fast the simulator is: `cargo bench -p perjury-simulator --bench speed`.
//!
//! Five-node Raft with disks, clocks, invariants, the recorded history and its checking, on one thread. Each line says
//! how many events and how many simulated seconds a second of the processor's time comes to, in the fastest of three
//! goes; what other programs do at the same time does not count. The lines differ in what goes on in the cluster:
//! swarm runs as `perjury hunt` draws them (faults, bad weather, from one rack to satellites: an operation every few
//! seconds to hundreds a second), the same with all machines side by side, under a light load, and quiet clusters.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use perjury_runner::Options;
use perjury_simulator::{Draws, Setup, Swarm, Wanted, run};

/// Goes of each line; the fastest counts.
const GOES: usize = 3;

/// What the processor has spent on this thread.
fn spent() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
        .expect("threads' time is counted")
        .into()
}

/// Drawn runs, with what they have in common.
fn swarm(runs: u64, draws: Draws, options: Options) -> Vec<Setup> {
    let mut swarm = Swarm::new(Setup::new("raft", "cas", options));
    swarm.draws = draws;
    (1..=runs)
        .map(|seed| swarm.setup(seed).expect("it can be drawn"))
        .collect()
}

/// A line of the report.
fn measure(name: &str, setups: &[Setup]) {
    let (mut events, mut virtual_ns, mut operations) = (0, 0, 0);
    let mut best = Duration::MAX;
    for _ in 0..GOES {
        (events, virtual_ns, operations) = (0, 0, 0);
        let before = spent();
        for setup in setups {
            let outcome = run(setup, &Wanted::default()).expect("it can be run");
            assert!(outcome.is_clean(), "{name}: {:?}", outcome.violations);
            events += outcome.events;
            virtual_ns += outcome.virtual_ns;
            operations += outcome.summary.operations;
        }
        best = best.min(spent() - before);
    }
    let (cpu_s, simulated_s) = (best.as_secs_f64(), virtual_ns as f64 / 1e9);
    println!(
        "{name:<36} {:>6.2} M events/s {:>9.0} simulated s/s   ({} runs, {:.1} M events, {simulated_s:.0} simulated s \
         with {:.0} operations/s, {cpu_s:.2} s)",
        events as f64 / 1e6 / cpu_s,
        simulated_s / cpu_s,
        setups.len(),
        events as f64 / 1e6,
        operations as f64 / simulated_s,
    );
}

fn main() {
    let five = Draws {
        nodes: false,
        ..Draws::ALL
    };
    let options = Options {
        recovery_limit_ms: 20_000,
        ..Options::default()
    };
    measure("swarm", &swarm(200, five, options.clone()));
    let rack = Draws {
        slowness: false,
        ..five
    };
    measure("swarm, machines side by side", &swarm(200, rack, options.clone()));
    let light = Options {
        rate: 10.0,
        concurrency: 5,
        ..options.clone()
    };
    let unloaded = Draws {
        workload: false,
        ..five
    };
    measure("swarm, 10 operations/s", &swarm(400, unloaded, light.clone()));
    let quiet = |rate, time_limit_ms| {
        let options = Options {
            rate,
            time_limit_ms,
            ..light.clone()
        };
        [Setup::new("raft", "register", options)]
    };
    measure("no faults, 200 operations/s", &quiet(200.0, 600_000));
    measure("no faults, 10 operations/s", &quiet(10.0, 3_600_000));
    measure("no faults, an operation a minute", &quiet(1.0 / 60.0, 36_000_000));
}
