//! The operations on one value, as the levels look at them.

use rustc_hash::FxHashMap;

use crate::history::{Operation, Outcome, Value};
use crate::models::{Cell, CellAction, Model};
use crate::words;

/// The number of the initial value.
pub(super) const INITIAL: u32 = 0;

/// An operation that saw or wrote a value, or both. Positions are shifted by one, so that 0 is before everything.
#[derive(Clone, Copy, Debug)]
pub(super) struct Act<'h> {
    pub operation: &'h Operation,
    pub invoked: u64,
    pub returned: u64,
    pub saw: Option<u32>,
    pub wrote: Option<u32>,
    /// The value that it was told not to be there.
    pub denied: Option<u32>,
}

impl Act<'_> {
    pub(super) fn pending(&self) -> bool {
        self.operation.completion.outcome == Outcome::Info
    }

    /// `the read of x by process 3 returned 7`.
    pub(super) fn says(&self, register: &Register<'_>) -> String {
        let saw = self.saw.or(self.denied).map(|value| register.value(value));
        let brief = words::brief(self.operation);
        match (self.denied, saw) {
            (None, Some(value)) => format!("{brief} saw {}", words::short(value)),
            (Some(_), Some(value)) => {
                format!("{brief} was told that the value is not {}", words::short(value))
            }
            (_, None) => brief,
        }
    }
}

/// One value that clients read and change.
pub(super) struct Register<'h> {
    /// In the order of invocation, without pending writes that nobody saw.
    pub acts: Vec<Act<'h>>,
    /// Pending writes that nobody saw.
    pub unseen: Vec<Act<'h>>,
    values: Vec<Value>,
    pub cell: Cell,
    /// Whether every value was written at most once, and the initial one never.
    pub unique: bool,
}

impl<'h> Register<'h> {
    /// None where the history has operations that are not about single values: appends.
    pub(super) fn new(cell: &Cell, operations: &[&'h Operation]) -> Option<Self> {
        let mut values = vec![cell.init()];
        let mut numbers: FxHashMap<Value, u32> = FxHashMap::from_iter([(cell.init(), INITIAL)]);
        let mut number = |value: Value| {
            *numbers.entry(value).or_insert_with_key(|value| {
                values.push(value.clone());
                values.len() as u32 - 1
            })
        };
        let mut acts = Vec::with_capacity(operations.len());
        for &operation in operations {
            let Some(action) = cell.action(operation).ok()? else {
                continue;
            };
            let (saw, wrote, denied) = match action {
                CellAction::Read(value) => (Some(number(value)), None, None),
                CellAction::Write(value) => (None, Some(number(value)), None),
                CellAction::Cas(expected, new) if expected == new => (Some(number(expected)), None, None),
                CellAction::Cas(expected, new) => (Some(number(expected)), Some(number(new)), None),
                CellAction::Differs(value) => (None, None, Some(number(value))),
                // It saw the value and denied it.
                CellAction::Contradiction(value) => {
                    let value = number(value);
                    (Some(value), None, Some(value))
                }
                CellAction::Append(_) => return None,
            };
            if operation.completion.outcome == Outcome::Info && wrote.is_none() {
                continue;
            }
            acts.push(Act {
                operation,
                invoked: operation.invoked.index + 1,
                returned: operation.returned().saturating_add(1),
                saw,
                wrote,
                denied,
            });
        }
        let mut register = Register {
            acts,
            unseen: Vec::new(),
            values,
            cell: cell.clone(),
            unique: true,
        };
        register.drop_unseen();
        let mut written = vec![false; register.values.len()];
        written[INITIAL as usize] = true;
        register.unique = register
            .acts
            .iter()
            .filter_map(|act| act.wrote)
            .all(|value| !std::mem::replace(&mut written[value as usize], true));
        Some(register)
    }

    /// Pending writes whose value nothing saw, be it by way of other pending ones, need not have happened.
    fn drop_unseen(&mut self) {
        let mut seen = vec![false; self.values.len()];
        let mut todo: Vec<u32> = self
            .acts
            .iter()
            .filter(|act| !act.pending())
            .filter_map(|act| act.saw)
            .collect();
        let mut swaps: FxHashMap<u32, Vec<u32>> = FxHashMap::default();
        for act in self.acts.iter().filter(|act| act.pending()) {
            if let (Some(saw), Some(wrote)) = (act.saw, act.wrote) {
                swaps.entry(wrote).or_default().push(saw);
            }
        }
        while let Some(value) = todo.pop() {
            if !std::mem::replace(&mut seen[value as usize], true) {
                todo.extend(swaps.get(&value).into_iter().flatten());
            }
        }
        let counts = |act: &Act<'_>| !act.pending() || act.wrote.is_some_and(|value| seen[value as usize]);
        // Where something must have found the value to differ, any write may be what made it so.
        if self.acts.iter().all(|act| act.denied.is_none()) {
            let (acts, unseen) = std::mem::take(&mut self.acts).into_iter().partition(counts);
            (self.acts, self.unseen) = (acts, unseen);
        }
    }

    pub(super) fn value(&self, number: u32) -> &Value {
        &self.values[number as usize]
    }

    pub(super) fn values(&self) -> usize {
        self.values.len()
    }

    /// Why a level that needs unique values cannot be judged.
    pub(super) fn repeats(&self) -> String {
        "a value was written more than once".to_owned()
    }
}
