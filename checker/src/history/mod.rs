//! The history: events as they are recorded, and the operations they pair up to.

mod builder;
mod quorum;

use std::fmt;
use std::sync::Arc;

use serde::de::{self, Visitor};
use serde::{Deserialize, Serialize};

pub use builder::{HistoryBuilder, HistoryError, Problem};
pub use quorum::{Quorum, Tag};

/// A value that a client wrote, read, or compared with. In JSON it is itself: `null`, `7`, `"x"`, `[1, 2]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// No value: an absent key, or a read whose result is not known.
    #[default]
    Nil,
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A text.
    Text(Arc<str>),
    /// A list, such as the elements of an append-only list, or the `[expected, new]` of a compare-and-set.
    List(Arc<[Value]>),
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;

        impl<'de> Visitor<'de> for Read {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("null, true or false, a 64-bit integer, a text, or a list of these")
            }

            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value::Nil)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
                Ok(Value::Bool(value))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
                Ok(Value::Int(value))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
                i64::try_from(value)
                    .map(Value::Int)
                    .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(value), &self))
            }

            fn visit_str<E>(self, value: &str) -> Result<Value, E> {
                Ok(Value::Text(value.into()))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
                let mut values = Vec::with_capacity(items.size_hint().unwrap_or(0).min(1024));
                while let Some(value) = items.next_element()? {
                    values.push(value);
                }
                Ok(Value::List(values.into()))
            }
        }

        deserializer.deserialize_any(Read)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Nil => f.write_str("nil"),
            Value::Bool(value) => write!(f, "{value}"),
            Value::Int(value) => write!(f, "{value}"),
            Value::Text(value) => write!(f, "{value:?}"),
            Value::List(values) => {
                f.write_str("[")?;
                for (position, value) in values.iter().enumerate() {
                    if position > 0 {
                        f.write_str(" ")?;
                    }
                    write!(f, "{value}")?;
                }
                f.write_str("]")
            }
        }
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Value::Int(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Value::Text(value.into())
    }
}

impl From<Vec<Value>> for Value {
    fn from(values: Vec<Value>) -> Self {
        Value::List(values.into())
    }
}

/// The partition key of an operation: operations on different keys are checked apart.
pub type Key = Arc<str>;

/// What an operation does. In a file it is its name in lower case; names that are not known here are kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Function {
    /// Read the current value.
    Read,
    /// Replace the value.
    Write,
    /// Compare-and-set; the value is `[expected, new]`.
    Cas,
    /// Append the value to the key's list (or, for texts, concatenate).
    Append,
    /// Remove the key.
    Delete,
    /// Add the value, an integer, to the key's counter.
    Increment,
    /// Add the value, an element, to the key's set.
    Add,
    /// Several micro-operations at once: the value is a list of `[function, key, value]`.
    Txn,
    /// Any other name.
    Other(Arc<str>),
}

impl Function {
    /// The name as it stands in a history file.
    pub fn name(&self) -> &str {
        match self {
            Function::Read => "read",
            Function::Write => "write",
            Function::Cas => "cas",
            Function::Append => "append",
            Function::Delete => "delete",
            Function::Increment => "increment",
            Function::Add => "add",
            Function::Txn => "txn",
            Function::Other(name) => name,
        }
    }
}

impl From<&str> for Function {
    fn from(name: &str) -> Self {
        match name {
            "read" | "get" => Function::Read,
            "write" | "put" => Function::Write,
            "cas" => Function::Cas,
            "append" => Function::Append,
            "delete" => Function::Delete,
            "increment" => Function::Increment,
            "add" => Function::Add,
            "txn" => Function::Txn,
            other => Function::Other(other.into()),
        }
    }
}

impl From<Arc<str>> for Function {
    fn from(name: Arc<str>) -> Self {
        match Function::from(&*name) {
            Function::Other(_) => Function::Other(name),
            known => known,
        }
    }
}

impl Serialize for Function {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Function {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;

        impl Visitor<'_> for Read {
            type Value = Function;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a function")
            }

            fn visit_str<E>(self, name: &str) -> Result<Function, E> {
                Ok(Function::from(name))
            }
        }

        deserializer.deserialize_str(Read)
    }
}

impl From<Function> for Arc<str> {
    fn from(function: Function) -> Self {
        match function {
            Function::Other(name) => name,
            known => known.name().into(),
        }
    }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Who recorded an event: a client's process (single-threaded), or the nemesis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Process {
    /// One logical client. After an `info` its number is retired.
    Client(u64),
    /// The fault injector.
    Nemesis,
}

impl Serialize for Process {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Process::Client(number) => serializer.serialize_u64(*number),
            Process::Nemesis => serializer.serialize_str("nemesis"),
        }
    }
}

impl<'de> Deserialize<'de> for Process {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;

        impl Visitor<'_> for Read {
            type Value = Process;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the number of a process, or \"nemesis\"")
            }

            fn visit_u64<E>(self, number: u64) -> Result<Process, E> {
                Ok(Process::Client(number))
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Process, E> {
                if name == "nemesis" {
                    Ok(Process::Nemesis)
                } else {
                    Err(E::invalid_value(de::Unexpected::Str(name), &self))
                }
            }
        }

        deserializer.deserialize_any(Read)
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Process::Client(number) => write!(f, "{number}"),
            Process::Nemesis => f.write_str("nemesis"),
        }
    }
}

/// Whether an event begins an operation or says how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventKind {
    /// The invocation.
    Invoke,
    /// A completion: it happened.
    Ok,
    /// A completion: it surely did not happen.
    Fail,
    /// A completion that tells nothing: it may take effect at any later time, or never.
    Info,
}

/// The `error` of a compare-and-set that compared and differed: evidence about the state, unlike any other
/// failure.
pub const PRECONDITION_FAILED: &str = "precondition-failed";

/// One line of a history, in real-time order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Position in the history.
    pub index: u64,
    /// Nanoseconds since the start, on the recorder's monotonic clock.
    pub time: u64,
    /// Who acted.
    pub process: Process,
    /// The node that was asked (invocation) or that answered (completion), where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<Arc<str>>,
    /// Invocation, or how it completed.
    #[serde(rename = "type")]
    pub kind: EventKind,
    /// What the operation does.
    pub f: Function,
    /// The key it acts on; none for models of a single object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
    /// Argument (invocation) or result (completion).
    #[serde(default)]
    pub value: Value,
    /// Why it did not succeed, or why nothing is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Arc<str>>,
    /// What a failed compare-and-set saw (`Some(Nil)`: it saw that the key was absent).
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    pub observed: Option<Value>,
    /// The store's own version of the value, where the system tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// Which replicas took part, where the system tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quorum: Option<Arc<Quorum>>,
}

/// A field that is present is `Some`, also when it is `null`.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// A point of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Moment {
    /// Position among all events: the total order that the recorder saw.
    pub index: u64,
    /// Nanoseconds since the start.
    pub time: u64,
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It happened.
    Ok,
    /// It surely did not happen.
    Fail,
    /// Unknown: it may take effect at any later time, or never.
    Info,
}

/// What is known of an operation's end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completion {
    /// How it ended.
    pub outcome: Outcome,
    /// When; none if no completion was ever recorded (then `outcome` is `Info`).
    pub at: Option<Moment>,
    /// The result: what was read, for a read.
    pub value: Value,
    /// Why it did not succeed, or why nothing is known.
    pub error: Option<Arc<str>>,
    /// What a failed compare-and-set saw.
    pub observed: Option<Value>,
    /// The store's own version of the value.
    pub version: Option<u64>,
    /// Which replicas took part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quorum: Option<Arc<Quorum>>,
    /// The node that answered.
    pub node: Option<Arc<str>>,
}

impl Completion {
    /// That of an operation whose end was not recorded: it may take effect at any later time, or never.
    pub fn pending() -> Self {
        Completion {
            outcome: Outcome::Info,
            at: None,
            value: Value::Nil,
            error: None,
            observed: None,
            version: None,
            quorum: None,
            node: None,
        }
    }
}

/// An invocation with its completion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Position among the history's operations, in the order of invocation.
    pub id: usize,
    /// The client's process.
    pub process: u64,
    /// What it does.
    pub f: Function,
    /// The key it acts on.
    pub key: Option<Key>,
    /// What it was invoked with.
    pub argument: Value,
    /// The node it was first sent to.
    pub node: Option<Arc<str>>,
    /// When it was invoked.
    pub invoked: Moment,
    /// How it ended.
    pub completion: Completion,
}

impl Operation {
    /// The position of the completion, or `u64::MAX` while it may still take effect.
    pub fn returned(&self) -> u64 {
        match (self.completion.outcome, self.completion.at) {
            (Outcome::Info, _) | (_, None) => u64::MAX,
            (_, Some(moment)) => moment.index,
        }
    }

    /// Whether it is a compare-and-set that compared and differed.
    pub fn precondition_failed(&self) -> bool {
        self.completion.outcome == Outcome::Fail
            && self.completion.error.as_deref() == Some(PRECONDITION_FAILED)
    }
}

/// What clients and the nemesis did, in real-time order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// The clients' operations, in the order of invocation; `operations[i].id == i`.
    pub operations: Vec<Operation>,
    /// The nemesis's events.
    pub faults: Vec<Event>,
}

impl History {
    /// Pairs up events.
    ///
    /// # Errors
    /// The first event that cannot follow those before it.
    pub fn from_events(events: impl IntoIterator<Item = Event>) -> Result<Self, HistoryError> {
        let mut builder = HistoryBuilder::default();
        for event in events {
            builder.push(event)?;
        }
        Ok(builder.finish())
    }
}
