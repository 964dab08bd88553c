//! Registers that are written once: clients fight for each with a compare-and-set from nil, and read it.
//!
//! ```text
//! {"f": "cas", "key": "k0", "value": [null, 8]}    fails with {"error": "precondition-failed", "observed": 5}
//! ```
//!
//! No value is written twice. Whatever is seen of a register once, by a read or by a write that came too late, is what
//! everybody sees of it from then on. Fresh registers take the place of old ones quickly, since a register that is
//! decided has little left to get wrong.

use perjury_checker::linearizability::{Online, Watch};
use perjury_checker::models::Cell;
use perjury_checker::{Finding, Function, History, Value};
use rand_chacha::ChaCha8Rng;

use crate::keys::Keys;
use crate::menu::Options;
use crate::parts::{self, FINAL_KEYS, Values, percent};
use crate::workload::{Call, Minimum, Workload};

const KEYS: usize = 3;
const OPS_PER_KEY: u64 = 12;
const READS_PERCENT: u32 = 45;

/// The workload `once`.
#[derive(Clone, Debug)]
pub struct Once {
    keys: Keys,
    values: Values,
}

impl Once {
    /// Write-once registers of this shape.
    pub fn new(options: &Options) -> Self {
        Once {
            keys: Keys::new(
                options.keys.unwrap_or(KEYS),
                options.ops_per_key.unwrap_or(OPS_PER_KEY),
            ),
            values: Values::new(options.values),
        }
    }
}

impl Workload for Once {
    fn name(&self) -> &'static str {
        "once"
    }

    fn next(&mut self, _client: usize, rng: &mut ChaCha8Rng) -> Call {
        let (_, key, _) = self.keys.draw(rng);
        if percent(rng, READS_PERCENT) {
            return parts::read(key);
        }
        Call {
            f: Function::Cas,
            key,
            value: vec![Value::Nil, Value::Int(self.values.next(rng))].into(),
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
        parts::minimum(&[(Function::Read, 10), (Function::Cas, 10)])
    }
}
