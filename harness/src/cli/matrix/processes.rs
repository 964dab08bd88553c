//! The matrix on real processes: each run is a process of its own, as a user would start it.

use std::collections::BTreeSet;
use std::io::{BufRead, Read, Write};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use perjury_results::{RunOutcome, TestRecord, VerdictRecord};
use perjury_runner::exit;
use perjury_systems::replica::MutantInfo;
use serde::{Deserialize, Serialize};

use super::{markdown, markdown_head, write_page};
use crate::cli::args::MatrixArgs;
use crate::cli::interrupt::{Armed, interrupted};
use crate::cli::{Outcome, Trouble};
use crate::process::spawn;

/// What came of one run.
#[derive(Debug, Serialize)]
struct Cell {
    seed: u64,
    outcome: RunOutcome,
    /// What proved it: a property, or a failure of the system.
    found: Option<String>,
    /// When the evidence was complete, in seconds since the start.
    evidence_s: Option<f64>,
    reached: u64,
    differed: u64,
}

/// What came of one mutant.
#[derive(Debug, Serialize)]
struct Row {
    mutant: &'static str,
    id: &'static str,
    difficulty: String,
    cells: Vec<Cell>,
}

/// What `perjury test --json` prints.
#[derive(Deserialize)]
struct Printed {
    test: TestRecord,
    verdict: Option<VerdictRecord>,
}

/// Runs every planted bug with its own workload and nemesis, and prints a table. Exits 0 if each was found at least
/// once, 2 if not.
pub fn hunt(args: &MatrixArgs, mutants: &[&'static MutantInfo], first: u64) -> Outcome {
    let jobs: Vec<(usize, u64)> = (0..u64::from(args.campaigns))
        .flat_map(|run| (0..mutants.len()).map(move |mutant| (mutant, first.wrapping_add(run))))
        .collect();
    let rows = Mutex::new(mutants.iter().map(row).collect::<Vec<_>>());
    let trouble = Mutex::new(None);
    let next = AtomicUsize::new(0);
    let running = Running::default();
    let told = running.clone();
    let armed = Armed::new(move || {
        say!("interrupted: the runs heal, stop, and are judged by what there is; once more to end at once");
        told.interrupt();
    })?;
    std::thread::scope(|scope| {
        for _ in 0..args.jobs {
            scope.spawn(|| {
                while let Some(&(mutant, seed)) = jobs.get(next.fetch_add(1, Ordering::Relaxed))
                    && !interrupted()
                {
                    match run(args, mutants[mutant], seed, &running) {
                        // One that was cut short says nothing of what it did not find.
                        Ok(cell) if cell.found.is_none() && interrupted() => {}
                        Ok(cell) => {
                            say!("{}", line(mutants[mutant], &cell));
                            lock(&rows)[mutant].cells.push(cell);
                        }
                        Err(error) => {
                            next.store(jobs.len(), Ordering::Relaxed);
                            *lock(&trouble) = Some(error);
                        }
                    }
                }
            });
        }
    });
    drop(armed);
    if let Some(trouble) = lock(&trouble).take()
        && !interrupted()
    {
        return Err(trouble);
    }
    let rows = rows
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    print(&rows, args)?;
    if interrupted() {
        return Ok(exit::INTERRUPTED);
    }
    let all = rows
        .iter()
        .all(|row| row.cells.iter().any(|cell| cell.found.is_some()));
    Ok(if all { exit::VALID } else { exit::UNKNOWN })
}

/// The runs that are under way, by their processes.
#[derive(Clone, Default)]
struct Running(Arc<Mutex<BTreeSet<u32>>>);

impl Running {
    fn interrupt(&self) {
        for process in &*lock(&self.0) {
            // It is taken off the list before it is reaped, so that its number still means it.
            let _ = i32::try_from(*process).map(|process| kill(Pid::from_raw(process), Signal::SIGINT));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn row(mutant: &&'static MutantInfo) -> Row {
    Row {
        mutant: mutant.name,
        id: mutant.id,
        difficulty: format!("{:?}", mutant.difficulty).to_lowercase(),
        cells: Vec::new(),
    }
}

fn run(args: &MatrixArgs, mutant: &MutantInfo, seed: u64, running: &Running) -> Result<Cell, Trouble> {
    let mut command = spawn::this_program(None)?;
    command.args([
        "test",
        "--json",
        "--system",
        &args.system,
        "--mutant",
        mutant.name,
    ]);
    command.args(["--workload", mutant.workload, "--nemesis", mutant.nemesis]);
    command.arg("--time-limit").arg(
        humantime::format_duration(args.time_limit)
            .to_string()
            .replace(' ', ""),
    );
    command.arg("--interval").arg(
        humantime::format_duration(args.interval)
            .to_string()
            .replace(' ', ""),
    );
    command.arg("--seed").arg(seed.to_string());
    command.arg("--store").arg(&args.store.dir);
    command.args(["--name", "matrix"]);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = spawn::spawn(command)?;
    lock(&running.0).insert(child.id());
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let (printed, told) = (child.stdout.take(), child.stderr.take());
    let read = std::thread::scope(|scope| {
        let telling = scope.spawn(|| told.map_or(Ok(0), |mut told| told.read_to_end(&mut stderr)));
        let printing = printed.map_or(Ok(0), |mut printed| printed.read_to_end(&mut stdout));
        printing.and(telling.join().unwrap_or(Ok(0)))
    });
    lock(&running.0).remove(&child.id());
    child.wait()?;
    read?;
    let failed = |what: &str| {
        let told = String::from_utf8_lossy(&stderr);
        Trouble::Harness(format!("{} with seed {seed}: {what}\n{told}", mutant.name))
    };
    let last = stdout
        .lines()
        .last()
        .transpose()?
        .ok_or_else(|| failed("the run printed nothing"))?;
    let printed: Printed = serde_json::from_str(&last).map_err(|error| failed(&error.to_string()))?;
    let verdict = printed
        .verdict
        .ok_or_else(|| failed("the run came to no verdict"))?;
    Ok(cell(&printed.test, &verdict))
}

fn cell(test: &TestRecord, verdict: &VerdictRecord) -> Cell {
    let witnesses = verdict.violation().map(|finding| {
        let clients = finding
            .witnesses
            .iter()
            .filter_map(|witness| {
                witness
                    .operations
                    .iter()
                    .filter_map(|operation| operation.completion.at)
                    .max()
            })
            .map(|moment| moment.time)
            .min();
        (
            finding.property.clone(),
            clients.or_else(|| stated(&finding.sentence)),
        )
    });
    let failures = verdict.system_failures.first().map(|failure| {
        let at = Some(failure.at).filter(|at| *at > 0);
        (
            if failure.node.is_some() {
                "node died"
            } else {
                "did not recover"
            }
            .to_owned(),
            at,
        )
    });
    let found = witnesses.or(failures);
    let seen = verdict.mutant.unwrap_or_default();
    Cell {
        seed: test.seed,
        outcome: verdict.outcome,
        evidence_s: found.as_ref().and_then(|(_, at)| *at).map(|at| at as f64 / 1e9),
        found: found.map(|(property, _)| property),
        reached: seen.reached,
        differed: seen.differed,
    }
}

/// When a broken invariant was seen, which its sentence begins with: `At 1.234 s …`.
fn stated(sentence: &str) -> Option<u64> {
    let seconds: f64 = sentence.strip_prefix("At ")?.split_once(" s ")?.0.parse().ok()?;
    Some((seconds * 1e9) as u64)
}

fn line(mutant: &MutantInfo, cell: &Cell) -> String {
    let found = cell.found.as_deref().unwrap_or("not found");
    let when = cell
        .evidence_s
        .map_or(String::new(), |seconds| format!(" after {seconds:.1} s"));
    let (seed, reached, differed) = (cell.seed, cell.reached, cell.differed);
    format!(
        "{} seed {seed}: {found}{when}; reached {reached}, differed {differed}",
        mutant.name
    )
}

const HEADS: [&str; 7] = [
    "planted bug",
    "id",
    "difficulty",
    "found",
    "evidence after",
    "reached",
    "differed",
];

/// A table in Markdown, or an object a line; and a page, if one is wanted.
fn print(rows: &[Row], args: &MatrixArgs) -> Result<(), Trouble> {
    let mut out = std::io::stdout().lock();
    if args.json {
        for row in rows {
            let json = serde_json::to_string(row).map_err(std::io::Error::from)?;
            writeln!(out, "{json}")?;
        }
    } else {
        writeln!(out, "{}", markdown_head(&HEADS))?;
        for row in rows {
            writeln!(out, "{}", markdown(&cells(row)))?;
        }
    }
    let found = rows
        .iter()
        .filter(|row| row.cells.iter().any(|cell| cell.found.is_some()))
        .count();
    let summary = format!("{found} of {} planted bugs were found", rows.len());
    say!("{summary}");
    write_page(
        args.page.as_deref(),
        &HEADS,
        rows.iter().map(cells).collect(),
        summary,
    )
}

/// A row of the table.
fn cells(row: &Row) -> Vec<String> {
    let found: Vec<&Cell> = row.cells.iter().filter(|cell| cell.found.is_some()).collect();
    let mut seconds: Vec<f64> = found.iter().filter_map(|cell| cell.evidence_s).collect();
    seconds.sort_by(f64::total_cmp);
    let when = seconds
        .get(seconds.len() / 2)
        .map_or("–".to_owned(), |median| format!("{median:.1} s"));
    let mut how: Vec<&str> = found.iter().filter_map(|cell| cell.found.as_deref()).collect();
    how.sort_unstable();
    how.dedup();
    let how = if how.is_empty() {
        String::new()
    } else {
        format!(" ({})", how.join(", "))
    };
    let sum = |count: fn(&Cell) -> u64| row.cells.iter().map(count).sum::<u64>().to_string();
    vec![
        format!("`{}`", row.mutant),
        row.id.to_owned(),
        row.difficulty.clone(),
        format!("{} of {}{how}", found.len(), row.cells.len()),
        when,
        sum(|cell| cell.reached),
        sum(|cell| cell.differed),
    ]
}
