//! Zones and chains: cells in which every value is written at most once, in O(n log n).
//!
//! After Gibbons and Korach, "Testing shared memories" (1997). Where each value has one writer, every read names
//! the write that it saw. A write and the reads of its value form a *cluster*, and in a legal order each cluster
//! stands in one piece, the write first. What remains is to order the clusters. With `f` the earliest completion
//! in a cluster and `s` its latest invocation, cluster A must come before B if something in A completed before
//! something in B was invoked, that is if `A.f < B.s`. The stretch between `f` and `s` is the cluster's *zone*:
//!
//! ```text
//!  [─ write 1 ─]                                             f < s: a forward zone. During all of it the
//!                f ├──────── zone of 1 ────────┤ s           value must be 1.
//!                                              [─ read 1 ─]
//!                     [─ write 2 ─]
//!                       [─ read 2 ──]                        s < f: a backward zone. Everything in it
//!                       s ├─┤ f                              overlaps; any one instant in it will do.
//! ```
//!
//! A legal order exists exactly if no read completed before its write was invoked, no two forward zones
//! overlap, and no backward zone lies inside a forward one (as that of 2 does in the drawing). For if the
//! relation had a cycle, a shortest one would have length two: in a longer one, `A → B → C` without `A → C`
//! means `A.f ≥ C.s > B.f`, and going round the cycle `f` would decrease for ever. The clusters in the order of
//! the lower ends of their zones are then a legal order.
//!
//! **Chains.** A compare-and-set from `a` to `b` both sees `a` and writes `b`, so the cluster of `b` follows
//! that of `a` at once. Clusters linked so are a block that stands in one piece, and the same argument applies
//! to blocks; inside a block the order is given and only has to be compared with real time. Two successes from
//! the same `a`, or a cycle, are violations by themselves.
//!
//! **Unknown outcomes** cost nothing. A write that never completed has taken effect exactly if its value was
//! seen, and then completes at infinity; otherwise leaving it out loses nothing.
//!
//! **Failed compare-and-sets** that do not tell what they saw say only "not `a`". If the rest has no legal
//! order, neither has the whole; if it has, they are fitted into the order found, and only if that fails the
//! question goes to the search.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::cells::{Act, CellSpec, FEW};
use super::decide::Found;
use super::problem::Op;

const NONE: u32 = u32::MAX;

/// A value: who wrote it, and the extreme readers.
#[derive(Clone, Copy)]
struct Cluster {
    writer: u32,
    /// The successful compare-and-set away from it.
    successor: u32,
    first_read: u32,
    last_read: u32,
}

/// Decides a key whose operations are reads, writes and compare-and-sets; none if it cannot.
pub(crate) fn decide(ops: &[Op], spec: &CellSpec) -> Option<Found> {
    if spec.values.len() <= FEW && repeats(ops, spec) {
        return None;
    }
    let useless = spec.unread(ops)?;
    let zones = match Zones::build(ops, spec, &useless) {
        Ok(zones) => zones,
        Err(found) => return found,
    };
    let blocks = match zones.blocks() {
        Ok(blocks) => blocks,
        Err(evidence) => return Some(Found::Illegal(evidence.into())),
    };
    if let Some(evidence) = zones.conflict(&blocks) {
        return Some(Found::Illegal(evidence.into()));
    }
    (zones.differs.is_empty() || zones.place_failures(blocks).is_some()).then_some(Found::Legal)
}

/// Whether there are more effects than values, so that some value has two writers.
fn repeats(ops: &[Op], spec: &CellSpec) -> bool {
    let effects = ops
        .iter()
        .filter(|op| op.required && spec.act(op).installs().is_some());
    effects.take(spec.values.len() + 1).count() > spec.values.len()
}

/// The canonical order, of operations for which [`decide`] found one.
pub(crate) fn order(ops: &[Op], spec: &CellSpec) -> Option<Vec<usize>> {
    let useless = spec.unread(ops)?;
    let zones = Zones::build(ops, spec, &useless).ok()?;
    let failures = zones.place_failures(zones.blocks().ok()?)?;
    let position = failures.position;
    let mut placed = Vec::with_capacity(ops.len());
    for (index, op) in ops.iter().enumerate().filter(|(index, _)| !useless[*index]) {
        let act = spec.act(op);
        if let Some(value) = act.installs() {
            placed.push((position[value as usize], 0, index));
        } else if let (Some(value), true) = (act.observes(), op.required) {
            placed.push((position[value as usize], 1, index));
        }
    }
    placed.extend(
        failures
            .places
            .into_iter()
            .map(|(place, index)| (place, 1, index as usize)),
    );
    placed.sort_unstable();
    Some(placed.into_iter().map(|(_, _, index)| index).collect())
}

struct Zones<'a> {
    ops: &'a [Op],
    spec: &'a CellSpec,
    clusters: Vec<Cluster>,
    differs: Vec<u32>,
    useless: &'a [bool],
}

/// Clusters that stand in one piece. Positions are shifted by one, so that 0 is before everything.
struct Block {
    head: u32,
    /// The earliest completion, and whose it is.
    f: u64,
    first: u32,
    /// The latest invocation, and whose it is.
    s: u64,
    last: u32,
}

/// Where everything stands in the order of the values.
struct Failures {
    /// Of each value.
    position: Vec<u32>,
    /// Of each failed compare-and-set.
    places: Vec<(u32, u32)>,
}

impl Block {
    fn forward(&self) -> bool {
        self.f < self.s
    }
}

impl<'a> Zones<'a> {
    fn build(ops: &'a [Op], spec: &'a CellSpec, useless: &'a [bool]) -> Result<Self, Option<Found>> {
        let none = Cluster {
            writer: NONE,
            successor: NONE,
            first_read: NONE,
            last_read: NONE,
        };
        let mut clusters = vec![none; spec.values.len()];
        let mut differs = Vec::new();
        let (mut twice, mut contradiction) = (None, None);
        for (index, op) in ops.iter().enumerate().filter(|(index, _)| !useless[*index]) {
            let number = index as u32;
            let act = spec.act(op);
            if !op.required && act.pure() {
                continue;
            }
            if let Some(value) = act.installs() {
                let cluster = &mut clusters[value as usize];
                if cluster.writer != NONE || value == spec.initial {
                    return Err(None);
                }
                cluster.writer = number;
            }
            match act {
                Act::Cas(expected, new) if expected != new => {
                    let cluster = &mut clusters[expected as usize];
                    if cluster.successor != NONE {
                        twice = twice.or(Some(vec![cluster.successor as usize, index]));
                    }
                    cluster.successor = number;
                }
                Act::Read(value) | Act::Cas(value, _) => {
                    let cluster = &mut clusters[value as usize];
                    if cluster.first_read == NONE || op.returned < ops[cluster.first_read as usize].returned {
                        cluster.first_read = number;
                    }
                    // Operations stand in the order of invocation.
                    cluster.last_read = number;
                }
                Act::Differs(_) => differs.push(number),
                Act::Contradiction => contradiction = contradiction.or(Some(vec![index])),
                Act::Write(_) => {}
                Act::Append(_) => return Err(None),
            }
        }
        match contradiction.or(twice) {
            // Only now is it certain that every value has one writer.
            Some(evidence) => Err(Some(Found::Illegal(evidence.into()))),
            None => Ok(Zones {
                ops,
                spec,
                clusters,
                differs,
                useless,
            }),
        }
    }

    /// The chains of clusters, checked inside; or operations that show that one cannot be.
    fn blocks(&self) -> Result<Vec<Block>, Vec<usize>> {
        let mut blocks = Vec::new();
        let mut reached = 0;
        let mut members = 0;
        for (value, cluster) in self.clusters.iter().enumerate() {
            let value = value as u32;
            let initial = value == self.spec.initial;
            if cluster.writer == NONE && !initial {
                // Seen, yet never written.
                let seen = [cluster.first_read, cluster.successor];
                if let Some(witness) = seen
                    .into_iter()
                    .filter(|&op| op != NONE)
                    .min_by_key(|&op| self.returned(op))
                {
                    return Err(vec![witness as usize]);
                }
                continue;
            }
            members += 1;
            let heads = initial || matches!(self.act(cluster.writer), Act::Write(_));
            if heads {
                blocks.push(self.block(value, &mut reached)?);
            }
        }
        if reached < members {
            return Err(self.cycle(&blocks));
        }
        Ok(blocks)
    }

    /// Follows a chain from its head and compares its order with real time.
    fn block(&self, head: u32, reached: &mut usize) -> Result<Block, Vec<usize>> {
        let mut block = Block {
            head,
            f: u64::MAX,
            first: NONE,
            s: 0,
            last: NONE,
        };
        if head == self.spec.initial {
            block.f = 0;
        }
        let mut value = head;
        loop {
            *reached += 1;
            let Cluster {
                writer,
                successor,
                first_read,
                last_read,
            } = self.clusters[value as usize];
            // Each must not have completed before something that comes earlier in the order was invoked.
            for op in [writer, first_read] {
                if op != NONE {
                    if self.ended(op) <= block.s {
                        return Err(vec![block.last as usize, op as usize]);
                    }
                    if self.ended(op) < block.f {
                        (block.f, block.first) = (self.ended(op), op);
                    }
                }
                if op == writer && op != NONE && self.began(op) > block.s {
                    (block.s, block.last) = (self.began(op), op);
                }
            }
            if last_read != NONE && self.began(last_read) > block.s {
                (block.s, block.last) = (self.began(last_read), last_read);
            }
            match successor {
                NONE => return Ok(block),
                successor => value = self.act(successor).installs().unwrap_or(value),
            }
        }
    }

    /// The compare-and-sets of a cycle, given that some cluster hangs off no head.
    fn cycle(&self, blocks: &[Block]) -> Vec<usize> {
        let mut reached = vec![false; self.clusters.len()];
        for block in blocks {
            let mut value = block.head;
            reached[value as usize] = true;
            while let Some(next) = self.next(value) {
                value = next;
                reached[value as usize] = true;
            }
        }
        let start =
            (0..self.clusters.len()).find(|&value| !reached[value] && self.clusters[value].writer != NONE);
        let Some(start) = start else { return Vec::new() };
        let mut evidence = Vec::new();
        let mut value = start as u32;
        while !std::mem::replace(&mut reached[value as usize], true) {
            evidence.push(self.clusters[value as usize].writer as usize);
            match self.next(value) {
                Some(next) => value = next,
                None => break,
            }
        }
        evidence
    }

    fn next(&self, value: u32) -> Option<u32> {
        match self.clusters[value as usize].successor {
            NONE => None,
            successor => self.act(successor).installs(),
        }
    }

    /// Operations that show that two blocks must each come before the other.
    fn conflict(&self, blocks: &[Block]) -> Option<Vec<usize>> {
        let mut forward: Vec<&Block> = blocks.iter().filter(|block| block.forward()).collect();
        forward.sort_unstable_by_key(|block| block.f);
        for pair in forward.windows(2) {
            if pair[1].f < pair[0].s {
                return Some(self.evidence(pair[0], pair[1]));
            }
        }
        for block in blocks.iter().filter(|block| !block.forward()) {
            let inside = match forward.partition_point(|zone| zone.f < block.s) {
                0 => continue,
                count => forward[count - 1],
            };
            if block.f < inside.s {
                return Some(self.evidence(inside, block));
            }
        }
        None
    }

    /// The operations that give two blocks their zones, and the writers that tie these together.
    fn evidence(&self, one: &Block, other: &Block) -> Vec<usize> {
        let mut ops = Vec::new();
        for block in [one, other] {
            let ends = [block.first, block.last].into_iter().filter(|&op| op != NONE);
            let mut ahead = ends.clone().map(|op| self.belongs(op)).collect::<Vec<_>>();
            ops.extend(ends.map(|op| op as usize));
            ahead.dedup();
            let mut value = Some(block.head);
            let mut inside = block.f == 0;
            while let Some(current) = value.filter(|_| !ahead.is_empty()) {
                let before = ahead.len();
                ahead.retain(|&end| end != current);
                inside |= ahead.len() < before;
                let writer = self.clusters[current as usize].writer;
                if inside && writer != NONE {
                    ops.push(writer as usize);
                }
                value = self.next(current);
            }
        }
        ops.sort_unstable();
        ops.dedup();
        ops
    }

    /// The cluster of an operation: of what it wrote, or else of what it saw.
    fn belongs(&self, op: u32) -> u32 {
        let act = self.act(op);
        act.installs().or(act.observes()).unwrap_or(self.spec.initial)
    }

    /// Fits failed compare-and-sets into the order of the blocks; none if they do not fit into this order.
    fn place_failures(&self, mut blocks: Vec<Block>) -> Option<Failures> {
        blocks.sort_unstable_by_key(|block| block.f.min(block.s));
        // The values in their order, and each value's position in it.
        let mut order = Vec::with_capacity(self.clusters.len());
        let mut position = vec![NONE; self.clusters.len()];
        for block in &blocks {
            let mut value = Some(block.head);
            while let Some(current) = value {
                position[current as usize] = order.len() as u32;
                order.push(current);
                value = self.next(current);
            }
        }
        let placed = |index: usize| {
            let act = self.spec.act(&self.ops[index]);
            let counts = !self.useless[index] && (self.ops[index].required || !act.pure());
            counts
                .then(|| act.installs().or(act.observes()))
                .flatten()
                .map(|v| position[v as usize])
        };
        // Positions that are behind whoever comes after a completion, and ahead of whoever ends before an
        // invocation.
        let mut by_return: Vec<usize> = (0..self.ops.len())
            .filter(|&index| placed(index).is_some())
            .collect();
        by_return.sort_unstable_by_key(|&index| self.ops[index].returned);
        let mut ceiling = vec![NONE; self.ops.len() + 1];
        for index in (0..self.ops.len()).rev() {
            let own = match placed(index) {
                // Before a write of this value is in the cluster before.
                Some(place) if self.spec.act(&self.ops[index]).installs().is_some() => {
                    place.saturating_sub(1)
                }
                Some(place) => place,
                None => NONE,
            };
            ceiling[index] = own.min(ceiling[index + 1]);
        }
        let mut ended: BinaryHeap<Reverse<(u64, u32)>> = BinaryHeap::new();
        let mut places = Vec::with_capacity(self.differs.len());
        let (mut next, mut floor, mut behind) = (0, 0, 0);
        for &number in &self.differs {
            let op = &self.ops[number as usize];
            while let Some(&index) = by_return
                .get(next)
                .filter(|&&index| self.ops[index].returned < op.invoked)
            {
                floor = floor.max(placed(index).unwrap_or(0));
                next += 1;
            }
            while let Some(&Reverse((at, place))) = ended.peek().filter(|Reverse((at, _))| *at < op.invoked) {
                debug_assert!(at < op.invoked);
                behind = behind.max(place);
                ended.pop();
            }
            let Act::Differs(unwanted) = self.spec.act(op) else {
                continue;
            };
            let mut place = floor.max(behind);
            if order.get(place as usize) == Some(&unwanted) {
                place += 1;
            }
            let after = self.ops.partition_point(|other| other.invoked < op.returned);
            if place as usize >= order.len() || place > ceiling[after] {
                return None;
            }
            ended.push(Reverse((op.returned, place)));
            places.push((place, number));
        }
        Some(Failures { position, places })
    }

    fn act(&self, op: u32) -> Act {
        self.spec.act(&self.ops[op as usize])
    }

    fn returned(&self, op: u32) -> u64 {
        self.ops[op as usize].returned
    }

    /// Positions shifted by one; 0 is before everything.
    fn began(&self, op: u32) -> u64 {
        self.ops[op as usize].invoked + 1
    }

    fn ended(&self, op: u32) -> u64 {
        self.ops[op as usize].returned.saturating_add(1)
    }
}
