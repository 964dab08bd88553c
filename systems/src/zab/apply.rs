//! Applying what is committed, in order; and what follows from it.

use super::marks::Place;
use super::types::{Timer, Trace, Zxid};
use super::{Cx, Zab};

/// How many transactions a slow state machine applies at a time.
const SLOW_BATCH: usize = 2;

impl Zab {
    /// Applies what may be applied, at once or, with a slow state machine, a batch at a time.
    pub(super) fn apply_committed(&mut self, cx: &mut Cx) {
        if self.machine.applied() >= self.committed {
            return;
        }
        if self.settings.apply_delay.is_zero() {
            self.apply_all(cx);
        } else if !self.applying {
            self.applying = true;
            cx.arm(Timer::Apply, self.settings.apply_delay);
        }
    }

    /// Applies everything that is committed.
    pub(super) fn apply_all(&mut self, cx: &mut Cx) {
        self.apply_up_to(usize::MAX, cx);
    }

    /// The slow state machine has finished a batch.
    pub(super) fn apply_batch(&mut self, cx: &mut Cx) {
        self.applying = false;
        self.apply_up_to(SLOW_BATCH, cx);
    }

    fn apply_up_to(&mut self, most: usize, cx: &mut Cx) {
        for _ in 0..most {
            let next = self.log.next_after(self.machine.applied());
            let Some(txn) = next.filter(|txn| txn.zxid <= self.committed).cloned() else {
                break;
            };
            let whole = self.machine.is_whole();
            let effect = self.machine.apply(&txn, self.settings.session_capacity);
            if !whole && self.machine.is_whole() {
                self.rules.reach(Place::ReplayedFuzzy as u8);
            }
            cx.trace(Trace::Applied {
                zxid: txn.zxid,
                digest: txn.digest(),
                hash: self.machine.hash(),
                whole: self.machine.is_whole(),
                effect,
            });
            self.since_snapshot += 1;
            self.answer_applied(&txn, cx);
        }
        self.snapshot_when_due(cx);
    }

    /// What was committed after `before` may be answered by a server that does not wait until it has applied it.
    pub(super) fn answer_committed(&mut self, before: Zxid, cx: &mut Cx) {
        if !self.rules.may_answer(super::rules::clients::Stage::Committed) {
            return;
        }
        let until = self.committed;
        let txns: Vec<_> = self
            .log
            .after(before)
            .take_while(|txn| txn.zxid <= until)
            .cloned()
            .collect();
        for txn in txns {
            self.answer_write(&txn, cx);
        }
    }
}
