//! The matrix in simulation: each campaign runs seeds until one fails.

use std::io::Write;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use perjury_runner::{Options, exit};
use perjury_simulator::{Attempt, Matrix, Setup};

use crate::cli::args::MatrixArgs;
use crate::cli::interrupt::{Armed, interrupted};
use crate::cli::{Outcome, Trouble};

/// Hunts in simulation, with invariants and without, and prints a table.
pub fn hunt(args: &MatrixArgs, seed: u64) -> Outcome {
    let options = Options {
        recovery_limit_ms: 20_000,
        ..Options::default()
    };
    let matrix = Matrix {
        base: Setup::new(&args.system, "cas", options),
        only: args.only.clone(),
        campaigns: u64::from(args.campaigns),
        seed,
        runs: args.budget,
        jobs: usize::from(args.jobs),
    };
    let _armed = Armed::new(|| eprintln!("interrupted: waiting for the runs that are under way"))?;
    let mut out = std::io::stdout().lock();
    if !args.json {
        writeln!(
            out,
            "| planted bug | id | found | runs | CPU s (median, worst) | by | by clients alone | runs | CPU s |"
        )?;
        writeln!(out, "|---|---|---|---|---|---|---|---|---|")?;
    }
    let mut printed = Ok(());
    let rows = perjury_simulator::matrix(&matrix, &processor_time, &interrupted, &mut |row| {
        if printed.is_err() {
            return;
        }
        printed = if args.json {
            serde_json::to_string(row)
                .map_err(std::io::Error::from)
                .and_then(|line| writeln!(out, "{line}"))
        } else {
            let (watched, unwatched) = row.found();
            writeln!(
                out,
                "| `{}` | {} | {watched} of {} | {} | {} | {} | {unwatched} of {} | {} | {} |",
                row.mutant,
                row.id,
                row.watched.len(),
                runs(&row.watched),
                seconds(&row.watched),
                properties(&row.watched),
                row.unwatched.len(),
                runs(&row.unwatched),
                seconds(&row.unwatched),
            )
        };
        printed = std::mem::replace(&mut printed, Ok(())).and_then(|()| out.flush());
    })
    .map_err(|error| Trouble::Usage(error.to_string()))?;
    printed?;
    let found = rows.iter().filter(|row| row.found().0 > 0).count();
    let by_clients = rows.iter().filter(|row| row.found().1 > 0).count();
    eprintln!(
        "{found} of {} planted bugs were found, {by_clients} by what clients see alone",
        rows.len()
    );
    Ok(if interrupted() {
        exit::INTERRUPTED
    } else if found == rows.len() {
        exit::VALID
    } else {
        exit::UNKNOWN
    })
}

/// The time that this process spent on processors, all threads together.
fn processor_time() -> Duration {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else {
        return Duration::ZERO;
    };
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Duration::from_micros(micros.max(0) as u64)
}

/// The median.
fn runs(attempts: &[Attempt]) -> u64 {
    let mut runs: Vec<u64> = attempts.iter().map(|attempt| attempt.runs).collect();
    runs.sort_unstable();
    runs.get(runs.len() / 2).copied().unwrap_or(0)
}

/// The median and the worst.
fn seconds(attempts: &[Attempt]) -> String {
    let mut seconds: Vec<f64> = attempts.iter().map(|attempt| attempt.took_s).collect();
    seconds.sort_by(f64::total_cmp);
    let median = seconds.get(seconds.len() / 2).copied().unwrap_or(0.0);
    format!("{median:.2}, {:.2}", seconds.last().copied().unwrap_or(0.0))
}

fn properties(attempts: &[Attempt]) -> String {
    let mut properties: Vec<&str> = attempts
        .iter()
        .filter_map(|attempt| attempt.property.as_deref())
        .collect();
    properties.sort_unstable();
    properties.dedup();
    properties.join(", ")
}
