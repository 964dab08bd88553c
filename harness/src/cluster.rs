//! A cluster that is kept up for a person to poke.

use std::net::SocketAddr;

use perjury_nemesis::Node;
use perjury_runner::Input;

use crate::environment::{ClusterConfig, StartError};
use crate::process::{Interrupter, ProcessEnvironment};

/// A cluster without a test.
#[derive(Debug)]
pub struct RunningCluster {
    environment: ProcessEnvironment,
}

impl RunningCluster {
    /// Starts it. The folder of its logs is removed with it.
    ///
    /// # Errors
    /// If the machine does not give what is needed, or a node does not come up.
    pub fn start(config: ClusterConfig) -> Result<Self, StartError> {
        let logs = config.folder.clone();
        let mut environment = ProcessEnvironment::start(config)?;
        environment.remove_with_us(&logs);
        Ok(RunningCluster { environment })
    }

    /// Where the nodes serve clients.
    pub fn addresses(&self) -> Vec<(Node, SocketAddr)> {
        self.environment.addresses()
    }

    /// A handle that ends [`RunningCluster::keep`].
    pub fn interrupter(&self) -> Interrupter {
        self.environment.interrupter()
    }

    /// Keeps it up until it is interrupted, and stops it. `changed` is told when a node dies or the leader changes.
    pub fn keep(self, changed: &mut dyn FnMut(&Input)) {
        let mut step = |_: u64, input: Input, actions: &mut Vec<perjury_runner::Action>| match input {
            Input::Interrupt => actions.push(perjury_runner::Action::Finish),
            other => changed(&other),
        };
        self.environment.run(&mut step, &mut |_| {});
    }
}
