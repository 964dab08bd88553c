//! A whole cluster in one thread, in virtual time.

mod environment;
pub mod run;
pub mod setup;
pub mod systems;
pub mod world;

pub use run::{Outcome, Violation, Wanted, run, run_as, validate};
pub use setup::{Setup, Work};
pub use systems::Simulated;
pub use world::{Breach, Invariants, On, Strike, Trigger, Unwatched, Weather};
