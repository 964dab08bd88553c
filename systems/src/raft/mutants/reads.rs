//! Mistakes about reads.

use super::super::rules::Swap;
use super::Mutant;
use crate::replica::Difficulty;
use crate::replica::MutantInfo;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        info: MutantInfo {
            name: "raft/read-local-at-leader",
            id: "R63",
            change: "as leader answers reads without asking anybody",
            source: "etcd #741; Hoverbear/raft-rs #107",
            workload: "register",
            nemesis: "partition-leader",
            settings: &["check-quorum=off"],
            finding: "a stale read (R-I11)",
            difficulty: Difficulty::Easy,
        },
        swap: Swap::MayReadLocally(|leader| leader),
    },
    Mutant {
        info: MutantInfo {
            name: "raft/read-local-at-any-node",
            id: "R64",
            change: "answers reads from whatever it has applied",
            source: "paper §8",
            workload: "register",
            nemesis: "none",
            settings: &[],
            finding: "a stale read (R-I11)",
            difficulty: Difficulty::Easy,
        },
        swap: Swap::MayReadLocally(|_| true),
    },
    Mutant {
        info: MutantInfo {
            name: "raft/readindex-before-term-commit",
            id: "R65",
            change: "takes its commit index as a read index before an entry of its term is committed",
            source: "etcd #12680; raft-rs #1634; RedisRaft #18",
            workload: "register",
            nemesis: "partition-leader,kill",
            settings: &[],
            finding: "a stale read (R-I11)",
            difficulty: Difficulty::Easy,
        },
        swap: Swap::MayTakeReadIndex(|_| true),
    },
    Mutant {
        info: MutantInfo {
            name: "raft/readindex-reuses-old-acks",
            id: "R66",
            change: "lets an answer to an earlier heartbeat confirm a read",
            source: "etcd-io/raft #397",
            workload: "register",
            nemesis: "partition-minority,packets",
            settings: &["check-quorum=off"],
            finding: "a stale read (R-I11)",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::ConfirmedRound(|_, latest| latest),
    },
    Mutant {
        info: MutantInfo {
            name: "raft/readindex-no-apply-wait",
            id: "R68",
            change: "answers a read before its read index is applied",
            source: "thesis §6.4; TiKV #9208",
            workload: "register",
            nemesis: "none",
            settings: &["apply-delay-us=20000"],
            finding: "a stale read (R-I11)",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::MayAnswerRead(|_, _| true),
    },
    Mutant {
        info: MutantInfo {
            name: "raft/lease-ignores-drift",
            id: "R69",
            change: "takes the whole election timeout for its lease",
            source: "TiKV #964 and #1127; YugabyteDB #16",
            workload: "register",
            nemesis: "clock,partition-leader",
            settings: &["reads=lease", "lease-drift-ppm=200000", "check-quorum=off"],
            finding: "a stale read (R-I11)",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::LeaseLength(|election_timeout, _| election_timeout),
    },
    Mutant {
        info: MutantInfo {
            name: "raft/lease-from-reply-time",
            id: "R70",
            change: "counts its lease from when an answer came",
            source: "thesis §6.4.1",
            workload: "register",
            nemesis: "packets,partition-leader",
            settings: &["reads=lease", "check-quorum=off"],
            finding: "a stale read (R-I11)",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::LeaseStart(|_, answered| answered),
    },
    Mutant {
        info: MutantInfo {
            name: "raft/lease-counts-ticks",
            id: "R71",
            change: "measures its lease in heartbeats, which stop while it is paused",
            source: "etcd #20418",
            workload: "register",
            nemesis: "pause",
            settings: &["reads=lease"],
            finding: "a stale read (R-I11)",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::LeaseElapsed(|_, by_ticks| by_ticks),
    },
    Mutant {
        info: MutantInfo {
            name: "raft/lease-survives-transfer",
            id: "R72",
            change: "keeps its lease after telling another node to campaign",
            source: "thesis §6.4.1; CockroachDB #133764",
            workload: "register",
            nemesis: "membership,partition-leader",
            settings: &["reads=lease", "check-quorum=off"],
            finding: "a stale read (R-I11)",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::LeaseHolds(|_| true),
    },
];
