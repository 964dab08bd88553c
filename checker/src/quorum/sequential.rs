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
    let said = culprit.and_then(|read| went_back(read, &core));
    story.push(words::sentence(&said.unwrap_or_else(|| {
        let name = key.map_or(String::new(), |key| format!("of {key}, "));
        format!("{name}{why}.")
    })));
    Witness {
        key: key.cloned(),
        culprit: culprit.map(|read| read.id),
        operations: core.into_iter().cloned().collect(),
        story,
        orders: Vec::new(),
    }
}

/// If one process alone proves it: what its last read returned, and what it knew before.
fn went_back(read: &Operation, core: &[&Operation]) -> Option<String> {
    let alone = |one: &&Operation| !is_read(one) || one.process == read.process;
    let before = core
        .iter()
        .filter(|one| one.process == read.process && one.returned() <= read.invoked.index)
        .max_by_key(|one| one.invoked.index)?;
    let (had, what) = if is_read(before) {
        ("seen", &before.completion.value)
    } else {
        ("written", &before.argument)
    };
    core.iter().all(alone).then(|| {
        format!(
            "{} returned {}, though the same process had {had} {} before.",
            words::brief(read),
            words::short(&read.completion.value),
            words::short(what),
        )
    })
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
