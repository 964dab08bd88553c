//! `perjury replay`: the same run again.

use perjury_results::{Timestamp, run_id};
use perjury_simulator::{Case, Comparison, Expected};

use super::again::ReplayArgs;
use super::cases::{self, Wanted};
use super::ran::Ready;
use super::test::{How, run_once};
use super::{Outcome, Trouble, hunt};

/// Runs a stored run, a file or a seed again; in simulation, says whether it is the same bit for bit.
pub fn replay(args: &ReplayArgs) -> Outcome {
    let how = How {
        store: &args.store,
        check_limit: args.check_limit,
        json: args.json,
    };
    match cases::find(&args.store, &args.run)? {
        Wanted::Run(folder) => {
            let mut record = folder.test()?;
            older(&record.version);
            record.started_at = Timestamp::now();
            record.id = run_id(record.seed, record.started_at);
            record.version = env!("CARGO_PKG_VERSION").to_owned();
            if record.environment != "sim" {
                say!("the same plan and the same operations; real processes do not repeat bit for bit");
            }
            run_once(&record, Ready::new(&record)?, &how).map(|(code, ..)| code)
        }
        Wanted::Case(case, path) => {
            let command = cases::replays(&path);
            replay_case(*case, command, &how)
        }
        Wanted::Seed(seed) => {
            let swarm = hunt::swarm(&args.drawn)?;
            let setup = swarm
                .setup(seed)
                .map_err(|error| Trouble::Usage(error.to_string()))?;
            perjury_simulator::validate(&setup).map_err(|error| Trouble::Usage(error.to_string()))?;
            let mut case = cases::new(setup, !args.drawn.black_box);
            case.expected = args.hash.clone().map(|hash| Expected {
                property: None,
                hash,
                events: None,
                steps: String::new(),
            });
            let command = hunt::again(&args.drawn, seed, args.hash.as_deref());
            replay_case(case, command, &how)
        }
    }
}

/// What another version may do otherwise.
fn older(version: &str) {
    let now = env!("CARGO_PKG_VERSION");
    if version != now {
        say!(
            "this run is of version {version}, and this is {now}: protocols, workloads and the draws of a seed may \
             differ, so the run may be another one"
        );
    }
}

fn replay_case(case: Case, command: String, how: &How<'_>) -> Outcome {
    older(&case.version);
    let record = cases::record(&case, "replay", command);
    let (code, _, compared) = run_once(&record, Ready::Simulation(Box::new(case)), how)?;
    match compared {
        Comparison::Nothing => {}
        Comparison::Identical => say!("bit-identical: the trace has the hash that it had"),
        Comparison::Different { event, now } => {
            match event {
                Some(event) => {
                    say!("NOT the same run: event {event} is the first that differs; now it is:")
                }
                None => say!("NOT the same run: the trace has another hash"),
            }
            for line in now {
                say!("  {line}");
            }
            // Whatever it proves, it is not what was to be replayed.
            return Ok(code.max(perjury_runner::exit::VIOLATION));
        }
    }
    Ok(code)
}
