//! `perjury test`: runs a test, judges it, and leaves the run behind.

use std::fs::OpenOptions;
use std::io::Write;
use std::time::{Duration, Instant};

use perjury_checker::Options as CheckOptions;
use perjury_results::{RunFolder, Store, TestRecord, console, github};
use perjury_runner::{Summary, exit};
use perjury_simulator::Comparison;

use super::args::TestArgs;
use super::ran::Ready;
use super::runs::{colourful, summary_json};
use super::store::StoreArg;
use super::{Outcome, Trouble, cases, check, quorums, spec, verdict};

/// What a run is to be done with, besides the test itself.
pub struct How<'a> {
    /// Where it is kept.
    pub store: &'a StoreArg,
    /// How long the checker may take.
    pub check_limit: Duration,
    /// Whether to print JSON.
    pub json: bool,
}

/// Runs a test as often as it was asked for, of one system or of each.
pub fn test(args: &TestArgs) -> Outcome {
    let mut args = args.clone();
    args.settings = args.quorums.settings().chain(args.settings).collect();
    if args.system == spec::ALL_SYSTEMS {
        test_all(&args)
    } else {
        test_one(&args)
    }
}

/// Tests each bundled system in turn, whatever comes of the others. Those that cannot have this test are left out,
/// which is said.
fn test_all(args: &TestArgs) -> Outcome {
    for (option, given) in [
        ("--mutant", args.mutant.is_some()),
        ("--plan", args.plan.is_some()),
        ("--set", !args.settings.is_empty()),
    ] {
        if given {
            return Err(Trouble::Usage(format!(
                "{option} belongs to one system: name it with --system"
            )));
        }
    }
    let seed = args.seed.unwrap_or_else(spec::draw_seed);
    let mut codes = Vec::new();
    for system in spec::bundled(&args.system)? {
        let one = TestArgs {
            system: system.name.to_owned(),
            seed: Some(seed),
            name: args.name.as_ref().map(|name| format!("{name}-{}", system.name)),
            ..args.clone()
        };
        match test_one(&one) {
            Ok(exit::INTERRUPTED) => {
                codes.push(exit::INTERRUPTED);
                break;
            }
            Ok(code) => codes.push(code),
            Err(Trouble::Usage(why)) => say!("{} is left out: {why}", system.name),
            Err(trouble) => return Err(trouble),
        }
    }
    if codes.is_empty() {
        return Err(Trouble::Usage("no bundled system can have this test".to_owned()));
    }
    Ok(exit::worst(codes))
}

/// Tests one system; stops at the first run that is not a clean pass.
fn test_one(args: &TestArgs) -> Outcome {
    let first = args.seed.unwrap_or_else(spec::draw_seed);
    let how = How {
        store: &args.store,
        check_limit: args.check_limit,
        json: args.json,
    };
    for run in 0..args.runs {
        let seed = first.wrapping_add(u64::from(run));
        let case = spec::case(args)?;
        let record = match &case {
            Some(case) => spec::record_of(args, case)?,
            None => spec::record(args, seed)?,
        };
        if run == 0 && case.is_some() {
            let overruled = spec::overruled(args);
            if !overruled.is_empty() {
                say!(
                    "--plan names a whole run, which says for itself what these options say: {}",
                    overruled.join(", ")
                );
            }
        }
        if args.runs > 1 {
            say!("run {} of {}", run + 1, args.runs);
        }
        let ready = match &case {
            Some(case) => Ready::of(case, &record)?,
            None => Ready::new(&record)?,
        };
        if run == 0
            && let Some(told) = quorums::told(&record, &ready.cluster())
        {
            say!("{told}");
        }
        let (code, ..) = run_once(&record, ready, &how)?;
        if code != exit::VALID {
            return Ok(code);
        }
    }
    Ok(exit::VALID)
}

/// Runs a test, judges it, and leaves the run behind. Says how it ended, where it is, and, in simulation, how it
/// compares with what was expected of it.
pub fn run_once(
    record: &TestRecord,
    ready: Ready,
    how: &How<'_>,
) -> Result<(u8, RunFolder, Comparison), Trouble> {
    let (folder, summary, compared) = record_run(record, ready, how.store, how.check_limit, how.json)?;
    conclude(&folder, how.json)?;
    Ok((summary.exit_code, folder, compared))
}

/// The same, without telling the verdict.
pub fn record_run(
    record: &TestRecord,
    ready: Ready,
    store: &StoreArg,
    check_limit: Duration,
    quiet: bool,
) -> Result<(RunFolder, Summary, Comparison), Trouble> {
    let mut writer = Store::at(&store.dir).create(record)?;
    say!("run {}, seed {}", record.id, record.seed);
    let began = Instant::now();
    let ran = ready.run(record, &mut writer, quiet)?;
    let took = began.elapsed();

    let checking = Instant::now();
    let options = CheckOptions {
        budget: check::budget(check_limit),
        levels: true,
        ..CheckOptions::default()
    };
    let summary = ran.finished.judge_with(&options, ran.more);
    let mut verdict = verdict::record(record, &summary, ran.mutant, took, checking.elapsed());
    if let Some((case, _)) = &ran.case {
        verdict.predicted_visibility = cases::predicted_visibility(&case.setup);
    }
    let keep = || -> Result<RunFolder, Trouble> {
        if let Some(messages) = &ran.messages {
            writer.messages(messages, &verdict)?;
        }
        if let Some((case, _)) = &ran.case {
            cases::write(&writer.folder().path().join(cases::PLAN), case)?;
        }
        let folder = writer.finish(&verdict)?;
        let evidence = folder.evidence()?;
        folder.write_reports(&evidence)?;
        Ok(folder)
    };
    let folder = keep().map_err(|trouble| unkept(&summary, trouble))?;
    let compared = ran.case.map_or(Comparison::Nothing, |(_, comparison)| comparison);
    Ok((folder, summary, compared))
}

/// What a run proved stays true if it cannot be written down.
fn unkept(summary: &Summary, trouble: Trouble) -> Trouble {
    let (Trouble::Usage(why) | Trouble::Harness(why)) = trouble else {
        return trouble;
    };
    let findings = summary.findings.iter().map(|finding| {
        format!(
            "\n{}: {}. {}",
            finding.property, finding.verdict, finding.sentence
        )
    });
    let failures = summary.failures.iter().map(|failure| format!("\n{failure}"));
    let proved: String = findings.chain(failures).collect();
    Trouble::Unkept {
        code: exit::worst([summary.exit_code, exit::HARNESS]),
        problem: format!("the run cannot be kept: {why}{proved}"),
    }
}

/// Tells the verdict.
fn conclude(folder: &RunFolder, json: bool) -> Result<(), Trouble> {
    let evidence = folder.evidence()?;
    if let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) {
        let opened = OpenOptions::new().create(true).append(true).open(&path);
        let added = opened.and_then(|mut file| file.write_all(github::summary(&evidence).as_bytes()));
        if let Err(error) = added {
            // The verdict is worth more than its summary.
            say!(
                "GITHUB_STEP_SUMMARY is {}, which cannot be added to: {error}",
                path.display()
            );
        }
    }
    if std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true") {
        // On standard error, where commands of a workflow are understood as well: standard output is for data.
        let _ = std::io::stderr().write_all(github::annotations(&evidence).as_bytes());
    }
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{}", summary_json(folder)?)?;
    } else {
        out.write_all(console::summary(&evidence, Some(folder), colourful(&out)).as_bytes())?;
    }
    Ok(())
}
