//! Sequential consistency of each key, for stores whose reads may be old but never go back for the one who asks.

use rustc_hash::FxHashSet;

use super::WITNESSES;
use super::regular::{by_key, is_read};
use crate::budget::Budget;
use crate::history::{History, Key, Operation, Value};
use crate::levels::{self, Held};
use crate::linearizability::Options;
use crate::models::Cell;
use crate::verdict::{Finding, Verdict, Witness};
use crate::words;

/// So many operations are looked at, all in all, to make one witness smaller.
const EFFORT: usize = 20_000_000;

/// Whether for every key one order explains all results and agrees with the order in which each process asked (Lamport,
/// "How to make a multiprocessor computer that correctly executes multiprocess programs", 1979). Linear time where no
/// value is written twice (Cantin, Lipasti and Smith, 2005); elsewhere a search within the budget.
pub fn sequential_consistency(history: &History, options: &Options) -> Finding {
    let cell = Cell::register();
    let mut witnesses = Vec::new();
    let mut broken = 0;
    let mut unknown = None;
    for (key, operations) in by_key(history) {
        match levels::sequential(&cell, &operations, &options.budget) {
            Held::Yes => {}
            Held::Unknown(why) => unknown = unknown.or(Some(why)),
            Held::No(why) => {
                broken += 1;
                if witnesses.len() < WITNESSES {
                    let fails = |some: &[&Operation]| match levels::sequential(&cell, some, &options.budget) {
                        Held::No(why) => Some(why),
                        _ => None,
                    };
                    witnesses.push(witness(key, operations, why, &fails, &options.budget));
                }
            }
        }
    }
    witnesses.sort_by_key(|witness: &Witness| witness.operations.len());
    let (verdict, sentence) = match (witnesses.first(), unknown) {
        (Some(first), _) => {
            let why = first.story.last().cloned().unwrap_or_default();
            let more = match broken {
                1 => String::new(),
                keys => format!(" {} other keys are as wrong.", keys - 1),
            };
            (
                Verdict::Invalid,
                format!("Not sequentially consistent: {why}{more}"),
            )
        }
        (None, Some(why)) => (Verdict::Unknown, format!("Not decided: {why}.")),
        (None, None) => {
            let reads = history.operations.iter().filter(|operation| is_read(operation));
            let sentence = format!(
                "One order of each key explains all of {} reads, and what each process saw never went back.",
                reads.count()
            );
            (Verdict::Valid, sentence)
        }
    };
    Finding {
        property: "sequential consistency".to_owned(),
        verdict,
        sentence,
        method: "orders of writes".to_owned(),
        operations: history.operations.len() as u64,
        states: 0,
        witnesses,
        linearizations: Vec::new(),
        levels: Vec::new(),
    }
}

/// As few operations as still prove it. What is proven remains so when the time is up: then these are more.
fn witness(
    key: Option<&Key>,
    mut core: Vec<&Operation>,
    mut why: String,
    fails: &dyn Fn(&[&Operation]) -> Option<String>,
    budget: &Budget,
) -> Witness {
    let mut effort = 0;
    let mut size = core.len().div_ceil(2);
    loop {
        let mut start = 0;
        while start < core.len() && effort < EFFORT {
            if budget.expired() {
                effort = EFFORT;
                break;
            }
            let end = (start + size).min(core.len());
            let fewer = sourced([&core[..start], &core[end..]].concat());
            effort += core.len();
            match fails(&fewer) {
                Some(reason) => (core, why) = (fewer, reason),
                None => start = end,
            }
        }
        if size <= 1 {
            break;
        }
        size = size.div_ceil(2);
    }
    let reads = core.iter().copied().filter(|operation| is_read(operation));
    let culprit = reads.max_by_key(|read| read.returned());
    let mut story: Vec<String> = core.iter().map(|operation| words::did(operation)).collect();
    if effort >= EFFORT {
        story.push("To look for a smaller witness would have cost too much.".to_owned());
    }
    let (culprit, said) = match culprit.and_then(|read| went_back(read, &core)) {
        Some((liar, said)) => (Some(liar), said),
        None => {
            let name = key.map_or(String::new(), |key| format!("of {key}, "));
            (culprit, format!("{name}{why}."))
        }
    };
    story.push(words::sentence(&said));
    Witness {
        key: key.cloned(),
        culprit: culprit.map(|read| read.id),
        operations: core.into_iter().cloned().collect(),
        story,
        orders: Vec::new(),
    }
}

/// If one process alone proves it: the read that went back, and behind what.
fn went_back<'h>(last: &'h Operation, core: &[&'h Operation]) -> Option<(&'h Operation, String)> {
    let alone = |one: &&Operation| !is_read(one) || one.process == last.process;
    let mut own = core
        .iter()
        .copied()
        .filter(|one| one.process == last.process && one.returned() <= last.invoked.index)
        .collect::<Vec<_>>();
    own.sort_by_key(|one| one.invoked.index);
    let before = own.pop().filter(|_| core.iter().all(alone))?;
    let returned = &last.completion.value;
    // What it knew already came back: it was the read in between that saw something older.
    if let Some(first) = own.iter().rev().find(|one| known(one) == returned)
        && is_read(before)
        && known(before) != returned
    {
        let why = format!(
            "{} returned {}, though the same process had {} {} before, and saw {} again afterwards.",
            words::brief(before),
            words::short(known(before)),
            had(first),
            words::short(returned),
            words::short(returned),
        );
        return Some((before, why));
    }
    let writer = |value: &Value| core.iter().find(|one| !is_read(one) && one.argument == *value);
    let order = match (writer(returned), writer(known(before))) {
        (Some(older), Some(newer)) if older.process == newer.process && older.process != last.process => {
            format!(", which process {} wrote after it", newer.process)
        }
        _ => String::new(),
    };
    let why = format!(
        "{} returned {}, though the same process had {} {} before{order}.",
        words::brief(last),
        words::short(returned),
        had(before),
        words::short(known(before)),
    );
    Some((last, why))
}

/// The value that who asked for it knows from an operation.
fn known(operation: &Operation) -> &Value {
    if is_read(operation) {
        &operation.completion.value
    } else {
        &operation.argument
    }
}

/// How it came to know it.
fn had(operation: &Operation) -> &'static str {
    if is_read(operation) { "seen" } else { "written" }
}

/// Without the reads of what none of these wrote: they would be a violation that the history need not have.
fn sourced(operations: Vec<&Operation>) -> Vec<&Operation> {
    let written: FxHashSet<&Value> = operations
        .iter()
        .filter(|operation| !is_read(operation))
        .map(|write| &write.argument)
        .collect();
    let nil = Value::Nil;
    let kept = |read: &&Operation| {
        let value = &read.completion.value;
        !is_read(read) || *value == nil || written.contains(value)
    };
    operations.iter().copied().filter(kept).collect()
}
