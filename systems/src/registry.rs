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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::replica::{Cluster, ConfigError, NodeId};

    /// The catalogue's core set of each system.
    const CORE: &[(&str, &str)] = &[
        (
            raft::Raft::NAME,
            "R01 R02 R03 R04 R05 R07 R10 R12 R14 R15 R17 R22 R24 R26 R27 R28 R30 R31 R32 R35 R37 R38 R39 R40 R43 R44 \
             R45 R47 R49 R52 R54 R55 R58 R63 R64 R65 R66 R68 R69 R71 R73 R76 R78 R79 R80 R82",
        ),
        (
            paxos::BasicPaxos::NAME,
            "P01 P02 P05 P06 P07 P08 P09 P10 P11 P12 P14 P15 P16 P17 P20 P21",
        ),
        (
            paxos::Paxos::NAME,
            "P24 P25 P27 P28 P29 P30 P31 P32 P33 P34 P37 P40",
        ),
        (
            zab::Zab::NAME,
            "Z01 Z02 Z06 Z07 Z08 Z11 Z12 Z14 Z15 Z17 Z19 Z20 Z21 Z22 Z23 Z26 Z28 Z29 Z30 Z32 Z33 Z34 Z36 Z38 Z39 Z42",
        ),
        (
            nwr::Nwr::NAME,
            "Q01 Q02 Q03 Q05 Q06 Q07 Q08 Q09 Q10 Q11 Q13 Q16 Q18 Q20 Q21 Q22 Q24 Q25 H01 H02 H03 H05 H06 H08 H14 H15",
        ),
    ];

    #[test]
    fn the_core_sets_of_the_catalogue_are_there() {
        let core = SYSTEMS.iter().map(|system| {
            let core = system.mutants.iter().filter(|info| info.core);
            (system.name, core.map(|info| info.id).collect::<BTreeSet<&str>>())
        });
        let wanted = CORE
            .iter()
            .map(|(system, ids)| (*system, ids.split_whitespace().collect()));
        assert_eq!(core.collect::<Vec<_>>(), wanted.collect::<Vec<_>>());
    }

    #[test]
    fn every_planted_bug_has_a_name_under_its_system_and_an_id_of_its_own() {
        let (mut names, mut ids, mut count) = (BTreeSet::new(), BTreeSet::new(), 0);
        for system in SYSTEMS {
            for info in system.mutants {
                let (of, _) = info.name.split_once('/').expect("a name under its system");
                assert_eq!(of, system.name, "{}", info.name);
                assert!(
                    !info.change.is_empty() && !info.source.is_empty(),
                    "{}",
                    info.name
                );
                names.insert(info.name);
                ids.insert(info.id);
                count += 1;
            }
        }
        assert_eq!((names.len(), ids.len()), (count, count));
    }

    #[test]
    fn no_planted_bug_got_lost() {
        let counts = SYSTEMS.iter().map(|system| (system.name, system.mutants.len()));
        let wanted = [
            ("raft", 69),
            ("basic-paxos", 22),
            ("paxos", 18),
            ("zab", 38),
            ("nwr", 41),
        ];
        assert_eq!(counts.collect::<Vec<_>>(), wanted);
    }

    #[test]
    fn planted_bugs_of_raft_need_nothing_but_the_plainest_workloads_and_faults() {
        let workloads = ["register", "cas", "append", "counter", "set"];
        let faults = [
            "none",
            "partition",
            "kill",
            "pause",
            "clock",
            "packets",
            "disk-crash",
            "disk-flipped-bit",
            "membership",
            "all",
            "partition-leader",
            "partition-halves",
            "partition-one",
            "partition-majorities-ring",
            "partition-bridge",
            "partition-one-way",
            "partition-minority",
            "partition-flapping",
        ];
        for info in RAFT.mutants {
            assert!(workloads.contains(&info.workload), "{}", info.name);
            let known = |fault: &str| faults.contains(&fault);
            assert!(info.nemesis.split(',').all(known), "{}", info.name);
        }
    }

    /// Whether a system accepts a cluster.
    struct Accepts(Cluster);

    impl Visitor for Accepts {
        type Output = Result<(), ConfigError>;

        fn visit<R: Replica>(self) -> Self::Output {
            R::validate(&self.0)
        }
    }

    #[test]
    fn every_planted_bug_asks_for_a_workload_and_settings_that_its_system_has() {
        for system in SYSTEMS {
            for info in system.mutants {
                assert!(system.workloads.contains(&info.workload), "{}", info.name);
                let settings: BTreeMap<String, String> = info
                    .given()
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect();
                assert_eq!(settings.len(), info.settings.len(), "{}", info.name);
                let nodes: Vec<NodeId> = (1..=5).map(NodeId).collect();
                let cluster = Cluster {
                    members: nodes.clone(),
                    nodes,
                    settings,
                    mutant: Some(info.name.to_owned()),
                };
                assert_eq!(
                    visit(system.name, Accepts(cluster)),
                    Some(Ok(())),
                    "{}",
                    info.name
                );
            }
        }
    }
}
