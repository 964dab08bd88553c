//! The protocol's own invariants, judged on what the nodes of a run wrote down of themselves.
//!
//! Clients see only some of what goes wrong inside: two leaders of one term are a broken promise of the protocol
//! even if no client happened to be told a lie. The nodes' traces show it.

mod proof;

use std::fmt::Debug;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::Duration;

use perjury_checker::{Finding, Verdict, Witness};
use perjury_simulator::{Line as Described, Topic};
use perjury_systems::breach::Judge;
use perjury_systems::registry::{self, Visitor};
use perjury_systems::replica::{Cluster, NodeId, Replica};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use self::proof::{Step, chosen};

/// The property's name in verdicts.
pub const PROPERTY: &str = perjury_results::INVARIANTS;

/// Judges the traces of a cluster's nodes, in `folder`. None for a system that has no invariants over traces.
///
/// `began` is the wall clock, since the Unix epoch, when the run began.
///
/// # Errors
/// If a trace cannot be read.
pub fn judge(
    system: &str,
    cluster: &Cluster,
    folder: &Path,
    began: Duration,
) -> std::io::Result<Option<Finding>> {
    struct Judged<'a> {
        cluster: &'a Cluster,
        folder: &'a Path,
        began: Duration,
        story: &'a [&'a str],
    }
    impl Visitor for Judged<'_> {
        type Output = std::io::Result<Option<Finding>>;

        fn visit<R: Replica>(self) -> Self::Output {
            let Some(mut judge) = R::judge(self.cluster) else {
                return Ok(None);
            };
            let mut lines = Vec::new();
            for &node in &self.cluster.nodes {
                let file = self.folder.join(format!("{node}.trace.jsonl"));
                read::<R::Trace>(node, &file, &mut lines)?;
            }
            // A stable sort: what one node wrote stays in its order.
            lines.sort_by_key(|line| line.at);
            Ok(Some(judged(&mut *judge, &lines, self.began, self.story)))
        }
    }
    let judged = Judged {
        cluster,
        folder,
        began,
        story: story_of(system),
    };
    registry::visit(system, judged).unwrap_or(Ok(None))
}

/// The names of the steps that belong in a story of this system.
fn story_of(system: &str) -> &'static [&'static str] {
    registry::system(system).map_or(&[], |system| system.story)
}

fn judged<T: Debug>(judge: &mut dyn Judge<T>, lines: &[Line<T>], began: Duration, story: &[&str]) -> Finding {
    let broken = |sentence: String, steps: usize, story: Vec<String>| {
        let witness = Witness {
            key: None,
            operations: Vec::new(),
            culprit: None,
            story,
            orders: Vec::new(),
        };
        finding(Verdict::Invalid, sentence, steps, vec![witness])
    };
    for (position, line) in lines.iter().enumerate() {
        if let Err(breach) = judge.observe(line.node, &line.trace) {
            let seconds = Duration::from_nanos(line.at).saturating_sub(began).as_secs_f64();
            let sentence = format!("At {seconds:.3} s {breach}.");
            let told = told_of(&lines[..=position], began, story, &sentence);
            return broken(sentence, position + 1, told);
        }
    }
    if let Err(breach) = judge.finish() {
        return broken(format!("{breach}."), lines.len(), vec![format!("{breach}.")]);
    }
    if lines.is_empty() {
        let sentence = "The nodes wrote down nothing of themselves, so nothing can be said.".to_owned();
        return finding(Verdict::Unknown, sentence, 0, Vec::new());
    }
    let sentence = format!(
        "No invariant of the protocol was broken in {} recorded steps.",
        lines.len()
    );
    finding(Verdict::Valid, sentence, lines.len(), Vec::new())
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

/// What the nodes did before the breach, as far as a story tells it, and what broke it.
fn told_of<T: Debug>(lines: &[Line<T>], began: Duration, story: &[&str], sentence: &str) -> Vec<String> {
    let steps = lines.iter().enumerate().rev().map(|(position, line)| Step {
        event: position as u64,
        seconds: Duration::from_nanos(line.at).saturating_sub(began).as_secs_f64(),
        node: line.node.to_string(),
        text: format!("{:?}", line.trace),
    });
    chosen(steps, story, sentence)
}

/// The same for a simulated run, from the description of its last events, and the sentence that says what was broken.
pub fn retold(system: &str, lines: &[Described], sentence: &str) -> Vec<String> {
    let steps = lines
        .iter()
        .rev()
        .filter(|line| line.topic == Topic::Step)
        .map(|line| Step {
            event: line.event,
            seconds: line.at_ns as f64 / 1e9,
            node: line.node.to_string(),
            text: line.text.clone(),
        });
    chosen(steps, story_of(system), sentence)
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
