//! What a history proves.
//!
//! A [`History`] is the only evidence: the operations that clients invoked and how each completed. A checker
//! decides what it proves and answers with a [`Finding`]: `valid`, `invalid` with a witness, or `unknown` with
//! the reason. This crate does no I/O and knows nothing of how the history came about.

pub mod budget;
pub mod counter;
pub mod formats;
pub mod generate;
pub mod history;
pub mod linearizability;
pub mod models;
pub mod sets;
pub mod verdict;
mod words;

pub use history::{
    Completion, Event, EventKind, Function, History, HistoryBuilder, HistoryError, Key, Moment,
};
pub use history::{Operation, Outcome, Process, Value};
pub use linearizability::{Method, Options, check};
pub use verdict::{Finding, Verdict, Witness};
