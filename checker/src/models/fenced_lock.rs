//! A lock that tells its holders apart and hands each a fencing token.

use super::{Model, Unsupported};
use crate::history::{Operation, Outcome, Value};

/// A lock, initially free, that is held by one process at a time and released by its holder. Every `acquire`
/// completes with a **fencing token**, an integer that rises from holder to holder: whoever guards a resource
/// refuses a token below the greatest that it has seen, so that a holder which was only slow cannot do harm after
/// its lock was given away (Kleppmann, "How to do distributed locking", 2016).
///
/// ```text
///  process 0   [─ acquire → 7 ─]  [─ release ─]
///  process 1                                     [─ acquire → 7 ─]      illegal: the token did not rise
/// ```
///
/// An `acquire` that completes with `nil`, or whose outcome is unknown, has some token above those before it.
/// Several acquisitions by the holder itself are illegal: the lock is not reentrant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FencedLock;

/// What an operation does to a fenced lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FencedLockAction {
    /// This process got the lock with this token, if it was told.
    Acquire(u64, Option<i64>),
    /// This process, which held it, freed it.
    Release(u64),
}

impl Model for FencedLock {
    /// The holder, and the least that the last token can have been.
    type State = (Option<u64>, Option<i64>);
    type Action = FencedLockAction;

    fn name(&self) -> &str {
        "fenced-lock"
    }

    fn init(&self) -> Self::State {
        (None, None)
    }

    fn action(&self, operation: &Operation) -> Result<Option<FencedLockAction>, Unsupported> {
        let outcome = operation.completion.outcome;
        let action = match (operation.f.name(), &operation.completion.value) {
            ("release", _) => FencedLockAction::Release(operation.process),
            ("acquire", Value::Int(token)) if outcome == Outcome::Ok => {
                FencedLockAction::Acquire(operation.process, Some(*token))
            }
            ("acquire", Value::Nil) => FencedLockAction::Acquire(operation.process, None),
            ("acquire", _) if outcome != Outcome::Ok => FencedLockAction::Acquire(operation.process, None),
            ("acquire", _) => return Err(Unsupported::value(operation)),
            _ => return Err(Unsupported::function(self.name(), operation)),
        };
        Ok((outcome != Outcome::Fail).then_some(action))
    }

    fn step(&self, &(holder, last): &Self::State, action: &FencedLockAction) -> Option<Self::State> {
        match (*action, holder) {
            (FencedLockAction::Acquire(process, token), None) => {
                // A token that nobody told is at least one above the last.
                let least = last.map_or(i64::MIN, |last| last.saturating_add(1));
                let token = match token {
                    Some(token) if token < least => return None,
                    Some(token) => Some(token),
                    None => last.map(|_| least),
                };
                Some((Some(process), token))
            }
            (FencedLockAction::Release(process), Some(holder)) if process == holder => Some((None, last)),
            _ => None,
        }
    }

    fn describe(&self, &(holder, last): &Self::State) -> Value {
        let token = last.map_or_else(String::new, |last| format!(", last token {last}"));
        Value::from(&*match holder {
            Some(process) => format!("held by process {process}{token}"),
            None => format!("free{token}"),
        })
    }

    fn explain(&self, &(holder, last): &Self::State, action: &FencedLockAction) -> String {
        match (*action, holder, last) {
            (FencedLockAction::Acquire(..), Some(process), _) => {
                format!("the lock is held by process {process}")
            }
            (FencedLockAction::Acquire(_, Some(token)), None, Some(last)) => {
                format!("its token {token} is not above {last}")
            }
            (FencedLockAction::Release(_), Some(process), _) => {
                format!("the lock is held by process {process}, not by it")
            }
            _ => "the lock is not held".to_owned(),
        }
    }
}
