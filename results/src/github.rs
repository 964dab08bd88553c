//! What a CI system that understands Markdown shows beside a run: GitHub's job summary.

use std::fmt::Write;

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
