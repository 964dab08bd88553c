//! The control node: it runs a test's cluster as real processes, breaks it, and asks it questions.
//!
//! [`process::ProcessEnvironment`] starts the nodes and carries out what a runner decides; [`node`] is what each
//! of those processes runs; [`cluster`] keeps a cluster up for a person. [`subprocess`] is to be called first
//! thing in `main`, since nodes and the guard are this same program.

#![warn(clippy::print_stderr)]

/// Writes a line to standard error. That nobody is there to read it any more ends nothing.
macro_rules! say {
    ($($text:tt)*) => {{
        let line = format_args!("{}\n", format_args!($($text)*));
        let _ = std::io::Write::write_fmt(&mut std::io::stderr().lock(), line);
    }};
}

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
