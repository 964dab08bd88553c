//! What a history proves.
//!
//! A [`History`] is the only evidence: the operations that clients invoked and how each completed. A checker
//! decides what it proves and answers with a [`Finding`]: `valid`, `invalid` with a witness, or `unknown` with
//! the reason. This crate does no I/O and knows nothing of how the history came about.
//!
//! # In ten lines
//!
//! Clients of a register: one wrote 7, and a read that began later found nothing.
//!
//! ```
//! use perjury_checker::{HistoryBuilder, Options, Outcome, Value, Verdict, check, models::Cell};
//!
//! let mut recorder = HistoryBuilder::default();
//! recorder.invoke(0, 1_000, "write", "x", 7)?; // process, nanoseconds, what, key, argument
//! recorder.complete(0, 2_000, Outcome::Ok, 7)?;
//! recorder.invoke(1, 3_000, "read", "x", Value::Nil)?;
//! recorder.complete(1, 4_000, Outcome::Ok, Value::Nil)?;
//! let finding = check(&recorder.finish(), &Cell::register(), &Options::default());
//! assert_eq!(finding.verdict, Verdict::Invalid);
//! println!("{}\n{}", finding.sentence, finding.witnesses[0].story.join("\n"));
//! # assert!(finding.witnesses[0].story.last().is_some_and(|end| end.contains("stale read")));
//! # Ok::<(), perjury_checker::HistoryError>(())
//! ```
//!
//! A history that anything wrote ([`formats`] says what is understood), from a file's reader just as from these bytes. Two
//! processes compare and set, from the same value, and both succeed:
//!
//! ```
//! use perjury_checker::{Options, Verdict, formats, models::ModelName};
//!
//! let file = "{:process 0, :type :invoke, :f :cas, :value [0 1]}
//! {:process 1, :type :invoke, :f :cas, :value [0 2]}
//! {:process 0, :type :ok, :f :cas, :value [0 1]}
//! {:process 1, :type :ok, :f :cas, :value [0 2]}
//! ";
//! let parsed = formats::read(file.as_bytes(), None)?; // none: the format is recognised
//! let finding = ModelName::CasRegister.check(&parsed.history, &parsed.options, &Options::default());
//! println!("{}: {}", finding.verdict, finding.sentence);
//! assert_eq!(finding.verdict, Verdict::Invalid);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! An object of your own takes four small functions; here a register that keeps the greatest value:
//!
//! ```
//! use perjury_checker::models::{Model, Unsupported};
//! use perjury_checker::{HistoryBuilder, Operation, Options, Outcome, Value, Verdict, check};
//!
//! struct Maximum;
//!
//! #[derive(Clone, PartialEq, Eq, Hash)]
//! enum Did {
//!     Raise(i64),
//!     Read(i64),
//! }
//!
//! impl Model for Maximum {
//!     type State = i64;
//!     type Action = Did;
//!
//!     fn name(&self) -> &str {
//!         "maximum"
//!     }
//!     fn init(&self) -> i64 {
//!         0
//!     }
//!     fn action(&self, operation: &Operation) -> Result<Option<Did>, Unsupported> {
//!         let completion = &operation.completion;
//!         Ok(match (operation.f.name(), completion.outcome, &operation.argument, &completion.value) {
//!             (_, Outcome::Fail, ..) | ("read", Outcome::Info, ..) => None, // it says nothing
//!             ("raise", _, Value::Int(to), _) => Some(Did::Raise(*to)),
//!             ("read", _, _, Value::Int(saw)) => Some(Did::Read(*saw)),
//!             _ => return Err(Unsupported::value(operation)),
//!         })
//!     }
//!     fn step(&self, state: &i64, action: &Did) -> Option<i64> {
//!         match action {
//!             Did::Raise(to) => Some(*to.max(state)),
//!             Did::Read(saw) => (saw == state).then_some(*state), // none: it cannot have happened here
//!         }
//!     }
//!     fn describe(&self, state: &i64) -> Value {
//!         Value::Int(*state)
//!     }
//! }
//!
//! let mut recorder = HistoryBuilder::default();
//! recorder.invoke(0, 0, "raise", "m", 5)?; // it never completes: it may have happened, or not
//! recorder.invoke(1, 1, "read", "m", Value::Nil)?;
//! recorder.complete(1, 2, Outcome::Ok, 5)?;
//! recorder.invoke(1, 3, "read", "m", Value::Nil)?;
//! recorder.complete(1, 4, Outcome::Ok, 0)?;
//! let finding = check(&recorder.finish(), &Maximum, &Options::default());
//! assert_eq!(finding.verdict, Verdict::Invalid); // once it was 5, it cannot be 0 again
//! # Ok::<(), perjury_checker::HistoryError>(())
//! ```
//!
//! # What linearizability is
//!
//! Operations take time, and they overlap. An object is *linearizable* (Herlihy and Wing, 1990) if each operation
//! appears to take effect at one instant between its invocation and its completion: then clients cannot tell it
//! from an object that serves one operation at a time. To check a history is to look for such instants:
//!
//! ```text
//!  process 0   [──── write 1 ────]
//!  process 1      [────── write 2 ──────]
//!  process 2           [─ read 2 ─]   [─ read 1 ─]       linearizable:
//!                    ▲    ▲     ▲            ▲
//!                    2  read 2  1          read 1        2 is written first, although 1 was asked for first
//! ```
//!
//! Where operations follow each other in real time, there is no choice, and a result can be a lie:
//!
//! ```text
//!  process 0   [─ write 1 ─]   [─ write 2 ─]
//!  process 1                                  [─ read 1 ─]     not linearizable: a stale read
//! ```
//!
//! An operation whose client never heard of it again may take effect at any later time, or never:
//!
//! ```text
//!  process 0   [─ write 1 ─]
//!  process 1                  [─ write 2 ─ …
//!  process 2                                [─ read 1 ─]   [─ read 2 ─]     linearizable: 2 took its time
//!  process 2                                [─ read 2 ─]   [─ read 1 ─]     not: 2 was there, and nobody wrote 1 again
//! ```
//!
//! And a compare-and-set that failed is evidence, too: at some instant of its window the value was another one.
//!
//! ```text
//!  process 0   [─ write 1 ─]
//!  process 1                  [─ cas 1→2 failed ─]      not linearizable: the value was 1 all the time
//! ```
//!
//! [`linearizability`] tells by which methods this is decided, when each applies, what it costs and where it comes
//! from; [`models`] what a model is; [`Witness`] what a violation comes with. A valid history shows its order if
//! asked ([`Options::linearizations`]), which [`verify`] verifies by the definition above.
//!
//! # What judges what
//!
//! | checker | property |
//! |---|---|
//! | [`linearizability`] | registers, lists, key-value, locks, queues, stacks, sets, or any [`models::Model`] |
//! | [`sets`] | nothing that was added is lost, doubled or made up |
//! | [`counter`] | every read is within what the increments allow |
//! | [`quorum`] | registers that are kept by quorums, or read at one replica: regularity, sequential consistency, who took part, how stale reads are |
//! | [`leases`] | no two processes hold a lease at the same time |
//! | [`unique_ids`] | no id is given out twice |

pub mod budget;
mod collections;
pub mod counter;
pub mod formats;
pub mod generate;
pub mod history;
pub mod leases;
pub mod levels;
pub mod linearizability;
pub mod models;
pub mod quorum;
pub mod sets;
pub mod unique_ids;
pub mod verdict;
mod versions;
mod words;

pub use history::{
    Completion, Event, EventKind, Function, History, HistoryBuilder, HistoryError, Key, Moment,
};
pub use history::{Operation, Outcome, Process, Quorum, Tag, Value};
pub use linearizability::{Linearization, Method, Options, check, verify};
pub use verdict::{Finding, Verdict, Witness};
