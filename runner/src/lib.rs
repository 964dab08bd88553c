//! A test as a deterministic state machine.
//!
//! The [`Runner`](step) decides what every client does next, which fault comes now, and whether the test is over; it is fed
//! with completions and time. An environment (real processes, or a simulation) only carries out its actions. So
//! nothing here knows what a node is made of.

pub mod step;

pub use step::{Action, Answer, Attempt, Bite, FaultRecord, Input, Notice, Phase, View};
