//! `perjury test` and `perjury replay`: runs a test, judges it, and leaves the run behind.

use std::fs::OpenOptions;
use std::io::Write;
use std::time::{Duration, Instant};

use perjury_checker::Options as CheckOptions;
use perjury_results::{RunFolder, Store, TestRecord, Timestamp, console, github, run_id};
use perjury_runner::exit;

use super::args::{ReplayArgs, StoreArg, TestArgs};
use super::ran::Ready;
use super::runs::{colourful, find, summary_json};
use super::{Outcome, Trouble, check, spec, verdict};

/// What a run is to be done with, besides the test itself.
struct How<'a> {
    store: &'a StoreArg,
    check_limit: Duration,
    json: bool,
}

/// Runs a test as often as it was asked for; stops at the first run that is not a clean pass.
pub fn test(args: &TestArgs) -> Outcome {
    let first = args.seed.unwrap_or_else(spec::draw_seed);
    let how = How {
        store: &args.store,
        check_limit: args.check_limit,
        json: args.json,
    };
    for run in 0..args.runs {
        let seed = first.wrapping_add(u64::from(run));
        let record = spec::record(args, seed)?;
        if args.runs > 1 {
            eprintln!("run {} of {}", run + 1, args.runs);
        }
        let code = run_once(&record, &how)?;
        if code != exit::VALID {
            return Ok(code);
        }
    }
    Ok(exit::VALID)
}

/// Runs the test of an earlier run again.
pub fn replay(args: &ReplayArgs) -> Outcome {
    let mut record = find(&args.store, &args.run)?.test()?;
    record.started_at = Timestamp::now();
    record.id = run_id(record.seed, record.started_at);
    record.version = env!("CARGO_PKG_VERSION").to_owned();
    if record.environment != "sim" {
        eprintln!("the same plan and the same operations; real processes do not repeat bit for bit");
    }
    run_once(
        &record,
        &How {
            store: &args.store,
            check_limit: args.check_limit,
            json: args.json,
        },
    )
}

fn run_once(record: &TestRecord, how: &How<'_>) -> Outcome {
    let ready = Ready::new(record)?;
    let mut writer = Store::at(&how.store.dir).create(record)?;
    eprintln!("run {}, seed {}", record.id, record.seed);
    let began = Instant::now();
    let ran = ready.run(record, &mut writer, how.json)?;
    let took = began.elapsed();

    let checking = Instant::now();
    let options = CheckOptions {
        budget: check::budget(how.check_limit),
        levels: true,
        ..CheckOptions::default()
    };
    let summary = ran.finished.judge_with(&options, ran.more);
    let verdict = verdict::record(record, &summary, ran.mutant, took, checking.elapsed());
    if let Some(messages) = &ran.messages {
        writer.messages(messages, &verdict)?;
    }
    let folder = writer.finish(&verdict)?;
    conclude(&folder, how.json)?;
    Ok(summary.exit_code)
}

/// Writes the reports, and tells the verdict.
fn conclude(folder: &RunFolder, json: bool) -> Result<(), Trouble> {
    let evidence = folder.evidence()?;
    folder.write_reports(&evidence)?;
    if let Some(file) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|file| !file.is_empty()) {
        let mut file = OpenOptions::new().create(true).append(true).open(file)?;
        file.write_all(github::summary(&evidence).as_bytes())?;
    }
    if std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true") {
        // On standard error, where commands of a workflow are understood as well: standard output is for data.
        std::io::stderr().write_all(github::annotations(&evidence).as_bytes())?;
    }
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{}", summary_json(folder)?)?;
    } else {
        out.write_all(console::summary(&evidence, Some(folder), colourful(&out)).as_bytes())?;
    }
    Ok(())
}
