//! Whether a node may use its vote with the disk that it has.
//!
//! A node that lost its disk has forgotten what it promised and what it acknowledged; voting again under the same id
//! can elect two leaders or lose what was committed. An empty disk looks the same at the first boot, though. So an
//! initial member draws a name for its empty disk, writes it down, and asks the other initial members to write it down
//! too; it may vote once so many of them did that no two such sets are disjoint. Whoever knows another disk as that
//! node's refuses: the node is then an amnesiac, which has no vote until it is removed and joined again, where the
//! system can do that. A node that joins later is known by its disk in the configuration itself.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::replica::{NodeId, Replica};

/// Names a disk: drawn when an empty disk is first used.
pub type Disk = u64;

/// What is durable about this disk and those of others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// This disk.
    pub disk: Disk,
    /// Whether it is known to be an initial member's only one.
    pub registered: bool,
    /// The disk of each other initial member that asked to be known.
    pub known: BTreeMap<NodeId, Disk>,
}

/// Asking to be registered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registration {
    accepted: BTreeSet<NodeId>,
    refused: bool,
}

/// What an answer to a registration came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Registered {
    /// Nothing new.
    Waiting,
    /// The disk is registered now: write the identity down.
    Now,
    /// Another disk is known as this node's: it has forgotten something.
    Amnesiac,
}

/// How many of the `others` must know a disk, so that any two such sets have a node in common.
pub(crate) fn registration_quorum(others: usize) -> usize {
    if others == 0 { 0 } else { others / 2 + 1 }
}

impl Identity {
    /// Another node's disk asks to be known. Says whether no other disk of that node was known before, and whether
    /// this is new and so to be written down.
    fn meet(&mut self, node: NodeId, disk: Disk) -> (bool, bool) {
        match self.known.get(&node) {
            Some(known) => (*known == disk, false),
            None => {
                self.known.insert(node, disk);
                (true, true)
            }
        }
    }

    /// The `others` answered: `from` knows this `disk`, or, if it is not the `first`, another one.
    fn answered(
        &mut self,
        registration: &mut Registration,
        (from, disk, first): (NodeId, Disk, bool),
        others: usize,
    ) -> Registered {
        if disk != self.disk || self.registered {
            return Registered::Waiting;
        }
        if !first {
            return if std::mem::replace(&mut registration.refused, true) {
                Registered::Waiting
            } else {
                Registered::Amnesiac
            };
        }
        registration.accepted.insert(from);
        if registration.accepted.len() < registration_quorum(others) {
            return Registered::Waiting;
        }
        self.registered = true;
        Registered::Now
    }
}

/// What registering a node's disk needs of the node.
pub(crate) struct Standing<'a> {
    /// Its disk, and those that it knows.
    pub identity: &'a mut Identity,
    /// Whom of the others it has heard.
    pub registration: &'a mut Registration,
    /// The node.
    pub me: NodeId,
    /// The initial members.
    pub members: &'a BTreeSet<NodeId>,
    /// Whether an empty disk must be registered, or is trusted.
    pub required: bool,
    /// How long until it asks again.
    pub retry: Duration,
}

impl Standing<'_> {
    fn others(&self) -> impl Iterator<Item = NodeId> {
        self.members.iter().copied().filter(|node| *node != self.me)
    }
}

/// A system whose initial members register their disks with each other.
pub(crate) trait Registers: Replica {
    /// Runs out when those that have not answered are to be asked again.
    const RETRY: Self::Timer;
    /// Another disk is known as this node's.
    const AMNESIAC: Self::Trace;

    /// The node's part of it.
    fn standing(&mut self) -> Standing<'_>;
    /// Asks to be known by this disk.
    fn register(disk: Disk) -> Self::Message;
    /// Answers that this disk is the first that is known of its node, or not.
    fn register_reply(disk: Disk, first: bool) -> Self::Message;
    /// Writes the identity down.
    fn write_identity(&mut self, cx: &mut Context<Self>);

    /// Names an empty disk, and begins to register it where that is needed.
    fn start_identity(&mut self, found: Option<Identity>, cx: &mut Context<Self>) {
        let own = self.standing();
        match found {
            Some(identity) => *own.identity = identity,
            None => {
                let alone = own.others().next().is_none();
                own.identity.disk = cx.rng.next_u64();
                own.identity.registered = !own.required || alone;
                self.write_identity(cx);
            }
        }
        self.ask_to_be_registered(cx);
    }

    /// Asks those that have not answered.
    fn ask_to_be_registered(&mut self, cx: &mut Context<Self>) {
        let own = self.standing();
        if own.identity.registered || !own.members.contains(&own.me) {
            return;
        }
        for node in own.others() {
            if !own.registration.accepted.contains(&node) {
                cx.send(node, Self::register(own.identity.disk));
            }
        }
        cx.arm(Self::RETRY, own.retry);
    }

    /// Another node asks to be known by its disk.
    fn on_register(&mut self, from: NodeId, disk: Disk, cx: &mut Context<Self>) {
        let own = self.standing();
        if !own.members.contains(&from) {
            return;
        }
        let (first, new) = own.identity.meet(from, disk);
        if new {
            self.write_identity(cx);
        }
        cx.send(from, Self::register_reply(disk, first));
    }

    /// Another node knows this node's disk, or another one.
    fn on_register_reply(&mut self, from: NodeId, disk: Disk, first: bool, cx: &mut Context<Self>) {
        let own = self.standing();
        if !own.members.contains(&from) {
            return;
        }
        let others = own.others().count();
        match own
            .identity
            .answered(own.registration, (from, disk, first), others)
        {
            Registered::Waiting => {}
            Registered::Amnesiac => cx.trace(Self::AMNESIAC),
            Registered::Now => {
                self.write_identity(cx);
                cx.disarm(Self::RETRY);
            }
        }
    }
}
