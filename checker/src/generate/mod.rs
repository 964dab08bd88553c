//! Histories out of nothing, for tests, benchmarks and curious users: simulated clients of a correct object, who
//! may see one planted violation, and ways to corrupt what they saw.
//!
//! Everything follows from the seed.

mod plant;

use std::collections::VecDeque;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::history::{Event, EventKind, Function, Key, PRECONDITION_FAILED, Process, Value};
use crate::models::ModelName;
use plant::Step;

pub use plant::Plant;

/// What the clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// Reads and writes.
    Register,
    /// Reads, writes and compare-and-sets.
    CasRegister,
    /// Reads, writes, compare-and-sets and deletes.
    KeyValue,
    /// Appends of unique elements, and reads of the whole list.
    AppendList,
    /// Acquires of a lock, which fail while it is held, and releases.
    Mutex,
    /// Adds of unique elements, now and then a read of all, and a read of each key's set at the end.
    Set,
    /// Increments and reads.
    Counter,
}

impl Load {
    /// Every load.
    pub const ALL: [Load; 7] = [
        Load::Register,
        Load::CasRegister,
        Load::KeyValue,
        Load::AppendList,
        Load::Mutex,
        Load::Set,
        Load::Counter,
    ];

    /// The model for which its histories are legal.
    pub fn model(self) -> ModelName {
        match self {
            Load::Register => ModelName::Register,
            Load::CasRegister => ModelName::CasRegister,
            Load::KeyValue => ModelName::KeyValue,
            Load::AppendList => ModelName::AppendList,
            Load::Mutex => ModelName::Mutex,
            Load::Set => ModelName::Set,
            Load::Counter => ModelName::Counter,
        }
    }

    fn initial(self) -> Value {
        match self {
            Load::Mutex => Value::Bool(false),
            Load::Counter => Value::Int(0),
            Load::Set => Value::from(Vec::new()),
            _ => Value::Nil,
        }
    }
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
    /// How many of a thousand operations never learn their outcome. Half of them take effect; of a lock, only
    /// acquires go unknown, and none of these takes effect.
    pub unknown_permille: u64,
    /// A violation, planted in the middle; the history is linearizable without.
    pub plant: Option<Plant>,
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
            plant: None,
            seed: 0,
        }
    }
}

/// Makes the events of a history that is linearizable by construction, but for what is planted: each operation
/// takes effect at a random instant of its window.
pub fn linearizable(recipe: &Recipe) -> Vec<Event> {
    Generator::new(recipe).collect()
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
    /// What it has to do in a planted violation.
    step: Option<Step>,
}

/// Makes events one by one, so that a history may be longer than memory.
pub struct Generator {
    recipe: Recipe,
    rng: ChaCha8Rng,
    keys: Vec<Key>,
    states: Vec<Value>,
    /// Who holds each key's lock.
    holders: Vec<Option<u64>>,
    open: Vec<Open>,
    started: u64,
    unique: i64,
    next_process: u64,
    time: u64,
    events: VecDeque<Event>,
    recorded: u64,
    /// What is left of the planted violation.
    scene: VecDeque<Step>,
    /// Whether it has begun.
    on_stage: bool,
    /// The state that a later step of the scene refers to.
    remembered: Value,
    planted: Option<u64>,
    /// Keys that have to be read yet at the end, and whether that has begun; these reads always succeed.
    last_reads: usize,
    closing: bool,
}

impl Iterator for Generator {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        while self.events.is_empty() {
            if !self.step() {
                return None;
            }
        }
        self.events.pop_front()
    }
}

impl Generator {
    /// Begins a history.
    pub fn new(recipe: &Recipe) -> Self {
        let keys: Vec<Key> = (0..recipe.keys.max(1))
            .map(|key| Key::from(format!("k{key}")))
            .collect();
        let plant = recipe.plant.filter(|plant| plant.fits(recipe.load));
        Generator {
            recipe: recipe.clone(),
            rng: ChaCha8Rng::seed_from_u64(recipe.seed),
            states: vec![recipe.load.initial(); keys.len()],
            holders: vec![None; keys.len()],
            open: Vec::new(),
            started: 0,
            unique: 0,
            next_process: 0,
            time: 0,
            events: VecDeque::new(),
            recorded: 0,
            scene: plant.map(|plant| plant.scene(recipe.load)).unwrap_or_default(),
            on_stage: false,
            remembered: Value::Nil,
            planted: None,
            last_reads: if recipe.load == Load::Set { keys.len() } else { 0 },
            closing: false,
            keys,
        }
    }

    /// The index of the event that completes the planted violation, once it has been made.
    pub fn planted(&self) -> Option<u64> {
        self.planted
    }

    /// Lets one client invoke, take effect, or complete. False when all is done.
    fn step(&mut self) -> bool {
        let busy = self.open.len() as u64;
        if busy < self.recipe.clients.max(1) && self.started < self.recipe.operations {
            let process = self.new_process();
            self.invoke(process);
            return true;
        }
        if self.open.is_empty() {
            return self.read_at_last();
        }
        let chosen = self.rng.random_range(0..self.open.len());
        match self.open[chosen].done {
            None => self.take_effect(chosen),
            Some(_) => self.complete(chosen),
        }
        true
    }

    fn new_process(&mut self) -> u64 {
        self.next_process += 1;
        self.next_process - 1
    }

    /// What is left of the scene if the history was too short for it, and then the final reads.
    fn read_at_last(&mut self) -> bool {
        if self.continue_scene() {
            return true;
        }
        let Some(key) = self.last_reads.checked_sub(1) else {
            return false;
        };
        (self.last_reads, self.closing) = (key, true);
        let process = self.new_process();
        self.begin(process, Function::Read, key, Value::Nil, None);
        true
    }

    fn begin(&mut self, process: u64, f: Function, key: usize, argument: Value, step: Option<Step>) {
        let open = Open {
            process,
            f,
            key,
            argument,
            done: None,
            step,
        };
        let value = open.argument.clone();
        self.record(&open, EventKind::Invoke, value, None, None);
        self.open.push(open);
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
        self.events.push_back(Event {
            index: self.recorded,
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
        self.recorded += 1;
    }

    fn fresh(&mut self) -> Value {
        match self.recipe.values {
            Some(values) => Value::Int(self.rng.random_range(0..values.max(1)) as i64),
            None => self.unique(),
        }
    }

    /// A value that nobody else writes.
    fn unique(&mut self) -> Value {
        self.unique += 1;
        let above = self.recipe.values.map_or(0, |values| values as i64);
        Value::Int(self.unique + above)
    }

    fn invoke(&mut self, process: u64) {
        let half = self.started >= self.recipe.operations / 2;
        if half && !self.on_stage && self.continue_scene() {
            return;
        }
        self.started += 1;
        let key = self.rng.random_range(0..self.keys.len());
        let choice = self.rng.random_range(0..100);
        let (f, argument) = match self.recipe.load {
            Load::Mutex => (self.lock_or_unlock(process, key), Value::Nil),
            Load::Set if choice < 95 => (Function::Add, self.unique()),
            _ if choice < 50 || self.recipe.load == Load::Set => (Function::Read, Value::Nil),
            Load::Counter => (Function::Increment, Value::Int(self.rng.random_range(1..6))),
            Load::Register => (Function::Write, self.fresh()),
            Load::KeyValue if choice < 55 => (Function::Delete, Value::Nil),
            Load::CasRegister | Load::KeyValue if choice < 70 => (Function::Write, self.fresh()),
            Load::CasRegister | Load::KeyValue => {
                let expected = match self.recipe.values {
                    Some(_) => self.fresh(),
                    None => self.states[key].clone(),
                };
                (Function::Cas, Value::from(vec![expected, self.fresh()]))
            }
            Load::AppendList | Load::Set => (Function::Append, self.fresh()),
        };
        self.begin(process, f, key, argument, None);
    }

    /// Whoever holds a lock releases it.
    fn lock_or_unlock(&self, process: u64, key: usize) -> Function {
        if self.holders[key] == Some(process) {
            RELEASE.into()
        } else {
            ACQUIRE.into()
        }
    }

    /// Invokes the next step of the planted violation. False if there is none.
    fn continue_scene(&mut self) -> bool {
        let Some(step) = self.scene.pop_front() else {
            return false;
        };
        self.started += 1;
        self.on_stage = true;
        let (process, f, argument) = self.invocation(step);
        self.begin(process, f, plant::KEY, argument, Some(step));
        true
    }

    fn take_effect(&mut self, chosen: usize) {
        if let Some(step) = self.open[chosen].step {
            self.open[chosen].done = Some(self.perform(chosen, step));
            return;
        }
        let lock = self.recipe.load == Load::Mutex;
        let unknown = self.rng.random_range(0..1000) < self.recipe.unknown_permille
            && !(lock && self.open[chosen].f.name() == RELEASE)
            && !self.closing;
        // A client that does not know whether it holds the lock could never give it back.
        let happens = !unknown || (self.rng.random_bool(0.5) && !lock);
        let mut result = if happens {
            self.apply(chosen)
        } else {
            (EventKind::Info, Value::Nil, None)
        };
        if unknown {
            result = (EventKind::Info, self.open[chosen].argument.clone(), None);
        }
        self.open[chosen].done = Some(result);
    }

    /// Lets an operation take effect; how it completes.
    fn apply(&mut self, chosen: usize) -> (EventKind, Value, Option<Value>) {
        let open = &self.open[chosen];
        let state = &mut self.states[open.key];
        let mut result = (EventKind::Ok, open.argument.clone(), None);
        match (&open.f, &open.argument) {
            (Function::Write, value) => *state = value.clone(),
            (Function::Delete, _) => *state = Value::Nil,
            (Function::Append | Function::Add, value) => *state = with(state, value),
            (Function::Increment, Value::Int(more)) => *state = plus(state, *more),
            (Function::Cas, Value::List(pair)) if pair[0] == *state => *state = pair[1].clone(),
            (Function::Cas, _) => result = (EventKind::Fail, open.argument.clone(), Some(state.clone())),
            (Function::Read, _) => result.1 = state.clone(),
            (f, _) => {
                let acquires = f.name() == ACQUIRE;
                if acquires == (*state == Value::Bool(true)) {
                    result.0 = EventKind::Fail;
                } else {
                    *state = Value::Bool(acquires);
                    self.holders[open.key] = acquires.then_some(open.process);
                }
            }
        }
        result
    }

    fn complete(&mut self, chosen: usize) {
        let mut open = self.open.swap_remove(chosen);
        let Some((kind, value, observed)) = open.done.take() else {
            return;
        };
        let error = match kind {
            EventKind::Fail if open.f == Function::Cas => Some(PRECONDITION_FAILED),
            EventKind::Fail => Some("refused"),
            EventKind::Info => Some("timeout"),
            _ => None,
        };
        self.record(&open, kind, value, error, observed);
        if open.step.is_some() {
            if self.scene.is_empty() {
                self.planted = Some(self.recorded - 1);
            }
            if self.continue_scene() {
                return;
            }
        }
        if kind == EventKind::Info {
            open.process = self.new_process();
        }
        if self.started < self.recipe.operations {
            self.invoke(open.process);
        }
    }
}

const ACQUIRE: &str = "acquire";
const RELEASE: &str = "release";

/// A list with one more element.
fn with(list: &Value, element: &Value) -> Value {
    let list = match list {
        Value::List(list) => &list[..],
        _ => &[],
    };
    list.iter().chain([element]).cloned().collect::<Vec<_>>().into()
}

/// A sum.
fn plus(value: &Value, more: i64) -> Value {
    match value {
        Value::Int(value) => Value::Int(value + more),
        other => other.clone(),
    }
}
