//! R-I10: at most one configuration in a log is uncommitted, and the one in force is the latest in the log or the
//! snapshot (paper §6, §7; thesis §4.1).

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

use super::{Oracle, Step};
use crate::node_map::NodeMap;
use crate::raft::config::Config;
use crate::raft::types::{Index, Trace};

pub(super) const NAME: (&str, &str) = ("R-I10", "one configuration");

#[derive(Clone, Debug, Default)]
pub(super) struct Configuration {
    /// The configurations that are committed, by place.
    committed: BTreeMap<Index, Config>,
    /// What was compacted of each node's log, and where the configuration in force was, when it was judged last.
    judged: NodeMap<(Index, Index)>,
}

impl Hash for Configuration {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // What was judged and has not changed need not be told apart.
        self.committed.hash(state);
    }
}

impl Configuration {
    pub(super) fn new(initial: Config) -> Self {
        Configuration {
            committed: BTreeMap::from([(0, initial)]),
            judged: NodeMap::default(),
        }
    }

    pub(super) fn check(&mut self, step: &Step<'_>, oracle: &Oracle) -> Result<(), String> {
        let mut relevant = false;
        for trace in step.traces {
            match trace {
                Trace::Committed { index, .. } => self.note(step, oracle, *index),
                Trace::Appended { first, last, .. } => {
                    relevant |= step.raft.configs().latest_index() >= *first;
                    newest_is_in_force(step, *first, *last)?;
                }
                Trace::Truncated { .. } | Trace::SnapshotInstalled { .. } | Trace::Recovered { .. } => {
                    relevant = true;
                }
                _ => {}
            }
        }
        let place = (step.raft.log().base().index, step.raft.configs().latest_index());
        if relevant || self.judged.get(step.node) != Some(&place) {
            self.judged.insert(step.node, place);
            self.in_force(step)?;
            one_uncommitted(step, oracle)?;
        }
        Ok(())
    }

    fn note(&mut self, step: &Step<'_>, oracle: &Oracle, commit: Index) {
        let known = self.committed.keys().next_back().copied().unwrap_or(0);
        for (index, config) in step.raft.configs().iter() {
            let log = step.raft.log();
            let is_entry = || {
                *index <= log.base().index
                    || log.term_at(*index) == oracle.get(*index).map(|entry| entry.term)
            };
            if *index > known && *index <= commit && is_entry() {
                self.committed.insert(*index, config.clone());
            }
        }
    }

    /// The one in force stands in the log, or is what the snapshot should say.
    fn in_force(&self, step: &Step<'_>) -> Result<(), String> {
        let (log, configs) = (step.raft.log(), step.raft.configs());
        let (index, config) = (configs.latest_index(), configs.latest());
        let base = log.base().index;
        if index > base {
            return match log.entry(index).and_then(|entry| entry.config()) {
                Some(found) if found == config => Ok(()),
                _ => Err(format!(
                    "the configuration in force is of {index}, and the log has none there"
                )),
            };
        }
        match self.committed.range(..=base).next_back() {
            Some((place, known)) if *known != *config => Err(format!(
                "the configuration in force, as of {base}, is not the one that was committed at {place}"
            )),
            _ => Ok(()),
        }
    }
}

fn newest_is_in_force(step: &Step<'_>, first: Index, last: Index) -> Result<(), String> {
    let log = step.raft.log();
    let newest = (first..=last)
        .rev()
        .find(|index| log.entry(*index).is_some_and(|e| e.config().is_some()));
    match newest {
        Some(index) if step.raft.configs().latest_index() < index => Err(format!(
            "the configuration at {index} was appended and is not in force"
        )),
        _ => Ok(()),
    }
}

fn one_uncommitted(step: &Step<'_>, oracle: &Oracle) -> Result<(), String> {
    let log = step.raft.log();
    let uncommitted = |index: &Index| {
        let term = log.term_at(*index);
        *index > log.base().index && oracle.get(*index).map(|entry| entry.term) != term
    };
    let open: Vec<Index> = step
        .raft
        .configs()
        .iter()
        .map(|(index, _)| *index)
        .filter(uncommitted)
        .collect();
    if open.len() > 1 {
        return Err(format!(
            "several configurations are uncommitted in one log: at {open:?}"
        ));
    }
    Ok(())
}
