//! Increments that are not idempotent, and reads.
//!
//! ```text
//! {"f": "increment", "key": "k0", "value": 1}      {"f": "read", "key": "k0", "value": 41}
//! ```
//!
//! An increment whose outcome is unknown is sent again in the same session: a store that applies it twice, or
//! not at all, shows in a read outside the bounds of what was acknowledged and what may have happened.

use perjury_checker::{Finding, Function, History, Value};
use rand_chacha::ChaCha8Rng;

use crate::keys::Keys;
use crate::menu::Options;
use crate::parts::{self, percent};
use crate::workload::{Call, Minimum, Workload};

const KEYS: usize = 3;
const OPS_PER_KEY: u64 = 300;
const READS_PERCENT: u32 = 40;

/// The workload `counter`.
#[derive(Clone, Debug)]
pub struct Counter {
    keys: Keys,
}

impl Counter {
    /// A counter workload of this shape.
    pub fn new(options: &Options) -> Self {
        Counter {
            keys: Keys::new(
                options.keys.unwrap_or(KEYS),
                options.ops_per_key.unwrap_or(OPS_PER_KEY),
            ),
        }
    }
}

impl Workload for Counter {
    fn name(&self) -> &'static str {
        "counter"
    }

    fn next(&mut self, _client: usize, rng: &mut ChaCha8Rng) -> Call {
        let (_, key, _) = self.keys.draw(rng);
        if percent(rng, READS_PERCENT) {
            return parts::read(key);
        }
        Call {
            f: Function::Increment,
            key,
            value: Value::Int(1),
        }
    }

    /// Every key: only the read at rest has bounds that meet.
    fn final_calls(&mut self) -> Vec<Call> {
        parts::reads(self.keys.used(usize::MAX))
    }

    fn retries(&self) -> bool {
        true
    }

    fn judge(&self, history: &History, _options: &perjury_checker::Options) -> Vec<Finding> {
        vec![perjury_checker::counter::check(history, 0)]
    }

    fn minimum(&self) -> Minimum {
        parts::minimum(&[(Function::Read, 10), (Function::Increment, 10)])
    }
}
