//! Replication: appends, heartbeats, the consistency check, commitment (paper §5.3, §5.4).

use super::marks::Place;
use super::progress::Feed;
use super::rules::Rules;
use super::rules::durability::{Gate, Removal};
use super::rules::replication::Splice;
use super::types::{Appended, Entry, Index, Message, Payload, Position, Record, Term, Timer, Trace};
use super::{Cx, Raft, State};
use crate::identity::Disk;
use crate::replica::NodeId;

impl Raft {
    /// Adds an entry to the leader's log and sends it out, in parallel with writing it (thesis §10.2.1).
    pub(super) fn append_entry(&mut self, payload: Payload, cx: &mut Cx) -> Position {
        let at = Position {
            term: self.term,
            index: self.log.last().index + 1,
        };
        let entry = Entry {
            at,
            payload: payload.into(),
        };
        self.write_entry(entry, cx);
        cx.trace(Trace::Appended {
            first: at.index,
            last: at.index,
            term: at.term,
        });
        self.replicate(cx);
        at
    }

    fn write_entry(&mut self, entry: Entry, cx: &mut Cx) {
        let index = entry.at.index;
        let config = entry.config().cloned();
        let lsn = cx.append(Record::Entry(entry.clone()));
        let put = self.log.put(entry, lsn);
        self.rules.ensure(put, "an entry goes to the end of the log");
        if let Some(config) = config {
            self.config_appended(index, config, cx);
        }
    }

    /// Sends every follower what it lacks, as far as its window allows.
    pub(super) fn replicate(&mut self, cx: &mut Cx) {
        let mut after = None;
        while let Some(node) = self.follower_after(after) {
            self.feed(node, cx);
            after = Some(node);
        }
    }

    /// A leader's followers, one after the other.
    fn follower_after(&self, node: Option<NodeId>) -> Option<NodeId> {
        let State::Leader(leader) = &self.state else {
            return None;
        };
        leader.progress.after(node)
    }

    /// Sends one follower what it lacks.
    pub(super) fn feed(&mut self, to: NodeId, cx: &mut Cx) {
        loop {
            let State::Leader(leader) = &mut self.state else {
                return;
            };
            let Some(progress) = leader.progress.get_mut(to) else {
                return;
            };
            let snapshot_wanted = self.rules.needs_snapshot(progress.next, self.log.base().index);
            match &mut progress.feed {
                Feed::Snapshot { .. } => {
                    self.send_chunk(to, cx);
                    return;
                }
                _ if snapshot_wanted => {
                    if !self.begin_snapshot(to) {
                        return;
                    }
                    continue;
                }
                Feed::Probe { waiting: true } => return,
                Feed::Probe { waiting } => *waiting = true,
                Feed::Stream { in_flight } => {
                    if progress.next > self.log.last().index || in_flight.len() >= self.settings.max_inflight
                    {
                        return;
                    }
                }
            }
            let prev = self.log.position_before(progress.next);
            let entries = self
                .log
                .entries(progress.next, self.settings.max_entries_per_append);
            let streaming = match &mut progress.feed {
                Feed::Stream { in_flight } => {
                    progress.next += entries.len() as u64;
                    in_flight.push_back(progress.next - 1);
                    !entries.is_empty()
                }
                _ => false,
            };
            let message = Message::Append {
                term: self.term,
                prev,
                entries,
                commit: self.commit,
                round: leader.round,
            };
            cx.send_now(to, message);
            if !streaming {
                return;
            }
        }
    }

    /// The heartbeat timer ran out: a new round, and whatever got lost is tried again.
    pub(super) fn heartbeat(&mut self, cx: &mut Cx) {
        self.last_at_tick = self.log.last();
        let State::Leader(leader) = &mut self.state else {
            return;
        };
        leader.ticks += 1;
        for progress in leader.progress.values_mut() {
            match &mut progress.feed {
                Feed::Probe { waiting } | Feed::Snapshot { waiting, .. } => *waiting = false,
                Feed::Stream { .. } => {}
            }
        }
        self.begin_round(cx);
        let mut after = None;
        while let Some(node) = self.follower_after(after) {
            let State::Leader(leader) = &self.state else {
                return;
            };
            let snapshot = leader.progress.get(node).map(|progress| &progress.feed);
            if matches!(snapshot, Some(Feed::Snapshot { .. })) {
                self.feed(node, cx);
            }
            after = Some(node);
        }
        cx.arm(Timer::Heartbeat, self.settings.heartbeat);
    }

    /// Sends an empty append to every follower; what they answer says who leads now (thesis §6.4), and whether an
    /// earlier append was lost.
    pub(super) fn begin_round(&mut self, cx: &mut Cx) {
        let State::Leader(leader) = &mut self.state else {
            return;
        };
        leader.start_round(cx.now);
        for (node, progress) in leader.progress.iter() {
            let prev = match progress.feed {
                Feed::Snapshot { .. } => Position::default(),
                _ => self.log.position_before(progress.next),
            };
            let message = Message::Append {
                term: self.term,
                prev,
                entries: Vec::new(),
                commit: self.commit,
                round: leader.round,
            };
            cx.send_now(node, message);
        }
        self.confirm_reads(cx);
    }

    pub(super) fn on_append(
        &mut self,
        from: NodeId,
        (term, round): (Term, u64),
        (prev, entries): (Position, Vec<Entry>),
        commit: Index,
        cx: &mut Cx,
    ) {
        if !well_formed(term, prev, &entries) {
            return;
        }
        let outcome = if !self.rules.accepts_leader(term, self.term) {
            self.rules.reach(Place::OldLeaderRefused as u8);
            Appended::Stale
        } else if matches!(self.state, State::Leader(_)) && term == self.term {
            self.rules.ensure(false, "two leaders of one term");
            return;
        } else {
            if term == self.term {
                self.follow(from, cx);
            }
            if entries.is_empty() {
                self.last_at_tick = self.log.last();
            }
            self.take_entries(prev, entries, commit, cx)
        };
        let reply = Message::AppendReply {
            term: self.term,
            round,
            outcome,
            disk: self.identity.disk,
            votes: self.has_a_vote(),
        };
        match self.rules.append_ack_gate() {
            Gate::Durable => cx.send(from, reply),
            Gate::Open => cx.send_now(from, reply),
        }
    }

    /// The receiver's rules 2 to 5 of AppendEntries (figure 2).
    fn take_entries(&mut self, prev: Position, entries: Vec<Entry>, commit: Index, cx: &mut Cx) -> Appended {
        let last = self.log.last().index;
        let base = self.log.base();
        let count = entries.len() as u64;
        // What a snapshot covers is committed, so it agrees with any leader's log.
        let mine = if prev.index < base.index {
            Some(prev.term)
        } else {
            self.log.term_at(prev.index)
        };
        let Some(first) = self.rules.place_for(prev, mine, last) else {
            return self.conflict(prev.index, mine);
        };
        let news = entries.into_iter().enumerate().map(|(offset, entry)| {
            let index = first + offset as u64;
            Entry {
                at: Position {
                    term: entry.at.term,
                    index,
                },
                payload: entry.payload,
            }
        });
        let news: Vec<Entry> = news.filter(|entry| entry.at.index > base.index).collect();
        if count > 0
            && last >= prev.index + count
            && news
                .iter()
                .all(|entry| self.log.term_at(entry.at.index) == Some(entry.at.term))
        {
            self.rules.reach(Place::AppendRepeated as u8);
        }
        self.write_news(news, first, cx);
        let last_new = prev.index + count;
        let last = self.log.last().index;
        self.commit_to(self.rules.follower_commit(commit, last_new, last), false, cx);
        Appended::Matches(self.rules.acked_index(last_new, last))
    }

    fn conflict(&self, prev: Index, mine: Option<Term>) -> Appended {
        let place = match mine {
            None => Place::PrevMissing,
            Some(_) => Place::PrevDiffers,
        };
        self.rules.reach(place as u8);
        let first = match mine {
            Some(_) => self.log.first_of_term_at(prev),
            None => self.log.last().index + 1,
        };
        Appended::Conflict {
            prev,
            first,
            term: mine,
        }
    }

    fn write_news(&mut self, news: Vec<Entry>, first: Index, cx: &mut Cx) {
        let differs = |entry: &&Entry| self.log.term_at(entry.at.index) != Some(entry.at.term);
        let conflict = news
            .iter()
            .find(differs)
            .map(|entry| entry.at.index)
            .filter(|index| *index <= self.log.last().index);
        let from = match self.rules.splice(conflict, first, self.log.last().index) {
            Splice::Extend => self.log.last().index + 1,
            Splice::RemoveFrom(from) => {
                self.remove_from(from, cx);
                from
            }
            Splice::Overwrite(from) => from,
        };
        let mut written = news.into_iter().filter(|entry| entry.at.index >= from).peekable();
        let Some(first) = written.peek().map(|entry| entry.at.index) else {
            return;
        };
        for entry in written {
            self.write_entry(entry, cx);
        }
        let last = self.log.last();
        cx.trace(Trace::Appended {
            first,
            last: last.index,
            term: last.term,
        });
    }

    /// Takes a conflicting suffix out of the log, and the configurations in it out of force.
    pub(super) fn remove_from(&mut self, from: Index, cx: &mut Cx) {
        let last = self.log.last().index;
        let from = from.max(self.log.base().index + 1);
        if from > last {
            return;
        }
        self.rules
            .ensure(from > self.commit, "what is committed is never removed");
        match self.rules.removal() {
            Removal::Atomic => {
                cx.append(Record::Remove { first: from, last });
            }
            Removal::FrontToBack => {
                for index in from..=last {
                    let (first, last) = (index, index);
                    cx.append(Record::Remove { first, last });
                }
            }
        }
        self.log.truncate(from, self.rules.cache_truncation(from));
        self.last_at_tick = self.last_at_tick.min(self.log.last());
        cx.trace(Trace::Truncated { from });
        self.rules.reach(Place::SuffixRemoved as u8);
        let gone = self
            .configs
            .roll_back(|index| self.rules.config_survives(index, from));
        for index in gone {
            cx.trace(Trace::ConfigRolledBack { index });
            self.rules.reach(Place::ChangeRolledBack as u8);
        }
    }

    pub(super) fn on_append_reply(
        &mut self,
        from: NodeId,
        term: Term,
        round: u64,
        outcome: Appended,
        (disk, votes): (Disk, bool),
        cx: &mut Cx,
    ) {
        let State::Leader(leader) = &mut self.state else {
            return;
        };
        let last = self.log.last().index;
        let Some(progress) = leader.progress.get_mut(from) else {
            return;
        };
        if !self.rules.counts_append_reply(term, self.term) {
            self.rules.reach(Place::LateAnswerIgnored as u8);
            return;
        }
        let (matched, confirmed) = (progress.matched, progress.confirmed);
        progress.active = true;
        let counted = progress.counts;
        progress.answers_with(disk, votes);
        if round <= leader.round {
            progress.answered_at = cx.now;
            progress.confirmed = progress
                .confirmed
                .max(self.rules.confirmed_round(round, leader.round));
        }
        match outcome {
            Appended::Matches(acked) => {
                let acked = self
                    .rules
                    .acked_by_reply(acked.min(last), progress.oldest_in_flight());
                progress.matched = self.rules.match_after(progress.matched, acked);
                progress.agree(acked);
            }
            Appended::Conflict { prev, first, term } if prev > progress.matched && prev <= last => {
                let awaited = match &progress.feed {
                    Feed::Probe { .. } => prev == progress.next - 1,
                    Feed::Stream { .. } => true,
                    Feed::Snapshot { .. } => false,
                };
                // Its log ended before what it is known to hold by now.
                let overtaken = term.is_none() && first <= progress.matched;
                if awaited && !overtaken {
                    // Skip to the last entry of the term found there, or over the whole term (paper §5.3, the
                    // accelerated backtracking), but always at least one place back.
                    let agreeing = term.and_then(|term| self.log.last_of_term(term, prev - 1));
                    let next = match (agreeing, term) {
                        (Some(found), Some(term)) if found.term == term => found.index + 1,
                        _ => first,
                    };
                    progress.probe(next.min(prev).max(1));
                }
            }
            Appended::Conflict { .. } | Appended::Stale => {}
        }
        let counts = votes && !counted;
        let (rose, confirms) = (
            counts || progress.matched != matched,
            counts || progress.confirmed != confirmed,
        );
        if confirms {
            self.confirm_reads(cx);
        }
        if rose {
            self.advance_commit(cx);
        }
        self.feed(from, cx);
        self.hand_over_when_ready(cx);
    }

    /// A leader looks what a majority holds (paper §5.3, §5.4.2).
    pub(super) fn advance_commit(&mut self, cx: &mut Cx) {
        let State::Leader(leader) = &self.state else {
            return;
        };
        let own = self.rules.leader_holds(self.log.durable(), self.log.last().index);
        let matched = |node: NodeId| {
            if node == self.me {
                own
            } else {
                let counted = leader.progress.get(node).filter(|progress| progress.counts);
                counted.map_or(0, |progress| progress.matched)
            }
        };
        let config = self.configs.latest();
        // A leader commits nothing that its own disk may still lose, so that what it told its clients is found at
        // it after a restart too.
        if own <= self.commit {
            return;
        }
        // What some member holds, from the highest place down.
        let below = |bound: Index| {
            let held = leader.progress.values().map(|progress| progress.matched);
            let held = held.chain([own]);
            held.filter(|index| *index > self.commit && *index < bound).max()
        };
        let absent = !config.is_voter(self.me) && self.rules.absent_leader_counts();
        let candidates = std::iter::successors(below(own + 1), |index| below(*index));
        let committed = candidates.into_iter().find(|index| {
            let holds = |node| usize::from(matched(node) >= *index);
            let quorum = |rules: &Rules, voters: usize| {
                rules
                    .commit_quorum(voters)
                    .saturating_sub(usize::from(absent && own >= *index))
            };
            self.agreed(config, quorum, holds)
        });
        if let Some(index) = committed
            && let Some(entry_term) = self.log.term_at(index)
        {
            let oldest = self.log.term_at(self.commit + 1).unwrap_or(entry_term);
            if self.rules.may_commit(self.term, entry_term, oldest) {
                self.commit_to(index, true, cx);
            } else {
                self.rules.reach(Place::OldTermWaits as u8);
            }
        }
    }

    /// Raises the commit index; `counted` says that this node counted replicas.
    pub(super) fn commit_to(&mut self, index: Index, counted: bool, cx: &mut Cx) {
        let index = index.min(self.log.last().index);
        if index <= self.commit {
            return;
        }
        self.commit = index;
        cx.trace(Trace::Committed {
            index,
            entry_term: self.log.term_at(index).unwrap_or_default(),
            term: self.term,
            counted,
        });
    }

    /// Something became durable: a leader may count itself further.
    pub(super) fn on_durable(&mut self, durable: crate::replica::Lsn, cx: &mut Cx) {
        self.log.synced(durable);
        self.own_vote_durable(durable, cx);
        self.advance_commit(cx);
    }
}

/// Whether an append can come from a leader of this term: its entries follow each other, and none is newer than it.
fn well_formed(term: Term, prev: Position, entries: &[Entry]) -> bool {
    let places = entries.iter().map(|entry| entry.at.index.checked_sub(prev.index));
    places.eq((1..=entries.len() as u64).map(Some)) && entries.iter().all(|entry| entry.at.term <= term)
}
