//! A single node that answers from memory: what the control plane can do when the system costs nothing.

use std::time::Duration;

use perjury_systems::api::{Command, Failure, Response};
use perjury_systems::context::Context;
use perjury_systems::kv::{Store, at_the_end};
use perjury_systems::replica::{
    Cluster, ConfigError, Durable, Event, MutantCounts, NodeId, Replica, Role, Status,
};
use perjury_systems::sessions::{Admission, Sessions};
use serde::{Deserialize, Serialize};

/// How many clients' last answers are kept for retries.
const ANSWERS: usize = 4096;

/// A store in memory. Every node stands for itself: with more than one, clients see as many stores.
#[derive(Clone, Debug)]
pub struct Memory {
    me: NodeId,
    applied: u64,
    store: Store,
    sessions: Sessions,
}

/// Nodes of this system have nothing to say, and nothing to write down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Nothing {}

impl Replica for Memory {
    type Message = Nothing;
    type Record = Nothing;
    type Timer = ();
    type Trace = Nothing;

    const NAME: &'static str = "memory";
    const FIFO: bool = false;

    fn validate(cluster: &Cluster) -> Result<(), ConfigError> {
        if let Some(name) = cluster.settings.keys().next() {
            return Err(ConfigError(format!(
                "memory has no settings, so none called {name:?}"
            )));
        }
        if let Some(name) = &cluster.mutant {
            return Err(ConfigError(format!(
                "memory has no mutants, so none called {name:?}"
            )));
        }
        Ok(())
    }

    fn recover(_: &Cluster, me: NodeId, _: Durable<Nothing>, cx: &mut Context<Self>) -> Self {
        cx.arm((), Duration::from_secs(3600));
        Memory {
            me,
            applied: 0,
            store: Store::default(),
            sessions: Sessions::default(),
        }
    }

    fn step(&mut self, event: Event<Self>, cx: &mut Context<Self>) {
        let Event::Request { id, request } = event else {
            return;
        };
        let result = match (&request.command, request.session) {
            (Command::Reconfigure(_) | Command::Transfer { .. }, _) => Err(Failure::Invalid {
                reason: "memory is one node and stays one".into(),
            }),
            (command, Some(session)) if self.store.read(command).is_none() => {
                match self.sessions.admit(session) {
                    Admission::New => {
                        let result = self.apply(command);
                        self.sessions
                            .record(session, self.applied, result.clone(), ANSWERS);
                        result
                    }
                    Admission::Answered(result) => result,
                }
            }
            (command, _) => self.apply(command),
        };
        cx.reply_now(
            id,
            Response {
                node: self.me,
                term: 1,
                position: 0,
                result,
                quorum: None,
            },
        );
    }

    fn status(&self) -> Status {
        Status {
            node: self.me,
            role: Role::Leader,
            term: 1,
            leader: Some(self.me),
            committed: self.applied,
            applied: self.applied,
            voters: vec![self.me],
            learners: Vec::new(),
        }
    }

    fn mutant_counts(&self) -> MutantCounts {
        MutantCounts::default()
    }
}

impl Memory {
    fn apply(&mut self, command: &Command) -> perjury_systems::sessions::Outcome {
        if let Some(reply) = self.store.read(command) {
            return Ok(reply);
        }
        self.applied += 1;
        self.store.apply(self.applied, command, &mut at_the_end)
    }
}
