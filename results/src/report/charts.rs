//! Latency, throughput and the nodes over the time of the whole run, with the faults behind them.

use std::collections::BTreeMap;
use std::fmt::Write;

use perjury_checker::Outcome;

use super::likelihood::Curve;
use super::nodes::{NodeRow, nodes};
use super::picture::px;
use crate::evidence::Evidence;
use crate::words;

pub(crate) const LEFT: f64 = 64.0;
pub(crate) const RIGHT: f64 = 1084.0;
pub(super) const TOP: f64 = 26.0;
/// Stretches of time that quantiles and rates are taken over.
const BUCKETS: usize = 120;
/// Rows of the table behind the pictures.
const ROWS: usize = 30;
/// Kinds of operations that the latency scatter tells apart; further ones share a place.
const KINDS: usize = 6;
const OTHERS: &str = "others";
/// Pixels of a cell of the latency scatter.
const CELL: f64 = 4.0;

/// What all charts share: the time axis, and the faults behind it.
#[derive(Debug)]
pub(crate) struct Frame {
    pub bands: Vec<Band>,
    pub ticks: Vec<Tick>,
}

/// A fault.
#[derive(Debug)]
pub(crate) struct Band {
    pub x: f64,
    pub width: f64,
    pub kind: String,
    pub title: String,
    pub label: String,
}

/// A mark on an axis.
#[derive(Debug)]
pub(crate) struct Tick {
    pub at: f64,
    pub label: String,
}

/// A line with its name at its right end.
#[derive(Debug)]
pub(crate) struct Line {
    pub class: &'static str,
    pub path: String,
    pub name: &'static str,
    pub label_y: f64,
}

/// Cells of a scatter, of one class.
#[derive(Debug)]
pub(crate) struct Cells {
    pub class: String,
    pub path: String,
}

/// Latency by outcome, with quantiles of what succeeded.
#[derive(Debug)]
pub(crate) struct Latency {
    /// By kind of operation.
    pub kinds: Vec<(String, Vec<Cells>)>,
    pub lines: Vec<Line>,
    pub ticks: Vec<Tick>,
    pub bottom: f64,
}

/// Completions a second by outcome.
#[derive(Debug)]
pub(crate) struct Throughput {
    pub lines: Vec<Line>,
    pub ticks: Vec<Tick>,
    pub bottom: f64,
}

/// A row of the table behind the pictures.
#[derive(Debug)]
pub(crate) struct Row {
    pub time: String,
    /// From when to when, in microseconds, for the selection of a span.
    pub span: String,
    pub rates: [String; 3],
    pub quantiles: [String; 4],
    pub faults: String,
}

/// All charts of a run.
#[derive(Debug)]
pub(crate) struct Charts {
    pub frame: Frame,
    pub likelihood: Option<Curve>,
    pub latency: Latency,
    pub throughput: Throughput,
    pub nodes: Vec<NodeRow>,
    pub nodes_bottom: f64,
    pub rows: Vec<Row>,
}

impl Charts {
    pub(crate) fn of(evidence: &Evidence) -> Option<Self> {
        if evidence.history.operations.is_empty() {
            return None;
        }
        let end = evidence.end();
        let frame = frame(evidence, end);
        let series = Series::of(evidence, end);
        let nodes = nodes(evidence, end);
        Some(Charts {
            likelihood: Curve::of(evidence),
            latency: latency(evidence, end, &series),
            throughput: throughput(&series, end),
            nodes_bottom: TOP + super::nodes::ROW * nodes.len() as f64,
            nodes,
            rows: rows(evidence, &series, end),
            frame,
        })
    }

    /// Whether faults stand behind the charts.
    pub(crate) fn has_faults(&self) -> bool {
        !self.frame.bands.is_empty()
    }

    /// Whether a fault of the kind stands behind the charts.
    pub(crate) fn has_kind(&self, kind: &str) -> bool {
        self.frame.bands.iter().any(|band| band.kind == kind)
    }
}

pub(super) fn x_of(time: u64, end: u64) -> f64 {
    LEFT + (RIGHT - LEFT) * (time.min(end) as f64 / end as f64)
}

fn frame(evidence: &Evidence, end: u64) -> Frame {
    let bands = evidence
        .faults
        .iter()
        .filter_map(|fault| {
            let x = x_of(fault.injected_at?, end);
            let width = (x_of(fault.healed_at.unwrap_or(end), end) - x).max(2.0);
            let label = words::tame(&fault.description, 60);
            Some(Band {
                x: px(x),
                width: px(width),
                kind: words::tame(&fault.kind, 20),
                title: format!(
                    "{} – {}: {label}",
                    moment(fault.injected_at),
                    moment(fault.healed_at)
                ),
                label: if width > label.chars().count() as f64 * 6.4 + 8.0 {
                    label
                } else {
                    String::new()
                },
            })
        })
        .collect();
    let seconds = end as f64 / 1e9;
    let step = nice(seconds / 10.0);
    let digits = if step >= 1.0 {
        0
    } else {
        (-step.log10().floor()) as usize
    };
    let ticks = (0..=(seconds / step) as usize)
        .map(|tick| tick as f64 * step)
        .map(|second| Tick {
            at: px(x_of((second * 1e9) as u64, end)),
            label: format!("{second:.digits$} s"),
        })
        .collect();
    Frame { bands, ticks }
}

/// A moment of a fault, or that it never came.
pub(crate) fn moment(at: Option<u64>) -> String {
    at.map_or_else(|| "never".to_owned(), words::moment)
}

/// The next of 1, 2, 5, 10, … above a step.
fn nice(step: f64) -> f64 {
    let power = 10_f64.powf(step.max(1e-9).log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|nice| *nice >= step)
        .unwrap_or(step)
}

/// Completions by stretch of time.
struct Series {
    counts: Vec<[u64; 3]>,
    /// Latencies of what succeeded, in nanoseconds, sorted.
    latencies: Vec<Vec<u64>>,
}

impl Series {
    fn of(evidence: &Evidence, end: u64) -> Self {
        let mut series = Series {
            counts: vec![[0; 3]; BUCKETS],
            latencies: vec![Vec::new(); BUCKETS],
        };
        for operation in &evidence.history.operations {
            let Some(at) = operation.completion.at else {
                continue;
            };
            let bucket = bucket(at.time, end);
            series.counts[bucket][class(operation.completion.outcome)] += 1;
            if operation.completion.outcome == Outcome::Ok {
                series.latencies[bucket].push(at.time.saturating_sub(operation.invoked.time));
            }
        }
        for latencies in &mut series.latencies {
            latencies.sort_unstable();
        }
        series
    }
}

fn bucket(time: u64, end: u64) -> usize {
    ((time as u128 * BUCKETS as u128 / (u128::from(end) + 1)) as usize).min(BUCKETS - 1)
}

pub(crate) fn class(outcome: Outcome) -> usize {
    match outcome {
        Outcome::Ok => 0,
        Outcome::Fail => 1,
        Outcome::Info => 2,
    }
}

/// A quantile of what is sorted; none of nothing.
pub(super) fn quantile(sorted: &[u64], q: f64) -> Option<u64> {
    let rank = (sorted.len() as f64 * q).ceil() as usize;
    sorted
        .get(rank.saturating_sub(1).min(sorted.len().saturating_sub(1)))
        .copied()
}

const QUANTILES: [(f64, &str, &str); 4] = [
    (0.5, "p50", "median"),
    (0.95, "p95", "95 %"),
    (0.99, "p99", "99 %"),
    (1.0, "max", "max"),
];

fn latency(evidence: &Evidence, end: u64, series: &Series) -> Latency {
    const BOTTOM: f64 = 246.0;
    let observed = || {
        evidence.history.operations.iter().filter_map(|operation| {
            let at = operation.completion.at?;
            Some((
                operation,
                at.time,
                at.time.saturating_sub(operation.invoked.time).max(1),
            ))
        })
    };
    let low = observed()
        .map(|(_, _, latency)| latency)
        .min()
        .unwrap_or(1_000_000);
    let high = observed()
        .map(|(_, _, latency)| latency)
        .max()
        .unwrap_or(1_000_000);
    let low = (low as f64).log10().floor();
    let high = (high as f64).log10().ceil().max(low + 1.0);
    let y_of =
        |latency: u64| BOTTOM - (BOTTOM - TOP) * (((latency.max(1) as f64).log10() - low) / (high - low));
    let columns = ((RIGHT - LEFT) / CELL) as usize + 1;
    let lines = ((BOTTOM - TOP) / CELL) as usize + 1;
    let mut grids: BTreeMap<&str, Vec<[u32; 3]>> = BTreeMap::new();
    for (operation, at, latency) in observed() {
        let column = (((x_of(at, end) - LEFT) / CELL) as usize).min(columns - 1);
        let line = (((y_of(latency) - TOP) / CELL) as usize).min(lines - 1);
        let kind = match operation.f.name() {
            name if grids.len() < KINDS || grids.contains_key(name) => name,
            _ => OTHERS,
        };
        let grid = grids.entry(kind).or_insert_with(|| vec![[0; 3]; columns * lines]);
        grid[line * columns + column][class(operation.completion.outcome)] += 1;
    }
    let kinds = grids
        .into_iter()
        .map(|(kind, grid)| (words::tame(kind, 40), cells(&grid, columns)))
        .collect();
    let mut drawn: Vec<Line> = QUANTILES
        .into_iter()
        .take(3)
        .map(|(q, class, name)| {
            let points = series
                .latencies
                .iter()
                .map(|sorted| quantile(sorted, q).map(y_of));
            let (path, last) = polyline(points);
            Line {
                class,
                path,
                name,
                label_y: last,
            }
        })
        .collect();
    spread(&mut drawn, BOTTOM);
    let ticks = (low as i32..=high as i32)
        .map(|power| {
            let latency = 10_f64.powi(power);
            Tick {
                at: px(y_of(latency as u64)),
                label: decade(power),
            }
        })
        .collect();
    Latency {
        kinds,
        lines: drawn,
        ticks,
        bottom: BOTTOM,
    }
}

/// A scatter as paths, one a class: squares for what succeeded, crosses and triangles for what did not.
fn cells(grid: &[[u32; 3]], columns: usize) -> Vec<Cells> {
    let names = ["ok few", "ok some", "ok many", "fail", "info"];
    let mut paths: [String; 5] = Default::default();
    for (place, counts) in grid.iter().enumerate() {
        let x = LEFT as usize + place % columns * CELL as usize;
        let y = TOP as usize + place / columns * CELL as usize;
        if counts[0] > 0 {
            let class = match counts[0] {
                1..3 => 0,
                3..20 => 1,
                _ => 2,
            };
            let _ = write!(paths[class], "M{x} {y}h3v3h-3z");
        }
        if counts[1] > 0 {
            let _ = write!(paths[3], "M{x} {y}l4 4m0-4l-4 4");
        }
        if counts[2] > 0 {
            let _ = write!(paths[4], "M{x} {}l5 0l-2.5-5z", y + 4);
        }
    }
    names
        .into_iter()
        .zip(paths)
        .filter(|(_, path)| !path.is_empty())
        .map(|(class, path)| Cells {
            class: class.to_owned(),
            path,
        })
        .collect()
}

/// `1 ms`, `10 ms`, … for a power of ten of nanoseconds.
fn decade(power: i32) -> String {
    let unit = ["ns", "µs", "ms"];
    match usize::try_from(power.max(0)).unwrap_or(0) {
        small @ 0..9 => format!("{} {}", 10_u32.pow(small as u32 % 3), unit[small / 3]),
        large => format!("{} s", 10_u64.pow(large.min(18) as u32 - 9)),
    }
}

/// A line through the middles of the stretches, broken where there is nothing; and where it ends.
fn polyline(points: impl Iterator<Item = Option<f64>>) -> (String, f64) {
    let width = (RIGHT - LEFT) / BUCKETS as f64;
    let mut path = String::new();
    let mut drawing = false;
    let mut last = 0.0;
    for (position, y) in points.enumerate() {
        let Some(y) = y else {
            drawing = false;
            continue;
        };
        let x = LEFT + width * (position as f64 + 0.5);
        let _ = write!(path, "{}{} {}", if drawing { "L" } else { "M" }, px(x), px(y));
        if !drawing {
            // A lone point would not be seen.
            path.push_str("h0.1");
        }
        drawing = true;
        last = px(y);
    }
    (path, last)
}

/// Moves the names at the lines' ends apart.
fn spread(lines: &mut [Line], bottom: f64) {
    lines.sort_by(|a, b| b.label_y.total_cmp(&a.label_y));
    let mut limit = bottom;
    for line in lines {
        line.label_y = line.label_y.min(limit);
        limit = line.label_y - 13.0;
    }
}

fn throughput(series: &Series, end: u64) -> Throughput {
    const BOTTOM: f64 = 186.0;
    let seconds = end as f64 / 1e9 / BUCKETS as f64;
    let most = series.counts.iter().flatten().copied().max().unwrap_or(0).max(1) as f64 / seconds;
    let step = nice(most / 4.0);
    let top = (most / step).ceil() * step;
    let y_of = |rate: f64| BOTTOM - (BOTTOM - TOP) * (rate / top);
    let mut lines: Vec<Line> = [("ok", 0), ("fail", 1), ("info", 2)]
        .into_iter()
        .filter(|(_, class)| series.counts.iter().any(|counts| counts[*class] > 0))
        .map(|(name, class)| {
            let points = series
                .counts
                .iter()
                .map(|counts| Some(y_of(counts[class] as f64 / seconds)));
            let (path, last) = polyline(points);
            Line {
                class: name,
                path,
                name,
                label_y: last,
            }
        })
        .collect();
    spread(&mut lines, BOTTOM);
    let ticks = (0..=(top / step).round() as usize)
        .map(|tick| {
            let rate = tick as f64 * step;
            let label = if step < 1.0 {
                format!("{rate:.1}/s")
            } else {
                format!("{}/s", words::count(rate as u64))
            };
            Tick {
                at: px(y_of(rate)),
                label,
            }
        })
        .collect();
    Throughput {
        lines,
        ticks,
        bottom: BOTTOM,
    }
}

fn rows(evidence: &Evidence, series: &Series, end: u64) -> Vec<Row> {
    let each = BUCKETS / ROWS;
    let length = end as f64 / ROWS as f64;
    (0..ROWS)
        .map(|row| {
            let stretch = row * each..(row + 1) * each;
            let mut sorted: Vec<u64> = series.latencies[stretch.clone()]
                .iter()
                .flatten()
                .copied()
                .collect();
            sorted.sort_unstable();
            let rate = |class: usize| {
                let total: u64 = series.counts[stretch.clone()]
                    .iter()
                    .map(|counts| counts[class])
                    .sum();
                format!("{:.1}", total as f64 / (length / 1e9))
            };
            let (from, to) = ((row as f64 * length) as u64, ((row + 1) as f64 * length) as u64);
            let mut kinds: Vec<_> = evidence
                .faults_during(from, to)
                .map(|fault| words::tame(&fault.kind, 20))
                .collect();
            kinds.sort();
            kinds.dedup();
            Row {
                span: format!("{} {}", from / 1_000, to / 1_000),
                time: format!("{:.1} – {:.1} s", from as f64 / 1e9, to as f64 / 1e9),
                rates: [rate(0), rate(1), rate(2)],
                quantiles: QUANTILES
                    .map(|(q, _, _)| quantile(&sorted, q).map_or_else(|| "–".to_owned(), words::duration)),
                faults: if kinds.is_empty() {
                    "–".to_owned()
                } else {
                    kinds.join(", ")
                },
            }
        })
        .collect()
}
