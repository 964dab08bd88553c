//! Changing the members: a decree sets them, and α slots later they are in force; a node that joins catches up without a
//! vote first (PMMC §4.4). And handing leadership over.

use std::time::Duration;

use super::config::Config;
use super::marks::Place;
use super::requests::Queued;
use super::types::{Decree, Message, Slot, Trace};
use super::{Cx, Paxos, State};
use crate::api::{Failure, Reconfigure, Reply};
use crate::replica::{NodeId, RequestId};

/// A change under way.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// The client that waits; none once it was told that it takes too long.
    pub(crate) id: Option<RequestId>,
    step: Step,
    leaves: Option<NodeId>,
    joins: Option<NodeId>,
    /// The members once what is proposed is in force.
    wanted: Config,
    deadline: Duration,
}

/// How far a change has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The joining node learns without a vote.
    CatchingUp,
    /// A decree is proposed; it is the last one of this change.
    Proposed,
}

/// What a change comes to.
struct Plan {
    /// A configuration to begin with.
    first: Option<Config>,
    /// Who is to leave once the other has joined.
    leaves: Option<NodeId>,
    /// Who is to catch up and to join.
    joins: Option<NodeId>,
}

impl Plan {
    fn of(first: Option<Config>, leaves: Option<NodeId>, joins: Option<NodeId>) -> Self {
        Plan { first, leaves, joins }
    }
}

impl Paxos {
    /// A client asks the leader to change the members.
    pub(super) fn reconfigure(&mut self, id: RequestId, change: Reconfigure, cx: &mut Cx) {
        let refusal = self.refusal().or_else(|| self.not_now());
        if let Some(refusal) = refusal {
            self.answer(id, Err(refusal), cx);
            return;
        }
        let config = self.configs.latest().1.clone();
        match self.plan(&config, change) {
            Err(reason) => self.answer(id, Err(Failure::Invalid { reason }), cx),
            Ok(None) => self.answer(id, Ok(Reply::default()), cx),
            Ok(Some(Plan { first, .. })) if first.as_ref().is_some_and(|next| !self.can_decide(next)) => {
                let reason = "of those who would be left, too few are known to vote";
                self.answer(id, Err(self.unavailable(reason)), cx);
            }
            Ok(Some(Plan { first, leaves, joins })) => {
                let step = if joins.is_some() {
                    Step::CatchingUp
                } else {
                    Step::Proposed
                };
                if let State::Leader(leader) = &mut self.state {
                    leader.change = Some(Change {
                        id: Some(id),
                        step,
                        leaves,
                        joins,
                        wanted: first.clone().unwrap_or(config),
                        deadline: cx.now + self.settings.catch_up_timeout,
                    });
                }
                if let Some(config) = first {
                    self.propose_config(config, cx);
                }
                self.arm_sweep(cx);
            }
        }
    }

    /// Why the members cannot change now: one change at a time.
    fn not_now(&self) -> Option<Failure> {
        let State::Leader(leader) = &self.state else {
            return None;
        };
        let may = self.members_are_settled() && leader.change.is_none() && self.recovered();
        (!may).then(|| self.unavailable("another change of the members is under way"))
    }

    /// Whether the last change that this leader knows of is in force, and none is proposed, or chosen and not executed:
    /// slots are chosen in any order.
    fn members_are_settled(&self) -> bool {
        let State::Leader(leader) = &self.state else {
            return false;
        };
        let executed = self.executed();
        let open = leader.open.values().map(|open| &open.value);
        let queued = leader.queue.iter().map(|queued| &queued.value);
        let chosen = self.chosen.range(executed + 1..).map(|(_, value)| value);
        let mut waiting = open.chain(queued).chain(chosen);
        self.configs.latest().0 <= executed + 1
            && !waiting.any(|value| matches!(***value, Decree::Config { .. }))
    }

    /// Whether a majority of these acceptors is known to vote: a node that lost its disk does not, and a configuration in
    /// which it is needed would never decide anything.
    fn can_decide(&self, next: &Config) -> bool {
        let State::Leader(leader) = &self.state else {
            return false;
        };
        let votes = |node: &&NodeId| {
            let disk = next.disks.get(node).copied();
            let known = |node| leader.peers.get(node).is_some_and(|peer| peer.votes(disk));
            **node == self.me || known(*node)
        };
        next.voters.iter().filter(votes).count() > next.voters.len() / 2
    }

    /// What a change comes to; none if everything is as it wants it already.
    fn plan(&self, config: &Config, change: Reconfigure) -> Result<Option<Plan>, String> {
        let learn = |node: NodeId| {
            let mut next = config.clone();
            next.learners.insert(node);
            next.disks.remove(&node);
            next
        };
        let known = |node: NodeId| {
            let fits = self.nodes.contains(&node);
            fits.then_some(())
                .ok_or_else(|| format!("there is no node {node}"))
        };
        let unless_learner = |node: NodeId| (!config.learners.contains(&node)).then(|| learn(node));
        Ok(match change {
            Reconfigure::Join(node) => {
                known(node)?;
                let votes = config.voters.contains(&node);
                (!votes).then(|| Plan::of(unless_learner(node), None, Some(node)))
            }
            Reconfigure::Learn(node) => {
                known(node)?;
                if config.voters.contains(&node) {
                    return Err(format!("{node} votes: it must leave first"));
                }
                unless_learner(node).map(|next| Plan::of(Some(next), None, None))
            }
            Reconfigure::Leave(node) => {
                let mut next = config.clone();
                let member = next.voters.remove(&node) | next.learners.remove(&node);
                next.disks.remove(&node);
                if next.voters.is_empty() {
                    return Err(format!("{node} is the last acceptor"));
                }
                member.then_some(Plan::of(Some(next), None, None))
            }
            Reconfigure::Replace { leaves, joins } => {
                known(joins)?;
                if !config.voters.contains(&leaves) || config.voters.contains(&joins) {
                    return Err(format!("{leaves} must vote and {joins} must not"));
                }
                Some(Plan::of(unless_learner(joins), Some(leaves), Some(joins)))
            }
        })
    }

    fn propose_config(&mut self, config: Config, cx: &mut Cx) {
        let follows = self.configs.latest().0;
        let value: super::types::Value = Decree::Config { config, follows }.into();
        cx.trace(Trace::Requested {
            value: value.digest(),
        });
        if let State::Leader(leader) = &mut self.state {
            leader.queue.push_front(Queued {
                id: None,
                value,
                deadline: Duration::MAX,
            });
        }
    }

    /// Carries a change on, and has a leader stop that is no member any more.
    pub(super) fn advance_change(&mut self, cx: &mut Cx) {
        let State::Leader(leader) = &self.state else {
            return;
        };
        if leader.change.is_some() && self.members_are_settled() {
            self.carry_on(cx);
        }
        self.leave_when_removed(self.executed(), cx);
    }

    /// What was proposed last is decided: promotes a node that has caught up, or ends the change.
    fn carry_on(&mut self, cx: &mut Cx) {
        let version = self.executed();
        let config = self.configs.latest().1;
        let State::Leader(leader) = &mut self.state else {
            return;
        };
        let Some(change) = &mut leader.change else {
            return;
        };
        if *config != change.wanted {
            let reason = "another change of the members came before it";
            self.end_change(Err(self.unavailable(reason)), cx);
        } else if let (Step::CatchingUp, Some(node)) = (change.step, change.joins) {
            let peer = leader.peers.get(&node).copied().unwrap_or_default();
            let near = peer.executed + self.settings.catch_up_lag >= version;
            if let Some(disk) = peer.disk.filter(|_| near && config.learners.contains(&node)) {
                let mut next = config.clone();
                next.learners.remove(&node);
                next.voters.insert(node);
                next.disks.insert(node, disk);
                if let Some(leaves) = change.leaves {
                    next.voters.remove(&leaves);
                    next.disks.remove(&leaves);
                }
                change.step = Step::Proposed;
                change.wanted = next.clone();
                self.propose_config(next, cx);
            }
        } else {
            self.rules.reach(Place::ConfigEffective as u8);
            let value = crate::api::Value::Nil;
            self.end_change(Ok(Reply { value, version }), cx);
        }
    }

    /// Nothing of the change is left to do; its client is told, if it still waits.
    fn end_change(&mut self, answer: Result<Reply, Failure>, cx: &mut Cx) {
        let State::Leader(leader) = &mut self.state else {
            return;
        };
        if let Some(id) = leader.change.take().and_then(|change| change.id) {
            self.answer(id, answer, cx);
        }
    }

    /// A leader that no configuration names any more stops once everybody can know.
    fn leave_when_removed(&mut self, executed: Slot, cx: &mut Cx) {
        let named = self
            .configs
            .from(executed + 1)
            .any(|config| config.voters.contains(&self.me));
        let State::Leader(leader) = &self.state else {
            return;
        };
        if named {
            return;
        }
        self.rules.reach(Place::LeaderRemoved as u8);
        let ballot = leader.ballot;
        let (peers, config) = (&leader.peers, self.configs.of(executed + 1));
        let fittest = config
            .voters
            .iter()
            .max_by_key(|node| peers.get(node).map_or(0, |peer| peer.executed));
        let fittest = fittest.copied();
        self.flush(cx);
        if let Some(to) = fittest {
            cx.trace(Trace::HandedOver { to });
            cx.send(to, Message::TakeOver { ballot });
        }
        self.step_down(cx);
    }

    /// Gives up waiting for a learner that does not catch up, which stays a learner; and tells the client of a change
    /// that takes too long, while the change goes on.
    pub(super) fn expire_change(&mut self, cx: &mut Cx) {
        let State::Leader(leader) = &mut self.state else {
            return;
        };
        let Some(change) = &mut leader.change else {
            return;
        };
        if change.deadline > cx.now {
            return;
        }
        let id = change.id.take();
        let reason = if change.step == Step::CatchingUp {
            leader.change = None;
            "the node did not catch up; it is a learner now"
        } else {
            "the new members are not in force yet"
        };
        if let Some(id) = id {
            self.answer(id, Err(Failure::unknown(reason)), cx);
        }
    }

    /// A client asks the leader to hand over.
    pub(super) fn transfer(&mut self, id: RequestId, to: Option<NodeId>, cx: &mut Cx) {
        if let Some(refusal) = self.refusal() {
            self.answer(id, Err(refusal), cx);
            return;
        }
        let voters = self.configs.of(self.executed() + 1).voters.clone();
        let me = self.me;
        let State::Leader(leader) = &mut self.state else {
            return;
        };
        let others = voters.iter().filter(|node| **node != me);
        let fittest = others
            .max_by_key(|node| leader.peers.get(node).map_or(0, |peer| peer.executed))
            .copied();
        let chosen = to.filter(|node| voters.contains(node) && *node != me);
        let Some(to) = (if to.is_some() { chosen } else { fittest }) else {
            let reason = "it is not another acceptor".to_owned();
            self.answer(id, Err(Failure::Invalid { reason }), cx);
            return;
        };
        // From here on no lease: the other's election does not wait for it to end.
        leader.handing_over = Some((id, cx.now + self.settings.request_timeout));
        leader.handed_over = true;
        let ballot = leader.ballot;
        self.rules.reach(Place::HandedOver as u8);
        cx.trace(Trace::HandedOver { to });
        cx.send(to, Message::TakeOver { ballot });
        self.arm_sweep(cx);
    }
}
