//! Changes of the members and of the leader, by the cluster's own means.
//!
//! A node that left joins again when its fault is healed; now and then it does so in the place of another one, which
//! joins after it, so that two voters change at once. Some requests go to a node that claims to lead without being the
//! newest leader: what it appends will be taken back.

use std::collections::BTreeMap;

use perjury_nemesis::{Node, Resolved};
use perjury_runner::{Bite, Phase};
use perjury_systems::api::{Command, Failure, Reconfigure, Request, Response};
use perjury_systems::replica::{NodeId, Replica};

use super::faults::counted;
use super::{ADMIN_TICKETS, Alarm, Environment};
use crate::world::{MILLISECOND, below, exponential};

/// A change that was not carried out by then is given up.
const PATIENCE: u64 = 5_000 * MILLISECOND;

/// Between two attempts.
const PAUSE: u64 = 100 * MILLISECOND;

/// How often it is looked whether all members are there, once everything is healed.
const REPAIR: u64 = 500 * MILLISECOND;

/// An attempt that is not answered by then is made again.
const ANSWER_WITHIN: u64 = 2_500 * MILLISECOND;

/// So many in a hundred join in the place of another node.
const REPLACE_PERCENT: u64 = 35;

/// So many in a hundred that left receive the log all the same.
const LEARN_PERCENT: u64 = 40;

/// So many in a hundred requests go to whoever claims to lead.
const ANY_CLAIMANT_PERCENT: u64 = 30;

/// One change of one node.
#[derive(Clone, Copy, Debug)]
struct Change {
    fault: u32,
    node: Node,
    joins: bool,
    /// Whose place it takes.
    replaces: Option<Node>,
}

/// The changes under way.
#[derive(Debug, Default)]
pub(super) struct Admins {
    next: u64,
    changes: BTreeMap<u64, Change>,
    /// Whom to ask next when nobody claims to lead.
    asked: u16,
}

impl<R: Replica> Environment<R> {
    pub(super) fn begin_leave(&mut self, fault: u32) {
        self.begin_change(fault, false);
    }

    pub(super) fn begin_join(&mut self, fault: u32) {
        self.begin_change(fault, true);
    }

    /// One node after the other.
    fn begin_change(&mut self, fault: u32, joins: bool) {
        self.admins.changes.retain(|_, change| change.fault != fault);
        if joins
            && let Some(active) = self.active.get_mut(&fault)
            && let Resolved::Leave { nodes } = &active.fault
        {
            // A change that was given up may have been carried out all the same, so every node joins again.
            let missing: Vec<Node> = nodes
                .iter()
                .filter(|node| !active.outside.contains(node))
                .copied()
                .collect();
            active.outside.extend(missing);
        }
        let at = self.world.now() + self.weather.slowed(PATIENCE);
        self.world.alarm(
            at,
            Alarm::GiveUp {
                fault,
                healing: joins,
            },
        );
        self.next_change(fault, joins);
    }

    fn next_change(&mut self, fault: u32, joins: bool) {
        let Some(active) = self.active.get(&fault) else {
            return;
        };
        let change = if joins {
            active
                .outside
                .front()
                .copied()
                .map(|node| (node, self.whom_to_replace(fault, node)))
        } else {
            let Resolved::Leave { nodes } = &active.fault else {
                return;
            };
            nodes.difference(&active.left).next().map(|node| (*node, None))
        };
        let Some(active) = self.active.get_mut(&fault) else {
            return;
        };
        match change {
            Some((node, replaces)) => {
                let change = Change {
                    fault,
                    node,
                    joins,
                    replaces,
                };
                self.admins.next += 1;
                let ticket = ADMIN_TICKETS + self.admins.next;
                self.admins.changes.insert(ticket, change);
                self.admin(ticket);
            }
            None if joins => {
                let left = active.left.len();
                self.active.remove(&fault);
                let evidence = format!("{} out of the cluster", counted(left as u64, "node"));
                self.healed(
                    fault,
                    Ok(Bite {
                        bit: left > 0,
                        links: Vec::new(),
                        evidence,
                    }),
                );
            }
            None => {
                let left = active.left.len();
                active.told = true;
                self.make_learners(fault);
                let evidence = format!("{} left the cluster", counted(left as u64, "node"));
                self.injected(
                    fault,
                    Ok(Bite {
                        bit: left > 0,
                        links: Vec::new(),
                        evidence,
                    }),
                );
            }
        }
    }

    /// Makes an attempt, under a number of its own so that a late answer to an earlier one is not mistaken for its.
    pub(super) fn admin(&mut self, ticket: u64) {
        let Some(change) = self.admins.changes.remove(&ticket) else {
            return;
        };
        self.admins.next += 1;
        let ticket = ADMIN_TICKETS + self.admins.next;
        self.admins.changes.insert(ticket, change);
        let nodes = self.world.nodes().count() as u16;
        let claimants = self.world.claimants();
        let any = !claimants.is_empty() && below(&mut self.rng, 100) < ANY_CLAIMANT_PERCENT;
        let node = if any {
            claimants[below(&mut self.rng, claimants.len() as u64) as usize]
        } else {
            self.world.leader().map_or_else(
                || {
                    self.admins.asked = self.admins.asked % nodes + 1;
                    Node(self.admins.asked)
                },
                |(leader, _)| leader,
            )
        };
        let member = NodeId(change.node.0);
        let reconfigure = match (change.joins, change.replaces) {
            (true, None) => Reconfigure::Join(member),
            (true, Some(other)) => Reconfigure::Replace {
                leaves: NodeId(other.0),
                joins: member,
            },
            (false, _) => Reconfigure::Leave(member),
        };
        let request = Request::new(None, Command::Reconfigure(reconfigure));
        let at = self.world.now() + self.client_latency();
        self.ask(at, node, ticket, request);
        self.world
            .alarm(at + self.weather.slowed(ANSWER_WITHIN), Alarm::Admin { ticket });
    }

    /// Now and then those who left go on to receive the log.
    fn make_learners(&mut self, fault: u32) {
        let left = self
            .active
            .get(&fault)
            .map(|active| active.left.clone())
            .unwrap_or_default();
        let Some((leader, _)) = self.world.leader() else {
            return;
        };
        for node in left {
            if below(&mut self.rng, 100) < LEARN_PERCENT {
                let request = Request::new(None, Command::Reconfigure(Reconfigure::Learn(NodeId(node.0))));
                let at = self.world.now() + self.client_latency();
                // Nobody waits for the answer.
                self.ask(at, leader, ADMIN_TICKETS, request);
            }
        }
    }

    /// A voter whose place a node takes when it joins again, once in a while.
    fn whom_to_replace(&mut self, fault: u32, node: Node) -> Option<Node> {
        let replaced_before = self.active.get(&fault).is_none_or(|active| active.replaced);
        if replaced_before || below(&mut self.rng, 100) >= REPLACE_PERCENT {
            return None;
        }
        let (leader, _) = self.world.leader()?;
        let voters = self.world.replica(leader)?.status().voters;
        let others: Vec<Node> = voters
            .into_iter()
            .map(|voter| Node(voter.0))
            .filter(|voter| *voter != node)
            .collect();
        if others.len() < 3 {
            return None;
        }
        let other = others[below(&mut self.rng, others.len() as u64) as usize];
        if let Some(active) = self.active.get_mut(&fault) {
            active.replaced = true;
            // It joins later, whatever is heard of the change: that may be carried out unheard.
            active.outside.push_back(other);
        }
        Some(other)
    }

    /// Once everything is healed, members that are missing are asked back until all are there: a change that nobody
    /// heard of any more, or that a deposed leader confirmed, may have been carried out, or undone, in the end.
    pub(super) fn repair(&mut self) {
        if self.phase > Phase::Recover {
            return;
        }
        self.world
            .alarm(self.world.now() + self.weather.slowed(REPAIR), Alarm::Repair);
        let Some((spokesman, voters)) = self.spokesman() else {
            return;
        };
        let missing = self.members.iter().find(|member| !voters.contains(member));
        if let Some(missing) = missing {
            let request = Request::new(None, Command::Reconfigure(Reconfigure::Join(*missing)));
            let at = self.world.now() + self.client_latency();
            // Nobody waits for the answer.
            self.ask(at, spokesman, ADMIN_TICKETS, request);
        }
    }

    /// Who knows the voters best, and whom it takes for them: the leader, or, where nobody ever leads, the node with the
    /// newest configuration.
    fn spokesman(&self) -> Option<(Node, Vec<NodeId>)> {
        let status = |node: Node| Some((node, self.world.replica(node)?.status()));
        let (node, status) = if R::LEADERLESS {
            self.world
                .nodes()
                .filter_map(status)
                .max_by_key(|(_, status)| status.term)
        } else {
            self.world.leader().and_then(|(leader, _)| status(leader))
        }?;
        Some((node, status.voters))
    }

    /// An operator hands leadership over.
    pub(super) fn transfer(&mut self) {
        let every = u64::from(self.weather.transfer_every_ms) * MILLISECOND;
        if every == 0 || self.phase > Phase::Main {
            return;
        }
        let at = self.world.now() + exponential(&mut self.rng, every);
        self.world.alarm(at, Alarm::Transfer);
        let nodes = self.world.nodes().count() as u64;
        let to = below(&mut self.rng, nodes + 1) as u16;
        let Some((leader, _)) = self.world.leader() else {
            return;
        };
        let request = Request::new(
            None,
            Command::Transfer {
                to: (to > 0).then_some(NodeId(to)),
            },
        );
        let at = self.world.now() + self.client_latency();
        // Nobody waits for the answer.
        self.ask(at, leader, ADMIN_TICKETS, request);
    }

    pub(super) fn admin_answered(&mut self, ticket: u64, response: Option<Response>) {
        let Some(change) = self.admins.changes.get(&ticket).copied() else {
            return;
        };
        let leader = response.as_ref().map(|response| Node(response.node.0));
        let done = match response.map(|response| response.result) {
            Some(Ok(_)) => true,
            // An attempt whose answer was lost may have been carried out. (Where a node took another's place, that
            // one joins as well, whether it had left or not.)
            Some(Err(Failure::Invalid { .. })) => leader.is_some_and(|leader| {
                self.world.replica(leader).is_some_and(|replica| {
                    replica.status().voters.contains(&NodeId(change.node.0)) == change.joins
                })
            }),
            _ => false,
        };
        if !done {
            let at = self.world.now() + self.weather.slowed(PAUSE);
            self.world.alarm(at, Alarm::Admin { ticket });
            return;
        }
        self.admins.changes.remove(&ticket);
        if let Some(active) = self.active.get_mut(&change.fault) {
            if change.joins {
                active.outside.retain(|node| *node != change.node);
            } else {
                active.left.insert(change.node);
            }
        }
        self.next_change(change.fault, change.joins);
    }

    pub(super) fn admin_gives_up(&mut self, fault: u32, healing: bool) {
        let Some(active) = self.active.get_mut(&fault) else {
            return;
        };
        let under_way = self
            .admins
            .changes
            .values()
            .any(|change| change.fault == fault && change.joins == healing);
        if !under_way {
            return;
        }
        self.admins.changes.retain(|_, change| change.fault != fault);
        if healing {
            self.healed(
                fault,
                Err("the cluster did not take the nodes back in time".to_owned()),
            );
        } else {
            active.told = true;
            self.injected(
                fault,
                Err("the cluster did not let the nodes go in time".to_owned()),
            );
        }
    }
}
