//! Everything that can happen to a tiny cluster, tried.
//!
//! [`explore`] walks every state that two or three nodes of a bundled system can reach within [`Bounds`]: every order
//! of messages, timers, requests, fsyncs and crashes. It walks the code that ships, not a model of it. Invariants are
//! checked in every step, and what clients saw is checked for linearizability in every state. The walk is breadth
//! first, so that a violation comes with a path of as few steps as any.
//!
//! **What a state is.** Each node (the replica, its disk, its timers, what it did before), the messages on their way
//! to each node, what the nodes did together as far as invariants ask, what clients saw, and what of the bounds is
//! used up. Each of these is kept once and known by a number, and what follows when something happens to a node is
//! computed once for each state of *that node*: so a state of the cluster is a few words, a step is a few look-ups,
//! and the replica's code runs rarely.
//!
//! **What is left out.** Time stands still: a timer may run out at any moment, as often as the bounds allow, and
//! what depends on the passing of time (PreVote, leases, slow state machines, requests that wait too long) is off.
//! Chance is fixed. A message that is lost is one that never arrives, and a node that is down is one to which
//! nothing happens: neither needs a step. A step that changes nothing is not taken. Client answers arrive at once,
//! which is the strictest real-time order that a client can have seen. An fsync makes everything durable that was
//! written; a crash keeps any prefix of the rest.

mod bounds;
mod clients;
mod event;
mod judging;
mod machine;
mod path;
mod search;
mod slices;
mod symmetry;
mod system;
mod tables;
mod visited;
mod written;

use std::collections::BTreeMap;

use perjury_systems::raft::Raft;
use perjury_systems::replica::{Cluster, ConfigError, Replica};
use serde::{Deserialize, Serialize};

pub use bounds::{Bounds, Disk, Doing};
pub use system::{Explored, Observed, Pace};

use machine::World;
use search::{End, Search};
use tables::{Asymmetric, node_id};

/// What to explore.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exploration {
    /// The system's name: `raft`.
    pub system: String,
    /// The planted bug, without the system's name: `double-vote`.
    pub mutant: Option<String>,
    /// The system's own options.
    pub settings: BTreeMap<String, String>,
    /// How far to go.
    pub bounds: Bounds,
    /// Treat states that differ only in the names of nodes as one.
    pub symmetry: bool,
    /// Look only at what clients see, not at the protocol's invariants.
    #[serde(default)]
    pub black_box: bool,
    /// Remember what follows from what. Without, everything is computed each time: only for comparing.
    pub memo: bool,
    /// When to stop.
    pub limits: Limits,
}

/// When an exploration stops although there is more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// So many states were seen.
    pub states: u64,
    /// So many bytes are allocated for states and tables.
    pub bytes: u64,
}

impl Default for Limits {
    /// Fifty million states, two GiB.
    fn default() -> Self {
        Limits {
            states: 50_000_000,
            bytes: 2 << 30,
        }
    }
}

impl Exploration {
    /// The correct system within these bounds.
    pub fn new(system: &str, bounds: Bounds) -> Self {
        Exploration {
            system: system.to_owned(),
            mutant: None,
            settings: BTreeMap::new(),
            bounds,
            symmetry: true,
            black_box: false,
            memo: true,
            limits: Limits::default(),
        }
    }
}

/// How far an exploration is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Distinct states; with symmetry, those that differ only in the names of nodes count as one.
    pub states: u64,
    /// Steps taken, those that led to states seen before included.
    pub steps: u64,
    /// Steps from the first state to the last one that was left.
    pub depth: u32,
    /// Bytes that are allocated for states and tables.
    pub bytes: u64,
    /// Distinct parts that the states are made of.
    pub distinct: Distinct,
}

/// How many distinct things of each kind there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Distinct {
    /// States of one node.
    pub nodes: usize,
    /// Messages.
    pub messages: usize,
    /// Sets of messages on their way to one node.
    pub inboxes: usize,
    /// Steps of one node that were computed.
    pub steps: usize,
    /// Pasts of the cluster, as far as invariants ask.
    pub pasts: usize,
    /// Histories of the clients.
    pub histories: usize,
}

/// What an exploration found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Walked {
    /// How far it came.
    #[serde(flatten)]
    pub seen: Seen,
    /// Whether everything within the bounds was seen.
    pub exhausted: bool,
    /// The number of states if those that differ only in the names of nodes are counted apart.
    pub unfolded: u64,
    /// A violation with a path of as few steps as any, if there is one.
    pub violation: Option<Violation>,
}

/// A violation, and how it comes about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// The property: `R-I1`, or `linearizability`.
    pub property: String,
    /// What was seen.
    pub what: String,
    /// Every step, in words.
    pub steps: Vec<String>,
}

/// What a step breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broken {
    /// This breach of an invariant.
    Invariant(u32),
    /// The clients' history, in this state of theirs.
    History(u32),
}

/// Walks everything within the bounds, until something is broken or a limit is reached. `watch` is told now and then
/// how far the walk is, and says whether to go on.
///
/// # Errors
/// If the exploration cannot be carried out: an unknown system, setting or mutant, bounds that are too large, a
/// setting that depends on time, or symmetry where the system has none.
pub fn explore(
    exploration: &Exploration,
    watch: &mut dyn FnMut(&Seen) -> bool,
) -> Result<Walked, ConfigError> {
    exploration.bounds.validate()?;
    match &*exploration.system {
        Raft::NAME => walk::<Raft>(exploration, watch),
        other => Err(ConfigError(format!(
            "{other} cannot be explored: nothing says which of its states are the same; `raft` can"
        ))),
    }
}

fn walk<R: Explored>(
    exploration: &Exploration,
    watch: &mut dyn FnMut(&Seen) -> bool,
) -> Result<Walked, ConfigError> {
    let mut settings = exploration.settings.clone();
    R::hold_still(&mut settings)?;
    let nodes: Vec<_> = (0..usize::from(exploration.bounds.nodes)).map(node_id).collect();
    let cluster = Cluster {
        members: nodes.clone(),
        nodes,
        settings,
        mutant: exploration.mutant.clone(),
    };
    <R as perjury_systems::Replica>::validate(&cluster)?;
    if R::FIFO {
        return Err(ConfigError(format!(
            "{} needs links that keep the order of messages, and an exploration has none",
            R::NAME
        )));
    }
    let world = World {
        cluster,
        bounds: exploration.bounds.clone(),
    };
    let mut search = Search::<R>::new(world, exploration);
    let end = search.walk(exploration.limits, &mut |search| !watch(&seen(search)))?;
    let violation = match end {
        End::Broken(last) => Some(violation(&mut search, last)?),
        End::Exhausted | End::Stopped => None,
    };
    let seen = seen(&search);
    let unfolded = (0..search.visited.len() as u32).map(|number| search.orbit_size(number) as u64);
    Ok(Walked {
        seen,
        exhausted: end == End::Exhausted,
        unfolded: unfolded.sum(),
        violation,
    })
}

fn seen<R: Explored>(search: &Search<R>) -> Seen {
    Seen {
        states: search.visited.len() as u64,
        steps: search.steps,
        depth: search.depths.len().saturating_sub(1) as u32,
        bytes: search.bytes() as u64,
        distinct: search.tables.counts(),
    }
}

fn violation<R: Explored>(search: &mut Search<R>, last: u32) -> Result<Violation, Asymmetric> {
    let path = search.path(last)?;
    let steps = path::told(search, &path);
    let (property, what) = match path.last().and_then(|step| step.broken) {
        Some(Broken::History(clients)) => {
            let why = search.tables.clients.verdict(clients);
            let what = why.map_or_else(String::new, ToString::to_string);
            ("linearizability".to_owned(), what)
        }
        Some(Broken::Invariant(breach)) => {
            let breach = &search.tables.breaches[breach as usize];
            (breach.invariant.clone(), breach.to_string())
        }
        None => {
            return Err(Asymmetric(
                "the last step breaks nothing when it is walked again".into(),
            ));
        }
    };
    Ok(Violation {
        property,
        what,
        steps,
    })
}
