//! Mistakes of replicas.

use super::super::rules::Swap;
use super::Mutant;
use crate::replica::{Difficulty, MutantInfo};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        info: MutantInfo {
            name: "paxos/execute-past-holes",
            id: "P27",
            core: true,
            change: "executes what is chosen without waiting for the slots before it",
            source: "PMMC §2",
            workload: "append",
            nemesis: "packets",
            moment: "",
            settings: &[],
            finding: "executed out of order, different states (P-I6)",
            difficulty: Difficulty::Easy,
        },
        swap: Swap::MayExecute(|_, _| true),
    },
    Mutant {
        info: MutantInfo {
            name: "paxos/commit-notice-trusts-local-value",
            id: "P31",
            core: true,
            change: "takes whatever it has accepted in a slot for what is chosen there",
            source: "KAFKA-14704; Paxos Made Simple §2.2",
            workload: "append",
            nemesis: "partition-leader,packets",
            moment: "accept",
            settings: &[],
            finding: "learned and not chosen (P-I6)",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::OwnVoteIsChosen(|_, _| true),
    },
    Mutant {
        info: MutantInfo {
            name: "paxos/two-slots-executed-twice",
            id: "P32",
            core: true,
            change: "executes a command again that is chosen in two slots",
            source: "PMMC §2.1",
            workload: "counter",
            nemesis: "partition-leader,kill",
            moment: "",
            settings: &[],
            finding: "a request takes effect twice (P-I10)",
            difficulty: Difficulty::Easy,
        },
        swap: Swap::WasApplied(|_, _| false),
    },
];
