//! What clients do, and which checkers judge what came of it.
//!
//! A [`Workload`] draws one [`Call`] after the other; it neither sends them nor knows how a store carries them
//! out. Whoever does maps them: `read`, `write` and `cas` as they are; `append` and `add` to an append to the
//! key's list, `increment` to an addition to the key's integer; `read` reads any of them.

mod keys;
mod parts;
#[cfg(test)]
mod tests;

pub mod append;
pub mod cas;
pub mod counter;
pub mod delete;
pub mod menu;
pub mod once;
pub mod register;
pub mod set;
pub mod workload;

pub use menu::{Entry, MENU, Options, UnknownWorkload, build, judges};
pub use workload::{Bites, Call, Counts, Coverage, Minimum, Workload};
