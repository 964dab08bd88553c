//! The matrix in simulation: each hunt runs seeds until one fails.

use std::io::Write;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use perjury_runner::{Options, exit};
use perjury_simulator::{Kind, Matrix, Row, Setup, Sighting};
use perjury_systems::registry::System;
use perjury_systems::replica::MutantInfo;

use super::{markdown, markdown_head, write_page};
use crate::cli::args::MatrixArgs;
use crate::cli::interrupt::{Armed, interrupted};
use crate::cli::{Outcome, Trouble, spec};

/// Hunts in simulation, with invariants and without, and prints a table.
pub fn hunt(args: &MatrixArgs, systems: &[&System], mutants: &[&'static MutantInfo], seed: u64) -> Outcome {
    let _armed = Armed::new(|| say!("interrupted: waiting for the runs that are under way"))?;
    let mut out = std::io::stdout().lock();
    if !args.json {
        writeln!(out, "{}", markdown_head(&HEADS))?;
    }
    let mut rows = Vec::new();
    for system in systems {
        let mut base = Setup::new(
            system.name,
            spec::workload(system.name, None, &<_>::default())?,
            Options::default(),
        );
        base.scheduler = args.scheduler;
        let correct = args.only.is_empty().then_some(None).into_iter();
        let planted = mutants.iter().filter(|mutant| system.mutants.contains(mutant));
        let matrix = Matrix {
            base,
            subjects: correct.chain(planted.copied().map(Some)).collect(),
            campaigns: u64::from(args.campaigns),
            seed,
            runs: args.runs.unwrap_or(u64::MAX),
            budget: args.budget,
            jobs: usize::from(args.jobs),
        };
        let mut printed = Ok(());
        let hunted = perjury_simulator::matrix(&matrix, &processor_time, &interrupted, &mut |row| {
            if printed.is_ok() {
                printed = print(&mut out, row, args.json);
            }
        });
        rows.extend(hunted.map_err(|error| Trouble::Usage(error.to_string()))?);
        printed?;
    }
    let (correct, planted): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| row.mutant.is_none());
    let summary = summary(&planted);
    for line in &summary {
        say!("{line}");
    }
    let accused = correct.iter().any(|row| row.found() + row.convicted() > 0);
    for row in &correct {
        say!("{}", acquittal(row));
    }
    write_page(
        args.page.as_deref(),
        &HEADS,
        rows.iter().map(cells).collect(),
        summary.join(". "),
    )?;
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

const HEADS: [&str; 14] = [
    "planted bug",
    "id",
    "found",
    "first by",
    "runs",
    "simulated s",
    "CPU s",
    "by history alone",
    "runs",
    "simulated s",
    "CPU s",
    "reached",
    "differed",
    "by a schedule",
];

fn print(out: &mut impl Write, row: &Row, json: bool) -> std::io::Result<()> {
    if json {
        serde_json::to_writer(&mut *out, row)?;
        writeln!(out)?;
    } else {
        writeln!(out, "{}", markdown(&cells(row)))?;
    }
    out.flush()
}

/// A row of the table. Where there are two numbers, they are the median and the worst of the campaigns.
fn cells(row: &Row) -> Vec<String> {
    let name = row
        .mutant
        .map_or_else(|| format!("correct {}", row.system), str::to_owned);
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
    let mut cells = vec![
        format!("`{name}`{core}"),
        row.id.to_owned(),
        format!("{} of {campaigns}", first.len()),
        by.join(", "),
    ];
    cells.extend(spent(&first));
    cells.push(format!("{} of {campaigns}", history.len()));
    cells.extend(spent(&history));
    cells.push(format!("{} of {runs}", sum(|hunted| hunted.reached)));
    cells.push(format!("{} of {runs}", sum(|hunted| hunted.differed)));
    let schedules = row.directed.iter().map(|played| {
        let broken: Vec<&str> = played
            .broken
            .iter()
            .map(|(_, property)| property.as_str())
            .collect();
        let what = if broken.is_empty() {
            "nothing broken".to_owned()
        } else {
            broken.join(", ")
        };
        format!("{}: {what}", played.schedule)
    });
    cells.push(schedules.collect::<Vec<_>>().join("; "));
    cells
}

/// Runs, simulated seconds and CPU seconds, as three cells.
fn spent(sightings: &[&Sighting]) -> [String; 3] {
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
}

/// What the rows come to, the core set first.
fn summary(rows: &[&Row]) -> Vec<String> {
    let core: Vec<&Row> = rows.iter().copied().filter(|row| row.core).collect();
    [("of the core set", core), ("in all", rows.to_vec())]
        .into_iter()
        .filter(|(_, rows)| !rows.is_empty())
        .map(|(which, rows)| {
            // By chance in nine of ten campaigns at least, and with what schedules show besides.
            let mostly = |holds: &dyn Fn(&perjury_simulator::Attempt) -> bool, kind: Option<Kind>| {
                let by_chance = |row: &Row| {
                    let times = row.attempts.iter().filter(|attempt| holds(attempt)).count();
                    10 * times >= 9 * row.attempts.len()
                };
                let chance = rows.iter().filter(|row| by_chance(row)).count();
                let either = rows.iter().filter(|row| by_chance(row) || row.directed(kind));
                (chance, either.count())
            };
            let campaigns = rows.iter().map(|row| row.attempts.len()).max().unwrap_or(0);
            let found = mostly(&|attempt| !attempt.watched.sightings.is_empty(), None);
            let soon = mostly(
                &|attempt| {
                    let first = attempt.watched.sightings.first();
                    first.is_some_and(|first| first.spent.cpu_s <= 10.0)
                },
                None,
            );
            let convicted = mostly(
                &|attempt| attempt.unwatched.of(Kind::History).is_some(),
                Some(Kind::History),
            );
            format!(
                "{which}: of {} planted bugs, chance found {} in at least {} of {campaigns} campaigns, {} of them within 10 \
                 CPU seconds, and {} by the history alone; with the schedules {}, {} and {}",
                rows.len(),
                found.0,
                (9 * campaigns).div_ceil(10),
                soon.0,
                convicted.0,
                found.1,
                soon.1,
                convicted.1,
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
    format!(
        "correct {}: {verdict} in {runs} runs, {hours:.1} simulated hours",
        row.system
    )
}
