//! Sequential consistency of one key: one order explains all results and agrees with the order of each process.
//!
//! Where every value is written once, the operations that wrote or saw a value stand in one piece, the write first
//! (Cantin, Lipasti and Smith, "The complexity of verifying memory coherence and consistency", 2005). A piece comes
//! before another if a process was in it before it was in the other; there is an order exactly if that has no cycle.
//! A compare-and-set from one value to the next ties two pieces together, the one right behind the other.
//!
//! Everywhere else a search interleaves the processes, and remembers how far each was in which state.

use std::collections::BTreeMap;

use rustc_hash::{FxHashMap, FxHashSet};

use super::Held;
use super::cell::{INITIAL, Register};
use crate::budget::{Budget, Meter};
use crate::history::{Operation, Outcome};
use crate::models::Model;

const NONE: u32 = u32::MAX;

/// Decides registers with unique values; none where they repeat, or where an operation was told only what the value
/// was not.
pub(super) fn of_register(register: &Register<'_>) -> Option<Held> {
    if !register.unique
        || register
            .acts
            .iter()
            .any(|act| act.denied.is_some() && act.saw.is_none())
    {
        return None;
    }
    if let Some(act) = register.acts.iter().find(|act| act.denied.is_some()) {
        return Some(Held::No(act.says(register)));
    }
    let (mut writers, mut swaps) = (vec![NONE; register.values()], vec![NONE; register.values()]);
    for (place, act) in register.acts.iter().enumerate() {
        if let Some(wrote) = act.wrote {
            writers[wrote as usize] = place as u32;
        }
        if let (Some(saw), Some(_)) = (act.saw, act.wrote) {
            let other = std::mem::replace(&mut swaps[saw as usize], place as u32);
            if other != NONE {
                return Some(Held::No(format!(
                    "two compare-and-sets from {} succeeded, which was there once",
                    register.value(saw)
                )));
            }
        }
    }
    let phantom = register.acts.iter().find(|act| {
        act.saw
            .is_some_and(|saw| saw != INITIAL && writers[saw as usize] == NONE)
    });
    if let Some(phantom) = phantom {
        return Some(Held::No(format!(
            "{}, which nobody wrote",
            phantom.says(register)
        )));
    }
    // The piece that each value is in, and its place there; pieces that are tied by compare-and-sets are one.
    let mut pieces = vec![(NONE, 0); register.values()];
    let mut count = 0;
    for head in 0..register.values() as u32 {
        let begins = head == INITIAL
            || (writers[head as usize] != NONE
                && register.acts[writers[head as usize] as usize].saw.is_none());
        if !begins {
            continue;
        }
        let (mut value, mut place) = (head, 0);
        loop {
            pieces[value as usize] = (count, place);
            match swaps[value as usize] {
                NONE => break,
                swap => value = register.acts[swap as usize].wrote.unwrap_or(value),
            }
            place += 1;
        }
        count += 1;
    }
    let cycle = || Some(Held::No("compare-and-sets succeeded in a circle".to_owned()));
    let mut edges: Vec<Vec<u32>> = vec![Vec::new(); count as usize];
    // Where each process was: the piece, the place in it, and whether more than the write is behind it.
    let mut last: FxHashMap<u64, (u32, u32, bool)> = FxHashMap::default();
    for act in &register.acts {
        let (piece, place) = pieces[act.wrote.or(act.saw).unwrap_or(INITIAL) as usize];
        if piece == NONE {
            return cycle();
        }
        let here = (piece, place, act.wrote.is_none());
        let before = if act.pending() {
            last.get(&act.operation.process).copied()
        } else {
            last.insert(act.operation.process, here)
        };
        let Some(before) = before else { continue };
        if before.0 != piece {
            edges[before.0 as usize].push(piece);
        } else if before > here {
            return Some(Held::No(format!(
                "{}, though process {} had been beyond that",
                act.says(register),
                act.operation.process
            )));
        }
    }
    // The initial value stands before all others.
    let first = pieces[INITIAL as usize].0;
    for piece in (0..count).filter(|&piece| piece != first) {
        edges[first as usize].push(piece);
    }
    Some(if acyclic(&edges) {
        Held::Yes
    } else {
        Held::No("no order of the writes agrees with what each process saw one after the other".to_owned())
    })
}

/// Whether a graph has no cycle.
fn acyclic(edges: &[Vec<u32>]) -> bool {
    let mut incoming = vec![0u32; edges.len()];
    for &to in edges.iter().flatten() {
        incoming[to as usize] += 1;
    }
    let mut ready: Vec<usize> = (0..edges.len()).filter(|&node| incoming[node] == 0).collect();
    let mut done = 0;
    while let Some(node) = ready.pop() {
        done += 1;
        for &to in &edges[node] {
            incoming[to as usize] -= 1;
            if incoming[to as usize] == 0 {
                ready.push(to as usize);
            }
        }
    }
    done == edges.len()
}

/// Decides any model by interleaving the processes.
pub(super) fn by_search<M: Model>(model: &M, operations: &[&Operation], budget: &Budget) -> Held {
    let mut processes: BTreeMap<u64, Vec<M::Action>> = BTreeMap::new();
    // Pending operations may come at any time after what their process had done, or never.
    let mut pending: Vec<(u64, usize, M::Action)> = Vec::new();
    for operation in operations {
        let action = match model.action(operation) {
            Ok(Some(action)) => action,
            Ok(None) => continue,
            Err(unsupported) => return Held::Unknown(unsupported.to_string()),
        };
        let process = processes.entry(operation.process).or_default();
        if operation.completion.outcome == Outcome::Info {
            if !model.pure(&action) {
                pending.push((operation.process, process.len(), action));
            }
        } else {
            process.push(action);
        }
    }
    let numbers: BTreeMap<u64, usize> = processes.keys().copied().zip(0..).collect();
    let mut search = Search {
        model,
        pending: pending
            .into_iter()
            .map(|(process, after, action)| (numbers[&process], after, action))
            .collect(),
        processes: processes.into_values().collect(),
        seen: FxHashSet::default(),
        meter: Meter::new(budget),
        held: 0,
    };
    let start = Place {
        positions: vec![0; search.processes.len()],
        used: vec![false; search.pending.len()],
        state: model.init(),
    };
    search.run(start)
}

/// How far each process is, which pending operations took effect, and the state.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Place<S> {
    positions: Vec<u32>,
    used: Vec<bool>,
    state: S,
}

struct Search<'a, M: Model> {
    model: &'a M,
    processes: Vec<Vec<M::Action>>,
    /// The process, how many of its operations come first, and what it asked for.
    pending: Vec<(usize, usize, M::Action)>,
    seen: FxHashSet<Place<M::State>>,
    meter: Meter<'a>,
    held: u64,
}

impl<M: Model> Search<'_, M> {
    fn run(&mut self, start: Place<M::State>) -> Held {
        let mut todo = vec![start];
        while let Some(mut place) = todo.pop() {
            self.settle(&mut place);
            let done = |(process, actions): (usize, &Vec<M::Action>)| {
                place.positions[process] as usize == actions.len()
            };
            if self.processes.iter().enumerate().all(done) {
                return Held::Yes;
            }
            if !self.seen.insert(place.clone()) {
                continue;
            }
            self.held += 2 * (5 * place.positions.len() + self.model.bytes(&place.state) + 64) as u64;
            if let Err(spent) = self.meter.charge(self.held) {
                return Held::Unknown(format!("{spent}"));
            }
            for (number, (process, after, action)) in self.pending.iter().enumerate() {
                let free = !place.used[number] && place.positions[*process] as usize >= *after;
                if let Some(state) = free.then(|| self.model.step(&place.state, action)).flatten()
                    && state != place.state
                {
                    let mut next = place.clone();
                    next.used[number] = true;
                    todo.push(Place { state, ..next });
                }
            }
            for (process, actions) in self.processes.iter().enumerate() {
                let action = actions.get(place.positions[process] as usize);
                if let Some(state) = action.and_then(|action| self.model.step(&place.state, action)) {
                    let mut next = place.clone();
                    next.positions[process] += 1;
                    todo.push(Place { state, ..next });
                }
            }
        }
        Held::No("no order of the operations agrees with that of each process".to_owned())
    }

    /// Lets everything take effect that changes nothing.
    fn settle(&self, place: &mut Place<M::State>) {
        for (process, actions) in self.processes.iter().enumerate() {
            while let Some(action) = actions.get(place.positions[process] as usize)
                && self.model.pure(action)
                && self.model.step(&place.state, action).as_ref() == Some(&place.state)
            {
                place.positions[process] += 1;
            }
        }
    }
}
