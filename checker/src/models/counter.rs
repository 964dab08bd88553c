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
    type State = i64;
    type Action = CounterAction;

    fn name(&self) -> &str {
        "linearizable-counter"
    }

    fn init(&self) -> i64 {
        self.initial
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

    fn step(&self, sum: &i64, action: &CounterAction) -> Option<i64> {
        match action {
            // A sum beyond 64 bits is none that a history could show.
            CounterAction::Increment(more) => sum.checked_add(*more),
            CounterAction::Read(saw) => (saw == sum).then_some(*sum),
        }
    }

    fn describe(&self, sum: &i64) -> Value {
        Value::Int(*sum)
    }

    fn explain(&self, sum: &i64, _: &CounterAction) -> String {
        format!("the sum is {sum}")
    }

    fn precondition(&self, action: &CounterAction) -> Option<i64> {
        match action {
            CounterAction::Read(saw) => Some(*saw),
            CounterAction::Increment(_) => None,
        }
    }

    fn pure(&self, action: &CounterAction) -> bool {
        matches!(action, CounterAction::Read(_) | CounterAction::Increment(0))
    }
}
