//! *k*-atomicity: in one order that agrees with real time, every read returns one of the last *k* values written.
//!
//! After Golab, Hurwitz and Li, "On the k-atomicity-verification problem" (2013). A register is 1-atomic exactly if it
//! is linearizable. Where values are unique, the smallest *k* lies between two bounds that take O(n log n):
//!
//! - **below**: one more than the writes that lie, in real time, entirely between a read's write and the read;
//! - **above**: what the writes need in the order of their completions, each read as early as it can be.
//!
//! Between them, *k* = 2 is decided by their method of **limited backtracking**: writes are put in order from the last
//! to the first. The last write may be any that precedes no other. Every read that began when it had completed and that
//! did not see it must have seen the one before, so that one is forced, and so on, until nothing is. If that succeeds it
//! need never be taken back; if it fails, another write is tried as the last.
//!
//! Greater *k*, repeated values and compare-and-sets go to the search, with the last *k* values as the state.

use std::collections::BTreeSet;
use std::num::NonZero;

use super::cell::{INITIAL, Register};
use crate::budget::Budget;
use crate::history::{History, Operation, Value};
use crate::linearizability::{Method, Options, check};
use crate::models::{Cell, CellAction, Model, Unsupported};
use crate::verdict::Verdict;

/// The greatest *k* that is searched for.
const GREATEST: u64 = 5;
/// How often the budget's clock is read, in writes.
const BETWEEN_CLOCK_READINGS: u64 = 1024;

/// The bounds of the smallest *k* of a register that is not linearizable: no upper one if none was found, and the
/// greatest number below if there is no such *k* at all.
pub(super) fn smallest(
    register: &Register<'_>,
    operations: &[&Operation],
    budget: &Budget,
) -> (u64, Option<u64>) {
    let simple = |register: &Register<'_>| {
        let plain =
            |act: &super::cell::Act<'_>| act.denied.is_none() && (act.saw.is_none() || act.wrote.is_none());
        register.unique && register.acts.iter().all(plain)
    };
    if from_nowhere(register) {
        return (u64::MAX, None);
    }
    let (mut low, mut high) = (2, None);
    if simple(register) {
        let Some(writes) = Writes::new(register) else {
            return (u64::MAX, None);
        };
        let (least, most) = writes.bounds();
        (low, high) = (low.max(least), Some(most.max(2)));
        if low == 2 && high != Some(2) {
            match writes.two_atomic(budget) {
                Some(true) => high = Some(2),
                Some(false) => low = 3,
                None => return (low, high),
            }
        }
    } else if register
        .acts
        .iter()
        .any(|act| act.denied.is_some() && act.saw.is_some())
    {
        return (u64::MAX, None);
    }
    while low <= GREATEST && high.is_none_or(|high| low < high) {
        match search(operations, low, &register.cell, budget) {
            Verdict::Valid => high = Some(low),
            Verdict::Invalid => low += 1,
            Verdict::Unknown => break,
        }
    }
    (low, high)
}

/// Whether a value was seen that cannot have been written by then.
fn from_nowhere(register: &Register<'_>) -> bool {
    let mut first = vec![u64::MAX; register.values()];
    first[INITIAL as usize] = 0;
    for act in &register.acts {
        if let Some(value) = act.wrote {
            first[value as usize] = first[value as usize].min(act.invoked);
        }
    }
    let seen = register.acts.iter().filter(|act| !act.pending());
    seen.filter_map(|act| Some((first[act.saw? as usize], act.returned)))
        .any(|(written, returned)| written > returned)
}

/// A write and the reads of its value. Positions are shifted by one, so that 0 is before everything.
#[derive(Clone, Copy)]
struct Write {
    invoked: u64,
    /// When it or the first read of its value completed.
    returned: u64,
}

struct Writes {
    /// By value; the initial one first. None if it was never written.
    writes: Vec<Option<Write>>,
    /// In the order of invocation: the invocation, and the value.
    reads: Vec<(u64, u32)>,
}

impl Writes {
    /// None if a value was read that had not been written by then.
    fn new(register: &Register<'_>) -> Option<Self> {
        let mut writes: Vec<Option<Write>> = vec![None; register.values()];
        writes[INITIAL as usize] = Some(Write {
            invoked: 0,
            returned: 0,
        });
        for act in &register.acts {
            if let Some(value) = act.wrote {
                writes[value as usize] = Some(Write {
                    invoked: act.invoked,
                    returned: act.returned,
                });
            }
        }
        let mut reads = Vec::new();
        for act in &register.acts {
            if let Some(value) = act.saw {
                let write = writes[value as usize].as_mut()?;
                if act.returned < write.invoked {
                    return None;
                }
                write.returned = write.returned.min(act.returned);
                reads.push((act.invoked, value));
            }
        }
        Some(Writes { writes, reads })
    }

    /// A *k* below which it is not *k*-atomic, and one for which it is.
    fn bounds(&self) -> (u64, u64) {
        let mut by_return: Vec<(Write, u32)> = Vec::new();
        for (value, write) in self.writes.iter().enumerate() {
            by_return.extend(write.map(|write| (write, value as u32)));
        }
        by_return.sort_unstable_by_key(|(write, _)| write.returned);
        let mut place = vec![0; self.writes.len()];
        for (position, &(_, value)) in by_return.iter().enumerate() {
            place[value as usize] = position;
        }
        let mut invocations: Vec<u64> = by_return.iter().map(|(write, _)| write.invoked).collect();
        invocations.sort_unstable();
        // How many of the writes that have completed were invoked where.
        let mut counts = Counts::new(invocations.len());
        let (mut completed, mut low, mut high) = (0, 1, 1);
        for &(invoked, value) in &self.reads {
            while let Some((write, _)) = by_return
                .get(completed)
                .filter(|(write, _)| write.returned < invoked)
            {
                counts.add(invocations.partition_point(|&at| at < write.invoked));
                completed += 1;
            }
            let Some(own) = self.writes[value as usize] else {
                continue;
            };
            let between = counts.from(invocations.partition_point(|&at| at <= own.returned));
            low = low.max(1 + between);
            // The read comes right behind its write or behind all that had completed, whichever is later.
            let own = place[value as usize];
            high = high.max(1 + completed.saturating_sub(1).saturating_sub(own) as u64);
        }
        (low, high)
    }

    /// Whether it is 2-atomic; none if the budget is spent.
    fn two_atomic(&self, budget: &Budget) -> Option<bool> {
        let mut left = Left {
            by_invocation: BTreeSet::new(),
            by_return: BTreeSet::new(),
            alive: vec![false; self.writes.len()],
        };
        for (value, write) in self.writes.iter().enumerate() {
            if let Some(write) = write {
                left.put(*write, value as u32);
            }
        }
        let mut reads = self.reads.len();
        let mut steps = 0;
        while let Some(&(latest, newest)) = left.by_invocation.last() {
            // Writes that precede no other.
            let mut candidates: Vec<u32> = left
                .by_return
                .range((latest, 0)..)
                .map(|&(_, value)| value)
                .collect();
            candidates.push(newest);
            let mut found = false;
            for candidate in candidates {
                let mut taken = Vec::new();
                if self.epoch(candidate, &mut left, reads, &mut taken) {
                    found = true;
                    break;
                }
                steps += taken.len() as u64;
                if steps > budget.states * 64 {
                    return None;
                }
                for value in taken {
                    left.put(self.writes[value as usize]?, value);
                }
            }
            if !found {
                return Some(false);
            }
            while reads > 0 && !left.alive[self.reads[reads - 1].1 as usize] {
                reads -= 1;
            }
            steps += 1;
            if steps.is_multiple_of(BETWEEN_CLOCK_READINGS) && budget.expired() {
                return None;
            }
        }
        Some(true)
    }

    /// Takes away the last write and all that it forces; false if that leads nowhere.
    fn epoch(&self, last: u32, left: &mut Left, reads: usize, taken: &mut Vec<u32>) -> bool {
        let mut current = last;
        loop {
            let Some(write) = self.writes[current as usize] else {
                return false;
            };
            left.take(write, current);
            taken.push(current);
            // Of what was read after it, there may be one other value.
            let mut forced = None;
            for &(invoked, value) in self.reads[..reads].iter().rev() {
                if invoked <= write.returned {
                    break;
                }
                if left.alive[value as usize] && *forced.get_or_insert(value) != value {
                    return false;
                }
            }
            let Some(next) = forced else { return true };
            let Some(write) = self.writes[next as usize] else {
                return false;
            };
            let mut latest = left
                .by_invocation
                .iter()
                .rev()
                .filter(|&&(_, value)| value != next);
            if latest
                .next()
                .is_some_and(|&(invoked, _)| invoked > write.returned)
            {
                return false;
            }
            current = next;
        }
    }
}

/// The writes that have no place yet.
struct Left {
    by_invocation: BTreeSet<(u64, u32)>,
    by_return: BTreeSet<(u64, u32)>,
    alive: Vec<bool>,
}

impl Left {
    fn put(&mut self, write: Write, value: u32) {
        self.by_invocation.insert((write.invoked, value));
        self.by_return.insert((write.returned, value));
        self.alive[value as usize] = true;
    }

    fn take(&mut self, write: Write, value: u32) {
        self.by_invocation.remove(&(write.invoked, value));
        self.by_return.remove(&(write.returned, value));
        self.alive[value as usize] = false;
    }
}

/// Counts at places, and how many there are from a place on (Fenwick, 1994).
struct Counts {
    sums: Vec<u64>,
}

impl Counts {
    fn new(places: usize) -> Self {
        Counts {
            sums: vec![0; places + 1],
        }
    }

    fn add(&mut self, place: usize) {
        // Turned round, so that a sum from a place on is a sum up to one.
        let mut at = self.sums.len() - 1 - place;
        while at < self.sums.len() {
            self.sums[at] += 1;
            at += at & at.wrapping_neg();
        }
    }

    fn from(&self, place: usize) -> u64 {
        let mut at = self.sums.len() - 1 - place;
        let mut sum = 0;
        while at > 0 {
            sum += self.sums[at];
            at -= at & at.wrapping_neg();
        }
        sum
    }
}

/// Decides *k*-atomicity by the search.
fn search(operations: &[&Operation], k: u64, cell: &Cell, budget: &Budget) -> Verdict {
    let history = History {
        operations: operations
            .iter()
            .map(|operation| Operation {
                key: None,
                ..(*operation).clone()
            })
            .collect(),
        ..History::default()
    };
    let options = Options {
        budget: budget.clone(),
        threads: NonZero::<usize>::MIN,
        method: Method::Search,
        witnesses: 0,
        ..Options::default()
    };
    let model = Stale {
        k: usize::try_from(k).unwrap_or(usize::MAX),
        cell: cell.clone(),
    };
    check(&history, &model, &options).verdict
}

/// A register of which operations see one of the last `k` values.
struct Stale {
    k: usize,
    cell: Cell,
}

impl Model for Stale {
    /// The last values, the newest last.
    type State = Vec<Value>;
    type Action = CellAction;

    fn name(&self) -> &str {
        "k-atomic register"
    }

    fn init(&self) -> Vec<Value> {
        vec![self.cell.init()]
    }

    fn action(&self, operation: &Operation) -> Result<Option<CellAction>, Unsupported> {
        self.cell.action(operation)
    }

    fn step(&self, last: &Vec<Value>, action: &CellAction) -> Option<Vec<Value>> {
        let with = |value: &Value| {
            let kept = last.len().min(self.k - 1);
            let mut next = last[last.len() - kept..].to_vec();
            next.push(value.clone());
            Some(next)
        };
        let same = |holds: bool| holds.then(|| last.clone());
        match action {
            CellAction::Read(value) => same(last.contains(value)),
            CellAction::Write(value) => with(value),
            CellAction::Cas(expected, new) if expected == new => same(last.contains(expected)),
            CellAction::Cas(expected, new) if last.contains(expected) => with(new),
            CellAction::Differs(value) => same(last.iter().any(|other| other != value)),
            _ => None,
        }
    }

    fn describe(&self, last: &Vec<Value>) -> Value {
        Value::from(last.clone())
    }

    fn pure(&self, action: &CellAction) -> bool {
        self.cell.pure(action)
    }

    fn bytes(&self, last: &Vec<Value>) -> usize {
        size_of_val(last) + size_of_val(&last[..])
    }

    fn partitioned(&self) -> bool {
        false
    }
}
