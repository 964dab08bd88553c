//! A set: add, remove, ask for one element, read all of them.

use std::collections::BTreeSet;

use super::{Decision, Model, Unsupported};
use crate::budget::Budget;
use crate::history::{Function, Operation, Outcome, Value};
use crate::sets;

/// A set, initially empty.
///
/// | function | argument | `ok` | `fail` with `precondition-failed` |
/// |---|---|---|---|
/// | `add` | an element | it is in the set now | it was in the set already |
/// | `remove` | an element | it is not in the set now | it was not in the set |
/// | `contains` | an element | `true` or `false` | |
/// | `read` | | all elements, as a list in any order; `nil` is none | |
///
/// ```text
///  process 0   [─ add 1 ─]
///  process 1   [─ add 2 ─]
///  process 2               [─ read → [1] ─]      illegal: 2 had been added, too
/// ```
///
/// This is linearizability. The checker [`crate::sets`] asks for less: reads may be late, but nothing may be lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Set;

/// What an operation does to a set.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SetAction {
    /// The element is in the set from now on.
    Add(Value),
    /// The element is not in the set from now on.
    Remove(Value),
    /// The element was in the set, or was not.
    Contains(Value, bool),
    /// These were all elements.
    Read(BTreeSet<Value>),
    /// A read that shows an element twice: never legal.
    Doubled(Value),
}

impl Model for Set {
    type State = BTreeSet<Value>;
    type Action = SetAction;

    fn name(&self) -> &str {
        "linearizable-set"
    }

    fn init(&self) -> BTreeSet<Value> {
        BTreeSet::new()
    }

    fn action(&self, operation: &Operation) -> Result<Option<SetAction>, Unsupported> {
        let element = || operation.argument.clone();
        let completion = &operation.completion;
        let observes = completion.outcome == Outcome::Ok;
        Ok(match (operation.f.name(), completion.outcome) {
            ("add", Outcome::Fail) => operation
                .precondition_failed()
                .then(|| SetAction::Contains(element(), true)),
            ("add", _) => Some(SetAction::Add(element())),
            ("remove", Outcome::Fail) => operation
                .precondition_failed()
                .then(|| SetAction::Contains(element(), false)),
            ("remove", _) => Some(SetAction::Remove(element())),
            ("contains" | "read", _) if !observes => None,
            ("contains", _) => match completion.value {
                Value::Bool(inside) => Some(SetAction::Contains(element(), inside)),
                _ => return Err(Unsupported::value(operation)),
            },
            ("read", _) => match &completion.value {
                Value::Nil => Some(SetAction::Read(BTreeSet::new())),
                Value::List(elements) => {
                    let mut all = BTreeSet::new();
                    let twice = elements.iter().find(|element| !all.insert((*element).clone()));
                    match twice {
                        Some(element) => Some(SetAction::Doubled(element.clone())),
                        None => Some(SetAction::Read(all)),
                    }
                }
                _ => return Err(Unsupported::value(operation)),
            },
            _ => return Err(Unsupported::function(self.name(), operation)),
        })
    }

    fn step(&self, set: &BTreeSet<Value>, action: &SetAction) -> Option<BTreeSet<Value>> {
        match action {
            SetAction::Add(element) => {
                let mut set = set.clone();
                set.insert(element.clone());
                Some(set)
            }
            SetAction::Remove(element) => {
                let mut set = set.clone();
                set.remove(element);
                Some(set)
            }
            SetAction::Contains(element, inside) => (set.contains(element) == *inside).then(|| set.clone()),
            SetAction::Read(elements) => (set == elements).then(|| set.clone()),
            SetAction::Doubled(_) => None,
        }
    }

    fn describe(&self, set: &BTreeSet<Value>) -> Value {
        Value::List(set.iter().cloned().collect())
    }

    fn explain(&self, set: &BTreeSet<Value>, action: &SetAction) -> String {
        match action {
            SetAction::Contains(element, true) => format!("{element} is not in the set"),
            SetAction::Contains(element, false) => format!("{element} is in the set"),
            SetAction::Doubled(element) => format!("it showed {element} twice"),
            _ => format!("the set is {}", self.describe(set)),
        }
    }

    fn pure(&self, action: &SetAction) -> bool {
        !matches!(action, SetAction::Add(_) | SetAction::Remove(_))
    }

    fn bytes(&self, set: &BTreeSet<Value>) -> usize {
        size_of_val(set) + set.len() * size_of::<Value>()
    }

    fn decide(&self, operations: &[&Operation], budget: &Budget) -> Option<Decision> {
        let whole = operations.iter().any(|operation| operation.f == Function::Read);
        if whole {
            sets::growing::decide(self, operations, budget)
        } else {
            sets::elements::decide(self, operations, budget)
        }
    }
}
