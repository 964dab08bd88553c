//! Elections: PreVote, votes, becoming leader, stepping down (paper §5.2, §5.4.1; thesis §9.6, §6.2).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::RngExt;

use super::config::Config;
use super::marks::Place;
use super::rules::Rules;
use super::rules::durability::Gate;
use super::types::{HardState, Message, Payload, Position, Record, Term, Timer, Trace};
use super::{Cx, Leader, Raft, State};
use crate::identity::Disk;
use crate::replica::{Lsn, NodeId};

/// The answers that a candidate has got, by voter: how many granted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    grants: BTreeMap<NodeId, usize>,
    /// The node's own vote counts when it is durable.
    pub(crate) own: Option<Lsn>,
}

impl Tally {
    /// What there is to tell of it, the log being durable up to `durable`.
    pub(super) fn told(&self, durable: Lsn) -> String {
        let own = self.own.map(|lsn| lsn.0.saturating_sub(durable.0));
        format!("{:?} {own:?}", self.grants)
    }
}

impl Raft {
    /// The election timer ran out.
    pub(super) fn election_timeout(&mut self, cx: &mut Cx) {
        self.arm_election(cx);
        self.last_at_tick = self.log.last();
        // Its removal may never be committed without it.
        let config = match self.configs.latest() {
            latest if latest.is_voter(self.me) => latest,
            _ => self.configs.as_of(self.commit),
        };
        let expected = config.disks.get(&self.me).copied();
        if matches!(self.state, State::Leader(_))
            || !self.rules.may_campaign(config.is_voter(self.me))
            || !self.may_use_vote(expected)
        {
            return;
        }
        if matches!(self.state, State::Candidate(_)) {
            self.rules.reach(Place::SplitVote as u8);
        }
        if self.settings.prevote {
            self.pre_campaign(cx);
        } else {
            self.campaign(false, cx);
        }
    }

    /// Draws the next election timeout anew, so that split votes do not repeat (paper §5.2).
    pub(super) fn arm_election(&mut self, cx: &mut Cx) {
        let shortest = self.settings.election_timeout.as_nanos() as u64;
        let timeout = cx.rng.random_range(shortest..2 * shortest);
        cx.arm(Timer::Election, Duration::from_nanos(timeout));
    }

    fn pre_campaign(&mut self, cx: &mut Cx) {
        let term = self.term + 1;
        let mut tally = Tally::default();
        tally.grants.insert(self.me, 1);
        self.leader = None;
        self.state = State::PreCandidate(tally);
        cx.trace(Trace::PreCampaigned { term });
        let last = self.log.last();
        for (node, disk) in self.electorate() {
            cx.send(node, Message::PreVote { term, last, disk });
        }
        self.count_votes(cx);
    }

    /// Begins an election (paper §5.2). The vote for itself counts once it is durable, like any other.
    pub(super) fn campaign(&mut self, transfer: bool, cx: &mut Cx) {
        self.term += 1;
        self.vote = Some(self.me);
        self.leader = None;
        let lsn = self.write_hard_state(cx);
        self.state = State::Candidate(Tally {
            grants: BTreeMap::new(),
            own: Some(lsn),
        });
        let term = self.term;
        cx.trace(Trace::TermChanged { term });
        cx.trace(Trace::Campaigned { term });
        cx.trace(Trace::Voted {
            term,
            candidate: self.me,
        });
        let last = self.log.last();
        for (node, disk) in self.electorate() {
            let message = Message::Vote {
                term,
                last,
                transfer,
                disk,
            };
            cx.send(node, message);
        }
    }

    /// Whom to ask, and the disk by which each is known.
    fn electorate(&self) -> Vec<(NodeId, Option<Disk>)> {
        let config = self.configs.latest();
        let disk = |node: NodeId| (node, config.disks.get(&node).copied());
        config
            .members()
            .into_iter()
            .filter(|node| *node != self.me)
            .map(disk)
            .collect()
    }

    pub(super) fn on_pre_vote(
        &mut self,
        from: NodeId,
        (term, last): (Term, Position),
        disk: Option<Disk>,
        cx: &mut Cx,
    ) {
        let later = term > self.term;
        let after = self.rules.term_after_pre_vote(self.term, term);
        if after > self.term {
            self.adopt_term(after, cx);
        }
        let hears_a_leader = self.hears_a_leader(cx.now);
        if later && hears_a_leader {
            self.rules.reach(Place::LiveLeaderProtected as u8);
        }
        let granted = later && self.grants_to(last, disk) && !hears_a_leader;
        let term = if granted { term } else { self.term };
        cx.send(from, Message::PreVoteReply { term, granted });
    }

    pub(super) fn on_vote(
        &mut self,
        from: NodeId,
        (term, last): (Term, Position),
        disk: Option<Disk>,
        cx: &mut Cx,
    ) {
        if term == self.term && self.vote.is_some_and(|vote| vote != from) {
            self.rules.reach(Place::SecondVoteRefused as u8);
        }
        let granted = term == self.term
            && !matches!(self.state, State::Leader(_))
            && self.rules.may_vote_for(self.vote, from)
            && self.grants_to(last, disk);
        if granted {
            if self.vote != Some(from) {
                self.vote = Some(from);
                self.write_hard_state(cx);
            }
            cx.trace(Trace::Voted {
                term,
                candidate: from,
            });
            if !matches!(self.state, State::Follower) {
                self.state = State::Follower;
            }
            self.arm_election(cx);
        }
        let reply = Message::VoteReply {
            term: self.term,
            granted,
        };
        match self.rules.vote_gate() {
            Gate::Durable => cx.send(from, reply),
            Gate::Open => cx.send_now(from, reply),
        }
    }

    fn grants_to(&self, candidate_last: Position, disk: Option<Disk>) -> bool {
        let mine = self.rules.voters_last_entry(self.log.last(), self.last_at_tick);
        if candidate_last < mine {
            self.rules.reach(Place::StaleLogRefused as u8);
        }
        self.rules
            .answers_candidates(self.configs.latest().is_voter(self.me))
            && self.may_use_vote(disk)
            && self.rules.log_up_to_date(candidate_last, mine)
    }

    /// Whether a leader was heard so lately that no other should be elected (only with PreVote on).
    pub(super) fn hears_a_leader(&self, now: Duration) -> bool {
        let heard = match (&self.state, self.heard_at) {
            (State::Leader(_), _) => true,
            (_, Some(at)) => now.saturating_sub(at) < self.settings.election_timeout,
            (_, None) => false,
        };
        self.settings.prevote && self.rules.leader_is_alive(heard)
    }

    pub(super) fn on_pre_vote_reply(&mut self, from: NodeId, term: Term, granted: bool, cx: &mut Cx) {
        if let State::PreCandidate(tally) = &mut self.state
            && granted
            && term == self.term + 1
        {
            *tally.grants.entry(from).or_default() += 1;
            self.count_votes(cx);
        }
    }

    pub(super) fn on_vote_reply(&mut self, from: NodeId, term: Term, granted: bool, cx: &mut Cx) {
        if granted && term < self.term {
            self.rules.reach(Place::LateVoteIgnored as u8);
        }
        if let State::Candidate(tally) = &mut self.state
            && granted
            && self.rules.counts_vote_reply(term, self.term)
        {
            cx.trace(Trace::VoteCounted {
                term: self.term,
                voter: from,
            });
            *tally.grants.entry(from).or_default() += 1;
            self.count_votes(cx);
        }
    }

    /// A candidate's own vote became durable.
    pub(super) fn own_vote_durable(&mut self, durable: Lsn, cx: &mut Cx) {
        if let State::Candidate(tally) = &mut self.state
            && tally.own.is_some_and(|lsn| lsn <= durable)
        {
            tally.own = None;
            cx.trace(Trace::VoteCounted {
                term: self.term,
                voter: self.me,
            });
            tally.grants.insert(self.me, 1);
            self.count_votes(cx);
        }
    }

    fn count_votes(&mut self, cx: &mut Cx) {
        let (tally, pre) = match &self.state {
            State::PreCandidate(tally) => (tally, true),
            State::Candidate(tally) if tally.own.is_none() => (tally, false),
            _ => return,
        };
        let votes = |node| self.rules.votes_of(tally.grants.get(&node).copied().unwrap_or(0));
        let won = self.agreed(self.configs.latest(), Rules::election_quorum, votes);
        if won && pre {
            self.campaign(false, cx);
        } else if won {
            self.become_leader(cx);
        }
    }

    /// Whether a majority, or both while the configuration is joint, is made of nodes of such weight.
    pub(super) fn agreed(
        &self,
        config: &Config,
        quorum: impl Fn(&Rules, usize) -> usize,
        weight: impl Fn(NodeId) -> usize,
    ) -> bool {
        let majority = |voters: &BTreeSet<NodeId>| {
            let voted: usize = voters.iter().map(|node| weight(*node)).sum();
            let learned: usize = config
                .learners
                .iter()
                .filter(|_| self.rules.counts_in_majority(false))
                .map(|node| weight(*node))
                .sum();
            voted + learned >= quorum(&self.rules, voters.len())
        };
        match &config.outgoing {
            None => majority(&config.voters),
            Some(outgoing) => self
                .rules
                .joint_agrees(majority(outgoing), majority(&config.voters)),
        }
    }

    /// Takes over: an entry of its own term at once (thesis §6.4), and everybody hears of it.
    pub(super) fn become_leader(&mut self, cx: &mut Cx) {
        let last = self.log.last().index;
        let mut leader = Leader::default();
        for node in self.configs.latest().members() {
            leader.follow(node, self.me, last + 1);
        }
        leader.first_own = last + 1;
        self.state = State::Leader(Box::new(leader));
        self.leader = Some(self.me);
        cx.trace(Trace::BecameLeader { term: self.term });
        cx.disarm(Timer::Election);
        cx.arm(Timer::Quorum, self.settings.election_timeout);
        self.append_entry(Payload::Noop, cx);
        self.begin_round(cx);
        cx.arm(Timer::Heartbeat, self.settings.heartbeat);
    }

    /// A leader looks whether a majority still answers (thesis §6.2).
    pub(super) fn check_quorum(&mut self, cx: &mut Cx) {
        let State::Leader(leader) = &self.state else {
            return;
        };
        let active = |node| {
            usize::from(node == self.me || leader.progress.get(node).is_some_and(|progress| progress.active))
        };
        let heard = self.agreed(self.configs.latest(), |_, voters| voters / 2 + 1, active);
        if self.settings.check_quorum && self.rules.must_step_down(heard) {
            self.rules.reach(Place::QuorumLost as u8);
            self.step_down(None, cx);
            return;
        }
        if let State::Leader(leader) = &mut self.state {
            for progress in leader.progress.values_mut() {
                progress.active = false;
            }
        }
        cx.arm(Timer::Quorum, self.settings.election_timeout);
    }

    /// Takes on a later term, as a follower of nobody yet (paper §5.1).
    pub(super) fn adopt_term(&mut self, term: Term, cx: &mut Cx) {
        self.step_down(None, cx);
        self.term = term;
        self.vote = self.rules.vote_in_new_term(self.vote);
        self.write_hard_state(cx);
        cx.trace(Trace::TermChanged { term });
    }

    /// Becomes a follower, of `leader` if that is known.
    pub(super) fn step_down(&mut self, leader: Option<NodeId>, cx: &mut Cx) {
        self.leader = leader;
        match std::mem::replace(&mut self.state, State::Follower) {
            State::Follower => {}
            State::PreCandidate(_) | State::Candidate(_) => {}
            State::Leader(old) => {
                cx.trace(Trace::SteppedDown { term: self.term });
                for timer in [Timer::Heartbeat, Timer::Quorum, Timer::Transfer] {
                    cx.disarm(timer);
                }
                self.heard_at = None;
                self.arm_election(cx);
                self.give_up_leading(*old, cx);
            }
        }
    }

    /// A leader of this term was heard.
    pub(super) fn follow(&mut self, leader: NodeId, cx: &mut Cx) {
        self.heard_at = Some(cx.now);
        if self.leader != Some(leader) || !matches!(self.state, State::Follower) {
            self.step_down(Some(leader), cx);
            self.ask_again(cx);
        }
        self.arm_election(cx);
    }

    pub(super) fn write_hard_state(&mut self, cx: &mut Cx) -> Lsn {
        self.hard_state_at = cx.append(Record::HardState(HardState {
            term: self.term,
            vote: self.rules.durable_vote(self.vote),
        }));
        self.hard_state_at
    }
}
