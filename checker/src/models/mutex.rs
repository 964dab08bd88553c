//! A lock: `acquire` and `release`.

use super::{Model, Unsupported};
use crate::history::{Operation, Outcome, Value};

/// A lock that is held or free, initially free. It does not remember by whom it is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mutex;

/// What an operation does to a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MutexAction {
    /// It was free and became held.
    Acquire,
    /// It was held and became free.
    Release,
}

impl Model for Mutex {
    type State = bool;
    type Action = MutexAction;

    fn name(&self) -> &str {
        "mutex"
    }

    fn init(&self) -> bool {
        false
    }

    fn action(&self, operation: &Operation) -> Result<Option<MutexAction>, Unsupported> {
        let action = match operation.f.name() {
            "acquire" => MutexAction::Acquire,
            "release" => MutexAction::Release,
            _ => return Err(Unsupported::function(self.name(), operation)),
        };
        Ok((operation.completion.outcome != Outcome::Fail).then_some(action))
    }

    fn step(&self, held: &bool, action: &MutexAction) -> Option<bool> {
        match (action, held) {
            (MutexAction::Acquire, false) => Some(true),
            (MutexAction::Release, true) => Some(false),
            _ => None,
        }
    }

    fn describe(&self, held: &bool) -> Value {
        Value::from(if *held { "held" } else { "free" })
    }

    fn precondition(&self, action: &MutexAction) -> Option<bool> {
        Some(*action == MutexAction::Release)
    }

    fn explain(&self, held: &bool, _: &MutexAction) -> String {
        (if *held {
            "the lock is already held"
        } else {
            "the lock is not held"
        })
        .to_owned()
    }
}
