//! What comes after the last answer: a cluster that is whole again, and of which nothing is asked any more, comes to rest
//! as its invariants say.
//!
//! It is no part of the run as others see it: a run that nobody watches has the same events and the same hash.

use perjury_runner::Phase;
use perjury_systems::replica::Replica;

use super::{Alarm, Environment};
use crate::world::{Happened, MILLISECOND};

/// Between two looks.
const PAUSE: u64 = 100 * MILLISECOND;

/// More events than any cluster needs to come to rest.
const MAX_EVENTS: u64 = 2_000_000;

impl<R: Replica> Environment<R> {
    /// Waits until the cluster is at rest, for as long as it may take; what does not hold then is a breach.
    pub(super) fn rest(&mut self) {
        let whole = self.phase == Phase::Done && self.script.is_none() && self.all_up();
        let Some(within) = self.world.rests_within().filter(|_| whole) else {
            return;
        };
        let (events, hash) = (self.world.events, self.world.hash);
        let pause = self.weather.slowed(PAUSE);
        let limit = u64::try_from(within.as_nanos()).unwrap_or(u64::MAX);
        let until = self.world.now().saturating_add(self.weather.slowed(limit));
        self.world.alarm(self.world.now(), Alarm::Rest);
        while self.world.breach.is_none() && self.world.events < events + MAX_EVENTS && self.all_up() {
            if let Some(Happened::Alarm(Alarm::Rest)) = self.world.next() {
                match self.world.at_rest() {
                    Ok(()) => break,
                    Err(breach) if self.world.now() >= until => self.world.breach = Some(breach),
                    Err(_) => self.world.alarm(self.world.now() + pause, Alarm::Rest),
                }
            }
            self.world.notes.clear();
        }
        (self.world.events, self.world.hash) = (events, hash);
    }

    fn all_up(&self) -> bool {
        self.world.nodes().all(|node| self.world.is_up(node))
    }
}
