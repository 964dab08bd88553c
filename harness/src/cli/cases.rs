//! Runs as files: what `hunt` and `test --env sim` leave behind and `shrink` writes, and `replay` and `--plan` read.

use std::path::{Path, PathBuf};

use perjury_checker::quorum::{VISIBILITY_NS, Visibility};
use perjury_nemesis::StepKind;
use perjury_results::{Machine, RunFolder, SCHEMA, Store, TestRecord, Timestamp, run_id};
use perjury_simulator::{Case, Setup};
use perjury_systems::nwr::Nwr;
use perjury_systems::replica::Replica;

use super::store::StoreArg;
use super::{Trouble, spec};

/// The file in a simulated run's folder that has everything that the run depends on.
pub const PLAN: &str = "plan.json";

/// Trials of a prediction of visibility: its shares are right to a percent.
const TRIALS: u64 = 20_000;

/// Something that a user wants to run again.
pub enum Wanted {
    /// A run in simulation, with the file that it was read from.
    Case(Box<Case>, PathBuf),
    /// A run on real processes.
    Run(RunFolder),
    /// A seed, of a run that is to be drawn.
    Seed(u64),
}

/// Finds what the user named: a run, a file with a run, or a seed.
pub fn find(store: &StoreArg, name: &str) -> Result<Wanted, Trouble> {
    let path = Path::new(name);
    if path.is_file() && !RunFolder::is_archive(path) {
        let text = text(path)?;
        if is_case(&text) {
            return Ok(Wanted::Case(Box::new(parse(path, &text)?), path.to_owned()));
        }
    }
    if let Ok(seed) = name.parse() {
        let folders = Store::at(&store.dir).folders()?;
        let named = |folder: &RunFolder| folder.time_and_id().is_some_and(|(_, id)| id == name);
        if !folders.iter().any(named) {
            return Ok(Wanted::Seed(seed));
        }
    }
    let folder = super::runs::find(store, name)?;
    let plan = folder.path().join(PLAN);
    if plan.is_file() {
        let case = parse(&plan, &text(&plan)?)?;
        return Ok(Wanted::Case(Box::new(case), plan));
    }
    Ok(Wanted::Run(folder))
}

/// The same, where only a run in simulation will do.
pub fn simulated(store: &StoreArg, name: &str) -> Result<(Case, PathBuf), Trouble> {
    match find(store, name)? {
        Wanted::Case(case, path) => Ok((*case, path)),
        Wanted::Run(folder) if folder.test().is_ok_and(|test| test.environment == "sim") => {
            Err(Trouble::Usage(format!(
                "{} is missing, and what was simulated is in it: `perjury replay {name}` makes the run again",
                folder.path().join(PLAN).display()
            )))
        }
        Wanted::Run(folder) => Err(Trouble::Usage(format!(
            "{} was run on real processes, and only what was simulated can be taken apart: find the failure with \
             `perjury hunt` or `perjury test --env sim`",
            folder.path().display()
        ))),
        Wanted::Seed(_) => Err(Trouble::Usage(format!(
            "there is no run {name:?}; `perjury list runs` shows what there is, and `perjury replay {name} …` makes a \
             run of a seed"
        ))),
    }
}

fn text(path: &Path) -> Result<String, Trouble> {
    std::fs::read_to_string(path).map_err(|error| Trouble::Usage(format!("{}: {error}", path.display())))
}

/// Whether a file is meant to be a run in simulation, though there may be something wrong with it.
fn is_case(text: &str) -> bool {
    text.contains("\"setup\"")
}

/// Reads a run from a file's text, if it is meant to be one.
pub fn read(path: &Path, text: &str) -> Result<Option<Case>, Trouble> {
    is_case(text).then(|| parse(path, text)).transpose()
}

fn parse(path: &Path, text: &str) -> Result<Case, Trouble> {
    // The error names line and column.
    let case: Case = serde_json::from_str(text).map_err(|error| {
        Trouble::Usage(format!(
            "{}: not a run that can be replayed: {error}",
            path.display()
        ))
    })?;
    perjury_simulator::validate(&case.setup)
        .map_err(|error| Trouble::Usage(format!("{}: {error}", path.display())))?;
    Ok(case)
}

/// Writes a run to a file.
pub fn write(path: &Path, case: &Case) -> Result<(), Trouble> {
    let failed = |error: std::io::Error| Trouble::Harness(format!("{}: {error}", path.display()));
    let mut json = serde_json::to_vec_pretty(case).map_err(|error| failed(error.into()))?;
    json.push(b'\n');
    std::fs::write(path, json).map_err(failed)
}

/// A run that was not run yet.
pub fn new(setup: Setup, invariants: bool) -> Case {
    Case {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        invariants,
        setup,
        expected: None,
        story: Vec::new(),
    }
}

/// The record of a run in simulation; `command` runs it again.
pub fn record(case: &Case, name: &str, command: String) -> TestRecord {
    let started_at = Timestamp::now();
    let setup = &case.setup;
    let options = &setup.options;
    let faults = setup.plan.steps.iter().filter_map(|step| match &step.what {
        StepKind::Inject(fault) => Some(fault.kind().to_owned()),
        StepKind::Heal => None,
    });
    let kinds: std::collections::BTreeSet<String> = faults.collect();
    TestRecord {
        schema: SCHEMA,
        id: run_id(options.seed, started_at),
        name: name.to_owned(),
        system: setup.system.clone(),
        workload: setup.workload.name.clone(),
        nemesis: kinds.into_iter().collect(),
        environment: "sim".to_owned(),
        nodes: options.nodes,
        concurrency: options.concurrency,
        rate: options.rate,
        keys: setup.workload.keys.unwrap_or(0),
        values: setup.workload.values.map(u64::from),
        time_limit_ms: options.time_limit_ms,
        request_timeout_ms: options.request_timeout_ms,
        recovery_limit_ms: options.recovery_limit_ms,
        seed: options.seed,
        mutant: setup
            .mutant
            .as_ref()
            .map(|mutant| format!("{}/{mutant}", setup.system)),
        settings: setup.settings.clone(),
        plan: setup.plan.clone(),
        stop_on_violation: options.stop_on_violation,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        machine: Machine::here(),
        started_at,
        command,
    }
}

/// How soon after a write its reads should see it; empty unless it is a store of quorums.
pub fn predicted_visibility(setup: &Setup) -> Vec<Visibility> {
    if setup.system != Nwr::NAME {
        return Vec::new();
    }
    perjury_simulator::predicted_visibility(setup, &VISIBILITY_NS, TRIALS).unwrap_or_default()
}

/// The command that replays what is at a path.
pub fn replays(path: &Path) -> String {
    format!(
        "{} {}",
        spec::program("replay"),
        spec::quoted(&path.display().to_string())
    )
}
