//! Who the members are, and how that changes.

use std::collections::{BTreeMap, BTreeSet};

use super::identity::Registration;
use super::marks::Place;
use super::types::{Disk, Epoch, Message, Record, Ticket, Trace, View};
use super::{Cx, Nwr};
use crate::api::{Failure, Reconfigure, Reply, Response};
use crate::replica::{NodeId, RequestId};

/// What the node that orders changes keeps, and what those keep that ask it.
#[derive(Clone, Debug, Default)]
pub(super) struct Steward {
    /// Who holds all that it has to under the view; once all do, who knows that.
    synced: BTreeSet<NodeId>,
    /// Who asked for the change under way: node and ticket.
    asked: BTreeSet<(NodeId, Ticket)>,
    /// Clients of this node that wait for a change.
    waiting: BTreeMap<Ticket, (RequestId, Reconfigure, std::time::Duration)>,
}

/// Keys whose places are recorded with every view.
const SAMPLE: [&str; 24] = [
    "k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9", "k10", "k11", "k12", "k13", "k14", "k15",
    "a", "b", "c", "d", "e", "f", "g", "h",
];

/// The keys whose places are recorded with every view.
pub(super) fn sample() -> &'static [&'static str] {
    &SAMPLE
}

impl Nwr {
    /// The node that orders changes.
    fn steward(&self) -> NodeId {
        self.nodes.first().copied().unwrap_or(self.me)
    }

    fn is_steward(&self) -> bool {
        self.steward() == self.me
    }

    /// Whether its view is to bring it what it lost.
    pub(super) fn is_renewed(&self) -> bool {
        self.view.renewed.contains(&self.me)
    }

    /// Whether something is under way that needs the change timer.
    pub(super) fn has_change(&self) -> bool {
        self.is_registering()
            || self.view.before.is_some()
            || self.pulls.is_some()
            || !self.steward.waiting.is_empty()
    }

    pub(super) fn reconfigure(&mut self, id: RequestId, change: Reconfigure, cx: &mut Cx) {
        if let Err(reason) = self.members_after(change) {
            return self.refuse(id, &reason, cx);
        }
        let ticket = self.next_ticket();
        let deadline = cx.now + CHANGE_LIMIT;
        self.steward.waiting.insert(ticket, (id, change, deadline));
        let steward = self.steward();
        self.send_now(steward, Message::Change { ticket, change }, cx);
    }

    /// The members after a change of its view.
    fn members_after(&self, change: Reconfigure) -> Result<Vec<NodeId>, String> {
        let mut members: BTreeSet<NodeId> = self.view.members.iter().copied().collect();
        match change {
            Reconfigure::Join(node) => drop(members.insert(node)),
            Reconfigure::Leave(node) => drop(members.remove(&node)),
            Reconfigure::Replace { leaves, joins } => {
                members.remove(&leaves);
                members.insert(joins);
            }
            Reconfigure::Learn(_) => return Err("nodes hold keys, or they do not".to_owned()),
        }
        if let Some(stranger) = members.iter().find(|member| !self.nodes.contains(member)) {
            return Err(format!("there is no node {stranger}"));
        }
        let n = self.settings.n;
        if members.len() < n {
            return Err(format!("{n} replicas of each key need as many nodes"));
        }
        Ok(members.into_iter().collect())
    }

    pub(super) fn on_change(&mut self, from: NodeId, ticket: Ticket, change: Reconfigure, cx: &mut Cx) {
        if !self.is_steward() || !self.knows_the_view() {
            return;
        }
        let members = match self.members_after(change) {
            Ok(members) => members,
            Err(reason) => {
                let refused = Some(reason);
                return self.send_now(from, Message::Changed { ticket, refused }, cx);
            }
        };
        let same = members == self.view.members;
        match self.view.before {
            None if same => self.send(
                from,
                Message::Changed {
                    ticket,
                    refused: None,
                },
                cx,
            ),
            None => {
                self.steward.asked.insert((from, ticket));
                self.start_change(members, Vec::new(), cx);
            }
            Some(_) if same => drop(self.steward.asked.insert((from, ticket))),
            // It is asked again.
            Some(_) => self.rules.reach(Place::ChangeWaits as u8),
        }
    }

    pub(super) fn on_changed(&mut self, ticket: Ticket, refused: Option<String>, cx: &mut Cx) {
        let Some((id, ..)) = self.steward.waiting.remove(&ticket) else {
            return;
        };
        match refused {
            Some(reason) => self.refuse(id, &reason, cx),
            None => cx.reply(
                id,
                Response {
                    node: self.me,
                    term: 0,
                    position: 0,
                    result: Ok(Reply::default()),
                    quorum: None,
                },
            ),
        }
    }

    /// A member lost what it held.
    pub(super) fn on_renew(&mut self, from: NodeId, _: Disk, cx: &mut Cx) {
        let member = self.view.members.contains(&from);
        if self.is_steward() && self.knows_the_view() && self.view.before.is_none() && member {
            let members = self.view.members.clone();
            self.start_change(members, vec![from], cx);
        }
    }

    fn start_change(&mut self, members: Vec<NodeId>, renewed: Vec<NodeId>, cx: &mut Cx) {
        // If it lost its disk, views that it made before may still be under way.
        let forgotten = if renewed.contains(&self.me) {
            EPOCHS_UNDER_WAY
        } else {
            0
        };
        let view = View {
            epoch: self.view.epoch + forgotten + 1,
            before: Some(self.view.members.clone()),
            settled: false,
            members,
            renewed,
        };
        self.on_view(view, cx);
        self.finish_change(cx);
        self.spread_view(cx);
    }

    fn spread_view(&mut self, cx: &mut Cx) {
        for node in self.others() {
            let view = self.view.clone();
            self.send(node, Message::View(view), cx);
        }
    }

    pub(super) fn on_synced(&mut self, from: NodeId, epoch: Epoch, cx: &mut Cx) {
        if self.is_steward() && epoch == self.view.epoch && self.view.before.is_some() {
            self.steward.synced.insert(from);
            self.finish_change(cx);
        }
    }

    /// Has reads served by the new ring, once every member holds what it has to; and goes over to it alone, once so many
    /// of those before know that, that the others are too few to serve reads.
    fn finish_change(&mut self, cx: &mut Cx) {
        let Some(before) = &self.view.before else {
            return;
        };
        let knows = |node: &NodeId| self.steward.synced.contains(node);
        let settled = self.view.settled;
        let may = if settled {
            before.iter().filter(|node| !knows(node)).count() < self.settings.r
        } else {
            self.rules.may_finish_change(self.view.members.iter().all(knows))
        };
        if !may {
            return;
        }
        let view = View {
            epoch: self.view.epoch + 1,
            members: self.view.members.clone(),
            before: (!settled).then(|| before.clone()),
            settled: !settled,
            renewed: Vec::new(),
        };
        self.on_view(view, cx);
        self.spread_view(cx);
        if !settled {
            return;
        }
        for (node, ticket) in std::mem::take(&mut self.steward.asked) {
            self.send(
                node,
                Message::Changed {
                    ticket,
                    refused: None,
                },
                cx,
            );
        }
    }

    /// Takes over a newer view.
    pub(super) fn on_view(&mut self, view: View, cx: &mut Cx) {
        if view.epoch <= self.view.epoch {
            return;
        }
        self.append(Record::View(view.clone()), cx);
        let joins = view
            .before
            .as_ref()
            .is_some_and(|before| !before.contains(&self.me));
        self.old_ring = view.before.is_some().then(|| self.ring.clone());
        if let (Some(old), Some(before)) = (&mut self.old_ring, &view.before) {
            old.become_of(before, &self.rules);
        }
        self.ring.become_of(&view.members, &self.rules);
        self.view = view;
        match (&self.view.before, self.view.settled) {
            (Some(_), false) => self.rules.reach(Place::ChangeBegun as u8),
            (Some(_), true) => {}
            (None, _) => self.rules.reach(Place::ChangeEnded as u8),
        }
        self.steward.synced.clear();
        self.pulls = None;
        self.doubts.clear();
        self.place_keys();
        self.trace_view(cx);
        if !self.view.settled {
            self.keep_own();
        }
        let changes = self.view.before.is_some();
        if changes && (self.view.settled || self.view.members.contains(&self.me)) {
            self.begin_pulling(joins, cx);
        }
        self.restart_operations(cx);
    }

    pub(super) fn trace_view(&self, cx: &mut Cx) {
        cx.trace(Trace::Adopted {
            view: self.view.clone(),
            sample: SAMPLE.iter().map(|key| self.replicas(key)).collect(),
        });
    }

    /// The change timer.
    pub(super) fn go_on(&mut self, cx: &mut Cx) {
        self.changing = false;
        if self.is_registering() {
            self.ask_to_be_known(cx);
        }
        let amnesiac = self.registration.amnesiac;
        if amnesiac && self.view.before.is_none() {
            let (steward, disk) = (self.steward(), self.identity.disk);
            if self.view.members.contains(&self.me) {
                self.send(steward, Message::Renew { disk }, cx);
            }
        }
        if self.is_steward() && self.view.before.is_some() {
            self.spread_view(cx);
        } else if self.view.before.is_some() {
            // The end of the change may have been lost on its way.
            let (steward, mine) = (self.steward(), self.view.clone());
            self.send(steward, Message::View(mine), cx);
        }
        self.go_on_pulling(cx);
        let steward = self.steward();
        let waiting = self.steward.waiting.clone();
        for (ticket, (id, change, deadline)) in waiting {
            if deadline <= cx.now {
                self.steward.waiting.remove(&ticket);
                let reason = "the change was not carried out in time".to_owned();
                self.fail(id, Failure::Indefinite { reason }, cx);
            } else {
                self.send_now(steward, Message::Change { ticket, change }, cx);
            }
        }
    }

    /// It holds all that it has to under its view.
    pub(super) fn caught_up(&mut self, cx: &mut Cx) {
        let epoch = self.view.epoch;
        if self.synced < epoch {
            self.synced = epoch;
            self.append(Record::Synced(epoch), cx);
            cx.trace(Trace::CaughtUp { epoch });
        }
        if !self.identity.ready && self.is_renewed() {
            self.be_ready(cx);
            self.registration = Registration::default();
        }
        self.acknowledge(cx);
    }

    /// Tells the node that orders changes how far it is.
    pub(super) fn acknowledge(&mut self, cx: &mut Cx) {
        if !self.is_known() {
            return;
        }
        let (steward, epoch) = (self.steward(), self.view.epoch);
        self.send(steward, Message::Synced { epoch }, cx);
    }
}

/// A change that takes longer is given up by whoever asked for it; it may be carried out all the same.
const CHANGE_LIMIT: std::time::Duration = std::time::Duration::from_secs(10);

/// More epochs than a node that orders changes can have made and not spread.
const EPOCHS_UNDER_WAY: Epoch = 1_000;
