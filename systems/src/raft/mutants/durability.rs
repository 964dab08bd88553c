//! Mistakes about what is on disk before anybody relies on it.

use super::super::rules::Swap;
use super::super::rules::durability::{Gate, Removal};
use super::Mutant;
use crate::replica::Difficulty;
use crate::replica::Lsn;
use crate::replica::MutantInfo;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        info: MutantInfo {
            name: "raft/append-ack-before-fsync",
            id: "R44",
            core: true,
            change: "acknowledges entries before they are durable",
            source: "Jepsen: NATS 2.12.1; paper figure 2",
            workload: "set",
            nemesis: "kill,disk-crash",
            moment: "acknowledge",
            settings: &[],
            finding: "a commit without a durable majority (R-I6); acknowledged elements are lost",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::AppendAckGate(|| Gate::Open),
    },
    Mutant {
        info: MutantInfo {
            name: "raft/leader-counts-unsynced-self",
            id: "R45",
            core: true,
            change: "as leader counts its own entries before they are durable",
            source: "etcd #14370; thesis §10.2.1",
            workload: "set",
            nemesis: "kill,disk-crash,partition-one",
            moment: "acknowledge",
            settings: &[],
            finding: "a commit beyond the leader's durable log (R-I8, R-I6); acknowledged elements are lost",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::LeaderHolds(|_, last| last),
    },
    Mutant {
        info: MutantInfo {
            name: "raft/hardstate-fsync-skipped",
            id: "R46",
            core: false,
            change: "lets a vote leave before it is durable",
            source: "raft-rs #372; paper figure 2",
            workload: "append",
            nemesis: "kill,disk-crash,partition-flapping",
            moment: "vote",
            settings: &["prevote=off"],
            finding: "a vote counted twice (R-I7), two leaders of one term (R-I1)",
            difficulty: Difficulty::Hard,
        },
        swap: Swap::VoteGate(|| Gate::Open),
    },
    Mutant {
        info: MutantInfo {
            name: "raft/truncate-front-to-back",
            id: "R47",
            core: true,
            change: "removes a conflicting suffix entry by entry, the oldest first",
            source: "braft #119",
            workload: "append",
            nemesis: "partition-minority,kill,disk-crash",
            moment: "truncate",
            settings: &["prevote=off"],
            finding: "a hole in the log on recovery (R-I3): the node refuses to start",
            difficulty: Difficulty::Hard,
        },
        swap: Swap::Removing(|| Removal::FrontToBack),
    },
    Mutant {
        info: MutantInfo {
            name: "raft/log-dropped-before-snapshot-durable",
            id: "R48",
            core: false,
            change: "drops the log before the snapshot is durable",
            source: "RedisRaft #43; etcd #11888",
            workload: "set",
            nemesis: "kill,disk-crash",
            moment: "snapshot",
            settings: &["snapshot-every=20", "snapshot-keep=0"],
            finding: "a hole in the log on recovery (R-I3); acknowledged elements are lost",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::ReleaseAfter(|_| Lsn(0)),
    },
    Mutant {
        info: MutantInfo {
            name: "raft/corruption-treated-as-end-of-log",
            id: "R49",
            core: true,
            change: "ends a log that is damaged in the middle there, and goes on as a voter",
            source: "Jepsen: NATS 2.12.1; NuRaft #185; Protocol-Aware Recovery, FAST 2018",
            workload: "set",
            nemesis: "disk-flipped-bit,partition",
            moment: "rot",
            settings: &[],
            finding: "acknowledged elements are lost (R-I6)",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::MayStartFromDamagedLog(|| true),
    },
];
