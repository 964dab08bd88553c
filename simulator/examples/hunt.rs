//! A campaign from the command line: `hunt FROM RUNS [MUTANT] [KEY=VALUE…]`.
use perjury_runner::Options;
use perjury_simulator::{Campaign, Setup, Swarm, hunt};

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let mut base = Setup::new(
        "raft",
        "cas",
        Options {
            recovery_limit_ms: 20_000,
            ..Options::default()
        },
    );
    for arg in &args[3..] {
        match arg.split_once('=') {
            Some((name, value)) => {
                base.settings.insert(name.to_owned(), value.to_owned());
            }
            None => base.mutant = Some(arg.clone()),
        }
    }
    let mut swarm = Swarm::new(base);
    if let Ok(hint) = std::env::var("HINT") {
        let (nemesis, workload) = hint.split_once(';').expect("NEMESIS;WORKLOAD");
        swarm.hint = Some(perjury_simulator::Hint {
            nemesis: nemesis.to_owned(),
            workload: workload.to_owned(),
        });
    }
    let campaign = Campaign {
        swarm,
        first_seed: args[1].parse().expect("seed"),
        runs: args[2].parse().expect("runs"),
        jobs: std::env::var("JOBS")
            .ok()
            .and_then(|j| j.parse().ok())
            .unwrap_or(2),
        keep_going: std::env::var("KEEP").is_ok(),
        invariants: std::env::var("BLACK").is_err(),
    };
    let tally = hunt(&campaign, &|| false, &mut |_| {}).expect("runs");
    for found in &tally.found {
        println!(
            "seed {} ({:.3} s, {} events): {}",
            found.seed,
            found.virtual_ns as f64 / 1e9,
            found.events,
            found.violations[0]
        );
        for violation in &found.violations[1..] {
            println!("     also {violation}");
        }
        if std::env::var("SHOW").is_ok() {
            println!("{:?}", found.setup);
        }
    }
    println!(
        "{} runs, {} failed {:?}, {} events, {:.0} virtual s, {} operations, {} undecided, {} trouble {:?}",
        tally.runs,
        tally.failed,
        tally.properties,
        tally.events,
        tally.virtual_ns as f64 / 1e9,
        tally.operations,
        tally.undecided,
        tally.trouble,
        tally.first_trouble
    );
    println!(
        "faults {:?} triggers {} marks {:?} mutant {:?} in runs {:?}",
        tally.faults, tally.struck, tally.marks, tally.mutant, tally.mutant_runs
    );
}
