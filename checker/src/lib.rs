//! What a history proves.
//!
//! A [`History`] is the only evidence: the operations that clients invoked and how each completed. A checker
//! decides what it proves and answers with a [`Finding`]: `valid`, `invalid` with a witness, or `unknown` with
//! the reason. This crate does no I/O and knows nothing of how the history came about.
//!
//! # In ten lines
//!
//! A history in a file, whatever wrote it:
//!
//! ```
//! use perjury_checker::{Options, Verdict, formats, models::ModelName};
//!
//! let text = r#"{"index":0,"time":0,"process":0,"type":"invoke","f":"write","key":"x","value":7}
//! {"index":1,"time":9,"process":0,"type":"ok","f":"write","key":"x","value":7}
//! {"index":2,"time":12,"process":1,"type":"invoke","f":"read","key":"x","value":null}
//! {"index":3,"time":20,"process":1,"type":"ok","f":"read","key":"x","value":null}
//! "#;
//! let parsed = formats::read(text.as_bytes(), None)?;
//! let finding = ModelName::Register.check(&parsed.history, &parsed.options, &Options::default());
//! assert_eq!(finding.verdict, Verdict::Invalid);
//! println!("{}", finding.witnesses[0].story.join("\n"));
//! # Ok::<(), perjury_checker::formats::FormatError>(())
//! ```
//!
//! A history that your program recorded: push [`Event`]s into a [`HistoryBuilder`], then
//!
//! ```
//! use perjury_checker::{History, HistoryBuilder, Options, Verdict, check, models::Cell};
//!
//! let history: History = HistoryBuilder::default().finish();
//! let finding = check(&history, &Cell::cas_register(), &Options::default());
//! assert_eq!(finding.verdict, Verdict::Valid);
//! ```
//!
//! An object of your own: implement [`models::Model`], which takes four small functions.
//!
//! # What judges what
//!
//! | checker | property |
//! |---|---|
//! | [`linearizability`] | registers, lists, key-value, locks, queues, stacks, sets, or any [`models::Model`] |
//! | [`sets`] | nothing that was added is lost, doubled or made up |
//! | [`counter`] | every read is within what the increments allow |
//! | [`leases`] | no two processes hold a lease at the same time |
//! | [`unique_ids`] | no id is given out twice |

pub mod budget;
mod collections;
pub mod counter;
pub mod formats;
pub mod generate;
pub mod history;
pub mod leases;
pub mod linearizability;
pub mod models;
pub mod sets;
pub mod unique_ids;
pub mod verdict;
mod versions;
mod words;

pub use history::{
    Completion, Event, EventKind, Function, History, HistoryBuilder, HistoryError, Key, Moment,
};
pub use history::{Operation, Outcome, Process, Value};
pub use linearizability::{Linearization, Method, Options, check, verify};
pub use verdict::{Finding, Verdict, Witness};
