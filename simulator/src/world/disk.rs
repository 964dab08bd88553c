//! A node's disk: what was written, and how much of it is durable.

use std::collections::VecDeque;

use perjury_systems::context::Written;
use perjury_systems::replica::{Durable, Lsn, Replica};
use rand_chacha::ChaCha8Rng;

use super::chance::below;

/// One node's log. Records that were torn by a crash are not kept: reading a log cuts them off
/// ([`perjury_systems::wal::scan`]), so what a node finds is the same as if they had never been written.
#[derive(Debug)]
pub(crate) struct Disk<R: Replica> {
    records: VecDeque<(Lsn, R::Record)>,
    snapshot: Option<(Lsn, Vec<u8>)>,
    new_snapshots: Vec<(Lsn, Vec<u8>)>,
    durable: Lsn,
    written: Lsn,
    /// Up to where the fsync under way will have made things durable.
    pub(crate) syncing: Option<Lsn>,
    /// Fsyncs do not return before this moment.
    pub(crate) stalled_until: u64,
    /// Each fsync takes so much longer, on average, in nanoseconds; and how many did.
    pub(crate) slowed_by: u64,
    pub(crate) slow_syncs: u64,
    /// The next fsync fails.
    pub(crate) fails_sync: bool,
    /// Nothing more can be written.
    pub(crate) full: bool,
    /// A durable record that cannot be read.
    rotten: Option<Lsn>,
    /// Records are deleted by segments of so many, so that some that were released are found again.
    segment: usize,
}

impl<R: Replica> Disk<R> {
    pub(crate) fn new(segment: usize) -> Self {
        Disk {
            records: VecDeque::new(),
            snapshot: None,
            new_snapshots: Vec::new(),
            durable: Lsn(0),
            written: Lsn(0),
            syncing: None,
            stalled_until: 0,
            slowed_by: 0,
            slow_syncs: 0,
            fails_sync: false,
            full: false,
            rotten: None,
            segment: segment.max(1),
        }
    }

    pub(crate) fn write(&mut self, lsn: Lsn, what: Written<R>) {
        self.written = lsn;
        match what {
            Written::Record(record) => self.records.push_back((lsn, record)),
            Written::Snapshot(bytes) => self.new_snapshots.push((lsn, bytes)),
        }
    }

    pub(crate) fn release(&mut self, before: Lsn) {
        let released = self
            .records
            .partition_point(|(lsn, _)| *lsn < before && *lsn <= self.durable);
        self.records.drain(..released - released % self.segment);
    }

    /// How many writes are not durable.
    pub(crate) fn unsynced(&self) -> u64 {
        self.written.0 - self.durable.0
    }

    /// Begins an fsync, if there is something to sync and none is under way.
    pub(crate) fn begin_sync(&mut self) -> Option<Lsn> {
        if self.syncing.is_some() || self.written == self.durable {
            return None;
        }
        self.syncing = Some(self.written);
        self.syncing
    }

    /// The fsync that was to reach `lsn` did.
    pub(crate) fn end_sync(&mut self, lsn: Lsn) {
        self.syncing = None;
        self.settle(lsn);
    }

    fn settle(&mut self, lsn: Lsn) {
        self.durable = lsn;
        let settled = self.new_snapshots.partition_point(|(at, _)| *at <= lsn);
        if let Some(newest) = self.new_snapshots.drain(..settled).next_back() {
            self.snapshot = Some(newest);
        }
    }

    /// The node stops; of what was not durable, the first `kept` writes survive. Says how many were lost.
    pub(crate) fn crash(&mut self, kept: u64) -> u64 {
        let lost = self.unsynced().saturating_sub(kept);
        let end = Lsn(self.written.0 - lost);
        self.records
            .truncate(self.records.partition_point(|(lsn, _)| *lsn <= end));
        self.settle(end);
        self.new_snapshots.clear();
        self.written = end;
        self.syncing = None;
        self.stalled_until = 0;
        lost
    }

    /// A record rots: a durable one that is needed and is not the last (which would look torn). Says whether there is one.
    pub(crate) fn rot(&mut self, rng: &mut ChaCha8Rng) -> bool {
        let after = self.snapshot.as_ref().map_or(Lsn(0), |(lsn, _)| *lsn);
        let from = self.records.partition_point(|(lsn, _)| *lsn <= after);
        let places = self.records.len().saturating_sub(from + 1);
        if places > 0 {
            let place = from + below(rng, places as u64) as usize;
            self.rotten = Some(self.records[place].0);
        }
        places > 0
    }

    pub(crate) fn is_rotten(&self) -> bool {
        self.rotten.is_some()
    }

    /// The rotten record can be read again.
    pub(crate) fn restore(&mut self) {
        self.rotten = None;
    }

    /// The log ends before the rotten record: what a careless reader makes of it.
    pub(crate) fn end_at_damage(&mut self) {
        if let Some(rotten) = self.rotten.take() {
            self.records
                .truncate(self.records.partition_point(|(lsn, _)| *lsn < rotten));
            self.written = Lsn(rotten.0 - 1);
            self.durable = self.written;
        }
    }

    /// Everything is gone. Positions begin anew.
    pub(crate) fn wipe(&mut self) {
        *self = Disk {
            slowed_by: self.slowed_by,
            slow_syncs: self.slow_syncs,
            ..Disk::new(self.segment)
        };
    }

    /// What a node that starts finds.
    pub(crate) fn read(&self) -> Durable<R::Record> {
        Durable {
            snapshot: self.snapshot.clone(),
            records: self.records.iter().cloned().collect(),
            end: self.durable,
        }
    }
}
