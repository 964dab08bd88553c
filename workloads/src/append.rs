//! Appends of unique elements, and reads of the whole list.
//!
//! ```text
//! {"f": "append", "key": "k0", "value": 7}      {"f": "read", "key": "k0", "value": [3, 5, 7]}
//! ```
//!
//! One read shows the order of everything before it: an element that is lost, doubled or moved shows at once.
//! An append whose outcome is unknown is sent again in the same session, and must not be applied twice.

use perjury_checker::linearizability::{Online, Watch};
use perjury_checker::models::Cell;
use perjury_checker::{Finding, Function, History, Value};
use rand_chacha::ChaCha8Rng;

use crate::keys::Keys;
use crate::menu::Options;
use crate::parts::{self, FINAL_KEYS, Values, percent};
use crate::workload::{Call, Minimum, Workload};

const KEYS: usize = 3;
const OPS_PER_KEY: u64 = 100;
const READS_PERCENT: u32 = 45;

/// The workload `append`.
#[derive(Clone, Debug)]
pub struct Append {
    keys: Keys,
    elements: Values,
}

impl Append {
    /// An append workload of this shape.
    pub fn new(options: &Options) -> Self {
        Append {
            keys: Keys::new(
                options.keys.unwrap_or(KEYS),
                options.ops_per_key.unwrap_or(OPS_PER_KEY),
            ),
            elements: Values::new(None),
        }
    }
}

impl Workload for Append {
    fn name(&self) -> &'static str {
        "append"
    }

    fn next(&mut self, _client: usize, rng: &mut ChaCha8Rng) -> Call {
        let (_, key, _) = self.keys.draw(rng);
        if percent(rng, READS_PERCENT) {
            return parts::read(key);
        }
        Call {
            f: Function::Append,
            key,
            value: Value::Int(self.elements.next(rng)),
        }
    }

    fn final_calls(&mut self) -> Vec<Call> {
        parts::reads(self.keys.used(FINAL_KEYS))
    }

    fn retries(&self) -> bool {
        true
    }

    fn judge(&self, history: &History, options: &perjury_checker::Options) -> Vec<Finding> {
        vec![perjury_checker::check(history, &Cell::append_list(), options)]
    }

    fn watch(&self) -> Option<Box<dyn Watch>> {
        Some(Box::new(Online::new(Cell::append_list())))
    }

    fn minimum(&self) -> Minimum {
        parts::minimum(&[(Function::Read, 10), (Function::Append, 10)])
    }
}
