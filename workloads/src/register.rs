//! Reads and writes.
//!
//! ```text
//! {"f": "write", "key": "k0", "value": 7}      {"f": "read", "key": "k0", "value": 7}
//! ```
//!
//! What is judged is what the system promises: linearizability, or less ([`perjury_checker::quorum`]).
//!
//! No value is written twice, so that a read names the write that it saw and linearizability is decided in
//! O(n log n) (Gibbons and Korach, Testing Shared Memories, 1997).

use perjury_checker::linearizability::Watch;
use perjury_checker::models::Cell;
use perjury_checker::quorum::{self, Promise};
use perjury_checker::{Finding, Function, History, Value};
use rand_chacha::ChaCha8Rng;

use crate::keys::Keys;
use crate::menu::Options;
use crate::parts::{self, FINAL_KEYS, Values, percent};
use crate::workload::{Call, Minimum, Workload};

const KEYS: usize = 3;
const READS_PERCENT: u32 = 50;

/// The workload `register`.
#[derive(Clone, Debug)]
pub struct Register {
    keys: Keys,
    values: Values,
    promise: Promise,
}

impl Register {
    /// A register workload of this shape.
    pub fn new(options: &Options) -> Self {
        let share = if options.values.is_some() { 100 } else { 300 };
        Register {
            keys: Keys::new(options.keys.unwrap_or(KEYS), options.ops_per_key.unwrap_or(share)),
            values: Values::new(options.values),
            promise: options.promise,
        }
    }
}

impl Workload for Register {
    fn name(&self) -> &'static str {
        "register"
    }

    fn next(&mut self, _client: usize, rng: &mut ChaCha8Rng) -> Call {
        let (_, key, _) = self.keys.draw(rng);
        if percent(rng, READS_PERCENT) {
            return parts::read(key);
        }
        Call {
            f: Function::Write,
            key,
            value: Value::Int(self.values.next(rng)),
        }
    }

    fn final_calls(&mut self) -> Vec<Call> {
        parts::reads(self.keys.used(FINAL_KEYS))
    }

    fn retries(&self) -> bool {
        false
    }

    fn judge(&self, history: &History, options: &perjury_checker::Options) -> Vec<Finding> {
        quorum::judge(history, self.promise, options)
    }

    fn watch(&self) -> Option<Box<dyn Watch>> {
        parts::watch(Cell::register(), self.promise)
    }

    fn minimum(&self) -> Minimum {
        parts::minimum(&[(Function::Read, 10), (Function::Write, 10)])
    }
}
