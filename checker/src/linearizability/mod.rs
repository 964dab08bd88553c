//! Linearizability: every operation appears to take effect at one instant between its invocation and its
//! completion, and the effects in that order are what the sequential [`Model`] allows (Herlihy and Wing, 1990).
//!
//! ```text
//!  time ─────────────────────────────────────────────────────────────▶
//!  process 0   [────── write 1 ──────]         [─ read → 2 ─]
//!  process 1        [─ read → 1 ─]   [── write 2 ──]
//!                  ▲    ▲               ▲         ▲
//!                  1    1               2         2      one choice of instants: linearizable
//! ```
//!
//! Three things make the question hard, and each has its place here:
//!
//! - **Overlap.** Of operations in flight together, any may be first. Deciding is NP-complete in general, so the
//!   methods below use what the history gives away.
//! - **Unknown outcomes.** An operation that timed out may have taken effect, may do so at any later time, or
//!   never. `process 0 [─ write 3 ─ …` stays in flight for ever.
//! - **Locality.** A history is linearizable exactly if its restriction to each key is; keys are checked apart
//!   and in parallel.
//!
//! # Methods
//!
//! All are exact. The cheapest that applies to a key decides it, unless [`Options::method`] insists on one.
//!
//! | method | applies to | cost | source |
//! |---|---|---|---|
//! | `lists` | append and read of lists or texts, each element appended once | linear in what was read | the list is its own history |
//! | `own` | queues, stacks and sets whose values are added once each; versioned registers; a model that brings one | O(n log n) | [`Model::decide`] |
//! | `zones` | read, write, compare-and-set, each value written once | O(n log n) | Gibbons and Korach, 1997 |
//! | `frontier` | everything | exponential in what is in flight at once; memory as well | just-in-time linearization: Lowe, 2017 |
//! | `search` | everything | exponential in what is in flight at once | Wing and Gong, 1993; Lowe, 2017 |
//!
//! **Zones.** Where every value is written once, each read names its write. A write and the reads of its value are a
//! *cluster*, which stands in one piece in any legal order. Between the earliest completion `f` and the latest
//! invocation `s` of a cluster lies its *zone*:
//!
//! ```text
//!  [─ write 1 ─]                                             f < s, a forward zone: all that time the
//!                f ├──────── zone of 1 ────────┤ s           value must be 1
//!                                              [─ read 1 ─]
//!                     [─ write 2 ─]
//!                       [─ read 2 ──]                        s < f, a backward zone: some instant in it
//!                       s ├─┤ f                              will do
//! ```
//!
//! There is a legal order exactly if no read completed before its write was invoked, no two forward zones overlap, and
//! no backward zone lies inside a forward one, as that of 2 does here: at any instant of it the value must be 1. A
//! compare-and-set from `a` to `b` chains the cluster of `b` to that of `a`, and a chain behaves as one cluster. A write
//! whose outcome is unknown counts if its value was seen, and is left out otherwise. Sorting the zones and sweeping over
//! them once takes O(n log n), however many operations are in flight, and however many of them are unknown. Where a
//! compare-and-set failed without telling what it saw, it is fitted into the order that the sweep gives; if it does not
//! fit there, the search has to look at other orders.
//!
//! **Lists** give their order away: every read shows the whole past. The longest list that was read is the order of
//! the appends, all other reads must be prefixes of it, and the order only has to be compared with real time.
//!
//! **Own** methods are those of a model ([`Model::decide`]). Queues, stacks and unordered queues into which each value is
//! put once are decided by the windows in which a value must be inside; sets by each element on its own or by what their
//! reads show; a versioned register by its versions. [`models`](crate::models) has them with their conditions.
//!
//! **Frontier.** Events are taken in their order, and the set of all *configurations* is kept that the history so far
//! allows: a state, and which of the operations in flight have taken effect in it.
//!
//! ```text
//!  process 0   [──── write 1 ────]
//!  process 1      [─ write 2 ─]
//!  process 2          [─ read 1 ──────]
//!                             ▲ write 2 completes, so it has taken effect: 2, or 2 and then 1, or 1 and then 2
//!                                ▲ write 1 completes: (1, read 1 done) remains, and (2), in which read 1 waits
//!                                     ▲ read 1 completes: only (1) remains. Were nothing left, the history would be
//!                                       illegal, whatever comes later
//! ```
//!
//! Reads take effect as soon as they are legal; of configurations of which one can do all that another can, only that
//! one is kept; operations that cannot be told apart are counted. The number of configurations is exponential in what
//! is in flight, at worst, but does not depend on the length of the history, so that the frontier also works while a
//! test is running ([`Online`]).
//!
//! **Search** goes depth-first through the same configurations and remembers those that it has seen. It finds one legal
//! order among many sooner than the frontier, and sees later that there is none.
//!
//! So the two are raced against each other, in slices of one [`Budget`], and the frontier first looks for cheap proofs
//! from both sides: if there is no order even though unknown operations could take effect as often as it helps, there is
//! none; and if a beam of a few configurations reaches the end, there is one. What is left when the budget is spent is
//! `unknown`, with how far it got: nothing is ever guessed.
//!
//! # Explanations
//!
//! An `invalid` key comes with a [`Witness`]: the first operation whose result no order explains, the fewest
//! operations that prove it, where the values in it come from, a story in a few sentences, and the longest
//! orders that work with the reason why each cannot go on. Taken at their word, the operations of a witness have
//! no legal order even if every other operation of the history is free to have taken effect in its window or
//! not; so nothing that was left out could excuse them.

mod appends;
mod cells;
mod configurations;
mod decide;
mod frontier;
mod lies;
mod linearization;
mod lists;
mod merge;
mod online;
mod orders;
mod pieces;
mod problem;
mod race;
mod search;
mod slots;
mod story;
mod straight;
mod witness;
mod zones;

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::budget::Budget;
use crate::history::{History, Key, Operation};
use crate::levels;
use crate::models::{Decision, Model, Refutation, Unsupported};
use crate::verdict::{Finding, Witness};

pub use linearization::{Flaw, Linearization, verify};
pub use online::{Online, Proven, Watch};

use cells::CellSpec;
use decide::{Decide, Decided, Evidence, Found};
use lies::Lie;
use linearization::verify_key;
use merge::{Judged, Merged};
use problem::{Numbered, Op};
use story::Teller;
use straight::Straight;

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
    /// Whether a valid history gives a legal order of each key ([`Finding::linearizations`]). Finding it may
    /// cost as much as deciding.
    pub linearizations: bool,
    /// Whether a violation tells which weaker properties the history still has ([`Finding::levels`]). That may cost
    /// more than deciding.
    pub levels: bool,
}

impl Default for Options {
    /// The default budget, all cores, the cheapest method, three witnesses, no linearizations, no levels.
    fn default() -> Self {
        let threads = std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
        Options {
            budget: Budget::default(),
            threads,
            method: Method::Cheapest,
            witnesses: 3,
            linearizations: false,
            levels: false,
        }
    }
}

/// Which method decides a key. All are exact: where one applies, it answers as the others do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// The cheapest that applies to the key.
    #[default]
    Cheapest,
    /// Always the depth-first search, which applies to everything.
    Search,
    /// Always the frontier, which applies to everything.
    Frontier,
    /// Zones and chains where they apply; `unknown` elsewhere.
    Zones,
    /// The order of an append-only list where it applies; `unknown` elsewhere.
    Lists,
    /// The model's own method where it has one that applies; `unknown` elsewhere.
    Own,
}

impl Method {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Method::Cheapest => "cheapest",
            Method::Search => "search",
            Method::Frontier => "frontier",
            Method::Zones => "zones",
            Method::Lists => "lists",
            Method::Own => "own",
        }
    }
}

/// Decides whether a history is linearizable for a model, key by key.
///
/// Operations of which nothing can be concluded (reads that failed or never completed, writes that failed) are
/// left out. A history with an operation that the model does not know is at best `unknown`.
pub fn check<M: Model>(history: &History, model: &M, options: &Options) -> Finding {
    let parts = parts(history, model, options);
    let threads = options.threads.get();
    let work = |place: usize| Work {
        part: &parts[place],
        model,
        options,
    };
    let mut merged = Merged::default();
    let judged = in_parallel(threads, parts.len(), |place| work(place).judge());
    for (judged, part) in judged.into_iter().zip(&parts) {
        merged.add(judged, part.key);
    }
    let invalid = merged.explainable(&parts, options.witnesses);
    let witnesses = in_parallel(threads, invalid.len(), |place| {
        let (part, evidence) = &invalid[place];
        work(*part).explain(evidence.clone())
    });
    let levels = if options.levels {
        let broken = merged.explainable(&parts, usize::MAX);
        let judged = in_parallel(threads, broken.len(), |place| {
            let Part { key, known, .. } = &parts[broken[place].0];
            // Whoever was decided by a pass over the history only has what explains the verdict.
            let whole: Vec<&Operation>;
            let operations = if known.is_some() {
                let of_key = |operation: &&Operation| operation.key.as_ref() == *key;
                whole = history.operations.iter().filter(of_key).collect();
                &whole
            } else {
                &parts[broken[place].0].operations
            };
            let name = key.map(|key| format!("{key}: ")).unwrap_or_default();
            (name, levels::of_key(operations, model, &options.budget))
        });
        levels::merge(&judged, merged.undecided())
    } else {
        Vec::new()
    };
    let finding = merged.finish(
        model.name(),
        parts.len(),
        witnesses.into_iter().flatten().collect(),
    );
    Finding { levels, ..finding }
}

/// A key of a history.
struct Part<'h> {
    key: Option<&'h Key>,
    /// Its operations, in the order of invocation; if a pass over the history has already decided it, only those
    /// that explain the verdict.
    operations: Vec<&'h Operation>,
    known: Option<Known>,
}

/// A key that was decided by a pass over the history.
struct Known {
    legal: bool,
    operations: u64,
}

/// The keys, in the order of their names.
fn parts<'h, M: Model>(history: &'h History, model: &M, options: &Options) -> Vec<Part<'h>> {
    let by_zones = matches!(options.method, Method::Cheapest | Method::Zones) && !options.linearizations;
    let cell = model.cell().filter(|_| by_zones && model.partitioned());
    let straight = cell.and_then(|cell| straight::judge(history, cell, options.threads.get()));
    let general = straight
        .as_ref()
        .is_none_or(|keys| keys.iter().any(|key| matches!(key.straight, Straight::General)));
    let whole = if general {
        partition(history, model.partitioned())
    } else {
        Vec::new()
    };
    let Some(straight) = straight else {
        let part = |(key, operations)| Part {
            key,
            operations,
            known: None,
        };
        return whole.into_iter().map(part).collect();
    };
    let mut whole = whole.into_iter();
    let part = |judged: straight::Judged<'h>| {
        let operations = whole.next().map(|(_, operations)| operations).unwrap_or_default();
        let (legal, operations) = match judged.straight {
            Straight::General => {
                return Part {
                    key: judged.key,
                    operations,
                    known: None,
                };
            }
            Straight::Legal => (true, Vec::new()),
            Straight::Illegal(suspects) => (false, suspects),
        };
        Part {
            key: judged.key,
            operations,
            known: Some(Known {
                legal,
                operations: judged.operations,
            }),
        }
    };
    straight.into_iter().map(part).collect()
}

/// One key, and how to check it.
struct Work<'a, M: Model> {
    part: &'a Part<'a>,
    model: &'a M,
    options: &'a Options,
}

impl<M: Model> Work<'_, M> {
    fn judge(&self) -> Result<Judged, Unsupported> {
        let Some(known) = &self.part.known else {
            return self.judge_all();
        };
        let answer = if known.legal {
            Found::Legal
        } else {
            match self.judge_all()?.decided.answer {
                Found::Illegal(evidence) => Found::Illegal(evidence),
                _ => Found::Unknown("a defect of the method zones: its evidence is none".to_owned()),
            }
        };
        Ok(Judged {
            decided: Decided {
                answer,
                method: Method::Zones,
                states: 0,
            },
            operations: known.operations,
            order: None,
        })
    }

    fn judge_all(&self) -> Result<Judged, Unsupported> {
        if let Some(judged) = self.judge_by_own_method() {
            return judged;
        }
        let all = self.part.operations.iter().copied();
        match self.model.cell() {
            Some(cell) => {
                let (mut ops, mut spec) = CellSpec::compile(cell, all)?;
                Ok(self.decide(&mut ops, &mut spec))
            }
            None => {
                let (mut ops, mut spec) = Numbered::compile(self.model, all)?;
                Ok(self.decide(&mut ops, &mut spec))
            }
        }
    }

    fn decide<S: Decide>(&self, ops: &mut [Op], spec: &mut S) -> Judged {
        let Options { method, budget, .. } = self.options;
        let mut decided = spec.decide(ops, *method, budget);
        Judged {
            order: self.order(ops, spec, &mut decided),
            decided,
            operations: ops.len() as u64,
        }
    }

    /// A legal order, by ids, where one is asked for and there is one.
    fn order<S: Decide>(&self, ops: &[Op], spec: &mut S, decided: &mut Decided) -> Option<Vec<usize>> {
        if !self.options.linearizations || decided.answer != Found::Legal {
            return None;
        }
        let mut order = spec.linearize(ops, decided.method, &self.options.budget);
        order
            .iter_mut()
            .flatten()
            .for_each(|index| *index = ops[*index].id);
        // What is handed out has been verified by the definition.
        if let Some(Err(flaw)) = order
            .as_ref()
            .map(|order| verify_key(&self.part.operations, self.model, order))
        {
            let reason = format!("a defect of the method {}: {flaw}", decided.method.name());
            decided.answer = Found::Unknown(reason);
        }
        order
    }

    /// By the model's own method; none if it has none that applies and others may be tried.
    fn judge_by_own_method(&self) -> Option<Result<Judged, Unsupported>> {
        let Options { method, budget, .. } = self.options;
        if !matches!(method, Method::Cheapest | Method::Own) {
            return None;
        }
        let answer = match self.model.decide(&self.part.operations, budget) {
            Some(Decision::Legal) => Found::Legal,
            Some(Decision::Illegal(refutation)) => Found::Illegal(Evidence {
                operations: Vec::new(),
                earliest: false,
                own: Some(refutation),
            }),
            None if *method == Method::Own => {
                Found::Unknown(format!("the method `{}` does not apply", method.name()))
            }
            None => return None,
        };
        let (ops, mut spec) = match Numbered::compile(self.model, self.part.operations.iter().copied()) {
            Ok(compiled) => compiled,
            Err(unsupported) => return Some(Err(unsupported)),
        };
        let mut decided = Decided {
            answer,
            method: Method::Own,
            states: 0,
        };
        Some(Ok(Judged {
            order: self.order(&ops, &mut spec, &mut decided),
            decided,
            operations: ops.len() as u64,
        }))
    }

    fn explain(&self, evidence: Evidence) -> Option<(Witness, Option<String>)> {
        if let Some(refutation) = evidence.own {
            return self.explain_own(refutation);
        }
        let all = self.part.operations.iter().copied();
        match self.model.cell() {
            Some(cell) => {
                let (mut ops, mut spec) = CellSpec::compile(cell, all).ok()?;
                spec.share_classes(&mut ops);
                Some(self.witness(&ops, &mut spec, evidence))
            }
            None => {
                let (ops, mut spec) = Numbered::compile(self.model, all).ok()?;
                Some(self.witness(&ops, &mut spec, evidence))
            }
        }
    }

    /// The witness that the model's own method gives: its core, in its words.
    fn explain_own(&self, refutation: Refutation) -> Option<(Witness, Option<String>)> {
        let in_core = |operation: &&Operation| refutation.core.contains(&operation.id);
        let core: Vec<&Operation> = self.part.operations.iter().copied().filter(in_core).collect();
        let (ops, _) = Numbered::compile(self.model, core.iter().copied()).ok()?;
        let lie = Lie::new(refutation.what, refutation.sentence);
        Some(Teller::new(&core, &ops, self.model).tell_all(self.part.key, lie))
    }

    /// The witness, and its lie in a few words.
    fn witness<S: Decide>(&self, ops: &[Op], spec: &mut S, evidence: Evidence) -> (Witness, Option<String>) {
        let teller = Teller::new(&self.part.operations, ops, self.model);
        let sources = |kernel: &[usize]| teller.sources(kernel);
        let kernel = witness::minimise(ops, spec, evidence, &self.options.budget, sources);
        teller.tell(&kernel, self.part.key)
    }
}

/// The operations of each key, in the order of the keys' names.
fn partition(history: &History, partitioned: bool) -> Vec<(Option<&Key>, Vec<&Operation>)> {
    if !partitioned {
        return vec![(None, history.operations.iter().collect())];
    }
    let mut places: rustc_hash::FxHashMap<Option<&Key>, usize> = rustc_hash::FxHashMap::default();
    let mut keys: Vec<(Option<&Key>, Vec<&Operation>)> = Vec::new();
    let mut last: Option<(Option<&Key>, usize)> = None;
    for operation in &history.operations {
        let key = operation.key.as_ref();
        // Often it is the key of the operation before, in the same place of memory.
        if let Some((known, place)) = last
            && match (known, key) {
                (Some(known), Some(key)) => Key::ptr_eq(known, key),
                (None, None) => true,
                _ => false,
            }
        {
            keys[place].1.push(operation);
            continue;
        }
        let place = *places.entry(key).or_insert_with(|| {
            let room = if key.is_none() {
                history.operations.len()
            } else {
                0
            };
            keys.push((key, Vec::with_capacity(room)));
            keys.len() - 1
        });
        keys[place].1.push(operation);
        last = Some((key, place));
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
