//! The objects that histories are made of: how they begin, what clients ask of them, and what happens then.

use super::Load;
use crate::history::{EventKind, Function, PRECONDITION_FAILED, Value};

pub(super) const ACQUIRE: &str = "acquire";
pub(super) const RENEW: &str = "renew";
pub(super) const RELEASE: &str = "release";
pub(super) const GENERATE: &str = "generate";

/// How long a lease lasts, in nanoseconds: a few dozen events.
pub(super) const LEASE: i64 = 2_000_000;

/// One object, whichever the load has.
#[derive(Clone, Debug)]
pub(super) struct Object {
    /// Its value; of queues, stacks and sets a list.
    pub state: Value,
    /// Who holds the lock or the lease.
    pub holder: Option<u64>,
    /// The last version, token or id.
    pub number: i64,
    /// Until when the lease lasts, in nanoseconds.
    pub until: u64,
}

/// How an operation completes.
#[derive(Clone, Debug)]
pub(super) struct Done {
    pub kind: EventKind,
    pub value: Value,
    pub error: Option<&'static str>,
    pub observed: Option<Value>,
    pub version: Option<u64>,
}

impl Done {
    pub(super) fn ok(value: Value) -> Self {
        Done {
            kind: EventKind::Ok,
            value,
            error: None,
            observed: None,
            version: None,
        }
    }

    pub(super) fn fail(value: Value, error: &'static str) -> Self {
        Done {
            kind: EventKind::Fail,
            error: Some(error),
            ..Done::ok(value)
        }
    }

    pub(super) fn unknown(value: Value) -> Self {
        Done {
            kind: EventKind::Info,
            error: Some("timeout"),
            ..Done::ok(value)
        }
    }
}

/// What a client asked for, and who that is.
pub(super) struct Asked<'a> {
    pub load: Load,
    pub process: u64,
    pub f: &'a Function,
    pub argument: &'a Value,
    /// The time, in nanoseconds.
    pub now: u64,
}

impl Object {
    pub(super) fn new(load: Load, registers: usize) -> Self {
        let state = match load {
            Load::Mutex => Value::Bool(false),
            Load::Counter | Load::LinearizableCounter => Value::Int(0),
            Load::MultiRegister => vec![Value::Nil; registers].into(),
            Load::Set | Load::LinearizableSet | Load::FifoQueue | Load::UnorderedQueue | Load::Stack => {
                Value::from(Vec::new())
            }
            _ => Value::Nil,
        };
        Object {
            state,
            holder: None,
            number: 0,
            until: 0,
        }
    }

    /// Lets an operation take effect; how it completes.
    pub(super) fn apply(&mut self, asked: &Asked) -> Done {
        let mut done = self.act(asked);
        if asked.load == Load::VersionedRegister {
            let changes = asked.f != &Function::Read && done.kind == EventKind::Ok;
            self.number += i64::from(changes);
            done.version = u64::try_from(self.number).ok();
        }
        done
    }

    fn act(&mut self, asked: &Asked) -> Done {
        let argument = asked.argument;
        let state = &mut self.state;
        let mut done = Done::ok(argument.clone());
        match (asked.f.name(), argument) {
            ("write", value) => *state = value.clone(),
            ("delete", _) => *state = Value::Nil,
            ("add", element) if asked.load == Load::LinearizableSet && has(state, element) => {}
            ("append" | "add" | "enqueue" | "push", value) => *state = with(state, value),
            ("increment", Value::Int(more)) => *state = plus(state, *more),
            ("cas", Value::List(pair)) if pair[0] == *state => *state = pair[1].clone(),
            ("cas", _) => {
                done = Done::fail(argument.clone(), PRECONDITION_FAILED);
                done.observed = (asked.load != Load::VersionedRegister).then(|| state.clone());
            }
            ("read", _) => done.value = state.clone(),
            ("remove", element) => *state = without(state, |other| other == element),
            ("contains", element) => done.value = Value::Bool(has(state, element)),
            ("txn", Value::List(steps)) => done.value = transact(state, steps),
            ("dequeue" | "pop", _) => done = self.take(asked.load),
            (GENERATE, _) => {
                self.number += 1;
                done.value = Value::Int(self.number);
            }
            _ => done = self.lock(asked),
        }
        done
    }

    /// What a queue or a stack hands out next.
    fn take(&mut self, load: Load) -> Done {
        let held = elements(&self.state);
        let place = match load {
            Load::FifoQueue => 0,
            Load::Stack => held.len().saturating_sub(1),
            _ => held.len() / 2,
        };
        match held.get(place).cloned() {
            Some(taken) => {
                self.state = held[..place]
                    .iter()
                    .chain(&held[place + 1..])
                    .cloned()
                    .collect::<Vec<_>>()
                    .into();
                Done::ok(taken)
            }
            None => Done::fail(Value::Nil, PRECONDITION_FAILED),
        }
    }

    /// Removes a value from a queue or a stack, wherever it is. False if it is not there.
    pub(super) fn withdraw(&mut self, value: &Value) -> bool {
        let there = has(&self.state, value);
        self.state = without(&self.state, |other| other == value);
        there
    }

    fn lock(&mut self, asked: &Asked) -> Done {
        let Asked {
            load,
            process,
            argument,
            now,
            ..
        } = *asked;
        let mine = self.holder == Some(process);
        let lasts = load != Load::Lease || self.until > now;
        let granted = match asked.f.name() {
            ACQUIRE => self.holder.is_none() || !lasts,
            RENEW => mine && lasts,
            _ if load == Load::Mutex => self.holder.is_some(),
            _ => mine,
        };
        if !granted {
            return Done::fail(Value::Nil, REFUSED);
        }
        let holds = asked.f.name() != RELEASE;
        self.holder = holds.then_some(process);
        let mut done = Done::ok(argument.clone());
        match (load, argument) {
            (Load::Mutex, _) => self.state = Value::Bool(holds),
            (Load::Lease, Value::Int(length)) if holds => self.until = now + length.unsigned_abs(),
            (Load::FencedLock, _) if holds => {
                self.number += 1;
                done.value = Value::Int(self.number);
            }
            _ => {}
        }
        done
    }
}

/// Why something failed that says no more than that.
pub(super) const REFUSED: &str = "refused";

/// The names of a load's function that changes the object, and of the one that asks it.
pub(super) fn change_and_ask(load: Load) -> (Function, Function) {
    let other = |name: &str| Function::from(name);
    match load {
        Load::AppendList => (Function::Append, Function::Read),
        Load::Set | Load::LinearizableSet => (Function::Add, Function::Read),
        Load::Counter | Load::LinearizableCounter => (Function::Increment, Function::Read),
        Load::MultiRegister => (Function::Txn, Function::Txn),
        Load::FifoQueue | Load::UnorderedQueue => (other("enqueue"), other("dequeue")),
        Load::Stack => (other("push"), other("pop")),
        Load::UniqueIds => (other(GENERATE), other(GENERATE)),
        Load::Mutex | Load::FencedLock | Load::Lease => (other(ACQUIRE), other(RELEASE)),
        Load::Register | Load::CasRegister | Load::KeyValue | Load::VersionedRegister => {
            (Function::Write, Function::Read)
        }
    }
}

/// A step of a transaction: `[read k0 nil]`, `[write k0 7]`.
pub(super) fn access(function: &str, register: usize, value: Value) -> Value {
    let name = Value::from(&*format!("k{register}"));
    vec![Value::from(function), name, value].into()
}

/// Carries out a transaction; its steps with what was read.
fn transact(state: &mut Value, steps: &[Value]) -> Value {
    let mut registers = elements(state).to_vec();
    let mut done = Vec::with_capacity(steps.len());
    for step in steps {
        let [Value::Text(function), Value::Text(name), value] = elements(step) else {
            continue;
        };
        let register = name[1..].parse().unwrap_or(0);
        if &**function == "read" {
            done.push(access("read", register, registers[register].clone()));
        } else {
            registers[register] = value.clone();
            done.push(step.clone());
        }
    }
    *state = registers.into();
    done.into()
}

pub(super) fn elements(list: &Value) -> &[Value] {
    match list {
        Value::List(list) => list,
        _ => &[],
    }
}

fn has(list: &Value, element: &Value) -> bool {
    elements(list).contains(element)
}

/// A list with one more element.
pub(super) fn with(list: &Value, element: &Value) -> Value {
    elements(list)
        .iter()
        .chain([element])
        .cloned()
        .collect::<Vec<_>>()
        .into()
}

/// A list without some elements.
fn without(list: &Value, out: impl Fn(&Value) -> bool) -> Value {
    let kept = elements(list).iter().filter(|element| !out(element));
    kept.cloned().collect::<Vec<_>>().into()
}

/// A sum.
pub(super) fn plus(value: &Value, more: i64) -> Value {
    match value {
        Value::Int(value) => Value::Int(value + more),
        other => other.clone(),
    }
}
