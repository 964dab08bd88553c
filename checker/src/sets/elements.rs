//! Sets of which only single elements are asked for: every element is an object of its own.

use std::collections::BTreeMap;
use std::num::NonZero;

use crate::budget::Budget;
use crate::history::{Function, History, Operation, Outcome, Value};
use crate::linearizability::{Options, check};
use crate::models::{Cell, Decision, Model, Refutation, Set, SetAction};
use crate::verdict::Verdict;
use crate::words;

/// Decides one set, element by element, each as a register that says whether it is there; none if an element's
/// budget is spent.
pub(crate) fn decide(model: &Set, operations: &[&Operation], budget: &Budget) -> Option<Decision> {
    let mut elements: BTreeMap<Value, Vec<Operation>> = BTreeMap::new();
    for &operation in operations {
        let (element, written, seen) = match model.action(operation).ok()? {
            Some(SetAction::Add(element)) => (element, Some(true), None),
            Some(SetAction::Remove(element)) => (element, Some(false), None),
            Some(SetAction::Contains(element, inside)) => (element, None, Some(inside)),
            Some(SetAction::Read(_) | SetAction::Doubled(_)) => return None,
            None => continue,
        };
        let mut register = operation.clone();
        register.f = if written.is_some() {
            Function::Write
        } else {
            Function::Read
        };
        register.argument = written.map_or(Value::Nil, Value::Bool);
        register.completion.value = seen.map_or(Value::Nil, Value::Bool);
        if seen.is_some() {
            register.completion.outcome = Outcome::Ok;
        }
        elements.entry(element).or_default().push(register);
    }
    let options = Options {
        budget: budget.clone(),
        threads: NonZero::<usize>::MIN,
        witnesses: 1,
        ..Options::default()
    };
    let register = Cell::register().initial(Value::Bool(false));
    for (element, operations) in elements {
        let history = History {
            operations,
            ..History::default()
        };
        let finding = check(&history, &register, &options);
        match finding.verdict {
            Verdict::Valid => {}
            Verdict::Unknown => return None,
            Verdict::Invalid => {
                let witness = finding.witnesses.first()?;
                let culprit = history
                    .operations
                    .iter()
                    .find(|operation| Some(operation.id) == witness.culprit)?;
                let said = match culprit.completion.value {
                    Value::Bool(true) => format!("{element} is in the set"),
                    _ => format!("{element} is not in the set"),
                };
                let by = format!("process {}", culprit.process);
                return Some(Decision::Illegal(Refutation {
                    core: witness.operations.iter().map(|operation| operation.id).collect(),
                    what: format!("{by} was wrongly told that {said}"),
                    sentence: format!(
                        "{by} was told that {said}, which in no order that agrees with real time was so in its window, \
                         {}.",
                        words::window(culprit)
                    ),
                }));
            }
        }
    }
    Some(Decision::Legal)
}
