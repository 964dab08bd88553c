//! The replicated log as one node holds it: what follows the last compacted entry, and how far it is durable.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use super::types::{Entry, Index, Position, Term};
use crate::replica::Lsn;

/// How many recent entries the cache holds.
const CACHE_ENTRIES: u64 = 256;

/// An entry and where it was written.
#[derive(Clone, Debug)]
struct Slot {
    entry: Entry,
    lsn: Lsn,
}

/// The log.
#[derive(Clone, Debug, Default)]
pub struct Log {
    base: Position,
    slots: VecDeque<Slot>,
    /// A node whose log is on disk keeps the entries added lately in a cache, where applying and sending look first.
    /// Here the log itself is that cache, but for what the cache says otherwise: entries that were removed from the
    /// log and not from the cache. A correct node has none.
    stale: BTreeMap<Index, Entry>,
    durable: Index,
    unsynced: VecDeque<(Lsn, Index)>,
}

impl Log {
    /// A log whose entries up to `base` are covered by a snapshot.
    pub fn starting_after(base: Position) -> Self {
        Log {
            base,
            durable: base.index,
            ..Log::default()
        }
    }

    /// The last entry that was compacted.
    pub fn base(&self) -> Position {
        self.base
    }

    /// The last entry.
    pub fn last(&self) -> Position {
        self.slots.back().map_or(self.base, |slot| Position {
            term: slot.entry.at.term,
            index: self.base.index + self.slots.len() as u64,
        })
    }

    /// The term of the entry at a place; none if there is none, or it was compacted.
    pub fn term_at(&self, index: Index) -> Option<Term> {
        if index == self.base.index {
            return Some(self.base.term);
        }
        self.slot(index).map(|slot| slot.entry.at.term)
    }

    /// The entry right before a place; term 0 if its term is no longer known.
    pub fn position_before(&self, index: Index) -> Position {
        let index = index.saturating_sub(1);
        Position {
            term: self.term_at(index).unwrap_or_default(),
            index,
        }
    }

    /// The entry at a place in the log.
    pub fn entry(&self, index: Index) -> Option<&Entry> {
        self.slot(index).map(|slot| &slot.entry)
    }

    /// The entry at a place, from the cache if it is there.
    pub fn cached(&self, index: Index) -> Option<&Entry> {
        self.entry(index).map(|entry| self.as_cached(entry))
    }

    /// What the cache has in an entry's place.
    fn as_cached<'a>(&'a self, entry: &'a Entry) -> &'a Entry {
        if self.stale.is_empty() {
            return entry;
        }
        self.stale.get(&entry.at.index).unwrap_or(entry)
    }

    /// Up to `limit` entries from a place on, as [`Log::cached`] has them.
    pub fn entries(&self, from: Index, limit: usize) -> Vec<Entry> {
        let Some(offset) = from.checked_sub(self.base.index + 1) else {
            return Vec::new();
        };
        let first = (offset as usize).min(self.slots.len());
        let slots = self.slots.range(first..).take(limit);
        slots.map(|slot| self.as_cached(&slot.entry).clone()).collect()
    }

    /// The first place whose entry has the same term as the one at `index`.
    pub fn first_of_term_at(&self, index: Index) -> Index {
        let term = self.term_at(index);
        let mut first = index;
        while first > self.base.index + 1 && self.term_at(first - 1) == term {
            first -= 1;
        }
        first
    }

    /// The last place at or before `limit` whose entry has a term of at most `term`.
    pub fn last_of_term(&self, term: Term, limit: Index) -> Option<Position> {
        let mut index = limit.min(self.last().index);
        while index > self.base.index {
            let found = self.term_at(index)?;
            if found <= term {
                return Some(Position { term: found, index });
            }
            index -= 1;
        }
        None
    }

    /// Everything up to here is durable at this node.
    pub fn durable(&self) -> Index {
        self.durable
    }

    /// Puts an entry at its place: at the end, or in place of another. A place beyond the end is refused.
    #[must_use]
    pub fn put(&mut self, entry: Entry, lsn: Lsn) -> bool {
        let index = entry.at.index;
        let Some(offset) = index.checked_sub(self.base.index + 1) else {
            return false;
        };
        let offset = offset as usize;
        if offset > self.slots.len() {
            return false;
        }
        if !self.stale.is_empty() {
            self.stale = self.stale.split_off(&(index + 1).saturating_sub(CACHE_ENTRIES));
        }
        match self.slots.get_mut(offset) {
            Some(slot) => {
                // The cache keeps what it has.
                let old = std::mem::replace(slot, Slot { entry, lsn }).entry;
                if old.at != slot.entry.at {
                    self.stale.entry(index).or_insert(old);
                }
                self.durable = self.durable.min(index - 1);
            }
            None => self.slots.push_back(Slot { entry, lsn }),
        }
        self.unsynced.push_back((lsn, index));
        true
    }

    /// Takes out the entries from a place on; those of the cache from `cache_from` on, if at all.
    pub fn truncate(&mut self, from: Index, cache_from: Option<Index>) {
        let keep = (from.saturating_sub(self.base.index + 1) as usize).min(self.slots.len());
        for slot in self.slots.drain(keep..) {
            let index = slot.entry.at.index;
            if cache_from.is_none_or(|cache_from| index < cache_from) {
                self.stale.entry(index).or_insert(slot.entry);
            }
        }
        if let Some(cache_from) = cache_from {
            self.stale.retain(|index, _| *index < cache_from);
        }
        self.durable = self.durable.min(self.last().index);
        self.unsynced.retain(|(_, index)| *index < from);
    }

    /// Drops the entries up to `through`, which a snapshot covers.
    pub fn compact(&mut self, through: Position) {
        if through.index <= self.base.index {
            return;
        }
        let gone = ((through.index - self.base.index) as usize).min(self.slots.len());
        self.slots.drain(..gone);
        self.stale = self.stale.split_off(&(through.index + 1));
        self.base = through;
    }

    /// A leader's snapshot, written at `lsn`, replaces everything up to `last`, and what follows if that does not
    /// follow from it.
    pub fn replace(&mut self, last: Position, keep_suffix: bool, lsn: Lsn) {
        if keep_suffix {
            self.compact(last);
        } else {
            let durable = self.durable.min(last.index);
            *self = Log {
                durable,
                ..Log::starting_after(last)
            };
        }
        self.unsynced.push_back((lsn, last.index));
    }

    /// Everything written up to `lsn` is durable.
    pub fn synced(&mut self, lsn: Lsn) {
        while let Some((written, index)) = self.unsynced.front()
            && *written <= lsn
        {
            self.durable = self.durable.max(*index);
            self.unsynced.pop_front();
        }
    }

    /// The earliest position that holds an entry still in the log.
    pub fn first_lsn(&self) -> Option<Lsn> {
        self.slots.iter().map(|slot| slot.lsn).min()
    }

    /// Writes everything that tells this log from others, with positions of the write-ahead log told from
    /// `durable` on.
    pub(super) fn write_state(&self, durable: Lsn, out: &mut dyn fmt::Write) -> fmt::Result {
        write!(out, "{} {} {};", self.base.term, self.base.index, self.durable)?;
        for slot in &self.slots {
            write!(out, "{} {:?},", slot.entry.at.term, slot.entry.payload)?;
        }
        for (lsn, index) in &self.unsynced {
            write!(out, "+{} {index},", lsn.0.saturating_sub(durable.0))?;
        }
        for (index, entry) in &self.stale {
            write!(out, "stale {index} {entry:?},")?;
        }
        Ok(())
    }

    fn slot(&self, index: Index) -> Option<&Slot> {
        let offset = index.checked_sub(self.base.index + 1)?;
        self.slots.get(offset as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::super::types::Payload;
    use super::*;

    fn entry(term: Term, index: Index) -> Entry {
        let at = Position { term, index };
        Entry {
            at,
            payload: Payload::Noop.into(),
        }
    }

    /// A log of entries of these terms from 1 on, written at positions 1, 2, ….
    fn log(terms: &[Term]) -> Log {
        let mut log = Log::default();
        for (place, term) in terms.iter().enumerate() {
            let index = place as u64 + 1;
            assert!(log.put(entry(*term, index), Lsn(index)));
        }
        log
    }

    #[test]
    fn an_entry_beyond_the_end_is_refused_rather_than_leaving_a_hole() {
        let mut log = log(&[1, 1]);
        assert!(!log.put(entry(1, 4), Lsn(3)));
        assert_eq!(log.last().index, 2);
    }

    #[test]
    fn what_is_not_synced_is_not_durable_and_what_was_removed_is_no_more() {
        let mut log = log(&[1, 1, 1]);
        log.synced(Lsn(2));
        assert_eq!(log.durable(), 2);
        log.truncate(2, Some(2));
        assert_eq!(log.durable(), 1);
        assert!(log.put(entry(2, 2), Lsn(5)));
        log.synced(Lsn(4));
        assert_eq!(log.durable(), 1, "the new entry is written at 5");
        log.synced(Lsn(5));
        assert_eq!(log.durable(), 2);
    }

    #[test]
    fn an_installed_snapshot_counts_once_it_is_durable_itself() {
        let mut log = log(&[1, 1]);
        log.synced(Lsn(2));
        let last = Position { term: 2, index: 9 };
        log.replace(last, false, Lsn(7));
        assert_eq!((log.base(), log.last(), log.durable()), (last, last, 2));
        log.synced(Lsn(7));
        assert_eq!(log.durable(), 9);
    }

    #[test]
    fn compacting_keeps_the_suffix_and_the_boundary_term() {
        let mut log = log(&[1, 1, 2, 3]);
        log.compact(Position { term: 2, index: 3 });
        assert_eq!(log.term_at(3), Some(2));
        assert_eq!(log.term_at(2), None);
        assert_eq!(log.last(), Position { term: 3, index: 4 });
        assert_eq!(log.first_lsn(), Some(Lsn(4)));
    }

    #[test]
    fn backing_up_skips_whole_terms() {
        let log = log(&[1, 1, 3, 3, 5]);
        assert_eq!(log.first_of_term_at(4), 3);
        assert_eq!(log.last_of_term(4, 5), Some(Position { term: 3, index: 4 }));
        assert_eq!(log.last_of_term(1, 1), Some(Position { term: 1, index: 1 }));
        assert_eq!(log.last_of_term(0, 5), None);
    }

    #[test]
    fn the_cache_forgets_what_the_log_forgets() {
        let mut log = log(&[1, 1, 1]);
        log.truncate(2, Some(2));
        assert!(log.put(entry(2, 2), Lsn(4)));
        assert_eq!(log.cached(2).map(|entry| entry.at.term), Some(2));
        assert_eq!(log.cached(3), None);
    }

    #[test]
    fn a_cache_that_forgets_nothing_says_what_was_removed_until_newer_entries_push_it_out() {
        let mut log = log(&[1, 1, 1]);
        log.truncate(2, None);
        assert!(log.put(entry(2, 2), Lsn(4)));
        let terms = |log: &Log| (log.term_at(2), log.cached(2).map(|entry| entry.at.term));
        assert_eq!(terms(&log), (Some(2), Some(1)));
        for index in 3..=2 + CACHE_ENTRIES {
            assert!(log.put(entry(2, index), Lsn(index + 2)));
        }
        assert_eq!(terms(&log), (Some(2), Some(2)));
    }
}
