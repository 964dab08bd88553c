//! What the workloads share.

use perjury_checker::linearizability::{Online, Watch};
use perjury_checker::models::Cell;
use perjury_checker::quorum::Promise;
use perjury_checker::{Function, Key, Value};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::workload::{Call, Minimum};

/// How many operations must have succeeded while each kind of fault was active.
const DURING_EACH_FAULT: u64 = 3;

/// Final reads of more keys than this would prolong a run more than they prove.
pub(crate) const FINAL_KEYS: usize = 500;

/// Values to write: each once, counted from 1, or drawn from 1 to a limit.
#[derive(Clone, Debug)]
pub(crate) struct Values {
    last: i64,
    limit: Option<u32>,
}

impl Values {
    pub(crate) fn new(limit: Option<u32>) -> Self {
        Values { last: 0, limit }
    }

    pub(crate) fn next(&mut self, rng: &mut ChaCha8Rng) -> i64 {
        match self.limit {
            Some(limit) => i64::from(rng.random_range(1..=limit.max(1))),
            None => {
                self.last += 1;
                self.last
            }
        }
    }
}

/// Whether to do what comes up so many times in a hundred.
pub(crate) fn percent(rng: &mut ChaCha8Rng, share: u32) -> bool {
    rng.random_range(0..100) < share
}

pub(crate) fn read(key: Key) -> Call {
    Call {
        f: Function::Read,
        key,
        value: Value::Nil,
    }
}

pub(crate) fn reads(keys: &[Key]) -> Vec<Call> {
    keys.iter().cloned().map(read).collect()
}

/// At least so many of each function.
pub(crate) fn minimum(functions: &[(Function, u64)]) -> Minimum {
    Minimum {
        succeeded: functions
            .iter()
            .map(|(f, least)| (f.name().to_owned(), *least))
            .collect(),
        during_each_fault: DURING_EACH_FAULT,
    }
}

/// What follows a test while it runs: only linearizability can be proven broken before the end.
pub(crate) fn watch(model: Cell, promise: Promise) -> Option<Box<dyn Watch>> {
    (promise == Promise::Linearizable).then(|| Box::new(Online::new(model)) as Box<dyn Watch>)
}
