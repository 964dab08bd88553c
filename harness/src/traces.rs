//! The protocol's own invariants, judged on what the nodes of a run wrote down of themselves.
//!
//! Clients see only some of what goes wrong inside: two leaders of one term are a broken promise of the protocol
//! even if no client happened to be told a lie. The nodes' traces show it.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::Duration;

use perjury_checker::{Finding, Verdict, Witness};
use perjury_simulator::{Line as Described, Topic, spoken};
use perjury_systems::raft::{Raft, Trace, invariants::Recorded};
use perjury_systems::replica::{NodeId, Replica};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The property's name in verdicts.
pub const PROPERTY: &str = "protocol invariants";

/// Judges the traces of a run's nodes, in `folder`. None for a system that has no invariants over traces.
///
/// `began` is the wall clock, since the Unix epoch, when the run began.
///
/// # Errors
/// If a trace cannot be read.
pub fn judge(system: &str, nodes: u16, folder: &Path, began: Duration) -> std::io::Result<Option<Finding>> {
    if system != Raft::NAME {
        return Ok(None);
    }
    let mut lines = Vec::new();
    for node in (1..=nodes).map(NodeId) {
        read::<Trace>(node, &folder.join(format!("{node}.trace.jsonl")), &mut lines)?;
    }
    // A stable sort: what one node wrote stays in its order.
    lines.sort_by_key(|line| line.at);
    let mut invariants = Recorded::default();
    for (position, line) in lines.iter().enumerate() {
        if let Err(breach) = invariants.observe(line.node, &line.trace) {
            let seconds = Duration::from_nanos(line.at).saturating_sub(began).as_secs_f64();
            let sentence = format!("At {seconds:.3} s {breach}.");
            let witness = Witness {
                key: None,
                operations: Vec::new(),
                culprit: None,
                story: story(&lines[..=position], began),
                orders: Vec::new(),
            };
            return Ok(Some(finding(
                Verdict::Invalid,
                sentence,
                position + 1,
                vec![witness],
            )));
        }
    }
    if let Err(breach) = invariants.finish() {
        let witness = Witness {
            key: None,
            operations: Vec::new(),
            culprit: None,
            story: vec![format!("{breach}.")],
            orders: Vec::new(),
        };
        return Ok(Some(finding(
            Verdict::Invalid,
            format!("{breach}."),
            lines.len(),
            vec![witness],
        )));
    }
    if lines.is_empty() {
        let sentence = "The nodes wrote down nothing of themselves, so nothing can be said.".to_owned();
        return Ok(Some(finding(Verdict::Unknown, sentence, 0, Vec::new())));
    }
    let sentence = format!(
        "No invariant of the protocol was broken in {} recorded steps.",
        lines.len()
    );
    Ok(Some(finding(Verdict::Valid, sentence, lines.len(), Vec::new())))
}

fn finding(verdict: Verdict, sentence: String, steps: usize, witnesses: Vec<Witness>) -> Finding {
    Finding {
        property: PROPERTY.to_owned(),
        verdict,
        sentence,
        method: format!("traces ({steps} steps)"),
        operations: 0,
        states: 0,
        witnesses,
        linearizations: Vec::new(),
        levels: Vec::new(),
    }
}

/// Sentences of a story at most.
const SENTENCES: usize = 8;

/// What the nodes did last before the breach, as far as it is about elections, and what broke it.
fn story(lines: &[Line<Trace>], began: Duration) -> Vec<String> {
    let mut told: Vec<String> = lines
        .iter()
        .rev()
        .enumerate()
        .filter(|(back, line)| *back == 0 || about_elections(&line.trace))
        .take(SENTENCES)
        .map(|(_, line)| {
            let seconds = Duration::from_nanos(line.at).saturating_sub(began).as_secs_f64();
            told(seconds, &line.node, &format!("{:?}", line.trace))
        })
        .collect();
    told.reverse();
    told
}

/// The same for a simulated run, from the description of its last events.
pub fn retold(lines: &[Described]) -> Vec<String> {
    const ABOUT_ELECTIONS: [&str; 8] = [
        "Recovered",
        "Campaigned",
        "Voted ",
        "VoteCounted",
        "BecameLeader",
        "SteppedDown",
        "Truncated",
        "SnapshotInstalled",
    ];
    let steps = lines
        .iter()
        .rev()
        .filter(|line| line.topic == Topic::Step)
        .enumerate()
        .filter(|(back, line)| *back == 0 || ABOUT_ELECTIONS.iter().any(|name| line.text.starts_with(name)));
    let mut told: Vec<String> = steps
        .take(SENTENCES)
        .map(|(_, line)| told(line.at_ns as f64 / 1e9, &line.node, &line.text))
        .collect();
    told.reverse();
    told
}

/// A line of a story: `3.210 s  n2: became leader (term 4)`.
fn told(seconds: f64, node: &impl std::fmt::Display, step: &str) -> String {
    format!("{seconds:.3} s  {node}: {}", spoken(step))
}

fn about_elections(trace: &Trace) -> bool {
    matches!(
        trace,
        Trace::Recovered { .. }
            | Trace::Campaigned { .. }
            | Trace::Voted { .. }
            | Trace::VoteCounted { .. }
            | Trace::BecameLeader { .. }
            | Trace::SteppedDown { .. }
            | Trace::Truncated { .. }
            | Trace::SnapshotInstalled { .. }
    )
}

struct Line<T> {
    at: u64,
    node: NodeId,
    trace: T,
}

/// Adds a node's traces. A line that was cut short when the node was killed is left out; the next incarnation
/// went on behind it.
fn read<T: DeserializeOwned>(node: NodeId, path: &Path, lines: &mut Vec<Line<T>>) -> std::io::Result<()> {
    #[derive(Deserialize)]
    struct Raw<T> {
        at: u64,
        trace: T,
    }
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for line in BufReader::new(file).split(b'\n') {
        if let Ok(Raw { at, trace }) = serde_json::from_slice(&line?) {
            lines.push(Line { at, node, trace });
        }
    }
    Ok(())
}
