//! The control node: it runs a test's cluster as real processes, breaks it, and asks it questions.
//!
//! [`process::ProcessEnvironment`] starts the nodes and carries out what a runner decides; [`node`] is what each
//! of those processes runs; [`cluster`] keeps a cluster up for a person. [`subprocess`] is to be called first
//! thing in `main`, since nodes and the guard are this same program.

pub mod cli;
pub mod cluster;
pub mod environment;
pub mod http;
pub mod node;
pub mod process;
pub mod progress;
pub mod subprocess;
pub mod traces;

pub use environment::{ClusterConfig, StartError, Summary};
pub use process::ProcessEnvironment;
