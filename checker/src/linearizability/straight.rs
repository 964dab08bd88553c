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

/// An operation of a key: what it read or wrote, and when.
#[derive(Clone, Copy)]
struct Entry {
    value: i64,
    invoked: u32,
    returned: u32,
    writes: bool,
}

/// The same in sixteen bytes: the position of the completion, and in the highest bit whether it wrote.
#[derive(Clone, Copy)]
struct Packed {
    value: i64,
    invoked: u32,
    end: u32,
}

const WRITES: u32 = 1 << 31;

impl From<Entry> for Packed {
    fn from(entry: Entry) -> Self {
        Packed {
            value: entry.value,
            invoked: entry.invoked,
            end: entry.returned | if entry.writes { WRITES } else { 0 },
        }
    }
}

impl From<Packed> for Entry {
    fn from(packed: Packed) -> Self {
        Entry {
            value: packed.value,
            invoked: packed.invoked,
            returned: packed.end & !WRITES,
            writes: packed.end & WRITES != 0,
        }
    }
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
    initial: Option<i64>,
    unknown_nil: bool,
    keys: Vec<Tally<'h>>,
    /// Whether operations are only dealt out.
    deals: bool,
    places: FxHashMap<Option<&'h Key>, usize>,
    /// The keys seen last, by where they lie in memory: the same key mostly lies in the same place.
    recent: Vec<Option<(&'h Key, usize)>>,
}

const RECENT: usize = 256;

impl<'h> Pass<'h> {
    fn new(cell: &Cell, initial: Option<i64>) -> Self {
        Pass {
            initial,
            unknown_nil: cell.nil_is_unknown(),
            keys: Vec::new(),
            deals: false,
            places: FxHashMap::default(),
            recent: vec![None; RECENT],
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

    fn take(&mut self, operations: &'h [Operation]) {
        for operation in operations {
            let place = self.recall(operation.key.as_ref());
            let tally = &mut self.keys[place];
            if tally.general {
                continue;
            }
            let (Some(invoked), Some(returned)) =
                (position(operation.invoked.index), position(operation.returned()))
            else {
                tally.general = true;
                continue;
            };
            let completion = &operation.completion;
            let (value, writes) = match (&operation.f, completion.outcome) {
                (Function::Write, Outcome::Fail) | (Function::Read, Outcome::Fail | Outcome::Info) => {
                    continue;
                }
                (Function::Write, _) => (&operation.argument, true),
                (Function::Read, _) => (&completion.value, false),
                _ => {
                    tally.general = true;
                    continue;
                }
            };
            match *value {
                Value::Int(value) if self.initial != Some(value) => {
                    let entry = Entry {
                        value,
                        invoked,
                        returned,
                        writes,
                    };
                    if self.deals {
                        tally.dealt.push(entry.into());
                    } else {
                        tally.add(entry);
                    }
                    tally.operations += 1;
                }
                Value::Nil if self.unknown_nil && !writes => {}
                Value::Nil | Value::Int(_) if !writes && (self.initial.is_none() || *value != Value::Nil) => {
                    tally.initial.read(invoked, returned);
                    tally.operations += 1;
                }
                _ => tally.general = true,
            }
        }
    }
}

/// The position of an event, if it is small enough.
fn position(index: u64) -> Option<u32> {
    match u32::try_from(index) {
        Ok(index) if index < NEVER - 1 => Some(index + 1),
        _ if index == u64::MAX => Some(NEVER),
        _ => None,
    }
}

/// A zone in one number, ordered by its lower end: that, the upper end, and whether it is a forward zone.
fn zone((f, s): (u32, u32)) -> u64 {
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
            let writes = |packed: &&Packed| packed.end & WRITES != 0;
            whole.table.expect(dealt.iter().flatten().filter(writes).count());
            for packed in dealt.into_iter().flatten() {
                whole.add(packed.into());
            }
        }
        Some(whole)
    }

    fn add(&mut self, entry: Entry) {
        let place = self.table.find(entry.value);
        let slot = &mut self.table.slots[place];
        slot.value = entry.value;
        if entry.writes {
            self.general |= slot.written != NONE;
            (slot.written, slot.acknowledged) = (entry.invoked, entry.returned);
        } else {
            slot.read(entry.invoked, entry.returned);
        }
    }

    fn judge(&self, all: &'h [Operation], initial: Option<i64>) -> Straight<'h> {
        if self.general {
            return Straight::General;
        }
        let mut zones = Vec::with_capacity(self.table.used + 1);
        let mut broken = Vec::new();
        for slot in self.table.values() {
            if slot.written == NONE {
                // Seen, yet never written; perhaps somebody tried to.
                return Straight::General;
            }
            if slot.acknowledged == NEVER && slot.begun == NONE {
                continue;
            }
            if slot.first < slot.written {
                broken.push(slot.value);
            }
            zones.push(zone(slot.zone()));
        }
        if self.initial.begun != NONE {
            zones.push(zone((0, self.initial.last)));
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
            let (f, s) = slot.zone();
            if lower_ends.binary_search(&f.min(s)).is_ok() {
                values.push(slot.value);
            } else if values[..broken].binary_search(&slot.value).is_err() {
                continue;
            }
            from = from.min(slot.written).min(slot.begun);
            to = to.max(s);
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

/// How many bits one round of sorting looks at.
const DIGIT: u32 = 11;

/// Sorts zones by their lower ends.
fn sort(zones: &mut Vec<u64>) {
    if zones.len() < 1 << DIGIT {
        return zones.sort_unstable();
    }
    let highest = zones.iter().fold(0, |highest, zone| zone >> 32 | highest);
    let mut other = vec![0; zones.len()];
    let mut shift = 32;
    while shift < 64 && highest >> (shift - 32) > 0 {
        let digit = |zone: u64| (zone >> shift) as usize & ((1 << DIGIT) - 1);
        let mut starts = [0u32; 1 << DIGIT];
        zones.iter().for_each(|&zone| starts[digit(zone)] += 1);
        let mut sum = 0;
        for start in &mut starts {
            sum += std::mem::replace(start, sum);
        }
        for &zone in zones.iter() {
            let start = &mut starts[digit(zone)];
            other[*start as usize] = zone;
            *start += 1;
        }
        std::mem::swap(zones, &mut other);
        shift += DIGIT;
    }
}

/// Whether two forward zones overlap, or a backward one lies inside a forward one.
fn conflict(zones: &[u64]) -> bool {
    let mut end = 0;
    zones.iter().any(|&zone| {
        let (lower, upper, forward) = ends(zone);
        let clash = if forward { lower < end } else { upper < end };
        if forward {
            end = end.max(upper);
        }
        clash
    })
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
                zone(((random >> 33) as u32, (random >> 20) as u32 & (NEVER - 1)))
            })
            .collect();
        sort(&mut zones);
        assert!(zones.windows(2).all(|pair| ends(pair[0]).0 <= ends(pair[1]).0));
    }
}
