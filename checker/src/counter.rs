//! Counters: `increment` (or `add`) an integer, which may be negative, and `read` the sum.
//!
//! ```text
//!  process 0   [─ +1 ok ─]
//!  process 1                   [── +1 ok ──]
//!  process 2        [─ +1 info ─ …
//!  process 3                       [─ read ─]      between 1 and 3
//! ```
//!
//! A read must count every increment that was acknowledged before it began, may count those that were in
//! flight or whose outcome is unknown, and no others: not those that failed, nor those invoked after it ended.
//! Two reads that follow each other bound each other in the same way. Where nothing is in flight and nothing
//! unknown, the bounds meet and the read must be exact.

use std::collections::BTreeMap;

use crate::history::{Function, History, Key, Operation, Outcome, Value};
use crate::verdict::{Finding, Verdict, Witness};
use crate::words;

/// The most witnesses that a finding carries.
const WITNESSES: usize = 10;

/// Judges every read of every key's counter, which all begin with `initial`.
pub fn check(history: &History, initial: i64) -> Finding {
    let mut keys: BTreeMap<Option<&Key>, Counter> = BTreeMap::new();
    let mut unknown = Vec::new();
    for operation in &history.operations {
        let counter = keys.entry(operation.key.as_ref()).or_default();
        if let Err(reason) = counter.add(operation, initial) {
            unknown.push(reason);
        }
    }
    let mut reads = 0;
    for counter in keys.values_mut() {
        counter.prepare();
        reads += counter.reads.len();
    }
    let mut violated = Vec::new();
    for (key, counter) in &keys {
        for read in &counter.reads {
            let bound = counter.violated(read, initial);
            violated.extend(bound.map(|bound| (*key, counter, read, bound)));
        }
    }
    let violations = violated.len();
    // Those that it takes few operations to show: since a read there are fewer than since the beginning.
    violated.sort_by_key(|(_, _, read, bound)| (bound.since.is_none(), read.operation.returned()));
    violated.truncate(WITNESSES);
    let mut witnesses: Vec<Witness> = violated
        .iter()
        .map(|(key, counter, read, bound)| counter.explain(*key, read, bound, initial))
        .collect();
    witnesses.sort_by_key(|witness| witness.operations.len());
    if reads == 0 && keys.values().any(|counter| !counter.increments.is_empty()) {
        unknown.push("no read succeeded".to_owned());
    }
    let verdict = match (violations, unknown.is_empty()) {
        (0, true) => Verdict::Valid,
        (0, false) => Verdict::Unknown,
        _ => Verdict::Invalid,
    };
    let sentence = match verdict {
        Verdict::Valid => format!("All {reads} reads lie within what the increments allow."),
        Verdict::Unknown => words::undecided(&unknown),
        Verdict::Invalid => {
            let first = witnesses
                .first()
                .and_then(|witness| witness.story.last().cloned())
                .unwrap_or_default();
            format!("{violations} of {reads} reads cannot be explained. {first}")
        }
    };
    Finding {
        property: "counter".to_owned(),
        verdict,
        sentence,
        method: format!("bounds ({})", keys.len()),
        operations: history.operations.len() as u64,
        states: 0,
        witnesses,
        linearizations: Vec::new(),
        levels: Vec::new(),
    }
}

struct Increment<'h> {
    operation: &'h Operation,
    delta: i128,
}

struct Read<'h> {
    operation: &'h Operation,
    value: i128,
}

#[derive(Default)]
struct Counter<'h> {
    /// In the order of invocation; those that failed are left out.
    increments: Vec<Increment<'h>>,
    reads: Vec<Read<'h>>,
    /// Sums over the first so many by invocation: of negative and of positive increments.
    invoked: Vec<(u64, [i128; 2])>,
    /// The same over acknowledged ones by completion.
    returned: Vec<(u64, [i128; 2])>,
    /// Reads by completion: (completion, position in `reads`).
    finished: Vec<(u64, usize)>,
    /// When the first operation was invoked that a counter does not have: what it added, nobody can say.
    strange: Option<u64>,
}

/// A bound that a read breaks.
struct Bound<'h> {
    /// The read since which increments were counted; the beginning otherwise.
    since: Option<(&'h Operation, i128)>,
    low: i128,
    high: i128,
}

fn parts(delta: i128) -> [i128; 2] {
    [delta.min(0), delta.max(0)]
}

/// The sums over entries strictly before `at`.
fn before(sums: &[(u64, [i128; 2])], at: u64) -> [i128; 2] {
    match sums.partition_point(|(position, _)| *position < at) {
        0 => [0, 0],
        count => sums[count - 1].1,
    }
}

fn running(mut entries: Vec<(u64, i128)>) -> Vec<(u64, [i128; 2])> {
    entries.sort_unstable();
    let mut sum = [0, 0];
    let add = |(at, delta): (u64, i128)| {
        let [low, high] = parts(delta);
        sum = [sum[0] + low, sum[1] + high];
        (at, sum)
    };
    entries.into_iter().map(add).collect()
}

impl<'h> Counter<'h> {
    fn add(&mut self, operation: &'h Operation, initial: i64) -> Result<(), String> {
        match (&operation.f, operation.completion.outcome) {
            (Function::Increment | Function::Add, Outcome::Fail)
            | (Function::Read, Outcome::Fail | Outcome::Info) => Ok(()),
            (Function::Increment | Function::Add, _) => {
                let delta = match operation.argument {
                    Value::Int(delta) => i128::from(delta),
                    Value::Nil => 1,
                    ref other => {
                        self.strange.get_or_insert(operation.invoked.index);
                        return Err(format!("operation {} increments by {other}", operation.id));
                    }
                };
                self.increments.push(Increment { operation, delta });
                Ok(())
            }
            (Function::Read, Outcome::Ok) => {
                let value = match operation.completion.value {
                    Value::Int(value) => i128::from(value),
                    Value::Nil => i128::from(initial),
                    ref other => return Err(format!("operation {} read {other}", operation.id)),
                };
                self.reads.push(Read { operation, value });
                Ok(())
            }
            (other, outcome) => {
                if outcome != Outcome::Fail {
                    self.strange.get_or_insert(operation.invoked.index);
                }
                Err(format!(
                    "operation {} is `{other}`, which a counter does not have",
                    operation.id
                ))
            }
        }
    }

    fn prepare(&mut self) {
        let known = self.strange.unwrap_or(u64::MAX);
        self.reads.retain(|read| read.operation.returned() < known);
        let entry = |increment: &Increment| (increment.operation.invoked.index, increment.delta);
        self.invoked = running(self.increments.iter().map(entry).collect());
        let acknowledged = self
            .increments
            .iter()
            .filter(|increment| increment.operation.returned() != u64::MAX);
        self.returned = running(
            acknowledged
                .map(|increment| (increment.operation.returned(), increment.delta))
                .collect(),
        );
        let finished = self
            .reads
            .iter()
            .enumerate()
            .map(|(index, read)| (read.operation.returned(), index));
        self.finished = finished.collect();
        self.finished.sort_unstable();
    }

    /// The bound that the read breaks, if any.
    fn violated(&self, read: &Read<'h>, initial: i64) -> Option<Bound<'h>> {
        let sure = before(&self.returned, read.operation.invoked.index);
        let possible = before(&self.invoked, read.operation.returned());
        let start = i128::from(initial);
        let base = Bound {
            since: None,
            low: start + sure[0] + sure[1] + (possible[0] - sure[0]),
            high: start + sure[0] + sure[1] + (possible[1] - sure[1]),
        };
        let close = self.since_last_read(read);
        [close, Some(base)]
            .into_iter()
            .flatten()
            .find(|bound| !(bound.low..=bound.high).contains(&read.value))
    }

    /// Bounds from the read that ended last before this one began.
    fn since_last_read(&self, read: &Read<'h>) -> Option<Bound<'h>> {
        let count = self
            .finished
            .partition_point(|(at, _)| *at < read.operation.invoked.index);
        let earlier = &self.reads[self.finished[count.checked_sub(1)?].1];
        let sure = self.between(earlier.operation, read.operation);
        let sums = sure.iter().fold([0, 0], |sum, increment| {
            let [low, high] = parts(increment.delta);
            [sum[0] + low, sum[1] + high]
        });
        let old = before(&self.returned, earlier.operation.invoked.index);
        let possible = before(&self.invoked, read.operation.returned());
        Some(Bound {
            since: Some((earlier.operation, earlier.value)),
            low: earlier.value + sums[1] + possible[0] - old[0],
            high: earlier.value + sums[0] + possible[1] - old[1],
        })
    }

    /// The acknowledged increments that lie wholly between two reads.
    fn between(&self, earlier: &Operation, later: &Operation) -> Vec<&Increment<'h>> {
        let from = self
            .increments
            .partition_point(|increment| increment.operation.invoked.index < earlier.returned());
        let inside = self.increments[from..]
            .iter()
            .take_while(|increment| increment.operation.invoked.index < later.invoked.index);
        inside
            .filter(|increment| increment.operation.returned() < later.invoked.index)
            .collect()
    }

    /// The read, and as many sure increments as it takes to break the bound if all others may be left out.
    fn explain(&self, key: Option<&Key>, read: &Read, bound: &Bound, initial: i64) -> Witness {
        let too_low = read.value < bound.low;
        let mut sure: Vec<&Increment> = match bound.since {
            Some((earlier, _)) => self.between(earlier, read.operation),
            None => {
                let before =
                    |increment: &&Increment| increment.operation.returned() < read.operation.invoked.index;
                self.increments.iter().filter(before).collect()
            }
        };
        sure.retain(|increment| {
            if too_low {
                increment.delta > 0
            } else {
                increment.delta < 0
            }
        });
        let total: i128 = sure.iter().map(|increment| increment.delta).sum();
        let mut slack = if too_low {
            bound.low - read.value
        } else {
            read.value - bound.high
        };
        // Those that are left out weaken the bound; leave out the smallest while it still breaks.
        sure.sort_by_key(|increment| (increment.delta.abs(), increment.operation.id));
        let mut needed = Vec::new();
        for increment in sure {
            if slack > increment.delta.abs() {
                slack -= increment.delta.abs();
            } else {
                needed.push(increment.operation);
            }
        }
        let mut story = Vec::new();
        let counted = match bound.since {
            Some((earlier, value)) => {
                story.push(words::did(earlier));
                format!("from the {value} of that read on")
            }
            None => format!("from the initial {initial} on"),
        };
        story.push(words::did(read.operation));
        story.push(if too_low {
            format!(
                "Increments acknowledged {} add up to {total}; {counted} the counter was at least {} when the read \
                 of {} began: increments are lost.",
                if bound.since.is_some() { "in between" } else { "before it" },
                bound.low,
                read.value,
            )
        } else {
            format!(
                "Counting every increment that was asked for by then, {counted}, the counter was at most {}, not \
                 {}: an increment was applied twice or out of nowhere.",
                bound.high, read.value,
            )
        });
        let mut operations: Vec<Operation> = needed.into_iter().cloned().collect();
        operations.extend(bound.since.map(|(earlier, _)| earlier.clone()));
        operations.push(read.operation.clone());
        operations.sort_by_key(|operation| operation.id);
        Witness {
            key: key.cloned(),
            operations,
            culprit: Some(read.operation.id),
            story,
            orders: Vec::new(),
        }
    }
}
