//! What will happen in a world, what an event was, and what whoever watches has to know of it.

use perjury_nemesis::Node;
use perjury_systems::api::{Request, Response};
use perjury_systems::replica::Lsn;

use crate::script::Blow;

/// Something that will happen.
#[derive(Debug)]
pub(super) enum Planned<A> {
    Deliver {
        from: u16,
        to: u16,
        /// How often the receiver had been started when it was sent: a connection ends with either process.
        life: u32,
        /// Which message of its name it is on its link, if somebody wants to know.
        nth: u32,
        /// Where the message is kept.
        letter: u32,
    },
    Look {
        node: u16,
    },
    /// A node is told that its connection with another one broke.
    Disconnected {
        node: u16,
        peer: u16,
    },
    Synced {
        node: u16,
        incarnation: u32,
        lsn: Lsn,
    },
    Ask {
        node: u16,
        ticket: u64,
        /// Larger than most messages, and rarer: what is planned is kept small.
        request: Box<Request>,
    },
    Boot {
        node: u16,
        incarnation: u32,
    },
    Clog,
    Unstrike {
        trigger: usize,
        node: u16,
    },
    /// A timer of a script.
    Permit {
        timer: usize,
        node: u16,
    },
    /// What befalls a machine in a script.
    Befall {
        node: u16,
        what: Blow,
    },
    Alarm(A),
}

impl<A> Planned<A> {
    /// The node (from 0) for which it waits while that is frozen.
    pub(super) fn concerns(&self) -> Option<u16> {
        match self {
            Planned::Deliver { to: node, .. }
            | Planned::Look { node }
            | Planned::Disconnected { node, .. }
            | Planned::Synced { node, .. }
            | Planned::Ask { node, .. }
            | Planned::Boot { node, .. } => Some(*node),
            Planned::Clog
            | Planned::Unstrike { .. }
            | Planned::Permit { .. }
            | Planned::Befall { .. }
            | Planned::Alarm(_) => None,
        }
    }
}

/// What whoever watches has to know of an event, in order.
#[derive(Debug)]
pub(crate) enum Note {
    /// A node answered a request.
    Reply { ticket: u64, response: Response },
    /// A request's connection broke, with the node that held it.
    Reset { ticket: u64 },
    /// Nobody listened when a request came.
    Refused { ticket: u64 },
    /// A node was killed, as was wished; so many writes were lost.
    Killed { node: Node, lost: u64 },
    /// A node is up.
    Booted { node: Node },
    /// A node ended by itself.
    Died { node: Node, reason: String },
    /// A trigger struck.
    Struck { trigger: usize, node: Node },
}

/// What an event was.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Happened<A> {
    /// A node did something.
    Stepped(Node),
    /// Whoever watches is called.
    Alarm(A),
    /// Nothing that concerns anybody.
    Nothing,
}
