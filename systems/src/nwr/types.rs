//! What nodes say, store and record.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::api::{Reconfigure, Tag, Value};
use crate::digest::digest;
use crate::replica::{Lsn, NodeId, RequestId};

/// Counts the changes of the ring. Odd ones are changes under way.
pub type Epoch = u64;

/// Names an operation of a coordinator, or a question, in all of its messages.
pub type Ticket = u64;

/// Names a disk: drawn when an empty one is first used.
pub type Disk = u64;

/// Of each actor, how many of its writes are included (Parker et al., 1983). An actor is a node in one of its lives.
pub type Clock = BTreeMap<(NodeId, u32), u64>;

/// One version of a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Version {
    /// Names it, and orders it where versions are in one order.
    pub tag: Tag,
    /// The value; `Nil` for a key that was removed.
    pub value: Value,
    /// What it includes, where version vectors order versions; else empty.
    pub clock: Arc<Clock>,
}

/// What a replica holds of a key: one version, or those that stand side by side; none if it was never written.
pub type Cell = Vec<Version>;

/// The newest version of a cell by its tag.
pub fn newest(cell: &[Version]) -> Option<Tag> {
    cell.iter().map(|version| version.tag).max()
}

/// Whether nothing is held but that a key was removed, or nothing at all.
pub fn is_removed(cell: &[Version]) -> bool {
    cell.iter().all(|version| version.value == Value::Nil)
}

/// A hash of a cell.
pub fn cell_digest(key: &str, cell: &[Version]) -> u64 {
    digest(&(key, cell))
}

/// What a replica has forgotten when it answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forgotten {
    /// If it holds no value: the greatest counter of a removal among it.
    pub greatest: u64,
    /// How often it forgot anything, counted on from a number drawn for its incarnation.
    pub times: u64,
}

/// Who the members are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// Rises with every change.
    pub epoch: Epoch,
    /// The members, in order.
    pub members: Vec<NodeId>,
    /// While the ring changes: who they were before, in order.
    pub before: Option<Vec<NodeId>>,
    /// While the ring changes: every member holds what it has to. Members serve reads, and those of before store what is
    /// written still, since some of them may serve reads and not know yet that others do.
    pub settled: bool,
    /// While the ring changes: members that lost what they held.
    pub renewed: Vec<NodeId>,
}

impl View {
    /// Where reads are served: by those who were members before, until all members hold what they have to.
    pub fn readers(&self) -> &[NodeId] {
        match &self.before {
            Some(before) if !self.settled => before,
            _ => &self.members,
        }
    }

    /// The members as far as anybody can rely on it: those of before, until the change is done.
    pub fn agreed(&self) -> &[NodeId] {
        self.before.as_deref().unwrap_or(&self.members)
    }
}

/// What nodes say to each other.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Message {
    /// What do you hold of this key?
    Ask {
        /// Names the operation.
        ticket: Ticket,
        /// Under which view it is asked.
        epoch: Epoch,
        /// The key.
        key: Arc<str>,
    },
    /// This.
    Answer {
        /// Names the operation.
        ticket: Ticket,
        /// Under which view it was asked.
        epoch: Epoch,
        /// What is held.
        cell: Cell,
        /// Whether it is a removal that all replicas hold, or have forgotten since.
        known_to_all: bool,
        /// What the sender has forgotten.
        forgotten: Forgotten,
    },
    /// Store this, unless what you hold is newer.
    Store {
        /// Names the operation; 0 where nobody waits for the answer.
        ticket: Ticket,
        /// Under which view.
        epoch: Epoch,
        /// The key.
        key: Arc<str>,
        /// What.
        cell: Cell,
        /// Under which view it was chosen.
        chosen: Epoch,
        /// For whom it is to be kept, if not for the receiver.
        hint_for: Option<NodeId>,
    },
    /// It is stored, or something newer.
    Stored {
        /// Names the operation.
        ticket: Ticket,
        /// Under which view it was asked.
        epoch: Epoch,
        /// The newest version that is held of it now; the version itself for a stand-in.
        tag: Option<Tag>,
        /// For whom it is kept, if not for the sender.
        hint_for: Option<NodeId>,
    },
    /// Not under this view, or not yet.
    Refused {
        /// Names the operation.
        ticket: Ticket,
        /// The refuser's view.
        view: View,
    },
    /// What was kept for you.
    Hint {
        /// Names the hint.
        ticket: Ticket,
        /// The key.
        key: Arc<str>,
        /// What.
        cell: Cell,
    },
    /// A hint arrived.
    HintTaken {
        /// Names the hint.
        ticket: Ticket,
    },
    /// All replicas hold this removal.
    Removed {
        /// The key.
        key: Arc<str>,
        /// The removal.
        tag: Tag,
    },
    /// I was told of a version that may be older than a removal which I have forgotten: do you hold one now?
    Doubt {
        /// Under which view.
        epoch: Epoch,
        /// The key.
        key: Arc<str>,
        /// When it is asked: how often the sender has forgotten anything.
        forgets: u64,
    },
    /// This is what I hold.
    Sure {
        /// Under which view.
        epoch: Epoch,
        /// The key.
        key: Arc<str>,
        /// When it was asked.
        forgets: u64,
        /// What is held; nothing for a removal that all replicas hold, or have forgotten since.
        cell: Cell,
    },
    /// Who the members are, as the sender knows.
    View(View),
    /// Change the members.
    Change {
        /// Names the request.
        ticket: Ticket,
        /// How.
        change: Reconfigure,
    },
    /// What came of it.
    Changed {
        /// Names the request.
        ticket: Ticket,
        /// Why not, if it was refused for good.
        refused: Option<String>,
    },
    /// I lost what I held: let me in again.
    Renew {
        /// The new disk.
        disk: Disk,
    },
    /// I hold all that I have to under this view.
    Synced {
        /// The view's.
        epoch: Epoch,
    },
    /// What do you hold that I have to, after this key?
    Pull {
        /// Under which view.
        epoch: Epoch,
        /// The last key that was received.
        after: Option<Arc<str>>,
    },
    /// This; more follows after the last key, unless it says so.
    Part {
        /// Under which view.
        epoch: Epoch,
        /// After which key this begins.
        after: Option<Arc<str>>,
        /// What is held.
        cells: Vec<(Arc<str>, Cell)>,
        /// Whether that is all.
        last: bool,
        /// The greatest counter of a removal that the sender has forgotten.
        forgotten: u64,
    },
    /// Is this my first disk?
    Hello {
        /// The disk.
        disk: Disk,
        /// It holds all that it has to: know me by it from now on.
        again: bool,
    },
    /// Whether it is.
    Known {
        /// Which disk was asked about.
        disk: Disk,
        /// Whether no other one is known.
        first: bool,
        /// Who the members are.
        view: View,
    },
    /// Hashes of what both of us have to hold, at this place of the tree (0: the branches; i + 1: the leaves of branch i).
    Tree {
        /// Under which view.
        epoch: Epoch,
        /// Where.
        at: u8,
        /// The hashes there.
        hashes: Vec<u64>,
    },
    /// What is held in a leaf of the tree.
    Leaf {
        /// Under which view.
        epoch: Epoch,
        /// Which leaf.
        leaf: u8,
        /// All keys there.
        cells: Vec<(Arc<str>, Cell)>,
        /// Whether the receiver shall say what it holds.
        reply: bool,
    },
}

/// What the write-ahead log holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// This disk.
    Identity(Identity),
    /// Who the members are.
    View(View),
    /// What is held of a key.
    Cell {
        /// The key.
        key: Arc<str>,
        /// All of it; nothing forgets it.
        cell: Cell,
    },
    /// Removals up to this counter are forgotten.
    Forgotten(u64),
    /// Everything that this view demands is held.
    Synced(Epoch),
    /// Something is kept for another node.
    Hint {
        /// For whom.
        node: NodeId,
        /// The key.
        key: Arc<str>,
        /// What.
        cell: Cell,
    },
    /// It arrived, and is kept no longer.
    HandedOver {
        /// For whom it was kept.
        node: NodeId,
        /// The key.
        key: Arc<str>,
        /// What.
        cell: Cell,
    },
}

/// What is durable about this disk and those of others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// This disk.
    pub disk: Disk,
    /// Whether the node may answer for what it holds.
    pub ready: bool,
    /// The disks of others that asked to be known.
    pub known: BTreeMap<NodeId, Disk>,
}

/// The timers of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// Ask again those that did not answer.
    Retry,
    /// Compare with another replica; hand over what is kept for others; forget what was removed.
    Repair,
    /// Go on with a change of the ring, or with becoming ready.
    Change,
}

/// What kind of operation it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// A read.
    Read,
    /// A write or a removal.
    Write,
    /// An addition to a set.
    Add,
}

/// What a node records of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trace {
    /// It started.
    Recovered {
        /// Its view's epoch.
        epoch: Epoch,
        /// How many keys it holds.
        keys: u64,
        /// Whether its disk was empty.
        empty: bool,
    },
    /// It took a client's operation.
    Began {
        /// The request.
        id: RequestId,
        /// The key.
        key: Arc<str>,
        /// What it does.
        kind: Kind,
    },
    /// It chose a version for a write.
    Tagged {
        /// The request.
        id: RequestId,
        /// The key.
        key: Arc<str>,
        /// The version.
        tag: Tag,
        /// The versions that it takes the place of, where they may stand side by side.
        replaces: Vec<Tag>,
    },
    /// A replica holds other versions of a key from now on.
    Wrote {
        /// The position of the record.
        at: Lsn,
        /// The key.
        key: Arc<str>,
        /// All versions, each with a hash of its value.
        versions: Vec<(Tag, u64)>,
    },
    /// A replica's answer was counted for a write.
    Counted {
        /// The request.
        id: RequestId,
        /// The key.
        key: Arc<str>,
        /// The version written.
        tag: Tag,
        /// The replica.
        replica: NodeId,
    },
    /// An operation succeeded.
    Done {
        /// The request.
        id: RequestId,
        /// The key.
        key: Arc<str>,
        /// What it did.
        kind: Kind,
        /// The ring's epoch.
        epoch: Epoch,
        /// The key's replicas.
        of: Vec<NodeId>,
        /// Those that it had before, while the ring changes.
        before: Vec<NodeId>,
        /// How many had to answer.
        need: u16,
        /// Those that were counted, with their versions.
        answers: Vec<(NodeId, Option<Tag>)>,
        /// The version written or returned.
        tag: Option<Tag>,
        /// Those that held what a read returned, as far as the reader made sure.
        stored: Vec<NodeId>,
    },
    /// An operation was given up.
    GaveUp {
        /// The request.
        id: RequestId,
        /// How many replicas stored it, if any may have.
        stored: Option<u16>,
    },
    /// A reader brings a replica up to date.
    Repaired {
        /// The key.
        key: Arc<str>,
        /// The replica.
        replica: NodeId,
    },
    /// Something is kept for a replica that is silent.
    Hinted {
        /// The position up to which the log has to be durable for it to be kept.
        at: Lsn,
        /// The key.
        key: Arc<str>,
        /// The replica.
        replica: NodeId,
        /// The newest version of what is kept.
        tag: Option<Tag>,
    },
    /// What was kept was handed over.
    HandedOver {
        /// The key.
        key: Arc<str>,
        /// The replica.
        replica: NodeId,
        /// The newest version of what was kept.
        tag: Option<Tag>,
    },
    /// Another replica holds other versions in this leaf of the tree.
    Differed {
        /// The replica.
        peer: NodeId,
        /// The leaf.
        leaf: u8,
    },
    /// A key that was removed is forgotten.
    Forgot {
        /// The key.
        key: Arc<str>,
        /// The removal.
        tag: Tag,
    },
    /// It knows of another view, with where it places some keys under it.
    Adopted {
        /// The view.
        view: View,
        /// The replicas of some keys under it, by the node's own ring.
        sample: Vec<Vec<NodeId>>,
    },
    /// A replica served a request of another view than its own.
    ServedOther {
        /// The request's.
        epoch: Epoch,
        /// Its own.
        mine: Epoch,
    },
    /// It holds all that it has to under a view.
    CaughtUp {
        /// The view's epoch.
        epoch: Epoch,
    },
    /// Its disk is not the one that others know.
    Amnesiac,
}
