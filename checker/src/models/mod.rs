//! Sequential specifications: what a correct object does when nobody else is using it.
//!
//! Linearizability reduces concurrency to this question. Operations overlap in real time, yet each must appear
//! to take effect at one instant between its invocation and its completion. Put the operations in the order of
//! those instants, and what is left is a sequence that the model can judge step by step:
//!
//! ```text
//!  process 0   [── write 1 ──]
//!  process 1        [──── read 1 ────]
//!  process 2                  [─ read 0 ─]      initially 0
//!                  ▲       ▲
//!                  │       └ read 1: legal, the state is 1
//!                  └ write 1: legal, 0 becomes 1
//! ```
//!
//! `read 0` can only come before `write 1`, but `write 1` had completed before it was invoked: no choice of
//! instants works, so the history is not linearizable.
//!
//! A [`Model`] says where it begins ([`Model::init`]), what an operation of a history claims
//! ([`Model::action`]), and what that does to a state ([`Model::step`]). Everything else has a default.

mod cell;
mod counter;
mod fenced_lock;
mod multi_register;
mod mutex;
mod name;
mod nondeterministic;
mod queues;
mod set;
mod versioned_register;

use std::fmt;
use std::hash::Hash;

use crate::budget::Budget;
use crate::history::{Operation, Value};

pub use cell::{Cell, CellAction, NilRead};
pub use counter::{Counter, CounterAction};
pub use fenced_lock::{FencedLock, FencedLockAction};
pub use multi_register::{Access, MultiRegister};
pub use mutex::{Mutex, MutexAction};
pub use name::{ModelName, ModelOptions, UnknownModel};
pub use nondeterministic::{Nondeterministic, NondeterministicModel};
pub use queues::{FifoQueue, QueueAction, Stack, UnorderedQueue};
pub use set::{Set, SetAction};
pub use versioned_register::{VersionedAction, VersionedRegister, VersionedState};

/// A sequential specification.
///
/// ```
/// use perjury_checker::models::{Model, Unsupported};
/// use perjury_checker::{Operation, Outcome, Value};
///
/// /// A register that only ever grows: `write` keeps the greater value.
/// struct Maximum;
///
/// impl Model for Maximum {
///     type State = i64;
///     type Action = (bool, i64); // (is it a write, its value)
///
///     fn name(&self) -> &str {
///         "maximum"
///     }
///     fn init(&self) -> i64 {
///         0
///     }
///     fn action(&self, operation: &Operation) -> Result<Option<(bool, i64)>, Unsupported> {
///         let write = operation.f.name() == "write";
///         let value = if write { &operation.argument } else { &operation.completion.value };
///         match (operation.completion.outcome, value) {
///             (Outcome::Fail, _) => Ok(None),
///             (Outcome::Info, _) if !write => Ok(None),
///             (_, Value::Int(value)) => Ok(Some((write, *value))),
///             _ => Err(Unsupported::value(operation)),
///         }
///     }
///     fn step(&self, state: &i64, &(write, value): &(bool, i64)) -> Option<i64> {
///         if write { Some(value.max(*state)) } else { (value == *state).then_some(*state) }
///     }
///     fn describe(&self, state: &i64) -> Value {
///         Value::Int(*state)
///     }
/// }
/// ```
pub trait Model: Sync {
    /// The object's state. Equal states must behave alike.
    type State: Clone + Eq + Hash;
    /// What an operation did and answered. Operations with equal actions are indistinguishable, which the search
    /// makes use of: leave out of an action what no step looks at.
    type Action: Clone + Eq + Hash;

    /// The model's name, for reports.
    fn name(&self) -> &str;

    /// The state before the first operation.
    fn init(&self) -> Self::State;

    /// What an operation claims; none if it constrains nothing (it failed, or it is a read whose result is not
    /// known). An operation whose outcome is `info` may be left out of the order; every other action that is
    /// returned must have its place in it.
    ///
    /// # Errors
    /// If the operation is not one of this object's.
    fn action(&self, operation: &Operation) -> Result<Option<Self::Action>, Unsupported>;

    /// The state afterwards, or none if the action cannot have happened in this state.
    fn step(&self, state: &Self::State, action: &Self::Action) -> Option<Self::State>;

    /// The state as a report shows it.
    fn describe(&self, state: &Self::State) -> Value;

    /// Why `step` refused, as the end of a sentence that begins with the operation: `the value is 4`.
    fn explain(&self, state: &Self::State, action: &Self::Action) -> String {
        let _ = action;
        format!("it is not legal when the state is {}", self.describe(state))
    }

    /// A state in which the action is legal, where the action alone tells one: a read of 4 is legal where the value
    /// is 4. Explanations begin with it where they do not show the operations that led there.
    fn precondition(&self, action: &Self::Action) -> Option<Self::State> {
        let _ = action;
        None
    }

    /// Whether the action never changes any state. Such actions take effect as soon as they are legal, which
    /// spares the search most of its choices. Answering false is always right. ([`Nondeterministic`], whose states
    /// are sets, is the one exception: there an action may rule members out, and then does not take effect at once.)
    fn pure(&self, action: &Self::Action) -> bool {
        let _ = action;
        false
    }

    /// Whether the action is legal in every state and always leaves the same one, as a blind write does. Such an
    /// action can hide another one by taking effect right behind it, which spares the search more choices.
    /// Answering false is always right.
    fn blind(&self, action: &Self::Action) -> bool {
        let _ = action;
        false
    }

    /// Whether operations on different keys are independent objects (the default). Linearizability is local:
    /// a history is linearizable exactly if its restriction to each object is.
    fn partitioned(&self) -> bool {
        true
    }

    /// Bytes that a state holds, for the budget. By default what it holds itself, without what it points to.
    fn bytes(&self, state: &Self::State) -> usize {
        size_of_val(state)
    }

    /// A method of the model's own, which is asked before the search: it is given the operations of one object,
    /// in the order of invocation. None where it does not apply, or where the budget is spent.
    fn decide(&self, operations: &[&Operation], budget: &Budget) -> Option<Decision> {
        let _ = (operations, budget);
        None
    }

    /// The cell that this model is, if it is one: cells have faster methods.
    fn cell(&self) -> Option<&Cell> {
        None
    }
}

/// What a model's own method found out about one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// There is a legal order.
    Legal,
    /// There is none.
    Illegal(Refutation),
}

/// Why there is no legal order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refutation {
    /// The ids of a few operations that show it.
    pub core: Vec<usize>,
    /// In a few words: `5 was dequeued twice`.
    pub what: String,
    /// In a sentence, which begins with a small letter.
    pub sentence: String,
}

/// An operation that a model does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported {
    /// The operation's id.
    pub operation: usize,
    /// What is wrong with it.
    pub reason: String,
}

impl Unsupported {
    /// The model has no such function.
    pub fn function(model: &str, operation: &Operation) -> Self {
        Unsupported {
            operation: operation.id,
            reason: format!("the model {model} has no operation `{}`", operation.f),
        }
    }

    /// The function's argument or result has the wrong shape.
    pub fn value(operation: &Operation) -> Self {
        Unsupported {
            operation: operation.id,
            reason: format!(
                "`{}` of {} completed with {}, which has the wrong shape",
                operation.f, operation.argument, operation.completion.value
            ),
        }
    }
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "operation {}: {}", self.operation, self.reason)
    }
}

impl std::error::Error for Unsupported {}
