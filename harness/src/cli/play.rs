//! `perjury play`: plays a directed schedule, to the correct system or with a bug planted.

use std::io::Write;
use std::path::Path;

use perjury_runner::exit;
use perjury_simulator::{SCHEDULES, Schedule};

use super::args::PlayArgs;
use super::{Outcome, Trouble};

/// Plays a schedule and says what came of it; without one, lists those that there are.
pub fn play(args: &PlayArgs) -> Outcome {
    let mut out = std::io::stdout().lock();
    let Some(name) = &args.schedule else {
        for (name, text) in SCHEDULES {
            let schedule = parse(name, text)?;
            let convicts = match schedule.convicts.join(", ") {
                none if none.is_empty() => "a control, which nobody must fail".to_owned(),
                mutants => format!("convicts {mutants}"),
            };
            writeln!(out, "{name}: {} ({convicts})", schedule.about)?;
        }
        return Ok(exit::VALID);
    };
    let schedule = match SCHEDULES.iter().find(|(known, _)| known == name) {
        Some((name, text)) => parse(name, text)?,
        None => {
            let text = std::fs::read_to_string(Path::new(name)).map_err(|error| {
                let problem =
                    "it is neither a schedule that `perjury play` lists nor a file that can be read";
                Trouble::Usage(format!("{name}: {problem}: {error}"))
            })?;
            parse(name, &text)?
        }
    };
    let mutant = args
        .mutant
        .as_deref()
        .map(|mutant| {
            let mend = |_: &str| format!("{name} is a schedule of {}", schedule.system);
            super::spec::mutant_of(&schedule.system, mutant, mend)
        })
        .transpose()?;
    let played = schedule
        .play(mutant.as_deref())
        .map_err(|error| Trouble::Usage(format!("{name}: {error}")))?;
    writeln!(out, "{}", schedule.about)?;
    for sentence in &played.told {
        writeln!(out, "  {sentence}")?;
    }
    for violation in &played.violations {
        writeln!(out, "broken: {violation}")?;
    }
    if played.violations.is_empty() {
        writeln!(out, "nothing is broken")?;
        return Ok(exit::VALID);
    }
    Ok(exit::VIOLATION)
}

fn parse(name: &str, text: &str) -> Result<Schedule, Trouble> {
    text.parse()
        .map_err(|error| Trouble::Usage(format!("{name}: {error}")))
}
