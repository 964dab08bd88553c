//! What will happen when, in virtual time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::slots::{SLOT_BITS, Slots};

const SEQUENCE_BITS: u32 = 40;

/// So many of the next things are kept in order; when there is no room for one more, the later half goes to the others.
const NEAR: usize = 128;

/// Things planned, earliest first; those at the same time in the order in which they were planned.
///
/// What is ordered is one 16-byte word each: 64 bits of time, 40 bits of sequence, 24 bits that say where the thing
/// itself is kept, so that ordering never moves a message about. A cluster has a few dozen things planned at a time, most
/// of them for soon: putting a word in its place among so many is a search without a branch and a short move, and the
/// next one is simply the last, where a heap would compare its way down at every one.
#[derive(Debug)]
pub(crate) struct Agenda<T> {
    /// The next things, the very next one last.
    near: Vec<u128>,
    /// Those after all of them.
    far: BinaryHeap<Reverse<u128>>,
    slots: Slots<T>,
    sequence: u64,
}

impl<T> Default for Agenda<T> {
    fn default() -> Self {
        Agenda {
            near: Vec::with_capacity(NEAR),
            far: BinaryHeap::new(),
            slots: Slots::default(),
            sequence: 0,
        }
    }
}

impl<T> Agenda<T> {
    /// Plans a thing for `at` (nanoseconds since the start).
    pub(crate) fn plan(&mut self, at: u64, thing: T) {
        let slot = self.slots.put(thing);
        self.sequence += 1;
        let order = (self.sequence & ((1 << SEQUENCE_BITS) - 1)) << SLOT_BITS | u64::from(slot);
        self.put(u128::from(at) << 64 | u128::from(order));
    }

    fn put(&mut self, word: u128) {
        let after_all = self.near.first().is_none_or(|last| word > *last);
        if after_all && !self.far.is_empty() {
            self.far.push(Reverse(word));
            return;
        }
        if self.near.len() == NEAR {
            self.far.extend(self.near.drain(..NEAR / 2).map(Reverse));
            return self.put(word);
        }
        // What is planned comes after what was planned before for the same time.
        let at = (word >> 64) as u64;
        let place = self.near.partition_point(|later| (later >> 64) as u64 > at);
        self.near.insert(place, word);
    }

    /// When the next thing comes, and the slot where it is kept until it is taken out.
    pub(crate) fn advance(&mut self) -> Option<(u64, u32)> {
        if self.near.is_empty() {
            self.approach();
        }
        let word = self.near.pop()?;
        let slot = word as u32 & ((1 << SLOT_BITS) - 1);
        Some(((word >> 64) as u64, slot))
    }

    /// What is kept in a slot.
    pub(crate) fn look(&self, slot: u32) -> Option<&T> {
        self.slots.get(slot)
    }

    /// Takes out what is kept in a slot, once its time has come.
    pub(crate) fn take(&mut self, slot: u32) -> Option<T> {
        self.slots.take(slot)
    }

    /// The first of the others become the next.
    #[cold]
    fn approach(&mut self) {
        let next = std::iter::from_fn(|| self.far.pop()).map(|Reverse(word)| word);
        self.near.extend(next.take(NEAR / 2));
        self.near.reverse();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl<T> Agenda<T> {
        pub(in crate::world) fn next(&mut self) -> Option<(u64, T)> {
            let (at, slot) = self.advance()?;
            Some((at, self.take(slot)?))
        }
    }

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
