//! Describes some events of the run of a seed: `transcript SEED FROM TO [MUTANT] [KEY=VALUE…]`.
use perjury_runner::Options;
use perjury_simulator::{Setup, Swarm, Wanted, run};

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
    for arg in &args[4..] {
        match arg.split_once('=') {
            Some((name, value)) => {
                base.settings.insert(name.to_owned(), value.to_owned());
            }
            None => base.mutant = Some(arg.clone()),
        }
    }
    let mut setup = Swarm::new(base)
        .setup(args[1].parse().expect("seed"))
        .expect("drawn");
    let to = args[3].parse().expect("event");
    setup.max_events = to;
    println!("{setup:?}");
    let out = run(
        &setup,
        &Wanted {
            transcript: Some((args[2].parse().expect("event"), to)),
            ..Wanted::default()
        },
    )
    .expect("runs");
    for line in out.transcript {
        println!("{line}");
    }
    for v in out.violations {
        println!("{v}");
    }
}
