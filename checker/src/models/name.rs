//! Models by name, for command lines and configuration files.

use std::fmt;
use std::str::FromStr;

use super::{Cell, MultiRegister, Mutex, NilRead};
use crate::history::{History, Value};
use crate::linearizability::{Options, check};
use crate::verdict::Finding;

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
    /// [`Mutex`].
    Mutex,
    /// [`crate::sets::check`].
    Set,
    /// [`crate::counter::check`].
    Counter,
}

impl ModelName {
    /// Every name.
    pub const ALL: [ModelName; 8] = [
        ModelName::Register,
        ModelName::CasRegister,
        ModelName::AppendList,
        ModelName::KeyValue,
        ModelName::MultiRegister,
        ModelName::Mutex,
        ModelName::Set,
        ModelName::Counter,
    ];

    /// The name as it is written on a command line.
    pub fn name(self) -> &'static str {
        match self {
            ModelName::Register => "register",
            ModelName::CasRegister => "cas-register",
            ModelName::AppendList => "append-list",
            ModelName::KeyValue => "key-value",
            ModelName::MultiRegister => "multi-register",
            ModelName::Mutex => "mutex",
            ModelName::Set => "set",
            ModelName::Counter => "counter",
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
            ModelName::Mutex => "a lock: acquire, release; linearizability",
            ModelName::Set => "add elements, read them all: nothing lost, nothing doubled, nothing made up",
            ModelName::Counter => "increment, read: every read within the bounds of what was acknowledged",
        }
    }

    /// Judges a history.
    pub fn check(self, history: &History, model: &ModelOptions, options: &Options) -> Finding {
        let cell = |cell: Cell| {
            let cell = cell.nil_read(model.nil_read);
            let cell = match &model.initial {
                Some(initial) => cell.initial(initial.clone()),
                None => cell,
            };
            check(history, &cell, options)
        };
        let initial = model.initial.clone();
        match self {
            ModelName::Register => cell(Cell::register()),
            ModelName::CasRegister => cell(Cell::cas_register()),
            ModelName::AppendList => cell(Cell::append_list()),
            ModelName::KeyValue => cell(Cell::key_value()),
            ModelName::MultiRegister => {
                check(history, &MultiRegister::new(initial.unwrap_or_default()), options)
            }
            ModelName::Mutex => check(history, &Mutex, options),
            ModelName::Set => crate::sets::check(history),
            ModelName::Counter => {
                let initial = if let Some(Value::Int(initial)) = initial {
                    initial
                } else {
                    0
                };
                crate::counter::check(history, initial)
            }
        }
    }
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
