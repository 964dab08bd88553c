//! The counterexample as a picture: intervals, one legal order through them, the state along it, and where it
//! ends; behind them who led and what was broken.

use perjury_checker::verdict::Order;
use perjury_checker::{Operation, Witness};

use super::scale::{Scale, returned};
use crate::evidence::Evidence;
use crate::words;

const GUTTER: f64 = 92.0;
const WIDTH: f64 = 826.0;
const ROW: f64 = 20.0;
const LANE: f64 = 62.0;
const LETTER: f64 = 7.3;
/// Faults that are drawn at most; the rest is counted.
const FAULTS: usize = 6;

/// A drawing of one order of a witness.
#[derive(Debug)]
pub(crate) struct Picture {
    pub width: f64,
    pub height: f64,
    pub gutter: f64,
    pub description: String,
    pub bands: Vec<Band>,
    pub more_faults: usize,
    pub leaders: Vec<Segment>,
    pub leaders_y: f64,
    pub lanes: Vec<Lane>,
    pub boxes: Vec<Interval>,
    pub path: String,
    pub points: Vec<Point>,
    pub states: Vec<Segment>,
    pub states_y: f64,
    pub ticks: Vec<Tick>,
    pub axis_y: f64,
    pub lanes_top: f64,
    pub lanes_bottom: f64,
}

/// A fault: a labelled bar on top, and a band through all lanes.
#[derive(Debug)]
pub(crate) struct Band {
    pub x: f64,
    pub width: f64,
    pub y: f64,
    pub label: String,
    pub kind: String,
    pub from_before: bool,
    pub beyond: bool,
}

/// A stretch of a row with a text.
#[derive(Debug)]
pub(crate) struct Segment {
    pub x: f64,
    pub width: f64,
    pub label: String,
    pub stuck: bool,
}

/// A client's process.
#[derive(Debug)]
pub(crate) struct Lane {
    pub y: f64,
    pub label: String,
}

/// An operation.
#[derive(Debug)]
pub(crate) struct Interval {
    pub id: usize,
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub label: String,
    pub under: String,
    pub outcome: &'static str,
    pub culprit: bool,
    pub stuck: bool,
    pub title: String,
}

/// Where an operation takes effect in this order.
#[derive(Debug)]
pub(crate) struct Point {
    pub x: f64,
    pub y: f64,
    pub number: usize,
}

/// A moment on the axis.
#[derive(Debug)]
pub(crate) struct Tick {
    pub x: f64,
    pub label: String,
}

/// One decimal is finer than a pixel, and keeps the file small.
pub(crate) fn px(x: f64) -> f64 {
    (x * 10.0).round() / 10.0
}

impl Picture {
    pub(crate) fn draw(evidence: &Evidence, witness: &Witness, order: Option<&Order>) -> Self {
        let order = order.filter(|order| says_something(order, witness));
        let alike = words::alike(&witness.operations);
        let scale = Scale::lay_out(
            witness.operations.iter(),
            |operation| label_width(operation, alike),
            GUTTER,
            WIDTH,
        );
        let mut lanes: Vec<u64> = Vec::new();
        for operation in &witness.operations {
            if !lanes.contains(&operation.process) {
                lanes.push(operation.process);
            }
        }
        let (bands, more_faults) = bands(evidence, witness, &scale);
        let leaders_y = px(6.0 + ROW * bands.len() as f64);
        let leaders = leaders(evidence, &scale);
        let lanes_top = leaders_y + if leaders.is_empty() { 4.0 } else { ROW + 6.0 };
        let place = |process: u64| lanes.iter().position(|lane| *lane == process).unwrap_or(0);
        let lane_y = |process: u64| lanes_top + LANE * place(process) as f64;
        let lanes_bottom = lanes_top + LANE * lanes.len() as f64;
        let boxes = witness
            .operations
            .iter()
            .map(|operation| {
                interval(
                    operation,
                    witness,
                    order,
                    &scale,
                    lane_y(operation.process) + 20.0,
                )
            })
            .collect();
        let points = order
            .map(|order| points(order, witness, &scale, lane_y))
            .unwrap_or_default();
        let states = order
            .map(|order| states(order, &points, &scale))
            .unwrap_or_default();
        let states_y = lanes_bottom + 8.0;
        let axis_y = states_y + if states.is_empty() { 0.0 } else { 34.0 };
        let path = points
            .iter()
            .enumerate()
            .map(|(position, point)| {
                format!("{}{} {}", if position == 0 { "M" } else { "L" }, point.x, point.y)
            })
            .collect();
        Picture {
            width: px(scale.right),
            height: px(axis_y + 26.0),
            gutter: GUTTER,
            description: describe(witness, order),
            bands,
            more_faults,
            leaders,
            leaders_y,
            lanes: lanes
                .iter()
                .map(|process| Lane {
                    y: px(lane_y(*process)),
                    label: format!("process {process}"),
                })
                .collect(),
            boxes,
            path,
            points,
            states,
            states_y: px(states_y),
            ticks: ticks(&scale),
            axis_y: px(axis_y),
            lanes_top: px(lanes_top),
            lanes_bottom: px(lanes_bottom),
        }
    }
}

fn label(operation: &Operation, alike: usize) -> String {
    format!(
        "{} {}",
        words::call(operation, 14),
        words::result(operation, 34, alike)
    )
}

fn label_width(operation: &Operation, alike: usize) -> f64 {
    label(operation, alike).chars().count() as f64 * LETTER + 18.0
}

fn interval(
    operation: &Operation,
    witness: &Witness,
    order: Option<&Order>,
    scale: &Scale,
    y: f64,
) -> Interval {
    let x = scale.event(operation.invoked);
    let end = returned(operation).map_or(scale.right, |moment| scale.event(moment));
    let node = operation.completion.node.as_ref().or(operation.node.as_ref());
    let took = match operation.completion.at {
        Some(at) => words::duration(at.time.saturating_sub(operation.invoked.time)),
        None => "never answered".to_owned(),
    };
    let node = node.map_or_else(String::new, |node| format!("{} · ", words::tame(node, 16)));
    Interval {
        id: operation.id,
        x: px(x),
        y: px(y),
        width: px((end - x).max(4.0)),
        label: label(operation, words::alike(&witness.operations)),
        under: format!("#{} · {node}{took}", operation.id),
        outcome: words::outcome(operation.completion.outcome),
        culprit: witness.culprit == Some(operation.id),
        stuck: order.is_some_and(|order| order.stuck.iter().any(|stuck| stuck.operation == operation.id)),
        title: super::story::did(operation, words::alike(&witness.operations)),
    }
}

/// The places where a legal order lets its operations take effect: each within its interval, each after the one
/// before, as early as there is room.
fn points(order: &Order, witness: &Witness, scale: &Scale, lane_y: impl Fn(u64) -> f64) -> Vec<Point> {
    let placed: Vec<&Operation> = order
        .steps
        .iter()
        .filter_map(|step| {
            witness
                .operations
                .iter()
                .find(|operation| operation.id == step.operation)
        })
        .collect();
    let mut latest = vec![0.0; placed.len()];
    let mut limit = scale.right - 10.0;
    for (place, operation) in placed.iter().enumerate().rev() {
        let end = returned(operation).map_or(scale.right - 10.0, |moment| scale.event(moment) - 5.0);
        limit = end.min(limit - 4.0);
        latest[place] = limit;
    }
    let mut at = f64::NEG_INFINITY;
    placed
        .iter()
        .enumerate()
        .map(|(place, operation)| {
            at = (scale.event(operation.invoked) + 10.0)
                .max(at + 22.0)
                .min(latest[place].max(at + 3.0));
            Point {
                x: px(at),
                y: px(lane_y(operation.process) + 20.0),
                number: place + 1,
            }
        })
        .collect()
}

/// The state between the points of an order, and where the order ends.
fn states(order: &Order, points: &[Point], scale: &Scale) -> Vec<Segment> {
    let mut states: Vec<Segment> = Vec::new();
    for (position, (step, point)) in order.steps.iter().zip(points).enumerate() {
        let end = points
            .get(position + 1)
            .map_or_else(|| (point.x + 90.0).min(scale.right), |next| next.x);
        let letters = ((end - point.x - 8.0) / LETTER).max(1.0) as usize;
        states.push(Segment {
            x: point.x,
            width: px(end - point.x),
            label: words::cut(&step.state, letters.min(24)),
            stuck: false,
        });
    }
    if !order.stuck.is_empty() {
        let x = states.last().map_or(scale.left, |last| last.x + last.width);
        let room = scale.right - x;
        if room >= 24.0 {
            let label = if room > 130.0 { "✗ no next step" } else { "✗" };
            states.push(Segment {
                x,
                width: px(room.min(140.0)),
                label: label.to_owned(),
                stuck: true,
            });
        }
    }
    states
}

/// Whether an order is worth showing: one that places nothing says something only of an operation that stands
/// alone.
pub(crate) fn says_something(order: &Order, witness: &Witness) -> bool {
    !order.steps.is_empty() || witness.operations.len() == 1
}

/// When the witness begins and ends, in nanoseconds.
pub(crate) fn span(witness: &Witness) -> (u64, u64) {
    if witness.operations.is_empty() {
        return crate::told::span(witness).unwrap_or((0, 0));
    }
    let from = witness
        .operations
        .iter()
        .map(|operation| operation.invoked.time)
        .min()
        .unwrap_or(0);
    let to = witness
        .operations
        .iter()
        .map(|operation| returned(operation).map_or(operation.invoked.time, |moment| moment.time))
        .max()
        .unwrap_or(from);
    (from, to)
}

/// The time that matters most: when the operation that lied was invoked.
pub(crate) fn focus(witness: &Witness) -> u64 {
    crate::headline::culprit(witness).map_or_else(|| span(witness).1, |operation| operation.invoked.time)
}

fn bands(evidence: &Evidence, witness: &Witness, scale: &Scale) -> (Vec<Band>, usize) {
    let (from, to) = span(witness);
    let focus = focus(witness);
    let mut active: Vec<_> = evidence.faults_during(from, to).collect();
    let all = active.len();
    // Those nearest to the lie are the ones that matter.
    active.sort_by_key(|fault| {
        let start = fault.injected_at.unwrap_or(0);
        let end = fault.healed_at.unwrap_or(u64::MAX);
        if focus < start {
            start - focus
        } else {
            focus.saturating_sub(end)
        }
    });
    active.truncate(FAULTS);
    active.sort_by_key(|fault| fault.injected_at);
    let bands = active
        .iter()
        .enumerate()
        .map(|(row, fault)| {
            let x = scale.time(fault.injected_at.unwrap_or(0));
            let end = fault.healed_at.map_or(scale.right, |healed| scale.time(healed));
            let width = (end - x).max(3.0);
            Band {
                x: px(x),
                width: px(width),
                y: px(4.0 + ROW * row as f64),
                label: words::tame(&fault.description, 60),
                kind: words::tame(&fault.kind, 20),
                from_before: fault.injected_at.is_some_and(|at| at < from),
                beyond: fault.healed_at.is_none_or(|at| at > to),
            }
        })
        .collect::<Vec<_>>();
    let more = all - bands.len();
    (bands, more)
}

fn leaders(evidence: &Evidence, scale: &Scale) -> Vec<Segment> {
    let mut segments: Vec<Segment> = Vec::new();
    if !evidence.was_led() {
        return segments;
    }
    let mut push = |from: f64, to: f64, leader: Option<(perjury_nemesis::Node, u64)>| {
        if to - from < 1.0 {
            return;
        }
        let label = match leader {
            Some((node, term)) if to - from > 120.0 => format!("{node} leads, term {term}"),
            Some((node, term)) if to - from > 54.0 => format!("{node} · t{term}"),
            Some((node, _)) => node.to_string(),
            None if to - from > 70.0 => "no leader".to_owned(),
            None => "–".to_owned(),
        };
        segments.push(Segment {
            x: px(from),
            width: px(to - from),
            label,
            stuck: leader.is_none(),
        });
    };
    let mut current = None;
    let mut start = None;
    for (at, view) in evidence.views() {
        let x = scale.time(at);
        if start.is_some() && view.leader == current {
            continue;
        }
        if let Some(start) = start {
            push(start, x, current);
        }
        current = view.leader;
        start = Some(x);
    }
    if let Some(start) = start {
        push(start, scale.right, current);
    }
    segments
}

fn ticks(scale: &Scale) -> Vec<Tick> {
    let mut ticks: Vec<Tick> = Vec::new();
    for (moment, x) in scale.events() {
        if ticks.last().is_none_or(|last| x - last.x > 70.0) {
            ticks.push(Tick {
                x: px(*x),
                label: words::moment(moment.time),
            });
        }
    }
    ticks
}

fn describe(witness: &Witness, order: Option<&Order>) -> String {
    let operations = words::plural(witness.operations.len() as u64, "operation");
    match order.map(|order| order.steps.len()) {
        Some(placed) => format!(
            "{operations} as intervals over time. A legal order places {placed} of them and then cannot go on. What \
             follows says the same in words."
        ),
        None => format!("{operations} as intervals over time. What follows says the same in words."),
    }
}
