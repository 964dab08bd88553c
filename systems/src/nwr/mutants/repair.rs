//! Mistakes about how replicas are brought up to date.

use super::super::rules::Swap;
use super::Mutant;
use crate::replica::{Difficulty, MutantInfo};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        info: MutantInfo {
            name: "nwr/no-write-back",
            id: "Q01",
            core: true,
            change: "an atomic read returns without storing what it found",
            source: "ABD",
            workload: "register",
            nemesis: "partition",
            moment: "half",
            settings: &["reads=abd"],
            finding: "fewer than W replicas hold what was returned (E6), a new value and then an old one",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::WritesBack(|_| false),
    },
    Mutant {
        info: MutantInfo {
            name: "nwr/write-back-not-awaited",
            id: "Q02",
            core: true,
            change: "an atomic read returns while what it found is being stored",
            source: "Cassandra: read repair that does not block",
            workload: "register",
            nemesis: "packets",
            moment: "half",
            settings: &["reads=abd"],
            finding: "fewer than W replicas hold what was returned (E6), a new value and then an old one",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::AwaitsWriteBack(|| false),
    },
    Mutant {
        info: MutantInfo {
            name: "nwr/read-repair-new-timestamp",
            id: "Q18",
            core: true,
            change: "brings replicas up to date under a fresh version",
            source: "ABD: what is written back keeps its tag",
            workload: "register",
            nemesis: "packets",
            moment: "half",
            settings: &[],
            finding: "a value under two versions (Q-I2), a write that was overwritten by an older one",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::RepairTag(|_, fresh| fresh),
    },
    Mutant {
        info: MutantInfo {
            name: "nwr/hints-volatile",
            id: "Q15",
            core: false,
            change: "keeps what others missed in memory only",
            source: "Dynamo §4.6",
            workload: "register",
            nemesis: "kill,partition",
            moment: "store",
            settings: &["anti-entropy-ms=0", "read-repair=off", "hint-after-ms=20"],
            finding: "replicas that stay different (Q-I5)",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::HintIsDurable(|| false),
    },
    Mutant {
        info: MutantInfo {
            name: "nwr/anti-entropy-one-way-older",
            id: "Q28",
            core: false,
            change: "takes the older version when two replicas compare",
            source: "Demers et al., 1987: push and pull",
            workload: "register",
            nemesis: "packets",
            moment: "",
            settings: &["anti-entropy-ms=100"],
            finding: "a replica's version fell (Q-I1)",
            difficulty: Difficulty::Easy,
        },
        swap: Swap::TakesFromPeer(|theirs, mine| mine.is_some_and(|mine| theirs < mine)),
    },
];
