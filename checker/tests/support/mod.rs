//! Random small histories, and an oracle that follows the definition of linearizability to the letter: it tries
//! every order. It shares no code with the checker.
#![allow(dead_code)]

pub mod plays;

use perjury_checker::history::PRECONDITION_FAILED;
use perjury_checker::{Event, EventKind, Function, History, Operation, Outcome, Process, Value};

/// SplitMix64 (Steele, Lea and Flood, 2014).
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Register,
    CasRegister,
    AppendList,
    KeyValue,
}

/// What kind of histories to draw.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub kind: Kind,
    pub processes: u64,
    pub operations: u64,
    /// Written values are unique, or drawn from this many.
    pub values: Option<u64>,
    pub info_percent: u64,
    /// How often a result is replaced by another one.
    pub lie_percent: u64,
    /// Whether failed compare-and-sets tell what they saw: never, always, or now and then.
    pub observed_percent: u64,
    pub fail_percent: u64,
}

struct Open {
    process: u64,
    f: Function,
    argument: Value,
    result: Option<(EventKind, Value, Option<Value>)>,
}

fn int(value: u64) -> Value {
    Value::Int(value as i64)
}

/// Draws a history: operations that take effect at random instants of their windows on one object, and now and
/// then answer something else than what happened.
pub fn draw(shape: &Shape, rng: &mut Rng) -> History {
    let mut events = Vec::new();
    let mut state = Value::Nil;
    let mut open: Vec<Open> = Vec::new();
    let mut idle: Vec<u64> = (0..shape.processes).collect();
    let (mut started, mut unique, mut next_process) = (0, 1, shape.processes);
    let mut index = 0;
    let mut record =
        |process, kind, f: &Function, value: Value, error: Option<&str>, observed: Option<Value>| {
            events.push(Event {
                index,
                time: index * 1000,
                process: Process::Client(process),
                node: None,
                kind,
                f: f.clone(),
                key: None,
                value,
                error: error.map(Into::into),
                observed,
                version: None,
                quorum: None,
            });
            index += 1;
        };
    while started < shape.operations || !open.is_empty() {
        let begin = started < shape.operations && !idle.is_empty() && (open.is_empty() || rng.chance(50));
        if begin {
            let process = idle.swap_remove(rng.below(idle.len() as u64) as usize);
            let mut fresh = |rng: &mut Rng| match shape.values {
                None => {
                    unique += 1;
                    int(unique)
                }
                Some(values) => int(rng.below(values) + 1),
            };
            let known = |rng: &mut Rng, state: &Value, high: u64| {
                if rng.chance(60) {
                    state.clone()
                } else {
                    int(rng.below(high) + 1)
                }
            };
            let high = shape.values.unwrap_or(started + 2);
            let text = |value: &Value| match value {
                Value::Int(value) if shape.kind == Kind::KeyValue => Value::from(&*format!("{value}")),
                other => other.clone(),
            };
            let (f, argument) = match (shape.kind, rng.below(10)) {
                (Kind::Register, 0..5) => (Function::Write, fresh(rng)),
                (Kind::CasRegister, 0..3) => (Function::Write, fresh(rng)),
                (Kind::CasRegister, 3..7) => {
                    let pair = vec![known(rng, &state, high), fresh(rng)];
                    (Function::Cas, Value::from(pair))
                }
                (Kind::AppendList, 0..5) => (Function::Append, fresh(rng)),
                (Kind::KeyValue, 0..2) => (Function::Write, text(&fresh(rng))),
                (Kind::KeyValue, 2..5) => (Function::Append, text(&fresh(rng))),
                (Kind::KeyValue, 5) => (Function::Delete, Value::Nil),
                (Kind::KeyValue, 6) => {
                    let pair = vec![text(&known(rng, &state, high)), text(&fresh(rng))];
                    (Function::Cas, Value::from(pair))
                }
                _ => (Function::Read, Value::Nil),
            };
            started += 1;
            record(process, EventKind::Invoke, &f, argument.clone(), None, None);
            open.push(Open {
                process,
                f,
                argument,
                result: None,
            });
            continue;
        }
        let choice = rng.below(open.len() as u64) as usize;
        if open[choice].result.is_none() {
            let result = effect(&open[choice], &mut state, shape, rng);
            open[choice].result = Some(result);
            if rng.chance(70) {
                continue;
            }
        }
        let Some(done) =
            (rng.chance(70) || open.len() as u64 == shape.processes).then(|| open.swap_remove(choice))
        else {
            continue;
        };
        let (kind, value, observed) = done.result.unwrap();
        let differs = kind == EventKind::Fail && done.f == Function::Cas && value == Value::Bool(false);
        let value = if differs { done.argument.clone() } else { value };
        let error = if differs { Some(PRECONDITION_FAILED) } else { None };
        if kind == EventKind::Info {
            if rng.chance(50) {
                record(done.process, kind, &done.f, done.argument, Some("timeout"), None);
            }
            idle.push(next_process);
            next_process += 1;
        } else {
            record(done.process, kind, &done.f, value, error, observed);
            idle.push(done.process);
        }
    }
    History::from_events(events).unwrap()
}

fn effect(open: &Open, state: &mut Value, shape: &Shape, rng: &mut Rng) -> (EventKind, Value, Option<Value>) {
    if rng.chance(shape.fail_percent) {
        return (EventKind::Fail, open.argument.clone(), None);
    }
    let lies = rng.chance(shape.lie_percent);
    if rng.chance(shape.info_percent) {
        if rng.chance(50)
            && let Some(next) = apply(state, &open.f, &open.argument)
        {
            *state = next;
        }
        return (EventKind::Info, Value::Nil, None);
    }
    let other = |rng: &mut Rng| int(rng.below(shape.values.unwrap_or(4) + 1));
    match open.f {
        Function::Read if lies => {
            let lie = match (&*state, rng.below(3)) {
                (Value::List(elements), 0) if !elements.is_empty() => {
                    elements[..elements.len() - 1].to_vec().into()
                }
                (Value::List(elements), 1) => {
                    let mut elements = elements.to_vec();
                    elements.push(other(rng));
                    elements.into()
                }
                (Value::List(elements), _) => elements.iter().rev().cloned().collect::<Vec<_>>().into(),
                (Value::Text(text), 0) => Value::from(&text[..text.len().saturating_sub(1)]),
                _ => other(rng),
            };
            (EventKind::Ok, lie, None)
        }
        Function::Read => (EventKind::Ok, state.clone(), None),
        Function::Cas => {
            let next = apply(state, &open.f, &open.argument);
            match (next, lies) {
                (Some(next), false) => {
                    *state = next;
                    (EventKind::Ok, open.argument.clone(), None)
                }
                (None, true) => (EventKind::Ok, open.argument.clone(), None),
                (None, false) | (Some(_), true) => {
                    let observed = rng.chance(shape.observed_percent).then(|| state.clone());
                    (EventKind::Fail, Value::Bool(false), observed)
                }
            }
        }
        _ => match apply(state, &open.f, &open.argument) {
            Some(next) => {
                if !lies {
                    *state = next;
                }
                (EventKind::Ok, open.argument.clone(), None)
            }
            None => (EventKind::Fail, open.argument.clone(), None),
        },
    }
}

/// The state afterwards, if the effect is possible.
fn apply(state: &Value, f: &Function, argument: &Value) -> Option<Value> {
    match f {
        Function::Write => Some(argument.clone()),
        Function::Delete => Some(Value::Nil),
        Function::Read => Some(state.clone()),
        Function::Cas => match argument {
            Value::List(pair) if pair[0] == *state => Some(pair[1].clone()),
            _ => None,
        },
        Function::Append => match (state, argument) {
            (Value::Nil, element) => Some(vec![element.clone()].into()),
            (Value::List(list), element) => Some([&list[..], std::slice::from_ref(element)].concat().into()),
            (Value::Text(text), Value::Text(more)) => Some(Value::from(&*format!("{text}{more}"))),
            _ => None,
        },
        _ => None,
    }
}

/// Whether some subset of the unknown operations, together with all known ones, has an order that agrees with
/// real time and in which every result is right.
pub fn linearizable(operations: &[&Operation], empty_list_is_nil: bool) -> bool {
    linearizable_if(
        operations,
        &|operation| operation.completion.outcome != Outcome::Info,
        empty_list_is_nil,
    )
}

/// The same, if only these operations have to be in the order.
pub fn linearizable_if(
    operations: &[&Operation],
    required: &dyn Fn(&Operation) -> bool,
    empty_list_is_nil: bool,
) -> bool {
    let relevant: Vec<&Operation> = operations
        .iter()
        .copied()
        .filter(|operation| constrains(operation))
        .collect();
    ordered_if(&relevant, required, &Value::Nil, &|operation, state| {
        legal(operation, state, empty_list_is_nil)
    })
}

/// The same for any object: `step` gives the state afterwards, or none if the operation is not legal.
pub fn ordered(
    operations: &[&Operation],
    initial: &Value,
    step: &dyn Fn(&Operation, &Value) -> Option<Value>,
) -> bool {
    ordered_if(
        operations,
        &|operation| operation.completion.outcome != Outcome::Info,
        initial,
        step,
    )
}

fn ordered_if(
    operations: &[&Operation],
    required: &dyn Fn(&Operation) -> bool,
    initial: &Value,
    step: &dyn Fn(&Operation, &Value) -> Option<Value>,
) -> bool {
    assert!(operations.len() <= 32, "the oracle is for small histories");
    let set = |member: &dyn Fn(&Operation) -> bool| {
        let members = operations
            .iter()
            .enumerate()
            .filter(|(_, operation)| member(operation));
        members.fold(0, |set: u32, (index, _)| set | 1 << index)
    };
    let required = set(required);
    let windows = operations.iter().map(|operation| Window {
        before: required & set(&|other| other.returned() < operation.invoked.index),
        after: set(&|other| other.invoked.index > operation.returned()),
    });
    place(
        operations,
        &windows.collect::<Vec<_>>(),
        required,
        0,
        initial,
        step,
    )
}

fn constrains(operation: &Operation) -> bool {
    match operation.completion.outcome {
        Outcome::Ok => true,
        Outcome::Fail => operation.precondition_failed(),
        Outcome::Info => operation.f != Function::Read,
    }
}

/// Of one operation: the required ones that ended before it began, and those that began when it had ended.
struct Window {
    before: u32,
    after: u32,
}

/// Whether the operations that are not in `placed` can follow those that are. Sets are masks of positions.
fn place(
    operations: &[&Operation],
    windows: &[Window],
    required: u32,
    placed: u32,
    state: &Value,
    step: &dyn Fn(&Operation, &Value) -> Option<Value>,
) -> bool {
    if required & !placed == 0 {
        return true;
    }
    windows.iter().enumerate().any(|(index, window)| {
        let this = 1 << index;
        let in_time = placed & (this | window.after) == 0 && window.before & !placed == 0;
        in_time
            && step(operations[index], state)
                .is_some_and(|next| place(operations, windows, required, placed | this, &next, step))
    })
}

fn legal(operation: &Operation, state: &Value, empty: bool) -> Option<Value> {
    let same = |one: &Value, other: &Value| {
        let normal = |value: &Value| match value {
            Value::List(list) if empty && list.is_empty() => Value::Nil,
            other => other.clone(),
        };
        normal(one) == normal(other)
    };
    match (&operation.f, operation.completion.outcome) {
        (Function::Read, _) => same(&operation.completion.value, state).then(|| state.clone()),
        (Function::Cas, Outcome::Fail) => {
            let Value::List(pair) = &operation.argument else {
                return None;
            };
            let saw = operation
                .completion
                .observed
                .as_ref()
                .is_none_or(|observed| observed == state);
            (pair[0] != *state && saw).then(|| state.clone())
        }
        (f, _) => apply(state, f, &operation.argument),
    }
}
