//! What a run leaves behind.
//!
//! A [`Store`] is a folder of runs. While a run goes on, its [`RunWriter`] listens to the runner's notices and
//! writes the history as it happens; afterwards its [`RunFolder`] is read back as [`Evidence`], from which
//! everything else is made: the report (one offline page), JUnit XML, the summary on the terminal. So a report
//! can be written again at any time, also of a run whose control node was killed.

mod archive;
pub mod console;
mod error;
mod evidence;
mod files;
mod folder;
pub mod github;
mod headline;
mod history;
pub mod junit;
mod likelihood;
mod messages;
mod prune;
mod record;
pub mod report;
mod run;
mod store;
mod told;
pub mod trace;
mod words;

pub use error::StoreError;
pub use evidence::{Evidence, NodeLog};
pub use folder::{RunFolder, RunState};
pub use history::{ReadHistory, read_history};
pub use jiff::Timestamp;
pub use likelihood::{DecisiveRecord, LikelihoodRecord, MomentRecord};
pub use messages::Traffic;
pub use prune::{Prune, Pruned};
pub use record::{
    Machine, MutantSeen, Recovery, RunOutcome, SCHEMA, SystemFailure, TestRecord, VerdictRecord, run_id,
};
pub use run::RunWriter;
pub use store::{LATEST, Listed, Store};
pub use told::INVARIANTS;
