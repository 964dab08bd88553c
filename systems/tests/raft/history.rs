//! What clients saw, and whether it can be true.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use perjury_systems::api::{Command, Failure, MicroOp, Reply, Response, Value};

use crate::bed::Nanos;

/// What a client did and saw.
#[derive(Clone, Debug)]
pub struct Operation {
    pub invoked: Nanos,
    pub completed: Option<Nanos>,
    pub command: Command,
    pub response: Option<Response>,
    /// An attempt at it had an unknown outcome: a later refusal refuses only the later attempt.
    pub uncertain: bool,
}

/// Says what of this cannot be true, if anything. `settled` is what the list and the sum held in the end, when
/// nothing was under way any more.
pub fn judge(operations: &[Operation], settled: Option<(Value, Value)>) -> Option<String> {
    versions(operations)
        .or_else(|| refusals(operations))
        .or_else(|| lists(operations))
        .or_else(|| settled.and_then(|(list, sum)| losses(operations, &list, &sum)))
}

fn reply(op: &Operation) -> Option<&Reply> {
    op.response.as_ref()?.result.as_ref().ok()
}

/// Versions are places in the one log: they rise in real time, and each is one value's.
fn versions(operations: &[Operation]) -> Option<String> {
    let mut values: BTreeMap<(&Arc<str>, u64), &Value> = BTreeMap::new();
    let mut seen: BTreeMap<&Arc<str>, Vec<(Nanos, u64)>> = BTreeMap::new();
    let mut judged = Vec::new();
    for op in operations {
        let (Some(reply), Some(at)) = (reply(op), op.completed) else {
            continue;
        };
        let (key, value, writes) = match &op.command {
            Command::Write { key, value } => (key, value, true),
            Command::Read { key } => (key, &reply.value, false),
            _ => continue,
        };
        seen.entry(key).or_default().push((at, reply.version));
        judged.push((op.invoked, key, reply.version, writes));
        match values.insert((key, reply.version), value) {
            Some(other) if other != value => {
                let version = reply.version;
                return Some(format!(
                    "{key} has two values at version {version}: {other:?} and {value:?}"
                ));
            }
            _ => {}
        }
    }
    for floors in seen.values_mut() {
        floors.sort_unstable();
        let mut highest = 0;
        for (_, version) in floors {
            highest = highest.max(*version);
            *version = highest;
        }
    }
    judged.into_iter().find_map(|(invoked, key, version, writes)| {
        let floors = &seen[key];
        let before = floors.partition_point(|(at, _)| *at < invoked).checked_sub(1)?;
        let floor = floors[before].1;
        (version < floor || writes && version == floor)
            .then(|| format!("{key}: version {version} after version {floor} was seen, at {invoked}"))
    })
}

/// What was refused for certain is never read.
fn refusals(operations: &[Operation]) -> Option<String> {
    let mut refused = BTreeSet::new();
    let mut read = BTreeSet::new();
    for op in operations {
        match (&op.command, op.response.as_ref().map(|response| &response.result)) {
            (Command::Write { value, .. }, Some(Err(Failure::Unavailable { .. }))) if !op.uncertain => {
                refused.insert(value);
            }
            (Command::Read { .. }, Some(Ok(reply))) => {
                read.insert(&reply.value);
            }
            _ => {}
        }
    }
    let value = refused.intersection(&read).next()?;
    Some(format!("{value:?} was refused for certain, and read"))
}

/// Of two reads of a list, one is a prefix of the other; and no element is twice.
fn lists(operations: &[Operation]) -> Option<String> {
    let read = |op: &'_ Operation| match (&op.command, &reply(op)?.value) {
        (Command::Txn(parts), Value::List(values)) => match (&parts[0], values.first()) {
            (MicroOp::Read { .. }, Some(Value::List(list))) => Some(list.clone()),
            _ => None,
        },
        _ => None,
    };
    let mut lists: Vec<Arc<Vec<Value>>> = operations.iter().filter_map(read).collect();
    lists.sort_by_key(|list| list.len());
    for pair in lists.windows(2) {
        if !pair[1].starts_with(&pair[0][..]) {
            return Some(format!(
                "a list is no prefix of a later one: {:?} and {:?}",
                pair[0], pair[1]
            ));
        }
    }
    let longest = lists.last()?;
    let distinct: BTreeSet<&Value> = longest.iter().collect();
    (distinct.len() < longest.len()).then(|| format!("an element is twice in {longest:?}"))
}

/// What was acknowledged is there in the end; and no increment happened more often than it was asked for.
fn losses(operations: &[Operation], list: &Value, sum: &Value) -> Option<String> {
    let held: BTreeSet<&Value> = match list {
        Value::List(list) => list.iter().collect(),
        _ => BTreeSet::new(),
    };
    let (mut surely, mut perhaps) = (0, 0);
    for op in operations {
        let Command::Txn(parts) = &op.command else {
            continue;
        };
        let refused = matches!(
            &op.response,
            Some(Response {
                result: Err(Failure::Unavailable { .. }),
                ..
            })
        );
        match &parts[0] {
            MicroOp::Append { value, .. } if is_ok(op) && !held.contains(value) => {
                return Some(format!("{value:?} was acknowledged and is lost"));
            }
            MicroOp::Add { .. } if is_ok(op) => surely += 1,
            MicroOp::Add { .. } if op.uncertain || !refused => perhaps += 1,
            _ => {}
        }
    }
    let sum = match sum {
        Value::Int(sum) => *sum,
        _ => 0,
    };
    (sum < surely || sum > surely + perhaps)
        .then(|| format!("the sum is {sum}; acknowledged {surely}, unknown {perhaps}"))
}

/// Whether it surely happened.
pub fn is_ok(op: &Operation) -> bool {
    op.response
        .as_ref()
        .is_some_and(|response| response.result.is_ok())
}
