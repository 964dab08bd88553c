//! How much a check may cost before it answers `unknown`.
//!
//! Deciding linearizability is NP-complete in general, so every search runs under a budget: configurations
//! explored, bytes of memo, and time. States and bytes are charged to each key apart, so that the answer does
//! not depend on how keys are spread over threads; time is the caller's to measure.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Limits of a check. Cloning shares the clock.
#[derive(Clone)]
pub struct Budget {
    /// Configurations that the search of one key may explore.
    pub states: u64,
    /// Bytes that the memo of one key's search may hold.
    pub bytes: u64,
    expired: Option<Arc<dyn Fn() -> bool + Send + Sync>>,
}

impl Budget {
    /// No limit at all.
    pub fn unlimited() -> Self {
        Budget {
            states: u64::MAX,
            bytes: u64::MAX,
            expired: None,
        }
    }

    /// The same budget with another limit on configurations.
    #[must_use]
    pub fn with_states(mut self, states: u64) -> Self {
        self.states = states;
        self
    }

    /// The same budget with another limit on memory, in bytes.
    #[must_use]
    pub fn with_bytes(mut self, bytes: u64) -> Self {
        self.bytes = bytes;
        self
    }

    /// The same budget, spent as soon as `expired` answers true. It is asked now and then, from any thread.
    #[must_use]
    pub fn until(mut self, expired: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.expired = Some(Arc::new(expired));
        self
    }

    /// The same budget, spent when `elapsed` (since the check began) exceeds `limit`.
    #[must_use]
    pub fn within(self, limit: Duration, elapsed: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        self.until(move || elapsed() > limit)
    }

    /// Whether the time is up.
    pub fn expired(&self) -> bool {
        self.expired.as_ref().is_some_and(|expired| expired())
    }
}

impl Default for Budget {
    /// Fifty million configurations and one gibibyte a key, no time limit.
    fn default() -> Self {
        Budget {
            states: 50_000_000,
            bytes: 1 << 30,
            expired: None,
        }
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget")
            .field("states", &self.states)
            .field("bytes", &self.bytes)
            .field("timed", &self.expired.is_some())
            .finish()
    }
}

/// Which limit was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spent {
    /// The limit on configurations.
    States(u64),
    /// The limit on memory, in bytes.
    Bytes(u64),
    /// The time limit.
    Time,
}

impl fmt::Display for Spent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Spent::States(limit) => write!(f, "the limit of {limit} configurations was reached"),
            Spent::Bytes(limit) => write!(f, "the limit of {} MiB of memory was reached", limit >> 20),
            Spent::Time => f.write_str("the time was up"),
        }
    }
}

/// How often a search asks whether the time is up, in configurations, where steps are known to be quick.
const STATES_BETWEEN_CLOCK_READINGS: u64 = 64;

/// Counts what one search spends.
#[derive(Debug)]
pub(crate) struct Meter<'a> {
    budget: &'a Budget,
    states: u64,
    /// Bytes that others hold who share the budget.
    pub(crate) elsewhere: u64,
    /// How many configurations go by between two looks at the clock.
    between: u64,
}

impl<'a> Meter<'a> {
    pub(crate) fn new(budget: &'a Budget) -> Self {
        Meter {
            budget,
            states: 0,
            elsewhere: 0,
            between: STATES_BETWEEN_CLOCK_READINGS,
        }
    }

    /// Looks at the clock at every configuration from now on: a step may take long.
    pub(crate) fn watch_closely(&mut self) {
        self.between = 1;
    }

    /// Charges one configuration, given the bytes held at present.
    pub(crate) fn charge(&mut self, bytes: u64) -> Result<(), Spent> {
        self.states += 1;
        if self.states > self.budget.states {
            return Err(Spent::States(self.budget.states));
        }
        if bytes + self.elsewhere > self.budget.bytes {
            return Err(Spent::Bytes(self.budget.bytes));
        }
        if self.states.is_multiple_of(self.between) && self.budget.expired() {
            return Err(Spent::Time);
        }
        Ok(())
    }

    /// Adds configurations that were charged elsewhere, within what is left here.
    pub(crate) fn add(&mut self, states: u64) {
        self.states += states;
    }

    pub(crate) fn states(&self) -> u64 {
        self.states
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn a_budget_never_lets_more_through_than_it_says() {
        let budget = Budget {
            states: 3,
            ..Budget::unlimited()
        };
        let mut meter = Meter::new(&budget);
        assert_eq!(
            (0..3)
                .map(|_| meter.charge(0))
                .collect::<Result<Vec<_>, _>>()
                .map(|charged| charged.len()),
            Ok(3)
        );
        assert_eq!(meter.charge(0), Err(Spent::States(3)));
    }

    #[test]
    fn time_that_is_up_is_noticed() {
        let ticks = Arc::new(AtomicU64::new(0));
        let clock = Arc::clone(&ticks);
        let budget = Budget::unlimited().within(Duration::from_secs(5), move || {
            Duration::from_secs(clock.load(Ordering::Relaxed))
        });
        let mut meter = Meter::new(&budget);
        assert!((0..5000).all(|_| meter.charge(0).is_ok()));
        ticks.store(6, Ordering::Relaxed);
        assert!((0..5000).any(|_| meter.charge(0) == Err(Spent::Time)));
    }
}
