//! Finds and shrinks: `shrink FIRST_SEED RUNS NAME…`.
use perjury_runner::Options;
use perjury_simulator::{Campaign, Effort, Setup, Swarm, hunt, shrink};
use std::time::Instant;

#[allow(clippy::disallowed_methods)]
fn main() {
    let args: Vec<String> = std::env::args().collect();
    for mutant in perjury_systems::raft::MUTANTS {
        if args.len() > 3 && !args[3..].iter().any(|name| mutant.name.contains(name.as_str())) {
            continue;
        }
        let mut base = Setup::new(
            "raft",
            "cas",
            Options {
                recovery_limit_ms: 20_000,
                ..Options::default()
            },
        );
        base.mutant = mutant.name.strip_prefix("raft/").map(str::to_owned);
        for setting in mutant.settings {
            let (name, value) = setting.split_once('=').expect("name=value");
            base.settings.insert(name.to_owned(), value.to_owned());
        }
        let invariants = std::env::var("BLACK").is_err();
        let campaign = Campaign {
            swarm: Swarm::new(base),
            first_seed: args[1].parse().expect("seed"),
            runs: args[2].parse().expect("runs"),
            jobs: 1,
            keep_going: false,
            invariants,
        };
        let tally = hunt(&campaign, &|| false, &mut |_| {}).expect("runs");
        let Some(found) = tally.found.first() else {
            println!("{:44} not found", mutant.name);
            continue;
        };
        let begin = Instant::now();
        let small = shrink(&found.setup, invariants, Effort::default(), &|| false)
            .expect("runs")
            .expect("fails");
        println!(
            "{:44} {} → {} actions, {} ops, {} messages, {} runs, {:.2} s: {}",
            mutant.name,
            found.setup.plan.faults().count() + found.setup.triggers.len(),
            small.actions(),
            small.outcome.summary.operations,
            small.outcome.packets.0,
            small.runs,
            begin.elapsed().as_secs_f64(),
            small.property
        );
        if std::env::var("SHOW").is_ok() {
            println!("{:?}", small.setup);
            for line in perjury_simulator::story(&small.setup, invariants, 60).expect("runs") {
                println!("{line}");
            }
        }
    }
}
