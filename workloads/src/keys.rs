//! Which key an operation goes to.

use std::ops::Range;

use perjury_checker::Key;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// A few keys at a time, each replaced by a fresh one when it has had its share of operations: contention stays
/// high, and each key's history stays short enough to be checked and understood.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    active: Vec<Active>,
    used: Vec<Key>,
    share: u64,
}

#[derive(Clone, Debug)]
struct Active {
    key: Key,
    left: u64,
}

impl Keys {
    /// `count` keys (at least one) at a time, each for `share` operations (at least one).
    pub(crate) fn new(count: usize, share: u64) -> Self {
        let mut keys = Keys {
            active: Vec::new(),
            used: Vec::new(),
            share: share.max(1),
        };
        for _ in 0..count.max(1) {
            let fresh = keys.fresh();
            keys.active.push(fresh);
        }
        keys
    }

    fn fresh(&mut self) -> Active {
        let key: Key = format!("k{}", self.used.len()).into();
        self.used.push(key.clone());
        Active {
            key,
            left: self.share,
        }
    }

    /// Draws a key; says in which of the places it stands, and whether it is fresh there.
    pub(crate) fn draw(&mut self, rng: &mut ChaCha8Rng) -> (usize, Key, bool) {
        let place = rng.random_range(0..self.active.len());
        let spent = self.active[place].left == 0;
        if spent {
            self.active[place] = self.fresh();
        }
        let active = &mut self.active[place];
        let fresh = spent || active.left == self.share;
        active.left -= 1;
        (place, active.key.clone(), fresh)
    }

    /// The place in which a key stands; none once it was replaced.
    pub(crate) fn place(&self, key: &Key) -> Option<usize> {
        self.active.iter().position(|active| active.key == *key)
    }

    /// How many places there are.
    pub(crate) fn places(&self) -> Range<usize> {
        0..self.active.len()
    }

    /// The keys that were drawn from, at most the `limit` newest.
    pub(crate) fn used(&self, limit: usize) -> &[Key] {
        &self.used[self.used.len().saturating_sub(limit)..]
    }
}
