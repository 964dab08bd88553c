//! The keys' results, put together.

use std::collections::BTreeMap;

use super::decide::{Decided, Evidence, Found};
use super::{Linearization, Part};
use crate::history::Key;
use crate::models::Unsupported;
use crate::verdict::{Finding, Verdict, Witness};
use crate::words;

/// What was decided about one key.
pub(super) struct Judged {
    pub decided: Decided,
    pub operations: u64,
    /// A legal order (ids), where one was asked for and found.
    pub order: Option<Vec<usize>>,
}

/// The keys' results so far.
#[derive(Default)]
pub(super) struct Merged<'k> {
    operations: u64,
    states: u64,
    methods: BTreeMap<&'static str, u64>,
    invalid: BTreeMap<Option<&'k Key>, Evidence>,
    unknown: Vec<String>,
    orders: Vec<Linearization>,
}

impl<'k> Merged<'k> {
    pub(super) fn add(&mut self, judged: Result<Judged, Unsupported>, key: Option<&'k Key>) {
        let Judged {
            decided,
            operations,
            order,
        } = match judged {
            Ok(judged) => judged,
            Err(unsupported) => return self.unknown.push(unsupported.to_string()),
        };
        self.orders.extend(order.map(|order| Linearization {
            key: key.cloned(),
            order,
        }));
        self.operations += operations;
        self.states += decided.states;
        *self.methods.entry(decided.method.name()).or_default() += 1;
        match decided.answer {
            Found::Legal => {}
            Found::Illegal(evidence) => {
                self.invalid.insert(key, evidence);
            }
            Found::Unknown(reason) => self.unknown.push(match key {
                Some(key) => format!("key {key}: {reason}"),
                None => reason,
            }),
        }
    }

    /// The first few keys that are invalid, by their place among `parts`, with the evidence.
    pub(super) fn explainable(&self, parts: &[Part<'k>], most: usize) -> Vec<(usize, Evidence)> {
        let place = |(key, evidence): (&Option<&Key>, &Evidence)| {
            let place = parts.binary_search_by_key(key, |part| part.key).ok()?;
            Some((place, evidence.clone()))
        };
        self.invalid.iter().filter_map(place).take(most).collect()
    }

    /// Whether some key was not decided.
    pub(super) fn undecided(&self) -> bool {
        !self.unknown.is_empty()
    }

    pub(super) fn finish(
        self,
        model: &str,
        keys: usize,
        mut witnesses: Vec<(Witness, Option<String>)>,
    ) -> Finding {
        let verdict = match (self.invalid.len(), self.unknown.len()) {
            (0, 0) => Verdict::Valid,
            (0, _) => Verdict::Unknown,
            _ => Verdict::Invalid,
        };
        witnesses.sort_by_key(|(witness, _)| witness.operations.len());
        let sentence = match verdict {
            Verdict::Valid => {
                format!(
                    "All {} operations on {} are linearizable for the model {model}.",
                    self.operations,
                    of(keys)
                )
            }
            Verdict::Unknown => words::undecided(&self.unknown),
            Verdict::Invalid => {
                let broken = self.invalid.keys().next().copied().flatten();
                let count = self.invalid.len();
                let mut sentence = match (count, broken) {
                    (1, Some(key)) => format!("Key {key} is not linearizable for the model {model}"),
                    (1, None) => format!("The history is not linearizable for the model {model}"),
                    _ => format!(
                        "{count} of {} are not linearizable for the model {model}",
                        of(keys)
                    ),
                };
                if let Some((witness, Some(what))) = witnesses.first() {
                    sentence += &match &witness.key {
                        Some(key) if count > 1 => format!(": on key {key}, {what}"),
                        _ => format!(": {what}"),
                    };
                }
                sentence.push('.');
                sentence
            }
        };
        let method = self
            .methods
            .iter()
            .map(|(method, keys)| format!("{method} ({keys})"))
            .collect::<Vec<_>>();
        Finding {
            property: "linearizability".to_owned(),
            verdict,
            sentence,
            method: method.join(", "),
            operations: self.operations,
            states: self.states,
            witnesses: witnesses.into_iter().map(|(witness, _)| witness).collect(),
            levels: Vec::new(),
            linearizations: if self.orders.len() == keys {
                self.orders
            } else {
                Vec::new()
            },
        }
    }
}

fn of(keys: usize) -> String {
    if keys == 1 {
        "1 key".to_owned()
    } else {
        format!("{keys} keys")
    }
}
