//! The end of a run in plain text: for a terminal, a CI log, a mail.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use perjury_checker::{Finding, Verdict, Witness};

use crate::evidence::Evidence;
use crate::folder::RunFolder;
use crate::headline::{self, Standing};
use crate::record::{RunOutcome, VerdictRecord};
use crate::{told, words};

/// The verdict, the story behind it, what was covered, and how to run it again. Understandable without
/// `colour`; whether there may be any (a terminal, no `NO_COLOR`) is the caller's to know.
pub fn summary(evidence: &Evidence, folder: Option<&RunFolder>, colour: bool) -> String {
    let paint = Paint { colour };
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write_summary(&mut out, evidence, folder, paint);
    out
}

#[derive(Clone, Copy)]
struct Paint {
    colour: bool,
}

impl Paint {
    fn with(self, style: Style, text: &str) -> String {
        if self.colour {
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }

    fn bold(self, text: &str) -> String {
        self.with(Style::new().bold(), text)
    }

    fn dim(self, text: &str) -> String {
        self.with(Style::new().dimmed(), text)
    }

    fn verdict(self, verdict: Verdict, text: &str) -> String {
        let colour = match verdict {
            Verdict::Valid => AnsiColor::Green,
            Verdict::Unknown => AnsiColor::Yellow,
            Verdict::Invalid => AnsiColor::Red,
        };
        self.with(Style::new().fg_color(Some(colour.into())).bold(), text)
    }

    fn standing(self, standing: Standing, text: &str) -> String {
        match standing {
            Standing::Valid => self.verdict(Verdict::Valid, text),
            Standing::Invalid => self.verdict(Verdict::Invalid, text),
            Standing::Unknown => self.verdict(Verdict::Unknown, text),
            Standing::Broken => self.with(
                Style::new().fg_color(Some(AnsiColor::Magenta.into())).bold(),
                text,
            ),
        }
    }
}

fn write_summary(
    out: &mut String,
    evidence: &Evidence,
    folder: Option<&RunFolder>,
    paint: Paint,
) -> std::fmt::Result {
    let standing = Standing::of(evidence);
    let word = format!("{} {}", standing.mark(), headline::word(evidence).to_uppercase());
    writeln!(
        out,
        "{}  {}",
        paint.standing(standing, &word),
        headline::sentence(evidence)
    )?;
    if let Some(circumstances) = headline::circumstances(evidence) {
        writeln!(out, "  {circumstances}")?;
    }
    if let Some(verdict) = &evidence.verdict {
        // The headline is the first of them.
        let above = usize::from(verdict.outcome == RunOutcome::HarnessFailed);
        for trouble in verdict.troubles.iter().skip(above) {
            writeln!(
                out,
                "  {} {}",
                paint.bold("harness:"),
                words::tame(trouble, 1_000)
            )?;
        }
        for finding in &verdict.findings {
            write_finding(out, finding, headline::is_above(finding, verdict), paint)?;
        }
        write_system(out, verdict, paint)?;
        write_coverage(out, verdict, paint)?;
    }
    if let Some(problem) = &evidence.history_problem {
        writeln!(out, "  {} {}", paint.bold("history:"), words::tame(problem, 500))?;
    }
    let [ok, fail, info] = evidence.outcomes();
    let injected = evidence
        .faults
        .iter()
        .filter(|fault| fault.injected_at.is_some())
        .count() as u64;
    writeln!(
        out,
        "  {} {} ok, {} fail, {} info; {}; {}",
        paint.dim("recorded "),
        words::count(ok),
        words::count(fail),
        words::count(info),
        words::plural(injected, "fault"),
        words::duration(evidence.end()),
    )?;
    if let Some(folder) = folder {
        writeln!(out, "  {} {}", paint.dim("run      "), folder.path().display())?;
        if folder.report().exists() {
            writeln!(out, "  {} {}", paint.dim("report   "), folder.report().display())?;
        }
    }
    if let Some(verdict) = &evidence.verdict {
        let code = verdict.exit_code;
        writeln!(
            out,
            "  {} {code}: {}",
            paint.dim("exit     "),
            words::exit_meaning(code)
        )?;
    }
    writeln!(
        out,
        "  {} {}",
        paint.dim("again    "),
        paint.bold(&words::tame(&evidence.test.command, 4_000))
    )
}

/// A property. Of one whose sentence stands `above` already, only what it rests on.
fn write_finding(out: &mut String, finding: &Finding, above: bool, paint: Paint) -> std::fmt::Result {
    let sentence = match (above, finding.verdict) {
        (false, _) => format!(": {}", words::tame(&finding.sentence, 1_000)),
        (true, Verdict::Invalid) => format!(": {}", headline::proof(finding)),
        (true, _) => String::new(),
    };
    let word = format!("{} {}", headline::mark(finding.verdict), finding.verdict);
    writeln!(
        out,
        "  {} {}{sentence}{}",
        paint.verdict(finding.verdict, &word),
        paint.bold(&words::tame(&finding.property, 100)),
        match finding.method.as_str() {
            "" => String::new(),
            method => paint.dim(&format!(" [{}]", words::tame(method, 200))),
        },
    )?;
    if let Some(still) = finding.still() {
        writeln!(out, "      {}", words::tame(&still, 1_000))?;
    }
    if finding.verdict == Verdict::Invalid
        && let Some(witness) = finding.witnesses.first()
    {
        write_story(out, finding, witness, paint)?;
        if let Some(more) = headline::more_witnesses(finding) {
            writeln!(out, "      {}", paint.dim(&format!("… {more} kept")))?;
        }
    }
    Ok(())
}

fn write_story(out: &mut String, finding: &Finding, witness: &Witness, paint: Paint) -> std::fmt::Result {
    for sentence in told::beyond(finding, witness).take(20) {
        writeln!(out, "      {}", words::tame(sentence, 1_000))?;
    }
    if let Some(order) = witness
        .orders
        .iter()
        .find(|order| crate::report::says_something(order, witness))
    {
        let steps: Vec<_> = order
            .steps
            .iter()
            .map(|placed| format!("#{} ⇒ {}", placed.operation, words::cut(&placed.state, 40)))
            .collect();
        let from = order.start.as_ref();
        let from = from.map_or(String::new(), |state| format!(" from {}", words::cut(state, 40)));
        if !steps.is_empty() {
            writeln!(
                out,
                "      {} {}",
                paint.dim(&format!("longest legal order{from}:")),
                steps.join(", ")
            )?;
        }
        for stuck in order.stuck.iter().take(10) {
            writeln!(
                out,
                "      {} #{} {}",
                paint.dim("then not"),
                stuck.operation,
                words::tame(&stuck.reason, 500)
            )?;
        }
    }
    Ok(())
}

fn write_system(out: &mut String, verdict: &VerdictRecord, paint: Paint) -> std::fmt::Result {
    let said = verdict.outcome == RunOutcome::Invalid && verdict.violation().is_none();
    for problem in headline::system_problems(verdict)
        .into_iter()
        .skip(usize::from(said))
    {
        writeln!(
            out,
            "  {} {problem}",
            paint.verdict(Verdict::Invalid, "✗ system:")
        )?;
    }
    if let Some(recovery) = verdict.recovery.as_ref().filter(|recovery| recovery.complete())
        && let Some(slowest) = recovery.slowest()
    {
        writeln!(
            out,
            "  {} every node served again within {} of the last heal (limit {})",
            paint.dim("recovery "),
            words::duration(slowest),
            words::duration(recovery.limit_ns)
        )?;
    }
    if let Some(mutant) = &verdict.mutant {
        writeln!(
            out,
            "  {} reached {}, differed {}",
            paint.dim("mutant   "),
            words::plural(mutant.reached, "time"),
            words::plural(mutant.differed, "time")
        )?;
    }
    Ok(())
}

fn write_coverage(out: &mut String, verdict: &VerdictRecord, paint: Paint) -> std::fmt::Result {
    let said = headline::missing_is_above(verdict);
    for missing in verdict.coverage.missing.iter().skip(usize::from(said)) {
        writeln!(
            out,
            "  {} {}",
            paint.verdict(Verdict::Unknown, "? coverage:"),
            words::tame(missing, 1_000)
        )?;
    }
    Ok(())
}
