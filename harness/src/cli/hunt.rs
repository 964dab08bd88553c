//! `perjury hunt`: many seeds in simulation.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use perjury_runner::{Options, exit};
use perjury_simulator::{Campaign, Distinct, Effort, Found, Setup, Swarm, Tally, all_marks, distinct};

use perjury_systems::registry;

use super::args::{DrawArgs, HuntArgs};
use super::interrupt::{Armed, interrupted};
use super::ran::Ready;
use super::test::record_run;
use super::{Outcome, Trouble, cases, spec};

/// What telling a failed run apart from others may take.
const EFFORT: Effort = Effort {
    events: 300_000,
    noises: 1,
};

/// How often a line of progress is printed.
const TELL_EVERY: Duration = Duration::from_secs(2);

/// Runs at most, where no limit is given.
const RUNS: u64 = 1_000;

/// Runs a campaign and says what it found.
pub fn hunt(args: &HuntArgs) -> Outcome {
    let first_seed = args.seed.unwrap_or_else(spec::draw_seed);
    let otherwise = args.limit.map_or(RUNS, |_| u64::MAX);
    let campaign = Campaign {
        swarm: swarm(&args.drawn)?,
        first_seed,
        runs: args.runs.unwrap_or(otherwise),
        jobs: usize::from(args.jobs),
        keep_going: args.keep_going,
        invariants: !args.drawn.black_box,
    };
    match campaign.runs {
        u64::MAX => say!("seeds from {first_seed}"),
        runs => say!("up to {runs} runs, seeds from {first_seed}"),
    }
    let _armed = Armed::new(|| say!("interrupted: waiting for the runs that are under way"))?;
    let began = Instant::now();
    let all: Vec<&str> = all_marks(&args.drawn.system).map(|mark| mark.name).collect();
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
    say!("{}", line(&tally, &all, began.elapsed()));
    let unreached = tally.unreached(all.iter().copied());
    if !unreached.is_empty() {
        let unreached: Vec<&str> = unreached.into_iter().collect();
        say!("never reached: {}", unreached.join(", "));
    }
    if let Some((seed, trouble)) = &tally.first_trouble {
        say!(
            "{} runs came to no verdict; the first, of seed {seed}: {trouble}",
            tally.trouble
        );
    }
    let kinds = if args.keep_going {
        say!("telling {} failed runs apart", tally.found.len());
        let stop = || interrupted();
        distinct(&tally.found, !args.drawn.black_box, EFFORT, &stop)
            .map_err(|error| Trouble::Usage(error.to_string()))?
    } else {
        let alone = |found: &Found| Distinct {
            found: found.clone(),
            shape: Vec::new(),
            runs: 1,
        };
        tally.found.iter().map(alone).collect()
    };
    let mut kept = Vec::new();
    for kind in &kinds {
        kept.push(keep(args, &kind.found));
    }
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", json(&tally, &kinds, &kept))?;
    } else {
        for (kind, kept) in kinds.iter().zip(&kept) {
            tell(&mut out, &kind.found)?;
            if !kind.shape.is_empty() {
                let (shape, runs) = (kind.shape.join(", "), kind.runs);
                writeln!(out, "  what it takes: {shape} ({runs} of the runs looked at)")?;
            }
            writeln!(out, "  again: {}", kept.again)?;
            if let Some((id, folder)) = &kept.run {
                let store = args.store.as_given();
                writeln!(out, "  smaller: {} {id}{store}", spec::program("shrink"))?;
                writeln!(out, "  kept in {}", folder.display())?;
            }
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
    } else if tally.runs == 0 {
        exit::UNKNOWN
    } else {
        exit::VALID
    })
}

/// What runs are drawn from.
pub fn swarm(args: &DrawArgs) -> Result<Swarm, Trouble> {
    let (mutant, settings) = spec::planted(&args.system, args.mutant.as_deref(), &args.settings)?;
    let workload = spec::workload(&args.system, args.workload.as_deref(), &settings)?;
    let mut options = Options::default();
    if let Some(nodes) = args.nodes {
        options.nodes = nodes;
    }
    let mut base = Setup::new(&args.system, workload, options);
    base.settings = settings;
    base.scheduler = args.scheduler;
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
        let _ = write!(std::io::stderr().lock(), "\r\x1b[K{line}");
    } else {
        say!("{line}");
    }
}

fn end_progress() {
    if std::io::stderr().is_terminal() {
        let _ = write!(std::io::stderr().lock(), "\r\x1b[K");
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

/// A failure, and the run of it in the store, by its id and where it is; none if it could not be kept.
struct Kept {
    run: Option<(String, PathBuf)>,
    again: String,
}

/// How long the checker may take for a run that is kept.
const CHECK_LIMIT: Duration = Duration::from_secs(60);

/// Runs a failure once more, to leave behind what every run leaves behind.
fn keep(args: &HuntArgs, found: &Found) -> Kept {
    let again = again(&args.drawn, found.seed, Some(&format!("{:016x}", found.hash)));
    let case = cases::new(found.setup.clone(), !args.drawn.black_box);
    let record = cases::record(&case, "hunt", again.clone());
    let ready = Ready::Simulation(Box::new(case));
    let run = match record_run(&record, ready, &args.store, CHECK_LIMIT, true) {
        Ok((folder, ..)) => Some((record.id, folder.path().to_owned())),
        // What was found is told all the same.
        Err(Trouble::Usage(why) | Trouble::Harness(why) | Trouble::Unkept { problem: why, .. }) => {
            say!("the run of seed {} is not kept: {why}", found.seed);
            None
        }
        Err(Trouble::Gone) => None,
    };
    Kept { run, again }
}

/// The command that runs one seed of the campaign again.
pub fn again(args: &DrawArgs, seed: u64, hash: Option<&str>) -> String {
    let mut words = vec![
        format!("{} {seed}", spec::program("replay")),
        format!("--system {}", args.system),
    ];
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
    if !args.scheduler.is_timed() {
        words.push(format!("--scheduler {}", args.scheduler));
    }
    words.extend(args.black_box.then(|| "--black-box".to_owned()));
    words.extend(hash.map(|hash| format!("--hash {hash}")));
    words.join(" ")
}

fn json(tally: &Tally, kinds: &[Distinct], kept: &[Kept]) -> serde_json::Value {
    let found: Vec<_> = kinds
        .iter()
        .zip(kept)
        .map(|(kind, kept)| {
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
                "run": kept.run.as_ref().map(|(id, _)| id),
                "folder": kept.run.as_ref().map(|(_, folder)| folder),
                "again": kept.again,
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
