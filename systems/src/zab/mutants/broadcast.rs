//! Mistakes about how transactions are broadcast.

use super::super::rules::Swap;
use super::super::rules::broadcast::next;
use super::super::types::Zxid;
use super::Mutant;
use crate::replica::{Difficulty, MutantInfo};
use crate::rules::Gate;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        info: MutantInfo {
            name: "zab/ack-before-fsync",
            id: "Z32",
            core: true,
            change: "acknowledges transactions before they are durable",
            source: "paper, step f.3.1",
            workload: "set",
            nemesis: "kill,disk-crash",
            moment: "acknowledge",
            settings: &[],
            finding: "a commit that no quorum has (Z-I4); lost elements",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::AckGate(|| Gate::Open),
    },
    Mutant {
        info: MutantInfo {
            name: "zab/commit-on-half",
            id: "Z33",
            core: true,
            change: "commits with the acknowledgements of half of the voters",
            source: "paper, step l.3.2",
            workload: "set",
            nemesis: "partition",
            moment: "acknowledge",
            settings: &[],
            finding: "a commit that no quorum has (Z-I4); lost elements",
            difficulty: Difficulty::Easy,
        },
        swap: Swap::CommitQuorum(|voters| (voters / 2).max(1)),
    },
    Mutant {
        info: MutantInfo {
            name: "zab/observer-acks-counted",
            id: "Z34",
            core: true,
            change: "sends observers what it proposes and counts their acknowledgements",
            source: "ZOOKEEPER-2959",
            workload: "set",
            nemesis: "partition",
            moment: "lead",
            settings: &["observers=2"],
            finding: "a commit that no quorum has (Z-I4)",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::Participates(|_| true),
    },
    Mutant {
        info: MutantInfo {
            name: "zab/stale-proposal-accepted",
            id: "Z35",
            core: false,
            change: "accepts what an earlier session brings",
            source: "paper §III-A; ZOOKEEPER-4712",
            workload: "register",
            nemesis: "partition-flapping,pause",
            moment: "lead",
            settings: &[],
            finding: "other transactions than are committed (Z-I2, Z-I8)",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::Accepts(|_, _| true),
    },
    Mutant {
        info: MutantInfo {
            name: "zab/non-idempotent-txn-log",
            id: "Z42",
            core: true,
            change: "logs the operation instead of what came of it",
            source: "Hunt et al., ATC 2010, §4.1; ZOOKEEPER-3144; ZOOKEEPER-3249",
            workload: "counter",
            nemesis: "kill",
            moment: "snapshot",
            settings: &["snapshot-every=5", "piece-keys=1", "snapshot-pause-us=20000"],
            finding: "a state that is no replay (Z-I10); operations that took effect twice",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::LogsOperation(|| true),
    },
    Mutant {
        info: MutantInfo {
            name: "zab/counter-overflow-into-epoch",
            id: "Z44",
            core: false,
            change: "counts on into the next epoch when the counter is exhausted",
            source: "ZOOKEEPER-1277",
            workload: "register",
            nemesis: "none",
            moment: "",
            settings: &["counter-limit=20"],
            finding: "a transaction of an epoch that nobody agreed to (Z-I3, Z-I6)",
            difficulty: Difficulty::Easy,
        },
        swap: Swap::Next(|last, epoch, limit| {
            next(last, epoch, limit).or(Some(Zxid::new(last.epoch + 1, 0)))
        }),
    },
    Mutant {
        info: MutantInfo {
            name: "zab/leader-serves-without-quorum",
            id: "Z45",
            core: false,
            change: "as leader never looks whether a quorum still answers",
            source: "ZooKeeper's Leader.lead",
            workload: "register",
            nemesis: "partition-leader",
            moment: "",
            settings: &[],
            finding: "clients of a cut-off leader wait until they time out (availability)",
            difficulty: Difficulty::Easy,
        },
        swap: Swap::MustGiveUp(|_| false),
    },
];
