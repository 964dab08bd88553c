//! The workloads by name: what `--workload` takes and `list workloads` shows.

use std::fmt;

use perjury_checker::quorum::Promise;

use crate::workload::Workload;
use crate::{append, cas, counter, delete, once, register, set};

/// How a workload is to be shaped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Keys in use at a time; none for the workload's own choice, few enough for high contention.
    pub keys: Option<usize>,
    /// For `register`, `cas`, `delete` and `once`: draw values from 1 to this, instead of never writing a value twice.
    pub values: Option<u32>,
    /// Operations on a key before a fresh one takes its place; none for the workload's own choice.
    pub ops_per_key: Option<u64>,
    /// What the system promises of a register: that is what is judged.
    pub promise: Promise,
}

/// A workload that has a name.
#[derive(Clone, Copy)]
pub struct Entry {
    /// The name on the command line.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub about: &'static str,
    /// The models that judge it, as `check --model` takes them.
    pub models: &'static [&'static str],
    make: fn(&Options) -> Box<dyn Workload>,
}

impl Entry {
    /// A workload of this name.
    pub fn make(&self, options: &Options) -> Box<dyn Workload> {
        (self.make)(options)
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Entry").field(&self.name).finish()
    }
}

/// Every workload, as `list workloads` shows them.
pub const MENU: &[Entry] = &[
    Entry {
        name: "register",
        about: "reads and writes of a few keys; no value is written twice",
        models: &["register"],
        make: |options| Box::new(register::Register::new(options)),
    },
    Entry {
        name: "cas",
        about: "reads, writes and compare-and-sets that fight over a few keys; no value is written twice",
        models: &["cas-register"],
        make: |options| Box::new(cas::Cas::new(options)),
    },
    Entry {
        name: "append",
        about: "appends a unique element to a key's list, reads the whole list: what is lost, doubled or reordered shows; \
                unknown outcomes are retried in the same session",
        models: &["append-list"],
        make: |options| Box::new(append::Append::new(options)),
    },
    Entry {
        name: "counter",
        about: "increments that must not be applied twice, though unknown outcomes are retried in the same session",
        models: &["counter"],
        make: |options| Box::new(counter::Counter::new(options)),
    },
    Entry {
        name: "delete",
        about: "reads, writes and removals of a few keys: what was removed must not come back",
        models: &["key-value"],
        make: |options| Box::new(delete::Delete::new(options)),
    },
    Entry {
        name: "once",
        about: "compare-and-sets from nil and reads of registers that are written once",
        models: &["cas-register"],
        make: |options| Box::new(once::Once::new(options)),
    },
    Entry {
        name: "set",
        about: "adds unique elements, reads all at the end: nothing acknowledged is lost, nothing comes back twice",
        models: &["set"],
        make: |options| Box::new(set::Set::new(options)),
    },
];

/// A workload by its name.
///
/// # Errors
/// If none has this name; the error lists those that there are.
pub fn build(name: &str, options: &Options) -> Result<Box<dyn Workload>, UnknownWorkload> {
    match MENU.iter().find(|entry| entry.name == name) {
        Some(entry) => Ok(entry.make(options)),
        None => Err(UnknownWorkload(name.to_owned())),
    }
}

/// Whether a workload can judge a system that promises so much of its registers.
pub fn judges(name: &str, promise: Promise) -> bool {
    promise != Promise::Sequential || name == "register"
}

/// No workload has this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownWorkload(pub String);

impl fmt::Display for UnknownWorkload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = MENU.iter().map(|entry| entry.name).collect();
        write!(
            f,
            "no workload is called {:?}; there are: {}",
            self.0,
            names.join(", ")
        )
    }
}

impl std::error::Error for UnknownWorkload {}
