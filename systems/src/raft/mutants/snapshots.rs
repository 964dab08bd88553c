//! Mistakes about snapshots.

use super::super::rules::Swap;
use super::Mutant;
use crate::replica::Difficulty;
use crate::replica::MutantInfo;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        info: MutantInfo {
            name: "raft/snapshot-omits-sessions",
            id: "R52",
            core: true,
            change: "leaves the clients' sessions out of snapshots",
            source: "thesis §6.3; RedisRaft RR-185",
            workload: "counter",
            nemesis: "partition-one,kill",
            settings: &["snapshot-every=10", "snapshot-keep=0"],
            finding: "a snapshot that is not the state (R-I12); increments are applied twice",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::KeepsSessions(|_| false),
    },
    Mutant {
        info: MutantInfo {
            name: "raft/snapshot-omits-config",
            id: "R53",
            core: false,
            change: "writes the first configuration into every snapshot",
            source: "openraft 447dc11c; etcd e515a67",
            workload: "register",
            nemesis: "membership,partition-one",
            settings: &["snapshot-every=20", "snapshot-keep=0"],
            finding: "a configuration that is not the committed one (R-I10)",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::SnapshotHoldsConfig(|_| false),
    },
    Mutant {
        info: MutantInfo {
            name: "raft/install-older-snapshot",
            id: "R54",
            core: true,
            change: "installs a snapshot that covers less than is committed",
            source: "etcd #1763; openraft eed681d5",
            workload: "register",
            nemesis: "packets,partition-one",
            settings: &["snapshot-every=20", "snapshot-keep=0"],
            finding: "commit and applied index fall (R-I8); stale reads",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::InstallsSnapshot(|_, _| true),
    },
    Mutant {
        info: MutantInfo {
            name: "raft/install-discards-matching-suffix",
            id: "R55",
            core: true,
            change: "drops the whole log when it installs a snapshot",
            source: "paper figure 13, rule 6; etcd #1763",
            workload: "set",
            nemesis: "packets,kill",
            settings: &["snapshot-every=5", "snapshot-keep=0"],
            finding: "acknowledged entries are gone from a majority (R-I6); elements are lost",
            difficulty: Difficulty::Hard,
        },
        swap: Swap::KeepsSuffix(|_| false),
    },
    Mutant {
        info: MutantInfo {
            name: "raft/snapshot-last-term-lost",
            id: "R57",
            core: false,
            change: "labels snapshots with term 0",
            source: "JDRaftKeeper #4; hashicorp/raft #84",
            workload: "register",
            nemesis: "partition-one,kill",
            settings: &["snapshot-every=20", "snapshot-keep=0"],
            finding: "a follower refuses every append after a snapshot (recovery time-out)",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::SnapshotLabelTerm(|_| 0),
    },
    Mutant {
        info: MutantInfo {
            name: "raft/snapshot-labelled-with-commit-index",
            id: "R58",
            core: true,
            change: "labels a snapshot with the commit index, though less is applied",
            source: "openraft 89bb48f8",
            workload: "set",
            nemesis: "kill,partition-one",
            settings: &["snapshot-every=10", "snapshot-keep=0", "apply-delay-us=5000"],
            finding: "a snapshot that is not the state at its index (R-I12); elements are lost",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::SnapshotLabel(|_, commit| commit),
    },
    Mutant {
        info: MutantInfo {
            name: "raft/term-from-snapshot",
            id: "R61",
            core: false,
            change: "takes a snapshot's last term for its own",
            source: "WRaft #118",
            workload: "register",
            nemesis: "partition-one,partition-leader",
            settings: &["snapshot-every=20", "snapshot-keep=0"],
            finding: "a term that falls (R-I7)",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::TermAfterInstall(|_, last_included_term| last_included_term),
    },
];
