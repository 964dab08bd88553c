//! From options to the record of a test: everything that is needed to run it, now and again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::hash::{BuildHasher, Hasher};
use std::path::Path;

use clap::Parser as _;
use perjury_nemesis::{Class, Nemesis, Plan, stream};
use perjury_results::{Machine, SCHEMA, TestRecord, Timestamp, run_id};
use perjury_simulator::Case;
use perjury_systems::registry::{self, SYSTEMS, System};
use perjury_systems::replica::Cluster;

use super::args::{Cli, Command, Environment, TargetArg, TestArgs};
use super::{Trouble, cases, quorums};

/// What stands for every bundled system.
pub const ALL_SYSTEMS: &str = "all";

/// The bundled systems that a name on the command line means.
///
/// # Errors
/// If there is no such system, with those that there are.
pub fn bundled(name: &str) -> Result<Vec<&'static System>, Trouble> {
    let meant: Vec<_> = SYSTEMS
        .iter()
        .filter(|system| name == ALL_SYSTEMS || name == system.name)
        .collect();
    if meant.is_empty() {
        let names: Vec<&str> = SYSTEMS.iter().map(|system| system.name).collect();
        return Err(Trouble::Usage(format!(
            "there is no bundled system {name:?}; there are: {}, and `{ALL_SYSTEMS}` for all of them",
            names.join(", ")
        )));
    }
    Ok(meant)
}

/// The workload of a system that says nothing of workloads.
const ANY_WORKLOAD: &str = "cas";

/// Seeds that are drawn stay short enough to be read aloud.
const DRAWN_SEEDS: u64 = 1_000_000_000;

/// A seed from the machine's own randomness.
pub fn draw_seed() -> u64 {
    std::collections::hash_map::RandomState::new()
        .build_hasher()
        .finish()
        % DRAWN_SEEDS
}

/// The record of the run that these options ask for with this seed.
pub fn record(args: &TestArgs, seed: u64) -> Result<TestRecord, Trouble> {
    let usage = |problem: String| Trouble::Usage(problem);
    let nemesis: Nemesis = args
        .nemesis
        .join(",")
        .parse()
        .map_err(|error| usage(format!("{error}")))?;
    let (mutant, settings) = planted(&args.system, args.mutant.as_deref(), &args.settings)?;
    let workload = workload(&args.system, args.workload.as_deref(), &settings)?;
    quorums::is_judged(&args.system, workload, &settings)?;
    let plan = match &args.plan {
        Some(file) => read_plan(file, args.nodes)?,
        None => draw_plan(args, &nemesis, &settings, seed)?,
    };
    let started_at = Timestamp::now();
    let nemesis: Vec<String> = match nemesis.to_string().as_str() {
        "none" => Vec::new(),
        names => names.split(',').map(str::to_owned).collect(),
    };
    let name = match &args.name {
        Some(name) => checked_name(name)?,
        None => {
            let faults = if nemesis.is_empty() {
                "none".to_owned()
            } else {
                nemesis.join("+")
            };
            format!("{}-{}-{faults}", args.system, workload)
        }
    };
    Ok(TestRecord {
        schema: SCHEMA,
        id: run_id(seed, started_at),
        name,
        system: args.system.clone(),
        workload: workload.to_owned(),
        nemesis,
        environment: environment_name(args.env).to_owned(),
        nodes: args.nodes,
        concurrency: args.concurrency as usize,
        rate: f64::from(args.rate),
        keys: args.keys.unwrap_or(0) as usize,
        values: args.values.map(u64::from),
        time_limit_ms: args.time_limit.as_millis() as u64,
        request_timeout_ms: args.request_timeout.as_millis() as u64,
        recovery_limit_ms: args.recovery_limit.as_millis() as u64,
        stop_on_violation: args.stop_on_violation,
        seed,
        mutant,
        settings,
        plan,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        machine: Machine::here(),
        started_at,
        command: command(args, workload, seed),
    })
}

/// The run that `--plan` names, if it is a whole run and not only a plan of faults.
pub fn case(args: &TestArgs) -> Result<Option<Case>, Trouble> {
    let Some(file) = &args.plan else { return Ok(None) };
    let text = std::fs::read_to_string(file)
        .map_err(|error| Trouble::Usage(format!("{}: {error}", file.display())))?;
    cases::read(file, &text)
}

/// The record of such a run: where it runs and what it is called is as the options say, everything else as the run
/// says.
pub fn record_of(args: &TestArgs, case: &Case) -> Result<TestRecord, Trouble> {
    let name = match &args.name {
        Some(name) => checked_name(name)?,
        None => "plan".to_owned(),
    };
    let mut line = program("test");
    if let Some(file) = &args.plan {
        line += &format!(" --plan {}", quoted(&file.display().to_string()));
    }
    if args.env != Environment::Process {
        line += &format!(" --env {}", environment_name(args.env));
    }
    let mut record = cases::record(case, &name, line);
    record.environment = environment_name(args.env).to_owned();
    Ok(record)
}

/// The options that were given though the run that `--plan` names says the same for itself.
pub fn overruled(args: &TestArgs) -> Vec<&'static str> {
    let Ok(Cli {
        command: Command::Test(usual),
    }) = Cli::try_parse_from(["perjury", "test"])
    else {
        return Vec::new();
    };
    [
        ("--system", args.system != usual.system),
        ("--workload", args.workload != usual.workload),
        ("--nemesis", args.nemesis != usual.nemesis),
        ("--nodes", args.nodes != usual.nodes),
        ("--concurrency", args.concurrency != usual.concurrency),
        ("--rate", args.rate != usual.rate),
        ("--time-limit", args.time_limit != usual.time_limit),
        ("--seed", args.seed != usual.seed),
        ("--mutant", args.mutant != usual.mutant),
        ("--set", args.settings != usual.settings),
    ]
    .into_iter()
    .filter_map(|(option, differs)| differs.then_some(option))
    .collect()
}

/// The planted bug, and the settings: the bug's own, which unmask it, where the user gave no other.
pub fn planted(
    system: &str,
    mutant: Option<&str>,
    given: &[(String, String)],
) -> Result<(Option<String>, BTreeMap<String, String>), Trouble> {
    let given: BTreeMap<String, String> = given.iter().cloned().collect();
    let Some(name) = mutant else {
        return Ok((None, given));
    };
    let name = mutant_of(system, name, |of| format!("add --system {of}"))?;
    let info = registry::mutant(&name).ok_or_else(|| {
        Trouble::Usage(format!(
            "there is no planted bug {name}; `perjury list mutants` has them"
        ))
    })?;
    let mut settings: BTreeMap<String, String> = info
        .given()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    settings.extend(given);
    Ok((Some(name), settings))
}

/// The workload that is asked for, or the system's usual one that judges what it promises under these settings.
///
/// # Errors
/// If the system does not serve this workload, with those that it serves; or if the workload asks more of the system than
/// it promises.
pub fn workload<'a>(
    system: &str,
    given: Option<&'a str>,
    settings: &BTreeMap<String, String>,
) -> Result<&'a str, Trouble> {
    let Some(known) = registry::system(system) else {
        return Ok(given.unwrap_or(ANY_WORKLOAD));
    };
    // Of how many nodes the cluster is, no promise depends on.
    let cluster = Cluster {
        nodes: Vec::new(),
        members: Vec::new(),
        settings: settings.clone(),
        mutant: None,
    };
    let promise = perjury_simulator::promised(system, &cluster);
    let judges = |name: &str| perjury_workloads::judges(name, promise);
    match given {
        None => {
            let mut fit = known.workloads.iter().filter(|name| judges(name));
            Ok(fit.next().copied().unwrap_or(ANY_WORKLOAD))
        }
        // One that there is not is told with all that there are.
        Some(name) if perjury_workloads::build(name, &<_>::default()).is_err() => Ok(name),
        Some(name) if !known.workloads.contains(&name) => Err(Trouble::Usage(format!(
            "{system} does not serve the workload {name}; it serves: {}",
            known.workloads.join(", ")
        ))),
        Some(name) if !judges(name) => Err(Trouble::Usage(format!(
            "with these settings {system} promises sequential consistency, and the workload {name} judges linearizability: \
             a test would accuse a system that keeps its promise; --workload register judges what is promised"
        ))),
        Some(name) => Ok(name),
    }
}

/// The name of an environment in records.
pub fn environment_name(environment: Environment) -> &'static str {
    match environment {
        Environment::Process => "process",
        Environment::Sim => "sim",
    }
}

/// A mutant's whole name; the system's may be left out. `mend` says what would be right for one of another system.
pub fn mutant_of(system: &str, name: &str, mend: impl Fn(&str) -> String) -> Result<String, Trouble> {
    match name.split_once('/') {
        None => Ok(format!("{system}/{name}")),
        Some((of, _)) if of == system => Ok(name.to_owned()),
        Some((of, _)) => Err(Trouble::Usage(format!(
            "{name} is a planted bug of {of}, not of {system}; {}",
            mend(of)
        ))),
    }
}

fn checked_name(name: &str) -> Result<String, Trouble> {
    let good = !name.is_empty()
        && !name.starts_with('.')
        && name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "-_.+,".contains(letter));
    if good {
        return Ok(name.to_owned());
    }
    Err(Trouble::Usage(format!(
        "{name:?} cannot name a folder: use letters, digits, '-', '_', '+' and '.'"
    )))
}

fn draw_plan(
    args: &TestArgs,
    nemesis: &Nemesis,
    settings: &BTreeMap<String, String>,
    seed: u64,
) -> Result<Plan, Trouble> {
    let mut options = perjury_nemesis::Options::new(args.nodes, args.time_limit.as_millis() as u64);
    options.interval_ms = args.interval.map(|interval| interval.as_millis() as u64);
    options.targets = args.target.map(class).into_iter().collect::<BTreeSet<_>>();
    match registry::system(&args.system) {
        Some(system) => {
            if let Some(limit) = (system.drift_limit_ppm)(settings) {
                options.drift_limit_ppm = limit;
            }
            options.can.retain(|kind| !system.cannot.contains(kind));
            if system.leaderless && args.target == Some(TargetArg::Leader) {
                return Err(Trouble::Usage(format!(
                    "{} has no leader that faults could hit: give another --target",
                    system.name
                )));
            }
        }
        // The one that answers from memory.
        None => {
            options.can.remove(perjury_nemesis::kinds::MEMBERSHIP);
        }
    }
    perjury_nemesis::plan(nemesis, &options, &mut stream(seed, "nemesis"))
        .map_err(|error| Trouble::Usage(error.to_string()))
}

fn class(target: TargetArg) -> Class {
    match target {
        TargetArg::One => Class::One,
        TargetArg::Minority => Class::Minority,
        TargetArg::Majority => Class::Majority,
        TargetArg::Leader => Class::Leader,
        TargetArg::All => Class::All,
    }
}

/// Reads a plan, or the plan in a run's `test.json`.
fn read_plan(file: &Path, nodes: u16) -> Result<Plan, Trouble> {
    let usage = |problem: String| Trouble::Usage(format!("{}: {problem}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| usage(error.to_string()))?;
    let json: serde_json::Value = serde_json::from_str(&text).map_err(|error| usage(error.to_string()))?;
    let plan = match json.get("plan") {
        Some(plan) => plan.to_string(),
        None => text,
    };
    Plan::parse(&plan, nodes).map_err(|error| usage(error.to_string()))
}

/// The command that runs the test again, for a shell. Options with their usual values are left out.
fn command(args: &TestArgs, workload: &str, seed: u64) -> String {
    let mut line = program("test");
    let mut add = |name: &str, value: &dyn std::fmt::Display| {
        // Writing to a string does not fail.
        let _ = write!(line, " --{name} {}", quoted(&value.to_string()));
    };
    add("system", &args.system);
    add("workload", &workload);
    add("nemesis", &args.nemesis.join(","));
    add("nodes", &args.nodes);
    add("concurrency", &args.concurrency);
    add("rate", &args.rate);
    if let Some(keys) = args.keys {
        add("keys", &keys);
    }
    if let Some(values) = args.values {
        add("values", &values);
    }
    add(
        "time-limit",
        &humantime::format_duration(args.time_limit)
            .to_string()
            .replace(' ', ""),
    );
    add(
        "request-timeout",
        &humantime::format_duration(args.request_timeout)
            .to_string()
            .replace(' ', ""),
    );
    add(
        "recovery-limit",
        &humantime::format_duration(args.recovery_limit)
            .to_string()
            .replace(' ', ""),
    );
    if let Some(interval) = args.interval {
        add(
            "interval",
            &humantime::format_duration(interval).to_string().replace(' ', ""),
        );
    }
    if let Some(target) = args.target {
        add("target", &format!("{target:?}").to_lowercase());
    }
    if args.env != Environment::Process {
        add("env", &environment_name(args.env));
    }
    if let Some(mutant) = &args.mutant {
        add("mutant", mutant);
    }
    for (name, value) in args.quorums.settings() {
        add(&name, &value);
    }
    let elsewhere = |given: &&(String, String)| !args.quorums.settings().any(|size| size == **given);
    for (name, value) in args.settings.iter().filter(elsewhere) {
        add("set", &format!("{name}={value}"));
    }
    if let Some(plan) = &args.plan {
        add("plan", &plan.display());
    }
    add("seed", &seed);
    if args.stop_on_violation {
        line.push_str(" --stop-on-violation");
    }
    line
}

/// How this program was called, with a command.
pub fn program(command: &str) -> String {
    let program = if std::env::var_os("CARGO").is_some() {
        "cargo run --"
    } else {
        "perjury"
    };
    format!("{program} {command}")
}

/// A word for a POSIX shell.
pub fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./=,:+%@".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_word_survives_the_shell() {
        assert_eq!(quoted("partition,kill"), "partition,kill");
        assert_eq!(quoted("my plan.json"), "'my plan.json'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
