//! The systems that a node's process can run, by name.

use std::process::ExitCode;

use perjury_systems::replica::{Cluster, ConfigError, Replica};

use super::config::NodeConfig;
use super::memory::Memory;
use super::protocol::run as run_node;

/// Calls `$do::<R>($argument)` for the system with this name, or answers none.
macro_rules! with_system {
    ($name:expr, $do:ident, $($argument:expr),*) => {
        match $name {
            Memory::NAME => Some($do::<Memory>($($argument),*)),
            _ => None,
        }
    };
}

/// The names of all systems that a process can run.
pub fn names() -> &'static [&'static str] {
    &[Memory::NAME]
}

/// Checks a system's settings and mutant before any process is started.
///
/// # Errors
/// An unknown system, setting or mutant, or a value out of range, with what would be right.
pub fn validate(system: &str, cluster: &Cluster) -> Result<(), ConfigError> {
    fn check<R: Replica>(cluster: &Cluster) -> Result<(), ConfigError> {
        R::validate(cluster)
    }
    with_system!(system, check, cluster).unwrap_or_else(|| Err(unknown(system)))
}

fn unknown(system: &str) -> ConfigError {
    ConfigError(format!("there is no system {system:?}; there are: {}", names().join(", ")))
}

pub(super) fn run(config: NodeConfig) -> ExitCode {
    let system = config.system.clone();
    with_system!(&*system, run_node, config)
        .unwrap_or_else(|| super::fail(super::EXIT_START, &unknown(&system).0))
}
