//! A node's log as it was seen last: what invariants compare it with.

use std::collections::VecDeque;

use crate::raft::log::Log;
use crate::raft::types::{Index, Position, Term, Trace};

/// Where an entry is, and a hash of what it does.
pub(super) type Seen = (Position, u64);

/// The terms and hashes of a log's entries. It is brought up to date from what a step says that it changed; the log
/// itself need not be copied.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mirror {
    base: Position,
    entries: VecDeque<(Term, u64)>,
    durable: Index,
}

impl Mirror {
    /// The log as it is.
    pub(super) fn of(log: &Log) -> Self {
        let mut mirror = Mirror {
            base: log.base(),
            entries: VecDeque::new(),
            durable: log.durable(),
        };
        mirror.take(log);
        mirror
    }

    /// The log changed in a step with these traces.
    pub(super) fn follow(&mut self, log: &Log, traces: &[Trace]) {
        let mut from = Index::MAX;
        for trace in traces {
            match trace {
                Trace::Truncated { from: first } | Trace::Appended { first, .. } => from = from.min(*first),
                Trace::Recovered { .. } | Trace::SnapshotInstalled { .. } => {
                    *self = Mirror::of(log);
                    return;
                }
                _ => {}
            }
        }
        let base = log.base();
        if base != self.base {
            let Some(gone) = base.index.checked_sub(self.base.index) else {
                *self = Mirror::of(log);
                return;
            };
            self.entries.drain(
                ..usize::try_from(gone).map_or(self.entries.len(), |gone| gone.min(self.entries.len())),
            );
            self.base = base;
        }
        self.durable = log.durable();
        let keep = from.saturating_sub(base.index + 1);
        self.entries.truncate(usize::try_from(keep).unwrap_or(usize::MAX));
        self.take(log);
        if self.last() != log.last() {
            *self = Mirror::of(log);
        }
    }

    /// Takes over what the log has beyond the end.
    fn take(&mut self, log: &Log) {
        let next = self.base.index + 1 + self.entries.len() as u64;
        self.entries.extend(
            (next..)
                .map_while(|index| log.entry(index))
                .map(|entry| (entry.at.term, entry.digest())),
        );
    }

    pub(super) fn durable(&self) -> Index {
        self.durable
    }

    pub(super) fn last(&self) -> Position {
        self.entries.back().map_or(self.base, |(term, _)| Position {
            term: *term,
            index: self.base.index + self.entries.len() as u64,
        })
    }

    pub(super) fn entry(&self, index: Index) -> Option<Seen> {
        let offset = index.checked_sub(self.base.index + 1)?;
        let (term, digest) = *self.entries.get(usize::try_from(offset).ok()?)?;
        Some((Position { term, index }, digest))
    }

    /// The terms of what is durable, for telling logs apart by what they hold.
    pub(super) fn durable_terms(&self) -> String {
        let places = self.base.index + 1..=self.durable;
        let terms: Vec<_> = places
            .map(|index| self.entry(index).map(|(at, _)| at.term))
            .collect();
        format!("{} {terms:?}", self.base.index)
    }

    /// Whether the node holds this entry, durably.
    pub(super) fn holds(&self, at: Position) -> bool {
        self.durable >= at.index
            && (at.index <= self.base.index || self.entry(at.index).is_some_and(|(seen, _)| seen == at))
    }
}
