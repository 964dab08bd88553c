//! What clients do, and which checkers judge what came of it.

pub mod workload;

pub use workload::{Call, Coverage, Minimum, Workload};
