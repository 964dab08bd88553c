//! Adds of unique elements, and reads of all.
//!
//! ```text
//! {"f": "add", "key": "k0", "value": 7}      {"f": "read", "key": "k0", "value": [3, 5, 7]}
//! ```
//!
//! Once everything is healed, every set is read: nothing that was acknowledged is lost, nothing that failed is
//! there, nothing is there twice.

use perjury_checker::{Finding, Function, History, Value};
use rand_chacha::ChaCha8Rng;

use crate::keys::Keys;
use crate::menu::Options;
use crate::parts::{self, Values, percent};
use crate::workload::{Call, Minimum, Workload};

const KEYS: usize = 3;
const OPS_PER_KEY: u64 = 500;
const READS_PERCENT: u32 = 10;

/// The workload `set`.
#[derive(Clone, Debug)]
pub struct Set {
    keys: Keys,
    elements: Values,
}

impl Set {
    /// A set workload of this shape.
    pub fn new(options: &Options) -> Self {
        Set {
            keys: Keys::new(
                options.keys.unwrap_or(KEYS),
                options.ops_per_key.unwrap_or(OPS_PER_KEY),
            ),
            elements: Values::new(None),
        }
    }
}

impl Workload for Set {
    fn name(&self) -> &'static str {
        "set"
    }

    fn next(&mut self, _client: usize, rng: &mut ChaCha8Rng) -> Call {
        let (_, key, _) = self.keys.draw(rng);
        if percent(rng, READS_PERCENT) {
            return parts::read(key);
        }
        Call {
            f: Function::Add,
            key,
            value: Value::Int(self.elements.next(rng)),
        }
    }

    /// Every key: what is not read at the end cannot be said to be lost.
    fn final_calls(&mut self) -> Vec<Call> {
        parts::reads(self.keys.used(usize::MAX))
    }

    fn retries(&self) -> bool {
        false
    }

    fn judge(&self, history: &History, _options: &perjury_checker::Options) -> Vec<Finding> {
        vec![perjury_checker::sets::check_every_read(history)]
    }

    fn minimum(&self) -> Minimum {
        parts::minimum(&[(Function::Add, 10), (Function::Read, 1)])
    }
}
