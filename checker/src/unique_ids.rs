//! Unique ids: `generate` never gives out the same id twice, whatever the key.

use std::collections::BTreeMap;

use crate::history::{History, Operation, Outcome, Value};
use crate::verdict::{Finding, Verdict, Witness};
use crate::words;

/// The most witnesses that a finding carries.
const WITNESSES: usize = 10;

/// Judges all ids that were given out.
pub fn check(history: &History) -> Finding {
    let mut ids: BTreeMap<&Value, Vec<&Operation>> = BTreeMap::new();
    let mut unknown = None;
    for operation in &history.operations {
        if operation.f.name() != "generate" {
            let reason = format!(
                "operation {} is `{}`, which is not `generate`",
                operation.id, operation.f
            );
            unknown = unknown.or(Some(reason));
        } else if operation.completion.outcome == Outcome::Ok && operation.completion.value == Value::Nil {
            let reason = format!(
                "operation {} does not tell the id that it was given",
                operation.id
            );
            unknown = unknown.or(Some(reason));
        } else if operation.completion.outcome == Outcome::Ok {
            ids.entry(&operation.completion.value)
                .or_default()
                .push(operation);
        }
    }
    let given: usize = ids.values().map(Vec::len).sum();
    let mut doubled: Vec<(&Value, &Vec<&Operation>)> = ids
        .iter()
        .filter(|(_, by)| by.len() > 1)
        .map(|(id, by)| (*id, by))
        .collect();
    doubled.sort_by_key(|(_, by)| by[1].id);
    if given == 0 && unknown.is_none() {
        unknown = Some("no id was given out".to_owned());
    }
    let (verdict, sentence) = match (&doubled[..], unknown) {
        ([], None) => (Verdict::Valid, format!("All {given} ids are different.")),
        ([], Some(reason)) => (Verdict::Unknown, format!("Not decided: {reason}.")),
        ([(id, by), ..], _) => {
            let others = match doubled.len() - 1 {
                0 => String::new(),
                1 => ", and so was another".to_owned(),
                others => format!(", and so were {others} others"),
            };
            let sentence = format!("{} was given out {} times{others}.", words::short(id), by.len());
            (Verdict::Invalid, sentence)
        }
    };
    let explain = |(id, by): &(&Value, &Vec<&Operation>)| {
        let pair = &by[..2];
        let mut story: Vec<String> = pair.iter().map(|operation| words::did(operation)).collect();
        story.push(format!(
            "The id {} was given out {} times, first to processes {} and {}.",
            words::short(id),
            by.len(),
            pair[0].process,
            pair[1].process
        ));
        Witness {
            key: None,
            operations: pair.iter().copied().cloned().collect(),
            culprit: Some(pair[1].id),
            story,
            orders: Vec::new(),
        }
    };
    Finding {
        property: "unique ids".to_owned(),
        verdict,
        sentence,
        method: "all of them".to_owned(),
        operations: history.operations.len() as u64,
        states: 0,
        witnesses: doubled.iter().take(WITNESSES).map(explain).collect(),
        linearizations: Vec::new(),
        levels: Vec::new(),
    }
}
