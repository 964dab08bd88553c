//! Who still answered while something was broken, and how soon after it was healed.
//!
//! The sides of a partition are told apart by who can still talk to whom in both directions: the side that holds
//! more than half of the nodes, and the rest. What is said of CP and AP follows Gilbert and Lynch: it is what was
//! observed in this run, not a promise.

use std::collections::{BTreeMap, BTreeSet};

use perjury_checker::{Operation, Outcome, Verdict};
use perjury_nemesis::{Node, Resolved};
use perjury_runner::FaultRecord;

use super::charts::quantile;
use super::tables::Table;
use crate::evidence::{Evidence, hits};
use crate::headline;
use crate::words;

/// Rows of the table of heals.
const HEALS: usize = 60;
/// Of every hundred requests so many must succeed on a side for it to count as available.
const AVAILABLE_PERCENT: u64 = 99;

/// What was observed of availability.
#[derive(Debug, Default)]
pub(crate) struct Availability {
    /// `CP`, `AP`, …; empty if nothing was partitioned, or nobody asked those who were cut off.
    pub word: &'static str,
    pub sentence: String,
    /// What each side answered during partitions.
    pub sides: Table,
    /// How soon after each heal somebody answered again.
    pub heals: Table,
    pub more_heals: usize,
    /// Latency by kind of operation.
    pub kinds: Table,
}

impl Availability {
    pub(crate) fn of(evidence: &Evidence) -> Self {
        let (heals, more_heals) = heals(evidence);
        let sides = Sides::of(evidence);
        let (word, sentence) = sides
            .as_ref()
            .map(|sides| sides.judge(evidence))
            .unwrap_or_default();
        Availability {
            word,
            sentence,
            sides: sides.map(|sides| sides.table()).unwrap_or_default(),
            heals,
            more_heals,
            kinds: kinds(evidence),
        }
    }
}

/// The node that an operation's outcome is due to: who answered, or else who was asked.
fn node(operation: &Operation) -> Option<&str> {
    operation.completion.node.as_deref().or(operation.node.as_deref())
}

/// The nodes that are on the larger side of a cut; none if there is no side with more than half of all.
fn majority(fault: &FaultRecord, nodes: u16) -> Option<BTreeSet<Node>> {
    let Resolved::Cut { links } = &fault.fault else {
        return None;
    };
    let cut = |one: Node, other: Node| {
        links
            .iter()
            .any(|link| (link.from, link.to) == (one, other) || (link.from, link.to) == (other, one))
    };
    let mut rest: BTreeSet<Node> = (1..=nodes).map(Node).collect();
    while let Some(first) = rest.pop_first() {
        let mut side = BTreeSet::from([first]);
        let mut fresh = vec![first];
        while let Some(one) = fresh.pop() {
            let near: Vec<Node> = rest.iter().copied().filter(|other| !cut(one, *other)).collect();
            for other in near {
                rest.remove(&other);
                side.insert(other);
                fresh.push(other);
            }
        }
        if side.len() * 2 > usize::from(nodes) {
            return Some(side);
        }
    }
    Some(BTreeSet::new())
}

/// `3 of 4`.
fn counted(ok: u64, asked: u64) -> String {
    format!("{} of {}", words::count(ok), words::count(asked))
}

/// What came of the operations that one side was asked.
#[derive(Debug, Default)]
struct Answers {
    ok: u64,
    refused: u64,
    unknown: u64,
    /// Latencies of what succeeded, in nanoseconds.
    latencies: Vec<u64>,
    errors: BTreeMap<String, u64>,
}

impl Answers {
    fn asked(&self) -> u64 {
        self.ok + self.refused + self.unknown
    }

    fn add(&mut self, operation: &Operation) {
        let completion = &operation.completion;
        match completion.outcome {
            // A comparison that differed is an answer, too.
            Outcome::Ok => self.succeeded(operation),
            Outcome::Fail if operation.precondition_failed() => self.succeeded(operation),
            Outcome::Fail => self.refused += 1,
            Outcome::Info => self.unknown += 1,
        }
        if let Some(error) = completion
            .error
            .as_deref()
            .filter(|_| !operation.precondition_failed())
        {
            *self.errors.entry(words::tame(error, 40)).or_default() += 1;
        }
    }

    fn succeeded(&mut self, operation: &Operation) {
        self.ok += 1;
        if let Some(at) = operation.completion.at {
            self.latencies
                .push(at.time.saturating_sub(operation.invoked.time));
        }
    }

    /// The most frequent errors: `no-leader 38 times, time-out 3 times`.
    fn errors(&self) -> String {
        let mut errors: Vec<_> = self.errors.iter().collect();
        errors.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        let told: Vec<String> = errors
            .into_iter()
            .take(3)
            .map(|(error, count)| format!("{error} {}", words::plural(*count, "time")))
            .collect();
        if told.is_empty() {
            "–".to_owned()
        } else {
            told.join(", ")
        }
    }
}

/// Both sides of all partitions, by what was asked.
#[derive(Debug, Default)]
struct Sides {
    /// The function and whether it was the majority's side.
    answers: BTreeMap<(String, bool), Answers>,
    /// After each cut, how long it took until the larger side answered a request that came after it.
    failover: Vec<u64>,
    partitions: u64,
}

impl Sides {
    fn of(evidence: &Evidence) -> Option<Self> {
        let mut sides = Sides::default();
        for fault in &evidence.faults {
            let (Some(from), Some(majority)) = (fault.injected_at, majority(fault, evidence.test.nodes))
            else {
                continue;
            };
            // A cut that leaves everybody in touch with everybody has no sides.
            if majority.len() == usize::from(evidence.test.nodes) {
                continue;
            }
            let to = fault.healed_at.unwrap_or(u64::MAX);
            sides.partitions += 1;
            let names: BTreeSet<String> = majority.iter().map(ToString::to_string).collect();
            let operations = &evidence.history.operations;
            let first = operations.partition_point(|operation| operation.invoked.time < from);
            let mut served = false;
            for operation in operations[first..]
                .iter()
                .take_while(|operation| operation.invoked.time <= to)
            {
                let (Some(node), Some(at)) = (node(operation), operation.completion.at) else {
                    continue;
                };
                // What was answered after healing says nothing of the partition.
                if at.time > to {
                    continue;
                }
                let larger = names.contains(node);
                if larger && !served && operation.completion.outcome == Outcome::Ok {
                    served = true;
                    sides.failover.push(at.time - from);
                }
                sides
                    .answers
                    .entry((words::tame(operation.f.name(), 40), larger))
                    .or_default()
                    .add(operation);
            }
        }
        (sides.partitions > 0).then_some(sides)
    }

    /// Succeeded and asked, on one side, whatever it was.
    fn total(&self, larger: bool) -> (u64, u64) {
        let of_side = self.answers.iter().filter(|((_, side), _)| *side == larger);
        of_side.fold((0, 0), |(ok, asked), (_, answers)| {
            (ok + answers.ok, asked + answers.asked())
        })
    }

    fn judge(&self, evidence: &Evidence) -> (&'static str, String) {
        let (minority_ok, minority) = self.total(false);
        let (majority_ok, majority) = self.total(true);
        let partitions = words::plural(self.partitions, "partition");
        if minority == 0 {
            let larger = match majority {
                0 => "nobody asked anybody".to_owned(),
                _ => format!(
                    "{} that came to the larger side succeeded, and nobody asked those who were cut off",
                    counted(majority_ok, majority)
                ),
            };
            return (
                "",
                format!("During {partitions}, {larger}: nothing was observed of availability."),
            );
        }
        let seen = format!(
            "During {partitions}, {} that came to the larger side succeeded, and {} that came to nodes cut off from it",
            counted(majority_ok, majority),
            counted(minority_ok, minority),
        );
        let broken = evidence
            .verdict
            .iter()
            .flat_map(|verdict| &verdict.findings)
            .any(|finding| finding.verdict == Verdict::Invalid && headline::seen_by_clients(finding));
        let available = |ok: u64, asked: u64| ok * 100 >= asked * AVAILABLE_PERCENT;
        let (word, meaning) = if broken && minority_ok > 0 {
            (
                "broken",
                "a side that could not know the truth answered, and what was promised does not hold",
            )
        } else if broken {
            (
                "broken",
                "what was promised does not hold, though those who were cut off did not answer",
            )
        } else if minority_ok == 0 && majority_ok > 0 {
            (
                "CP",
                "those who were cut off gave up availability to stay consistent",
            )
        } else if majority_ok + minority_ok == 0 {
            ("neither", "nobody answered, though nothing was contradicted")
        } else if available(minority_ok, minority) && available(majority_ok, majority) {
            ("AP", "every side went on answering")
        } else {
            (
                "mixed",
                "those who were cut off answered some, and nothing that clients saw contradicts what was promised",
            )
        };
        let slowest = self.failover.iter().max().map_or(String::new(), |slowest| {
            let slowest = words::duration(*slowest);
            format!(" After a cut, the first success on the larger side took {slowest} at the latest.")
        });
        (word, format!("{seen}: {meaning}.{slowest}"))
    }

    fn table(self) -> Table {
        let rows: Vec<Vec<String>> = self
            .answers
            .into_iter()
            .map(|((function, larger), mut answers)| {
                answers.latencies.sort_unstable();
                let errors = answers.errors();
                vec![
                    format!("{function}, {}", if larger { "larger side" } else { "cut off" }),
                    words::count(answers.asked()),
                    words::count(answers.ok),
                    words::count(answers.refused),
                    words::count(answers.unknown),
                    quantile(&answers.latencies, 0.5).map_or_else(|| "–".to_owned(), words::duration),
                    errors,
                ]
            })
            .collect();
        Table {
            heads: [
                "asked what, by whom",
                "asked",
                "ok",
                "refused",
                "unknown",
                "median",
                "errors",
            ]
            .map(str::to_owned)
            .into(),
            rows,
        }
    }
}

/// For each fault that was healed: how long nothing at all succeeded while it was active, and how soon after it
/// there was a success, anywhere and by each node that it hit.
fn heals(evidence: &Evidence) -> (Table, usize) {
    let mut successes: Vec<(u64, Option<&str>)> = evidence
        .history
        .operations
        .iter()
        .filter(|operation| operation.completion.outcome == Outcome::Ok)
        .filter_map(|operation| {
            Some((
                operation.completion.at?.time,
                operation.completion.node.as_deref(),
            ))
        })
        .collect();
    successes.sort_unstable();
    let mut rows = Vec::new();
    let mut healed = 0;
    for fault in &evidence.faults {
        let (Some(from), Some(to)) = (fault.injected_at, fault.healed_at) else {
            continue;
        };
        healed += 1;
        if rows.len() == HEALS {
            continue;
        }
        let after = successes.partition_point(|(at, _)| *at < to);
        let any = successes.get(after).map(|(at, _)| at - to);
        let nodes: Vec<String> = (1..=evidence.test.nodes)
            .map(Node)
            .filter(|node| hits(fault, *node))
            .map(|node| node.to_string())
            .collect();
        let each: Vec<String> = nodes
            .iter()
            .map(|node| {
                let again = successes[after..]
                    .iter()
                    .find(|(_, by)| *by == Some(node.as_str()));
                let after = again.map_or_else(|| "not seen".to_owned(), |(at, _)| words::duration(at - to));
                format!("{node} {after}")
            })
            .collect();
        let within = &successes[successes.partition_point(|(at, _)| *at < from)..after];
        let mut silence = 0;
        let mut last = from;
        for at in within.iter().map(|(at, _)| *at).chain([to]) {
            silence = silence.max(at - last);
            last = at;
        }
        rows.push(vec![
            words::fault(fault, 80),
            words::moment(to),
            words::duration(silence),
            any.map_or_else(|| "never".to_owned(), words::duration),
            if each.is_empty() {
                "–".to_owned()
            } else {
                each.join(", ")
            },
        ]);
    }
    let table = Table {
        heads: [
            "fault",
            "healed",
            "longest without a success meanwhile",
            "first success after",
            "by those who were hit, after",
        ]
        .map(str::to_owned)
        .into(),
        rows,
    };
    (table, healed - healed.min(HEALS))
}

/// Latency of what succeeded, by kind of operation.
fn kinds(evidence: &Evidence) -> Table {
    let mut kinds: BTreeMap<&str, Answers> = BTreeMap::new();
    for operation in &evidence.history.operations {
        kinds.entry(operation.f.name()).or_default().add(operation);
    }
    let rows = kinds
        .into_iter()
        .take(20)
        .map(|(kind, mut answers)| {
            answers.latencies.sort_unstable();
            let quantiles = [0.5, 0.95, 0.99, 1.0]
                .map(|q| quantile(&answers.latencies, q).map_or_else(|| "–".to_owned(), words::duration));
            let counts = [answers.ok, answers.refused, answers.unknown].map(words::count);
            std::iter::once(words::tame(kind, 40))
                .chain(counts)
                .chain(quantiles)
                .collect()
        })
        .collect();
    Table {
        heads: [
            "kind", "answered", "refused", "unknown", "median", "95 %", "99 %", "max",
        ]
        .map(str::to_owned)
        .into(),
        rows,
    }
}
