//! The matrix in simulation: each hunt runs seeds until one fails.

use std::io::Write;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use perjury_runner::{Options, exit};
use perjury_simulator::{Kind, Matrix, Row, Setup, Sighting};

use crate::cli::args::MatrixArgs;
use crate::cli::interrupt::{Armed, interrupted};
use crate::cli::{Outcome, Trouble, spec};

/// Hunts in simulation, with invariants and without, and prints a table.
pub fn hunt(args: &MatrixArgs, seed: u64) -> Outcome {
    let matrix = Matrix {
        base: Setup::new(
            &args.system,
            spec::workload(&args.system, None)?,
            Options::default(),
        ),
        only: args.only.clone(),
        correct: args.only.is_empty(),
        campaigns: u64::from(args.campaigns),
        seed,
        runs: args.runs.unwrap_or(u64::MAX),
        budget: args.budget,
        jobs: usize::from(args.jobs),
    };
    let _armed = Armed::new(|| eprintln!("interrupted: waiting for the runs that are under way"))?;
    let mut out = std::io::stdout().lock();
    if !args.json {
        writeln!(out, "{HEAD}")?;
    }
    let mut printed = Ok(());
    let rows = perjury_simulator::matrix(&matrix, &processor_time, &interrupted, &mut |row| {
        if printed.is_ok() {
            printed = print(&mut out, row, args.json);
        }
    })
    .map_err(|error| Trouble::Usage(error.to_string()))?;
    printed?;
    let (correct, planted): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| row.mutant.is_none());
    for line in summary(&planted) {
        eprintln!("{line}");
    }
    let accused = correct.iter().any(|row| row.found() + row.convicted() > 0);
    for row in &correct {
        eprintln!("{}", acquittal(row));
    }
    Ok(if accused {
        exit::VIOLATION
    } else if interrupted() {
        exit::INTERRUPTED
    } else if planted.iter().all(|row| row.found() > 0) {
        exit::VALID
    } else {
        exit::UNKNOWN
    })
}

/// The time that this thread spent on processors.
fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

const HEAD: &str = "\
| planted bug | id | found | first by | runs | simulated s | CPU s | by history alone | runs | simulated s | CPU s | reached | differed |
|---|---|---|---|---|---|---|---|---|---|---|---|---|";

fn print(out: &mut impl Write, row: &Row, json: bool) -> std::io::Result<()> {
    if json {
        serde_json::to_writer(&mut *out, row)?;
        writeln!(out)?;
    } else {
        writeln!(out, "{}", line(row))?;
    }
    out.flush()
}

/// A row of the table. Where there are two numbers, they are the median and the worst of the campaigns.
fn line(row: &Row) -> String {
    let name = row.mutant.unwrap_or("correct");
    let core = if row.core { " ★" } else { "" };
    let campaigns = row.attempts.len();
    let first: Vec<&Sighting> = row
        .attempts
        .iter()
        .filter_map(|attempt| attempt.watched.sightings.first())
        .collect();
    let history: Vec<&Sighting> = row
        .attempts
        .iter()
        .filter_map(|attempt| attempt.unwatched.of(Kind::History))
        .collect();
    let by: Vec<String> = row
        .properties()
        .into_iter()
        .map(|(property, times)| format!("{property} {times}"))
        .collect();
    let sum = |count: fn(&perjury_simulator::Hunted) -> u64| -> u64 {
        let hunts = row.attempts.iter();
        hunts.map(|attempt| count(&attempt.unwatched)).sum()
    };
    let runs = sum(|hunted| hunted.spent.runs);
    format!(
        "| `{name}`{core} | {} | {} of {campaigns} | {} | {} | {} of {campaigns} | {} | {} of {runs} | {} of {runs} |",
        row.id,
        first.len(),
        by.join(", "),
        spent(&first),
        history.len(),
        spent(&history),
        sum(|hunted| hunted.reached),
        sum(|hunted| hunted.differed),
    )
}

/// Runs, simulated seconds and CPU seconds, as three cells.
fn spent(sightings: &[&Sighting]) -> String {
    let cell = |digits: usize, number: fn(&Sighting) -> f64| {
        let mut numbers: Vec<f64> = sightings.iter().map(|one| number(one)).collect();
        numbers.sort_by(f64::total_cmp);
        match (numbers.get(numbers.len() / 2), numbers.last()) {
            (Some(median), Some(worst)) => format!("{median:.digits$}, {worst:.digits$}"),
            _ => "–".to_owned(),
        }
    };
    [
        cell(0, |one| one.spent.runs as f64),
        cell(0, |one| one.spent.virtual_s),
        cell(2, |one| one.spent.cpu_s),
    ]
    .join(" | ")
}

/// What the rows come to, the core set first.
fn summary(rows: &[&Row]) -> Vec<String> {
    let core: Vec<&Row> = rows.iter().copied().filter(|row| row.core).collect();
    [("of the core set", core), ("in all", rows.to_vec())]
        .into_iter()
        .filter(|(_, rows)| !rows.is_empty())
        .map(|(which, rows)| {
            let mostly = |holds: &dyn Fn(&perjury_simulator::Attempt) -> bool| {
                let holds = |row: &&&Row| {
                    let times = row.attempts.iter().filter(|attempt| holds(attempt)).count();
                    10 * times >= 9 * row.attempts.len()
                };
                rows.iter().filter(holds).count()
            };
            let found = mostly(&|attempt| !attempt.watched.sightings.is_empty());
            let soon = mostly(&|attempt| {
                let first = attempt.watched.sightings.first();
                first.is_some_and(|first| first.spent.cpu_s <= 10.0)
            });
            let convicted = mostly(&|attempt| attempt.unwatched.of(Kind::History).is_some());
            format!(
                "{which}: of {} planted bugs, {found} were found in at least nine of ten campaigns, {soon} of them within 10 \
                 CPU seconds; {convicted} by the history alone",
                rows.len()
            )
        })
        .collect()
}

/// What became of the correct system.
fn acquittal(row: &Row) -> String {
    let hunts = || {
        row.attempts
            .iter()
            .flat_map(|attempt| [&attempt.watched, &attempt.unwatched])
    };
    let runs: u64 = hunts().map(|hunted| hunted.spent.runs).sum();
    let hours = hunts().map(|hunted| hunted.spent.virtual_s).sum::<f64>() / 3_600.0;
    let accused = hunts().filter(|hunted| !hunted.sightings.is_empty()).count();
    let verdict = match accused {
        0 => "never accused".to_owned(),
        times => format!("ACCUSED in {times} hunts"),
    };
    format!("the correct system: {verdict} in {runs} runs, {hours:.1} simulated hours")
}
