//! The life of each node over the whole run: up, leading, hit by a fault, answering.

use std::fmt::Write;

use perjury_checker::Outcome;
use perjury_nemesis::Node;
use perjury_runner::FaultRecord;

use super::charts::{Cells, LEFT, TOP, x_of};
use super::picture::px;
use crate::evidence::{Evidence, hits};
use crate::words;

/// A node's strip.
#[derive(Debug)]
pub(crate) struct NodeRow {
    pub name: String,
    pub y: f64,
    pub up: Vec<Span>,
    pub led: Vec<Span>,
    pub hit: Vec<Span>,
    pub answered: Vec<Cells>,
}

/// A stretch of a strip.
#[derive(Debug)]
pub(crate) struct Span {
    pub x: f64,
    pub width: f64,
    pub label: String,
    pub class: String,
}

/// Pixels of a node's row.
pub(super) const ROW: f64 = 34.0;

pub(super) fn nodes(evidence: &Evidence, end: u64) -> Vec<NodeRow> {
    (1..=evidence.test.nodes)
        .map(|number| {
            let node = Node(number);
            let name = node.to_string();
            NodeRow {
                y: TOP + ROW * f64::from(number - 1),
                up: up(evidence, node, end),
                led: led(evidence, node, end),
                hit: evidence
                    .faults
                    .iter()
                    .filter_map(|fault| hit(fault, node, end))
                    .collect(),
                answered: answered(evidence, &name, end, TOP + ROW * f64::from(number - 1) + 20.0),
                name,
            }
        })
        .collect()
}

fn up(evidence: &Evidence, node: Node, end: u64) -> Vec<Span> {
    evidence
        .stretches(end, |view| view.up.contains(&node).then_some(()))
        .into_iter()
        .map(|(from, to, ())| span(from, to, end, String::new(), "up"))
        .collect()
}

fn led(evidence: &Evidence, node: Node, end: u64) -> Vec<Span> {
    evidence
        .stretches(end, |view| {
            view.leader
                .filter(|(leader, _)| *leader == node)
                .map(|(_, term)| term)
        })
        .into_iter()
        .map(|(from, to, term)| {
            let mut span = span(from, to, end, format!("leads, term {term}"), "led");
            if span.width < 90.0 {
                span.label = if span.width > 26.0 {
                    format!("t{term}")
                } else {
                    String::new()
                };
            }
            span
        })
        .collect()
}

fn hit(fault: &FaultRecord, node: Node, end: u64) -> Option<Span> {
    let from = fault.injected_at.filter(|_| hits(fault, node))?;
    let class = format!("hit {}", words::tame(&fault.kind, 20));
    Some(span(
        from,
        fault.healed_at.unwrap_or(end),
        end,
        words::tame(&fault.description, 80),
        &class,
    ))
}

fn span(from: u64, to: u64, end: u64, label: String, class: &str) -> Span {
    let x = x_of(from, end);
    Span {
        x: px(x),
        width: px((x_of(to, end) - x).max(1.5)),
        label,
        class: class.to_owned(),
    }
}

/// When a node answered clients with a success: darker for more.
fn answered(evidence: &Evidence, name: &str, end: u64, y: f64) -> Vec<Cells> {
    const COLUMNS: usize = 340;
    let mut counts = vec![0_u32; COLUMNS];
    for operation in &evidence.history.operations {
        let completion = &operation.completion;
        if completion.outcome == Outcome::Ok
            && completion.node.as_deref() == Some(name)
            && let Some(at) = completion.at
        {
            let column = (at.time as u128 * COLUMNS as u128 / (u128::from(end) + 1)) as usize;
            counts[column.min(COLUMNS - 1)] += 1;
        }
    }
    let most = counts.iter().copied().max().unwrap_or(0);
    let mut paths: [String; 3] = Default::default();
    for (column, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let class = if count * 3 <= most {
            0
        } else if count * 3 <= most * 2 {
            1
        } else {
            2
        };
        let _ = write!(
            paths[class],
            "M{} {y}h2.6v6h-2.6z",
            px(LEFT + column as f64 * 3.0)
        );
    }
    ["few", "some", "many"]
        .into_iter()
        .zip(paths)
        .filter(|(_, path)| !path.is_empty())
        .map(|(class, path)| Cells {
            class: class.to_owned(),
            path,
        })
        .collect()
}
