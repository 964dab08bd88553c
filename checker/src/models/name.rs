//! Models by name, for command lines and configuration files.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use super::{
    Cell, Counter, FencedLock, FifoQueue, MultiRegister, Mutex, NilRead, Nondeterministic, Stack,
    UnorderedQueue, VersionedRegister,
};
use crate::history::{Completion, Function, History, Operation, Outcome, Value};
use crate::linearizability::{Options, check};
use crate::verdict::{Finding, Verdict};
use crate::words;

/// A model, or a checker of its own, that can be asked for by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ModelName {
    /// [`Cell::register`].
    Register,
    /// [`Cell::cas_register`].
    CasRegister,
    /// [`Cell::append_list`].
    AppendList,
    /// [`Cell::key_value`].
    KeyValue,
    /// [`MultiRegister`].
    MultiRegister,
    /// [`VersionedRegister`].
    VersionedRegister,
    /// [`Mutex`].
    Mutex,
    /// [`FencedLock`].
    FencedLock,
    /// [`crate::leases::check`].
    Lease,
    /// [`FifoQueue`].
    FifoQueue,
    /// [`UnorderedQueue`].
    UnorderedQueue,
    /// [`Stack`].
    Stack,
    /// [`crate::sets::check`].
    Set,
    /// [`super::Set`].
    LinearizableSet,
    /// [`crate::counter::check`].
    Counter,
    /// [`super::Counter`].
    LinearizableCounter,
    /// [`crate::unique_ids::check`].
    UniqueIds,
}

impl ModelName {
    /// Every name.
    pub const ALL: [ModelName; 17] = [
        ModelName::Register,
        ModelName::CasRegister,
        ModelName::AppendList,
        ModelName::KeyValue,
        ModelName::MultiRegister,
        ModelName::VersionedRegister,
        ModelName::Mutex,
        ModelName::FencedLock,
        ModelName::Lease,
        ModelName::FifoQueue,
        ModelName::UnorderedQueue,
        ModelName::Stack,
        ModelName::Set,
        ModelName::LinearizableSet,
        ModelName::Counter,
        ModelName::LinearizableCounter,
        ModelName::UniqueIds,
    ];

    /// The name as it is written on a command line.
    pub fn name(self) -> &'static str {
        match self {
            ModelName::Register => "register",
            ModelName::CasRegister => "cas-register",
            ModelName::AppendList => "append-list",
            ModelName::KeyValue => "key-value",
            ModelName::MultiRegister => "multi-register",
            ModelName::VersionedRegister => "versioned-register",
            ModelName::Mutex => "mutex",
            ModelName::FencedLock => "fenced-lock",
            ModelName::Lease => "lease",
            ModelName::FifoQueue => "fifo-queue",
            ModelName::UnorderedQueue => "unordered-queue",
            ModelName::Stack => "stack",
            ModelName::Set => "set",
            ModelName::LinearizableSet => "linearizable-set",
            ModelName::Counter => "counter",
            ModelName::LinearizableCounter => "linearizable-counter",
            ModelName::UniqueIds => "unique-ids",
        }
    }

    /// One line on what it judges.
    pub fn describe(self) -> &'static str {
        match self {
            ModelName::Register => "one value a key: read, write; linearizability",
            ModelName::CasRegister => "one value a key: read, write, cas; linearizability",
            ModelName::AppendList => "one list a key: append, read the whole list; linearizability",
            ModelName::KeyValue => "one value a key: read, write, cas, append, delete; linearizability",
            ModelName::MultiRegister => "registers that transactions read and write; linearizability",
            ModelName::VersionedRegister => {
                "one value a key whose completions tell its version: read, write, cas, delete; linearizability"
            }
            ModelName::Mutex => "a lock: acquire, release; linearizability",
            ModelName::FencedLock => {
                "a lock whose tokens rise: acquire, release by the holder; linearizability"
            }
            ModelName::Lease => {
                "a lock that ends by itself: acquire, renew, release; no two hold it at a time"
            }
            ModelName::FifoQueue => "first in, first out: enqueue, dequeue; linearizability",
            ModelName::UnorderedQueue => {
                "each value comes out once, in any order: enqueue, dequeue; linearizability"
            }
            ModelName::Stack => "last in, first out: push, pop; linearizability",
            ModelName::Set => "add elements, read them all: nothing lost, nothing doubled, nothing made up",
            ModelName::LinearizableSet => "add, remove, contains, read all elements; linearizability",
            ModelName::UniqueIds => "generate: no id twice",
            ModelName::Counter => "increment, read: every read within the bounds of what was acknowledged",
            ModelName::LinearizableCounter => "increment, read the sum; linearizability",
        }
    }

    /// Judges a history.
    ///
    /// A history without operations proves nothing: that is `unknown`.
    pub fn check(self, history: &History, model: &ModelOptions, options: &Options) -> Finding {
        let finding = self.judge(history, model, options);
        if finding.verdict != Verdict::Valid || !history.operations.is_empty() {
            return finding;
        }
        Finding {
            verdict: Verdict::Unknown,
            sentence: words::undecided(&["the history has no operations".to_owned()]),
            ..finding
        }
    }

    fn judge(self, history: &History, model: &ModelOptions, options: &Options) -> Finding {
        let cell = |cell: Cell| {
            let cell = cell.nil_read(model.nil_read);
            let cell = match &model.initial {
                Some(initial) => cell.initial(initial.clone()),
                None => cell,
            };
            check(history, &cell, options)
        };
        let known = match self {
            ModelName::Set
            | ModelName::LinearizableSet
            | ModelName::Counter
            | ModelName::LinearizableCounter
            | ModelName::VersionedRegister => without_nil_reads(history, model.nil_read),
            // The others read no value, or know themselves what `nil` says.
            _ => Cow::Borrowed(history),
        };
        let history = &*known;
        let initial = model.initial.clone().unwrap_or_default();
        let sum = match initial {
            Value::Int(sum) => sum,
            Value::Nil => 0,
            ref other if matches!(self, ModelName::Counter | ModelName::LinearizableCounter) => {
                return Finding {
                    property: "counter".to_owned(),
                    verdict: Verdict::Unknown,
                    sentence: words::undecided(&[format!(
                        "a counter cannot begin with {other}, which is no integer"
                    )]),
                    method: String::new(),
                    operations: 0,
                    states: 0,
                    witnesses: Vec::new(),
                    linearizations: Vec::new(),
                    levels: Vec::new(),
                };
            }
            _ => 0,
        };
        match self {
            ModelName::Register => cell(Cell::register()),
            ModelName::CasRegister => cell(Cell::cas_register()),
            ModelName::AppendList => cell(Cell::append_list()),
            ModelName::KeyValue => cell(Cell::key_value()),
            ModelName::MultiRegister => {
                let registers = MultiRegister::new(initial).nil_read(model.nil_read);
                check(history, &registers, options)
            }
            ModelName::VersionedRegister => check(history, &VersionedRegister::new(initial), options),
            ModelName::Mutex => check(history, &Mutex, options),
            ModelName::FencedLock => check(history, &FencedLock, options),
            ModelName::Lease => crate::leases::check(history),
            ModelName::FifoQueue => check(history, &FifoQueue, options),
            ModelName::UnorderedQueue => check(history, &Nondeterministic(UnorderedQueue), options),
            ModelName::Stack => check(history, &Stack, options),
            ModelName::LinearizableSet => check(history, &super::Set, options),
            ModelName::UniqueIds => crate::unique_ids::check(history),
            ModelName::Set => crate::sets::check(history),
            ModelName::Counter => crate::counter::check(history, sum),
            ModelName::LinearizableCounter => check(history, &Counter::new(sum), options),
        }
    }
}

/// The history without what reads of `nil` completed with, where that says nothing.
fn without_nil_reads(history: &History, nil_read: NilRead) -> Cow<'_, History> {
    let silent = |operation: &Operation| {
        let Completion { outcome, value, .. } = &operation.completion;
        nil_read == NilRead::Unknown
            && operation.f == Function::Read
            && (*outcome, value) == (Outcome::Ok, &Value::Nil)
    };
    if !history.operations.iter().any(silent) {
        return Cow::Borrowed(history);
    }
    let mut history = history.clone();
    for operation in history
        .operations
        .iter_mut()
        .filter(|operation| silent(operation))
    {
        operation.completion = Completion::pending();
    }
    Cow::Owned(history)
}

/// What a model begins with and how it reads a history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelOptions {
    /// The initial value, where the model has one; its own default otherwise.
    pub initial: Option<Value>,
    /// What a read of `nil` says.
    pub nil_read: NilRead,
}

/// No model has this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownModel(pub String);

impl fmt::Display for UnknownModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = ModelName::ALL.map(ModelName::name).join(", ");
        write!(f, "there is no model {:?}; the models are {names}", self.0)
    }
}

impl std::error::Error for UnknownModel {}

impl FromStr for ModelName {
    type Err = UnknownModel;

    fn from_str(name: &str) -> Result<Self, UnknownModel> {
        let known = match name {
            "cas" => Some(ModelName::CasRegister),
            "append" => Some(ModelName::AppendList),
            "kv" => Some(ModelName::KeyValue),
            "queue" => Some(ModelName::FifoQueue),
            "bag" => Some(ModelName::UnorderedQueue),
            _ => ModelName::ALL.into_iter().find(|model| model.name() == name),
        };
        known.ok_or_else(|| UnknownModel(name.to_owned()))
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
