//! What becomes of runs that are over: `show`, `report`, `prune`.

use std::ffi::OsStr;
use std::io::{IsTerminal, Write};
use std::process::{Command, Stdio};

use perjury_results::{Prune, RunFolder, Store, StoreError, Timestamp, console};
use perjury_runner::exit;

use super::args::{PruneArgs, ReportArgs, RunArg};
use super::store::StoreArg;
use super::{Outcome, Trouble};

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Trouble::Harness(error.to_string())
    }
}

/// Finds a run that the user named.
pub fn find(store: &StoreArg, run: &str) -> Result<RunFolder, Trouble> {
    Store::at(&store.dir)
        .find(run)
        .map_err(|error| Trouble::Usage(error.to_string()))
}

/// Whether colour is welcome: on a terminal, unless `NO_COLOR` says otherwise.
pub fn colourful(out: &impl IsTerminal) -> bool {
    out.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// A run as one JSON object: its folder, what it was, and what it came to.
pub fn summary_json(folder: &RunFolder) -> Result<String, Trouble> {
    let summary = serde_json::json!({
        "folder": folder.path(),
        "test": folder.test()?,
        "verdict": folder.verdict()?,
    });
    Ok(summary.to_string())
}

/// Prints a run's verdict.
pub fn show(args: &RunArg) -> Outcome {
    let folder = find(&args.store, &args.run)?;
    let mut out = std::io::stdout().lock();
    if args.json {
        let json = summary_json(&folder)?;
        writeln!(out, "{json}")?;
    } else {
        out.write_all(console::summary(&folder.evidence()?, Some(&folder), colourful(&out)).as_bytes())?;
    }
    Ok(exit::VALID)
}

/// Writes a run's report anew.
pub fn report(args: &ReportArgs) -> Outcome {
    let folder = find(&args.store, &args.run)?;
    folder.write_reports(&folder.evidence()?)?;
    let page = folder.report();
    writeln!(std::io::stdout().lock(), "{}", page.display())?;
    if args.open {
        open(page.as_os_str())?;
    }
    Ok(exit::VALID)
}

/// Opens a page in the user's browser.
pub fn open(page: &OsStr) -> Result<(), Trouble> {
    let opener = if cfg!(target_os = "macos") {
        "open"
    } else {
        "xdg-open"
    };
    Command::new(opener)
        .arg(page)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map(drop)
        .map_err(|error| Trouble::Harness(format!("cannot open the page with {opener}: {error}")))
}

/// Deletes old runs.
pub fn prune(args: &PruneArgs) -> Outcome {
    let store = Store::at(&args.store.dir);
    let rule = Prune {
        keep: Some(args.keep),
        older_than: args.older_than,
        keep_failures: args.keep_failed,
    };
    let now = Timestamp::now();
    let pruned = if args.dry_run {
        store.prunable(&rule, now)?
    } else {
        store.prune(&rule, now)?
    };
    let mut out = std::io::stdout().lock();
    for run in &pruned {
        writeln!(out, "{}", run.folder.path().display())?;
    }
    let bytes: u64 = pruned.iter().map(|run| run.bytes).sum();
    let verb = if args.dry_run {
        "would be deleted"
    } else {
        "deleted"
    };
    say!("{} runs {verb}, {:.1} MB", pruned.len(), bytes as f64 / 1e6);
    Ok(exit::VALID)
}
