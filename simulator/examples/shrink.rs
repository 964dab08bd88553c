//! Finds every planted bug, shrinks what was found, and says how small it became:
//! `cargo run --release -p perjury-simulator --example shrink -- FIRST_SEED RUNS [NAME…]`.
//!
//! `BLACK=1` looks only at what clients see; `SHOW=1` tells what happens; `OUT=FOLDER` writes each small run to a file.

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use perjury_runner::Options;
use perjury_simulator::{Campaign, Case, Effort, Expected, Setup, Shrunk, Swarm, hunt, run, shrink, story};
use perjury_systems::raft::MUTANTS;

/// Seconds that this process spent on processors.
fn cpu_s() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("it is known");
    (usage.user_time().num_microseconds() + usage.system_time().num_microseconds()) as f64 / 1e6
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let first_seed = args[1].parse().expect("a seed");
    let runs = args[2].parse().expect("a number of runs");
    let invariants = std::env::var("BLACK").is_err();
    let (mut all, mut took, mut missed) = (Vec::new(), Vec::new(), Vec::new());
    for mutant in MUTANTS {
        if args.len() > 3 && !args[3..].iter().any(|name| mutant.name.contains(name.as_str())) {
            continue;
        }
        let campaign = Campaign {
            swarm: Swarm::for_mutant(Setup::new("raft", "cas", Options::default()), mutant),
            first_seed,
            runs,
            jobs: 1,
            keep_going: false,
            invariants,
        };
        let tally = hunt(&campaign, &|| false, &mut |_| {}).expect("it can be run");
        let Some(found) = tally.found.first() else {
            missed.push(mutant.name);
            continue;
        };
        let began = cpu_s();
        let small = shrink(
            &found.setup,
            invariants,
            Effort::default(),
            &|| false,
            &mut |_, _| {},
        )
        .expect("it can be run")
        .expect("it fails");
        let spent = cpu_s() - began;
        println!(
            "{:44} {:>3} → {} actions, {:>5} → {} delivered{}, {} operations, {} nodes, {:.3} s; {} runs, {spent:.2} CPU s: {}",
            mutant.name,
            small.before.actions,
            small.size.actions,
            small.before.delivered,
            small.size.delivered,
            if small.setup.script.is_some() {
                ""
            } else {
                " (not written out)"
            },
            small.size.operations,
            small.size.nodes,
            small.size.virtual_ns as f64 / 1e9,
            small.runs,
            small.property
        );
        if std::env::var("SHOW").is_ok() {
            for line in story(&small.setup, invariants, 400).expect("it can be run") {
                println!("    {line}");
            }
        }
        if let Some(folder) = std::env::var_os("OUT") {
            write(&folder, mutant.name, &small, invariants);
        }
        took.push(spent);
        all.push(small);
    }
    println!(
        "{} runs; quarters of them have at most (a quarter, half, three quarters, all):",
        all.len()
    );
    quartiles("actions", all.iter().map(|small| small.size.actions as f64));
    quartiles(
        "messages delivered",
        all.iter().map(|small| small.size.delivered as f64),
    );
    quartiles("operations", all.iter().map(|small| small.size.operations as f64));
    quartiles(
        "virtual seconds",
        all.iter().map(|small| small.size.virtual_ns as f64 / 1e9),
    );
    quartiles("CPU seconds to shrink", took.into_iter());
    println!("not found in {runs} runs: {}", missed.join(", "));
}

fn write(folder: &std::ffi::OsStr, name: &str, small: &Shrunk, invariants: bool) {
    let mut case = Case {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        invariants,
        setup: small.setup.clone(),
        expected: None,
        story: Vec::new(),
    };
    let outcome = run(&case.setup, &case.wanted()).expect("it can be run");
    case.expected = Some(Expected::of(&outcome));
    let file = std::path::Path::new(folder).join(format!("{}.json", name.replace('/', "-")));
    std::fs::write(file, serde_json::to_vec_pretty(&case).expect("JSON")).expect("it is written");
}

fn quartiles(what: &str, values: impl Iterator<Item = f64>) {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let Some(last) = values.len().checked_sub(1) else {
        return;
    };
    let at = |quarter: usize| values[last * quarter / 4];
    println!(
        "{what:>24}: {:.3}, {:.3}, {:.3}, {:.3}",
        at(1),
        at(2),
        at(3),
        at(4)
    );
}
