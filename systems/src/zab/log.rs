//! The transaction log as one node holds it: what follows the last transaction that was trimmed, and how far it is
//! durable.

use std::collections::VecDeque;

use super::types::{Shared, Zxid};
use crate::replica::Lsn;

/// A transaction and where it was written.
#[derive(Clone, Debug)]
struct Slot {
    txn: Shared,
    lsn: Lsn,
    /// Later learners are synchronised from it.
    listed: bool,
}

impl Slot {
    fn zxid(&self) -> Zxid {
        self.txn.zxid
    }
}

/// The log. Transactions stand in the order of their identifiers.
#[derive(Clone, Debug, Default)]
pub struct Log {
    base: Zxid,
    slots: VecDeque<Slot>,
    durable: Zxid,
    unsynced: VecDeque<(Lsn, Zxid)>,
}

impl Log {
    /// A log whose transactions up to `base` are in a snapshot.
    pub fn starting_after(base: Zxid) -> Self {
        Log {
            base,
            durable: base,
            ..Log::default()
        }
    }

    /// The last transaction that was trimmed.
    pub fn base(&self) -> Zxid {
        self.base
    }

    /// The last transaction.
    pub fn last(&self) -> Zxid {
        self.slots.back().map_or(self.base, Slot::zxid)
    }

    /// Everything up to here is durable at this node.
    pub fn durable(&self) -> Zxid {
        self.durable
    }

    /// How many transactions it holds.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The place of the first transaction after this one.
    fn place_after(&self, zxid: Zxid) -> usize {
        self.slots.partition_point(|slot| slot.zxid() <= zxid)
    }

    /// A transaction by its identifier.
    pub fn get(&self, zxid: Zxid) -> Option<&Shared> {
        let place = self.place_after(zxid).checked_sub(1)?;
        self.slots
            .get(place)
            .map(|slot| &slot.txn)
            .filter(|txn| txn.zxid == zxid)
    }

    /// The first transaction after this one.
    pub fn next_after(&self, zxid: Zxid) -> Option<&Shared> {
        self.slots.get(self.place_after(zxid)).map(|slot| &slot.txn)
    }

    /// The transactions after this one, in order.
    pub fn after(&self, zxid: Zxid) -> impl Iterator<Item = &Shared> {
        let from = self.place_after(zxid);
        self.slots.range(from..).map(|slot| &slot.txn)
    }

    /// Those of them from which learners are synchronised.
    pub fn listed_after(&self, zxid: Zxid) -> impl Iterator<Item = &Shared> {
        let from = self.place_after(zxid);
        let listed = self.slots.range(from..).filter(|slot| slot.listed);
        listed.map(|slot| &slot.txn)
    }

    /// The latest transaction that is not later than this one; none if it was trimmed.
    pub fn at_or_before(&self, zxid: Zxid) -> Option<Zxid> {
        match self.place_after(zxid).checked_sub(1) {
            Some(place) => self.slots.get(place).map(Slot::zxid),
            None => (self.base <= zxid).then_some(self.base),
        }
    }

    /// The one before a transaction of the log.
    pub fn before(&self, zxid: Zxid) -> Zxid {
        let place = self.slots.partition_point(|slot| slot.zxid() < zxid);
        place
            .checked_sub(1)
            .and_then(|place| self.slots.get(place))
            .map_or(self.base, Slot::zxid)
    }

    /// The transaction `count` places before this one, or the last trimmed one if there are not so many.
    pub fn back_from(&self, zxid: Zxid, count: usize) -> Zxid {
        let place = self.place_after(zxid).checked_sub(1 + count);
        place
            .and_then(|place| self.slots.get(place))
            .map_or(self.base, Slot::zxid)
    }

    /// Adds a transaction at the end. One that is not later than the last is refused.
    #[must_use]
    pub fn push(&mut self, txn: Shared, lsn: Lsn, listed: bool) -> bool {
        let zxid = txn.zxid;
        if zxid <= self.last() {
            return false;
        }
        self.slots.push_back(Slot { txn, lsn, listed });
        self.unsynced.push_back((lsn, zxid));
        true
    }

    /// Takes out everything after a transaction.
    pub fn truncate(&mut self, after: Zxid) {
        self.slots.truncate(self.place_after(after));
        self.durable = self.durable.min(self.last());
        self.unsynced.retain(|(_, zxid)| *zxid <= after);
    }

    /// Drops the transactions up to `through`, which a snapshot covers.
    pub fn trim(&mut self, through: Zxid) {
        if through > self.base {
            self.slots.drain(..self.place_after(through));
            self.base = through;
        }
    }

    /// Begins anew after `base`, a state that was written at `lsn`.
    pub fn restart(&mut self, base: Zxid, lsn: Lsn) {
        let durable = self.durable.min(base);
        *self = Log {
            durable,
            ..Log::starting_after(base)
        };
        self.unsynced.push_back((lsn, base));
    }

    /// Everything written up to `lsn` is durable.
    pub fn synced(&mut self, lsn: Lsn) {
        while let Some((written, zxid)) = self.unsynced.front()
            && *written <= lsn
        {
            self.durable = self.durable.max(*zxid);
            self.unsynced.pop_front();
        }
    }

    /// The earliest position that holds a transaction still in the log.
    pub fn first_lsn(&self) -> Option<Lsn> {
        self.slots.front().map(|slot| slot.lsn)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::types::{Change, Txn};
    use super::*;
    use crate::api::Reply;
    use crate::replica::NodeId;

    fn z(epoch: u32, counter: u32) -> Zxid {
        Zxid::new(epoch, counter)
    }

    fn txn(zxid: Zxid) -> Shared {
        let txn = Txn {
            zxid,
            origin: (NodeId(1), 1),
            session: None,
            outcome: Ok(Reply::default()),
            change: Change::Values(Vec::new()),
        };
        Arc::new(txn.into())
    }

    fn log(zxids: &[Zxid]) -> Log {
        let mut log = Log::default();
        for (place, zxid) in zxids.iter().enumerate() {
            assert!(log.push(txn(*zxid), Lsn(place as u64 + 1), true));
        }
        log
    }

    #[test]
    fn what_is_asked_for_by_identifier_is_found_across_epochs() {
        let log = log(&[z(1, 1), z(1, 2), z(3, 1), z(3, 2)]);
        assert_eq!(log.at_or_before(z(2, 7)), Some(z(1, 2)));
        assert_eq!(log.at_or_before(z(3, 1)), Some(z(3, 1)));
        assert_eq!(log.next_after(z(1, 9)).map(|txn| txn.zxid), Some(z(3, 1)));
        assert_eq!((log.before(z(3, 1)), log.before(z(1, 1))), (z(1, 2), z(0, 0)));
        assert_eq!(
            (log.back_from(z(3, 2), 2), log.back_from(z(3, 2), 9)),
            (z(1, 2), z(0, 0))
        );
        assert!(log.get(z(2, 1)).is_none() && log.get(z(3, 2)).is_some());
    }

    #[test]
    fn what_was_removed_is_not_durable_any_more() {
        let mut log = log(&[z(1, 1), z(1, 2), z(1, 3)]);
        log.synced(Lsn(2));
        assert_eq!(log.durable(), z(1, 2));
        log.truncate(z(1, 1));
        assert_eq!((log.last(), log.durable()), (z(1, 1), z(1, 1)));
        assert!(log.push(txn(z(2, 1)), Lsn(9), true));
        log.synced(Lsn(8));
        assert_eq!(log.durable(), z(1, 1));
        log.synced(Lsn(9));
        assert_eq!(log.durable(), z(2, 1));
    }

    #[test]
    fn an_earlier_transaction_is_refused_rather_than_put_in_its_place() {
        let mut log = log(&[z(1, 1), z(2, 1)]);
        assert!(!log.push(txn(z(1, 2)), Lsn(3), true));
        assert_eq!(log.len(), 2);
    }

    #[test]
    fn a_trimmed_log_does_not_know_what_came_before() {
        let mut log = log(&[z(1, 1), z(1, 2), z(2, 1)]);
        log.trim(z(1, 2));
        assert_eq!((log.base(), log.len()), (z(1, 2), 1));
        assert_eq!(log.at_or_before(z(1, 1)), None);
        assert_eq!(log.at_or_before(z(1, 2)), Some(z(1, 2)));
    }
}
