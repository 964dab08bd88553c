//! Becoming leader: one Prepare for the whole suffix of the log; and ceasing to be (Paxos Made Simple §3, PMMC §3).

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use rand::RngExt;

use super::leader::{Candidate, Leader, Reports};
use super::marks::Place;
use super::rules::leader::Preempted;
use super::settings::ReadMode;
use super::types::{Message, Slot, Timer, Trace, Value};
use super::{Cx, Paxos, State};
use crate::paxos::Ballot;
use crate::replica::NodeId;

impl Paxos {
    /// Draws a new election timeout.
    pub(super) fn arm_election(&self, cx: &mut Cx) {
        let shortest = self.settings.election_timeout.as_micros() as u64;
        let timeout = cx.rng.random_range(shortest..=2 * shortest);
        cx.arm(Timer::Election, Duration::from_micros(timeout));
    }

    /// No leader was heard for too long.
    pub(super) fn election_timeout(&mut self, cx: &mut Cx) {
        if matches!(self.state, State::Leader(_)) {
            return;
        }
        self.prepare(false, cx);
        self.arm_election(cx);
    }

    /// Tries to lead: phase 1 for every slot that is not known to be chosen.
    pub(super) fn prepare(&mut self, transfer: bool, cx: &mut Cx) {
        let executed = self.executed();
        let expected = self.configs.latest().1.disks.get(&self.me).copied();
        let acceptor = self
            .configs
            .from(executed + 1)
            .any(|config| config.voters.contains(&self.me));
        if !acceptor || !self.may_use_vote(expected) {
            return;
        }
        let ballot = Ballot {
            round: self.round + 1,
            node: self.me,
        };
        let from = self.rules.prepare_from(executed + 1, self.highest_accepted());
        self.promise(ballot, cx);
        cx.trace(Trace::Prepared { ballot, from });
        self.state = State::Candidate(Candidate {
            ballot,
            from,
            reports: Reports::default(),
            transfer,
        });
        self.send_prepares(cx);
        self.report(self.me, ballot, from, cx);
    }

    /// Asks those for their promise who have not given it.
    pub(super) fn send_prepares(&self, cx: &mut Cx) {
        let (ballot, from, reports, transfer) = match &self.state {
            State::Candidate(candidate) => (
                candidate.ballot,
                candidate.from,
                &candidate.reports,
                candidate.transfer,
            ),
            State::Leader(leader) => (leader.ballot, leader.from, &leader.reports, false),
            State::Follower => return,
        };
        for (node, disk) in self.acceptors() {
            if node != self.me && !reports.from.contains(&node) {
                let message = Message::Prepare {
                    ballot,
                    from,
                    disk,
                    transfer,
                };
                cx.send(node, message);
            }
        }
    }

    /// Everybody who decides a slot from the next one on, each with the disk by which it is known.
    pub(super) fn acceptors(&self) -> BTreeMap<NodeId, Option<u64>> {
        let configs = self.configs.from(self.executed() + 1);
        let voters = configs.flat_map(|config| {
            config
                .voters
                .iter()
                .map(|node| (*node, config.disks.get(node).copied()))
        });
        voters.collect()
    }

    /// The disk by which a node is known that decides a slot from the next one on; none for one that decides none.
    pub(super) fn acceptor(&self, node: NodeId) -> Option<Option<u64>> {
        let configs = self.configs.from(self.executed() + 1);
        let latest = configs.filter(|config| config.voters.contains(&node)).last();
        latest.map(|config| config.disks.get(&node).copied())
    }

    /// Whether a quorum of every configuration that decides a slot from the next one on does so.
    pub(super) fn agree(&self, does: impl Fn(NodeId) -> bool) -> bool {
        let mut configs = self.configs.from(self.executed() + 1);
        configs.all(|config| config.agrees_by(&does))
    }

    pub(super) fn on_promise(
        &mut self,
        from: NodeId,
        ballot: Ballot,
        trimmed: Slot,
        votes: Vec<(Slot, Ballot, Value)>,
        cx: &mut Cx,
    ) {
        let mine = match &self.state {
            State::Candidate(candidate) => candidate.ballot,
            State::Leader(leader) => leader.ballot,
            State::Follower => {
                self.rules.reach(Place::LatePromise as u8);
                return;
            }
        };
        if !self.rules.counts_promise(ballot, mine) {
            self.rules.reach(Place::LatePromise as u8);
            return;
        }
        match &mut self.state {
            State::Candidate(candidate) => {
                candidate.reports.add(from, trimmed, votes);
                let promised = candidate.reports.from.clone();
                if self.agree(|node| promised.contains(&node)) {
                    self.lead(cx);
                }
            }
            // Members that joined meanwhile, or that were slow.
            State::Leader(leader) => leader.reports.add(from, trimmed, votes),
            State::Follower => {}
        }
    }

    /// A quorum has promised.
    fn lead(&mut self, cx: &mut Cx) {
        let State::Candidate(Candidate {
            ballot,
            from,
            reports,
            ..
        }) = self.state.clone()
        else {
            return;
        };
        let executed = self.executed();
        let recovered_to = reports.top().max(reports.trimmed).max(from - 1);
        // Whoever has not promised may read by a lease of an earlier leader, also one that has been removed since.
        let nodes = self.nodes.iter().copied();
        let unbound = nodes.filter(|node| !reports.from.contains(node));
        let until = cx.now + self.settings.election_timeout;
        let readers = match self.settings.reads {
            ReadMode::Replicas => unbound.map(|node| (node, until)).collect(),
            _ => BTreeMap::new(),
        };
        cx.trace(Trace::BecameLeader { ballot });
        self.leader = Some(self.me);
        self.state = State::Leader(Box::new(Leader {
            ballot,
            from,
            reports,
            recovered_to,
            next: executed + 1,
            open: BTreeMap::new(),
            queue: VecDeque::new(),
            outbox: Vec::new(),
            noticed: 0,
            peers: BTreeMap::new(),
            round: 0,
            confirmed: 0,
            rounds: VecDeque::new(),
            heard_quorum: cx.now,
            caught_up: ((0, 0), cx.now),
            reads: VecDeque::new(),
            readers,
            change: None,
            handing_over: None,
            handed_over: false,
        }));
        cx.disarm(Timer::Election);
        self.heartbeat(cx);
    }

    /// A ballot was refused, since a higher one is promised.
    pub(super) fn on_nack(&mut self, ballot: Ballot, promised: Ballot, cx: &mut Cx) {
        self.round = self.round.max(promised.round);
        match &self.state {
            State::Candidate(candidate) if candidate.ballot == ballot && promised > ballot => {
                self.state = State::Follower;
                self.arm_election(cx);
            }
            State::Leader(leader) if leader.ballot == ballot && promised > ballot => {
                match self.rules.after_preemption() {
                    Preempted::StepsDown => {
                        self.rules.reach(Place::Preempted as u8);
                        self.step_down(cx);
                    }
                    Preempted::RaisesBallot => self.raise_ballot(cx),
                }
            }
            _ => {}
        }
    }

    /// Goes on with a higher ballot that nobody has promised: only a planted mistake does.
    fn raise_ballot(&mut self, cx: &mut Cx) {
        self.round += 1;
        let ballot = Ballot {
            round: self.round,
            node: self.me,
        };
        let State::Leader(leader) = &mut self.state else {
            return;
        };
        leader.ballot = ballot;
        let open: Vec<(Slot, Value)> = leader
            .open
            .iter()
            .map(|(slot, open)| (*slot, open.value.clone()))
            .collect();
        for (slot, value) in open {
            self.propose(slot, value, cx);
        }
    }

    /// Stops leading, or wanting to, in a ballot below this one.
    pub(super) fn stop_leading_below(&mut self, ballot: Ballot, cx: &mut Cx) {
        match &self.state {
            State::Leader(leader) if leader.ballot < ballot => self.step_down(cx),
            State::Candidate(candidate) if candidate.ballot < ballot => self.state = State::Follower,
            _ => {}
        }
    }

    /// Stops leading. What was proposed may be chosen all the same; what waits for a slot will not.
    pub(super) fn step_down(&mut self, cx: &mut Cx) {
        let State::Leader(leader) = std::mem::replace(&mut self.state, State::Follower) else {
            return;
        };
        cx.trace(Trace::SteppedDown {
            ballot: leader.ballot,
        });
        if self.leader == Some(self.me) {
            self.leader = None;
        }
        cx.disarm(Timer::Heartbeat);
        self.arm_election(cx);
        self.give_up_leading(*leader, cx);
    }
}
