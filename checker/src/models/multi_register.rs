//! Several registers that transactions read and write atomically.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Model, NilRead, Unsupported};
use crate::history::{Function, Operation, Outcome, Value};

/// Registers by name; a transaction is a list of `[read name value]` and `[write name value]` that take effect
/// together, in order. A read of `nil` says nothing, unless said otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MultiRegister {
    initial: Value,
    nil_read: NilRead,
}

impl MultiRegister {
    /// Registers that all begin with `initial`.
    pub fn new(initial: Value) -> Self {
        MultiRegister {
            initial,
            nil_read: NilRead::Unknown,
        }
    }

    /// The same with another meaning of a read of `nil`.
    #[must_use]
    pub fn nil_read(mut self, meaning: NilRead) -> Self {
        self.nil_read = meaning;
        self
    }
}

impl Default for MultiRegister {
    fn default() -> Self {
        Self::new(Value::Nil)
    }
}

/// One step of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// The register had this value.
    Read(Value, Value),
    /// The register takes this value.
    Write(Value, Value),
}

impl Model for MultiRegister {
    type State = BTreeMap<Value, Value>;
    type Action = Vec<Access>;

    fn name(&self) -> &str {
        "multi-register"
    }

    fn init(&self) -> Self::State {
        BTreeMap::new()
    }

    fn action(&self, operation: &Operation) -> Result<Option<Vec<Access>>, Unsupported> {
        if operation.f != Function::Txn {
            return Err(Unsupported::function(self.name(), operation));
        }
        let known = match operation.completion.outcome {
            Outcome::Fail => return Ok(None),
            Outcome::Ok => &operation.completion.value,
            Outcome::Info => &operation.argument,
        };
        let Value::List(steps) = known else {
            return Err(Unsupported::value(operation));
        };
        let says_nothing = |value: &Value| {
            operation.completion.outcome == Outcome::Info
                || (*value == Value::Nil && self.nil_read == NilRead::Unknown)
        };
        let mut accesses = Vec::with_capacity(steps.len());
        for step in steps.iter() {
            let Value::List(parts) = step else {
                return Err(Unsupported::value(operation));
            };
            let [Value::Text(function), name, value] = &**parts else {
                return Err(Unsupported::value(operation));
            };
            match &**function {
                "read" | "r" if says_nothing(value) => {}
                "read" | "r" => accesses.push(Access::Read(name.clone(), value.clone())),
                "write" | "w" => accesses.push(Access::Write(name.clone(), value.clone())),
                _ => return Err(Unsupported::value(operation)),
            }
        }
        let constrains = !accesses.is_empty();
        Ok(constrains.then_some(accesses))
    }

    fn step(&self, state: &Self::State, action: &Vec<Access>) -> Option<Self::State> {
        let mut state = state.clone();
        for access in action {
            match access {
                Access::Read(name, value) if state.get(name).unwrap_or(&self.initial) != value => {
                    return None;
                }
                Access::Read(..) => {}
                Access::Write(name, value) if *value == self.initial => {
                    state.remove(name);
                }
                Access::Write(name, value) => {
                    state.insert(name.clone(), value.clone());
                }
            }
        }
        Some(state)
    }

    fn describe(&self, state: &Self::State) -> Value {
        let pair = |(name, value): (&Value, &Value)| Value::List(Arc::from([name.clone(), value.clone()]));
        Value::List(state.iter().map(pair).collect())
    }

    fn explain(&self, state: &Self::State, action: &Vec<Access>) -> String {
        let mut state = state.clone();
        for access in action {
            match access {
                Access::Read(name, value) => {
                    let found = state.get(name).unwrap_or(&self.initial);
                    if found != value {
                        return format!("it read {value} from {name}, whose value is {found}");
                    }
                }
                Access::Write(name, value) => {
                    state.insert(name.clone(), value.clone());
                }
            }
        }
        "every read is as it should be".to_owned()
    }

    fn precondition(&self, action: &Vec<Access>) -> Option<Self::State> {
        // The first access to a register tells what it held, if it is a read.
        let mut seen = Vec::new();
        let mut state = BTreeMap::new();
        for access in action {
            let (Access::Read(name, value) | Access::Write(name, value)) = access;
            if !seen.contains(&name) && matches!(access, Access::Read(..)) && *value != self.initial {
                state.insert(name.clone(), value.clone());
            }
            seen.push(name);
        }
        Some(state)
    }

    fn pure(&self, action: &Vec<Access>) -> bool {
        action.iter().all(|access| matches!(access, Access::Read(..)))
    }

    fn partitioned(&self) -> bool {
        false
    }
}
