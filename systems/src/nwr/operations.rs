//! What a coordinator knows of an operation that is not over.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::types::{Cell, Epoch, Forgotten, Kind, newest};
use crate::api::{Tag, Value};
use crate::replica::{NodeId, RequestId};

/// How far an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Replicas are asked what they hold.
    Asking,
    /// Replicas are told what to hold.
    Storing,
}

/// A replica that was counted.
#[derive(Clone, Debug)]
pub(super) struct Counted {
    pub(super) replica: NodeId,
    /// In whose place it answered.
    pub(super) stands_for: Option<NodeId>,
    pub(super) epoch: Epoch,
    pub(super) cell: Cell,
    pub(super) tag: Option<Tag>,
}

impl Counted {
    /// A replica that says what it holds.
    pub(super) fn answer(replica: NodeId, epoch: Epoch, cell: Cell) -> Self {
        Counted {
            replica,
            stands_for: None,
            epoch,
            tag: newest(&cell),
            cell,
        }
    }

    pub(super) fn place(&self) -> NodeId {
        self.stands_for.unwrap_or(self.replica)
    }
}

/// An operation.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    pub(super) id: RequestId,
    pub(super) key: Arc<str>,
    pub(super) kind: Kind,
    /// What is to be written or added.
    pub(super) value: Value,
    /// How many have to answer, and to store.
    pub(super) r: usize,
    pub(super) w: usize,
    pub(super) stage: Stage,
    /// Who answered, in the order of counting.
    pub(super) answers: Vec<Counted>,
    /// What each has forgotten that answered.
    pub(super) forgotten: BTreeMap<NodeId, Forgotten>,
    /// That, before those were asked whose answers count.
    pub(super) forgotten_before: BTreeMap<NodeId, Forgotten>,
    /// The newest removal among their answers that all replicas hold, or have forgotten since.
    pub(super) known_to_all: Option<Tag>,
    /// Who stored, in the order of counting.
    pub(super) stored: Vec<Counted>,
    /// What is stored: what is written, or what was read.
    pub(super) cell: Cell,
    /// Under which view that was chosen.
    pub(super) chosen: Epoch,
    /// Whether a replica was told to store anything.
    pub(super) told: bool,
    /// Whether the client was answered.
    pub(super) replied: bool,
    /// Replicas for which it is kept elsewhere.
    pub(super) hinted: BTreeSet<NodeId>,
    /// When the stage began.
    pub(super) since: Duration,
    pub(super) deadline: Duration,
}

impl Operation {
    pub(super) fn tag(&self) -> Option<Tag> {
        newest(&self.cell)
    }

    /// Whether a replica may have forgotten a removal of what this was the newest answer to, after somebody else answered.
    pub(super) fn may_be_outdated(&self, newest: Option<Tag>) -> bool {
        let since = |(node, forgotten): (&NodeId, &Forgotten)| {
            newest.is_some_and(|tag| tag.counter <= forgotten.greatest)
                && self.forgotten_before.get(node).map(|before| before.times) != Some(forgotten.times)
        };
        self.forgotten.iter().any(since)
    }

    pub(super) fn has_answered(&self, node: NodeId, epoch: Epoch) -> bool {
        let same = |counted: &Counted| counted.replica == node && counted.epoch == epoch;
        self.answers.iter().any(same)
    }

    pub(super) fn has_stored(&self, node: NodeId, epoch: Epoch) -> bool {
        let same = |counted: &Counted| counted.replica == node && counted.epoch == epoch;
        self.stored.iter().any(same)
    }
}
