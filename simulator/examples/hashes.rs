//! The hashes by which two builds of the simulator are compared: `hashes SEEDS` prints a line for each of the first
//! seeds (its events, and the hash of everything that happened); `hashes of SEED` the hash after every event; `hashes
//! around SEED EVENT` what that event was. `.ci/builds` uses it.

use std::io::{self, BufWriter, Write};

use perjury_runner::Options;
use perjury_simulator::{Outcome, Setup, Swarm, Wanted, run};

fn went(seed: u64, wanted: Wanted) -> Result<Outcome, String> {
    let options = Options {
        recovery_limit_ms: 20_000,
        ..Options::default()
    };
    let swarm = Swarm::new(Setup::new("raft", "cas", options));
    let setup = swarm.setup(seed).map_err(|error| error.to_string())?;
    run(&setup, &wanted).map_err(|error| error.to_string())
}

fn tell(args: &[&str], out: &mut impl Write) -> Result<(), String> {
    let number =
        |text: &str| -> Result<u64, String> { text.parse().map_err(|_| format!("{text} is no number")) };
    let unwritten = |error: io::Error| error.to_string();
    match args {
        ["of", seed] => {
            let wanted = Wanted {
                hashes: true,
                ..Wanted::default()
            };
            for hash in went(number(seed)?, wanted)?.hashes {
                writeln!(out, "{hash:016x}").map_err(unwritten)?;
            }
        }
        ["around", seed, event] => {
            let event = number(event)?;
            let wanted = Wanted {
                transcript: Some((event, event + 1)),
                ..Wanted::default()
            };
            for line in went(number(seed)?, wanted)?.transcript {
                writeln!(out, "{line}").map_err(unwritten)?;
            }
        }
        [seeds] => {
            for seed in 1..=number(seeds)? {
                let outcome = went(seed, Wanted::default())?;
                let violations = outcome.violations.len();
                writeln!(
                    out,
                    "{seed} {} {:016x} {violations}",
                    outcome.events, outcome.hash
                )
                .map_err(unwritten)?;
            }
        }
        _ => return Err("usage: hashes SEEDS | hashes of SEED | hashes around SEED EVENT".to_owned()),
    }
    out.flush().map_err(unwritten)
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    if let Err(problem) = tell(&args, &mut BufWriter::new(io::stdout().lock())) {
        eprintln!("hashes: {problem}");
        std::process::exit(1);
    }
}
