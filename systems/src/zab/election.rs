//! Fast leader election: who should lead (Medeiros §3.3; ZooKeeper's `FastLeaderElection`).
//!
//! Each node votes for the best that it knows of and says so to all voters whenever it changes its mind. When a quorum
//! of equal votes of its round agrees with it and no better one comes for a while, it looks no further. An observer does
//! the same, but has no vote of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::marks::Place;
use super::settings::Election;
use super::types::{Message, Standing, Timer, Trace, Vote, Zxid};
use super::{Cx, State, Zab};
use crate::replica::NodeId;

/// Nobody: whom an observer votes for before it has heard of anybody.
const NOBODY: NodeId = NodeId(0);

/// What a node that looks for a leader keeps.
#[derive(Clone, Debug)]
pub(super) struct Search {
    /// What speaks for itself.
    own: Vote,
    /// The last vote of each voter in this round.
    votes: BTreeMap<NodeId, Vote>,
    /// What those say that do not look for a leader.
    settled: BTreeMap<NodeId, Settled>,
    /// A quorum agrees, and it waits for a better vote.
    finalizing: bool,
    /// How long it waits before it votes again.
    pub(super) wait: Duration,
}

/// What a node says that does not look for a leader.
#[derive(Clone, Copy, Debug)]
struct Settled {
    vote: Vote,
    leads: bool,
}

impl Search {
    /// Nothing was heard yet.
    pub(super) fn new(own: Vote, wait: Duration) -> Self {
        Search {
            own,
            votes: BTreeMap::new(),
            settled: BTreeMap::new(),
            finalizing: false,
            wait,
        }
    }

    /// Who is said to lead, by themselves.
    pub(super) fn claimants(&self) -> impl Iterator<Item = NodeId> {
        self.settled
            .iter()
            .filter(|(_, said)| said.leads)
            .map(|(node, _)| *node)
    }
}

impl Zab {
    /// What speaks for this node.
    fn own_vote(&self) -> Vote {
        if self.is_voter(self.me) {
            Vote {
                leader: self.me,
                zxid: self.log.last(),
                epoch: self.epochs.current,
            }
        } else {
            Vote {
                leader: NOBODY,
                zxid: Zxid::default(),
                epoch: 0,
            }
        }
    }

    /// Begins to look for a leader (rule 1).
    pub(super) fn look(&mut self, reason: &str, cx: &mut Cx) {
        if !matches!(self.state, State::Looking(_)) {
            self.leave(reason, cx);
            let loaded = self.rules.loaded(self.machine.applied(), self.log.last());
            self.machine.skip_to(loaded);
        }
        self.round += 1;
        let own = self.own_vote();
        self.vote = own;
        self.state = State::Looking(Search::new(own, self.settings.notify));
        cx.disarm(Timer::Init);
        cx.disarm(Timer::Tick);
        cx.trace(Trace::Looking {
            round: self.round,
            vote: own,
        });
        self.give_up_requests(cx);
        match self.settings.election {
            Election::Fast => {
                self.cast(cx);
                cx.arm(Timer::Notify, self.settings.notify);
            }
            Election::Oracle => self.consult(cx),
        }
    }

    /// Says to all voters, itself included, whom it votes for.
    fn cast(&mut self, cx: &mut Cx) {
        cx.trace(Trace::Voted {
            round: self.round,
            vote: self.vote,
        });
        for voter in self.voters.iter().filter(|voter| **voter != self.me) {
            self.tell_vote(*voter, cx);
        }
        let counts = self.is_voter(self.me);
        if let State::Looking(search) = &mut self.state
            && counts
        {
            search.votes.insert(self.me, self.vote);
        }
        self.count_votes(cx);
    }

    /// Tells one node whom it votes for.
    pub(super) fn tell_vote(&self, to: NodeId, cx: &mut Cx) {
        let message = Message::Notification {
            round: self.round,
            vote: self.vote,
            standing: self.standing(),
        };
        cx.send_now(to, message);
    }

    /// Nothing was heard for a while (rule 8).
    pub(super) fn vote_again(&mut self, cx: &mut Cx) {
        let State::Looking(search) = &mut self.state else {
            return;
        };
        if self.settings.election == Election::Oracle {
            self.nominate(cx);
            return;
        }
        search.wait = (2 * search.wait).min(self.settings.notify_longest);
        cx.arm(Timer::Notify, search.wait);
        for voter in self.voters.iter().filter(|voter| **voter != self.me) {
            self.tell_vote(*voter, cx);
        }
    }

    pub(super) fn on_notification(
        &mut self,
        from: NodeId,
        round: u64,
        vote: Vote,
        standing: Standing,
        cx: &mut Cx,
    ) {
        let voter = self.is_voter(from);
        if !voter && standing == Standing::Looking {
            // It cannot know otherwise (rule 7).
            self.tell_vote(from, cx);
        }
        if !self.rules.has_a_say(voter) {
            return;
        }
        match (&self.state, standing) {
            (State::Looking(_), Standing::Looking) => self.on_vote(from, round, vote, cx),
            (State::Looking(_), _) => self.on_claim(from, round, vote, standing == Standing::Leading, cx),
            (_, Standing::Looking) if voter && self.rules.answers_looking() => self.tell_vote(from, cx),
            _ => {}
        }
    }

    /// Another node that looks for a leader votes (rule 3).
    fn on_vote(&mut self, from: NodeId, round: u64, vote: Vote, cx: &mut Cx) {
        if self.settings.election == Election::Oracle {
            return;
        }
        if round > self.round {
            self.take_on_round(round, vote, cx);
        } else {
            if round < self.round {
                self.tell_vote(from, cx);
                self.rules.reach(Place::OldRoundAnswered as u8);
            }
            if !self.rules.counts_round(round, self.round) {
                return;
            }
            self.compare(vote, cx);
        }
        if let State::Looking(search) = &mut self.state {
            search.votes.insert(from, vote);
        }
        self.count_votes(cx);
    }

    fn take_on_round(&mut self, round: u64, vote: Vote, cx: &mut Cx) {
        let State::Looking(search) = &mut self.state else {
            return;
        };
        self.round = round;
        let own = search.own;
        let kept = self.rules.keeps_votes(search.votes.len());
        while search.votes.len() > kept {
            search.votes.pop_first();
        }
        self.rules.reach(Place::LaterRound as u8);
        cx.trace(Trace::RoundAdopted { round, vote: own });
        self.vote = self.rules.vote_in_round(vote, own);
        self.cast(cx);
    }

    /// Takes a better vote over.
    fn compare(&mut self, vote: Vote, cx: &mut Cx) {
        let had = self.vote;
        let taken = self.rules.beats(vote, had);
        if vote != had {
            cx.trace(Trace::Compared {
                offered: vote,
                had,
                taken,
            });
        }
        if taken {
            self.vote = vote;
            if let State::Looking(search) = &self.state
                && search.finalizing
            {
                self.rules.reach(Place::BetterVoteInTime as u8);
            }
            self.cast(cx);
        }
    }

    /// Those whose vote of this round is this one, as far as their votes count.
    fn who_voted(&self, votes: &BTreeMap<NodeId, Vote>, vote: Vote) -> BTreeSet<NodeId> {
        let agree = votes.iter().filter(|(_, other)| **other == vote);
        agree
            .map(|(node, _)| *node)
            .filter(|node| self.rules.has_a_say(self.is_voter(*node)))
            .collect()
    }

    fn is_quorum(&self, count: usize) -> bool {
        count >= self.rules.quorum(self.voters.len())
    }

    /// Whether a quorum agrees (rule 4): then it waits a little for a better vote.
    fn count_votes(&mut self, cx: &mut Cx) {
        let State::Looking(search) = &self.state else {
            return;
        };
        let agree = self.is_quorum(self.who_voted(&search.votes, self.vote).len());
        let was = search.finalizing;
        if agree && !was {
            cx.arm(Timer::Finalize, self.settings.finalize_wait);
        } else if was && !agree {
            cx.disarm(Timer::Finalize);
        }
        if let State::Looking(search) = &mut self.state {
            search.finalizing = agree;
        }
    }

    /// No better vote came.
    pub(super) fn finalize(&mut self, cx: &mut Cx) {
        let State::Looking(search) = &self.state else {
            return;
        };
        let voters = self.who_voted(&search.votes, self.vote);
        if search.finalizing {
            self.elect(self.vote, voters, false, true, cx);
        }
    }

    /// A node says that it follows or leads (rule 5).
    fn on_claim(&mut self, from: NodeId, round: u64, vote: Vote, leads: bool, cx: &mut Cx) {
        let State::Looking(search) = &mut self.state else {
            return;
        };
        search.settled.insert(from, Settled { vote, leads });
        if self.settings.election == Election::Oracle {
            return;
        }
        if round == self.round {
            search.votes.insert(from, vote);
        }
        let State::Looking(search) = &self.state else {
            return;
        };
        let mut agree = self.who_voted(&search.votes, vote);
        if round != self.round || !self.is_quorum(agree.len()) {
            // Not of this round: those who say the same of the leader and its epoch.
            let same = |said: &Settled| (said.vote.leader, said.vote.epoch) == (vote.leader, vote.epoch);
            agree = search
                .settled
                .iter()
                .filter(|(_, said)| same(said))
                .map(|(node, _)| *node)
                .filter(|node| self.rules.has_a_say(self.is_voter(*node)))
                .collect();
        }
        let confirmed = if vote.leader == self.me {
            round == self.round
        } else {
            let leader = search.settled.get(&vote.leader);
            leader.is_some_and(|said| said.leads && said.vote.leader == vote.leader)
        };
        let quorum = self.is_quorum(agree.len());
        if quorum && !confirmed {
            self.rules.reach(Place::ClaimNotConfirmed as u8);
        }
        if self.rules.may_join(quorum, confirmed) {
            self.round = round;
            self.rules.reach(Place::Joined as u8);
            self.elect(vote, agree, true, confirmed, cx);
        } else {
            self.count_votes(cx);
        }
    }

    /// Looks no further.
    fn elect(&mut self, vote: Vote, voters: BTreeSet<NodeId>, joined: bool, confirmed: bool, cx: &mut Cx) {
        if vote.leader == NOBODY {
            return;
        }
        self.vote = vote;
        cx.trace(Trace::Elected {
            round: self.round,
            vote,
            voters,
            joined,
            confirmed,
        });
        self.take_up(vote.leader, cx);
    }

    /// Leads, or follows.
    pub(super) fn take_up(&mut self, leader: NodeId, cx: &mut Cx) {
        cx.disarm(Timer::Finalize);
        cx.disarm(Timer::Notify);
        if leader == self.me {
            self.lead(cx);
        } else {
            self.follow(leader, cx);
        }
    }
}
