//! `perjury check FILE`: judges a history that anything recorded.

use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use perjury_checker::budget::Budget;
use perjury_checker::formats::{Format, Parsed};
use perjury_checker::models::ModelName;
use perjury_checker::{Finding, Options, Verdict};
use perjury_runner::exit;

use super::args::CheckArgs;
use super::{Outcome, Trouble};

/// Judges a file and prints the finding.
pub fn check(args: &CheckArgs) -> Outcome {
    let model: ModelName = args
        .model
        .parse()
        .map_err(|error| Trouble::Usage(format!("{error}")))?;
    let format: Option<Format> = match &args.format {
        Some(name) => Some(name.parse().map_err(|error| Trouble::Usage(format!("{error}")))?),
        None => None,
    };
    let text = read(&args.file)?;
    let parsed = parse(&args.file, &text, format)?;
    if let Some(line) = parsed.torn {
        eprintln!(
            "{}:{line}: the last line was cut short; it is left out",
            args.file.display()
        );
    }
    let options = Options {
        budget: budget(args.check_limit),
        ..Options::default()
    };
    let began = Instant::now();
    let finding = model.check(&parsed.history, &parsed.options, &options);
    let took = began.elapsed();
    let mut out = std::io::stdout().lock();
    if args.json {
        serde_json::to_writer(&mut out, &finding)
            .map_err(|error| Trouble::from(std::io::Error::from(error)))?;
        writeln!(out)?;
    } else {
        show(&mut out, &finding, took)?;
    }
    Ok(match finding.verdict {
        Verdict::Valid => exit::VALID,
        Verdict::Invalid => exit::VIOLATION,
        Verdict::Unknown => exit::UNKNOWN,
    })
}

/// The default budget, spent after `limit`.
pub fn budget(limit: Duration) -> Budget {
    let began = Instant::now();
    Budget::default().within(limit, move || began.elapsed())
}

fn read(file: &Path) -> Result<String, Trouble> {
    let mut bytes = Vec::new();
    let done = if file == Path::new("-") {
        std::io::stdin().lock().read_to_end(&mut bytes)
    } else {
        std::fs::File::open(file).and_then(|mut file| file.read_to_end(&mut bytes))
    };
    done.map_err(|error| Trouble::Usage(format!("{}: {error}", file.display())))?;
    // A history that was cut short in the middle of a character is cut at its last whole line anyway.
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(error) => {
            let good = error.utf8_error().valid_up_to();
            let bytes = error.into_bytes();
            if bytes[good..].contains(&b'\n') {
                let line = bytes[..good].iter().filter(|byte| **byte == b'\n').count() + 1;
                let problem = "this is not UTF-8; convert the file, for instance with iconv";
                return Err(Trouble::Usage(format!("{}:{line}: {problem}", file.display())));
            }
            Ok(String::from_utf8_lossy(&bytes[..good]).into_owned())
        }
    }
}

fn parse(file: &Path, text: &str, format: Option<Format>) -> Result<Parsed, Trouble> {
    let format = match format.or_else(|| Format::detect(text)) {
        Some(format) => format,
        None if text.trim().is_empty() => {
            return Err(Trouble::Usage(format!("{}: the file is empty", file.display())));
        }
        None => {
            let names = Format::ALL.map(Format::name).join(", ");
            let problem = format!("cannot tell the format; say it with --format ({names})");
            return Err(Trouble::Usage(format!("{}: {problem}", file.display())));
        }
    };
    format.read(text).map_err(|error| {
        let problem = format!("{} ({})", error.problem, error.mend);
        Trouble::Usage(format!("{}:{}: {problem}", file.display(), error.line))
    })
}

fn show(out: &mut impl Write, finding: &Finding, took: Duration) -> std::io::Result<()> {
    writeln!(
        out,
        "{}: {}. {}",
        finding.property, finding.verdict, finding.sentence
    )?;
    for witness in &finding.witnesses {
        writeln!(out)?;
        for sentence in &witness.story {
            writeln!(out, "  {sentence}")?;
        }
    }
    writeln!(
        out,
        "\n{} operations, by {}, {} configurations explored, {:.3} s",
        finding.operations,
        finding.method,
        finding.states,
        took.as_secs_f64()
    )
}
