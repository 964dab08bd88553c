//! The systems that a node's process can run, by name: the bundled ones, and the one that answers from memory.

use std::process::ExitCode;

use perjury_systems::registry::{self, SYSTEMS, Visitor};
use perjury_systems::replica::{Cluster, ConfigError, Replica};

use super::config::NodeConfig;
use super::memory::Memory;
use super::protocol;

/// The names of all systems that a process can run.
pub fn names() -> Vec<&'static str> {
    SYSTEMS
        .iter()
        .map(|system| system.name)
        .chain([Memory::NAME])
        .collect()
}

/// Checks a system's settings and mutant before any process is started.
///
/// # Errors
/// An unknown system, setting or mutant, or a value out of range, with what would be right.
pub fn validate(system: &str, cluster: &Cluster) -> Result<(), ConfigError> {
    visit(system, Check(cluster)).unwrap_or_else(|| Err(unknown(system)))
}

/// Runs a node until it is killed.
pub(super) fn run(config: NodeConfig) -> ExitCode {
    let system = config.system.clone();
    visit(&system, Run(config)).unwrap_or_else(|| super::fail(super::EXIT_START, &unknown(&system).0))
}

/// The names of a system's messages, by the numbers that their bytes begin with.
pub fn message_kinds(system: &str) -> &'static [&'static str] {
    visit(system, Kinds).unwrap_or_default()
}

fn visit<V: Visitor>(system: &str, visitor: V) -> Option<V::Output> {
    if system == Memory::NAME {
        Some(visitor.visit::<Memory>())
    } else {
        registry::visit(system, visitor)
    }
}

fn unknown(system: &str) -> ConfigError {
    ConfigError(format!(
        "there is no system {system:?}; there are: {}",
        names().join(", ")
    ))
}

struct Check<'a>(&'a Cluster);

impl Visitor for Check<'_> {
    type Output = Result<(), ConfigError>;

    fn visit<R: Replica>(self) -> Self::Output {
        R::validate(self.0)
    }
}

struct Kinds;

impl Visitor for Kinds {
    type Output = &'static [&'static str];

    fn visit<R: Replica>(self) -> Self::Output {
        crate::process::link::kinds::<R::Message>()
    }
}

struct Run(NodeConfig);

impl Visitor for Run {
    type Output = ExitCode;

    fn visit<R: Replica>(self) -> ExitCode {
        protocol::run::<R>(self.0)
    }
}
