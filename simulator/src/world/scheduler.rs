//! In which order messages arrive: as their latencies have it, in a random order, or by priorities.
//!
//! A scheduler only chooses how long each message is under way; loss, cuts and clogs are as they are. So every order that
//! it makes is one that an asynchronous network could have made.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::fmt;
use std::str::FromStr;

use perjury_nemesis::stream;
use perjury_systems::replica::Replica;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::World;
use super::chance::{below, exponential};

const MILLISECOND: u64 = 1_000_000;

/// Among so many messages changes of priority are drawn: about as many as a run has while there are faults.
const MESSAGES: u64 = 20_000;

/// What the chain of the lowest priority waits for, beyond the usual latency.
const LONGEST_WAIT: u64 = 20 * MILLISECOND;

/// A chain that lost its priority waits up to this long at every message.
const LOST_PRIORITY_WAIT: u64 = 250 * MILLISECOND;

/// Who decides in which order messages arrive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheduler {
    /// The links' latencies.
    #[default]
    Timed,
    /// Chance: of everything that is under way, each message is as likely as any other to arrive next (waiting times
    /// are exponential with one mean).
    Random,
    /// Priorities of causal chains of messages, of which as many as are given here fall to the lowest at random messages
    /// (Ozkan et al., Randomized Testing of Distributed Systems with Probabilistic Guarantees, OOPSLA 2018). A priority
    /// is a wait here and not an absolute precedence, since timers go on meanwhile.
    Pct(u32),
}

/// Changes of priority, unless it is said how many.
const CHANGES: u32 = 3;

impl FromStr for Scheduler {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name.split_once(':') {
            None if name == "timed" => Ok(Scheduler::Timed),
            None if name == "random" => Ok(Scheduler::Random),
            None if name == "pct" => Ok(Scheduler::Pct(CHANGES)),
            Some(("pct", changes)) => changes
                .parse()
                .map(Scheduler::Pct)
                .map_err(|_| format!("{changes:?} is not a number of changes of priority")),
            _ => Err(format!("{name:?} is none of timed, random, pct and pct:CHANGES")),
        }
    }
}

impl fmt::Display for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scheduler::Timed => f.write_str("timed"),
            Scheduler::Random => f.write_str("random"),
            Scheduler::Pct(changes) => write!(f, "pct:{changes}"),
        }
    }
}

impl Scheduler {
    /// Whether it is the one that is meant where nothing is said.
    pub fn is_timed(&self) -> bool {
        *self == Scheduler::Timed
    }
}

impl<R: Replica, A> World<R, A> {
    /// Leaves the order of messages to this scheduler.
    pub(crate) fn schedule(&mut self, scheduler: Scheduler) {
        self.network.order = Order::new(scheduler, self.machines.len(), self.seed);
    }
}

/// A scheduler at work.
#[derive(Debug)]
pub(crate) enum Order {
    Timed,
    Random { rng: ChaCha8Rng },
    Pct(Chains),
}

/// Causal chains of messages: the first message that a node sends after one reached it goes on that one's chain; every
/// other begins a chain of its own.
#[derive(Debug)]
pub(crate) struct Chains {
    rng: ChaCha8Rng,
    /// What a message of each chain waits for; or nothing fixed, once it lost its priority.
    waits: Vec<Option<u64>>,
    /// Per node: what is under way to it, by its arrival.
    coming: Vec<BinaryHeap<Reverse<(u64, usize)>>>,
    /// Per node: the chain that its next message goes on.
    current: Vec<Option<usize>>,
    sent: u64,
    /// At which messages the chain loses its priority.
    changes: BTreeSet<u64>,
}

impl Order {
    pub(crate) fn new(scheduler: Scheduler, nodes: usize, seed: u64) -> Self {
        let mut rng = stream(seed, "scheduler");
        match scheduler {
            Scheduler::Timed => Order::Timed,
            Scheduler::Random => Order::Random { rng },
            Scheduler::Pct(changes) => Order::Pct(Chains {
                changes: (0..changes).map(|_| below(&mut rng, MESSAGES)).collect(),
                rng,
                waits: Vec::new(),
                coming: (0..nodes).map(|_| BinaryHeap::new()).collect(),
                current: vec![None; nodes],
                sent: 0,
            }),
        }
    }

    /// When a message arrives that leaves now and that the link would deliver at `timed`, taking `mean` on average.
    pub(crate) fn arrival(&mut self, now: u64, from: usize, to: usize, mean: u64, timed: u64) -> u64 {
        match self {
            Order::Timed => timed,
            Order::Random { rng } => now + 1 + exponential(rng, mean),
            Order::Pct(chains) => chains.arrival(now, from, to, timed),
        }
    }
}

impl Chains {
    fn arrival(&mut self, now: u64, from: usize, to: usize, timed: u64) -> u64 {
        while let Some(Reverse((arrival, chain))) = self.coming[from].peek().copied()
            && arrival <= now
        {
            self.coming[from].pop();
            self.current[from] = Some(chain);
        }
        let chain = self.current[from].take().unwrap_or_else(|| {
            self.waits.push(Some(below(&mut self.rng, LONGEST_WAIT)));
            self.waits.len() - 1
        });
        if self.changes.contains(&self.sent) {
            self.waits[chain] = None;
        }
        self.sent += 1;
        let wait = self.waits[chain].unwrap_or_else(|| below(&mut self.rng, LOST_PRIORITY_WAIT));
        let arrival = timed + wait;
        self.coming[to].push(Reverse((arrival, chain)));
        arrival
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_shown() {
        for scheduler in [Scheduler::Timed, Scheduler::Random, Scheduler::Pct(5)] {
            assert_eq!(scheduler.to_string().parse(), Ok(scheduler));
        }
        assert_eq!("pct".parse(), Ok(Scheduler::Pct(CHANGES)));
        assert!("pct:many".parse::<Scheduler>().is_err() && "fifo".parse::<Scheduler>().is_err());
    }

    #[test]
    fn the_answer_to_a_message_goes_on_its_chain() {
        let mut order = Order::new(Scheduler::Pct(0), 2, 7);
        let mut now = 0;
        let mut waits = Vec::new();
        for turn in 0..6 {
            let arrival = order.arrival(now, turn % 2, 1 - turn % 2, 0, now + 10);
            waits.push(arrival - now);
            now = arrival;
        }
        assert!(waits.iter().all(|wait| *wait == waits[0]), "{waits:?}");
        // One more goes on it; a second message of the same node begins another.
        order.arrival(now, 0, 1, 0, now);
        order.arrival(now, 0, 1, 0, now);
        let Order::Pct(chains) = &order else { panic!("pct") };
        assert_eq!(chains.waits.len(), 2);
    }

    #[test]
    fn chance_lets_a_later_message_overtake_an_earlier_one_half_of_the_time() {
        let mut order = Order::new(Scheduler::Random, 2, 7);
        let mut arrival = || order.arrival(0, 0, 1, MILLISECOND, 0);
        let overtaken = (0..2_000).filter(|_| arrival() > arrival()).count();
        assert!((900..1_100).contains(&overtaken), "{overtaken}");
    }
}
