//! Reads, writes and removals.
//!
//! ```text
//! {"f": "write", "key": "k0", "value": 7}      {"f": "delete", "key": "k0"}      {"f": "read", "key": "k0", "value": null}
//! ```
//!
//! What was removed must not come back. No other value is written twice, so that a read names the write that it saw, or
//! tells that it saw none. What is judged is what the system promises of a register ([`perjury_checker::quorum`]): a
//! removal is a write of nil.

use perjury_checker::linearizability::Watch;
use perjury_checker::models::Cell;
use perjury_checker::quorum::{self, Promise};
use perjury_checker::{Finding, Function, History, Value};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::keys::Keys;
use crate::menu::Options;
use crate::parts::{self, FINAL_KEYS, Values};
use crate::workload::{Call, Minimum, Workload};

const KEYS: usize = 3;
const OPS_PER_KEY: u64 = 100;

/// The workload `delete`.
#[derive(Clone, Debug)]
pub struct Delete {
    keys: Keys,
    values: Values,
    promise: Promise,
}

impl Delete {
    /// A workload of this shape.
    pub fn new(options: &Options) -> Self {
        let share = options.ops_per_key.unwrap_or(OPS_PER_KEY);
        Delete {
            keys: Keys::new(options.keys.unwrap_or(KEYS), share),
            values: Values::new(options.values),
            promise: options.promise,
        }
    }
}

impl Workload for Delete {
    fn name(&self) -> &'static str {
        "delete"
    }

    fn next(&mut self, _client: usize, rng: &mut ChaCha8Rng) -> Call {
        let (_, key, _) = self.keys.draw(rng);
        match rng.random_range(0..10) {
            0..5 => parts::read(key),
            5..8 => Call {
                f: Function::Write,
                key,
                value: Value::Int(self.values.next(rng)),
            },
            _ => Call {
                f: Function::Delete,
                key,
                value: Value::Nil,
            },
        }
    }

    fn final_calls(&mut self) -> Vec<Call> {
        parts::reads(self.keys.used(FINAL_KEYS))
    }

    fn retries(&self) -> bool {
        false
    }

    fn judge(&self, history: &History, options: &perjury_checker::Options) -> Vec<Finding> {
        if self.promise == Promise::Linearizable {
            let mut findings = vec![perjury_checker::check(history, &Cell::key_value(), options)];
            findings.extend(quorum::evidence(history, self.promise));
            return findings;
        }
        quorum::judge(&writing_nil(history), self.promise, options)
    }

    fn watch(&self) -> Option<Box<dyn Watch>> {
        parts::watch(Cell::key_value(), self.promise)
    }

    fn minimum(&self) -> Minimum {
        parts::minimum(&[(Function::Read, 10), (Function::Write, 10), (Function::Delete, 5)])
    }
}

/// The same history, in which nil is written where a key was removed.
fn writing_nil(history: &History) -> History {
    let mut history = history.clone();
    let removals = history
        .operations
        .iter_mut()
        .filter(|one| one.f == Function::Delete);
    for removal in removals {
        (removal.f, removal.argument) = (Function::Write, Value::Nil);
    }
    history
}

#[cfg(test)]
mod tests {
    use perjury_checker::{HistoryBuilder, Options as Checking, Outcome, Verdict};

    use super::*;

    /// What comes of a read after 7 was written and removed.
    fn verdict(promise: Promise, read: impl Into<Value>) -> Verdict {
        let mut history = HistoryBuilder::default();
        let done = [
            ("write", Value::Int(7), Value::Nil),
            ("delete", Value::Nil, Value::Nil),
            ("read", Value::Nil, read.into()),
        ];
        for (f, argument, result) in done {
            history.invoke(0, 0, f, "k0", argument).expect("it is free");
            history.complete(0, 0, Outcome::Ok, result).expect("it is busy");
        }
        let workload = Delete::new(&Options {
            promise,
            ..Options::default()
        });
        let findings = workload.judge(&history.finish(), &Checking::default());
        findings[0].verdict
    }

    #[test]
    fn what_was_removed_must_not_come_back() {
        for promise in [Promise::Linearizable, Promise::Regular] {
            assert_eq!(verdict(promise, Value::Nil), Verdict::Valid, "{promise:?}");
            assert_eq!(verdict(promise, 7), Verdict::Invalid, "{promise:?}");
        }
        assert_eq!(verdict(Promise::Eventual, 7), Verdict::Valid);
        assert_eq!(verdict(Promise::Eventual, 8), Verdict::Invalid);
    }
}
