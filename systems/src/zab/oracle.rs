//! Elections by chance: the paper's phase 0 is an oracle that may be wrong, and safety must not depend on whom it names.
//!
//! Any server may be named at any time, several at once, and also one that lacks what is committed. So that something
//! is committed now and then, half of the draws fall to a server that has said that it leads.

use std::time::Duration;

use rand::RngExt;

use super::types::Timer;
use super::{Cx, State, Zab};

impl Zab {
    /// Waits for the oracle.
    pub(super) fn consult(&mut self, cx: &mut Cx) {
        let shortest = self.settings.notify.as_nanos() as u64;
        let wait = cx.rng.random_range(shortest / 2..shortest + shortest / 2 + 1);
        cx.arm(Timer::Notify, Duration::from_nanos(wait));
        for voter in self.voters.iter().filter(|voter| **voter != self.me) {
            self.tell_vote(*voter, cx);
        }
    }

    /// The oracle names a leader.
    pub(super) fn nominate(&mut self, cx: &mut Cx) {
        let State::Looking(search) = &self.state else {
            return;
        };
        let claimants: Vec<_> = search.claimants().filter(|node| self.is_voter(*node)).collect();
        let named = if !claimants.is_empty() && cx.rng.random_range(0..2) == 0 {
            claimants[cx.rng.random_range(0..claimants.len())]
        } else {
            self.voters[cx.rng.random_range(0..self.voters.len())]
        };
        self.take_up(named, cx);
        if named == self.me {
            for node in self.nodes.iter().filter(|node| **node != self.me) {
                self.tell_vote(*node, cx);
            }
        }
    }
}
