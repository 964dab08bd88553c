//! What the runner waits for.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// A client's operation (by its place in the history) is to be tried again.
    Retry { client: usize, operation: usize },
    /// A node (by its place) is to be probed again.
    Probe { node: usize },
    /// A fault is to be healed again, as it failed.
    Heal { id: u32 },
    /// Final calls that failed may be tried again.
    Final,
}

/// Timers in the order of time, and of being set where that is equal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(u64, u64, Timer)>>,
    set: u64,
}

impl Timers {
    /// Sets a timer. It cannot be taken back: what is no longer wanted is ignored when it is due.
    pub(crate) fn set(&mut self, at_ns: u64, timer: Timer) {
        self.set += 1;
        self.heap.push(Reverse((at_ns, self.set, timer)));
    }

    /// The next one that is due.
    pub(crate) fn due(&mut self, now_ns: u64) -> Option<Timer> {
        match self.heap.peek() {
            Some(Reverse((at_ns, _, timer))) if *at_ns <= now_ns => {
                let timer = *timer;
                self.heap.pop();
                Some(timer)
            }
            _ => None,
        }
    }

    /// When the next one is due.
    pub(crate) fn next(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse((at_ns, ..))| *at_ns)
    }
}
