//! A node's log as it was seen last, and Z-I8: the transactions of an epoch are numbered 1, 2, 3, … without a gap in
//! every log.

use std::collections::VecDeque;

use crate::replica::Lsn;
use crate::zab::types::{Trace, Zxid};
use crate::zab::{Log, Zab};

pub(super) const NAME: (&str, &str) = ("Z-I8", "no gaps");

/// The identifiers and hashes of a log's transactions. It is brought up to date from what a step says that it changed;
/// the log itself need not be copied.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mirror {
    base: Zxid,
    txns: VecDeque<(Zxid, u64)>,
    durable: Zxid,
    /// While a leader's state that replaced the log is not durable, the log before is still on the disk.
    shadow: Option<(Lsn, Box<Mirror>)>,
}

impl Mirror {
    /// The log changed in a step with these traces.
    ///
    /// # Errors
    /// A gap.
    pub(super) fn follow(&mut self, zab: &Zab, traces: &[Trace], durable: Lsn) -> Result<(), String> {
        let log = zab.log();
        if self.shadow.as_ref().is_some_and(|(until, _)| durable >= *until) {
            self.shadow = None;
        }
        if traces.is_empty() {
            self.durable = log.durable();
            return Ok(());
        }
        for trace in traces {
            match trace {
                Trace::Truncated { after } => {
                    let keep = self.txns.partition_point(|(zxid, _)| zxid <= after);
                    self.txns.truncate(keep);
                }
                Trace::SnapshotInstalled { .. } => {
                    let mut before = std::mem::take(self);
                    before.shadow = None;
                    self.base = log.base();
                    self.shadow = Some((zab.epochs_at(), Box::new(before)));
                }
                Trace::Recovered { .. } => {
                    *self = Mirror {
                        base: log.base(),
                        ..Mirror::default()
                    };
                }
                _ => {}
            }
        }
        self.durable = log.durable();
        let gone = self.txns.partition_point(|(zxid, _)| *zxid <= log.base());
        self.txns.drain(..gone);
        self.base = log.base();
        self.take(log)
    }

    /// Takes over what the log has beyond the end.
    fn take(&mut self, log: &Log) -> Result<(), String> {
        let mut last = self.last();
        for txn in log.after(last) {
            let zxid = txn.zxid;
            if !last.precedes(zxid) {
                return Err(format!("in its log {zxid} comes right after {last}"));
            }
            self.txns.push_back((zxid, txn.digest()));
            last = zxid;
        }
        Ok(())
    }

    fn last(&self) -> Zxid {
        self.txns.back().map_or(self.base, |(zxid, _)| *zxid)
    }

    /// The transactions after this one, with their hashes, in order.
    pub(super) fn after(&self, zxid: Zxid) -> impl Iterator<Item = (Zxid, u64)> {
        let from = self.txns.partition_point(|(other, _)| *other <= zxid);
        self.txns.range(from..).copied()
    }

    /// The transactions that are durable, in order.
    pub(super) fn durable_txns(&self) -> impl Iterator<Item = Zxid> {
        let durable = self.durable;
        self.txns
            .iter()
            .map(|(zxid, _)| *zxid)
            .take_while(move |zxid| *zxid <= durable)
    }

    pub(super) fn durable(&self) -> Zxid {
        self.durable
    }

    /// Whether the node holds this transaction, durably.
    pub(super) fn holds(&self, zxid: Zxid, digest: u64) -> bool {
        let place = self.txns.partition_point(|(other, _)| *other < zxid);
        let there = self.txns.get(place) == Some(&(zxid, digest));
        let held = self.durable >= zxid && (zxid <= self.base || there);
        held || self
            .shadow
            .as_ref()
            .is_some_and(|(_, before)| before.holds(zxid, digest))
    }
}
