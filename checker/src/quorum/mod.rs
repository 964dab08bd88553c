//! What a store promises of its registers where that need not be linearizability, and what its history proves of it.
//!
//! Each key has N replicas; a write is done when W of them stored it, a read when R of them answered (Gifford, "Weighted
//! voting for replicated data", 1979). What that gives:
//!
//! | settings | promise | judged by |
//! |---|---|---|
//! | W + R > N | **regular**: a read returns the last write completed before it, or one that overlaps it | [`regularity`] |
//! | the same, and reads store what they return at W replicas first (Attiya, Bar-Noy and Dolev, 1995) | linearizable | [`crate::check`] |
//! | reads of one replica, which holds all that the client has seen (ZooKeeper) | **sequential**: one order agrees with that of each process | [`sequential_consistency`] |
//! | W + R ≤ N | what is read was written; replicas agree in the end | [`validity`]; [`staleness`] measures the rest, [`visible_after_ns`] predicts it |
//!
//! W + R > N alone does not make registers linearizable: while a write is under way, one read may find it and the next not.
//!
//! ```text
//!  n1  ──●─────────────────────────  process 0   [──────── write 2 ─ …     reaches n1 only, so far
//!  n2  ────────────────────────────  process 1       [─ read 2 ─]           from n1 and n2
//!  n3  ────────────────────────────  process 2                  [─ read 1 ─]  from n2 and n3: regular, not linearizable
//! ```
//!
//! Where the store tells which replicas took part ([`crate::Quorum`]), [`evidence`] checks operation by operation that there
//! were enough of them, that the newest version among them was returned, and that quorums which have to meet did.

mod evidence;
mod regular;
mod sequential;
mod staleness;
mod wars;

use serde::{Deserialize, Serialize};

use crate::history::History;
use crate::linearizability::Options;
use crate::models::Cell;
use crate::verdict::Finding;

pub use evidence::evidence;
pub use regular::{regularity, validity};
pub use sequential::sequential_consistency;
pub use staleness::{Staleness, VISIBILITY_NS, Visibility, staleness};
pub use wars::{Delays, visible_after_ns};

/// Keys whose violations are shown, at most.
const WITNESSES: usize = 10;

/// What a store promises of a register.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Promise {
    /// Each operation takes effect at one instant between its invocation and its completion.
    #[default]
    Linearizable,
    /// One order explains all results of a key, and agrees with the order in which each process asked.
    Sequential,
    /// A read returns the last write that completed before it, or one that was under way.
    Regular,
    /// What is read was written, and replicas agree in the end.
    Eventual,
}

/// Judges registers by what was promised of them, and by the replicas that answers name, if they name any.
pub fn judge(history: &History, promise: Promise, options: &Options) -> Vec<Finding> {
    let mut findings = match promise {
        Promise::Linearizable => vec![crate::check(history, &Cell::register(), options)],
        Promise::Sequential => vec![sequential_consistency(history, options)],
        Promise::Regular => vec![regularity(history)],
        Promise::Eventual => vec![validity(history)],
    };
    findings.extend(evidence(history, promise));
    findings
}
