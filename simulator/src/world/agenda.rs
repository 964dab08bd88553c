//! What will happen when, in virtual time.

use std::collections::BTreeMap;

/// So many of the next things are kept in order; when there is no room for one more, the later half goes to the others.
const NEAR: usize = 128;

/// A place among them is looked for in steps of so many, and then one by one.
const STRIDE: usize = 8;

/// Things planned, earliest first; those at the same time in the order in which they were planned.
///
/// A cluster has a few dozen things planned at a time, most of them for soon, and what is planned mostly comes before
/// all but a handful of them: it finds its place from the end within a few steps and a short move, and the next thing
/// is simply the last, where a heap would compare its way down at every one.
#[derive(Debug)]
pub(crate) struct Agenda<T> {
    /// The next things, and when; the very next one last.
    near: Vec<(u64, T)>,
    /// Those after all of them, by when, and then in the order in which they were planned.
    far: BTreeMap<(u64, i64), T>,
    /// The next number of what is planned after all others, counted up, and the last one of what the next things had no
    /// room for: that was planned before, and is counted down.
    after: i64,
    before: i64,
}

impl<T> Default for Agenda<T> {
    fn default() -> Self {
        Agenda {
            near: Vec::with_capacity(NEAR),
            far: BTreeMap::new(),
            after: 0,
            before: 0,
        }
    }
}

impl<T> Agenda<T> {
    /// Plans a thing for `at` (nanoseconds since the start).
    pub(crate) fn plan(&mut self, at: u64, thing: T) {
        if self.near.len() == NEAR {
            self.make_room();
        }
        // What is planned comes after what was planned before for the same time.
        let after_all = self.near.first().is_none_or(|(last, _)| *last <= at);
        if !after_all {
            self.near.insert(self.place(at), (at, thing));
        } else if self.far.is_empty() {
            self.near.insert(0, (at, thing));
        } else {
            self.far.insert((at, self.after), thing);
            self.after += 1;
        }
    }

    /// The place among the next things of one for `at`.
    fn place(&self, at: u64) -> usize {
        let mut later = &self.near[..];
        while let Some((rest, [(latest, _), ..])) = later.split_last_chunk::<STRIDE>()
            && *latest <= at
        {
            later = rest;
        }
        while let Some(((then, _), rest)) = later.split_last()
            && *then <= at
        {
            later = rest;
        }
        later.len()
    }

    /// The next thing, and when it comes.
    pub(crate) fn next(&mut self) -> Option<(u64, T)> {
        if self.near.is_empty() {
            self.approach();
        }
        self.near.pop()
    }

    #[cold]
    fn make_room(&mut self) {
        let next = self.near.split_off(NEAR / 2);
        for (at, thing) in std::mem::replace(&mut self.near, next) {
            self.before -= 1;
            self.far.insert((at, self.before), thing);
        }
    }

    /// The first of the others become the next.
    #[cold]
    fn approach(&mut self) {
        while self.near.len() < NEAR / 2
            && let Some(((at, _), thing)) = self.far.pop_first()
        {
            self.near.push((at, thing));
        }
        self.near.reverse();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

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
    fn whatever_is_planned_comes_in_the_order_of_time_and_then_of_planning() {
        let mut agenda = Agenda::default();
        let mut planned = BTreeSet::new();
        let mut drawn = 1_u64;
        let mut now = 0;
        for round in 0..20_000_usize {
            drawn = drawn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // Soon or far off, often at the same time as others; now less and less of it, now more and more.
            let at = now
                + if drawn >> 62 == 0 {
                    drawn >> 54
                } else {
                    drawn >> 60
                };
            agenda.plan(at, round);
            planned.insert((at, round));
            let comes = 3 - (round as u64 / 2_000) % 2 * 2;
            while drawn >> 32 & 3 < comes {
                let next = agenda.next();
                assert_eq!(next, planned.pop_first());
                now = next.map_or(now, |(at, _)| at);
                drawn = drawn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            }
        }
        assert!(planned.len() > NEAR);
        assert!(std::iter::from_fn(|| agenda.next()).eq(planned));
    }
}
