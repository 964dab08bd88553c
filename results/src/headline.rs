//! The one sentence that says what a run came to.

use perjury_checker::{Finding, Operation, Verdict, Witness};

use crate::evidence::Evidence;
use crate::record::{RunOutcome, VerdictRecord};
use crate::told::INVARIANTS;
use crate::words;

/// Characters of a headline.
pub(crate) const LONGEST: usize = 1_000;

/// Characters of a fault in a headline: a partition in which each of seven nodes hears others fits.
const FAULT: usize = 220;

/// How a run presents itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Valid,
    Invalid,
    Unknown,
    Broken,
}

impl Standing {
    pub(crate) fn of(evidence: &Evidence) -> Self {
        match evidence.verdict.as_ref().map(|verdict| verdict.outcome) {
            Some(RunOutcome::Valid) => Standing::Valid,
            Some(RunOutcome::Invalid) => Standing::Invalid,
            Some(RunOutcome::Unknown | RunOutcome::Interrupted) => Standing::Unknown,
            Some(RunOutcome::HarnessFailed) | None => Standing::Broken,
        }
    }

    /// A mark that means the same without colour.
    pub(crate) fn mark(self) -> &'static str {
        match self {
            Standing::Valid => "✓",
            Standing::Invalid => "✗",
            Standing::Unknown => "?",
            Standing::Broken => "!",
        }
    }
}

/// The mark of a verdict.
pub(crate) fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Valid => "✓",
        Verdict::Invalid => "✗",
        Verdict::Unknown => "?",
    }
}

/// The word that stands above everything: `INVALID`.
pub(crate) fn word(evidence: &Evidence) -> &'static str {
    evidence
        .verdict
        .as_ref()
        .map_or("no verdict", |verdict| verdict.outcome.word())
}

/// The operation that lied, if the witness names it.
pub(crate) fn culprit(witness: &Witness) -> Option<&Operation> {
    let culprit = witness.culprit?;
    witness
        .operations
        .iter()
        .find(|operation| operation.id == culprit)
}

/// The sentence: what lied, what is missing, or what is broken.
pub(crate) fn sentence(evidence: &Evidence) -> String {
    let Some(verdict) = &evidence.verdict else {
        return "The control node died before it came to a verdict; the history up to then is kept."
            .to_owned();
    };
    match verdict.outcome {
        RunOutcome::Valid => valid(evidence, verdict),
        RunOutcome::Invalid => verdict.violation().map_or_else(|| fallen(verdict), accusation),
        RunOutcome::Unknown => undecided(verdict),
        RunOutcome::HarnessFailed => verdict.troubles.first().map_or_else(
            || "The harness failed.".to_owned(),
            |trouble| words::tame(trouble, LONGEST),
        ),
        RunOutcome::Interrupted => "Interrupted before anything was proven.".to_owned(),
    }
}

/// Whether a violation is one that clients saw, and not only the nodes themselves.
pub(crate) fn seen_by_clients(finding: &Finding) -> bool {
    finding.witnesses.is_empty()
        || finding
            .witnesses
            .iter()
            .any(|witness| !witness.operations.is_empty())
}

fn valid(evidence: &Evidence, verdict: &VerdictRecord) -> String {
    let (invariants, properties): (Vec<_>, Vec<_>) = verdict
        .findings
        .iter()
        .map(|finding| finding.property.as_str())
        .partition(|property| *property == INVARIANTS);
    let bit: u64 = verdict.coverage.faults.values().map(|bites| bites.bit).sum();
    let under = if evidence.faults.is_empty() {
        "without faults".to_owned()
    } else {
        format!("under {} that bit", words::plural(bit, "fault"))
    };
    format!(
        "{} {} {under}; nothing that clients saw contradicts {}{}.",
        words::count(evidence.history.operations.len() as u64),
        if evidence.history.operations.len() == 1 {
            "operation"
        } else {
            "operations"
        },
        if properties.is_empty() {
            "anything that was promised".to_owned()
        } else {
            words::listed(&properties)
        },
        if invariants.is_empty() {
            ""
        } else {
            ", and no invariant of the protocol was broken"
        },
    )
}

/// What a finding accuses the system of, in the checker's words.
fn accusation(finding: &Finding) -> String {
    words::tame(&finding.sentence, LONGEST)
}

/// Whether the headline is this finding's sentence, so that it need not be said again.
pub(crate) fn is_above(finding: &Finding, verdict: &VerdictRecord) -> bool {
    let above = match verdict.outcome {
        RunOutcome::Invalid => verdict.violation(),
        RunOutcome::Unknown => open_question(verdict),
        RunOutcome::Valid | RunOutcome::HarnessFailed | RunOutcome::Interrupted => None,
    };
    above.is_some_and(|above| std::ptr::eq(above, finding))
}

/// Whether the headline is the first thing that the coverage misses.
pub(crate) fn missing_is_above(verdict: &VerdictRecord) -> bool {
    verdict.outcome == RunOutcome::Unknown && open_question(verdict).is_none()
}

/// What a violation rests on, for where the accusation itself stands above: `proven by 3 operations on k0`.
pub(crate) fn proof(finding: &Finding) -> String {
    match finding.witnesses.first() {
        Some(witness) if !witness.operations.is_empty() => {
            let key = witness
                .key
                .as_deref()
                .map(|key| format!(" on {}", words::tame(key, 60)))
                .unwrap_or_default();
            let count = words::plural(witness.operations.len() as u64, "operation");
            format!("proven by {count}{key}")
        }
        Some(_) => "proven by what the nodes did and wrote down".to_owned(),
        None => "proven".to_owned(),
    }
}

/// `9 more witnesses are`: those that the finding keeps besides the first. A checker keeps a few of all violations, whose
/// number only its sentence says.
pub(crate) fn more_witnesses(finding: &Finding) -> Option<String> {
    let more = finding.witnesses.len().saturating_sub(1) as u64;
    let are = if more == 1 { "is" } else { "are" };
    (more > 0).then(|| format!("{} {are}", words::plural(more, "more witness")))
}

/// The first property that was not decided.
fn open_question(verdict: &VerdictRecord) -> Option<&Finding> {
    verdict
        .findings
        .iter()
        .find(|finding| finding.verdict == Verdict::Unknown)
}

/// The circumstances of the lie, in one sentence: who answered, who led, what was broken.
pub(crate) fn circumstances(evidence: &Evidence) -> Option<String> {
    let witness = evidence.verdict.as_ref()?.violation()?.witnesses.first()?;
    let Some(operation) = culprit(witness) else {
        return surroundings(evidence, witness);
    };
    let at = operation
        .completion
        .at
        .map_or(operation.invoked.time, |moment| moment.time);
    let node = operation.completion.node.as_ref().or(operation.node.as_ref());
    let mut sentence = match node {
        Some(node) => format!(
            "It was {} that answered, at {}",
            words::tame(node, 40),
            words::moment(at)
        ),
        None => format!("It was answered at {}", words::moment(at)),
    };
    if let Some((leader, term)) = evidence.leader_at(at) {
        let led = evidence
            .views()
            .filter(|(from, view)| *from <= at && view.leader == Some((leader, term)));
        let since = led.map(|(from, _)| from).min().unwrap_or(at);
        if node.is_some_and(|node| **node == leader.to_string()) {
            sentence.push_str(&format!(", leading in term {term}"));
        } else {
            let after = words::duration(at - since);
            sentence.push_str(&format!(", {after} after {leader} took the lead in term {term}"));
        }
    }
    if let Some(broken) = broken(evidence, operation.invoked.time, at) {
        sentence.push_str(&format!("; {broken}"));
    }
    Some(ended(sentence))
}

/// The sentence with a full stop, unless it ends already.
fn ended(mut sentence: String) -> String {
    if !sentence.ends_with(['…', '.']) {
        sentence.push('.');
    }
    sentence
}

/// The same for a witness that accuses no operation, but says when: who led, and what was broken.
fn surroundings(evidence: &Evidence, witness: &Witness) -> Option<String> {
    if !witness.operations.is_empty() {
        return None;
    }
    let (_, at) = crate::told::span(witness)?;
    let led = match evidence.leader_at(at) {
        Some((leader, term)) => format!("{leader} was seen to lead in term {term} then"),
        None => "Nobody was seen to lead then".to_owned(),
    };
    Some(match broken(evidence, at, at) {
        Some(broken) => ended(format!("{led}; {broken}")),
        None => format!("{led}; nothing was broken."),
    })
}

/// `broken then: partition {n1} | {n2,n3}`, the first few.
fn broken(evidence: &Evidence, from: u64, to: u64) -> Option<String> {
    let active: Vec<_> = evidence
        .faults_during(from, to)
        .take(3)
        .map(|fault| words::fault(fault, FAULT))
        .collect();
    (!active.is_empty()).then(|| format!("broken then: {}", words::listed(&active)))
}

fn fallen(verdict: &VerdictRecord) -> String {
    let problem = system_problems(verdict).into_iter().next();
    problem.map_or_else(
        || "A violation is proven.".to_owned(),
        |problem| ended(words::sentence(&problem)),
    )
}

/// What the system under test did that no system may do, a sentence each, whatever the history proves.
pub(crate) fn system_problems(verdict: &VerdictRecord) -> Vec<String> {
    let mut problems: Vec<String> = verdict
        .system_failures
        .iter()
        .map(|failure| {
            let reason = words::tame(&failure.reason, 1_000);
            match failure.node.map(|node| node.to_string()) {
                Some(node) if !reason.starts_with(&node) => {
                    format!("{node} at {}: {reason}", words::moment(failure.at))
                }
                _ => reason,
            }
        })
        .collect();
    // Who records that nodes did not recover as a failure has said which.
    if let Some(recovery) = verdict.recovery.as_ref().filter(|recovery| !recovery.complete())
        && verdict.system_failures.is_empty()
    {
        let late: Vec<String> = recovery
            .nodes
            .iter()
            .filter(|(_, after)| after.is_none_or(|after| after > recovery.limit_ns))
            .map(|(node, _)| node.to_string())
            .collect();
        problems.push(format!(
            "{} did not serve again within {} of the last heal",
            words::listed(&late),
            words::duration(recovery.limit_ns)
        ));
    }
    problems
}

fn undecided(verdict: &VerdictRecord) -> String {
    if let Some(finding) = open_question(verdict) {
        return words::tame(&finding.sentence, LONGEST);
    }
    match verdict.coverage.missing.first() {
        Some(missing) => format!(
            "Too little was covered to say anything: {}",
            words::tame(missing, LONGEST)
        ),
        None if verdict.findings.is_empty() => "Nothing was judged.".to_owned(),
        None => "Undecided.".to_owned(),
    }
}
