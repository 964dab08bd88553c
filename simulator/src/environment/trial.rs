//! The trial of a quorum: when everything is healed, first a majority alone, then the rest.
//!
//! A cluster that serves again once every node is back proves little: replicated systems promise to serve when any
//! majority is there. So the nodes outside a random one stay down, or are killed, while the majority has to carry out
//! a write within a limit.

use std::collections::BTreeSet;

use perjury_nemesis::{Node, kinds};
use perjury_systems::api::{Command, Failure, Reply, Request, Value};
use perjury_systems::replica::Replica;

use super::{ADMIN_TICKETS, Alarm, Environment};
use crate::world::{Keep, MILLISECOND, below};

/// The trial's own requests, of which no other answer is awaited.
pub(super) const TRIAL_TICKET: u64 = ADMIN_TICKETS + (1 << 62);

/// Within this time a healthy majority has to serve.
const LIMIT_MS: u64 = 10_000;

/// Between two requests.
const PAUSE: u64 = 100 * MILLISECOND;

/// Whether an answer shows that the majority serves: the write is done, or, where a register is written once, an earlier one
/// of the trial is.
pub(super) fn served(result: &Result<Reply, Failure>) -> bool {
    matches!(result, Ok(_) | Err(Failure::Precondition { .. }))
}

/// A trial under way.
#[derive(Debug)]
pub(super) struct Trial {
    quorum: Vec<Node>,
    outside: Vec<Node>,
    until: u64,
    asked: usize,
}

impl<R: Replica> Environment<R> {
    /// How long a healthy majority may take to serve, in milliseconds.
    pub(crate) fn trial_limit_ms(&self) -> u64 {
        self.weather.slowed(LIMIT_MS)
    }

    /// Begins the trial, if there is a majority that is less than all.
    pub(super) fn begin_trial(&mut self) {
        let Some((quorum, outside)) = self.draw_quorum() else {
            return;
        };
        for node in &outside {
            self.world.bar(*node);
            self.world.kill(*node, Keep::Prefix);
        }
        let until = self.world.now() + self.trial_limit_ms() * MILLISECOND;
        self.trial = Some(Trial {
            quorum,
            outside,
            until,
            asked: 0,
        });
        self.world.alarm(self.world.now(), Alarm::Trial);
    }

    /// A random set of nodes that is a majority of every configuration that any node knows of.
    fn draw_quorum(&mut self) -> Option<(Vec<Node>, Vec<Node>)> {
        let mut outside: Vec<Node> = self.world.nodes().collect();
        let configurations = self.world.configurations();
        let mut quorum = Vec::new();
        while !self.suffices(&quorum, &configurations) {
            if outside.is_empty() {
                return None;
            }
            let drawn = below(&mut self.rng, outside.len() as u64) as usize;
            quorum.push(outside.swap_remove(drawn));
        }
        let dead = quorum.iter().any(|node| self.world.is_dead(*node));
        (!outside.is_empty() && !dead).then_some((quorum, outside))
    }

    /// Whether these are a majority of each.
    fn suffices(&self, quorum: &[Node], configurations: &BTreeSet<Vec<Node>>) -> bool {
        // Where two configurations are in force at once, a majority of both together and one more is one of each.
        let spare = usize::from(self.kinds.contains(&kinds::MEMBERSHIP));
        configurations.iter().all(|voters| {
            let votes = |voter: &&Node| quorum.contains(voter) && self.world.has_a_vote(**voter);
            let there = voters.iter().filter(votes).count();
            2 * there > voters.len() + spare
        })
    }

    /// Asks a node of the majority, or gives the trial up.
    pub(super) fn try_quorum(&mut self) {
        let Some(trial) = &mut self.trial else {
            return;
        };
        let now = self.world.now();
        if now >= trial.until {
            let quorum = std::mem::take(&mut trial.quorum);
            // A change that was decided before, and that nobody knew of, may ask for others.
            if self.suffices(&quorum, &self.world.configurations()) {
                self.stalled = Some(quorum);
            } else {
                self.end_trial();
            }
            return;
        }
        let node = trial.quorum[trial.asked % trial.quorum.len()];
        trial.asked += 1;
        let request = Request::new(
            None,
            Command::Write {
                key: "trial-of-a-quorum".into(),
                value: Value::Int(trial.asked as i64),
            },
        );
        self.ask(now, node, TRIAL_TICKET, request);
        self.world.alarm(now + self.weather.slowed(PAUSE), Alarm::Trial);
    }

    /// The majority serves: the rest comes back.
    pub(super) fn end_trial(&mut self) {
        if let Some(trial) = self.trial.take() {
            for node in trial.outside {
                self.world.unbar(node);
                self.world.start(node, 0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_register_that_an_earlier_request_of_the_trial_wrote_is_service() {
        let written = Failure::Precondition {
            observed: Value::Int(1),
            version: 1,
        };
        assert!(served(&Err(written)));
        assert!(served(&Ok(Reply::default())));
        let reason = "nobody leads".to_owned();
        assert!(!served(&Err(Failure::Unavailable { leader: None, reason })));
    }
}
