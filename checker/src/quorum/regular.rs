//! Regularity, and the little that is promised where quorums need not meet.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::WITNESSES;
use super::staleness::staleness;
use crate::history::{Function, History, Key, Operation, Outcome, Value};
use crate::levels;
use crate::models::Cell;
use crate::verdict::{Finding, Verdict, Witness};
use crate::words;

/// Whether every read returned the last write completed before it, or one that overlaps it (Lamport, 1986; with several
/// writers Shao et al., 2011). O(n log n).
pub fn regularity(history: &History) -> Finding {
    let mut found = Found::new("regularity", history);
    for (key, operations) in by_key(history) {
        match levels::irregular(&Cell::register(), &operations) {
            Some(lies) => found.lies(key, &lies, |read| stale(read, &operations)),
            None => found.unknown = true,
        }
    }
    found.finish(
        |reads| {
            format!("Every one of {reads} reads returned the last write before it, or one that overlaps it.")
        },
        "regular",
    )
}

/// Whether every read returned something that was written, or is being written, and did not surely fail; how stale reads
/// are is measured and not judged.
pub fn validity(history: &History) -> Finding {
    let mut found = Found::new("validity", history);
    for (key, operations) in by_key(history) {
        let strange = |operation: &&Operation| operation.f != Function::Read && !writes(operation);
        if operations.iter().any(strange) {
            found.unknown = true;
            continue;
        }
        // When each value was first asked to be written, by what did not surely fail.
        let mut first: FxHashMap<&Value, u64> = FxHashMap::default();
        for write in &operations {
            if write.f == Function::Write && write.completion.outcome != Outcome::Fail {
                first.entry(&write.argument).or_insert(write.invoked.index);
            }
        }
        let written = |value: &Value, by: u64| {
            *value == Value::Nil || first.get(value).is_some_and(|invoked| *invoked < by)
        };
        let lies: Vec<&Operation> = operations
            .iter()
            .filter(|read| is_read(read) && !written(&read.completion.value, read.returned()))
            .copied()
            .collect();
        found.lies(key, &lies, |read| stale(read, &operations));
    }
    let measured = staleness(history).map_or(String::new(), |measured| format!(" {}", measured.sentence()));
    found.finish(
        |reads| {
            format!(
                "Every one of {reads} reads returned something that was written; nothing stronger was promised.{measured}"
            )
        },
        "valid",
    )
}

pub(super) fn by_key(history: &History) -> BTreeMap<Option<&Key>, Vec<&Operation>> {
    let mut keys: BTreeMap<Option<&Key>, Vec<&Operation>> = BTreeMap::new();
    for operation in &history.operations {
        keys.entry(operation.key.as_ref()).or_default().push(operation);
    }
    keys
}

pub(super) fn is_read(operation: &Operation) -> bool {
    operation.f == Function::Read && operation.completion.outcome == Outcome::Ok
}

fn writes(operation: &Operation) -> bool {
    matches!(operation.f, Function::Write | Function::Delete)
}

/// The write that a read returned, if there is one, and the newest that was over when the read began.
fn stale<'h>(read: &'h Operation, operations: &[&'h Operation]) -> (Vec<&'h Operation>, String) {
    let value = &read.completion.value;
    let written = |write: &&&Operation| {
        let what = if write.f == Function::Delete {
            &Value::Nil
        } else {
            &write.argument
        };
        writes(write) && what == value && write.invoked.index < read.returned()
    };
    let succeeded = |write: &&&Operation| write.completion.outcome != Outcome::Fail;
    let source = operations
        .iter()
        .filter(written)
        .filter(succeeded)
        .max_by_key(|write| write.returned())
        .copied();
    // A write that failed explains nothing where another one wrote the same, or where it was there from the beginning.
    let failed = operations.iter().filter(written).copied().next();
    let failed = failed.filter(|_| source.is_none() && *value != Value::Nil);
    let said = format!("{} returned {}", words::brief(read), words::short(value));
    let newer = operations
        .iter()
        .filter(|write| writes(write) && write.completion.outcome == Outcome::Ok)
        .filter(|write| write.returned() < read.invoked.index)
        .max_by_key(|write| write.invoked.index)
        .copied();
    let (mut core, why) = match (source.or(failed), newer) {
        (Some(source), _) if failed.is_some() => {
            (vec![source], format!("{said}, though that write surely failed."))
        }
        (None, _) if *value != Value::Nil => (vec![], format!("{said}, which nobody had written by then.")),
        (source, Some(newer)) => {
            let core = source.into_iter().chain([newer]).collect();
            (
                core,
                format!(
                    "{said}, though {} was over before it began: a stale read.",
                    words::brief(newer)
                ),
            )
        }
        (source, None) => (
            source.into_iter().collect(),
            format!("{said}, which no order explains."),
        ),
    };
    core.push(read);
    core.sort_by_key(|operation| operation.id);
    core.dedup_by_key(|operation| operation.id);
    (core, why)
}

/// What was found so far.
struct Found {
    property: &'static str,
    reads: u64,
    operations: u64,
    lies: u64,
    /// Whether some operation is not one of a register.
    unknown: bool,
    witnesses: Vec<Witness>,
}

impl Found {
    fn new(property: &'static str, history: &History) -> Self {
        let reads = history.operations.iter().filter(|operation| is_read(operation));
        Found {
            property,
            reads: reads.count() as u64,
            operations: history.operations.len() as u64,
            lies: 0,
            unknown: false,
            witnesses: Vec::new(),
        }
    }

    fn lies<'h>(
        &mut self,
        key: Option<&Key>,
        lies: &[&'h Operation],
        explain: impl Fn(&'h Operation) -> (Vec<&'h Operation>, String),
    ) {
        self.lies += lies.len() as u64;
        let Some(first) = lies.iter().min_by_key(|read| read.returned()) else {
            return;
        };
        if self.witnesses.len() < WITNESSES {
            let (core, why) = explain(first);
            let mut story: Vec<String> = core.iter().map(|operation| words::did(operation)).collect();
            story.push(words::sentence(&why));
            self.witnesses.push(Witness {
                key: key.cloned(),
                operations: core.into_iter().cloned().collect(),
                culprit: Some(first.id),
                story,
                orders: Vec::new(),
            });
        }
    }

    fn finish(mut self, valid: impl FnOnce(u64) -> String, word: &str) -> Finding {
        let reads = self.reads;
        // The sentence is that of the witness that is shown first.
        self.witnesses.sort_by_key(|witness| witness.operations.len());
        match self.witnesses.first() {
            None if self.unknown => {
                let why = "Not decided: an operation is not one of a register.";
                self.finding(Verdict::Unknown, why.to_owned())
            }
            None => self.finding(Verdict::Valid, valid(reads)),
            Some(first) => {
                let why = first.story.last().cloned().unwrap_or_default();
                let more = match self.lies {
                    1 => String::new(),
                    2 => " 1 other read is as wrong.".to_owned(),
                    lies => format!(" {} other reads are as wrong.", lies - 1),
                };
                self.finding(Verdict::Invalid, format!("Not {word}: {why}{more}"))
            }
        }
    }

    fn finding(self, verdict: Verdict, sentence: String) -> Finding {
        Finding {
            property: self.property.to_owned(),
            verdict,
            sentence,
            method: "intervals of writes".to_owned(),
            operations: self.operations,
            states: 0,
            witnesses: self.witnesses,
            linearizations: Vec::new(),
            levels: Vec::new(),
        }
    }
}
