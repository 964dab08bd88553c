//! Specifications that leave a choice: a step leads to any of several states.

use std::hash::Hash;

use super::{Decision, Model, Unsupported};
use crate::budget::Budget;
use crate::history::{Operation, Value};

/// A sequential specification in which an action may lead to several states.
///
/// [`Nondeterministic`] makes a [`Model`] of it, whose state is the set of all states that the object may be in. A
/// history is legal if at least one choice of states is.
///
/// ```
/// use perjury_checker::models::{Nondeterministic, NondeterministicModel, Unsupported};
/// use perjury_checker::{History, Operation, Options, Outcome, Value, Verdict, check};
///
/// /// `flip` turns a coin up on either side without telling which, `read` looks at it.
/// struct Coin;
///
/// impl NondeterministicModel for Coin {
///     type State = bool;
///     type Action = Option<bool>; // what was read; none: a flip
///
///     fn name(&self) -> &str {
///         "coin"
///     }
///     fn init(&self) -> Vec<bool> {
///         vec![false]
///     }
///     fn action(&self, operation: &Operation) -> Result<Option<Option<bool>>, Unsupported> {
///         match (operation.f.name(), operation.completion.outcome, &operation.completion.value) {
///             (_, Outcome::Fail, _) => Ok(None),
///             ("flip", ..) => Ok(Some(None)),
///             ("read", Outcome::Info, _) => Ok(None),
///             ("read", _, Value::Bool(side)) => Ok(Some(Some(*side))),
///             _ => Err(Unsupported::function("coin", operation)),
///         }
///     }
///     fn step(&self, side: &bool, action: &Option<bool>) -> Vec<bool> {
///         match action {
///             None => vec![false, true],
///             Some(read) if read == side => vec![*side],
///             Some(_) => vec![],
///         }
///     }
///     fn describe(&self, side: &bool) -> Value {
///         Value::Bool(*side)
///     }
///     fn pure(&self, action: &Option<bool>) -> bool {
///         action.is_some()
///     }
/// }
///
/// let finding = check(&History::default(), &Nondeterministic(Coin), &Options::default());
/// assert_eq!(finding.verdict, Verdict::Valid);
/// ```
pub trait NondeterministicModel: Sync {
    /// One state that the object may be in. Equal states must behave alike.
    type State: Clone + Ord + Hash;
    /// What an operation did and answered. Equal actions say that the operations are indistinguishable, which the
    /// search makes use of: leave out of an action what no step looks at.
    type Action: Clone + Eq + Hash;

    /// The model's name, for reports.
    fn name(&self) -> &str;

    /// The states in which the object may begin.
    fn init(&self) -> Vec<Self::State>;

    /// What an operation claims; see [`Model::action`].
    ///
    /// # Errors
    /// If the operation is not one of this object's.
    fn action(&self, operation: &Operation) -> Result<Option<Self::Action>, Unsupported>;

    /// The states that the action may lead to; none if it cannot have happened in this state.
    fn step(&self, state: &Self::State, action: &Self::Action) -> Vec<Self::State>;

    /// A state as a report shows it.
    fn describe(&self, state: &Self::State) -> Value;

    /// Whether the action leaves every state in which it can happen as it is. Such an action takes effect at once
    /// where it rules no state out. Answering false is always right.
    fn pure(&self, action: &Self::Action) -> bool {
        let _ = action;
        false
    }

    /// Whether operations on different keys are independent objects; see [`Model::partitioned`].
    fn partitioned(&self) -> bool {
        true
    }

    /// Bytes that a state holds, for the budget; see [`Model::bytes`].
    fn bytes(&self, state: &Self::State) -> usize {
        size_of_val(state)
    }

    /// A method of the model's own; see [`Model::decide`].
    fn decide(&self, operations: &[&Operation], budget: &Budget) -> Option<Decision> {
        let _ = (operations, budget);
        None
    }
}

/// The [`Model`] whose states are sets of the states of a [`NondeterministicModel`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Nondeterministic<M>(pub M);

impl<M: NondeterministicModel> Model for Nondeterministic<M> {
    /// Rising, without doubles, and never empty after a step.
    type State = Vec<M::State>;
    type Action = M::Action;

    fn name(&self) -> &str {
        self.0.name()
    }

    fn init(&self) -> Self::State {
        ordered(self.0.init())
    }

    fn action(&self, operation: &Operation) -> Result<Option<M::Action>, Unsupported> {
        self.0.action(operation)
    }

    fn step(&self, states: &Self::State, action: &M::Action) -> Option<Self::State> {
        let next = ordered(
            states
                .iter()
                .flat_map(|state| self.0.step(state, action))
                .collect(),
        );
        (!next.is_empty()).then_some(next)
    }

    fn describe(&self, states: &Self::State) -> Value {
        match &states[..] {
            [state] => self.0.describe(state),
            states => Value::List(states.iter().map(|state| self.0.describe(state)).collect()),
        }
    }

    fn explain(&self, states: &Self::State, _: &M::Action) -> String {
        match &states[..] {
            [state] => format!("it is not legal when the state is {}", self.0.describe(state)),
            _ => format!("it is not legal in any of the states {}", self.describe(states)),
        }
    }

    fn pure(&self, action: &M::Action) -> bool {
        self.0.pure(action)
    }

    fn partitioned(&self) -> bool {
        self.0.partitioned()
    }

    fn bytes(&self, states: &Self::State) -> usize {
        size_of_val(states) + states.iter().map(|state| self.0.bytes(state)).sum::<usize>()
    }

    fn decide(&self, operations: &[&Operation], budget: &Budget) -> Option<Decision> {
        self.0.decide(operations, budget)
    }
}

fn ordered<S: Ord>(mut states: Vec<S>) -> Vec<S> {
    states.sort_unstable();
    states.dedup();
    states
}
