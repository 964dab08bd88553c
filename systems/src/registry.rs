//! The bundled systems by name, for command lines and campaigns.

use std::collections::BTreeMap;

use crate::marks::Mark;
use crate::nwr;
use crate::paxos;
use crate::raft;
use crate::replica::{MutantInfo, Replica};
use crate::settings::Setting;
use crate::zab;

/// A bundled system.
#[derive(Clone, Copy, Debug)]
pub struct System {
    /// The name: `raft`.
    pub name: &'static str,
    /// What it is and what it promises, in a sentence.
    pub about: &'static str,
    /// What it promises its clients, in a few words.
    pub promise: &'static str,
    /// The workloads that it serves, by their names; the first is the usual one.
    pub workloads: &'static [&'static str],
    /// The kinds of faults that it has no answer to, by their names, such as a change of members that it does not know.
    pub cannot: &'static [&'static str],
    /// Every node serves clients, and none ever leads.
    pub leaderless: bool,
    /// By how much its nodes' clocks may drift from each other under these settings, in parts per million; none if
    /// nothing rests on clocks.
    pub drift_limit_ppm: fn(&BTreeMap<String, String>) -> Option<u32>,
    /// The steps, as their traces are called, that belong in a story of what went wrong.
    pub story: &'static [&'static str],
    /// Its options.
    pub settings: &'static [Setting],
    /// Its planted bugs.
    pub mutants: &'static [MutantInfo],
    /// What a campaign should reach.
    pub marks: &'static [Mark],
}

/// Every bundled system.
pub const SYSTEMS: &[System] = &[RAFT, BASIC_PAXOS, PAXOS, ZAB, NWR];

const RAFT: System = System {
    name: raft::Raft::NAME,
    about: "Raft: a linearizable key-value store with elections, snapshots, sessions, membership changes",
    promise: "linearizable",
    workloads: &["cas", "register", "append", "counter", "set", "delete"],
    cannot: &[],
    leaderless: raft::Raft::LEADERLESS,
    drift_limit_ppm: raft::settings::drift_limit_ppm,
    story: &[
        "Recovered",
        "Campaigned",
        "Voted",
        "VoteCounted",
        "BecameLeader",
        "SteppedDown",
        "Truncated",
        "SnapshotInstalled",
    ],
    settings: raft::SETTINGS,
    mutants: raft::MUTANTS,
    marks: raft::MARKS,
};

const BASIC_PAXOS: System = System {
    name: paxos::BasicPaxos::NAME,
    about: "basic Paxos: registers that are written once, each decided by an instance of its own; every node is \
            proposer, acceptor and learner",
    promise: "linearizable",
    workloads: &["once"],
    cannot: &["membership"],
    leaderless: paxos::BasicPaxos::LEADERLESS,
    drift_limit_ppm: |_| None,
    story: &[
        "Recovered",
        "Began",
        "Promised",
        "Proposed",
        "Accepted",
        "Learned",
        "GaveUp",
    ],
    settings: paxos::basic::SETTINGS,
    mutants: paxos::basic::MUTANTS,
    marks: paxos::basic::MARKS,
};

const PAXOS: System = System {
    name: paxos::Paxos::NAME,
    about: "Multi-Paxos: a linearizable key-value store with a stable leader, leases, snapshots, sessions, membership \
            changes",
    promise: "linearizable",
    workloads: &["cas", "register", "append", "counter", "set", "delete"],
    cannot: &[],
    leaderless: paxos::Paxos::LEADERLESS,
    drift_limit_ppm: paxos::multi::settings::drift_limit_ppm,
    story: &[
        "Recovered",
        "Prepared",
        "Promised",
        "BecameLeader",
        "SteppedDown",
        "Proposed",
        "Accepted",
        "SnapshotInstalled",
    ],
    settings: paxos::multi::SETTINGS,
    mutants: paxos::multi::MUTANTS,
    marks: paxos::multi::MARKS,
};

const ZAB: System = System {
    name: zab::Zab::NAME,
    about: "ZAB, as in ZooKeeper: a linearizable key-value store; every server answers reads, after a sync or from its own \
            state; observers",
    promise: "linearizable; with reads=local sequentially consistent",
    workloads: &["cas", "register", "append", "counter", "set", "delete"],
    cannot: &["membership", "wipe"],
    leaderless: zab::Zab::LEADERLESS,
    drift_limit_ppm: |_| None,
    story: &[
        "Recovered",
        "Elected",
        "EpochAckCounted",
        "Discovered",
        "Established",
        "SteppedDown",
        "Truncated",
        "SnapshotInstalled",
    ],
    settings: zab::SETTINGS,
    mutants: zab::MUTANTS,
    marks: zab::MARKS,
};

const NWR: System = System {
    name: nwr::Nwr::NAME,
    about: "Quorum NWR: a store without a leader; W replicas store a write, R answer a read, any node coordinates",
    promise: "regular with W + R > N, linearizable with reads=abd, convergence otherwise",
    workloads: &["register", "set", "delete"],
    cannot: &[],
    leaderless: nwr::Nwr::LEADERLESS,
    drift_limit_ppm: |_| None,
    story: &[
        "Recovered",
        "Amnesiac",
        "Adopted",
        "CaughtUp",
        "GaveUp",
        "Hinted",
        "Done",
    ],
    settings: nwr::SETTINGS,
    mutants: nwr::MUTANTS,
    marks: nwr::MARKS,
};

/// Something to be done with a system's type.
pub trait Visitor {
    /// What comes of it.
    type Output;

    /// Does it.
    fn visit<R: Replica>(self) -> Self::Output;
}

/// Does something with the system of this name; none if there is no such system.
pub fn visit<V: Visitor>(name: &str, visitor: V) -> Option<V::Output> {
    match name {
        raft::Raft::NAME => Some(visitor.visit::<raft::Raft>()),
        zab::Zab::NAME => Some(visitor.visit::<zab::Zab>()),
        paxos::BasicPaxos::NAME => Some(visitor.visit::<paxos::BasicPaxos>()),
        paxos::Paxos::NAME => Some(visitor.visit::<paxos::Paxos>()),
        nwr::Nwr::NAME => Some(visitor.visit::<nwr::Nwr>()),
        _ => None,
    }
}

/// The system of this name.
pub fn system(name: &str) -> Option<&'static System> {
    SYSTEMS.iter().find(|system| system.name == name)
}

/// The planted bug of this whole name: `raft/double-vote`.
pub fn mutant(name: &str) -> Option<&'static MutantInfo> {
    SYSTEMS
        .iter()
        .flat_map(|system| system.mutants)
        .find(|mutant| mutant.name == name)
}
