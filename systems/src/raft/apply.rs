//! Applying what is committed, in order, once; and what follows from it.

use std::time::Duration;

use rand::Rng;

use super::marks::Place;
use super::rules::Rules;
use super::types::{Timer, Trace};
use super::{Cx, Raft};
use crate::machine::Conduct;

/// How many entries a slow state machine applies at a time.
const SLOW_BATCH: usize = 2;

/// What applying may see of the node; a correct state machine uses none of it.
struct Local<'a> {
    rules: &'a Rules,
    chance: u32,
}

impl Conduct for Local<'_> {
    fn was_applied(&self, last: Option<u64>, sequence: u64) -> bool {
        self.rules.was_applied(last, sequence)
    }

    fn expires_sessions(&self, idle: Duration) -> bool {
        self.rules.expires_sessions(idle)
    }

    fn list_place(&self, length: usize) -> usize {
        self.rules.list_place(length, self.chance)
    }

    fn answers_duplicate(&self) {
        self.rules.reach(Place::DuplicateAnswered as u8);
    }
}

impl Raft {
    /// Applies what may be applied, at once or, with a slow state machine, a batch at a time.
    pub(super) fn apply_committed(&mut self, cx: &mut Cx) {
        if self.settings.apply_delay.is_zero() {
            self.apply_up_to(usize::MAX, cx);
        } else if !self.applying && self.machine.applied() < self.apply_limit() {
            self.applying = true;
            cx.arm(Timer::Apply, self.settings.apply_delay);
        }
    }

    /// The slow state machine has finished a batch.
    pub(super) fn apply_batch(&mut self, cx: &mut Cx) {
        self.applying = false;
        self.apply_up_to(SLOW_BATCH, cx);
    }

    fn apply_limit(&self) -> u64 {
        self.rules.apply_limit(self.commit, self.log.last().index)
    }

    fn apply_up_to(&mut self, most: usize, cx: &mut Cx) {
        if self.machine.applied() >= self.apply_limit() {
            return;
        }
        let chance = cx.rng.next_u32();
        for _ in 0..most {
            let next = self.machine.applied() + 1;
            if next > self.apply_limit() {
                break;
            }
            let Some(entry) = self.log.cached(next).cloned() else {
                self.rules
                    .ensure(false, "what is committed and not applied is in the log");
                break;
            };
            let conduct = Local {
                rules: &self.rules,
                chance: chance.wrapping_add(next as u32),
            };
            let capacity = self.settings.session_capacity;
            let done = self
                .machine
                .apply(entry.at, entry.request(), capacity, cx.wall, &conduct);
            cx.trace(Trace::Applied {
                at: entry.at,
                digest: entry.digest(),
                hash: self.machine.hash(),
                effect: done.effect,
            });
            self.requests.reads_ready = true;
            self.answer_proposal(next, entry.at.term, done.outcome, cx);
        }
        self.snapshot_when_due(cx);
    }
}
