//! What will happen when: a heap in virtual time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The most that may be planned at a time.
const MAX_PLANNED: usize = 1 << SLOT_BITS;
const SLOT_BITS: u32 = 24;
const SEQUENCE_BITS: u32 = 40;

/// Things planned, earliest first; those at the same time in the order in which they were planned.
///
/// The heap holds one 16-byte word each: 64 bits of time, 40 bits of sequence, 24 bits that say where the thing
/// itself is kept, so that ordering never moves a message about.
#[derive(Debug)]
pub(crate) struct Agenda<T> {
    heap: BinaryHeap<Reverse<u128>>,
    slots: Vec<Option<T>>,
    free: Vec<u32>,
    sequence: u64,
}

impl<T> Default for Agenda<T> {
    fn default() -> Self {
        Agenda {
            heap: BinaryHeap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            sequence: 0,
        }
    }
}

impl<T> Agenda<T> {
    /// Plans a thing for `at` (nanoseconds since the start).
    ///
    /// # Panics
    /// If more than sixteen million things are planned at a time: the budget of events is to prevent that.
    pub(crate) fn plan(&mut self, at: u64, thing: T) {
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = Some(thing);
                slot
            }
            None => {
                assert!(self.slots.len() < MAX_PLANNED, "too much is planned at a time");
                self.slots.push(Some(thing));
                (self.slots.len() - 1) as u32
            }
        };
        self.sequence += 1;
        let order = (self.sequence & ((1 << SEQUENCE_BITS) - 1)) << SLOT_BITS | u64::from(slot);
        self.heap.push(Reverse(u128::from(at) << 64 | u128::from(order)));
    }

    /// Takes the next thing with its time.
    pub(crate) fn next(&mut self) -> Option<(u64, T)> {
        let Reverse(word) = self.heap.pop()?;
        let slot = (word as u64 & ((1 << SLOT_BITS) - 1)) as usize;
        let thing = self.slots[slot].take()?;
        self.free.push(slot as u32);
        Some(((word >> 64) as u64, thing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_planned_for_the_same_time_comes_in_the_order_of_planning() {
        let mut agenda = Agenda::default();
        for (at, what) in [(5, 'c'), (3, 'a'), (5, 'd'), (3, 'b')] {
            agenda.plan(at, what);
        }
        assert_eq!(agenda.next(), Some((3, 'a')));
        agenda.plan(5, 'e');
        let rest: Vec<(u64, char)> = std::iter::from_fn(|| agenda.next()).collect();
        assert_eq!(rest, [(3, 'b'), (5, 'c'), (5, 'd'), (5, 'e')]);
    }

    #[test]
    fn whatever_is_planned_comes_in_the_order_of_time() {
        let mut agenda = Agenda::default();
        let mut drawn = 1_u64;
        let mut now = 0;
        for round in 0..2_000 {
            drawn = drawn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            agenda.plan(now + (drawn >> 54), round);
            if drawn >> 63 == 1 {
                let (at, _) = agenda.next().expect("something is planned");
                assert!(at >= now);
                now = at;
            }
        }
        let rest: Vec<u64> = std::iter::from_fn(|| agenda.next()).map(|(at, _)| at).collect();
        assert!(rest.is_sorted() && rest[0] >= now && rest.len() > 500);
    }
}
