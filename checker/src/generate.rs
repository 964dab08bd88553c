//! Histories out of nothing, for tests, benchmarks and curious users: simulated clients of a correct object, and
//! ways to corrupt what they saw.
//!
//! Everything follows from the seed.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::history::{Event, EventKind, Function, Key, PRECONDITION_FAILED, Process, Value};

/// What the clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// Reads and writes.
    Register,
    /// Reads, writes and compare-and-sets.
    CasRegister,
    /// Appends of unique elements, and reads of the whole list.
    AppendList,
}

/// What kind of history to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// What the clients do.
    pub load: Load,
    /// Operations in all.
    pub operations: u64,
    /// Clients that are always busy.
    pub clients: u64,
    /// Keys, each chosen alike.
    pub keys: u64,
    /// Writes draw from this many values; none: every written value is unique.
    pub values: Option<u64>,
    /// How many of a thousand operations never learn their outcome. Half of them take effect.
    pub unknown_permille: u64,
    /// Where everything follows from.
    pub seed: u64,
}

impl Default for Recipe {
    /// A thousand reads and writes of unique values by five clients on one key.
    fn default() -> Self {
        Recipe {
            load: Load::Register,
            operations: 1000,
            clients: 5,
            keys: 1,
            values: None,
            unknown_permille: 0,
            seed: 0,
        }
    }
}

/// Makes the events of a history that is linearizable by construction: each operation takes effect at a random
/// instant of its window.
pub fn linearizable(recipe: &Recipe) -> Vec<Event> {
    let mut world = World::new(recipe);
    while world.step() {}
    world.events
}

/// Makes one read lie: the read that completes first after the given share (in thousandths) of the events sees
/// what the read of the same key that completed `back` reads earlier saw. Returns the index of the event that
/// was changed; none if there is no such read, or if it makes no difference.
pub fn make_stale(events: &mut [Event], permille: u64, back: usize) -> Option<u64> {
    let start = (events.len() as u64 * permille.min(1000) / 1000) as usize;
    let is_read = |event: &&Event| event.kind == EventKind::Ok && event.f == Function::Read;
    let position = start + events[start..].iter().position(|event| is_read(&event))?;
    let key = events[position].key.clone();
    let earlier = events[..position]
        .iter()
        .rev()
        .filter(is_read)
        .filter(|event| event.key == key)
        .nth(back)?;
    let value = earlier.value.clone();
    let event = &mut events[position];
    let changes = event.value != value;
    event.value = value;
    changes.then_some(event.index)
}

struct Open {
    process: u64,
    f: Function,
    key: usize,
    argument: Value,
    done: Option<(EventKind, Value, Option<Value>)>,
}

struct World<'r> {
    recipe: &'r Recipe,
    rng: ChaCha8Rng,
    keys: Vec<Key>,
    states: Vec<Value>,
    open: Vec<Open>,
    started: u64,
    unique: i64,
    next_process: u64,
    time: u64,
    events: Vec<Event>,
}

impl<'r> World<'r> {
    fn new(recipe: &'r Recipe) -> Self {
        let keys: Vec<Key> = (0..recipe.keys.max(1))
            .map(|key| Key::from(format!("k{key}")))
            .collect();
        World {
            recipe,
            rng: ChaCha8Rng::seed_from_u64(recipe.seed),
            states: vec![Value::Nil; keys.len()],
            keys,
            open: Vec::new(),
            started: 0,
            unique: 0,
            next_process: 0,
            time: 0,
            events: Vec::with_capacity(2 * usize::try_from(recipe.operations).unwrap_or(0)),
        }
    }

    /// Lets one client invoke, take effect, or complete. False when all is done.
    fn step(&mut self) -> bool {
        let busy = self.open.len() as u64;
        if busy < self.recipe.clients.max(1) && self.started < self.recipe.operations {
            let process = self.next_process;
            self.next_process += 1;
            self.invoke(process);
            return true;
        }
        if self.open.is_empty() {
            return false;
        }
        let chosen = self.rng.random_range(0..self.open.len());
        match self.open[chosen].done {
            None => self.take_effect(chosen),
            Some(_) => self.complete(chosen),
        }
        true
    }

    fn record(
        &mut self,
        open: &Open,
        kind: EventKind,
        value: Value,
        error: Option<&str>,
        observed: Option<Value>,
    ) {
        self.time += self.rng.random_range(1_000..100_000u64);
        self.events.push(Event {
            index: self.events.len() as u64,
            time: self.time,
            process: Process::Client(open.process),
            node: None,
            kind,
            f: open.f.clone(),
            key: Some(Key::clone(&self.keys[open.key])),
            value,
            error: error.map(Into::into),
            observed,
            version: None,
        });
    }

    fn fresh(&mut self) -> Value {
        match self.recipe.values {
            Some(values) => Value::Int(self.rng.random_range(0..values.max(1)) as i64),
            None => {
                self.unique += 1;
                Value::Int(self.unique)
            }
        }
    }

    fn invoke(&mut self, process: u64) {
        self.started += 1;
        let key = self.rng.random_range(0..self.keys.len());
        let choice = self.rng.random_range(0..100);
        let (f, argument) = match self.recipe.load {
            _ if choice < 50 => (Function::Read, Value::Nil),
            Load::Register => (Function::Write, self.fresh()),
            Load::CasRegister if choice < 70 => (Function::Write, self.fresh()),
            Load::CasRegister => {
                let expected = match self.recipe.values {
                    Some(_) => self.fresh(),
                    None => self.states[key].clone(),
                };
                (Function::Cas, Value::from(vec![expected, self.fresh()]))
            }
            Load::AppendList => (Function::Append, self.fresh()),
        };
        let open = Open {
            process,
            f,
            key,
            argument,
            done: None,
        };
        let value = open.argument.clone();
        self.record(&open, EventKind::Invoke, value, None, None);
        self.open.push(open);
    }

    fn take_effect(&mut self, chosen: usize) {
        let unknown = self.rng.random_range(0..1000) < self.recipe.unknown_permille;
        let happens = !unknown || self.rng.random_bool(0.5);
        let open = &mut self.open[chosen];
        let state = &mut self.states[open.key];
        let mut result = (EventKind::Ok, open.argument.clone(), None);
        match (&open.f, &open.argument) {
            _ if !happens => {}
            (Function::Write, value) => *state = value.clone(),
            (Function::Append, value) => {
                let list = match state {
                    Value::List(list) => &list[..],
                    _ => &[],
                };
                *state = list.iter().chain([value]).cloned().collect::<Vec<_>>().into();
            }
            (Function::Cas, Value::List(pair)) if pair[0] == *state => *state = pair[1].clone(),
            (Function::Cas, _) => result = (EventKind::Fail, open.argument.clone(), Some(state.clone())),
            _ => result.1 = state.clone(),
        }
        if unknown {
            result = (EventKind::Info, open.argument.clone(), None);
        }
        open.done = Some(result);
    }

    fn complete(&mut self, chosen: usize) {
        let mut open = self.open.swap_remove(chosen);
        let Some((kind, value, observed)) = open.done.take() else {
            return;
        };
        let error = match kind {
            EventKind::Fail => Some(PRECONDITION_FAILED),
            EventKind::Info => Some("timeout"),
            _ => None,
        };
        self.record(&open, kind, value, error, observed);
        if kind == EventKind::Info {
            open.process = self.next_process;
            self.next_process += 1;
        }
        if self.started < self.recipe.operations {
            self.invoke(open.process);
        }
    }
}
