//! Whether a node may answer for what its disk holds.
//!
//! A node that lost its disk has forgotten what it acknowledged; a reader that counts it would miss that. An empty disk looks
//! the same at the first boot, though. So a node names its empty disk and asks the others to write that name down; once so many
//! did that any two such sets have a node in common, it answers, and what it stores counts. Whoever knows another disk of it
//! says so: then the node is an amnesiac, which stores but does not answer until a change of the ring has brought it what it
//! has to hold. (The change gives the ring a new epoch, so that nothing that counted on the old disk is completed after it.)

use std::collections::BTreeSet;

use super::marks::Place;
use super::types::{Disk, Message, Record, Trace, View};
use super::{Cx, Nwr};
use crate::identity::registration_quorum;
use crate::replica::NodeId;

/// Asking to be known.
#[derive(Clone, Debug, Default)]
pub(super) struct Registration {
    /// Those that know no other disk of this node.
    accepted: BTreeSet<NodeId>,
    /// Those that were heard at all.
    heard: BTreeSet<NodeId>,
    /// Another disk is known.
    pub(super) amnesiac: bool,
}

impl Nwr {
    /// Whether its disk is to be known still.
    pub(super) fn is_registering(&self) -> bool {
        !self.identity.ready
    }

    /// Asks those that were not heard.
    pub(super) fn ask_to_be_known(&mut self, cx: &mut Cx) {
        let disk = self.identity.disk;
        for node in self.others() {
            if !self.registration.heard.contains(&node) {
                self.send(node, Message::Hello { disk, again: false }, cx);
            }
        }
        self.become_known(cx);
    }

    pub(super) fn on_hello(&mut self, from: NodeId, disk: Disk, again: bool, cx: &mut Cx) {
        let known = self.identity.known.get(&from).copied();
        let first = again || known.is_none_or(|known| known == disk);
        if known.is_none() || (again && known != Some(disk)) {
            self.identity.known.insert(from, disk);
            let identity = self.identity.clone();
            self.append(Record::Identity(identity), cx);
        }
        let view = self.view.clone();
        self.send(from, Message::Known { disk, first, view }, cx);
    }

    pub(super) fn on_known(&mut self, from: NodeId, disk: Disk, first: bool, view: View, cx: &mut Cx) {
        if disk != self.identity.disk {
            return;
        }
        self.on_view(view, cx);
        self.registration.heard.insert(from);
        if first {
            self.registration.accepted.insert(from);
        } else if !self.registration.amnesiac && !self.identity.ready {
            self.registration.amnesiac = true;
            self.rules.reach(Place::Amnesiac as u8);
            cx.trace(Trace::Amnesiac);
        }
        self.become_known(cx);
    }

    /// How many others have to know a disk of it: any two such sets have a node in common.
    fn enough(&self) -> usize {
        registration_quorum(self.others().count())
    }

    /// Whether so many others know a disk of it, this one or one that it lost, that it is not taken for new when it loses
    /// this one. Only then may others rely on what it holds.
    pub(super) fn is_known(&self) -> bool {
        self.identity.ready || self.registration.heard.len() >= self.enough()
    }

    fn become_known(&mut self, cx: &mut Cx) {
        let accepted = self.registration.accepted.len();
        if !self.identity.ready && !self.registration.amnesiac && accepted >= self.enough() {
            self.be_ready(cx);
        }
    }

    /// Answers for what it holds from now on.
    pub(super) fn be_ready(&mut self, cx: &mut Cx) {
        self.identity.ready = true;
        let identity = self.identity.clone();
        self.append(Record::Identity(identity), cx);
        if self.registration.amnesiac {
            self.registration.amnesiac = false;
            let disk = self.identity.disk;
            for node in self.others() {
                self.send(node, Message::Hello { disk, again: true }, cx);
            }
        }
    }

    /// Whether the node that orders changes knows the newest one: if it lost its disk, once it has heard every other node;
    /// as long as it does not know whether it did, not.
    pub(super) fn knows_the_view(&self) -> bool {
        let heard_all = self.registration.heard.len() == self.others().count();
        self.identity.ready || (self.registration.amnesiac && heard_all)
    }
}
