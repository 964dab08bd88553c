//! One value that clients read and change: register, compare-and-set register, append-only list, key-value.

use std::sync::Arc;

use super::{Model, Unsupported};
use crate::history::{Function, Operation, Outcome, Value};

/// What a read that completed `ok` with `nil` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NilRead {
    /// The key was absent. This is what Perjury records.
    #[default]
    Absent,
    /// Nothing: the recorder did not keep the value. So it is in the histories of Knossos.
    Unknown,
}

/// A single value, initially `nil` unless said otherwise.
///
/// | constructor | read | write | cas | append | delete |
/// |---|---|---|---|---|---|
/// | [`Cell::register`] | ✓ | ✓ | | | |
/// | [`Cell::cas_register`] | ✓ | ✓ | ✓ | | |
/// | [`Cell::append_list`] | ✓ | | | ✓ | |
/// | [`Cell::key_value`] | ✓ | ✓ | ✓ | ✓ | ✓ |
///
/// - A **compare-and-set** that compared and differed (`fail` with `precondition-failed`) is evidence: at some
///   instant of its window the value was not the expected one, and with `observed` it was that value. Any other
///   failure says only that nothing happened.
/// - **Append** adds an element to a list, and an absent list is an empty one; to a text it concatenates a text.
/// - **Delete** leaves `nil`.
///
/// ```text
///  process 0   [─ cas 1→2 ok ─]                     initially 1
///  process 1                     [─ cas 1→3 ok ─]
/// ```
///
/// is illegal: after `cas 1→2` the value is 2 and nothing restores 1. One update was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    kind: Kind,
    initial: Value,
    nil_read: NilRead,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Register,
    CasRegister,
    AppendList,
    KeyValue,
    Versioned,
}

impl Cell {
    /// Read and write.
    pub fn register() -> Self {
        Self::new(Kind::Register)
    }

    /// Read, write and compare-and-set.
    pub fn cas_register() -> Self {
        Self::new(Kind::CasRegister)
    }

    /// Append an element, read the whole list. Initially empty; `nil` and `[]` are the same.
    pub fn append_list() -> Self {
        Self::new(Kind::AppendList)
    }

    /// Everything that a key-value store does to one key.
    pub fn key_value() -> Self {
        Self::new(Kind::KeyValue)
    }

    /// What [`super::VersionedRegister`] does to its value.
    pub(crate) fn versioned() -> Self {
        Self::new(Kind::Versioned)
    }

    fn new(kind: Kind) -> Self {
        Cell {
            kind,
            initial: Value::Nil,
            nil_read: NilRead::Absent,
        }
        .initial(Value::Nil)
    }

    pub(crate) fn allows(&self, function: &Function) -> bool {
        match function {
            Function::Read => true,
            Function::Write => self.kind != Kind::AppendList,
            Function::Cas => matches!(self.kind, Kind::CasRegister | Kind::KeyValue | Kind::Versioned),
            Function::Append => matches!(self.kind, Kind::AppendList | Kind::KeyValue),
            Function::Delete => matches!(self.kind, Kind::KeyValue | Kind::Versioned),
            _ => false,
        }
    }

    /// The same with another initial value.
    #[must_use]
    pub fn initial(mut self, value: Value) -> Self {
        self.initial = self.normal(value);
        self
    }

    /// The same with another meaning of a read of `nil`.
    #[must_use]
    pub fn nil_read(mut self, meaning: NilRead) -> Self {
        self.nil_read = meaning;
        self
    }

    pub(crate) fn nil_is_unknown(&self) -> bool {
        self.nil_read == NilRead::Unknown
    }

    /// In a list, absent is empty.
    fn normal(&self, value: Value) -> Value {
        if self.kind == Kind::AppendList && value == Value::Nil {
            Value::List(Arc::from([]))
        } else {
            value
        }
    }

    fn compare_and_set(&self, operation: &Operation) -> Result<Option<CellAction>, Unsupported> {
        let Value::List(pair) = &operation.argument else {
            return Err(Unsupported::value(operation));
        };
        let [expected, new] = &**pair else {
            return Err(Unsupported::value(operation));
        };
        let expected = expected.clone();
        Ok(
            match (operation.completion.outcome, &operation.completion.observed) {
                (Outcome::Fail, _) if !operation.precondition_failed() => None,
                (Outcome::Fail, None) => Some(CellAction::Differs(expected)),
                (Outcome::Fail, Some(observed)) if *observed == expected => {
                    Some(CellAction::Contradiction(expected))
                }
                (Outcome::Fail, Some(observed)) => Some(CellAction::Read(observed.clone())),
                (Outcome::Ok | Outcome::Info, _) => Some(CellAction::Cas(expected, new.clone())),
            },
        )
    }
}

/// What an operation claims about a cell.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CellAction {
    /// The value was this. Reads, and failed compare-and-sets that tell what they saw.
    Read(Value),
    /// The value became this. Writes and deletes.
    Write(Value),
    /// The value was the first and became the second.
    Cas(Value, Value),
    /// The value was not this: a failed compare-and-set that does not tell what it saw.
    Differs(Value),
    /// A compare-and-set that failed although it saw the value that it expected: never legal.
    Contradiction(Value),
    /// The value grew by this.
    Append(Value),
}

impl Model for Cell {
    type State = Value;
    type Action = CellAction;

    fn name(&self) -> &str {
        match self.kind {
            Kind::Register => "register",
            Kind::CasRegister => "cas-register",
            Kind::AppendList => "append-list",
            Kind::KeyValue => "key-value",
            Kind::Versioned => "versioned-register",
        }
    }

    fn init(&self) -> Value {
        self.initial.clone()
    }

    fn action(&self, operation: &Operation) -> Result<Option<CellAction>, Unsupported> {
        if !self.allows(&operation.f) {
            return Err(Unsupported::function(self.name(), operation));
        }
        let outcome = operation.completion.outcome;
        Ok(match operation.f {
            Function::Cas => self.compare_and_set(operation)?,
            _ if outcome == Outcome::Fail => None,
            Function::Read if outcome == Outcome::Info => None,
            Function::Read
                if operation.completion.value == Value::Nil && self.nil_read == NilRead::Unknown =>
            {
                None
            }
            Function::Read => Some(CellAction::Read(self.normal(operation.completion.value.clone()))),
            Function::Write => Some(CellAction::Write(operation.argument.clone())),
            Function::Append => Some(CellAction::Append(operation.argument.clone())),
            _ => Some(CellAction::Write(Value::Nil)),
        })
    }

    fn step(&self, state: &Value, action: &CellAction) -> Option<Value> {
        match action {
            CellAction::Read(value) => (value == state).then(|| state.clone()),
            CellAction::Write(value) => Some(value.clone()),
            CellAction::Cas(expected, new) => (expected == state).then(|| new.clone()),
            CellAction::Differs(value) => (value != state).then(|| state.clone()),
            CellAction::Contradiction(_) => None,
            CellAction::Append(value) => match (state, value) {
                (Value::Nil, _) => Some(Value::List(Arc::from([value.clone()]))),
                (Value::List(elements), _) => Some(Value::List(
                    elements.iter().chain([value]).cloned().collect::<Vec<_>>().into(),
                )),
                (Value::Text(text), Value::Text(more)) => Some(Value::Text(format!("{text}{more}").into())),
                _ => None,
            },
        }
    }

    fn describe(&self, state: &Value) -> Value {
        state.clone()
    }

    fn explain(&self, state: &Value, action: &CellAction) -> String {
        match action {
            CellAction::Contradiction(value) => format!("it failed, yet it saw {value}, which it expected"),
            CellAction::Differs(_) => format!("it differed, yet the value is {state}"),
            CellAction::Append(value) => format!("{value} cannot be appended to {state}"),
            _ => format!("the value is {state}"),
        }
    }

    fn precondition(&self, action: &CellAction) -> Option<Value> {
        match action {
            CellAction::Read(value) | CellAction::Cas(value, _) => Some(value.clone()),
            _ => None,
        }
    }

    fn pure(&self, action: &CellAction) -> bool {
        match action {
            CellAction::Read(_) | CellAction::Differs(_) | CellAction::Contradiction(_) => true,
            CellAction::Cas(expected, new) => expected == new,
            CellAction::Write(_) | CellAction::Append(_) => false,
        }
    }

    fn bytes(&self, state: &Value) -> usize {
        let held = match state {
            Value::Text(text) => text.len(),
            Value::List(elements) => size_of_val(&elements[..]),
            Value::Nil | Value::Bool(_) | Value::Int(_) => 0,
        };
        size_of_val(state) + held
    }

    fn blind(&self, action: &CellAction) -> bool {
        matches!(action, CellAction::Write(_))
    }

    fn cell(&self) -> Option<&Cell> {
        Some(self)
    }
}
