//! Mistakes about removals and their forgetting.

use std::time::Duration;

use super::super::rules::Swap;
use super::Mutant;
use crate::replica::{Difficulty, MutantInfo};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        info: MutantInfo {
            name: "nwr/tombstone-gc-early",
            id: "Q20",
            core: true,
            change: "forgets a removal before all replicas know of it",
            source: "Scylla #8970; riak_kv #1094",
            workload: "delete",
            nemesis: "partition,pause",
            moment: "store",
            settings: &["anti-entropy-ms=100"],
            finding: "a removed value comes back (Q-I1)",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::KeepsTombstone(|_, age, _| age < Duration::from_millis(150)),
    },
    Mutant {
        info: MutantInfo {
            name: "nwr/write-below-forgotten-removal",
            id: "Q30",
            core: false,
            change: "writes a version above what it has read, though a greater removal was forgotten",
            source: "this store, before it kept how far it had forgotten",
            workload: "delete",
            nemesis: "partition,pause",
            moment: "store",
            settings: &["gc-grace-ms=20", "anti-entropy-ms=100"],
            finding: "an acknowledged write is hidden by the removal before it",
            difficulty: Difficulty::Easy,
        },
        swap: Swap::Floor(|held, _| held),
    },
    Mutant {
        info: MutantInfo {
            name: "nwr/takes-what-was-forgotten",
            id: "Q31",
            core: false,
            change: "takes an old version from a late message or a hint after it has forgotten the removal",
            source: "Cassandra: zombies, where a replica is repaired after gc_grace_seconds",
            workload: "delete",
            nemesis: "partition,pause",
            moment: "store",
            settings: &["gc-grace-ms=20", "anti-entropy-ms=100"],
            finding: "a removed value comes back (Q-I1)",
            difficulty: Difficulty::Easy,
        },
        swap: Swap::MayTake(|_, _| true),
    },
    Mutant {
        info: MutantInfo {
            name: "nwr/reads-across-forgetting",
            id: "Q32",
            core: false,
            change: "answers a read from an old answer, though a later one may have forgotten the removal",
            source: "this store, before its readers asked again",
            workload: "delete",
            nemesis: "partition,pause",
            moment: "store",
            settings: &["gc-grace-ms=1", "anti-entropy-ms=100"],
            finding: "a read returns what was removed before it began",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::AsksAnew(|_| false),
    },
];
