//! What a CI system that understands Markdown shows beside a run: GitHub's job summary.

use std::fmt::Write;

use perjury_checker::Verdict;

use crate::evidence::Evidence;
use crate::headline::{self, Standing};
use crate::{told, words};

/// GitHub cuts a step's summary at a mebibyte; this stays far below, whatever a history holds.
const LONGEST: usize = 500;

/// The verdict as Markdown: what lied and why, what was judged, and the command that repeats the run.
pub fn summary(evidence: &Evidence) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write_summary(&mut out, evidence);
    out
}

/// Characters of an annotation's message, and how many annotations a run makes at most: GitHub shows ten errors a
/// step, and cuts longer messages.
const MESSAGE: usize = 2_000;
const ANNOTATIONS: usize = 10;

/// The verdict as workflow commands: an error for each violation, each system failure, and for trouble in the harness; a
/// warning for what is undecided. A clean pass says nothing. One line each.
pub fn annotations(evidence: &Evidence) -> String {
    let mut told: Vec<(&str, String, String)> = Vec::new();
    let name = words::tame(&evidence.test.name, 100);
    let again = format!("Again: {}", words::tame(&evidence.test.command, 1_000));
    match &evidence.verdict {
        None => told.push(("error", "no verdict".to_owned(), headline::sentence(evidence))),
        Some(verdict) => {
            for trouble in &verdict.troubles {
                told.push(("error", "the harness is in trouble".to_owned(), trouble.clone()));
            }
            for finding in &verdict.findings {
                let level = match finding.verdict {
                    Verdict::Valid => continue,
                    Verdict::Invalid => "error",
                    Verdict::Unknown => "warning",
                };
                let title = format!("{} is {}", finding.property, finding.verdict);
                let circumstances = verdict
                    .violation()
                    .filter(|violation| std::ptr::eq(*violation, finding))
                    .and_then(|_| headline::circumstances(evidence))
                    .unwrap_or_default();
                told.push((level, title, format!("{} {circumstances}", finding.sentence)));
            }
            for problem in headline::system_problems(verdict) {
                told.push(("error", "the system failed".to_owned(), problem));
            }
            for missing in &verdict.coverage.missing {
                told.push(("warning", "too little was covered".to_owned(), missing.clone()));
            }
        }
    }
    let mut out = String::new();
    for (level, title, message) in told.into_iter().take(ANNOTATIONS) {
        let message = format!("{}\n{again}", words::tame(message.trim_end(), MESSAGE));
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "::{level} title={}::{}",
            property(&format!("{name}: {}", words::tame(&title, 100))),
            data(&message)
        );
    }
    out
}

/// A message of a workflow command: what would end the line is escaped.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property of a workflow command: what would end the property is escaped, too.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

fn write_summary(out: &mut String, evidence: &Evidence) -> std::fmt::Result {
    let test = &evidence.test;
    let standing = Standing::of(evidence);
    writeln!(
        out,
        "### {} {}: {}\n",
        standing.mark(),
        headline::word(evidence).to_uppercase(),
        quoted(&words::tame(&test.name, 100))
    )?;
    writeln!(
        out,
        "**{}**\n",
        quoted(&words::tame(&headline::sentence(evidence), LONGEST))
    )?;
    if let Some(circumstances) = headline::circumstances(evidence) {
        writeln!(out, "{}\n", quoted(&words::tame(&circumstances, LONGEST)))?;
    }
    if let Some(verdict) = &evidence.verdict {
        writeln!(out, "| | | |\n|---|---|---|")?;
        for row in crate::report::judgements(evidence) {
            let [name, word, sentence] =
                [&row.name, &row.word, &row.sentence].map(|text| quoted(&words::tame(text, LONGEST)));
            writeln!(out, "| {name} | {} {word} | {sentence} |", row.mark)?;
        }
        writeln!(out)?;
        let told: Vec<_> = verdict
            .violation()
            .and_then(|finding| {
                Some(
                    told::beyond(finding, finding.witnesses.first()?)
                        .take(20)
                        .collect(),
                )
            })
            .unwrap_or_default();
        if !told.is_empty() {
            writeln!(out, "<details><summary>The story</summary>\n")?;
            for sentence in told {
                writeln!(out, "- {}", quoted(&words::tame(sentence, LONGEST)))?;
            }
            writeln!(out, "\n</details>\n")?;
        }
    }
    writeln!(
        out,
        "Run `{}`, seed {}. Again:\n",
        words::tame(&test.id, 20).replace('`', "'"),
        test.seed
    )?;
    // Indented, so that nothing in it can end it.
    writeln!(out, "    {}", words::tame(&test.command, 4_000))
}

/// Text as text: whatever means something in Markdown or HTML is escaped.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => quoted.push_str("&lt;"),
            '>' => quoted.push_str("&gt;"),
            '&' => quoted.push_str("&amp;"),
            '@' => quoted.push_str("&#64;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '#' | '|' | '!' | '~' | '$' => {
                quoted.push('\\');
                quoted.push(c);
            }
            _ => quoted.push(c),
        }
    }
    quoted
}
