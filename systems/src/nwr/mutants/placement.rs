//! Mistakes about where keys are.

use super::super::rules::Swap;
use super::Mutant;
use crate::replica::{Difficulty, MutantInfo};
use crate::ring::rules as ring;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        info: MutantInfo {
            name: "nwr/ring-replicas-not-distinct",
            id: "H01",
            core: true,
            change: "takes the next N tokens instead of the next N nodes",
            source: "riak_core #913; Dynamo §4.3",
            workload: "register",
            nemesis: "none",
            moment: "",
            settings: &[],
            finding: "a key with the same replica twice (E1, H-I5)",
            difficulty: Difficulty::Easy,
        },
        swap: Swap::Takes(|_, _| true),
    },
    Mutant {
        info: MutantInfo {
            name: "nwr/ring-tail-wrap-duplicates",
            id: "H02",
            core: true,
            change: "does not look for nodes that it has when the walk goes past the end",
            source: "riak_core #970",
            workload: "register",
            nemesis: "none",
            moment: "",
            settings: &["virtual-nodes=2"],
            finding: "a key with the same replica twice (E1, H-I5)",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::Takes(|taken, past| !taken || past),
    },
    Mutant {
        info: MutantInfo {
            name: "nwr/ring-collision-overwrites",
            id: "H03",
            core: true,
            change: "keeps one token where two collide",
            source: "pekko #3279; carbon #196",
            workload: "register",
            nemesis: "membership",
            moment: "",
            settings: &["token-bits=8"],
            finding: "a key whose replicas depend on the order of changes (H-I1)",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::KeepsBoth(|same| !same),
    },
    Mutant {
        info: MutantInfo {
            name: "nwr/ring-insertion-order-ties",
            id: "H05",
            core: true,
            change: "lets the token that came first win where two collide",
            source: "ringpop-node #317",
            workload: "register",
            nemesis: "membership",
            moment: "",
            settings: &["token-bits=8"],
            finding: "a key whose replicas depend on the order of changes (H-I1)",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::Tie(|one, other| one.1 < other.1),
    },
    Mutant {
        info: MutantInfo {
            name: "nwr/ring-modulo",
            id: "H06",
            core: true,
            change: "takes the hash modulo the number of tokens",
            source: "Karger et al., 1997",
            workload: "register",
            nemesis: "membership",
            moment: "",
            settings: &[],
            finding: "most keys move with a change of the ring (H-I1, H-I2)",
            difficulty: Difficulty::Easy,
        },
        swap: Swap::Start(modulo),
    },
    Mutant {
        info: MutantInfo {
            name: "nwr/ring-index-based-vnodes",
            id: "H07",
            core: false,
            change: "derives tokens from a node's place in the list",
            source: "Karger et al., 1997",
            workload: "register",
            nemesis: "membership",
            moment: "",
            settings: &[],
            finding: "a key whose replicas depend on the order of changes (H-I1)",
            difficulty: Difficulty::Easy,
        },
        swap: Swap::Token(|_, place, index, process| ring::token(place, 0, index, process)),
    },
    Mutant {
        info: MutantInfo {
            name: "nwr/ring-per-process-hasher",
            id: "H08",
            core: true,
            change: "hashes with the process's own random key",
            source: "Rust RandomState",
            workload: "register",
            nemesis: "none",
            moment: "",
            settings: &[],
            finding: "nodes that place a key differently (H-I1)",
            difficulty: Difficulty::Easy,
        },
        swap: Swap::Token(|node, _, index, process| {
            ring::token(node, 0, index, 0) ^ process.wrapping_mul(0x9e37_79b9_7f4a_7c15)
        }),
    },
    Mutant {
        info: MutantInfo {
            name: "nwr/ring-boundary-mismatch",
            id: "H10",
            core: false,
            change: "a hash at a token belongs to the next one",
            source: "Dynamo §4.2",
            workload: "register",
            nemesis: "none",
            moment: "",
            settings: &["token-bits=6"],
            finding: "a key placed otherwise than by the other nodes (H-I6)",
            difficulty: Difficulty::Easy,
        },
        swap: Swap::Owns(|token, hash| token > hash),
    },
    Mutant {
        info: MutantInfo {
            name: "nwr/ring-vnodes-ignored",
            id: "H11",
            core: false,
            change: "gives each node one token",
            source: "Dynamo §4.2",
            workload: "register",
            nemesis: "none",
            moment: "",
            settings: &[],
            finding: "uneven load; keys placed otherwise than configured (H-I1, H-I4)",
            difficulty: Difficulty::Easy,
        },
        swap: Swap::VirtualNodes(|_| 1),
    },
    Mutant {
        info: MutantInfo {
            name: "nwr/ring-counter-clockwise",
            id: "H13",
            core: false,
            change: "walks the ring in the other direction",
            source: "Dynamo §4.3",
            workload: "register",
            nemesis: "none",
            moment: "",
            settings: &[],
            finding: "a key placed otherwise than by the other nodes (H-I1)",
            difficulty: Difficulty::Easy,
        },
        swap: Swap::Next(|at, tokens| (at + tokens - 1) % tokens),
    },
];

fn modulo(hash: u64, _: usize, tokens: usize) -> usize {
    usize::try_from(hash % tokens as u64).unwrap_or(0)
}
