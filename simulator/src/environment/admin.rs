//! Changes of the members, by the cluster's own means.

use std::collections::BTreeMap;

use perjury_nemesis::{Node, Resolved};
use perjury_runner::Bite;
use perjury_systems::api::{Command, Failure, Reconfigure, Request, Response};
use perjury_systems::replica::{NodeId, Replica};

use super::{ADMIN_TICKETS, Alarm, Environment};
use crate::world::MILLISECOND;

/// A change that was not carried out by then is given up.
const PATIENCE: u64 = 5_000 * MILLISECOND;

/// Between two attempts.
const PAUSE: u64 = 100 * MILLISECOND;

/// An attempt that is not answered by then is made again.
const ANSWER_WITHIN: u64 = 2_500 * MILLISECOND;

/// One change of one node.
#[derive(Clone, Copy, Debug)]
struct Change {
    fault: u32,
    node: Node,
    joins: bool,
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
        let at = self.world.now() + PATIENCE;
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
        let Resolved::Leave { nodes } = &active.fault else {
            return;
        };
        // A change that was given up may have been carried out all the same, so every node joins again.
        let next = if joins {
            nodes.iter().find(|node| !active.down.contains(node))
        } else {
            nodes.iter().find(|node| !active.left.contains(node))
        };
        match next.copied() {
            Some(node) => {
                let change = Change { fault, node, joins };
                self.admins.next += 1;
                let ticket = ADMIN_TICKETS + self.admins.next;
                self.admins.changes.insert(ticket, change);
                self.admin(ticket);
            }
            None if joins => {
                let left = active.left.len();
                self.active.remove(&fault);
                let evidence = format!("{left} nodes were out of the cluster");
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
                if let Some(active) = self.active.get_mut(&fault) {
                    active.told = true;
                }
                let evidence = format!("{left} nodes left the cluster");
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
        let node = self.world.leader().map_or_else(
            || {
                self.admins.asked = self.admins.asked % nodes + 1;
                Node(self.admins.asked)
            },
            |(leader, _)| leader,
        );
        let member = NodeId(change.node.0);
        let reconfigure = if change.joins {
            Reconfigure::Join(member)
        } else {
            Reconfigure::Leave(member)
        };
        let request = Request {
            session: None,
            command: Command::Reconfigure(reconfigure),
        };
        let at = self.world.now() + self.client_latency();
        self.world.ask(at, node, ticket, request);
        self.world.alarm(at + ANSWER_WITHIN, Alarm::Admin { ticket });
    }

    pub(super) fn admin_answered(&mut self, ticket: u64, response: Option<Response>) {
        let Some(change) = self.admins.changes.get(&ticket).copied() else {
            return;
        };
        let leader = response.as_ref().map(|response| Node(response.node.0));
        let done = match response.map(|response| response.result) {
            Some(Ok(_)) => true,
            // An attempt whose answer was lost may have been carried out.
            Some(Err(Failure::Invalid { .. })) => leader.is_some_and(|leader| {
                self.world.replica(leader).is_some_and(|replica| {
                    replica.status().voters.contains(&NodeId(change.node.0)) == change.joins
                })
            }),
            _ => false,
        };
        if !done {
            let at = self.world.now() + PAUSE;
            self.world.alarm(at, Alarm::Admin { ticket });
            return;
        }
        self.admins.changes.remove(&ticket);
        if let Some(active) = self.active.get_mut(&change.fault) {
            let place = if change.joins {
                &mut active.down
            } else {
                &mut active.left
            };
            place.insert(change.node);
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
