//! Heartbeats: that the leader is alive, that it still leads, and leases for those who read.

use std::collections::BTreeSet;
use std::time::Duration;

use super::leader::{ROUNDS, Round};
use super::settings::ReadMode;
use super::types::{Clock, Grant, Message, Slot, Timer};
use super::{Cx, Paxos, State};
use crate::chunks::Incoming;
use crate::paxos::Ballot;
use crate::replica::NodeId;

impl Paxos {
    /// Begins a round of heartbeats.
    pub(super) fn begin_round(&mut self, cx: &mut Cx) {
        let executed = self.executed();
        let members: BTreeSet<NodeId> = self
            .configs
            .latest()
            .1
            .members()
            .chain(self.acceptors().into_keys())
            .collect();
        let recovered = self.recovered();
        let replicas = self.settings.reads == ReadMode::Replicas;
        let length = self.settings.election_timeout;
        // Out of order, perhaps: clients are told when what is before it is chosen too.
        let last = self.chosen.last_key_value();
        let chosen = last.map_or(executed, |(slot, _)| executed.max(*slot));
        let State::Leader(leader) = &mut self.state else {
            return;
        };
        leader.round += 1;
        let number = leader.round;
        let told = leader.peers.iter().filter(|_| replicas);
        let clocks = told.filter_map(|(node, peer)| Some((*node, peer.clock?)));
        leader.rounds.push_back(Round {
            number,
            began: cx.now,
            clocks: clocks.collect(),
        });
        if leader.rounds.len() > ROUNDS {
            leader.rounds.pop_front();
        }
        // A lease counts from what the reader's clock showed before a round that a quorum has answered since: whoever
        // is elected later is elected later than that.
        let confirmed = leader
            .rounds
            .iter()
            .find(|round| replicas && round.number == leader.confirmed)
            .cloned();
        for node in members.into_iter().filter(|node| *node != self.me) {
            let config = self.configs.of(executed + 1);
            // What one never accepts that has lost its disk would wait for its lease, again and again.
            let disk = config.disks.get(&node).copied();
            let votes = leader.peers.get(&node).is_some_and(|peer| peer.votes(disk));
            let voter = votes && config.voters.contains(&node);
            let grant = confirmed
                .as_ref()
                .filter(|_| recovered && voter && !leader.handed_over)
                .and_then(|round| round.clocks.get(&node).copied())
                // One that is over is not worth waiting for.
                .filter(|(_, told)| cx.now < *told + length);
            if let Some((_, told)) = grant {
                let until = leader.readers.entry(node).or_default();
                *until = (*until).max(told + length);
            }
            let message = Message::Heartbeat {
                ballot: leader.ballot,
                commit: executed,
                round: number,
                grant: grant.map(|(anchor, _)| Grant { anchor, chosen }),
            };
            cx.send_now(node, message);
        }
    }

    /// The heartbeat timer.
    pub(super) fn heartbeat(&mut self, cx: &mut Cx) {
        let patience = 2 * self.settings.election_timeout;
        let State::Leader(leader) = &self.state else {
            return;
        };
        if cx.now.saturating_sub(leader.heard_quorum) > patience || self.waits_in_vain(patience, cx.now) {
            self.step_down(cx);
            return;
        }
        self.begin_round(cx);
        self.resend(cx);
        self.confirm(cx);
        cx.arm(Timer::Heartbeat, self.settings.heartbeat);
    }

    /// Whether it gets nowhere with what others have forgotten: whoever could tell it may be gone. The promises for a
    /// later ballot come from those who are left.
    fn waits_in_vain(&mut self, patience: Duration, now: Duration) -> bool {
        let bytes = self.incoming.as_ref().map_or(0, Incoming::wanted);
        let progress = (self.executed(), bytes);
        let State::Leader(leader) = &mut self.state else {
            return false;
        };
        if progress.0 >= leader.reports.trimmed || progress != leader.caught_up.0 {
            leader.caught_up = (progress, now);
        }
        now.saturating_sub(leader.caught_up.1) > patience
    }

    /// A leader of this ballot is alive.
    pub(super) fn follow(&mut self, ballot: Ballot, cx: &mut Cx) {
        if ballot.node == self.me {
            return;
        }
        if let State::Candidate(candidate) = &self.state
            && candidate.ballot < ballot
        {
            self.state = State::Follower;
        }
        self.leader = Some(ballot.node);
        self.heard_at = Some(cx.now);
        self.arm_election(cx);
    }

    pub(super) fn on_heartbeat(
        &mut self,
        from: NodeId,
        ballot: Ballot,
        round: u64,
        grant: Option<Grant>,
        cx: &mut Cx,
    ) {
        if ballot < self.promised {
            let promised = self.promised;
            cx.send(from, Message::Nack { ballot, promised });
            return;
        }
        if ballot > self.promised {
            self.promise(ballot, cx);
        }
        self.follow(ballot, cx);
        if let Some(grant) = grant {
            self.take_read_lease(ballot, grant);
        }
        let reply = Message::HeartbeatReply {
            ballot,
            round,
            clock: Clock {
                incarnation: self.incarnation,
                at: cx.now,
            },
            executed: self.executed(),
            disk: self.identity.disk,
            registered: self.is_registered(),
        };
        cx.send(from, reply);
    }

    pub(super) fn on_heartbeat_reply(
        &mut self,
        from: NodeId,
        (ballot, round): (Ballot, u64),
        clock: Clock,
        executed: Slot,
        (disk, registered): (u64, bool),
        cx: &mut Cx,
    ) {
        let known_by = self.configs.latest().1.disks.get(&from).copied();
        let State::Leader(leader) = &mut self.state else {
            return;
        };
        if ballot != leader.ballot {
            return;
        }
        let peer = leader.peers.entry(from).or_default();
        let newer = |known: Clock| known.incarnation != clock.incarnation || known.at < clock.at;
        if peer.clock.is_none_or(|(known, _)| newer(known)) {
            peer.clock = Some((clock, cx.now));
        }
        peer.executed = peer.executed.max(executed);
        peer.disk = Some(disk);
        peer.registered = registered;
        // Whoever lost its disk may have promised another leader, and confirms nothing.
        if peer.votes(known_by) {
            peer.confirmed = peer.confirmed.max(round);
        }
        if executed > self.executed() {
            self.wanted = self.wanted.max(executed);
            self.fetch_from(from, cx);
        }
        self.confirm(cx);
    }

    /// Which rounds has a quorum answered?
    pub(super) fn confirm(&mut self, cx: &mut Cx) {
        let State::Leader(leader) = &self.state else {
            return;
        };
        if let Some(confirmed) = self.confirmed_after(leader.confirmed)
            && let State::Leader(leader) = &mut self.state
        {
            leader.confirmed = confirmed;
            leader.heard_quorum = cx.now;
        }
    }

    /// The members are others: who has answered until now may be no quorum of them.
    pub(super) fn confirm_anew(&mut self) {
        let confirmed = self.confirmed_after(0).unwrap_or(0);
        if let State::Leader(leader) = &mut self.state {
            leader.confirmed = confirmed;
        }
    }

    /// The last round that a quorum of every configuration from the next slot on has answered, of those after this one.
    fn confirmed_after(&self, round: u64) -> Option<u64> {
        let State::Leader(leader) = &self.state else {
            return None;
        };
        let answered = |round| self.agree(|node| node == self.me || leader.has_answered(node, round));
        let rounds = leader.rounds.iter().rev().map(|round| round.number);
        let mut news = rounds.take_while(|later| *later > round);
        news.find(|round| answered(*round))
    }

    /// Whether everything that earlier leaders may have got chosen is executed: what a quorum of those told who decide
    /// from the next slot on, who may be others than those that it was elected by.
    pub(super) fn recovered(&self) -> bool {
        let State::Leader(leader) = &self.state else {
            return false;
        };
        let told = leader.recovered_to.max(leader.reports.top());
        self.machine.applied() >= told && self.agree(|node| leader.reports.from.contains(&node))
    }

    /// What is executed.
    pub(super) fn executed(&self) -> Slot {
        self.machine.applied()
    }
}
