//! What clients saw, and whether it can be true.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use perjury_systems::api::{Command, Failure, MicroOp, Response, Value};

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

/// Versions are places in the one log: they must rise in real time, and each must be one value's.
pub fn judge(operations: &[Operation]) -> Option<String> {
    let mut written: BTreeMap<(Arc<str>, u64), Value> = BTreeMap::new();
    let mut floors: Vec<(Nanos, Arc<str>, u64)> = Vec::new();
    let mut refused = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for op in operations {
        if let (Command::Write { value, .. }, Some(response)) = (&op.command, &op.response)
            && matches!(response.result, Err(Failure::Unavailable { .. }))
            && !op.uncertain
        {
            refused.insert(value.clone());
        }
    }
    for op in operations.iter().filter(|op| is_ok(op)) {
        let reply = op
            .response
            .as_ref()
            .and_then(|response| response.result.clone().ok())?;
        let (key, value, version) = match &op.command {
            Command::Write { key, value } => (key.clone(), value.clone(), reply.version),
            Command::Read { key } => {
                seen.insert(reply.value.clone());
                (key.clone(), reply.value, reply.version)
            }
            _ => continue,
        };
        floors.push((op.completed?, key.clone(), version));
        if version > 0
            && let Some(other) = written.insert((key.clone(), version), value.clone())
            && other != value
        {
            return Some(format!(
                "{key} has two values at version {version}: {other:?} and {value:?}"
            ));
        }
    }
    if let Some(value) = refused.intersection(&seen).next() {
        return Some(format!("{value:?} was refused for certain, and read"));
    }
    floors.sort();
    for op in operations.iter().filter(|op| is_ok(op)) {
        let (Command::Write { key, .. } | Command::Read { key }) = &op.command else {
            continue;
        };
        let version = op
            .response
            .as_ref()
            .and_then(|response| response.result.clone().ok())?
            .version;
        let strictly = matches!(op.command, Command::Write { .. });
        let before = floors.iter().take_while(|(at, _, _)| *at < op.invoked);
        let floor = before
            .filter(|(_, other, _)| other == key)
            .map(|(_, _, version)| *version)
            .max();
        if let Some(floor) = floor
            && (version < floor || strictly && version == floor)
        {
            return Some(format!(
                "{key}: version {version} after version {floor} was seen, at {}",
                op.invoked
            ));
        }
    }
    judge_lists(operations)
}

fn judge_lists(operations: &[Operation]) -> Option<String> {
    let mut lists: Vec<Vec<Value>> = Vec::new();
    for op in operations.iter().filter(|op| is_ok(op)) {
        let Command::Txn(parts) = &op.command else {
            continue;
        };
        let reply = op
            .response
            .as_ref()
            .and_then(|response| response.result.clone().ok())?;
        if let (MicroOp::Read { .. }, Value::List(values)) = (&parts[0], reply.value)
            && let Some(Value::List(list)) = values.first()
        {
            lists.push(list.clone());
        }
    }
    lists.sort_by_key(Vec::len);
    for pair in lists.windows(2) {
        if !pair[1].starts_with(&pair[0]) {
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

/// Whether it surely happened.
pub fn is_ok(op: &Operation) -> bool {
    op.response
        .as_ref()
        .is_some_and(|response| response.result.is_ok())
}
