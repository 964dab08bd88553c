//! Zones straight from the history: registers whose written values are integers, each written once.
//!
//! The method is that of [`zones`](super::zones), for the commonest histories and without compiling them first:
//! one pass over the operations keeps, for each value, when its write was invoked and completed, the earliest
//! completion and the latest invocation of its reads, and nothing else. The zones are then sorted by their lower
//! ends, and one sweep compares each with the forward zone that it stands in.
//!
//! Where there are several keys, or several threads to share a long history, the pass only deals the operations out
//! to their keys, sixteen bytes each; and then each key is judged on its own, close together in memory.
//!
//! Where clusters are in conflict, the operations on their values are all that matters: every conflict of a
//! prefix of the history is one of the whole history, and no other value can excuse it. So the explanation of a
//! violation looks at these operations only, however long the history is.
//!
//! Whatever does not fit (compare-and-sets, a value written twice, texts) is left to the general way.

use std::hint::select_unpredictable;
use std::sync::Mutex;

use rustc_hash::FxHashMap;

use super::in_parallel;
use super::slots::{EMPTY, NEVER, NONE, Slot, Table};
use crate::history::{Function, History, Key, Operation, Outcome, Value};
use crate::models::{Cell, Model};

/// What was found out about a key.
pub(super) enum Straight<'h> {
    /// Linearizable.
    Legal,
    /// Not linearizable, and the operations on the values that are in conflict.
    Illegal(Vec<&'h Operation>),
    /// Something for the general way.
    General,
}

/// A key, what was found out about it, and how many of its operations constrain the register.
pub(super) struct Judged<'h> {
    pub key: Option<&'h Key>,
    pub straight: Straight<'h>,
    pub operations: u64,
}

/// The most conflicts that are looked at apart from the rest of a history.
const MOST_CONFLICTS: usize = 4096;

/// Up to how many keys the tables of all are small enough to be filled at once.
const FEW_KEYS: usize = 4;

/// How many operations make a second thread worth its while.
const OPERATIONS_PER_THREAD: usize = 50_000;

/// How many operations are looked at before the pass is given up because it fits no key.
const TRIAL: usize = 512;

/// Judges all keys, in the order of their names; none if this fits no key.
pub(super) fn judge<'h>(history: &'h History, cell: &Cell, threads: usize) -> Option<Vec<Judged<'h>>> {
    let all = &history.operations[..];
    let initial = match cell.init() {
        Value::Nil => None,
        Value::Int(initial) => Some(initial),
        _ => return None,
    };
    let mut trial = Pass::new(cell, initial);
    let tried = all.len().min(TRIAL);
    for some in all[..tried].chunks(TRIAL / 16) {
        trial.take(some);
        if trial.keys.iter().all(|tally| tally.general) {
            return None;
        }
    }
    let parts = (all.len() / OPERATIONS_PER_THREAD).clamp(1, threads);
    let mut tallies: Vec<Vec<Tally>> = Vec::new();
    if parts == 1 && trial.keys.len() <= FEW_KEYS {
        for Tally { table, .. } in &mut trial.keys {
            // As many as so far, in the same measure.
            table.expect(table.used * all.len() / tried.max(1));
        }
        trial.take(&all[tried..]);
        tallies.extend(trial.keys.into_iter().map(|tally| vec![tally]));
    } else {
        let bound = |part: usize| all.len() * part / parts;
        let dealt = in_parallel(parts, parts, |part| {
            let mut pass = Pass::new(cell, initial);
            pass.deals = true;
            let mine = &all[bound(part)..bound(part + 1)];
            pass.expect(&trial.keys, tried, mine.len());
            pass.take(mine);
            pass.keys
        });
        let mut places: FxHashMap<Option<&Key>, usize> = FxHashMap::default();
        for tally in dealt.into_iter().flatten() {
            let place = *places.entry(tally.key).or_insert(tallies.len());
            match tallies.get_mut(place) {
                Some(parts) => parts.push(tally),
                None => tallies.push(vec![tally]),
            }
        }
    }
    tallies.sort_unstable_by_key(|parts| parts[0].key);
    let tallies: Vec<_> = tallies.into_iter().map(Mutex::new).collect();
    let judged = in_parallel(threads, tallies.len(), |place| {
        // Taken out, so that what it holds is free again as soon as the key is judged.
        let parts = std::mem::take(&mut *tallies[place].lock().ok()?);
        let mine = Tally::settled(parts)?;
        Some(Judged {
            key: mine.key,
            straight: mine.judge(all, initial),
            operations: mine.operations,
        })
    });
    judged.into_iter().collect()
}

/// An operation of a key in sixteen bytes: what it read or wrote, when it was invoked, and when it completed, with in
/// the highest bit whether it wrote.
#[derive(Clone, Copy)]
struct Packed {
    value: i64,
    invoked: u32,
    end: u32,
}

const WRITES: u32 = 1 << 31;

impl Packed {
    fn new(value: i64, invoked: u32, returned: u32, writes: bool) -> Self {
        Packed {
            value,
            invoked,
            end: returned | if writes { WRITES } else { 0 },
        }
    }

    fn writes(self) -> bool {
        self.end & WRITES != 0
    }
}

/// What values mean to a register.
#[derive(Clone, Copy)]
struct Meaning {
    initial: Option<i64>,
    unknown_nil: bool,
}

/// What is kept of a key.
struct Tally<'h> {
    key: Option<&'h Key>,
    table: Table,
    /// Operations that were dealt out and are not in the table yet.
    dealt: Vec<Packed>,
    /// The reads of the initial value.
    initial: Slot,
    operations: u64,
    general: bool,
}

/// One pass over a part of the history.
struct Pass<'h> {
    meaning: Meaning,
    keys: Vec<Tally<'h>>,
    /// Whether operations are only dealt out.
    deals: bool,
    places: FxHashMap<Option<&'h Key>, usize>,
    /// The keys seen last, by where they lie in memory: the same key mostly lies in the same place.
    /// None before the first key.
    recent: Vec<Option<(&'h Key, usize)>>,
}

const RECENT: usize = 256;

impl<'h> Pass<'h> {
    fn new(cell: &Cell, initial: Option<i64>) -> Self {
        Pass {
            meaning: Meaning {
                initial,
                unknown_nil: cell.nil_is_unknown(),
            },
            keys: Vec::new(),
            deals: false,
            places: FxHashMap::default(),
            recent: Vec::new(),
        }
    }

    fn place(&mut self, key: Option<&'h Key>) -> usize {
        let Pass { keys, places, .. } = self;
        *places.entry(key).or_insert_with(|| {
            keys.push(Tally {
                key,
                table: Table::default(),
                dealt: Vec::new(),
                initial: EMPTY,
                operations: 0,
                general: false,
            });
            keys.len() - 1
        })
    }

    /// Makes room for what so many operations will deal out, if they are like those that were tried: to each key
    /// about as many, but not many more than its share of those.
    fn expect(&mut self, tried: &[Tally<'h>], trials: usize, operations: usize) {
        let most = operations / tried.len().max(1) * 9 / 8;
        for tally in tried {
            let place = self.place(tally.key);
            let share = 2 * operations / trials.max(1) * tally.operations as usize;
            self.keys[place].dealt.reserve_exact(share.min(most));
        }
    }

    fn recall(&mut self, key: Option<&'h Key>) -> usize {
        let Some(key) = key else { return self.place(None) };
        if self.recent.is_empty() {
            self.recent.resize(RECENT, None);
        }
        let address = key.as_ptr() as usize;
        let cell = (address >> 4 ^ address >> 12) % RECENT;
        if let Some((known, place)) = self.recent[cell].filter(|(known, _)| Key::ptr_eq(known, key)) {
            debug_assert_eq!(known, key);
            return place;
        }
        let place = self.place(Some(key));
        self.recent[cell] = Some((key, place));
        place
    }

    fn take(&mut self, mut operations: &'h [Operation]) {
        let Pass { meaning, deals, .. } = *self;
        while let Some(first) = operations.first() {
            let key = first.key.as_ref();
            let place = self.recall(key);
            let tally = &mut self.keys[place];
            let other = operations
                .iter()
                .position(|operation| !tally.takes(operation, key, meaning, deals));
            operations = &operations[other.unwrap_or(operations.len())..];
        }
    }
}

/// Which operations say nothing, by how they ended: all that failed, and reads of which nothing is known.
const SILENT: u32 =
    1 << (Outcome::Fail as u32) | 1 << (Outcome::Info as u32) | 1 << (WRITE + Outcome::Fail as u32);
const WRITE: u32 = 3;

/// The position of an event, if it is small enough.
fn position(index: u64) -> Option<u32> {
    match u32::try_from(index) {
        Ok(index) if index < NEVER - 1 => Some(index + 1),
        _ if index == u64::MAX => Some(NEVER),
        _ => None,
    }
}

/// A zone in one number, ordered by its lower end: that, the upper end, and whether it is a forward zone.
fn zone(f: u32, s: u32) -> u64 {
    u64::from(f.min(s)) << 32 | u64::from(f.max(s)) << 1 | u64::from(f < s)
}

/// The lower end of a zone, the upper end, and whether it is a forward zone.
fn ends(zone: u64) -> (u32, u32, bool) {
    ((zone >> 32) as u32, zone as u32 >> 1, zone & 1 == 1)
}

impl<'h> Tally<'h> {
    /// What several passes kept of the same key, one after the other, and all that they dealt out in the table.
    fn settled(mut parts: Vec<Self>) -> Option<Self> {
        let dealt: Vec<Vec<Packed>> = parts
            .iter_mut()
            .map(|part| std::mem::take(&mut part.dealt))
            .collect();
        let mut whole = parts.into_iter().reduce(|mut whole, other| {
            whole.general |= other.general;
            whole.operations += other.operations;
            whole.initial.join(&other.initial);
            whole
        })?;
        if !whole.general {
            let writes = |packed: &&Packed| packed.writes();
            whole.table.expect(dealt.iter().flatten().filter(writes).count());
            for packed in dealt.into_iter().flatten() {
                whole.add(
                    packed.value,
                    packed.invoked,
                    packed.end & !WRITES,
                    packed.writes(),
                );
            }
        }
        Some(whole)
    }

    /// Takes an operation, if it is on this key. What it is is as good as random; so there are few branches.
    fn takes(
        &mut self,
        operation: &Operation,
        key: Option<&'h Key>,
        Meaning { initial, unknown_nil }: Meaning,
        deals: bool,
    ) -> bool {
        let mine = match (key, &operation.key) {
            (None, None) => true,
            (Some(mine), Some(key)) => Key::ptr_eq(mine, key),
            _ => false,
        };
        if !mine || self.general {
            return mine;
        }
        let completion = &operation.completion;
        let writes = operation.f == Function::Write;
        if !writes & (operation.f != Function::Read) {
            self.general = true;
            return true;
        }
        if SILENT >> (u32::from(writes) * WRITE + completion.outcome as u32) & 1 == 1 {
            return true;
        }
        let (Some(invoked), Some(returned)) =
            (position(operation.invoked.index), position(operation.returned()))
        else {
            self.general = true;
            return true;
        };
        match *select_unpredictable(writes, &operation.argument, &completion.value) {
            Value::Int(value) if initial != Some(value) => {
                if deals {
                    self.dealt.push(Packed::new(value, invoked, returned, writes));
                } else {
                    self.add(value, invoked, returned, writes);
                }
                self.operations += 1;
            }
            Value::Nil if unknown_nil && !writes => {}
            Value::Nil if initial.is_some() => self.general = true,
            Value::Nil | Value::Int(_) if !writes => {
                self.initial.add(invoked, returned, false);
                self.operations += 1;
            }
            _ => self.general = true,
        }
        true
    }

    fn add(&mut self, value: i64, invoked: u32, returned: u32, writes: bool) {
        let slot = self.table.find(value);
        self.general |= slot.written & writes;
        slot.add(invoked, returned, writes);
    }

    fn judge(&self, all: &'h [Operation], initial: Option<i64>) -> Straight<'h> {
        if self.general {
            return Straight::General;
        }
        let mut zones = vec![0; self.table.used + 1];
        let (mut count, mut unwritten, mut breaks) = (0, false, false);
        for slot in &self.table.slots {
            unwritten |= !slot.is_empty() & !slot.written;
            breaks |= slot.broken;
            // Neither those that are empty, nor those of which only a write is known that never completed.
            zones[count] = zone(slot.first, slot.last);
            count += usize::from(slot.first < NEVER);
        }
        if unwritten {
            // Seen, yet never written; perhaps somebody tried to.
            return Straight::General;
        }
        zones.truncate(count);
        let broken: Vec<i64> = if breaks {
            let broken = self.table.values().filter(|slot| slot.broken);
            broken.map(|slot| slot.value).collect()
        } else {
            Vec::new()
        };
        if !self.initial.is_empty() {
            zones.push(zone(0, self.initial.last));
        }
        sort(&mut zones);
        if broken.is_empty() && !conflict(&zones) {
            return Straight::Legal;
        }
        match conflicts(&zones) {
            Some(lower_ends) if broken.len() <= MOST_CONFLICTS => {
                Straight::Illegal(self.suspects(all, initial, broken, &lower_ends))
            }
            _ => Straight::General,
        }
    }

    /// The operations on broken values, and on those whose zones begin at these places.
    fn suspects(
        &self,
        all: &'h [Operation],
        initial: Option<i64>,
        mut values: Vec<i64>,
        lower_ends: &[u32],
    ) -> Vec<&'h Operation> {
        let reads_of_initial = lower_ends.contains(&0);
        let (mut from, mut to) = if reads_of_initial {
            (self.initial.begun, self.initial.last)
        } else {
            (NONE, 0)
        };
        values.sort_unstable();
        let broken = values.len();
        for slot in self.table.values() {
            if lower_ends.binary_search(&slot.first.min(slot.last)).is_ok() {
                values.push(slot.value);
            } else if values[..broken].binary_search(&slot.value).is_err() {
                continue;
            }
            from = from.min(slot.begun);
            to = to.max(slot.last);
        }
        values.sort_unstable();
        let suspect = |value: &Value| match value {
            Value::Int(value) if initial != Some(*value) => values.binary_search(value).is_ok(),
            _ => reads_of_initial,
        };
        let start = all.partition_point(|operation| operation.invoked.index + 1 < u64::from(from));
        all[start..]
            .iter()
            .take_while(|operation| operation.invoked.index < u64::from(to))
            .filter(|operation| operation.key.as_ref() == self.key)
            .filter(|operation| match operation.f {
                Function::Write => suspect(&operation.argument),
                _ => suspect(&operation.completion.value),
            })
            .collect()
    }
}

/// The most bits that one round of sorting looks at.
const DIGIT: u32 = 11;

/// How many zones make sorting by digits worth its while.
const MANY: usize = 512;

/// Sorts zones by their lower ends.
fn sort(zones: &mut Vec<u64>) {
    if zones.len() < MANY {
        return zones.sort_unstable();
    }
    let highest = zones.iter().fold(1, |highest, zone| zone >> 32 | highest);
    let bits = u64::BITS - highest.leading_zeros();
    let rounds = bits.div_ceil(DIGIT);
    let digit = bits.div_ceil(rounds);
    let mut other = vec![0; zones.len()];
    let mut starts = vec![0u32; 1 << digit];
    for round in 0..rounds {
        let place = |zone: u64| (zone >> (32 + round * digit)) as usize & ((1 << digit) - 1);
        starts.fill(0);
        zones.iter().for_each(|&zone| starts[place(zone)] += 1);
        let mut sum = 0;
        for start in &mut starts {
            sum += std::mem::replace(start, sum);
        }
        for &zone in zones.iter() {
            let start = &mut starts[place(zone)];
            other[*start as usize] = zone;
            *start += 1;
        }
        std::mem::swap(zones, &mut other);
    }
}

/// Whether two forward zones overlap, or a backward one lies inside a forward one.
fn conflict(zones: &[u64]) -> bool {
    let (mut end, mut clash) = (0, false);
    for &zone in zones {
        let (lower, upper, forward) = ends(zone);
        clash |= if forward { lower } else { upper } < end;
        end = if forward { upper } else { 0 }.max(end);
    }
    clash
}

/// The lower ends of all zones that are in conflict, rising; none if these are many.
fn conflicts(zones: &[u64]) -> Option<Vec<u32>> {
    let mut open: Vec<(u32, u32)> = Vec::new();
    let mut found = Vec::new();
    for &zone in zones {
        let (lower, upper, forward) = ends(zone);
        open.retain(|(_, end)| *end > lower);
        for &(start, end) in &open {
            if forward || upper < end {
                found.extend([start, lower]);
            }
        }
        if forward {
            open.push((lower, upper));
        }
        if found.len() > 2 * MOST_CONFLICTS || open.len() > MOST_CONFLICTS {
            return None;
        }
    }
    found.sort_unstable();
    found.dedup();
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_sorted_by_their_lower_ends() {
        let mut random = 1u64;
        let mut zones: Vec<u64> = (0..10_000)
            .map(|_| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                zone((random >> 33) as u32, (random >> 20) as u32 & (NEVER - 1))
            })
            .collect();
        sort(&mut zones);
        assert!(zones.windows(2).all(|pair| ends(pair[0]).0 <= ends(pair[1]).0));
    }
}
