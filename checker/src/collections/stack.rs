//! Last in, first out: values that surround all that overlaps them are taken away, from the outside in.
//!
//! After Abdulla, Atig, Jonsson, Lång, Ngo and Sagonas ("Efficient linearizability monitoring for sets, stacks,
//! queues and priority queues", 2025) and Lee and Mathur ("Efficient decrease-and-conquer linearizability
//! monitoring", 2025). The reasons, for a history in which no value is taken before it is put in:
//!
//! 1. A value whose windows share an instant may be pushed and popped at that instant. It disturbs nobody.
//! 2. At an instant at which no value must be inside the stack may be empty: of the values inside, the topmost may
//!    leave earlier or come later, and so on down. So the history falls apart there.
//! 3. Where at every instant some value must be inside, the stack is never empty, so one value is at the bottom all
//!    the time: its push is first and its pop is last. Any value whose push may be first and whose pop may be last
//!    will do, since leaving it out keeps a legal history legal, and putting it under a legal history as well.
//!
//! Taking it away may open gaps, and the parts are treated alike. A value that may be at the bottom of a part may be
//! so in every smaller part that it is in, so it is looked for once; with trees over the values and over time, all of
//! it takes O(n log n).

use std::collections::BTreeSet;

use super::Spent;
use super::elements::{Conflict, Element};
use crate::budget::Budget;

/// How often the budget's clock is read, in values.
const BETWEEN_CLOCK_READINGS: usize = 4096;
/// Work that making a conflict smaller may cost, in values looked at.
const SHRINKING: usize = 4_000_000;

/// Values that have no order in which the last in is the first out, few of them.
pub(super) fn conflict(elements: &[Element], budget: &Budget) -> Result<Option<Conflict>, Spent> {
    let Some(mut crossed) = Peeling::new(elements).run(Some(budget))? else {
        return Ok(None);
    };
    // Leave out halves, quarters, …, and single values, as long as the rest has no order either.
    let mut work = 0;
    let mut chunk = crossed.len() / 2;
    while chunk >= 1 && work < SHRINKING {
        let (mut start, mut reduced) = (0, false);
        while start < crossed.len() && work < SHRINKING {
            let end = (start + chunk).min(crossed.len());
            let rest = [&crossed[..start], &crossed[end..]].concat();
            work += rest.len();
            match Peeling::new(&rest).run(None)? {
                Some(smaller) => {
                    (crossed, reduced) = (smaller, true);
                    start = start.min(crossed.len());
                }
                None => start = end,
            }
        }
        if chunk > 1 || !reduced {
            chunk = (chunk / 2).min(crossed.len());
        }
    }
    Ok(Some(Conflict::Crossed(crossed)))
}

struct Peeling<'e> {
    /// In the order in which they begin to be inside.
    elements: Vec<&'e Element>,
    /// The positions at which a value begins or ceases to be inside.
    moments: Vec<u64>,
    /// Of each value, in places among the moments.
    inside: Vec<(usize, usize)>,
    /// How many values must be inside, from moment to moment.
    cover: Cover,
    /// When those were invoked whose push may not yet be first.
    pushes: Least,
    /// When those complete whose pop may not yet be last, turned round.
    pops: Least,
    /// For each value: may its push be first, may its pop be last.
    outer: Vec<(bool, bool)>,
    /// Values for which both hold.
    candidates: BTreeSet<usize>,
    alive: Vec<bool>,
}

impl<'e> Peeling<'e> {
    fn new(elements: &'e [Element]) -> Self {
        let mut sorted: Vec<(u64, u64, &Element)> = elements
            .iter()
            .filter_map(|element| element.inside().map(|(from, to)| (from, to, element)))
            .collect();
        sorted.sort_unstable_by_key(|&(from, ..)| from);
        let mut moments: Vec<u64> = sorted.iter().flat_map(|&(from, to, _)| [from, to]).collect();
        moments.sort_unstable();
        moments.dedup();
        let place = |moment: u64| moments.partition_point(|&other| other < moment);
        let inside: Vec<(usize, usize)> = sorted
            .iter()
            .map(|&(from, to, _)| (place(from), place(to)))
            .collect();
        let mut cover = Cover::new(moments.len());
        for &(from, to) in &inside {
            cover.add(from, to, 1);
        }
        let elements: Vec<&Element> = sorted.into_iter().map(|(_, _, element)| element).collect();
        Peeling {
            pushes: Least::new(elements.iter().map(|element| element.put.invoked)),
            pops: Least::new(elements.iter().map(|element| !element.take.returned)),
            outer: vec![(false, false); elements.len()],
            alive: vec![true; elements.len()],
            candidates: BTreeSet::new(),
            elements,
            moments,
            inside,
            cover,
        }
    }

    /// The values of a part in which none can be at the bottom.
    fn run(mut self, budget: Option<&Budget>) -> Result<Option<Vec<Element>>, Spent> {
        let mut parts = Vec::new();
        self.split(0, self.moments.len(), &mut parts);
        let mut peeled = 0;
        while let Some((from, to)) = parts.pop() {
            peeled += 1;
            if peeled % BETWEEN_CLOCK_READINGS == 0 && budget.is_some_and(Budget::expired) {
                return Err(Spent);
            }
            // The values of a part are those that begin to be inside in it.
            let low = self.inside.partition_point(|&(begins, _)| begins < from);
            let high = self.inside.partition_point(|&(begins, _)| begins < to);
            while let Some(value) = self.pushes.below(low, high, self.moments[from]) {
                self.pushes.clear(value);
                self.outer[value].0 = true;
                self.note(value);
            }
            while let Some(value) = self.pops.below(low, high, !self.moments[to]) {
                self.pops.clear(value);
                self.outer[value].1 = true;
                self.note(value);
            }
            let Some(&bottom) = self.candidates.range(low..high).next() else {
                let rest = (low..high).filter(|&value| self.alive[value]);
                return Ok(Some(rest.map(|value| *self.elements[value]).collect()));
            };
            self.candidates.remove(&bottom);
            self.alive[bottom] = false;
            self.pushes.clear(bottom);
            self.pops.clear(bottom);
            let (begins, ends) = self.inside[bottom];
            self.cover.add(begins, ends, -1);
            self.split(from, to, &mut parts);
        }
        Ok(None)
    }

    fn note(&mut self, value: usize) {
        if self.outer[value] == (true, true) && self.alive[value] {
            self.candidates.insert(value);
        }
    }

    /// The parts between two moments: stretches in which at every instant some value must be inside.
    fn split(&self, from: usize, to: usize, parts: &mut Vec<(usize, usize)>) {
        let mut at = from;
        while let Some(begins) = self.cover.find(at, to, false) {
            let ends = self.cover.find(begins, to, true).unwrap_or(to);
            parts.push((begins, ends));
            at = ends;
        }
    }
}

/// A tree of counts over time that grow and shrink by stretches.
struct Cover {
    leaves: usize,
    /// Per node: the least and the greatest count below it, without what its ancestors add, and what it adds.
    nodes: Vec<(i64, i64, i64)>,
}

impl Cover {
    fn new(length: usize) -> Self {
        let leaves = length.next_power_of_two().max(1);
        Cover {
            leaves,
            nodes: vec![(0, 0, 0); 2 * leaves],
        }
    }

    fn add(&mut self, from: usize, to: usize, amount: i64) {
        self.add_below(1, (0, self.leaves), (from, to), amount);
    }

    fn add_below(
        &mut self,
        node: usize,
        (low, high): (usize, usize),
        (from, to): (usize, usize),
        amount: i64,
    ) {
        if to <= low || high <= from {
            return;
        }
        if from <= low && high <= to {
            let (least, greatest, adds) = &mut self.nodes[node];
            (*least, *greatest, *adds) = (*least + amount, *greatest + amount, *adds + amount);
            return;
        }
        let middle = low.midpoint(high);
        self.add_below(2 * node, (low, middle), (from, to), amount);
        self.add_below(2 * node + 1, (middle, high), (from, to), amount);
        let (left, right, adds) = (self.nodes[2 * node], self.nodes[2 * node + 1], self.nodes[node].2);
        self.nodes[node] = (left.0.min(right.0) + adds, left.1.max(right.1) + adds, adds);
    }

    /// The first place whose count is zero, or is not.
    fn find(&self, from: usize, to: usize, zero: bool) -> Option<usize> {
        self.find_below(1, (0, self.leaves), (from, to), 0, zero)
    }

    fn find_below(
        &self,
        node: usize,
        (low, high): (usize, usize),
        (from, to): (usize, usize),
        above: i64,
        zero: bool,
    ) -> Option<usize> {
        let (least, greatest, adds) = self.nodes[node];
        let none = if zero {
            least + above > 0
        } else {
            greatest + above == 0
        };
        if to <= low || high <= from || none {
            return None;
        }
        if high - low == 1 {
            return Some(low);
        }
        let middle = low.midpoint(high);
        let above = above + adds;
        self.find_below(2 * node, (low, middle), (from, to), above, zero)
            .or_else(|| self.find_below(2 * node + 1, (middle, high), (from, to), above, zero))
    }
}

/// A tree of numbers in which one below a limit is found quickly.
struct Least {
    leaves: usize,
    nodes: Vec<u64>,
}

impl Least {
    fn new(numbers: impl ExactSizeIterator<Item = u64>) -> Self {
        let leaves = numbers.len().next_power_of_two();
        let mut nodes = vec![u64::MAX; 2 * leaves];
        for (place, number) in numbers.enumerate() {
            nodes[leaves + place] = number;
        }
        for node in (1..leaves).rev() {
            nodes[node] = nodes[2 * node].min(nodes[2 * node + 1]);
        }
        Least { leaves, nodes }
    }

    fn clear(&mut self, place: usize) {
        let mut node = self.leaves + place;
        self.nodes[node] = u64::MAX;
        while node > 1 {
            node /= 2;
            self.nodes[node] = self.nodes[2 * node].min(self.nodes[2 * node + 1]);
        }
    }

    /// A place between `from` and `to` whose number is below the limit.
    fn below(&self, from: usize, to: usize, limit: u64) -> Option<usize> {
        self.find(1, (0, self.leaves), (from, to), limit)
    }

    fn find(
        &self,
        node: usize,
        (low, high): (usize, usize),
        (from, to): (usize, usize),
        limit: u64,
    ) -> Option<usize> {
        if to <= low || high <= from || self.nodes[node] >= limit {
            return None;
        }
        if high - low == 1 {
            return Some(low);
        }
        let middle = low.midpoint(high);
        self.find(2 * node, (low, middle), (from, to), limit)
            .or_else(|| self.find(2 * node + 1, (middle, high), (from, to), limit))
    }
}
