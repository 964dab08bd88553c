//! `perjury hunt`: many seeds in simulation.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use perjury_runner::{Options, exit};
use perjury_simulator::{Campaign, Distinct, Effort, Found, Setup, Swarm, Tally, all_marks, distinct};

use perjury_systems::registry;

use super::args::HuntArgs;
use super::interrupt::{Armed, interrupted};
use super::{Outcome, Trouble, spec};

/// What telling a failed run apart from others may take.
const EFFORT: Effort = Effort { runs: 300, noises: 1 };

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
    let all: Vec<&str> = all_marks(&args.system).map(|mark| mark.name).collect();
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
            tell_progress(&line(tally, &all, began.elapsed()));
        }
    })
    .map_err(|error| Trouble::Usage(error.to_string()))?;
    end_progress();
    eprintln!("{}", line(&tally, &all, began.elapsed()));
    let unreached = tally.unreached(all.iter().copied());
    if !unreached.is_empty() {
        let unreached: Vec<&str> = unreached.into_iter().collect();
        eprintln!("never reached: {}", unreached.join(", "));
    }
    if let Some((seed, trouble)) = &tally.first_trouble {
        eprintln!(
            "{} runs came to no verdict; the first, of seed {seed}: {trouble}",
            tally.trouble
        );
    }
    let kinds = if args.keep_going {
        eprintln!("telling {} failed runs apart", tally.found.len());
        let stop = || interrupted();
        distinct(&tally.found, !args.black_box, EFFORT, &stop)
            .map_err(|error| Trouble::Usage(error.to_string()))?
    } else {
        let alone = |found: &Found| Distinct {
            found: found.clone(),
            shape: Vec::new(),
            runs: 1,
        };
        tally.found.iter().map(alone).collect()
    };
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", json(&tally, &kinds))?;
    } else {
        for kind in &kinds {
            tell(&mut out, &kind.found)?;
            if !kind.shape.is_empty() {
                let (shape, runs) = (kind.shape.join(", "), kind.runs);
                writeln!(out, "  what it takes: {shape} ({runs} of the runs looked at)")?;
            }
            writeln!(out, "  again: {}", again(args, kind.found.seed))?;
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

/// On a terminal, progress stays on one line.
fn tell_progress(line: &str) {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K{line}");
    } else {
        eprintln!("{line}");
    }
}

fn end_progress() {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K");
    }
}

fn line(tally: &Tally, all: &[&str], took: Duration) -> String {
    let reached = all.len() - tally.unreached(all.iter().copied()).len();
    let seconds = took.as_secs_f64().max(1e-9);
    let faults: u64 = tally.faults.values().sum::<u64>() + tally.struck;
    format!(
        "{} runs in {:.1} s ({:.1} a second, {:.0} s of virtual time a second); {} operations, {faults} faults; {} of \
         {} marks; {} failed",
        tally.runs,
        seconds,
        tally.runs as f64 / seconds,
        tally.virtual_ns as f64 / 1e9 / seconds,
        tally.operations,
        reached,
        all.len(),
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

fn json(tally: &Tally, kinds: &[Distinct]) -> serde_json::Value {
    let found: Vec<_> = kinds
        .iter()
        .map(|kind| {
            let found = &kind.found;
            serde_json::json!({
                "seed": found.seed,
                "shape": kind.shape,
                "runs": kind.runs,
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
