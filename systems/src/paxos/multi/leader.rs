//! Leading: what earlier leaders may have got chosen first, then clients' commands, each with one round of Accepts (Paxos
//! Made Simple §3).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::marks::Place;
use super::membership::Change;
use super::requests::Queued;
use super::types::{Clock, Decree, Message, Slot, Trace, Value};
use super::{Cx, Paxos, State};
use crate::paxos::Ballot;
use crate::replica::{NodeId, RequestId};

/// How many rounds of heartbeats a leader remembers the beginning of.
pub(super) const ROUNDS: usize = 64;

/// What promises told: for each slot the vote of the highest ballot, and what is forgotten.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reports {
    pub(crate) votes: BTreeMap<Slot, (Ballot, Value)>,
    pub(crate) trimmed: Slot,
    /// Whose promises.
    pub(crate) from: BTreeSet<NodeId>,
}

impl Reports {
    pub(super) fn add(&mut self, from: NodeId, trimmed: Slot, votes: Vec<(Slot, Ballot, Value)>) {
        self.from.insert(from);
        self.trimmed = self.trimmed.max(trimmed);
        for (slot, ballot, value) in votes {
            let known = self.votes.get(&slot).map(|(known, _)| *known);
            if known.is_none_or(|known| known < ballot) {
                self.votes.insert(slot, (ballot, value));
            }
        }
    }

    pub(super) fn top(&self) -> Slot {
        self.votes.last_key_value().map_or(0, |(slot, _)| *slot)
    }
}

/// A node that wants to lead.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) ballot: Ballot,
    pub(crate) from: Slot,
    pub(crate) reports: Reports,
    pub(crate) transfer: bool,
}

/// A slot for which a leader has proposed and not a quorum accepted.
#[derive(Clone, Debug)]
pub(crate) struct Open {
    pub(crate) value: Value,
    pub(crate) acks: BTreeSet<NodeId>,
}

/// What only a leader keeps.
#[derive(Clone, Debug)]
pub(crate) struct Leader {
    pub(crate) ballot: Ballot,
    pub(crate) from: Slot,
    pub(crate) reports: Reports,
    /// Up to here an earlier leader may have got something chosen.
    pub(crate) recovered_to: Slot,
    /// The next slot to propose in.
    pub(crate) next: Slot,
    pub(crate) open: BTreeMap<Slot, Open>,
    /// Commands that wait for a slot.
    pub(crate) queue: VecDeque<Queued>,
    /// Proposals that are to be sent.
    pub(crate) outbox: Vec<(Slot, Value)>,
    /// The last notice that was sent.
    pub(crate) noticed: Slot,
    pub(crate) peers: BTreeMap<NodeId, Peer>,
    pub(crate) round: u64,
    pub(crate) confirmed: u64,
    pub(crate) rounds: VecDeque<Round>,
    /// When a quorum was heard last.
    pub(crate) heard_quorum: Duration,
    /// How far it is with what others have forgotten (slot, bytes of a snapshot), and since when.
    pub(crate) caught_up: ((Slot, u64), Duration),
    pub(crate) reads: VecDeque<super::reads::Pending>,
    /// Until when others may read by a lease, on this node's clock.
    pub(crate) readers: BTreeMap<NodeId, Duration>,
    pub(crate) change: Option<Change>,
    /// Another node was told to lead, for this client, and until when that is waited for.
    pub(crate) handing_over: Option<(RequestId, Duration)>,
    /// Another node was told to lead, in this ballot: leases are of no use any more.
    pub(crate) handed_over: bool,
}

impl Leader {
    /// Whether another node has answered a round, or a later one.
    pub(super) fn has_answered(&self, node: NodeId, round: u64) -> bool {
        self.peers.get(&node).is_some_and(|peer| peer.confirmed >= round)
    }
}

/// What a leader knows of another node.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Peer {
    /// The last round that it answered.
    pub(crate) confirmed: u64,
    /// Its clock, as it told it last, and when that came.
    pub(crate) clock: Option<(Clock, Duration)>,
    pub(crate) executed: Slot,
    pub(crate) disk: Option<u64>,
    /// Whether it may vote as a member from the start.
    pub(crate) registered: bool,
}

impl Peer {
    /// Whether it accepts what it is sent, if it is known by this disk.
    pub(super) fn votes(&self, known_by: Option<u64>) -> bool {
        known_by.map_or(self.registered, |disk| self.disk == Some(disk))
    }
}

/// A round of heartbeats.
#[derive(Clone, Debug)]
pub(crate) struct Round {
    pub(crate) number: u64,
    pub(crate) began: Duration,
    /// The others' clocks, as they had told them by then, and when.
    pub(crate) clocks: BTreeMap<NodeId, (Clock, Duration)>,
}

impl Paxos {
    /// Proposes whatever may be proposed now: what earlier leaders may have got chosen first, then clients' commands.
    pub(super) fn pump(&mut self, cx: &mut Cx) {
        while let Some((slot, value)) = self.next_proposal() {
            self.propose(slot, value, cx);
        }
        self.flush(cx);
    }

    fn next_proposal(&mut self) -> Option<(Slot, Value)> {
        let executed = self.executed();
        let State::Leader(leader) = &mut self.state else {
            return None;
        };
        leader.next = leader.next.max(executed + 1);
        let slot = leader.next;
        if slot <= leader.reports.trimmed {
            // Others have forgotten what is chosen there, and must tell it.
            self.rules.reach(Place::CaughtUpBehindTrim as u8);
            return None;
        }
        if slot > executed + self.settings.alpha {
            if !leader.queue.is_empty() {
                self.rules.reach(Place::WindowFull as u8);
            }
            return None;
        }
        if !self.configs.of(slot).agrees(&leader.reports.from) {
            return None;
        }
        let reported = leader.reports.votes.get(&slot).map(|(_, value)| value.clone());
        let top = leader.reports.top().max(leader.from - 1);
        let value = if let Some(chosen) = self.chosen.get(&slot) {
            chosen.clone()
        } else if slot <= top {
            let here = self.accepted.contains_key(&slot);
            if self.rules.fills_with_noop(reported.is_some(), here) {
                self.rules.reach(Place::GapFilled as u8);
                Decree::Noop.into()
            } else {
                self.rules.reach(Place::SuffixRecovered as u8);
                reported.unwrap_or_else(|| Decree::Noop.into())
            }
        } else if let Some(queued) = leader.queue.pop_front() {
            queued.place(slot, &mut self.requests)
        } else if slot < self.configs.latest().0 {
            // What sets the members is to come into force soon.
            Decree::Noop.into()
        } else {
            return None;
        };
        leader.next = slot + 1;
        Some((slot, value))
    }

    pub(super) fn propose(&mut self, slot: Slot, value: Value, cx: &mut Cx) {
        let State::Leader(leader) = &mut self.state else {
            return;
        };
        let ballot = leader.ballot;
        leader.open.insert(
            slot,
            Open {
                value: value.clone(),
                acks: BTreeSet::new(),
            },
        );
        leader.outbox.push((slot, value.clone()));
        cx.trace(Trace::Proposed {
            slot,
            ballot,
            value: value.digest(),
            noop: matches!(**value, Decree::Noop),
        });
        if let Some(disk) = self.acceptor(self.me)
            && self.may_use_vote(disk)
            && self.vote(slot, ballot, value, cx)
        {
            let slots = vec![slot];
            self.say(self.me, Message::Accepted { ballot, slots }, cx);
        }
    }

    /// Sends what was proposed in this step, or else that more is chosen.
    pub(super) fn flush(&mut self, cx: &mut Cx) {
        let commit = self.executed();
        let State::Leader(leader) = &mut self.state else {
            return;
        };
        let ballot = leader.ballot;
        let outbox = std::mem::take(&mut leader.outbox);
        let news = commit > leader.noticed;
        leader.noticed = leader.noticed.max(commit);
        if outbox.is_empty() && !news {
            return;
        }
        let acceptors = self.acceptors();
        let others: BTreeSet<NodeId> = self
            .configs
            .latest()
            .1
            .members()
            .chain(acceptors.keys().copied())
            .collect();
        for node in others.iter().filter(|node| **node != self.me) {
            match acceptors.get(node) {
                Some(disk) if !outbox.is_empty() => {
                    for values in outbox.chunks(self.settings.max_batch) {
                        let message = Message::Accept {
                            ballot,
                            values: values.to_vec(),
                            commit,
                            disk: *disk,
                        };
                        cx.send_now(*node, message);
                    }
                }
                _ if news => cx.send_now(*node, Message::Commit { ballot, commit }),
                _ => {}
            }
        }
    }

    pub(super) fn on_accepted(&mut self, from: NodeId, ballot: Ballot, slots: &[Slot]) {
        let State::Leader(leader) = &mut self.state else {
            self.rules.reach(Place::LateAccepted as u8);
            return;
        };
        if !self.rules.counts_accepted(ballot, leader.ballot) {
            self.rules.reach(Place::LateAccepted as u8);
            return;
        }
        for slot in slots {
            if let Some(open) = leader.open.get_mut(slot) {
                open.acks.insert(from);
            }
        }
    }

    /// Calls chosen what a quorum has accepted, and every replica that may read by a lease.
    pub(super) fn choose(&mut self, cx: &mut Cx) {
        let State::Leader(leader) = &mut self.state else {
            return;
        };
        leader.readers.retain(|_, until| *until > cx.now);
        let accepted = leader
            .open
            .iter()
            .filter(|(slot, open)| self.configs.of(**slot).agrees(&open.acks));
        let mut chosen = Vec::new();
        for (slot, open) in accepted {
            let readers = leader.readers.keys();
            let unaware = readers
                .filter(|node| **node != self.me && !open.acks.contains(node))
                .count();
            if self.rules.may_choose(unaware) {
                chosen.push((*slot, open.value.clone()));
            } else {
                self.rules.reach(Place::ChoiceWaitsForReaders as u8);
                break;
            }
        }
        for (slot, value) in chosen {
            if let State::Leader(leader) = &mut self.state {
                leader.open.remove(&slot);
            }
            self.learn(slot, value, cx);
        }
    }

    /// Sends again what was proposed and is not accepted.
    pub(super) fn resend(&mut self, cx: &mut Cx) {
        let commit = self.executed();
        let acceptors = self.acceptors();
        let State::Leader(leader) = &self.state else {
            return;
        };
        for (node, disk) in acceptors.into_iter().filter(|(node, _)| *node != self.me) {
            let open = leader.open.iter().filter(|(_, open)| !open.acks.contains(&node));
            let values: Vec<(Slot, Value)> = open
                .take(self.settings.max_batch)
                .map(|(slot, open)| (*slot, open.value.clone()))
                .collect();
            if !values.is_empty() {
                let message = Message::Accept {
                    ballot: leader.ballot,
                    values,
                    commit,
                    disk,
                };
                cx.send_now(node, message);
            }
        }
        self.send_prepares(cx);
    }
}
