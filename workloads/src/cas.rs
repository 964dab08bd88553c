//! Reads, writes and compare-and-sets that fight over a few keys.
//!
//! ```text
//! {"f": "cas", "key": "k0", "value": [7, 8]}      fails with {"error": "precondition-failed", "observed": 5}
//! ```
//!
//! What is expected is mostly what was last seen of the key, and sometimes what was seen before that: such a one
//! must fail, and where it succeeds, a node believed in a state that was long gone. No value is written twice, so
//! that each says which operation wrote it; one that failed tells what it saw.

use perjury_checker::linearizability::{Online, Watch};
use perjury_checker::models::Cell;
use perjury_checker::{Finding, Function, History, Operation, Outcome, Value};
use rand_chacha::ChaCha8Rng;

use crate::keys::Keys;
use crate::menu::Options;
use crate::parts::{self, FINAL_KEYS, Values, percent};
use crate::workload::{Call, Minimum, Workload};

const KEYS: usize = 3;
const READS_PERCENT: u32 = 35;
/// Of what is not a read.
const WRITES_PERCENT: u32 = 25;
/// Of the compare-and-sets.
const OUTDATED_PERCENT: u32 = 25;

/// The workload `cas`.
#[derive(Clone, Debug)]
pub struct Cas {
    keys: Keys,
    values: Values,
    seen: Vec<Seen>,
}

/// What was seen of a key.
#[derive(Clone, Debug, Default)]
struct Seen {
    last: Value,
    before: Value,
}

impl Seen {
    fn see(&mut self, value: Value) {
        if value != self.last {
            self.before = std::mem::replace(&mut self.last, value);
        }
    }
}

impl Cas {
    /// A compare-and-set workload of this shape.
    pub fn new(options: &Options) -> Self {
        let share = if options.values.is_some() { 100 } else { 300 };
        let keys = Keys::new(options.keys.unwrap_or(KEYS), options.ops_per_key.unwrap_or(share));
        Cas {
            seen: vec![Seen::default(); keys.places().len()],
            keys,
            values: Values::new(options.values),
        }
    }
}

impl Workload for Cas {
    fn name(&self) -> &'static str {
        "cas"
    }

    fn next(&mut self, _client: usize, rng: &mut ChaCha8Rng) -> Call {
        let (place, key, fresh) = self.keys.draw(rng);
        if fresh {
            self.seen[place] = Seen::default();
        }
        if percent(rng, READS_PERCENT) {
            return parts::read(key);
        }
        let new = Value::Int(self.values.next(rng));
        if percent(rng, WRITES_PERCENT) {
            return Call {
                f: Function::Write,
                key,
                value: new,
            };
        }
        let seen = &self.seen[place];
        let expected = if percent(rng, OUTDATED_PERCENT) {
            &seen.before
        } else {
            &seen.last
        };
        let value = vec![expected.clone(), new].into();
        Call {
            f: Function::Cas,
            key,
            value,
        }
    }

    fn completed(&mut self, operation: &Operation) {
        let Some(place) = operation.key.as_ref().and_then(|key| self.keys.place(key)) else {
            return;
        };
        let completion = &operation.completion;
        let seen = match (&operation.f, completion.outcome) {
            (Function::Read, Outcome::Ok) => Some(completion.value.clone()),
            (Function::Write, Outcome::Ok) => Some(operation.argument.clone()),
            (Function::Cas, Outcome::Ok) => match &operation.argument {
                Value::List(pair) => pair.get(1).cloned(),
                _ => None,
            },
            (Function::Cas, Outcome::Fail) => completion.observed.clone(),
            _ => None,
        };
        if let Some(seen) = seen {
            self.seen[place].see(seen);
        }
    }

    fn final_calls(&mut self) -> Vec<Call> {
        parts::reads(self.keys.used(FINAL_KEYS))
    }

    fn retries(&self) -> bool {
        false
    }

    fn judge(&self, history: &History, options: &perjury_checker::Options) -> Vec<Finding> {
        vec![perjury_checker::check(history, &Cell::cas_register(), options)]
    }

    fn watch(&self) -> Option<Box<dyn Watch>> {
        Some(Box::new(Online::new(Cell::cas_register())))
    }

    fn minimum(&self) -> Minimum {
        parts::minimum(&[(Function::Read, 10), (Function::Write, 5), (Function::Cas, 10)])
    }
}
