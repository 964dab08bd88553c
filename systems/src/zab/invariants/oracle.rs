//! The one history that is committed: Z-I2, the committed transactions of every node are a prefix of it; Z-I3, it holds
//! what leaders proposed, in the order of epochs and within each in theirs; Z-I5, every established epoch begins with
//! all that earlier ones committed (paper §III-A and §V).
//!
//! "Earlier" is the epoch of the leader that committed it, not that of the transaction, and not the moment: a leader of
//! an older epoch may learn late that a quorum has adopted its history.

use rustc_hash::FxHashMap;

use super::Step;
use crate::replica::NodeId;
use crate::zab::Zab;
use crate::zab::types::{Epoch, Trace, Zxid};

pub(super) const NAME: (&str, &str) = ("Z-I2", "one committed history");
pub(super) const PRIMARY_ORDER: (&str, &str) = ("Z-I3", "primary order");
pub(super) const COMPLETENESS: (&str, &str) = ("Z-I5", "leader completeness");

/// A transaction that is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Committed {
    pub(super) zxid: Zxid,
    pub(super) digest: u64,
    /// The epoch of the leader that committed it first.
    pub(super) epoch: Epoch,
}

/// The committed history.
#[derive(Clone, Debug, Default)]
pub(super) struct Oracle {
    txns: Vec<Committed>,
    proposed: FxHashMap<Zxid, (NodeId, u64)>,
}

impl Oracle {
    pub(super) fn len(&self) -> usize {
        self.txns.len()
    }

    /// The last transaction that is committed.
    pub(super) fn last(&self) -> Zxid {
        self.txns.last().map_or(Zxid::default(), |txn| txn.zxid)
    }

    /// The committed transactions after this one.
    pub(super) fn after(&self, zxid: Zxid) -> &[Committed] {
        let from = self.txns.partition_point(|txn| txn.zxid <= zxid);
        &self.txns[from..]
    }

    /// Those that were not known when there were `known`.
    pub(super) fn since(&self, known: usize) -> &[Committed] {
        &self.txns[known..]
    }

    fn place(&self, zxid: Zxid) -> Option<usize> {
        self.txns.binary_search_by_key(&zxid, |txn| txn.zxid).ok()
    }

    /// Which transaction comes after this one in the committed history, if that is known.
    pub(super) fn next_of(&self, zxid: Zxid) -> Option<Zxid> {
        let place = if zxid == Zxid::default() {
            0
        } else {
            self.place(zxid)? + 1
        };
        self.txns.get(place).map(|txn| txn.zxid)
    }

    /// No two proposals have the same identifier.
    pub(super) fn note_proposals(&mut self, step: &Step<'_>) -> Result<(), String> {
        for trace in step.traces {
            if let Trace::Proposed { zxid, digest } = trace {
                self.proposal(step.node, *zxid, *digest)?;
            }
        }
        Ok(())
    }

    pub(super) fn proposal(&mut self, node: NodeId, zxid: Zxid, digest: u64) -> Result<(), String> {
        if zxid.counter == 0 {
            return Err(format!(
                "it proposed {zxid}, which is no transaction's identifier"
            ));
        }
        match self.proposed.insert(zxid, (node, digest)) {
            Some((earlier, _)) => Err(format!("{earlier} and {node} both proposed {zxid}")),
            None => Ok(()),
        }
    }

    pub(super) fn check_established(&self, step: &Step<'_>) -> Result<(), String> {
        for trace in step.traces {
            let Trace::Established { epoch } = trace else {
                continue;
            };
            let log = step.zab.log();
            for committed in self.after(log.base()) {
                let there = log.get(committed.zxid).map(|txn| txn.digest());
                if committed.epoch < *epoch && there != Some(committed.digest) {
                    return Err(format!(
                        "it leads epoch {epoch} without {}, committed in epoch {}",
                        committed.zxid, committed.epoch
                    ));
                }
            }
        }
        Ok(())
    }

    /// Notes what is committed, and checks what is relied upon.
    pub(super) fn check_commits(&mut self, step: &Step<'_>) -> Result<(), String> {
        let log = step.zab.log();
        // Where it was before this step; a state that came from a leader is committed as it is.
        let mut from = step.earlier().map_or(log.base(), |before| before.committed);
        for trace in step.traces {
            match trace {
                Trace::SnapshotInstalled { last, .. } => from = *last,
                Trace::Committed { zxid, epoch, counted } => {
                    // What was trimmed in the same step was there before it.
                    let seen = step.before().map(|before| before.log.after(from));
                    let trimmed = seen.into_iter().flatten().filter(|(seen, _)| *seen <= log.base());
                    let there = log.after(from).map(|txn| (txn.zxid, txn.digest()));
                    for (next, digest) in trimmed.chain(there).take_while(|(next, _)| next <= zxid) {
                        self.commit(from, next, digest, counted.then_some(*epoch))?;
                        from = next;
                    }
                    from = *zxid;
                }
                Trace::Applied { zxid, digest, .. } => self.relied_on(*zxid, *digest)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn commit(&mut self, before: Zxid, zxid: Zxid, digest: u64, epoch: Option<Epoch>) -> Result<(), String> {
        if let (Some(epoch), true) = (epoch, zxid > self.last()) {
            if before < self.last() {
                return Err(format!(
                    "it committed {zxid} right after {before}, where {} is committed",
                    self.last()
                ));
            }
            if let Some((_, proposed)) = self.proposed.get(&zxid)
                && *proposed != digest
            {
                return Err(format!(
                    "it committed another transaction as {zxid} than was proposed"
                ));
            }
            self.txns.push(Committed { zxid, digest, epoch });
            return Ok(());
        }
        self.relied_on(zxid, digest)?;
        match self.next_of(before) {
            Some(next) if next != zxid => Err(format!(
                "it committed {zxid} right after {before}, where {next} is committed"
            )),
            _ => Ok(()),
        }
    }

    fn relied_on(&self, zxid: Zxid, digest: u64) -> Result<(), String> {
        match self.place(zxid).map(|place| self.txns[place]) {
            None => Err(format!("it relied on {zxid}, which nobody has committed")),
            Some(known) if known.digest != digest => Err(format!(
                "it relied on another transaction as {zxid} than is committed"
            )),
            Some(_) => Ok(()),
        }
    }

    /// Compares what a node knows to be committed with the committed history.
    pub(super) fn full(&self, zab: &Zab) -> Result<(), String> {
        let log = zab.log();
        for txn in log
            .after(log.base())
            .take_while(|txn| txn.zxid <= zab.committed())
        {
            self.relied_on(txn.zxid, txn.digest())?;
        }
        Ok(())
    }
}
