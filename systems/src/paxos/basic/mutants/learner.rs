//! Mistakes of learners.

use super::super::rules::Swap;
use super::Mutant;
use crate::replica::{Difficulty, MutantInfo};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        info: MutantInfo {
            name: "basic-paxos/learner-minority",
            id: "P15",
            core: true,
            change: "takes a value for chosen that half of the acceptors have accepted, rounded down",
            source: "Paxos Made Simple §2.2; MultiPaxos-SMR specification",
            workload: "once",
            nemesis: "none",
            moment: "",
            settings: &[],
            finding: "learned and not chosen (P-I6)",
            difficulty: Difficulty::Easy,
        },
        swap: Swap::LearnerNeeds(|_, acceptors| acceptors / 2),
    },
    Mutant {
        info: MutantInfo {
            name: "basic-paxos/learner-counts-across-ballots",
            id: "P16",
            core: true,
            change: "counts the acceptors of a value in whatever ballot they accepted it",
            source: "Paxos Made Simple §2.2",
            workload: "once",
            nemesis: "packets,kill",
            moment: "accept",
            settings: &[],
            finding: "learned and not chosen (P-I6)",
            difficulty: Difficulty::Hard,
        },
        swap: Swap::CountTogether(|_, _| true),
    },
];
