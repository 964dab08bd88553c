//! Linearizability: every operation appears to take effect at one instant between its invocation and its
//! completion, and the effects in that order are what the sequential [`Model`] allows.

mod cells;
mod decide;
mod lists;
mod orders;
mod problem;
mod search;
mod story;
mod witness;
mod zones;

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::budget::Budget;
use crate::history::{History, Key, Operation};
use crate::models::{Model, Unsupported};
use crate::verdict::{Finding, Verdict, Witness};

use cells::CellSpec;
use decide::{Decide, Decided, Found};
use problem::{Numbered, Op};
use story::Teller;

/// How to check.
#[derive(Clone, Debug)]
pub struct Options {
    /// What the check may cost.
    pub budget: Budget,
    /// Keys that are checked at the same time. The finding does not depend on it.
    pub threads: NonZero<usize>,
    /// Which method decides.
    pub method: Method,
    /// Keys for which a violation is explained by a witness; further ones are counted.
    pub witnesses: usize,
}

impl Default for Options {
    /// The default budget, all cores, the cheapest method, and three witnesses.
    fn default() -> Self {
        let threads = std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
        Options {
            budget: Budget::default(),
            threads,
            method: Method::Cheapest,
            witnesses: 3,
        }
    }
}

/// Which method decides a key. All are exact: where one applies, it answers as the others do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// The cheapest that applies to the key.
    #[default]
    Cheapest,
    /// Always the search, which applies to everything.
    Search,
    /// Zones and chains where they apply; `unknown` elsewhere.
    Zones,
    /// The order of an append-only list where it applies; `unknown` elsewhere.
    Lists,
}

impl Method {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Method::Cheapest => "cheapest",
            Method::Search => "search",
            Method::Zones => "zones",
            Method::Lists => "lists",
        }
    }
}

/// What was decided about one key.
struct Judged {
    decision: Decision,
    method: &'static str,
    operations: u64,
    states: u64,
}

enum Decision {
    Valid,
    Invalid(Box<Witness>),
    Unknown(String),
}

/// Decides whether a history is linearizable for a model, key by key.
pub fn check<M: Model>(history: &History, model: &M, options: &Options) -> Finding {
    let keys = partition(history, model.partitioned());
    let judged = in_parallel(options.threads.get(), keys.len(), |index| {
        judge(&keys[index].1, keys[index].0, model, options)
    });
    let mut merged = Merged::default();
    for (result, (key, _)) in judged.into_iter().zip(&keys) {
        merged.add(result, *key, options.witnesses);
    }
    merged.finish(model.name(), keys.len())
}

/// The operations of each key, in the order of the keys' names.
fn partition(history: &History, partitioned: bool) -> Vec<(Option<&Key>, Vec<&Operation>)> {
    if !partitioned {
        return vec![(None, history.operations.iter().collect())];
    }
    let mut places: rustc_hash::FxHashMap<Option<&Key>, usize> = rustc_hash::FxHashMap::default();
    let mut keys: Vec<(Option<&Key>, Vec<&Operation>)> = Vec::new();
    for operation in &history.operations {
        let key = operation.key.as_ref();
        let place = *places.entry(key).or_insert_with(|| {
            keys.push((key, Vec::new()));
            keys.len() - 1
        });
        keys[place].1.push(operation);
    }
    keys.sort_unstable_by_key(|(key, _)| *key);
    keys
}

/// Calls `work` for each index on several threads; results in the order of the indexes.
fn in_parallel<T: Send>(threads: usize, count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    if threads <= 1 || count <= 1 {
        return (0..count).map(work).collect();
    }
    let turn = AtomicUsize::new(0);
    let done = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..threads.min(count) {
            scope.spawn(|| {
                loop {
                    let index = turn.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        return;
                    }
                    let result = work(index);
                    if let Ok(mut done) = done.lock() {
                        done.insert(index, result);
                    }
                }
            });
        }
    });
    done.into_inner().unwrap_or_default().into_values().collect()
}

fn judge<M: Model>(
    operations: &[&Operation],
    key: Option<&Key>,
    model: &M,
    options: &Options,
) -> Result<Judged, Unsupported> {
    let context = Context {
        operations,
        key,
        model,
        options,
    };
    match model.cell() {
        Some(cell) => {
            let (ops, mut spec) = CellSpec::compile(cell, operations.iter().copied())?;
            Ok(context.judge(&ops, &mut spec))
        }
        None => {
            let (ops, mut spec) = Numbered::compile(model, operations.iter().copied())?;
            Ok(context.judge(&ops, &mut spec))
        }
    }
}

/// One key, and how to check it.
struct Context<'a, M: Model> {
    operations: &'a [&'a Operation],
    key: Option<&'a Key>,
    model: &'a M,
    options: &'a Options,
}

impl<M: Model> Context<'_, M> {
    fn judge<S: Decide>(&self, ops: &[Op], spec: &mut S) -> Judged {
        let Decided {
            answer,
            method,
            states,
        } = spec.decide(ops, self.options.method, &self.options.budget);
        let decision = match answer {
            Found::Legal => Decision::Valid,
            Found::Illegal(evidence) => {
                let teller = Teller::new(self.operations, ops, self.model);
                let sources = |kernel: &[usize]| teller.sources(kernel);
                let kernel = witness::minimise(ops, spec, evidence, method, &self.options.budget, sources);
                Decision::Invalid(Box::new(teller.tell(&kernel, self.key)))
            }
            Found::Unknown(reason) => Decision::Unknown(reason),
        };
        Judged {
            decision,
            method: method.name(),
            operations: ops.len() as u64,
            states,
        }
    }
}

/// The keys' results, put together.
#[derive(Default)]
struct Merged<'k> {
    operations: u64,
    states: u64,
    methods: BTreeMap<&'static str, u64>,
    invalid: Vec<(Option<&'k Key>, Witness)>,
    unknown: Vec<String>,
}

impl<'k> Merged<'k> {
    fn add(&mut self, result: Result<Judged, Unsupported>, key: Option<&'k Key>, _witnesses: usize) {
        match result {
            Ok(judged) => {
                self.operations += judged.operations;
                self.states += judged.states;
                *self.methods.entry(judged.method).or_default() += 1;
                match judged.decision {
                    Decision::Valid => {}
                    Decision::Invalid(witness) => self.invalid.push((key, *witness)),
                    Decision::Unknown(reason) => self.unknown.push(match key {
                        Some(key) => format!("key {key}: {reason}"),
                        None => reason,
                    }),
                }
            }
            Err(unsupported) => self.unknown.push(unsupported.to_string()),
        }
    }

    fn finish(self, model: &str, keys: usize) -> Finding {
        let method = self
            .methods
            .iter()
            .map(|(method, keys)| format!("{method} ({keys})"))
            .collect::<Vec<_>>();
        let of = |count: usize| {
            if count == 1 {
                "1 key".to_owned()
            } else {
                format!("{count} keys")
            }
        };
        let verdict = match (self.invalid.len(), self.unknown.len()) {
            (0, 0) => Verdict::Valid,
            (0, _) => Verdict::Unknown,
            _ => Verdict::Invalid,
        };
        let mut witnesses: Vec<Witness> = self.invalid.into_iter().map(|(_, witness)| witness).collect();
        witnesses.sort_by_key(|witness| witness.operations.len());
        let sentence = match verdict {
            Verdict::Valid => format!(
                "All {} operations on {} are linearizable for the model {model}.",
                self.operations,
                of(keys)
            ),
            Verdict::Unknown => format!("Not decided: {}.", self.unknown.join("; ")),
            Verdict::Invalid => witnesses
                .first()
                .and_then(|witness| witness.story.last().cloned())
                .unwrap_or_default(),
        };
        Finding {
            property: "linearizability".to_owned(),
            verdict,
            sentence,
            method: method.join(", "),
            operations: self.operations,
            states: self.states,
            witnesses,
        }
    }
}
