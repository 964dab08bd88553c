//! R-I13: a client's request takes effect at most once (paper §8; thesis §6.3).

use std::hash::{Hash, Hasher};

use rustc_hash::FxHashMap;

use crate::api::Session;
use crate::digest::hash_unordered;
use crate::raft::types::{Index, Trace};

pub(super) const NAME: (&str, &str) = ("R-I13", "at most once");

#[derive(Clone, Debug, Default)]
pub(super) struct Effects {
    ledger: FxHashMap<Session, Index>,
}

impl Hash for Effects {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash_unordered(self.ledger.iter(), state);
    }
}

impl Effects {
    pub(super) fn check(&mut self, traces: &[Trace]) -> Result<(), String> {
        for trace in traces {
            if let Trace::Applied {
                at,
                effect: Some(session),
                ..
            } = trace
            {
                let first = *self.ledger.entry(*session).or_insert(at.index);
                if first != at.index {
                    let Session { client, sequence } = session;
                    let index = at.index;
                    return Err(format!(
                        "request {sequence} of client {client} took effect at {first} and at {index}"
                    ));
                }
            }
        }
        Ok(())
    }
}
