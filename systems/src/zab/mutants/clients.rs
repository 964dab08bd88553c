//! Mistakes about what clients are promised.

use super::super::rules::Swap;
use super::Mutant;
use crate::replica::{Difficulty, MutantInfo};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        info: MutantInfo {
            name: "zab/sync-without-quorum",
            id: "Z36",
            core: true,
            change: "answers a sync without asking whether it still leads",
            source: "ZOOKEEPER-1675",
            workload: "register",
            nemesis: "partition-minority,partition-leader,pause",
            moment: "read",
            settings: &["reads=sync"],
            finding: "a read that misses what was committed (Z-I13); stale reads",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::SyncWaits(|| false),
    },
    Mutant {
        info: MutantInfo {
            name: "zab/session-goes-back-in-time",
            id: "Z38",
            core: true,
            change: "reads its own state for a client that has seen more",
            source: "ZooKeeper's single system image; etcd #15271",
            workload: "register",
            nemesis: "partition-one,kill",
            moment: "",
            settings: &["reads=local"],
            finding: "a read of an older state than the client has seen (Z-I11)",
            difficulty: Difficulty::Easy,
        },
        swap: Swap::IsRecentEnough(|_, _| true),
    },
    Mutant {
        info: MutantInfo {
            name: "zab/session-reorder",
            id: "Z39",
            core: true,
            change: "lets a read overtake an earlier write of the same session",
            source: "ZOOKEEPER-1863; ZOOKEEPER-108",
            workload: "register",
            nemesis: "partition-one",
            moment: "",
            settings: &["reads=local"],
            finding: "a read that overtook a write of its session (Z-I11)",
            difficulty: Difficulty::Easy,
        },
        swap: Swap::WaitsForOwnWrite(|_| false),
    },
    Mutant {
        info: MutantInfo {
            name: "zab/reply-before-local-apply",
            id: "Z40",
            core: false,
            change: "answers a write when it is committed, before it has applied it",
            source: "Hunt et al., ATC 2010, §2.3",
            workload: "register",
            nemesis: "none",
            moment: "",
            settings: &["apply-delay-us=3000"],
            finding: "an answer before the state (Z-I11)",
            difficulty: Difficulty::Easy,
        },
        swap: Swap::MayAnswer(|_| true),
    },
    Mutant {
        info: MutantInfo {
            name: "zab/forwarded-retry-applied-twice",
            id: "Z41",
            core: false,
            change: "does not look whether a request that was passed on was carried out before",
            source: "ZooKeeper sessions; Raft thesis §6.3",
            workload: "counter",
            nemesis: "kill,partition",
            moment: "",
            settings: &[],
            finding: "a request that took effect twice (Z-I11)",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::RemembersSessions(|forwarded| !forwarded),
    },
];
