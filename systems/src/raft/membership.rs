//! Changing the members: learners that catch up first, joint consensus, single steps (paper §6; thesis §4).

use std::time::Duration;

use super::config::Config;
use super::marks::Place;
use super::settings::MembershipMode;
use super::types::{Index, Payload, Trace};
use super::{Cx, Raft, State};
use crate::api::{Failure, Reconfigure, Reply};
use crate::replica::{NodeId, RequestId};

/// A change under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// The client that waits; none once it was told that it takes too long.
    pub(crate) id: Option<RequestId>,
    step: Step,
    leaves: Option<NodeId>,
    joins: Option<NodeId>,
    /// Until when the client waits, and the learner must have caught up.
    deadline: Duration,
}

/// How far a change has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The joining node receives the log without a vote.
    CatchingUp,
    /// The configuration at this place is to be committed; if it is joint, another follows.
    Committing(Index),
}

impl Raft {
    /// A client asks the leader to change the members.
    pub(super) fn reconfigure(&mut self, id: RequestId, change: Reconfigure, cx: &mut Cx) {
        if let Some(refusal) = self.refusal().or_else(|| self.not_now()) {
            self.answer(id, Err(refusal), cx);
            return;
        }
        match self.plan(change) {
            Ok(None) => self.answer(id, Ok(Reply::default()), cx),
            Ok(Some(plan)) => self.begin_change(id, plan, cx),
            Err(reason) => self.answer(id, Err(Failure::Invalid { reason }), cx),
        }
        self.advance_change(cx);
    }

    /// Why the members cannot change now: one change at a time, and none before a committed entry of the term.
    fn not_now(&self) -> Option<Failure> {
        let State::Leader(leader) = &self.state else {
            return None;
        };
        if !self.rules.may_change_members(self.own_term_committed()) {
            self.rules.reach(Place::ChangeTooEarly as u8);
            return Some(self.unavailable("no entry of this term is committed yet"));
        }
        let pending = self.configs.latest_index() > self.commit;
        if leader.change.is_some() || pending || self.configs.latest().is_joint() {
            return Some(self.unavailable("another change of the members is under way"));
        }
        None
    }

    /// What a change comes to: nothing, or a first configuration and what is to follow it.
    fn plan(&self, change: Reconfigure) -> Result<Option<Plan>, String> {
        let config = self.configs.latest();
        let known = |node: NodeId| {
            let fits = self.nodes.contains(&node);
            fits.then_some(())
                .ok_or_else(|| format!("there is no node {node}"))
        };
        let learn = |node: NodeId| {
            let mut next = config.clone();
            next.learners.insert(node);
            next.disks.remove(&node);
            next
        };
        Ok(match change {
            Reconfigure::Join(node) => {
                known(node)?;
                if config.is_voter(node) {
                    return Ok(None);
                }
                let first = (!config.learners.contains(&node)).then(|| learn(node));
                Some(Plan {
                    first,
                    leaves: None,
                    joins: Some(node),
                })
            }
            Reconfigure::Learn(node) => {
                known(node)?;
                if config.is_voter(node) {
                    return Err(format!("{node} votes: it must leave first"));
                }
                if config.learners.contains(&node) {
                    return Ok(None);
                }
                let first = Some(learn(node));
                Some(Plan {
                    first,
                    leaves: None,
                    joins: None,
                })
            }
            Reconfigure::Leave(node) => {
                if config.learners.contains(&node) {
                    let mut next = config.clone();
                    next.learners.remove(&node);
                    next.disks.remove(&node);
                    return Ok(Some(Plan {
                        first: Some(next),
                        leaves: None,
                        joins: None,
                    }));
                }
                if !config.is_voter(node) {
                    return Ok(None);
                }
                if config.voters.len() == 1 {
                    return Err(format!("{node} is the last voter"));
                }
                Some(Plan {
                    first: None,
                    leaves: Some(node),
                    joins: None,
                })
            }
            Reconfigure::Replace { leaves, joins } => {
                known(joins)?;
                if !config.is_voter(leaves) || config.is_voter(joins) {
                    return Err(format!("{leaves} must vote and {joins} must not"));
                }
                let first = (!config.learners.contains(&joins)).then(|| learn(joins));
                Some(Plan {
                    first,
                    leaves: Some(leaves),
                    joins: Some(joins),
                })
            }
        })
    }

    fn begin_change(&mut self, id: RequestId, plan: Plan, cx: &mut Cx) {
        let index = plan
            .first
            .map(|config| self.append_entry(Payload::Config(config), cx).index);
        let step = match (plan.joins, index) {
            (Some(_), _) => Step::CatchingUp,
            (None, Some(index)) => Step::Committing(index),
            (None, None) => {
                let target = self.target(plan.leaves, None, None);
                Step::Committing(self.switch_to(target, cx))
            }
        };
        let change = Change {
            id: Some(id),
            step,
            leaves: plan.leaves,
            joins: plan.joins,
            deadline: cx.now + self.settings.catch_up_timeout,
        };
        if let State::Leader(leader) = &mut self.state {
            leader.change = Some(change);
        }
        self.arm_sweep(cx);
    }

    /// The members after a change of the voters.
    fn target(&self, leaves: Option<NodeId>, joins: Option<NodeId>, disk: Option<u64>) -> Config {
        let mut target = self.configs.latest().clone();
        if let Some(node) = joins {
            target.learners.remove(&node);
            target.voters.insert(node);
            target.disks.extend(disk.map(|disk| (node, disk)));
        }
        if let Some(node) = leaves {
            target.voters.remove(&node);
        }
        target
    }

    /// Appends the configuration that leads to `target`: the joint one, or `target` itself in a single step.
    fn switch_to(&mut self, mut target: Config, cx: &mut Cx) -> Index {
        let current = &self.configs.latest().voters;
        let one_node = current.symmetric_difference(&target.voters).count() <= 1;
        let single = self.settings.membership == MembershipMode::Single;
        if self.rules.may_switch_directly(one_node, single) {
            target = target.leave_joint();
            self.rules.reach(Place::SingleChange as u8);
        } else {
            self.rules.reach(Place::JointEntered as u8);
            target.outgoing = Some(current.clone());
        }
        self.append_entry(Payload::Config(target), cx).index
    }

    /// Carries a change on, and leaves a joint configuration that is committed, whoever began it.
    pub(super) fn advance_change(&mut self, cx: &mut Cx) {
        let State::Leader(leader) = &mut self.state else {
            return;
        };
        let config = self.configs.latest();
        let (index, joint) = (self.configs.latest_index(), config.is_joint());
        let committed = index <= self.commit;
        if joint && committed && self.commit >= leader.first_own {
            let next = config.leave_joint();
            self.rules.reach(Place::JointLeft as u8);
            let index = self.append_entry(Payload::Config(next), cx).index;
            if let State::Leader(leader) = &mut self.state
                && let Some(change) = &mut leader.change
            {
                change.step = Step::Committing(index);
            }
            return;
        }
        let removed = committed && !joint && !config.is_voter(self.me) && self.commit >= leader.first_own;
        match leader.change {
            Some(change) if change.step == Step::CatchingUp && committed => {
                let Some((node, progress)) = change
                    .joins
                    .and_then(|node| Some((node, leader.progress.get(node)?)))
                else {
                    return;
                };
                let lag = self.log.last().index.saturating_sub(progress.matched);
                let (Some(disk), true) = (
                    progress.disk,
                    self.rules.may_promote(lag, self.settings.catch_up_lag),
                ) else {
                    return;
                };
                let target = self.target(change.leaves, Some(node), Some(disk));
                let index = self.switch_to(target, cx);
                if let State::Leader(leader) = &mut self.state {
                    leader.change = Some(Change {
                        step: Step::Committing(index),
                        ..change
                    });
                }
            }
            Some(change) if change.step == Step::Committing(index) && committed => {
                leader.change = None;
                self.answer_change(
                    change.id,
                    Ok(Reply {
                        version: index,
                        ..Reply::default()
                    }),
                    cx,
                );
                if removed {
                    self.leave(cx);
                }
            }
            None if removed => self.leave(cx),
            _ => {}
        }
    }

    /// A leader that is no longer a member steps down once that is committed (paper §6); the others hear first that
    /// it is, and the most advanced of them is told to take over.
    fn leave(&mut self, cx: &mut Cx) {
        self.rules.reach(Place::LeaderRemoved as u8);
        self.begin_round(cx);
        let State::Leader(leader) = &self.state else {
            return;
        };
        let fittest = leader
            .progress
            .iter()
            .filter(|(node, _)| self.configs.latest().is_voter(*node));
        let fittest = fittest
            .max_by_key(|(_, progress)| progress.matched)
            .map(|(node, _)| node);
        if let Some(to) = fittest {
            cx.trace(Trace::HandedOver { to });
            cx.send(to, super::types::Message::TimeoutNow { term: self.term });
        }
        self.step_down(None, cx);
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
            "the new members are not committed yet"
        };
        self.answer_change(id, Err(Failure::unknown(reason)), cx);
    }

    pub(super) fn has_change(&self) -> bool {
        matches!(&self.state, State::Leader(leader) if leader.change.is_some_and(|change| change.id.is_some()))
    }

    pub(super) fn answer_change(&self, id: Option<RequestId>, result: Result<Reply, Failure>, cx: &mut Cx) {
        if let Some(id) = id {
            self.answer(id, result, cx);
        }
    }

    /// A configuration was appended: it is in force from now on (paper §6).
    pub(super) fn config_appended(&mut self, index: Index, config: Config, cx: &mut Cx) {
        cx.trace(Trace::ConfigAppended {
            index,
            voters: config.voters.clone(),
            outgoing: config.outgoing.clone(),
            learners: config.learners.clone(),
        });
        if let State::Leader(leader) = &mut self.state {
            let members = config.members();
            leader.progress.retain(|node| members.contains(&node));
            for node in members {
                leader.follow(node, self.me, index);
            }
        }
        self.configs.push(index, config);
    }
}

struct Plan {
    /// A configuration to begin with: one more, or one less, learner.
    first: Option<Config>,
    leaves: Option<NodeId>,
    joins: Option<NodeId>,
}
