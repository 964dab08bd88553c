//! Linearizable reads: ReadIndex at the leader and at followers, and leases (paper §8; thesis §6.4).

use std::time::Duration;

use super::marks::Place;
use super::progress::Progress;
use super::rules::reads::lease_length;
use super::settings::ReadMode;
use super::types::{Index, Message, Timer, Trace};
use super::{Cx, Raft, State};
use crate::api::{Command, Failure};
use crate::replica::{NodeId, RequestId};

/// A client's read that waits at the node that it was sent to.
#[derive(Clone, Debug)]
pub(crate) struct LocalRead {
    pub(crate) id: RequestId,
    pub(crate) command: Command,
    pub(crate) deadline: Duration,
    /// When the leader was asked last.
    pub(crate) asked: Option<Duration>,
    /// The read index, once known.
    pub(crate) index: Option<Index>,
}

/// A read that waits at the leader for its read index and a confirming round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PendingRead {
    /// Who asked; the leader itself for its own clients.
    node: NodeId,
    ticket: u64,
    /// The commit index when it came, once that may be taken.
    index: Option<Index>,
    /// The round that confirms it: one that began after it came.
    round: u64,
}

impl Raft {
    /// A client wants to read.
    pub(super) fn read(&mut self, id: RequestId, command: Command, cx: &mut Cx) {
        cx.trace(Trace::ReadInvoked { id });
        let leads = matches!(self.state, State::Leader(_));
        if self.rules.may_read_locally(leads) {
            self.answer_read(id, &command, cx);
            return;
        }
        if self.leader.is_none() {
            self.answer(id, Err(self.unavailable("no leader is known")), cx);
            return;
        }
        let ticket = self.requests.next_ticket();
        let read = LocalRead {
            id,
            command,
            deadline: cx.now + self.settings.request_timeout,
            asked: None,
            index: None,
        };
        self.requests.reads.insert(ticket, read);
        self.ask_for_index(ticket, cx);
        self.arm_sweep(cx);
    }

    fn ask_for_index(&mut self, ticket: u64, cx: &mut Cx) {
        let Some(leader) = self.leader else {
            return;
        };
        if let Some(read) = self.requests.reads.get_mut(&ticket) {
            read.asked = Some(cx.now);
        }
        if leader == self.me {
            self.lead_read(self.me, ticket, cx);
        } else {
            let term = self.term;
            cx.send_now(leader, Message::ReadIndex { term, ticket });
        }
    }

    /// Asks again for every read that has no read index: the leader changed, or an answer may be lost.
    pub(super) fn ask_again(&mut self, cx: &mut Cx) {
        let waiting = self
            .requests
            .reads
            .iter()
            .filter(|(_, read)| read.index.is_none());
        let tickets: Vec<u64> = waiting.map(|(ticket, _)| *ticket).collect();
        for ticket in tickets {
            self.ask_for_index(ticket, cx);
        }
    }

    /// Asks again for the reads whose question was sent an election timeout ago.
    pub(super) fn ask_overdue(&mut self, cx: &mut Cx) {
        let patience = self.settings.election_timeout;
        let overdue = |asked: Option<Duration>| asked.is_none_or(|at| cx.now.saturating_sub(at) >= patience);
        let waiting = self.requests.reads.iter();
        let tickets: Vec<u64> = waiting
            .filter(|(_, read)| read.index.is_none() && overdue(read.asked))
            .map(|(ticket, _)| *ticket)
            .collect();
        for ticket in tickets {
            self.ask_for_index(ticket, cx);
        }
    }

    /// A leader takes in a read, its own client's or a follower's.
    pub(super) fn lead_read(&mut self, node: NodeId, ticket: u64, cx: &mut Cx) {
        let may_take = self.rules.may_take_read_index(self.own_term_committed());
        let by_lease = may_take && self.settings.reads == ReadMode::Lease && self.lease_holds(cx.now);
        let commit = self.commit;
        let State::Leader(leader) = &mut self.state else {
            return;
        };
        if by_lease {
            self.rules.reach(Place::ReadByLease as u8);
            self.give_index(node, ticket, commit, cx);
            return;
        }
        // A round that is under way began before this read: it needs the next one.
        let idle = leader.confirmed_round >= leader.round;
        if !may_take {
            self.rules.reach(Place::ReadWaitsForTerm as u8);
        }
        leader.reads.push_back(PendingRead {
            node,
            ticket,
            index: may_take.then_some(commit),
            round: leader.round + 1,
        });
        if idle {
            self.begin_round(cx);
        }
    }

    /// Whether an entry of the leader's own term is committed.
    pub(super) fn own_term_committed(&self) -> bool {
        match &self.state {
            State::Leader(leader) => self.commit >= leader.first_own,
            _ => false,
        }
    }

    /// Entries of the own term are committed now: reads that waited for that get their read index.
    pub(super) fn take_read_indexes(&mut self, cx: &mut Cx) {
        let own_term_committed = self.own_term_committed();
        let commit = self.commit;
        let State::Leader(leader) = &mut self.state else {
            return;
        };
        // Those that came before that are in front of those that came after.
        let waiting = leader.reads.front().is_some_and(|read| read.index.is_none());
        if !waiting || !own_term_committed {
            return;
        }
        for read in leader.reads.iter_mut().filter(|read| read.index.is_none()) {
            read.index = Some(commit);
        }
        self.confirm_reads(cx);
    }

    /// Lets go of the reads whose round a majority has answered.
    pub(super) fn confirm_reads(&mut self, cx: &mut Cx) {
        let State::Leader(leader) = &self.state else {
            return;
        };
        // Rounds that some node answered and no majority has, from the latest down.
        let below = |bound: u64| {
            let answered = leader.progress.values().map(|progress| progress.confirmed);
            let rounds = answered.chain([leader.round]);
            rounds
                .filter(|round| *round > leader.confirmed_round && *round < bound)
                .max()
        };
        let latest = if leader.confirmed_round < leader.round {
            below(u64::MAX)
        } else {
            None
        };
        let rounds = std::iter::successors(latest, |round| below(*round));
        let confirmed = rounds.into_iter().find(|round| {
            let answered = |node: NodeId| {
                let of = |progress: &Progress| progress.counts && progress.confirmed >= *round;
                usize::from(node == self.me || leader.progress.get(node).is_some_and(of))
            };
            self.agreed(self.configs.latest(), |_, voters| voters / 2 + 1, answered)
        });
        let State::Leader(leader) = &mut self.state else {
            return;
        };
        leader.confirmed_round = confirmed.unwrap_or(0).max(leader.confirmed_round);
        let mut ready = Vec::new();
        while let Some(read) = leader.reads.front()
            && read.round <= leader.confirmed_round
            && let Some(index) = read.index
        {
            ready.push((read.node, read.ticket, index));
            leader.reads.pop_front();
        }
        let wanted = leader.reads.back().is_some_and(|read| read.round > leader.round);
        let idle = leader.confirmed_round >= leader.round;
        if !ready.is_empty() {
            self.rules.reach(Place::ReadByRound as u8);
        }
        for (node, ticket, index) in ready {
            self.give_index(node, ticket, index, cx);
        }
        if wanted && idle {
            self.begin_round(cx);
        }
    }

    fn give_index(&mut self, node: NodeId, ticket: u64, index: Index, cx: &mut Cx) {
        if node == self.me {
            self.on_read_index(ticket, index);
        } else {
            let term = self.term;
            cx.send_now(node, Message::ReadIndexReply { term, ticket, index });
        }
    }

    pub(super) fn on_read_index(&mut self, ticket: u64, index: Index) {
        if let Some(read) = self.requests.reads.get_mut(&ticket) {
            read.index.get_or_insert(index);
            self.requests.reads_ready = true;
        }
    }

    /// Answers the reads whose read index is applied.
    pub(super) fn answer_reads(&mut self, cx: &mut Cx) {
        if !std::mem::take(&mut self.requests.reads_ready) || self.requests.reads.is_empty() {
            return;
        }
        let applied = self.machine.applied();
        let indexed = self
            .requests
            .reads
            .iter()
            .filter_map(|(ticket, read)| Some((*ticket, read.index?)));
        let (done, waiting): (Vec<_>, Vec<_>) =
            indexed.partition(|(_, index)| self.rules.may_answer_read(applied, *index));
        if !waiting.is_empty() {
            self.rules.reach(Place::ReadWaitsForApply as u8);
        }
        self.requests.reads_ready = !waiting.is_empty();
        for (ticket, _) in done {
            if let Some(read) = self.requests.reads.remove(&ticket) {
                self.answer_read(read.id, &read.command, cx);
            }
        }
    }

    fn answer_read(&mut self, id: RequestId, command: &Command, cx: &mut Cx) {
        let reply = self.machine.read(command);
        cx.trace(Trace::ReadServed {
            id,
            index: self.machine.applied(),
        });
        let result = reply.ok_or_else(|| Failure::Invalid {
            reason: "it is not a read".into(),
        });
        self.answer(id, result, cx);
    }

    /// Whether a leader's lease lasts: no other can have been elected yet (thesis §6.4.1).
    fn lease_holds(&self, now: Duration) -> bool {
        let State::Leader(leader) = &self.state else {
            return false;
        };
        let longest = self.settings.election_timeout;
        let drift = self.settings.lease_drift_ppm;
        self.rules.ensure(
            lease_length(longest, drift) <= longest,
            "a lease ends before an election can",
        );
        let length = self.rules.lease_length(longest, drift);
        let heartbeat = self.settings.heartbeat;
        let recent = |node: NodeId| {
            if node == self.me {
                return 1;
            }
            let Some(progress) = leader.progress.get(node).filter(|progress| progress.counts) else {
                return 0;
            };
            let Some(round) = leader
                .rounds
                .iter()
                .find(|round| round.number == progress.confirmed)
            else {
                return 0;
            };
            let start = self.rules.lease_start(round.began, progress.answered_at);
            let ticks = u32::try_from(leader.ticks - round.tick).unwrap_or(u32::MAX);
            let elapsed = self
                .rules
                .lease_elapsed(now.saturating_sub(start), heartbeat.saturating_mul(ticks));
            usize::from(elapsed < length)
        };
        self.rules.lease_holds(leader.handed_over)
            && self.agreed(self.configs.latest(), |_, voters| voters / 2 + 1, recent)
    }

    pub(super) fn arm_sweep(&mut self, cx: &mut Cx) {
        if !std::mem::replace(&mut self.requests.sweeping, true) {
            cx.arm(Timer::Sweep, self.settings.election_timeout);
        }
    }
}
