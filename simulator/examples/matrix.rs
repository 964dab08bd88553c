//! Hunts every planted bug: `matrix FIRST_SEED RUNS [NAME…]`.
use perjury_runner::Options;
use perjury_simulator::{Campaign, Setup, Swarm, hunt};
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
        let campaign = Campaign {
            swarm: Swarm::new(base),
            first_seed: args[1].parse().expect("seed"),
            runs: args[2].parse().expect("runs"),
            jobs: 1,
            keep_going: false,
            invariants: std::env::var("BLACK").is_err(),
        };
        let begin = Instant::now();
        let tally = hunt(&campaign, &|| false, &mut |_| {}).expect("runs");
        let found = tally.found.first().map_or("NOT FOUND".to_owned(), |f| {
            format!(
                "{} | {}",
                f.property(),
                f.violations
                    .iter()
                    .map(|v| v.property())
                    .collect::<Vec<_>>()
                    .join(",")
            )
        });
        println!(
            "{:44} {:?} {:4} runs {:6.2} s reached {} differed {} {}",
            mutant.name,
            mutant.difficulty,
            tally.runs,
            begin.elapsed().as_secs_f64(),
            tally.mutant_runs.0,
            tally.mutant_runs.1,
            found
        );
    }
}
