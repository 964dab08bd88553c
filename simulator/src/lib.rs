//! A whole cluster in one thread, in virtual time.

pub mod case;
pub mod determinism;
pub mod directed;
mod distinct;
mod environment;
pub mod explore;
pub mod hunt;
pub mod likelihood;
pub mod matrix;
pub mod run;
pub mod score;
pub mod script;
pub mod setup;
pub mod shrink;
pub mod story;
pub mod swarm;
pub mod systems;
pub mod world;

pub use case::{Case, Comparison, Expected};
pub use directed::{Played, SCHEDULES, Schedule, ScheduleError};
pub use distinct::{Distinct, distinct};
pub use environment::calls::evidence;
pub use explore::{Exploration, explore};
pub use hunt::{Campaign, Found, Tally, hunt};
pub use likelihood::{Branch, Estimate, Likelihood, Moment, likelihood};
pub use matrix::{Attempt, Directed, Hunted, Matrix, Row, Sighting, Spent, matrix};
pub use run::{Kind, Outcome, Violation, Wanted, all_marks, run, run_as, validate};
pub use score::{Cue, Score, Turn, What, score};
pub use script::{Blow, Script};
pub use setup::{Setup, Work};
pub use shrink::{Effort, Shrunk, Size, shrink};
pub use story::{Sentence, spoken, story};
pub use swarm::{Draws, Hint, Swarm};
pub use systems::{Simulated, promised};
pub use world::{Invariants, Line, On, Scheduler, Strike, Topic, Trigger, Unwatched, Weather};
