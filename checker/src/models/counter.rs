//! A counter: `increment` and `read`, to the letter.

use super::{Model, Unsupported};
use crate::history::{Function, Operation, Outcome, Value};

/// A sum, initially 0. `increment` (or `add`) adds an integer, which may be negative (none: 1), and tells nothing;
/// `read` completes with the sum.
///
/// ```text
///  process 0   [──────── increment 1 ────────]
///  process 1   [──────── increment 2 ────────]
///  process 2      [─ read → 1 ─]
///  process 3      [─ read → 2 ─]                  illegal: one of the increments came first
/// ```
///
/// This is linearizability. The checker [`crate::counter`] asks for less: each read, and each pair of reads that
/// follow each other, must lie within the bounds of the increments. That takes O(n log n) however many are in flight,
/// and it would let the two reads above pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counter {
    initial: i64,
}

impl Counter {
    /// A counter that begins with `initial`.
    pub fn new(initial: i64) -> Self {
        Counter { initial }
    }
}

/// What an operation does to a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CounterAction {
    /// This was added.
    Increment(i64),
    /// This was the sum.
    Read(i64),
}

impl Model for Counter {
    type State = i128;
    type Action = CounterAction;

    fn name(&self) -> &str {
        "linearizable-counter"
    }

    fn init(&self) -> i128 {
        self.initial.into()
    }

    fn action(&self, operation: &Operation) -> Result<Option<CounterAction>, Unsupported> {
        let outcome = operation.completion.outcome;
        match (&operation.f, &operation.argument, &operation.completion.value) {
            (Function::Increment | Function::Add, Value::Nil | Value::Int(_), _) => {
                let more = match operation.argument {
                    Value::Int(more) => more,
                    _ => 1,
                };
                Ok((outcome != Outcome::Fail).then_some(CounterAction::Increment(more)))
            }
            (Function::Read, ..) if outcome != Outcome::Ok => Ok(None),
            (Function::Read, _, Value::Int(sum)) => Ok(Some(CounterAction::Read(*sum))),
            (Function::Increment | Function::Add | Function::Read, ..) => Err(Unsupported::value(operation)),
            _ => Err(Unsupported::function(self.name(), operation)),
        }
    }

    fn step(&self, sum: &i128, action: &CounterAction) -> Option<i128> {
        match action {
            // No history is so long that its increments would not fit.
            CounterAction::Increment(more) => sum.checked_add(i128::from(*more)),
            CounterAction::Read(saw) => (i128::from(*saw) == *sum).then_some(*sum),
        }
    }

    fn describe(&self, sum: &i128) -> Value {
        match i64::try_from(*sum) {
            Ok(sum) => Value::Int(sum),
            Err(_) => Value::from(sum.to_string().as_str()),
        }
    }

    fn explain(&self, sum: &i128, _: &CounterAction) -> String {
        format!("the sum is {sum}")
    }

    fn precondition(&self, action: &CounterAction) -> Option<i128> {
        match action {
            CounterAction::Read(saw) => Some((*saw).into()),
            CounterAction::Increment(_) => None,
        }
    }

    fn pure(&self, action: &CounterAction) -> bool {
        matches!(action, CounterAction::Read(_) | CounterAction::Increment(0))
    }
}
