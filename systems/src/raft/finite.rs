//! What tells a node's states apart when they are counted: for exploring all of them.
//!
//! Two nodes that are written alike behave alike from here on, provided that time stands still (no `prevote`, no
//! leases: what was heard when does not matter), disks are not exchanged, and the write-ahead log's positions are
//! told from the durable end on: nothing but their order ever matters.

use std::collections::BTreeMap;
use std::fmt;

use super::rules::Swap;
use super::types::{Entry, Index, Record};
use super::{Raft, State};
use crate::replica::{Durable, Lsn};

impl Raft {
    /// Writes everything that tells this node from others, its log being durable up to `durable`.
    ///
    /// # Errors
    /// Only if `out` refuses.
    pub fn write_state(&self, durable: Lsn, out: &mut dyn fmt::Write) -> fmt::Result {
        let ahead = |lsn: Lsn| lsn.0.saturating_sub(durable.0);
        write!(
            out,
            "{} {} {:?} {} {:?} {} {}|",
            self.me,
            self.term,
            self.vote,
            ahead(self.hard_state_at),
            self.leader,
            self.commit,
            self.applying,
        )?;
        self.log.write_state(durable, out)?;
        if self.configs.iter().count() > 1 || self.image.is_some() || self.incoming.is_some() {
            write!(out, "|{:?} {:?} {:?}", self.configs, self.image, self.incoming)?;
        }
        let machine = &self.machine;
        write!(out, "|{:?} {:x}|", machine.applied_at(), machine.hash())?;
        // Only a planted mistake looks at what the log was when a timer last ran out.
        if matches!(self.rules.swap(), Some(Swap::VotersLastEntry(_))) {
            write!(out, "{:?}|", self.last_at_tick)?;
        }
        if self.settings.register_disks {
            write!(out, "{:?} {:?}|", self.identity, self.registration)?;
        }
        self.write_role(durable, out)?;
        let requests = &self.requests;
        write!(
            out,
            "|{:?} {:?} {} {}",
            requests.proposals,
            requests.reads,
            requests.reads_ready,
            requests.tickets()
        )?;
        write!(out, "|{:?}", self.halted)
    }

    fn write_role(&self, durable: Lsn, out: &mut dyn fmt::Write) -> fmt::Result {
        let leader = match &self.state {
            State::Follower => return out.write_str("follower"),
            State::PreCandidate(tally) => return write!(out, "asks {}", tally.told(durable)),
            State::Candidate(tally) => return write!(out, "campaigns {}", tally.told(durable)),
            State::Leader(leader) => leader,
        };
        write!(
            out,
            "leads {} {} {} {:?} {:?} {:?} {}",
            leader.first_own,
            leader.round,
            leader.confirmed_round,
            leader.reads,
            leader.change,
            leader.transfer,
            leader.handed_over,
        )?;
        for (node, progress) in leader.progress.iter() {
            let active = self.settings.check_quorum && progress.active;
            write!(
                out,
                ",{node} {} {} {:?} {} {active}",
                progress.matched, progress.next, progress.feed, progress.confirmed
            )?;
        }
        Ok(())
    }
}

/// Leaves out the records that later ones make void, as recovery reads them. With a snapshot everything stays.
pub fn compact(durable: &mut Durable<Record>) {
    if durable.snapshot.is_some() {
        return;
    }
    let (mut hard_state, mut identity) = (None, None);
    let mut entries: BTreeMap<Index, (Lsn, Entry)> = BTreeMap::new();
    for (lsn, record) in durable.records.drain(..) {
        match record {
            Record::HardState(_) => hard_state = Some((lsn, record)),
            Record::Identity(_) => identity = Some((lsn, record)),
            Record::Entry(entry) => {
                entries.insert(entry.at.index, (lsn, entry));
            }
            Record::Remove { first, last } => entries.retain(|index, _| *index < first || *index > last),
        }
    }
    let entries = entries
        .into_values()
        .map(|(lsn, entry)| (lsn, Record::Entry(entry)));
    durable
        .records
        .extend(hard_state.into_iter().chain(identity).chain(entries));
    durable.records.sort_by_key(|(lsn, _)| *lsn);
}
