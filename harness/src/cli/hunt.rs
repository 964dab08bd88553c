//! `perjury hunt`: many seeds in simulation.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use perjury_runner::{Options, exit};
use perjury_simulator::{Campaign, Found, Setup, Swarm, Tally};

use perjury_systems::registry;

use super::args::HuntArgs;
use super::interrupt::{Armed, interrupted};
use super::{Outcome, Trouble, spec};

/// How often a line of progress is printed.
const TELL_EVERY: Duration = Duration::from_secs(2);

/// Runs a campaign and says what it found.
pub fn hunt(args: &HuntArgs) -> Outcome {
    let first_seed = args.seed.unwrap_or_else(spec::draw_seed);
    let campaign = Campaign {
        swarm: swarm(args)?,
        first_seed,
        runs: args.runs,
        jobs: usize::from(args.jobs),
        keep_going: args.keep_going,
        invariants: !args.black_box,
    };
    eprintln!("up to {} runs, seeds from {first_seed}", args.runs);
    let _armed = Armed::new(|| eprintln!("interrupted: waiting for the runs that are under way"))?;
    let began = Instant::now();
    let over = || args.limit.is_some_and(|limit| began.elapsed() >= limit);
    let stop = move || interrupted() || over();
    let mut told = Instant::now();
    let every = if std::io::stderr().is_terminal() {
        Duration::from_millis(500)
    } else {
        TELL_EVERY
    };
    let tally = perjury_simulator::hunt(&campaign, &stop, &mut |tally| {
        if told.elapsed() >= every {
            told = Instant::now();
            eprintln!("{}", line(tally, began.elapsed()));
        }
    })
    .map_err(|error| Trouble::Usage(error.to_string()))?;
    eprintln!("{}", line(&tally, began.elapsed()));
    if let Some((seed, trouble)) = &tally.first_trouble {
        eprintln!(
            "{} runs came to no verdict; the first, of seed {seed}: {trouble}",
            tally.trouble
        );
    }
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", json(&tally))?;
    } else {
        for found in &tally.found {
            tell(&mut out, found)?;
            writeln!(out, "  again: {}", again(args, found.seed))?;
        }
        if tally.found.is_empty() {
            writeln!(out, "nothing found in {} runs", tally.runs)?;
        }
    }
    Ok(if !tally.found.is_empty() {
        exit::VIOLATION
    } else if tally.trouble > 0 {
        exit::HARNESS
    } else if interrupted() {
        exit::INTERRUPTED
    } else {
        exit::VALID
    })
}

fn swarm(args: &HuntArgs) -> Result<Swarm, Trouble> {
    let workload = args.workload.as_deref().unwrap_or("cas");
    let mut options = Options::default();
    if let Some(nodes) = args.nodes {
        options.nodes = nodes;
    }
    let mut base = Setup::new(&args.system, workload, options);
    let (mutant, settings) = spec::planted(&args.system, args.mutant.as_deref(), &args.settings)?;
    base.settings = settings;
    let mut swarm = match mutant.as_deref().and_then(registry::mutant) {
        Some(mutant) => Swarm::for_mutant(base, mutant),
        None => Swarm::new(base),
    };
    if !args.nemesis.is_empty() {
        swarm.nemesis = args.nemesis.join(",");
    }
    swarm.draws.workload = args.workload.is_none();
    swarm.draws.nodes = args.nodes.is_none();
    Ok(swarm)
}

fn line(tally: &Tally, took: Duration) -> String {
    let seconds = took.as_secs_f64().max(1e-9);
    let faults: u64 = tally.faults.values().sum();
    format!(
        "{} runs in {:.1} s ({:.0} a minute, {:.0} s of virtual time a second); {} operations, {faults} faults; {} failed",
        tally.runs,
        seconds,
        tally.runs as f64 * 60.0 / seconds,
        tally.virtual_ns as f64 / 1e9 / seconds,
        tally.operations,
        tally.failed,
    )
}

fn tell(out: &mut impl Write, found: &Found) -> std::io::Result<()> {
    writeln!(
        out,
        "seed {}: after {:.1} s of virtual time",
        found.seed,
        found.virtual_ns as f64 / 1e9
    )?;
    for violation in &found.violations {
        writeln!(out, "  {violation}")?;
    }
    writeln!(out, "  {} events, trace hash {:016x}", found.events, found.hash)
}

/// The command that runs one seed of the campaign again.
fn again(args: &HuntArgs, seed: u64) -> String {
    let mut words = vec![spec::program("hunt"), format!("--system {}", args.system)];
    if !args.nemesis.is_empty() {
        words.push(format!("--nemesis {}", args.nemesis.join(",")));
    }
    words.extend(
        args.workload
            .iter()
            .map(|workload| format!("--workload {workload}")),
    );
    words.extend(args.nodes.iter().map(|nodes| format!("--nodes {nodes}")));
    words.extend(args.mutant.iter().map(|mutant| format!("--mutant {mutant}")));
    words.extend(
        args.settings
            .iter()
            .map(|(name, value)| format!("--set {name}={value}")),
    );
    words.push(format!("--seed {seed} --runs 1"));
    words.join(" ")
}

fn json(tally: &Tally) -> serde_json::Value {
    let found: Vec<_> = tally
        .found
        .iter()
        .map(|found| {
            serde_json::json!({
                "seed": found.seed,
                "property": found.property(),
                "violations": found.violations.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "events": found.events,
                "virtual_s": found.virtual_ns as f64 / 1e9,
                "hash": format!("{:016x}", found.hash),
                "setup": found.setup,
            })
        })
        .collect();
    serde_json::json!({
        "runs": tally.runs,
        "failed": tally.failed,
        "events": tally.events,
        "operations": tally.operations,
        "virtual_s": tally.virtual_ns as f64 / 1e9,
        "faults": tally.faults,
        "marks": tally.marks,
        "reached": tally.mutant.reached,
        "differed": tally.mutant.differed,
        "found": found,
    })
}
