//! R-I5, state-machine safety: "if a server has applied a log entry at a given index to its state machine, no other
//! server will ever apply a different log entry for the same index" (paper §5.4.3, figure 3).
//!
//! The oracle is the one log that is committed. Leaders that commit by counting write it; every commit, every
//! application and every acknowledgement must agree with it.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::Step;
use crate::breach::Breach;
use crate::digest::hash_unordered;
use crate::raft::Raft;
use crate::raft::config::Config;
use crate::raft::types::{Index, Position, Term, Trace};
use crate::replica::{NodeId, RequestId};

pub(super) const NAME: (&str, &str) = ("R-I5", "state-machine safety");

/// An entry that is committed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Committed {
    /// The term of the entry.
    pub term: Term,
    /// A hash of its payload.
    pub digest: u64,
    /// The term of the leader that committed it first.
    pub commit_term: Term,
    /// The configuration under which it was.
    pub config: Arc<Config>,
}

/// The one committed log.
#[derive(Clone, Debug, Default)]
pub struct Oracle {
    /// By place, from 1 on; some may be unknown, since they were compacted before they could be seen.
    entries: Vec<Option<Committed>>,
    proposed: FxHashMap<(NodeId, RequestId), Position>,
}

impl Hash for Oracle {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.entries.hash(state);
        hash_unordered(self.proposed.iter(), state);
    }
}

impl Oracle {
    /// The committed entry at a place.
    pub fn get(&self, index: Index) -> Option<&Committed> {
        let offset = usize::try_from(index.checked_sub(1)?).ok()?;
        self.entries.get(offset)?.as_ref()
    }

    /// The last place that is committed.
    pub fn last(&self) -> Index {
        self.entries.len() as u64
    }

    /// The committed entries after a place.
    pub fn after(&self, index: Index) -> impl Iterator<Item = (Index, &Committed)> {
        let offset =
            usize::try_from(index).map_or(self.entries.len(), |offset| offset.min(self.entries.len()));
        let places = (index + 1..).zip(&self.entries[offset..]);
        places.filter_map(|(index, committed)| Some((index, committed.as_ref()?)))
    }

    fn put(&mut self, index: Index, committed: Committed) {
        let Some(offset) = index
            .checked_sub(1)
            .and_then(|offset| usize::try_from(offset).ok())
        else {
            return;
        };
        if self.entries.len() <= offset {
            self.entries.resize(offset + 1, None);
        }
        self.entries[offset] = Some(committed);
    }

    /// The configuration, as the last entry has it if it is the same: few entries change it.
    fn shared(&self, config: &Config) -> Arc<Config> {
        match self.entries.last() {
            Some(Some(last)) if *last.config == *config => Arc::clone(&last.config),
            _ => Arc::new(config.clone()),
        }
    }

    /// Notes what is committed and checks what is relied upon; says up to where this step committed by counting.
    pub(super) fn check(&mut self, step: &Step<'_>) -> Result<Option<Index>, String> {
        let mut counted_to = None;
        for (position, trace) in step.traces.iter().enumerate() {
            match trace {
                Trace::Committed {
                    index, term, counted, ..
                } => {
                    if *counted {
                        counted_to = Some(*index);
                    }
                    let config = config_in_force(step, position);
                    self.committed(step, *index, *term, counted.then_some(config))?;
                }
                Trace::Applied { at, digest, .. } => self.relied_on("it applied", *at, Some(*digest))?,
                Trace::Proposed { id, at } => {
                    self.proposed.insert((step.node, *id), *at);
                }
                Trace::Acked { id, .. } => {
                    if let Some(at) = self.proposed.remove(&(step.node, *id)) {
                        self.relied_on("it acknowledged", at, None)?;
                    }
                }
                _ => {}
            }
        }
        Ok(counted_to)
    }

    /// `config` is the one under which a leader counted, if it did.
    fn committed(
        &mut self,
        step: &Step<'_>,
        index: Index,
        term: Term,
        config: Option<&Config>,
    ) -> Result<(), String> {
        let log = step.raft.log();
        let running = step.before.filter(|before| before.running);
        let from = running.map_or(log.base().index, |before| before.commit) + 1;
        for place in from..=index {
            // A leader may have taken a snapshot in the same step; a follower is asked what it applied.
            let compacted = || running.filter(|_| config.is_some())?.log.entry(place);
            let there = log.entry(place).map(|entry| (entry.at, entry.digest()));
            let Some((at, digest)) = there.or_else(compacted) else {
                continue;
            };
            if let (Some(config), None) = (config, self.get(place)) {
                let committed = Committed {
                    term: at.term,
                    digest,
                    commit_term: term,
                    config: self.shared(config),
                };
                self.put(place, committed);
            } else {
                self.relied_on("it committed", at, Some(digest))?;
            }
        }
        Ok(())
    }

    fn relied_on(&self, what: &str, at: Position, digest: Option<u64>) -> Result<(), String> {
        let Position { term, index } = at;
        match self.get(index) {
            None => Err(format!(
                "{what} the entry at {index} of term {term}, which nobody has committed"
            )),
            Some(known) if known.term != term => Err(format!(
                "{what} the entry at {index} of term {term}; committed is the one of term {}",
                known.term
            )),
            Some(known) if digest.is_some_and(|digest| digest != known.digest) => Err(format!(
                "{what} another payload at {index} than the committed one of term {term}"
            )),
            Some(_) => Ok(()),
        }
    }

    /// Compares every node's committed entries with the committed log.
    pub(super) fn full(&self, nodes: &BTreeMap<NodeId, &Raft>) -> Result<(), Breach> {
        for (node, raft) in nodes {
            for index in raft.log().base().index + 1..=raft.commit() {
                if let Some(entry) = raft.log().entry(index) {
                    self.relied_on("it holds", entry.at, Some(entry.digest()))
                        .map_err(|what| Breach::new(NAME, *node, what))?;
                }
            }
        }
        Ok(())
    }
}

/// The configuration at one of a step's traces: a later one of the same step may have been appended after it.
fn config_in_force<'a>(step: &Step<'a>, position: usize) -> &'a Config {
    let later = step.traces[position..].iter().find_map(|trace| match trace {
        Trace::ConfigAppended { index, .. } => Some(*index),
        _ => None,
    });
    let configs = step.raft.configs();
    later.map_or(configs.latest(), |index| configs.as_of(index - 1))
}
