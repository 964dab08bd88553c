//! Histories out of nothing, for tests, benchmarks and curious users: simulated clients of a correct object, who
//! may see one planted violation, and ways to corrupt what they saw.
//!
//! Everything follows from the seed.

mod object;
mod plant;

use std::collections::VecDeque;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::history::{Event, EventKind, Function, Key, Process, Value};
use crate::models::ModelName;
use object::{ACQUIRE, Asked, Done, GENERATE, LEASE, Object, RELEASE, RENEW, access, change_and_ask};
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
    /// Transactions of one or two reads and writes on registers, which are the recipe's keys.
    MultiRegister,
    /// Reads, writes, compare-and-sets and deletes, which all tell the version.
    VersionedRegister,
    /// Acquires of a lock, which fail while it is held, and releases.
    Mutex,
    /// The same; acquires tell a token.
    FencedLock,
    /// Acquires and renewals of a lease, which fail while another holds it, and releases.
    Lease,
    /// Enqueues and dequeues, until all queues are empty at the end.
    FifoQueue,
    /// The same, of a queue that is not in order.
    UnorderedQueue,
    /// Pushes and pops, until all stacks are empty at the end.
    Stack,
    /// Adds of unique elements, now and then a read of all, and a read of each key's set at the end.
    Set,
    /// Adds and removals of few elements, questions for one, and reads of all.
    LinearizableSet,
    /// Increments and reads.
    Counter,
    /// The same.
    LinearizableCounter,
    /// Asking for ids.
    UniqueIds,
}

impl Load {
    /// Every load.
    pub const ALL: [Load; 17] = [
        Load::Register,
        Load::CasRegister,
        Load::KeyValue,
        Load::AppendList,
        Load::MultiRegister,
        Load::VersionedRegister,
        Load::Mutex,
        Load::FencedLock,
        Load::Lease,
        Load::FifoQueue,
        Load::UnorderedQueue,
        Load::Stack,
        Load::Set,
        Load::LinearizableSet,
        Load::Counter,
        Load::LinearizableCounter,
        Load::UniqueIds,
    ];

    /// The model for which its histories are legal.
    pub fn model(self) -> ModelName {
        match self {
            Load::Register => ModelName::Register,
            Load::CasRegister => ModelName::CasRegister,
            Load::KeyValue => ModelName::KeyValue,
            Load::AppendList => ModelName::AppendList,
            Load::MultiRegister => ModelName::MultiRegister,
            Load::VersionedRegister => ModelName::VersionedRegister,
            Load::Mutex => ModelName::Mutex,
            Load::FencedLock => ModelName::FencedLock,
            Load::Lease => ModelName::Lease,
            Load::FifoQueue => ModelName::FifoQueue,
            Load::UnorderedQueue => ModelName::UnorderedQueue,
            Load::Stack => ModelName::Stack,
            Load::Set => ModelName::Set,
            Load::LinearizableSet => ModelName::LinearizableSet,
            Load::Counter => ModelName::Counter,
            Load::LinearizableCounter => ModelName::LinearizableCounter,
            Load::UniqueIds => ModelName::UniqueIds,
        }
    }

    /// Whether clients write values that a recipe may draw from a few ([`Recipe::values`]).
    pub fn draws_values(self) -> bool {
        let always_unique = matches!(
            self,
            Load::AppendList | Load::Set | Load::LinearizableSet | Load::UniqueIds
        );
        !(always_unique || self.takes() || self.locks() || self.counts())
    }

    /// Whether it is about who holds something.
    fn locks(self) -> bool {
        matches!(self, Load::Mutex | Load::FencedLock | Load::Lease)
    }

    /// Whether it is about a sum.
    fn counts(self) -> bool {
        matches!(self, Load::Counter | Load::LinearizableCounter)
    }

    /// Whether values are put in and taken out.
    fn takes(self) -> bool {
        matches!(self, Load::FifoQueue | Load::UnorderedQueue | Load::Stack)
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
    /// Writes draw from this many values; none, or where the load does not draw any ([`Load::draws_values`]): every
    /// written value is unique.
    pub values: Option<u64>,
    /// How many of a thousand operations never learn their outcome. Half of them take effect. Of a lock, only
    /// acquires go unknown, and none of these takes effect; of queues and stacks, only what puts in goes unknown.
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
    done: Option<Done>,
    /// What it has to do in a planted violation.
    step: Option<Step>,
}

/// Makes events one by one, so that a history may be longer than memory.
pub struct Generator {
    recipe: Recipe,
    rng: ChaCha8Rng,
    keys: Vec<Key>,
    objects: Vec<Object>,
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
    /// The states or values that later steps of the scene refer to.
    remembered: Value,
    second: Value,
    planted: Option<u64>,
    /// Keys that have to be read or emptied yet at the end, and whether that has begun; then nothing goes unknown.
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
        let load = recipe.load;
        let keys: Vec<Key> = (0..recipe.keys.max(1))
            .map(|key| Key::from(format!("k{key}")))
            .collect();
        // Transactions are on one object, whose registers the keys are; and all ids come from one place.
        let single = matches!(load, Load::MultiRegister | Load::UniqueIds);
        let objects = vec![Object::new(load, keys.len()); if single { 1 } else { keys.len() }];
        let plant = recipe.plant.filter(|plant| plant.fits(recipe.load));
        Generator {
            recipe: recipe.clone(),
            rng: ChaCha8Rng::seed_from_u64(recipe.seed),
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
            second: Value::Nil,
            planted: None,
            last_reads: if load == Load::Set || load.takes() {
                keys.len()
            } else {
                0
            },
            closing: false,
            objects,
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
            if self.closing && self.recipe.load.takes() && self.recipe.plant == Some(Plant::LostWrite) {
                // That it is lost shows only when everything else has been taken out.
                self.planted = Some(self.recorded - 1);
            }
            return false;
        };
        (self.last_reads, self.closing) = (key, true);
        let process = self.new_process();
        let (_, ask) = change_and_ask(self.recipe.load);
        self.begin(process, ask, key, Value::Nil, None);
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
        let asked = Done {
            kind: EventKind::Invoke,
            ..Done::ok(open.argument.clone())
        };
        self.record(&open, asked);
        self.open.push(open);
    }

    fn record(&mut self, open: &Open, done: Done) {
        let Done {
            kind,
            value,
            error,
            observed,
            version,
        } = done;
        self.time += self.rng.random_range(1_000..100_000u64);
        let single = self.objects.len() < self.keys.len() || self.recipe.load == Load::MultiRegister;
        self.events.push_back(Event {
            index: self.recorded,
            time: self.time,
            process: Process::Client(open.process),
            node: None,
            kind,
            f: open.f.clone(),
            key: (!single).then(|| Key::clone(&self.keys[open.key])),
            value,
            error: error.map(Into::into),
            observed,
            version,
            quorum: None,
        });
        self.recorded += 1;
    }

    fn fresh(&mut self) -> Value {
        match self.recipe.values.filter(|_| self.recipe.load.draws_values()) {
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
        let key = self.rng.random_range(0..self.objects.len());
        let (f, argument) = self.invent(process, key);
        self.begin(process, f, key, argument, None);
    }

    /// What a client asks for next.
    fn invent(&mut self, process: u64, key: usize) -> (Function, Value) {
        let choice = self.rng.random_range(0..100);
        let load = self.recipe.load;
        let (change, ask) = change_and_ask(load);
        match load {
            Load::Mutex | Load::FencedLock | Load::Lease => self.lock_or_unlock(process, key, choice),
            Load::MultiRegister => (Function::Txn, self.transaction()),
            Load::UniqueIds => (GENERATE.into(), Value::Nil),
            Load::Set if choice < 95 => (Function::Add, self.unique()),
            Load::LinearizableSet if choice < 70 => {
                // Below all that are unique.
                let element = Value::Int(-self.rng.random_range(1..=ELEMENTS));
                let f = ["add", "remove", "contains"][self.rng.random_range(0..3)];
                (f.into(), element)
            }
            _ if choice < 50 || matches!(load, Load::Set | Load::LinearizableSet) => (ask, Value::Nil),
            _ if load.counts() => (change, Value::Int(self.rng.random_range(1..6))),
            Load::KeyValue | Load::VersionedRegister if choice < 55 => (Function::Delete, Value::Nil),
            Load::CasRegister | Load::KeyValue | Load::VersionedRegister if choice >= 70 => {
                let expected = match self.recipe.values {
                    Some(_) => self.fresh(),
                    None => self.objects[key].state.clone(),
                };
                (Function::Cas, Value::from(vec![expected, self.fresh()]))
            }
            _ => (change, self.fresh()),
        }
    }

    /// Whoever holds a lock releases it; whoever holds a lease may renew it as well.
    fn lock_or_unlock(&self, process: u64, key: usize, choice: u32) -> (Function, Value) {
        let mine = self.objects[key].holder == Some(process);
        let f = match (mine, self.recipe.load) {
            (true, Load::Lease) if choice < 60 => RENEW,
            (true, _) => RELEASE,
            (false, _) => ACQUIRE,
        };
        let length = if self.recipe.load == Load::Lease && f != RELEASE {
            Value::Int(LEASE)
        } else {
            Value::Nil
        };
        (f.into(), length)
    }

    /// A read or a write of one register, or of two.
    fn transaction(&mut self) -> Value {
        let registers = self.keys.len();
        let first = self.rng.random_range(0..registers);
        let second = (first + 1 + self.rng.random_range(0..registers)) % registers;
        let mut steps = Vec::new();
        for register in [first, second] {
            if !steps.is_empty() && (register == first || self.rng.random_bool(0.5)) {
                continue;
            }
            steps.push(if self.rng.random_bool(0.5) {
                access("read", register, Value::Nil)
            } else {
                access("write", register, self.fresh())
            });
        }
        steps.into()
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
        let load = self.recipe.load;
        let f = &self.open[chosen].f;
        // A client that does not know whether it holds the lock could never give it back.
        let lock = matches!(load, Load::Mutex | Load::FencedLock);
        let always_known =
            (lock && f.name() == RELEASE) || (load.takes() && *f == change_and_ask(load).1) || self.closing;
        let unknown = self.rng.random_range(0..1000) < self.recipe.unknown_permille && !always_known;
        let happens = !unknown || (self.rng.random_bool(0.5) && !lock);
        let done = happens.then(|| self.apply(chosen));
        self.open[chosen].done = done
            .filter(|_| !unknown)
            .or_else(|| Some(Done::unknown(self.open[chosen].argument.clone())));
    }

    /// Lets an operation take effect; how it completes.
    fn apply(&mut self, chosen: usize) -> Done {
        let Open {
            process,
            f,
            key,
            argument,
            ..
        } = &self.open[chosen];
        self.objects[*key].apply(&Asked {
            load: self.recipe.load,
            process: *process,
            f,
            argument,
            now: self.time,
        })
    }

    fn complete(&mut self, chosen: usize) {
        let mut open = self.open.swap_remove(chosen);
        let Some(done) = open.done.take() else { return };
        let kind = done.kind;
        self.record(&open, done);
        if self.closing && self.recipe.load.takes() && kind == EventKind::Ok {
            // There may be more.
            self.last_reads += 1;
        }
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

/// From how many elements clients of a set choose.
const ELEMENTS: i64 = 6;
