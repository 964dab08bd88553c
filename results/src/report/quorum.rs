//! Quorums: which replicas took part where something went wrong, and how stale reads were.

use perjury_checker::quorum::{Staleness, Visibility, staleness};
use perjury_checker::{Function, Operation, Quorum, Verdict};

use super::tables::Table;
use crate::evidence::Evidence;
use crate::words;

/// Operations of a pair that are drawn, at most.
const OPERATIONS: usize = 4;
/// Distance between two replicas, and between two operations, in the picture.
const STEP: f64 = 34.0;
/// Where the picture's grid begins.
const GRID: (f64, f64) = (300.0, 30.0);

/// The part of the report; empty for systems that tell nothing of quorums.
#[derive(Debug, Default)]
pub(crate) struct Quorums {
    /// Whether there is anything to show.
    pub any: bool,
    /// How stale reads were, in a sentence.
    pub sentence: String,
    /// The operations that convict, and the replicas that took part.
    pub pair: Option<Pair>,
    /// By *k*.
    pub behind: Table,
    /// By time since the newest write.
    pub visibility: Table,
    /// The curve of visibility: `x,y` in a box of 100 by 100, and what is under it.
    pub curve: String,
    /// The same of what was predicted; empty if nothing was.
    pub predicted: String,
    pub ticks: Vec<(f64, String)>,
}

/// Replicas by operations.
#[derive(Debug)]
pub(crate) struct Pair {
    pub replicas: Vec<(f64, String)>,
    pub rows: Vec<Row>,
    pub width: f64,
    pub height: f64,
    pub table: Table,
    /// Where they failed to meet.
    pub met: String,
}

/// One operation of the pair.
#[derive(Debug)]
pub(crate) struct Row {
    pub y: f64,
    pub label: String,
    pub dots: Vec<Dot>,
}

/// Whether a replica was counted for an operation.
#[derive(Debug)]
pub(crate) struct Dot {
    pub x: f64,
    pub class: &'static str,
    pub title: String,
}

impl Quorums {
    pub(crate) fn of(evidence: &Evidence) -> Self {
        let pair = evidence
            .verdict
            .iter()
            .flat_map(|verdict| &verdict.findings)
            .filter(|finding| finding.verdict == Verdict::Invalid)
            .flat_map(|finding| &finding.witnesses)
            .find_map(|witness| Pair::of(&witness.operations));
        let Some(measured) = staleness(&evidence.history) else {
            return Quorums {
                any: pair.is_some(),
                pair,
                ..Quorums::default()
            };
        };
        let verdict = evidence.verdict.as_ref();
        let predicted = verdict.map_or(&[][..], |verdict| &verdict.predicted_visibility);
        Quorums {
            any: true,
            sentence: measured.sentence(),
            pair,
            behind: behind(&measured),
            curve: curve(&measured, &measured.visibility),
            predicted: curve(&measured, predicted),
            ticks: ticks(&measured),
            visibility: visibility(&measured, predicted),
        }
    }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

fn behind(measured: &Staleness) -> Table {
    let heads = [
        "writes behind",
        "reads",
        "share of that or more",
        "random quorums",
    ];
    let rows = measured.behind.iter().enumerate().map(|(k, reads)| {
        vec![
            k.to_string(),
            reads.to_string(),
            percent(measured.share(k)),
            percent(measured.predicted(k)),
        ]
    });
    Table {
        heads: heads.map(str::to_owned).into(),
        rows: rows.collect(),
    }
}

/// The points of a curve at which anything was measured.
fn shown<'a>(measured: &'a Staleness, curve: &'a [Visibility]) -> impl Iterator<Item = &'a Visibility> {
    let any = measured.visibility.iter().filter(|point| point.reads > 0);
    any.filter_map(|point| curve.iter().find(|of| of.after_ns == point.after_ns))
}

fn visibility(measured: &Staleness, predicted: &[Visibility]) -> Table {
    let mut heads = vec!["after the newest write", "reads", "returned it"];
    if !predicted.is_empty() {
        heads.push("predicted for reads just then");
    }
    let rows = shown(measured, &measured.visibility).map(|point| {
        let mut row = vec![
            words::duration(point.after_ns),
            point.reads.to_string(),
            percent(point.share()),
        ];
        let then = |of: &&Visibility| of.after_ns == point.after_ns;
        row.extend(predicted.iter().find(then).map(|of| percent(of.share())));
        row
    });
    Table {
        rows: rows.collect(),
        heads: heads.into_iter().map(str::to_owned).collect(),
    }
}

/// Each point of the grid has the same width.
fn curve(measured: &Staleness, curve: &[Visibility]) -> String {
    let points: Vec<&Visibility> = shown(measured, curve).collect();
    let width = 100.0 / points.len().saturating_sub(1).max(1) as f64;
    let at = |(place, point): (usize, &&Visibility)| {
        format!("{:.1},{:.1}", place as f64 * width, 100.0 - 100.0 * point.share())
    };
    points.iter().enumerate().map(at).collect::<Vec<_>>().join(" ")
}

fn ticks(measured: &Staleness) -> Vec<(f64, String)> {
    let points: Vec<_> = shown(measured, &measured.visibility).collect();
    let width = 100.0 / points.len().saturating_sub(1).max(1) as f64;
    let each = points.len().div_ceil(6).max(1);
    let ticks = points.iter().enumerate().step_by(each);
    ticks
        .map(|(place, point)| (place as f64 * width, words::duration(point.after_ns)))
        .collect()
}

impl Pair {
    /// None unless the operations tell which replicas took part.
    fn of(operations: &[Operation]) -> Option<Self> {
        let told: Vec<_> = operations
            .iter()
            .filter_map(|operation| Some((operation, operation.completion.quorum.as_deref()?)))
            .take(OPERATIONS)
            .collect();
        if told.is_empty() {
            return None;
        }
        let mut nodes: Vec<u16> = told
            .iter()
            .flat_map(|(_, quorum)| {
                quorum
                    .of
                    .iter()
                    .chain(&quorum.before)
                    .copied()
                    .chain(quorum.answered())
            })
            .collect();
        nodes.sort_unstable();
        nodes.dedup();
        let x = |place: usize| GRID.0 + STEP * place as f64;
        let mut table = Table {
            heads: vec!["operation".to_owned()],
            rows: Vec::new(),
        };
        table.heads.extend(nodes.iter().map(|node| format!("n{node}")));
        let mut rows = Vec::new();
        for (place, (operation, quorum)) in told.iter().enumerate() {
            let did = if operation.f == Function::Read {
                "answered"
            } else {
                "stored"
            };
            let mut cells = vec![label(operation)];
            let dots = nodes.iter().enumerate().map(|(place, node)| {
                let answer = quorum.answers.iter().find(|(one, _)| one == node);
                let is_replica = quorum.is_replica(*node);
                let did = if is_replica {
                    did.to_owned()
                } else {
                    format!("{} and {did}", stood_in(quorum))
                };
                let (class, title) = match answer {
                    Some((_, Some(tag))) => ("counted", format!("{did}, version {tag}")),
                    Some((_, None)) => ("counted", format!("{did}, no version")),
                    None if is_replica => ("silent", "not counted".to_owned()),
                    None => ("outside", "not a replica".to_owned()),
                };
                cells.push(title.clone());
                Dot {
                    x: x(place),
                    class,
                    title: format!("n{node}: {title}"),
                }
            });
            let dots = dots.collect();
            rows.push(Row {
                y: GRID.1 + STEP * (place as f64 + 0.5),
                label: label(operation),
                dots,
            });
            table.rows.push(cells);
        }
        let common = nodes.iter().filter(|node| {
            told.iter()
                .all(|(_, quorum)| quorum.answered().any(|one| one == **node))
        });
        let common: Vec<String> = common.map(|node| format!("n{node}")).collect();
        let met = match (told.len(), common.is_empty()) {
            (1, _) => String::new(),
            (_, true) => {
                "No replica was counted for all of them: that is where they failed to meet.".to_owned()
            }
            (_, false) => format!("Counted for all of them: {}.", common.join(", ")),
        };
        Some(Pair {
            replicas: nodes
                .iter()
                .enumerate()
                .map(|(place, node)| (x(place), format!("n{node}")))
                .collect(),
            width: x(nodes.len()),
            height: GRID.1 + STEP * told.len() as f64,
            rows,
            table,
            met,
        })
    }
}

/// `stood in for n4`, of nodes that were counted though they are no replicas.
fn stood_in(quorum: &Quorum) -> String {
    let represented = quorum.represented();
    if represented.is_empty() {
        return "stood in".to_owned();
    }
    let named: Vec<String> = represented.iter().map(|node| format!("n{node}")).collect();
    format!("stood in for {}", words::listed(&named))
}

/// `#12 write 7 to k0`.
fn label(operation: &Operation) -> String {
    let key = operation.key.as_deref().unwrap_or_default();
    let value = match operation.f {
        Function::Read => &operation.completion.value,
        _ => &operation.argument,
    };
    let text = format!("#{} {} {key}: {value}", operation.id, operation.f);
    words::tame(&text, 40)
}
