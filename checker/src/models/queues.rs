//! What takes values in and gives each out once: FIFO queue, unordered queue, stack.

use std::collections::BTreeMap;

use super::{Decision, Model, NondeterministicModel, Unsupported};
use crate::budget::Budget;
use crate::collections::{self, Discipline};
use crate::history::{Function, Operation, Outcome, Value};

/// What an operation does to a queue or a stack.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum QueueAction {
    /// This value was put in.
    Put(Value),
    /// This value was taken out.
    Take(Value),
    /// There was nothing to take out.
    Empty,
    /// Something was taken out, or there was nothing: a removal whose outcome is unknown.
    TakeAny,
}

/// The action of an operation, given the names of the functions that put in and take out.
fn action(
    model: &str,
    put: &str,
    take: &str,
    operation: &Operation,
) -> Result<Option<QueueAction>, Unsupported> {
    let Function::Other(name) = &operation.f else {
        return Err(Unsupported::function(model, operation));
    };
    let completion = &operation.completion;
    Ok(match (&**name == put, completion.outcome) {
        (false, _) if **name != *take => return Err(Unsupported::function(model, operation)),
        (true, Outcome::Fail) => None,
        (true, _) if operation.argument == Value::Nil => return Err(Unsupported::value(operation)),
        (true, _) => Some(QueueAction::Put(operation.argument.clone())),
        (false, Outcome::Fail) => operation.precondition_failed().then_some(QueueAction::Empty),
        (false, Outcome::Info) => Some(QueueAction::TakeAny),
        (false, Outcome::Ok) if completion.value == Value::Nil => Some(QueueAction::Empty),
        (false, Outcome::Ok) => Some(QueueAction::Take(completion.value.clone())),
    })
}

fn decide(
    discipline: Discipline,
    operations: &[&Operation],
    budget: &Budget,
    action: impl Fn(&Operation) -> Result<Option<QueueAction>, Unsupported>,
) -> Option<Decision> {
    collections::decide(discipline, operations, budget, action)
}

/// A queue, initially empty: first in, first out.
///
/// `enqueue` a value; `dequeue` completes `ok` with the oldest one. An `ok` with `nil`, or a `fail` with
/// `precondition-failed`, says that the queue was empty; any other `fail` says only that nothing happened.
///
/// ```text
///  process 0   [─ enqueue 1 ─] [─ enqueue 2 ─]
///  process 1                                   [─ dequeue → 2 ─]      illegal: 1 was there first
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FifoQueue;

impl Model for FifoQueue {
    /// The oldest first.
    type State = Vec<Value>;
    type Action = QueueAction;

    fn name(&self) -> &str {
        "fifo-queue"
    }

    fn init(&self) -> Vec<Value> {
        Vec::new()
    }

    fn action(&self, operation: &Operation) -> Result<Option<QueueAction>, Unsupported> {
        action(self.name(), "enqueue", "dequeue", operation)
    }

    fn step(&self, queue: &Vec<Value>, action: &QueueAction) -> Option<Vec<Value>> {
        match action {
            QueueAction::Put(value) => Some([&queue[..], std::slice::from_ref(value)].concat()),
            QueueAction::Take(value) => (queue.first() == Some(value)).then(|| queue[1..].to_vec()),
            QueueAction::Empty => queue.is_empty().then(Vec::new),
            QueueAction::TakeAny => Some(queue.get(1..).unwrap_or_default().to_vec()),
        }
    }

    fn describe(&self, queue: &Vec<Value>) -> Value {
        Value::from(queue.clone())
    }

    fn explain(&self, queue: &Vec<Value>, _: &QueueAction) -> String {
        match queue.first() {
            Some(oldest) => format!("the oldest in the queue is {oldest}"),
            None => "the queue is empty".to_owned(),
        }
    }

    fn pure(&self, action: &QueueAction) -> bool {
        *action == QueueAction::Empty
    }

    fn bytes(&self, queue: &Vec<Value>) -> usize {
        size_of_val(queue) + size_of_val(&queue[..])
    }

    fn decide(&self, operations: &[&Operation], budget: &Budget) -> Option<Decision> {
        decide(Discipline::Fifo, operations, budget, |operation| {
            self.action(operation)
        })
    }
}

/// A stack, initially empty: last in, first out.
///
/// `push` a value; `pop` completes `ok` with the newest one. What says that the stack was empty is as in
/// [`FifoQueue`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stack;

impl Model for Stack {
    /// The newest last.
    type State = Vec<Value>;
    type Action = QueueAction;

    fn name(&self) -> &str {
        "stack"
    }

    fn init(&self) -> Vec<Value> {
        Vec::new()
    }

    fn action(&self, operation: &Operation) -> Result<Option<QueueAction>, Unsupported> {
        action(self.name(), "push", "pop", operation)
    }

    fn step(&self, stack: &Vec<Value>, action: &QueueAction) -> Option<Vec<Value>> {
        let below = || stack[..stack.len().saturating_sub(1)].to_vec();
        match action {
            QueueAction::Put(value) => Some([&stack[..], std::slice::from_ref(value)].concat()),
            QueueAction::Take(value) => (stack.last() == Some(value)).then(below),
            QueueAction::Empty => stack.is_empty().then(Vec::new),
            QueueAction::TakeAny => Some(below()),
        }
    }

    fn describe(&self, stack: &Vec<Value>) -> Value {
        Value::from(stack.clone())
    }

    fn explain(&self, stack: &Vec<Value>, _: &QueueAction) -> String {
        match stack.last() {
            Some(newest) => format!("the newest on the stack is {newest}"),
            None => "the stack is empty".to_owned(),
        }
    }

    fn pure(&self, action: &QueueAction) -> bool {
        *action == QueueAction::Empty
    }

    fn bytes(&self, stack: &Vec<Value>) -> usize {
        size_of_val(stack) + size_of_val(&stack[..])
    }

    fn decide(&self, operations: &[&Operation], budget: &Budget) -> Option<Decision> {
        decide(Discipline::Lifo, operations, budget, |operation| {
            self.action(operation)
        })
    }
}

/// A queue, initially empty, that gives out what was put in, once, in any order. Functions and what says that it
/// was empty are as in [`FifoQueue`].
///
/// A removal whose outcome is unknown may have taken any value, so this is a [`NondeterministicModel`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnorderedQueue;

impl NondeterministicModel for UnorderedQueue {
    /// How often each value is in it.
    type State = BTreeMap<Value, u32>;
    type Action = QueueAction;

    fn name(&self) -> &str {
        "unordered-queue"
    }

    fn init(&self) -> Vec<Self::State> {
        vec![BTreeMap::new()]
    }

    fn action(&self, operation: &Operation) -> Result<Option<QueueAction>, Unsupported> {
        action(self.name(), "enqueue", "dequeue", operation)
    }

    fn step(&self, bag: &Self::State, action: &QueueAction) -> Vec<Self::State> {
        let without = |value: &Value| {
            let mut bag = bag.clone();
            match bag.get_mut(value) {
                Some(1) => drop(bag.remove(value)),
                Some(count) => *count -= 1,
                None => return None,
            }
            Some(bag)
        };
        match action {
            QueueAction::Put(value) => {
                let mut bag = bag.clone();
                *bag.entry(value.clone()).or_default() += 1;
                vec![bag]
            }
            QueueAction::Take(value) => without(value).into_iter().collect(),
            QueueAction::Empty if bag.is_empty() => vec![bag.clone()],
            QueueAction::Empty => Vec::new(),
            QueueAction::TakeAny if bag.is_empty() => vec![bag.clone()],
            QueueAction::TakeAny => bag.keys().filter_map(without).collect(),
        }
    }

    fn describe(&self, bag: &Self::State) -> Value {
        let copies = |(value, count): (&Value, &u32)| vec![value.clone(); *count as usize];
        Value::List(bag.iter().flat_map(copies).collect())
    }

    fn pure(&self, action: &QueueAction) -> bool {
        *action == QueueAction::Empty
    }

    fn bytes(&self, bag: &Self::State) -> usize {
        size_of_val(bag) + bag.len() * size_of::<(Value, u32)>()
    }

    fn decide(&self, operations: &[&Operation], budget: &Budget) -> Option<Decision> {
        decide(Discipline::Any, operations, budget, |operation| {
            self.action(operation)
        })
    }
}
