//! `perjury shrink` and `perjury likelihood`: what a failing run needs to fail, and when it was bound to.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use perjury_results::{DecisiveRecord, LikelihoodRecord, MomentRecord, RunFolder, SCHEMA};
use perjury_runner::exit;
use perjury_simulator::{Case, Effort, Estimate, Expected, Likelihood, Size};

use super::again::{LikelihoodArgs, ShrinkArgs};
use super::interrupt::{Armed, interrupted};
use super::{Outcome, Trouble, cases};

/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_millis(500);

/// Sentences of a story at most.
const MOST_SENTENCES: usize = 400;

fn words(size: &Size) -> String {
    format!(
        "{} actions, {} messages delivered, {} operations, {} nodes, {:.3} s",
        size.actions,
        size.delivered,
        size.operations,
        size.nodes,
        size.virtual_ns as f64 / 1e9
    )
}

fn usage(error: impl std::fmt::Display) -> Trouble {
    Trouble::Usage(error.to_string())
}

/// Makes a failing run small, writes it to a file, and tells what happens in it. Exits 0 if it is small, 2 if the run
/// does not fail.
pub fn shrink(args: &ShrinkArgs) -> Outcome {
    let (case, path) = cases::simulated(&args.store, &args.run)?;
    let _armed = Armed::new(|| say!("interrupted: keeping the smallest run so far"))?;
    let effort = Effort {
        noises: args.noises,
        ..Effort::default()
    };
    let mut told = Instant::now();
    let shrunk = perjury_simulator::shrink(
        &case.setup,
        case.invariants,
        effort,
        &interrupted,
        &mut |runs, size| {
            if told.elapsed() >= TELL_EVERY {
                told = Instant::now();
                say!("{runs} runs: {}", words(size));
            }
        },
    )
    .map_err(usage)?;
    let Some(shrunk) = shrunk else {
        say!(
            "{}: nothing is wrong with this run, so there is nothing to shrink",
            path.display()
        );
        return Ok(exit::UNKNOWN);
    };
    let story = perjury_simulator::story(&shrunk.setup, case.invariants, MOST_SENTENCES).map_err(usage)?;
    let mut small = Case {
        story: story.iter().map(ToString::to_string).collect(),
        ..cases::new(shrunk.setup, case.invariants)
    };
    let outcome = perjury_simulator::run(&small.setup, &small.wanted()).map_err(usage)?;
    small.expected = Some(Expected::of(&outcome));
    let output = args
        .output
        .clone()
        .unwrap_or_else(|| path.with_file_name("shrunk.json"));
    cases::write(&output, &small)?;
    say!("from {}", words(&shrunk.before));
    say!("to   {}, in {} runs", words(&shrunk.size), shrunk.runs);
    let mut out = std::io::stdout().lock();
    if args.json {
        let size = |size: &Size| {
            serde_json::json!({
                "actions": size.actions,
                "delivered": size.delivered,
                "operations": size.operations,
                "nodes": size.nodes,
                "virtual_s": size.virtual_ns as f64 / 1e9,
            })
        };
        let json = serde_json::json!({
            "property": shrunk.property,
            "before": size(&shrunk.before),
            "after": size(&shrunk.size),
            "runs": shrunk.runs,
            "events": shrunk.events,
            "file": output,
            "story": small.story,
        });
        writeln!(out, "{json}")?;
    } else {
        for sentence in &small.story {
            writeln!(out, "{sentence}")?;
        }
        writeln!(out, "written to {}", output.display())?;
        writeln!(out, "again: {}", cases::replays(&output))?;
    }
    Ok(exit::VALID)
}

/// Shows how probable a failure had become over time. Exits 0, or 2 if the run does not fail.
pub fn likelihood(args: &LikelihoodArgs) -> Outcome {
    let (case, path) = cases::simulated(&args.store, &args.run)?;
    let _armed = Armed::new(|| say!("interrupted: telling what is known so far"))?;
    let estimate = Estimate {
        moments: args.moments,
        branches: args.branches,
    };
    let found =
        perjury_simulator::likelihood(&case.setup, case.invariants, estimate, &interrupted).map_err(usage)?;
    let Some(found) = found else {
        say!("{}: nothing is wrong with this run", path.display());
        return Ok(exit::UNKNOWN);
    };
    let record = record(&found);
    let mut out = std::io::stdout().lock();
    if args.json {
        serde_json::to_writer(&mut out, &record).map_err(std::io::Error::from)?;
        writeln!(out)?;
    } else {
        tell(&mut out, &found)?;
    }
    // What was found is told by then, should the folder not be writable.
    if let Some(report) = draw(&path, &record)?
        && !args.json
    {
        writeln!(out, "drawn in {}", report.display())?;
    }
    Ok(exit::VALID)
}

/// Columns of a bar that stands for certainty.
const FULL_BAR: f64 = 40.0;

fn tell(out: &mut (impl Write + IsTerminal), found: &Likelihood) -> Result<(), Trouble> {
    writeln!(
        out,
        "how likely {} had become, if everything after was left to chance:",
        found.property
    )?;
    for (place, moment) in found.moments.iter().enumerate() {
        let bar = "█".repeat((moment.likelihood() * FULL_BAR).round() as usize);
        let mark = if found.decisive.is_some_and(|(_, after)| after == place) {
            "  ← it rose most before this"
        } else {
            ""
        };
        writeln!(
            out,
            "{:>10.4} s  event {:>7}  {:>3.0} % of {:<4} {bar}{mark}",
            moment.at_ns as f64 / 1e9,
            moment.event,
            moment.likelihood() * 100.0,
            moment.branches,
        )?;
    }
    if found.decisive.is_some() {
        writeln!(out, "the decisive moment:")?;
    } else {
        let first = found.moments.first().map_or(0.0, |moment| moment.likelihood());
        writeln!(
            out,
            "no moment was decisive: it was as likely as that from the start ({:.0} %)",
            first * 100.0
        )?;
    }
    for line in &found.happened {
        writeln!(out, "  {line}")?;
    }
    Ok(())
}

/// As it is kept with the run.
fn record(found: &Likelihood) -> LikelihoodRecord {
    LikelihoodRecord {
        schema: SCHEMA,
        property: found.property.clone(),
        moments: found
            .moments
            .iter()
            .map(|moment| MomentRecord {
                event: moment.event,
                at: moment.at_ns,
                failed: moment.failed,
                branches: moment.branches,
            })
            .collect(),
        decisive: found.decisive.map(|(from, to)| DecisiveRecord {
            from,
            to,
            happened: found.happened.clone(),
        }),
    }
}

/// Draws it in the run's report, if the file is that of a run in a store. Says which report that is.
fn draw(path: &Path, record: &LikelihoodRecord) -> Result<Option<PathBuf>, Trouble> {
    let Some(dir) = path.parent().filter(|_| path.ends_with(cases::PLAN)) else {
        return Ok(None);
    };
    let folder = RunFolder::at(dir);
    if folder.test().is_err() {
        return Ok(None);
    }
    folder.write_likelihood(record)?;
    folder.write_reports(&folder.evidence()?)?;
    Ok(Some(folder.report()))
}
