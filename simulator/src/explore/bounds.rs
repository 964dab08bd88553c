//! How far an exploration goes.

use perjury_checker::{Function, Value};
use perjury_systems::replica::ConfigError;
use perjury_workloads::Call;
use serde::{Deserialize, Serialize};

/// When what a node writes is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Disk {
    /// At once: a write and its fsync are one step.
    Instant,
    /// After an fsync, which is a step of its own; it makes everything durable that was written before it.
    Later,
}

/// What a client does, once. Every operation is another client's and on the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Doing {
    /// Read the key.
    Read,
    /// Write the operation's own number.
    Write,
    /// Set the key to the operation's own number if it is absent.
    Cas,
    /// Append the operation's own number to a list.
    Append,
}

impl Doing {
    /// The call; `number` counts operations from 1.
    pub(super) fn call(self, number: usize) -> Call {
        let own = Value::Int(number as i64);
        let (f, value) = match self {
            Doing::Read => (Function::Read, Value::Nil),
            Doing::Write => (Function::Write, own),
            Doing::Cas => (Function::Cas, vec![Value::Nil, own].into()),
            Doing::Append => (Function::Append, own),
        };
        Call {
            f,
            key: "x".into(),
            value,
        }
    }
}

/// The bounds within which everything is tried. Each is a total over all nodes. Whatever they allow may happen at
/// any moment, to any node, in any order; messages are delivered in any order, late or never.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// Nodes, 1 to 5.
    pub nodes: u16,
    /// What clients do, at most 4 operations.
    pub operations: Vec<Doing>,
    /// Election timeouts that run out; no term is higher.
    pub elections: u8,
    /// Heartbeat timers that run out.
    pub heartbeats: u8,
    /// Crashes: a node loses what is not durable but a prefix of it, and starts again.
    pub crashes: u8,
    /// Messages that are delivered once more than they were sent.
    pub duplicates: u8,
    /// Requests that are sent again, to any node, while their outcome is not known.
    pub resends: u8,
    /// When writes are durable.
    pub disk: Disk,
}

/// The largest total of each bound: they are counted in a few bits.
const MOST: u8 = 7;
const MOST_NODES: u16 = 5;
const MOST_OPERATIONS: usize = 4;

impl Default for Bounds {
    /// Three nodes, a write and a read, two elections, nothing else.
    fn default() -> Self {
        Bounds {
            nodes: 3,
            operations: vec![Doing::Write, Doing::Read],
            elections: 2,
            heartbeats: 0,
            crashes: 0,
            duplicates: 0,
            resends: 0,
            disk: Disk::Instant,
        }
    }
}

impl Bounds {
    /// Checks that the bounds are within what can be counted.
    ///
    /// # Errors
    /// What is too large, and how large it may be.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if self.nodes == 0 || self.nodes > MOST_NODES {
            return Err(ConfigError(format!(
                "{} nodes cannot be explored; from 1 to {MOST_NODES} can",
                self.nodes
            )));
        }
        if self.operations.len() > MOST_OPERATIONS {
            return Err(ConfigError(format!(
                "{} operations cannot be explored; at most {MOST_OPERATIONS} can",
                self.operations.len()
            )));
        }
        for (name, value) in [
            ("elections", self.elections),
            ("heartbeats", self.heartbeats),
            ("crashes", self.crashes),
            ("duplicates", self.duplicates),
            ("resends", self.resends),
        ] {
            if value > MOST {
                return Err(ConfigError(format!(
                    "{value} {name} cannot be explored; at most {MOST} can"
                )));
            }
        }
        Ok(())
    }

    pub(super) fn of(&self, spent: Spent) -> u8 {
        match spent {
            Spent::Elections => self.elections,
            Spent::Heartbeats => self.heartbeats,
            Spent::Crashes => self.crashes,
            Spent::Duplicates => self.duplicates,
            Spent::Resends => self.resends,
        }
    }
}

/// A bound that an event uses up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spent {
    Elections,
    Heartbeats,
    Crashes,
    Duplicates,
    Resends,
}

const BITS: u32 = 3;
const COUNTED_BITS: u32 = 5 * BITS;

/// What has been used up, and the clients' state, in one word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted(pub(super) u32);

impl Counted {
    pub(super) fn spent(self, what: Spent) -> u8 {
        (self.0 >> (what as u32 * BITS)) as u8 & MOST
    }

    pub(super) fn spend(self, what: Spent) -> Self {
        Counted(self.0 + (1 << (what as u32 * BITS)))
    }

    pub(super) fn clients(self) -> u32 {
        self.0 >> COUNTED_BITS
    }

    pub(super) fn with_clients(self, clients: u32) -> Self {
        debug_assert!(clients < 1 << (32 - COUNTED_BITS), "the clients' states are few");
        Counted(self.0 & ((1 << COUNTED_BITS) - 1) | clients << COUNTED_BITS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bound_is_counted_apart_up_to_the_most() {
        let kinds = [
            Spent::Elections,
            Spent::Heartbeats,
            Spent::Crashes,
            Spent::Duplicates,
            Spent::Resends,
        ];
        let mut counted = Counted::default().with_clients(1234);
        for (place, kind) in kinds.into_iter().enumerate() {
            for _ in 0..MOST - place as u8 {
                counted = counted.spend(kind);
            }
        }
        for (place, kind) in kinds.into_iter().enumerate() {
            assert_eq!(counted.spent(kind), MOST - place as u8);
        }
        assert_eq!(counted.clients(), 1234);
        assert_eq!(counted.with_clients(7).spent(Spent::Resends), MOST - 4);
    }

    #[test]
    fn bounds_that_cannot_be_counted_are_refused_with_what_can() {
        let many = Bounds {
            crashes: 8,
            ..Bounds::default()
        };
        let ConfigError(text) = many.validate().expect_err("too many");
        assert!(text.contains("at most 7"), "{text}");
        assert_eq!(Bounds::default().validate(), Ok(()));
    }
}
