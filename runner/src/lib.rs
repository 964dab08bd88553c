//! A test as a deterministic state machine.
//!
//! The [`Runner`] decides what every client does next, which fault comes now, and whether the test is over; it
//! is fed with completions and time. An environment (real processes, or a simulation) only carries out its
//! actions. So nothing here knows what a node is made of.
//!
//! ```text
//! let mut runner = Runner::new(options, workload, plan)?;
//! runner.step(now, Input::Started, &mut actions);
//! while !runner.is_done() {
//!     // Carry the actions out in order, wait for the next thing that happens, and say so:
//!     runner.step(now, input, &mut actions);
//! }
//! let summary = runner.finish().judge(&perjury_checker::Options::default());
//! ```

mod clients;
mod coverage;
mod drive;
pub mod exit;
mod faults;
mod messages;
pub mod options;
mod phase;
mod probes;
mod record;
mod script;
pub mod step;
pub mod summary;
mod test;
mod timers;

pub use messages::{Fate, Message, Messages};
pub use options::{Options, OptionsError};
pub use probes::PROBE_KEY;
pub use script::Scripted;
pub use step::{Action, Answer, Attempt, Bite, FaultRecord, Input, Notice, Phase, View};
pub use summary::{Failure, Finished, Recovery, Summary};
pub use test::Runner;
