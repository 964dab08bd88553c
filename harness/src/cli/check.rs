//! `perjury check FILE`: judges a history that anything recorded, or that of a run.

use std::io::{BufReader, BufWriter, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use perjury_checker::budget::Budget;
use perjury_checker::formats::{self, Format, FormatError, Parsed};
use perjury_checker::models::{ModelName, ModelOptions, NilRead};
use perjury_checker::{Finding, History, Options, Value, Verdict};
use perjury_results::{RunFolder, TestRecord};
use perjury_runner::exit;

use super::args::{CheckArgs, NilReadArg};
use super::{Outcome, Trouble, export, ran};

/// What a file that names no model is judged by.
const USUAL_MODEL: ModelName = ModelName::CasRegister;

/// Judges a file, or the history of a run, and prints what it proves.
pub fn check(args: &CheckArgs) -> Outcome {
    let model = args.model.as_deref().map(str::parse::<ModelName>).transpose();
    let model = model.map_err(|error| Trouble::Usage(format!("{error}")))?;
    let format: Option<Format> = match &args.format {
        Some(name) => Some(name.parse().map_err(|error| Trouble::Usage(format!("{error}")))?),
        None => None,
    };
    let run = export::run_at(&args.file)?;
    let file = run.as_ref().map_or_else(|| args.file.clone(), RunFolder::history);
    let parsed = read(&file, format)?;
    if let Some(line) = parsed.torn {
        say!(
            "{}:{line}: the last line was cut short; it is left out",
            file.display()
        );
    }
    let options = Options {
        budget: budget(args.check_limit),
        linearizations: args.witness,
        levels: true,
        ..Options::default()
    };
    let began = Instant::now();
    let findings = match (run, model) {
        (Some(run), None) => as_promised(args, &run.test()?, &parsed.history, &options)?,
        (_, model) => {
            let meaning = ModelOptions {
                initial: args
                    .initial
                    .as_deref()
                    .map(value)
                    .transpose()?
                    .or(parsed.options.initial),
                nil_read: args.nil_read.map_or(parsed.options.nil_read, NilRead::from),
            };
            vec![
                model
                    .unwrap_or(USUAL_MODEL)
                    .check(&parsed.history, &meaning, &options),
            ]
        }
    };
    let took = began.elapsed();
    let mut out = BufWriter::new(std::io::stdout().lock());
    for (place, finding) in findings.iter().enumerate() {
        if args.json {
            serde_json::to_writer(&mut out, finding)
                .map_err(|error| Trouble::from(std::io::Error::from(error)))?;
            writeln!(out)?;
        } else {
            if place > 0 {
                writeln!(out)?;
            }
            show(&mut out, finding, took)?;
            show_orders(&mut out, finding, &parsed.history)?;
        }
        if args.witness && finding.verdict == Verdict::Valid && finding.linearizations.is_empty() {
            say!(
                "no order can be shown: {} is judged without one, or the search for it was too expensive",
                finding.property
            );
        }
    }
    out.flush()?;
    Ok(exit::worst(findings.iter().map(
        |finding| match finding.verdict {
            Verdict::Valid => exit::VALID,
            Verdict::Invalid => exit::VIOLATION,
            Verdict::Unknown => exit::UNKNOWN,
        },
    )))
}

/// Judges a run's history by what its system promised to the clients of its workload.
fn as_promised(
    args: &CheckArgs,
    record: &TestRecord,
    history: &History,
    options: &Options,
) -> Result<Vec<Finding>, Trouble> {
    if args.initial.is_some() || args.nil_read.is_some() {
        return Err(Trouble::Usage(
            "a run is judged by what its workload promises: --initial and --nil-read go with --model"
                .to_owned(),
        ));
    }
    Ok(ran::workload_of(record)?.judge(history, options))
}

/// A value as it is given on a command line. What begins as JSON does is meant as JSON.
fn value(text: &str) -> Result<Value, Trouble> {
    match serde_json::from_str(text) {
        Ok(value) => Ok(value),
        Err(error) if text.trim_start().starts_with(['{', '[', '"']) => Err(Trouble::Usage(format!(
            "--initial {text}: this is no JSON: {error}"
        ))),
        Err(_) => Ok(Value::from(text)),
    }
}

impl From<NilReadArg> for NilRead {
    fn from(meaning: NilReadArg) -> Self {
        match meaning {
            NilReadArg::Absent => NilRead::Absent,
            NilReadArg::Unknown => NilRead::Unknown,
        }
    }
}

/// The default budget, spent after `limit`.
pub fn budget(limit: Duration) -> Budget {
    let began = Instant::now();
    Budget::default().within(limit, move || began.elapsed())
}

/// How much of a file is read at a time, in bytes.
const PIECE_BYTES: usize = 1 << 18;

fn read(file: &Path, format: Option<Format>) -> Result<Parsed, Trouble> {
    let parsed = if file == Path::new("-") {
        formats::read(BufReader::with_capacity(PIECE_BYTES, std::io::stdin()), format)
    } else {
        let opened = std::fs::File::open(file);
        let opened = opened.map_err(|error| Trouble::Usage(format!("{}: {error}", file.display())))?;
        formats::read(BufReader::with_capacity(PIECE_BYTES, opened), format)
    };
    parsed.map_err(|error| {
        let FormatError { line, problem, mend } = error;
        Trouble::Usage(format!("{}:{line}: {problem} ({mend})", file.display()))
    })
}

fn show(out: &mut impl Write, finding: &Finding, took: Duration) -> std::io::Result<()> {
    writeln!(
        out,
        "{}: {}. {}",
        finding.property, finding.verdict, finding.sentence
    )?;
    if let Some(still) = finding.still() {
        writeln!(out, "{still}")?;
    }
    for witness in &finding.witnesses {
        writeln!(out)?;
        for sentence in &witness.story {
            writeln!(out, "  {sentence}")?;
        }
        for order in witness.orders_in_words() {
            writeln!(out, "    {order}")?;
        }
    }
    let method = if finding.method.is_empty() {
        "no method"
    } else {
        &finding.method
    };
    writeln!(
        out,
        "\n{} operations, by {method}, {} configurations explored, {:.3} s",
        finding.operations,
        finding.states,
        took.as_secs_f64()
    )
}

fn show_orders(out: &mut impl Write, finding: &Finding, history: &History) -> std::io::Result<()> {
    for linearization in &finding.linearizations {
        match &linearization.key {
            Some(key) => writeln!(out, "\nA legal order of the operations on {key}:")?,
            None => writeln!(out, "\nA legal order:")?,
        }
        for line in linearization.in_words(history) {
            writeln!(out, "  {line}")?;
        }
    }
    Ok(())
}
