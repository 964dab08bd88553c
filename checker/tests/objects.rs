//! Sets, locks, versioned registers and objects that leave a choice, by every method, against an oracle that tries
//! every order.

mod support;

use std::collections::BTreeSet;

use perjury_checker::models::{
    FencedLock, Nondeterministic, NondeterministicModel, Set, Unsupported, VersionedRegister,
};
use perjury_checker::{EventKind, Function, History, Operation, Outcome, Value};
use support::Rng;
use support::plays::{Ended, Play, agree, draw, histories, legal};

/// A set that is changed and asked.
struct Elements {
    inside: BTreeSet<i64>,
    grows: bool,
    reads: bool,
    lie_percent: u64,
}

impl Play for Elements {
    fn invent(&mut self, rng: &mut Rng, count: u64, _: u64) -> (Function, Value) {
        let element = Value::Int(if self.grows {
            count as i64
        } else {
            rng.below(2) as i64
        });
        match rng.below(6) {
            0..2 => (Function::Add, element),
            2..4 if self.reads => (Function::Read, Value::Nil),
            _ if self.grows => (Function::Add, element),
            2 => (Function::Add, element),
            3 => ("remove".into(), element),
            _ => ("contains".into(), element),
        }
    }

    fn effect(&mut self, rng: &mut Rng, f: &Function, argument: &Value, _: u64) -> Ended {
        let lies = rng.chance(self.lie_percent);
        let element = if let Value::Int(element) = argument {
            *element
        } else {
            0
        };
        match f.name() {
            "add" if !self.grows && rng.chance(30) && self.inside.contains(&element) != lies => {
                (EventKind::Fail, argument.clone(), None)
            }
            "remove" if rng.chance(50) && self.inside.contains(&element) == lies => {
                (EventKind::Fail, argument.clone(), None)
            }
            "add" if !lies => {
                self.inside.insert(element);
                (EventKind::Ok, argument.clone(), None)
            }
            "remove" if !lies => {
                self.inside.remove(&element);
                (EventKind::Ok, argument.clone(), None)
            }
            "contains" => (
                EventKind::Ok,
                Value::Bool(self.inside.contains(&element) != lies),
                None,
            ),
            "read" => {
                let mut shown: Vec<Value> = self
                    .inside
                    .iter()
                    .rev()
                    .map(|&element| Value::Int(element))
                    .collect();
                if lies && !shown.is_empty() && rng.chance(70) {
                    shown.remove(rng.below(shown.len() as u64) as usize);
                } else if lies {
                    shown.push(Value::Int(rng.below(3) as i64));
                }
                (EventKind::Ok, shown.into(), None)
            }
            _ => (EventKind::Ok, argument.clone(), None),
        }
    }
}

fn contains(history: &History) -> bool {
    legal(history, vec![Vec::new().into()], &|operation, state| {
        let Value::List(inside) = state else {
            return Vec::new();
        };
        let element = &operation.argument;
        let is_in = inside.contains(element);
        let failed = operation.completion.outcome == Outcome::Fail;
        let with = |change: &dyn Fn(&mut BTreeSet<Value>)| {
            let mut inside: BTreeSet<Value> = inside.iter().cloned().collect();
            change(&mut inside);
            vec![inside.into_iter().collect::<Vec<_>>().into()]
        };
        let holds = match operation.f.name() {
            "add" if failed => is_in,
            "remove" if failed => !is_in,
            "add" => {
                return with(&|inside| {
                    inside.insert(element.clone());
                });
            }
            "remove" => {
                return with(&|inside| {
                    inside.remove(element);
                });
            }
            "contains" => operation.completion.value == Value::Bool(is_in),
            _ => {
                let Value::List(shown) = &operation.completion.value else {
                    return Vec::new();
                };
                let mut shown = shown.to_vec();
                shown.sort();
                shown[..] == inside[..]
            }
        };
        if holds { vec![state.clone()] } else { Vec::new() }
    })
}

#[test]
fn no_method_errs_on_sets() {
    for (seed, grows, reads) in [(7, true, true), (8, false, false), (9, false, true)] {
        let mut sets = |rng: &mut Rng| {
            let mut elements = Elements {
                inside: BTreeSet::new(),
                grows,
                reads,
                lie_percent: [0, 10, 30][rng.below(3) as usize],
            };
            let info_percent = [0, 10, 30][rng.below(3) as usize];
            draw(rng, &mut elements, info_percent)
        };
        let own = agree(&Set, seed, &mut sets, &contains, false);
        assert!(own * 10 > 9 * histories() || (reads && !grows), "{own}");
    }
}

/// A register that tells its versions.
struct Versions {
    value: i64,
    version: u64,
    lie_percent: u64,
    silent_percent: u64,
    swaps: bool,
}

impl Play for Versions {
    fn invent(&mut self, rng: &mut Rng, _: u64, _: u64) -> (Function, Value) {
        let value = |rng: &mut Rng| Value::Int(rng.below(3) as i64);
        match rng.below(10) {
            0..4 => (Function::Write, value(rng)),
            4..6 if self.swaps => (Function::Cas, vec![value(rng), value(rng)].into()),
            _ => (Function::Read, Value::Nil),
        }
    }

    fn effect(&mut self, rng: &mut Rng, f: &Function, argument: &Value, _: u64) -> Ended {
        let lies = rng.chance(self.lie_percent);
        let told = |rng: &mut Rng, version, percent| (!rng.chance(percent)).then_some(version);
        match (f, argument) {
            (Function::Read, _) => {
                let version = if lies {
                    rng.below(self.version + 1)
                } else {
                    self.version
                };
                let value = if lies && rng.chance(50) {
                    rng.below(3) as i64
                } else {
                    self.value
                };
                (
                    EventKind::Ok,
                    Value::Int(value),
                    told(rng, version, self.silent_percent),
                )
            }
            (Function::Cas, Value::List(pair)) if pair[0] != Value::Int(self.value) && !lies => (
                EventKind::Fail,
                argument.clone(),
                told(rng, self.version, self.silent_percent),
            ),
            (_, new) => {
                self.version += 1 + rng.below(2);
                let version = self.version;
                let new = if let Value::List(pair) = new {
                    &pair[1]
                } else {
                    new
                };
                if let (Value::Int(new), false) = (new, lies && rng.chance(50)) {
                    self.value = *new;
                }
                (
                    EventKind::Ok,
                    argument.clone(),
                    told(rng, version, self.silent_percent),
                )
            }
        }
    }
}

#[test]
fn no_method_errs_on_versioned_registers() {
    // More versions than any history makes.
    const VERSIONS: i64 = 24;
    let state = |value: &Value, version: i64| Value::from(vec![value.clone(), Value::Int(version)]);
    let oracle = |history: &History| {
        let initial = (-1..VERSIONS)
            .map(|version| state(&Value::Int(0), version))
            .collect();
        legal(history, initial, &|operation, current| {
            let Value::List(pair) = current else {
                return Vec::new();
            };
            let (value, Value::Int(version)) = (&pair[0], &pair[1]) else {
                return Vec::new();
            };
            let completion = &operation.completion;
            let told = completion.version.map(|version| version as i64);
            let same = told.is_none_or(|told| told == *version);
            let stays = |holds: bool| {
                if holds && same {
                    vec![current.clone()]
                } else {
                    Vec::new()
                }
            };
            let becomes = |value: &Value| {
                let next = (*version + 1..VERSIONS).filter(|next| told.is_none_or(|told| told == *next));
                next.map(|next| state(value, next)).collect()
            };
            match (&operation.f, &operation.argument) {
                (Function::Read, _) => stays(completion.value == *value),
                (Function::Cas, Value::List(pair)) if completion.outcome == Outcome::Fail => {
                    stays(pair[0] != *value)
                }
                (Function::Cas, Value::List(pair)) if pair[0] == *value => becomes(&pair[1]),
                (Function::Cas, _) => Vec::new(),
                (_, new) => becomes(new),
            }
        })
    };
    for (seed, swaps, silent_percent) in [(10, false, 0), (11, true, 0), (12, true, 40)] {
        let mut registers = |rng: &mut Rng| {
            let mut versions = Versions {
                value: 0,
                version: 0,
                lie_percent: [0, 10, 30][rng.below(3) as usize],
                silent_percent,
                swaps,
            };
            let info_percent = [0, 10, 30][rng.below(3) as usize];
            draw(rng, &mut versions, info_percent)
        };
        let model = VersionedRegister::new(Value::Int(0));
        let own = agree(&model, seed, &mut registers, &oracle, false);
        assert!(own * 2 > histories() || silent_percent > 0, "{own}");
    }
}

/// A lock with tokens.
struct Tokens {
    holder: Option<u64>,
    token: i64,
    lie_percent: u64,
    /// Whether each process holds the lock, as far as it knows.
    believes: BTreeSet<u64>,
}

impl Play for Tokens {
    fn invent(&mut self, rng: &mut Rng, _: u64, process: u64) -> (Function, Value) {
        let release = self.believes.remove(&process) || rng.chance(5);
        (if release { "release" } else { "acquire" }.into(), Value::Nil)
    }

    fn effect(&mut self, rng: &mut Rng, f: &Function, _: &Value, process: u64) -> Ended {
        let lies = rng.chance(self.lie_percent);
        match f.name() {
            "acquire" if self.holder.is_none() || lies => {
                self.token += rng.below(if lies { 2 } else { 3 }) as i64 + i64::from(!lies);
                self.holder = Some(process);
                self.believes.insert(process);
                let told = rng.chance(80);
                (
                    EventKind::Ok,
                    if told { Value::Int(self.token) } else { Value::Nil },
                    None,
                )
            }
            "release" if self.holder == Some(process) || lies => {
                self.holder = None;
                (EventKind::Ok, Value::Nil, None)
            }
            _ => (EventKind::Fail, Value::Nil, None),
        }
    }
}

#[test]
fn no_method_errs_on_fenced_locks() {
    const TOKENS: i64 = 40;
    let oracle = |history: &History| {
        let mut history = history.clone();
        // A lock that was refused says nothing.
        let happened = |operation: &Operation| operation.completion.outcome != Outcome::Fail;
        history.operations.retain(happened);
        // Below any that are told, with room for those that are not.
        let initial = vec![Value::from(vec![Value::Nil, Value::Int(-9)])];
        legal(&history, initial, &|operation, state| {
            let Value::List(pair) = state else {
                return Vec::new();
            };
            let (holder, Value::Int(last)) = (&pair[0], &pair[1]) else {
                return Vec::new();
            };
            let me = Value::Int(operation.process as i64);
            let state = |holder: Value, token| Value::from(vec![holder, Value::Int(token)]);
            match (operation.f.name(), &operation.completion.value) {
                ("acquire", Value::Int(token)) if *holder == Value::Nil && token > last => {
                    vec![state(me, *token)]
                }
                ("acquire", Value::Nil) if *holder == Value::Nil => {
                    (last + 1..TOKENS).map(|token| state(me.clone(), token)).collect()
                }
                ("release", _) if *holder == me => vec![state(Value::Nil, *last)],
                _ => Vec::new(),
            }
        })
    };
    let mut locks = |rng: &mut Rng| {
        let mut tokens = Tokens {
            holder: None,
            token: 1,
            lie_percent: [0, 5, 20][rng.below(3) as usize],
            believes: BTreeSet::new(),
        };
        let info_percent = [0, 10][rng.below(2) as usize];
        draw(rng, &mut tokens, info_percent)
    };
    agree(&FencedLock, 13, &mut locks, &oracle, false);
}

/// A die that is rolled without being looked at.
struct Die;

impl NondeterministicModel for Die {
    type State = i64;
    type Action = Value;

    fn name(&self) -> &str {
        "die"
    }

    fn init(&self) -> Vec<i64> {
        vec![0]
    }

    fn action(&self, operation: &Operation) -> Result<Option<Value>, Unsupported> {
        let completion = &operation.completion;
        Ok(match (operation.f.name(), completion.outcome) {
            ("roll", _) => Some(operation.argument.clone()),
            ("read", Outcome::Ok) => Some(vec![completion.value.clone()].into()),
            _ => None,
        })
    }

    fn step(&self, state: &i64, action: &Value) -> Vec<i64> {
        match action {
            Value::List(seen) => (seen[0] == Value::Int(*state))
                .then_some(*state)
                .into_iter()
                .collect(),
            // At most the argument further than before.
            Value::Int(most) => (*state..=state + most).collect(),
            _ => Vec::new(),
        }
    }

    fn describe(&self, state: &i64) -> Value {
        Value::Int(*state)
    }

    fn pure(&self, action: &Value) -> bool {
        matches!(action, Value::List(_))
    }
}

struct Rolls {
    value: i64,
    lie_percent: u64,
}

impl Play for Rolls {
    fn invent(&mut self, rng: &mut Rng, _: u64, _: u64) -> (Function, Value) {
        if rng.chance(50) {
            ("roll".into(), Value::Int(rng.below(3) as i64))
        } else {
            (Function::Read, Value::Nil)
        }
    }

    fn effect(&mut self, rng: &mut Rng, _: &Function, argument: &Value, _: u64) -> Ended {
        if let Value::Int(most) = argument {
            self.value += rng.below(*most as u64 + 1) as i64;
            return (EventKind::Ok, argument.clone(), None);
        }
        let lie = if rng.chance(self.lie_percent) {
            rng.below(3) as i64 - 1
        } else {
            0
        };
        (EventKind::Ok, Value::Int(self.value + lie), None)
    }
}

#[test]
fn no_method_errs_on_objects_that_leave_a_choice() {
    let oracle = |history: &History| {
        legal(history, vec![Value::Int(0)], &|operation, state| {
            let Value::Int(value) = state else {
                return Vec::new();
            };
            match operation.argument {
                Value::Int(most) => (*value..=value + most).map(Value::Int).collect(),
                _ if operation.completion.value == *state => vec![state.clone()],
                _ => Vec::new(),
            }
        })
    };
    let mut rolls = |rng: &mut Rng| {
        let lie_percent = [0, 20, 40][rng.below(3) as usize];
        let info_percent = [0, 10, 30][rng.below(3) as usize];
        draw(
            rng,
            &mut Rolls {
                value: 0,
                lie_percent,
            },
            info_percent,
        )
    };
    agree(&Nondeterministic(Die), 14, &mut rolls, &oracle, false);
}
