//! Operations that are written down instead of being drawn.

use std::collections::VecDeque;

use perjury_nemesis::Node;
use perjury_workloads::Call;
use serde::{Deserialize, Serialize};

use crate::options::OptionsError;
use crate::step::Action;
use crate::test::Runner;

/// An operation with its time, its client, and the node that is asked first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scripted {
    /// When, in nanoseconds since the start; later, if the client is busy until then.
    pub at_ns: u64,
    /// Which client, counted from 0.
    pub client: usize,
    /// Whom it asks first.
    pub node: Node,
    /// What it asks.
    pub call: Call,
}

impl Runner {
    /// Has clients do this and nothing else: the workload draws nothing, it only judges. The main phase begins at once,
    /// without waiting until the cluster serves.
    ///
    /// # Errors
    /// If there is no such client or no such node; which operation says so is counted from 1.
    pub fn with_operations(mut self, operations: &[Scripted]) -> Result<Self, OptionsError> {
        for (place, operation) in (1..).zip(operations) {
            let Scripted { client, node, .. } = operation;
            if *client >= self.options.concurrency {
                return Err(OptionsError(format!(
                    "operation {place} of the script is client {client}'s, and there are {} (counted from 0)",
                    self.options.concurrency
                )));
            }
            if node.0 == 0 || node.0 > self.options.nodes {
                return Err(OptionsError(format!(
                    "operation {place} of the script asks {node}, and there are {} nodes",
                    self.options.nodes
                )));
            }
        }
        let mut operations = operations.to_vec();
        // A stable sort: what is due at once is asked in the order that it stands in.
        operations.sort_by_key(|operation| operation.at_ns);
        self.scripted = Some(operations.into());
        Ok(self)
    }

    /// Begins what is due of the script.
    pub(crate) fn follow_script(&mut self, out: &mut Vec<Action>) {
        while let Some(place) = self
            .ready()
            .filter(|(_, at_ns)| *at_ns <= self.now_ns)
            .map(|(place, _)| place)
        {
            let Some(operation) = self.scripted.as_mut().and_then(|script| script.remove(place)) else {
                return;
            };
            self.idle.retain(|idle| *idle != operation.client);
            // What it would have chosen: so that it goes on to draw what it drew in the run that this was taken from.
            self.clients[operation.client].choose(self.now_ns, &operation.call.f);
            self.invoke_at(operation.client, operation.call, operation.node, false, out);
        }
    }

    /// The first operation of the script whose client is idle, by its place, and when it is due.
    fn ready(&self) -> Option<(usize, u64)> {
        let script: &VecDeque<Scripted> = self.scripted.as_ref()?;
        let mut busy = vec![false; self.clients.len()];
        for (place, operation) in script.iter().enumerate() {
            let client = operation.client;
            if !busy[client] && self.clients[client].open.is_none() {
                return Some((place, operation.at_ns));
            }
            busy[client] = true;
        }
        None
    }

    /// When the script goes on, if nobody is waited for.
    pub(crate) fn script_due_ns(&self) -> Option<u64> {
        self.ready().map(|(_, at_ns)| at_ns)
    }
}
