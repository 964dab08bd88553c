//! Checking while the history grows: the frontier, fed with events as they are recorded.
//!
//! What an operation did is only known once it has completed: a read's result, whether a write may be left out.
//! So an event is looked at as soon as all operations of its key that were invoked before it have completed, one
//! way or another, and a violation is proven at the latest one patience of a client after it can be seen.
//!
//! ```text
//!  process 0   [──── write 1 ────]                     all up to here is looked at when write 1 completes
//!  process 1       [─ read 0 ─] [─ read 0 ─ …          from here on it waits for the second read
//! ```
//!
//! The memory follows the concurrency: states and actions that nothing refers to any more are forgotten.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use rustc_hash::FxHashMap;

use super::frontier::{Frontier, Invoked, Stop};
use super::problem::{NEVER, Spec};
use crate::history::{Completion, Event, EventKind, Key, Moment, Operation, Outcome, Process};
use crate::models::Model;

/// A violation that was proven while the history was still growing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// The key; none where the model has a single object.
    pub key: Option<Key>,
    /// The completion after which no legal order is left, given how the operations in flight at that time ended.
    pub at: Moment,
}

/// Something that watches a history grow.
pub trait Watch: Send + fmt::Debug {
    /// Takes the next event; the answer is the first violation that is proven by now, if any, and stays the same
    /// from then on.
    fn feed(&mut self, event: &Event) -> Option<&Proven>;
}

/// Watches a history for the first proven violation of linearizability.
///
/// It never errs in what it calls proven; but it gives up on a key whose configurations become too many, or with
/// more than 128 operations in flight, and what it says nothing about is not proven right. The whole history,
/// given to [`check`](super::check), has the last word.
///
/// ```
/// use perjury_checker::linearizability::{Online, Watch};
/// use perjury_checker::models::Cell;
/// use perjury_checker::{Event, EventKind, Function, Process, Value};
///
/// let event = |index, process, kind, f: &str, value| Event {
///     index,
///     time: index * 1000,
///     process: Process::Client(process),
///     node: None,
///     kind,
///     f: Function::from(f),
///     key: None,
///     value,
///     error: None,
///     observed: None,
///     version: None,
///     quorum: None,
/// };
/// let mut online = Online::new(Cell::register());
/// assert!(online.feed(&event(0, 0, EventKind::Invoke, "write", Value::Int(1))).is_none());
/// assert!(online.feed(&event(1, 0, EventKind::Ok, "write", Value::Int(1))).is_none());
/// assert!(online.feed(&event(2, 1, EventKind::Invoke, "read", Value::Nil)).is_none());
/// let proven = online.feed(&event(3, 1, EventKind::Ok, "read", Value::Nil));
/// assert_eq!(proven.map(|proven| proven.at.index), Some(3));
/// ```
pub struct Online<M: Model> {
    model: std::sync::Arc<M>,
    keys: BTreeMap<Option<Key>, Object<M>>,
    /// The key of each process's open operation.
    open: BTreeMap<u64, Option<Key>>,
    proven: Option<Proven>,
}

/// The most configurations of one key, and the most that one event may try.
const MOST_CONFIGURATIONS: usize = 1024;
const MOST_PER_EVENT: u64 = 2048;
/// The most operations in flight on one key.
const WIDEST: usize = 128;
/// How many states and actions may be of no use any more before they are forgotten.
const LITTER: usize = 4096;

impl<M: Model> fmt::Debug for Online<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Online")
            .field("model", &self.model.name())
            .field("keys", &self.keys.len())
            .field("proven", &self.proven)
            .finish_non_exhaustive()
    }
}

impl<M: Model> Online<M> {
    /// Nothing has happened yet.
    pub fn new(model: M) -> Self {
        Online {
            model: std::sync::Arc::new(model),
            keys: BTreeMap::new(),
            open: BTreeMap::new(),
            proven: None,
        }
    }

    /// The first violation that is proven by now.
    pub fn proven(&self) -> Option<&Proven> {
        self.proven.as_ref()
    }

    fn take(&mut self, event: &Event) -> Option<Proven> {
        let Process::Client(process) = event.process else {
            return None;
        };
        let key = if event.kind == EventKind::Invoke {
            let key = event.key.clone().filter(|_| self.model.partitioned());
            self.open.insert(process, key.clone());
            key
        } else {
            self.open.remove(&process)?
        };
        let model = &self.model;
        let object = self.keys.entry(key.clone()).or_insert_with(|| Object::new(model));
        object.record(process, event);
        let at = object.advance()?;
        Some(Proven { key, at })
    }
}

impl<M: Model + Send> Watch for Online<M>
where
    M::State: Send,
    M::Action: Send,
{
    fn feed(&mut self, event: &Event) -> Option<&Proven> {
        if self.proven.is_none() {
            self.proven = self.take(event);
        }
        self.proven.as_ref()
    }
}

/// An operation that is not through yet.
struct Open {
    operation: Operation,
    complete: bool,
    /// Where it stands in the frontier, if it constrains the model and will not stay in flight for ever.
    slot: Option<u32>,
}

#[derive(Clone, Copy)]
enum Waiting {
    Invocation(u64),
    Completion(u64),
}

/// One key.
struct Object<M: Model> {
    spec: Living<M>,
    frontier: Frontier<2>,
    /// Events that cannot be looked at yet, by the number of their operation.
    waiting: VecDeque<Waiting>,
    operations: BTreeMap<u64, Open>,
    /// The open operation of each process.
    numbers: BTreeMap<u64, u64>,
    next: u64,
    pending: Vec<u32>,
    free: Vec<u32>,
    slots: u32,
    given_up: bool,
}

impl<M: Model> Object<M> {
    fn new(model: &std::sync::Arc<M>) -> Self {
        let mut spec = Living {
            model: std::sync::Arc::clone(model),
            states: Numbers::default(),
            actions: Numbers::default(),
        };
        let initial = spec.states.number(model.init());
        Object {
            spec,
            frontier: Frontier::new(&[initial], usize::MAX, false),
            waiting: VecDeque::new(),
            operations: BTreeMap::new(),
            numbers: BTreeMap::new(),
            next: 0,
            pending: Vec::new(),
            free: Vec::new(),
            slots: 0,
            given_up: false,
        }
    }

    fn record(&mut self, process: u64, event: &Event) {
        if self.given_up {
            return;
        }
        let at = Moment {
            index: event.index,
            time: event.time,
        };
        let outcome = match event.kind {
            EventKind::Invoke => {
                let number = self.next;
                self.next += 1;
                self.numbers.insert(process, number);
                self.waiting.push_back(Waiting::Invocation(number));
                let open = Open {
                    operation: invoked(process, event, at),
                    complete: false,
                    slot: None,
                };
                self.operations.insert(number, open);
                return;
            }
            EventKind::Ok => Outcome::Ok,
            EventKind::Fail => Outcome::Fail,
            EventKind::Info => Outcome::Info,
        };
        let Some(number) = self.numbers.remove(&process) else {
            return;
        };
        let Some(open) = self.operations.get_mut(&number) else {
            return;
        };
        open.complete = true;
        open.operation.completion = Completion {
            outcome,
            at: Some(at),
            value: event.value.clone(),
            error: event.error.clone(),
            observed: event.observed.clone(),
            version: event.version,
            quorum: None,
            node: event.node.clone(),
        };
        self.waiting.push_back(Waiting::Completion(number));
    }

    /// Looks at all events that can be looked at; gives the completion that no order survives.
    fn advance(&mut self) -> Option<Moment> {
        while let Some(&waiting) = self.waiting.front() {
            let (Waiting::Invocation(number) | Waiting::Completion(number)) = waiting;
            if !self.operations.get(&number).is_some_and(|open| open.complete) {
                return None;
            }
            self.waiting.pop_front();
            let done = match waiting {
                Waiting::Invocation(_) => self.invoke(number),
                Waiting::Completion(_) => self.complete(number),
            };
            match done {
                Ok(()) => {}
                Err(Stopped::Violation(at)) => return Some(at),
                Err(Stopped::GivenUp) => {
                    self.given_up = true;
                    self.waiting.clear();
                    self.operations.clear();
                    self.numbers.clear();
                    self.frontier = Frontier::new(&[], usize::MAX, false);
                    return None;
                }
            }
        }
        None
    }

    fn invoke(&mut self, number: u64) -> Result<(), Stopped> {
        let Some(open) = self.operations.get_mut(&number) else {
            return Ok(());
        };
        let action = self
            .spec
            .model
            .action(&open.operation)
            .map_err(|_| Stopped::GivenUp)?;
        let Some(action) = action else { return Ok(()) };
        let required = open.operation.completion.outcome != Outcome::Info;
        let pure = self.spec.model.pure(&action);
        if !required && pure {
            return Ok(());
        }
        let class = self.spec.actions.number(action);
        let returned = if required {
            open.operation.returned()
        } else {
            NEVER
        };
        if returned == NEVER {
            let known = self.pending.iter().position(|&other| other == class);
            let position = known.unwrap_or_else(|| {
                self.pending.push(class);
                self.frontier.announce(&self.spec, class, true, 1);
                self.pending.len() - 1
            });
            self.frontier.pend(position);
            return Ok(());
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots += 1;
            self.slots - 1
        });
        if slot as usize >= WIDEST {
            return Err(Stopped::GivenUp);
        }
        open.slot = Some(slot);
        self.frontier.invoke(
            &mut self.spec,
            Invoked {
                slot,
                class,
                returned,
                required,
            },
        );
        Ok(())
    }

    fn complete(&mut self, number: u64) -> Result<(), Stopped> {
        let Some(Open { operation, slot, .. }) = self.operations.remove(&number) else {
            return Ok(());
        };
        let Some(slot) = slot else { return Ok(()) };
        let mut tried = 0;
        let mut charge = |_| {
            tried += 1;
            tried <= MOST_PER_EVENT
        };
        match self.frontier.complete(&mut self.spec, slot, &mut charge) {
            Ok(()) => {}
            Err(Stop::Limit) => return Err(Stopped::GivenUp),
            Err(Stop::Empty) if self.frontier.was_cut() => return Err(Stopped::GivenUp),
            Err(Stop::Empty) => {
                return operation
                    .completion
                    .at
                    .map_or(Ok(()), |at| Err(Stopped::Violation(at)));
            }
        }
        self.free.push(slot);
        if self.frontier.size() > MOST_CONFIGURATIONS {
            return Err(Stopped::GivenUp);
        }
        self.tidy();
        Ok(())
    }

    /// Forgets states and actions that nothing refers to any more.
    fn tidy(&mut self) {
        if self.spec.states.values.len() > LITTER + 2 * self.frontier.size() {
            self.spec.states.keep(self.frontier.states());
            self.frontier.renumbered();
        }
        if self.spec.actions.values.len() > LITTER + 2 * (self.pending.len() + WIDEST) {
            self.spec
                .actions
                .keep(self.pending.iter_mut().chain(self.frontier.classes()));
        }
    }
}

/// Why a key is not watched any more.
enum Stopped {
    Violation(Moment),
    GivenUp,
}

fn invoked(process: u64, event: &Event, at: Moment) -> Operation {
    Operation {
        id: 0,
        process,
        f: event.f.clone(),
        key: event.key.clone(),
        argument: event.value.clone(),
        node: event.node.clone(),
        invoked: at,
        completion: Completion::pending(),
    }
}

/// Things and their numbers.
struct Numbers<T> {
    values: Vec<T>,
    numbers: FxHashMap<T, u32>,
}

impl<T> Default for Numbers<T> {
    fn default() -> Self {
        Numbers {
            values: Vec::new(),
            numbers: FxHashMap::default(),
        }
    }
}

impl<T: Clone + Eq + std::hash::Hash> Numbers<T> {
    fn number(&mut self, value: T) -> u32 {
        let Numbers { values, numbers } = self;
        *numbers.entry(value).or_insert_with_key(|value| {
            values.push(value.clone());
            values.len() as u32 - 1
        })
    }

    /// Keeps only what these numbers stand for, and gives it new ones.
    fn keep<'n>(&mut self, numbers: impl Iterator<Item = &'n mut u32>) {
        let mut kept = Numbers::default();
        for number in numbers {
            *number = kept.number(self.values[*number as usize].clone());
        }
        *self = kept;
    }
}

/// A model whose states and actions are numbered while something refers to them.
struct Living<M: Model> {
    model: std::sync::Arc<M>,
    states: Numbers<M::State>,
    actions: Numbers<M::Action>,
}

impl<M: Model> Spec for Living<M> {
    fn init(&self) -> u32 {
        0
    }

    fn step(&mut self, state: u32, class: u32) -> Option<u32> {
        let (state, action) = (
            &self.states.values[state as usize],
            &self.actions.values[class as usize],
        );
        let next = self.model.step(state, action)?;
        Some(self.states.number(next))
    }

    fn pure(&self, class: u32) -> bool {
        self.model.pure(&self.actions.values[class as usize])
    }

    fn blind(&self, class: u32) -> bool {
        self.model.blind(&self.actions.values[class as usize])
    }

    fn bytes(&self) -> u64 {
        let states = self.states.values.capacity() * (2 * size_of::<M::State>() + 8);
        let actions = self.actions.values.capacity() * (2 * size_of::<M::Action>() + 8);
        (states + actions) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::{Load, Recipe, linearizable, make_stale};
    use crate::history::History;
    use crate::linearizability::{Options, check};
    use crate::models::Cell;
    use crate::verdict::Verdict;

    /// What is proven online is proven by the events up to there; and what the whole history proves is proven
    /// online by its end.
    #[test]
    fn what_is_proven_early_is_what_the_history_proves() {
        let (mut proven, mut early, mut lost) = (0, 0, 0);
        for seed in 0..100 {
            let recipe = Recipe {
                load: [Load::Register, Load::CasRegister, Load::AppendList][seed as usize % 3],
                operations: 80,
                values: (seed % 2 == 0).then_some(3),
                unknown_permille: [0, 30, 0][seed as usize % 3],
                keys: 1 + seed % 2,
                seed,
                ..Recipe::default()
            };
            let cell = match recipe.load {
                Load::AppendList => Cell::append_list(),
                _ => Cell::cas_register(),
            };
            let mut events = linearizable(&recipe);
            if seed % 4 > 0 {
                make_stale(&mut events, 500, 2);
            }
            let judge = |events: &[Event]| {
                let history = History::from_events(events.iter().cloned()).expect("it is well-formed");
                check(&history, &cell, &Options::default()).verdict
            };
            let mut online = Online::new(cell.clone());
            let Some(end) = events.iter().position(|event| online.feed(event).is_some()) else {
                let given_up = online.keys.values().any(|object| object.given_up);
                assert!(given_up || judge(&events) == Verdict::Valid, "seed {seed}");
                lost += u32::from(given_up);
                continue;
            };
            assert_eq!(judge(&events[..=end]), Verdict::Invalid, "seed {seed}");
            assert!(
                online
                    .proven()
                    .is_some_and(|proven| proven.at.index <= events[end].index)
            );
            proven += 1;
            early += u32::from(end < events.len() * 9 / 10);
        }
        assert!(proven > 15 && early > 15 && lost < 20, "{proven} {early} {lost}");
    }

    #[test]
    fn what_is_over_is_forgotten() {
        let recipe = Recipe {
            operations: 60_000,
            ..Recipe::default()
        };
        let mut online = Online::new(Cell::register());
        for event in linearizable(&recipe) {
            assert_eq!(online.feed(&event), None);
        }
        let object = online.keys.values().next().expect("a key");
        assert!(!object.given_up && object.waiting.is_empty());
        assert!(
            object.spec.states.values.len() <= 2 * LITTER && object.spec.actions.values.len() <= 2 * LITTER
        );
        assert!(object.frontier.bytes() < 100_000 && object.operations.is_empty());
    }
}
