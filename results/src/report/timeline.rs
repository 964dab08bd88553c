//! The data of the interactive timeline: every operation where that is affordable; otherwise those around each
//! witness exactly, and the rest counted by lane and stretch of time.

use std::collections::BTreeMap;

use perjury_checker::{Operation, Outcome};
use perjury_runner::Phase;
use serde::Serialize;

use super::charts::class;
use super::messages::Diagram;
use super::picture::span;
use crate::evidence::Evidence;
use crate::words;

/// Operations that are shown one by one at most. At some 45 bytes each this stays below 1.5 MB.
const EXACT: usize = 30_000;
/// Witnesses that operations are shown around, if there are more operations than that.
const CENTRES: usize = 5;
/// Counters of the aggregate: lanes times stretches of time.
const COUNTERS: usize = 48_000;
/// Characters of a value.
const VALUE: usize = 48;
/// Bytes of all values together; later ones are left out.
const VALUES_BYTES: usize = 1_000_000;
/// Lanes by key at most; the busiest are shown.
const KEYS: usize = 64;
/// Faults and changes of the cluster at most.
const MARKS: usize = 4_000;

/// What the script gets. Times are microseconds since the start.
#[derive(Debug, Serialize)]
pub(crate) struct Timeline {
    end: u64,
    total: usize,
    exact: Vec<[u64; 2]>,
    clients: usize,
    keys: Vec<String>,
    functions: Vec<String>,
    nodes: Vec<String>,
    cluster: Vec<String>,
    strings: Vec<String>,
    ops: Columns,
    counts: Vec<Counts>,
    stretches: usize,
    faults: Vec<Fault>,
    views: Vec<View>,
    phases: Vec<(u64, &'static str)>,
    witnesses: Vec<WitnessMark>,
    pub(crate) messages: Option<Diagram>,
}

/// The operations, a column for each of their parts.
#[derive(Debug, Default, Serialize)]
struct Columns {
    id: Vec<usize>,
    /// Invocation.
    t: Vec<u64>,
    /// How long; -1 for one that never completed.
    d: Vec<i64>,
    /// Process.
    p: Vec<u64>,
    /// Lane among clients.
    c: Vec<usize>,
    /// Key, function, node (of those listed; -1 for none).
    k: Vec<i32>,
    f: Vec<usize>,
    n: Vec<i32>,
    /// Outcome: 0 ok, 1 fail, 2 info.
    o: Vec<usize>,
    /// What was asked and what came of it, among the strings.
    a: Vec<usize>,
    r: Vec<usize>,
}

/// Invocations of one lane by stretch of time and outcome, run-length: `[stretch, ok, fail, info]`.
#[derive(Debug, Serialize)]
struct Counts {
    lane: usize,
    cells: Vec<[u32; 4]>,
}

#[derive(Debug, Serialize)]
struct Fault {
    id: u32,
    from: u64,
    to: Option<u64>,
    kind: String,
    text: String,
    /// The nodes that it hits.
    nodes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct View {
    t: u64,
    leader: Option<String>,
    term: Option<u64>,
    up: Vec<String>,
}

#[derive(Debug, Serialize)]
struct WitnessMark {
    from: u64,
    to: u64,
    culprit: Option<usize>,
    ops: Vec<usize>,
    property: String,
}

impl Timeline {
    /// Whether operations were left out one by one, for whoever reads the page.
    pub(crate) fn is_aggregated(&self) -> bool {
        self.ops.id.len() < self.total
    }

    /// How many operations are shown one by one.
    pub(crate) fn shown(&self) -> String {
        words::count(self.ops.id.len() as u64)
    }

    pub(crate) fn of(evidence: &Evidence) -> Self {
        let operations = &evidence.history.operations;
        let clients = lanes(evidence);
        let witnesses = witnesses(evidence);
        let (chosen, exact) = choose(operations, &witnesses);
        let mut names = Names::new(operations);
        let mut columns = Columns::default();
        for &position in &chosen {
            let operation = &operations[position];
            columns.id.push(operation.id);
            columns.t.push(operation.invoked.time / 1_000);
            columns.d.push(match operation.completion.at {
                Some(at) => (at.time.saturating_sub(operation.invoked.time) / 1_000) as i64,
                None => -1,
            });
            columns.p.push(operation.process);
            columns.c.push(lane(operation, clients));
            columns.k.push(names.key(operation));
            columns.f.push(names.function(operation));
            columns.n.push(names.node(operation));
            columns.o.push(class(operation.completion.outcome));
            let asked = words::call(operation, VALUE);
            columns.a.push(names.string(asked));
            let told = match operation.completion.outcome {
                Outcome::Info => operation.completion.error.as_deref().map_or_else(
                    || "unknown".to_owned(),
                    |error| format!("unknown: {}", words::tame(error, VALUE)),
                ),
                Outcome::Fail if !operation.precondition_failed() => {
                    operation.completion.error.as_deref().map_or_else(
                        || "failed".to_owned(),
                        |error| format!("failed: {}", words::tame(error, VALUE)),
                    )
                }
                _ => words::result(operation, VALUE, 0),
            };
            columns.r.push(names.string(told));
        }
        let aggregated = chosen.len() < operations.len();
        let (counts, stretches) = if aggregated {
            count(evidence, clients)
        } else {
            (Vec::new(), 0)
        };
        Timeline {
            end: evidence.end() / 1_000 + 1,
            total: operations.len(),
            exact,
            clients,
            keys: names.keys,
            functions: names.functions,
            nodes: names.nodes,
            cluster: (1..=evidence.test.nodes.min(25))
                .map(|node| format!("n{node}"))
                .collect(),
            strings: names.strings,
            ops: columns,
            counts,
            stretches,
            faults: faults(evidence),
            views: views(evidence),
            phases: evidence
                .phases()
                .map(|(phase, at)| (at / 1_000, phase_name(phase)))
                .collect(),
            witnesses,
            messages: Diagram::of(evidence),
        }
    }
}

/// Processes are numbered anew after an unknown outcome (`process + concurrency`), so a client's operations
/// are those of all its numbers.
fn lanes(evidence: &Evidence) -> usize {
    let most = evidence
        .history
        .operations
        .iter()
        .map(|operation| operation.process)
        .max()
        .map_or(0, |most| most + 1);
    evidence
        .test
        .concurrency
        .max(1)
        .min(usize::try_from(most).unwrap_or(usize::MAX).max(1))
        .min(256)
}

fn lane(operation: &Operation, clients: usize) -> usize {
    (operation.process % clients as u64) as usize
}

fn witnesses(evidence: &Evidence) -> Vec<WitnessMark> {
    let findings = evidence.verdict.iter().flat_map(|verdict| &verdict.findings);
    findings
        .flat_map(|finding| finding.witnesses.iter().map(move |witness| (finding, witness)))
        .take(50)
        .map(|(finding, witness)| {
            let (from, to) = span(witness);
            WitnessMark {
                from: from / 1_000,
                to: to / 1_000,
                culprit: witness.culprit,
                ops: witness.operations.iter().map(|operation| operation.id).collect(),
                property: words::tame(&finding.property, 60),
            }
        })
        .collect()
}

/// The operations that are shown one by one, and the spans (in microseconds) in which that is all of them.
fn choose(operations: &[Operation], witnesses: &[WitnessMark]) -> (Vec<usize>, Vec<[u64; 2]>) {
    if operations.len() <= EXACT {
        return ((0..operations.len()).collect(), Vec::new());
    }
    let mut chosen = std::collections::BTreeSet::new();
    let mut exact = Vec::new();
    let nobody = [WitnessMark {
        from: 0,
        to: 0,
        culprit: None,
        ops: Vec::new(),
        property: String::new(),
    }];
    let centres = if witnesses.is_empty() {
        &nobody[..]
    } else {
        &witnesses[..witnesses.len().min(CENTRES)]
    };
    let around_each = EXACT / centres.len();
    for witness in centres {
        // Around the lie, as many before as after, so that what led to it and what came of it are both there.
        let focus = witness
            .culprit
            .or_else(|| witness.ops.last().copied())
            .unwrap_or_else(|| {
                operations.partition_point(|operation| operation.invoked.time / 1_000 < witness.to)
            });
        let from = focus.saturating_sub(around_each / 2);
        let to = (from + around_each).min(operations.len());
        chosen.extend(from..to);
        chosen.extend(witness.ops.iter().copied().filter(|id| *id < operations.len()));
        if let (Some(first), Some(last)) = (operations.get(from), operations[..to].last()) {
            exact.push([first.invoked.time / 1_000, last.invoked.time / 1_000]);
        }
    }
    (chosen.into_iter().collect(), exact)
}

/// Strings and names, each written once.
struct Names {
    keys: Vec<String>,
    key_places: BTreeMap<perjury_checker::Key, i32>,
    functions: Vec<String>,
    nodes: Vec<String>,
    strings: Vec<String>,
    places: BTreeMap<String, usize>,
    bytes: usize,
}

impl Names {
    fn new(operations: &[Operation]) -> Self {
        let mut used: BTreeMap<&perjury_checker::Key, u64> = BTreeMap::new();
        for key in operations.iter().filter_map(|operation| operation.key.as_ref()) {
            *used.entry(key).or_default() += 1;
        }
        let mut busiest: Vec<_> = used.into_iter().collect();
        busiest.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        busiest.truncate(KEYS);
        busiest.sort();
        Names {
            keys: busiest.iter().map(|(key, _)| words::tame(key, VALUE)).collect(),
            key_places: busiest
                .iter()
                .zip(0..)
                .map(|((key, _), place)| ((*key).clone(), place))
                .collect(),
            functions: Vec::new(),
            nodes: Vec::new(),
            strings: vec!["(left out)".to_owned()],
            places: BTreeMap::new(),
            bytes: 0,
        }
    }

    fn key(&self, operation: &Operation) -> i32 {
        operation
            .key
            .as_ref()
            .and_then(|key| self.key_places.get(key))
            .copied()
            .unwrap_or(-1)
    }

    fn function(&mut self, operation: &Operation) -> usize {
        place(&mut self.functions, operation.f.name(), 64)
    }

    fn node(&mut self, operation: &Operation) -> i32 {
        let node = operation.completion.node.as_ref().or(operation.node.as_ref());
        node.map_or(-1, |node| place(&mut self.nodes, node, 256) as i32)
    }

    fn string(&mut self, text: String) -> usize {
        if let Some(&place) = self.places.get(&text) {
            return place;
        }
        if self.bytes + text.len() > VALUES_BYTES {
            return 0;
        }
        self.bytes += text.len();
        self.strings.push(text.clone());
        self.places.insert(text, self.strings.len() - 1);
        self.strings.len() - 1
    }
}

/// The place of a name in a short list, which grows to `most` names; what comes after shares the last.
fn place(names: &mut Vec<String>, name: &str, most: usize) -> usize {
    let name = words::tame(name, VALUE);
    if let Some(found) = names.iter().position(|known| *known == name) {
        return found;
    }
    if names.len() < most {
        names.push(name);
    }
    names.len() - 1
}

fn count(evidence: &Evidence, clients: usize) -> (Vec<Counts>, usize) {
    let stretches = (COUNTERS / clients).clamp(60, 1_500);
    let end = u128::from(evidence.end()) + 1;
    let mut grid = vec![[0_u32; 3]; clients * stretches];
    for operation in &evidence.history.operations {
        let stretch = (u128::from(operation.invoked.time) * stretches as u128 / end) as usize;
        let place = lane(operation, clients) * stretches + stretch.min(stretches - 1);
        grid[place][class(operation.completion.outcome)] += 1;
    }
    let counts = grid
        .chunks(stretches)
        .enumerate()
        .map(|(lane, cells)| Counts {
            lane,
            cells: cells
                .iter()
                .zip(0_u32..)
                .filter(|(counts, _)| counts.iter().any(|count| *count > 0))
                .map(|(&[ok, fail, info], stretch)| [stretch, ok, fail, info])
                .collect(),
        })
        .collect();
    (counts, stretches)
}

fn faults(evidence: &Evidence) -> Vec<Fault> {
    let injected = evidence.faults.iter().filter_map(|fault| {
        Some(Fault {
            id: fault.id,
            from: fault.injected_at? / 1_000,
            to: fault.healed_at.map(|at| at / 1_000),
            kind: words::tame(&fault.kind, 20),
            text: words::fault(fault, 120),
            nodes: (1..=evidence.test.nodes)
                .map(perjury_nemesis::Node)
                .filter(|node| crate::evidence::hits(fault, *node))
                .map(|node| node.to_string())
                .collect(),
        })
    });
    injected.take(MARKS).collect()
}

fn views(evidence: &Evidence) -> Vec<View> {
    let views = evidence.views().map(|(at, view)| View {
        t: at / 1_000,
        leader: view.leader.map(|(node, _)| node.to_string()),
        term: view.leader.map(|(_, term)| term),
        up: view.up.iter().map(ToString::to_string).collect(),
    });
    views.take(MARKS).collect()
}

pub(crate) fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Start => "start",
        Phase::Main => "main",
        Phase::Heal => "heal",
        Phase::Recover => "recover",
        Phase::Final => "final reads",
        Phase::Done => "done",
    }
}
