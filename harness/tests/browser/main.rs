//! The report in a real browser: every part is there, everything can be worked with, nothing is fetched, no error
//! is logged, and an accessibility checker finds nothing.
//!
//! It needs Chromium and axe-core; `.ci/browser` makes both ready. Without them the tests are skipped, and say so;
//! under `CI=true` they fail instead. Pictures of all reports are left in cargo's `target/tmp`.

mod checks;
mod devtools;
mod million;
mod runs;
mod store;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use devtools::{Browser, Page};
use libtest_mimic::{Arguments, Failed, Trial};

/// A test with a tab of its own.
type Check = fn(&mut Page<'_>);

/// The source of axe-core, where there is one.
pub fn axe() -> Option<String> {
    std::fs::read_to_string(std::env::var_os("PERJURY_AXE")?).ok()
}

/// Where pictures go.
pub fn picture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.png"))
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let chromium = devtools::chromium();
    let missing: Vec<&str> = [(chromium.is_none(), "Chromium"), (axe().is_none(), "axe-core")]
        .into_iter()
        .filter_map(|(missing, what)| missing.then_some(what))
        .collect();
    let in_ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
    if !missing.is_empty() {
        eprintln!(
            "{} is missing, so not everything about the report in a browser {}; make it ready with: eval \"$(.ci/browser)\"",
            missing.join(" and "),
            if in_ci { "can be tested" } else { "is tested" }
        );
        if in_ci {
            return ExitCode::FAILURE;
        }
    }
    let browser: Arc<Mutex<Option<Browser>>> = Arc::default();
    let trials = checks::ALL
        .iter()
        .map(|&(name, check)| {
            let browser = Arc::clone(&browser);
            let program = chromium.clone();
            let without_axe = name.contains("accessib") && axe().is_none();
            let skipped = program.is_none() || without_axe || name.starts_with("measure");
            Trial::test(name, move || run(&browser, program, check)).with_ignored_flag(skipped)
        })
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn run(browser: &Mutex<Option<Browser>>, program: Option<PathBuf>, check: Check) -> Result<(), Failed> {
    let program = program.ok_or("there is no Chromium")?;
    let mut browser = browser.lock().unwrap_or_else(PoisonError::into_inner);
    let browser = browser.get_or_insert_with(|| Browser::start(&program));
    check(&mut browser.tab());
    Ok(())
}
