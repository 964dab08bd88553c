//! A run in words: what broke, what the protocol did, and what was violated, step by step.

use std::fmt;

use perjury_runner::{Notice, Phase};
use perjury_systems::replica::ConfigError;

use crate::run::{Outcome, Violation, Wanted, run};
use crate::setup::Setup;
use crate::spoken::spoken;
use crate::world::{Line, Topic};

/// Steps that are told only of short runs, since there are so many of them.
const FREQUENT: &[&str] = &[
    "Applied",
    "Proposed",
    "Appended",
    "Committed",
    "Acked",
    "ReadInvoked",
    "ReadServed",
    "VoteCounted",
];

/// A run with at most so many lines is told with everything.
const SHORT: usize = 60;

/// One sentence of a story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentence {
    /// When, in nanoseconds since the start.
    pub at_ns: u64,
    /// What.
    pub text: String,
}

impl fmt::Display for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>9.3} s  {}", self.at_ns as f64 / 1e9, self.text)
    }
}

/// Tells a run: at most `most` sentences, those nearest to its end.
///
/// # Errors
/// If the setup cannot be run.
pub fn story(setup: &Setup, invariants: bool, most: usize) -> Result<Vec<Sentence>, ConfigError> {
    let wanted = Wanted {
        invariants,
        notices: true,
        transcript: Some((0, u64::MAX)),
        ..Wanted::default()
    };
    let mut outcome = run(setup, &wanted)?;
    let lines = std::mem::take(&mut outcome.transcript);
    // In a run that is written out, little happens and all of it matters.
    let written = setup.script.is_some();
    let steps = || {
        lines
            .iter()
            .filter(|line| matches!(line.topic, Topic::Step | Topic::Fault) || (written && tells(line)))
    };
    let frequent = |line: &&Line| FREQUENT.iter().any(|name| line.text.starts_with(name));
    let everything = written || steps().count() <= SHORT;
    let mut sentences: Vec<Sentence> = steps()
        .filter(|line| everything || !frequent(line))
        .map(|line| Sentence {
            at_ns: line.at_ns,
            text: match line.topic {
                Topic::Step => format!("{}: {}", line.node, spoken(&line.text)),
                Topic::Message => message(line),
                _ => format!("{} {}", line.node, line.text),
            },
        })
        .collect();
    sentences.extend(told(&outcome));
    // A stable sort: what a fault brings about is told after it.
    sentences.sort_by_key(|sentence| sentence.at_ns);
    sentences.drain(..sentences.len().saturating_sub(most));
    sentences.extend(outcome.violations.iter().map(|violation: &Violation| Sentence {
        at_ns: outcome.virtual_ns,
        text: violation.to_string(),
    }));
    Ok(sentences)
}

/// Whether a line of a run that is written out belongs to its story: a message that is lost or arrives, a request, an
/// answer. That a message leaves which arrives is not told twice.
fn tells(line: &Line) -> bool {
    match line.topic {
        Topic::Message => line.text.starts_with("receives") || line.text.contains("(lost)"),
        Topic::Work => !line.text.starts_with("its log"),
        Topic::Step | Topic::Fault => true,
    }
}

/// `sends to n2 (lost): Vote { term: 2 }` as a sentence.
fn message(line: &Line) -> String {
    let (way, what) = line.text.split_once(": ").unwrap_or((&line.text, ""));
    let what = spoken(what);
    match way
        .strip_prefix("sends to ")
        .and_then(|to| to.strip_suffix(" (lost)"))
    {
        Some(to) => format!("{}'s {what} to {to} is lost", line.node),
        None => format!("{} {way}: {what}", line.node),
    }
}

/// What the runner told of faults and phases.
fn told(outcome: &Outcome) -> Vec<Sentence> {
    let mut sentences = Vec::new();
    for notice in &outcome.notices {
        match notice {
            Notice::Phase { phase, at } if *phase > Phase::Start => sentences.push(Sentence {
                at_ns: *at,
                text: format!("── {} ──", format!("{phase:?}").to_lowercase()),
            }),
            _ => {}
        }
    }
    for fault in &outcome.finished.faults {
        let ends = [(fault.injected_at, ""), (fault.healed_at, "healed: ")];
        for (at, word) in ends {
            sentences.extend(at.map(|at_ns| Sentence {
                at_ns,
                text: format!("{word}{}", fault.description),
            }));
        }
    }
    sentences
}
