//! Mistakes about reads.

use super::super::rules::Swap;
use super::Mutant;
use crate::replica::{Difficulty, MutantInfo};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        info: MutantInfo {
            name: "paxos/lease-drift-ignored",
            id: "P35",
            core: false,
            change: "takes the whole time of its lease, though clocks drift",
            source: "TiKV #964",
            workload: "register",
            nemesis: "clock,partition-leader",
            moment: "lease",
            settings: &["reads=lease", "lease-drift-ppm=200000"],
            finding: "a leader beside a lease (P-I7), a stale read (P-I11)",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::LeaseLength(|timeout, _| timeout),
    },
    Mutant {
        info: MutantInfo {
            name: "paxos/lease-read-before-recovery",
            id: "P36",
            core: false,
            change: "reads by its lease before it has recovered what earlier leaders may have got chosen",
            source: "Paxos Made Live §5.2",
            workload: "register",
            nemesis: "partition-leader,kill",
            moment: "lead",
            settings: &["reads=lease"],
            finding: "a stale read (P-I11)",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::MayRead(|_| true),
    },
    Mutant {
        info: MutantInfo {
            name: "paxos/read-at-any-replica",
            id: "P41",
            core: false,
            change: "answers reads from whatever it has executed",
            source: "lecture notes on Paxos; Paxos Made Live §5.2",
            workload: "register",
            nemesis: "none",
            moment: "",
            settings: &[],
            finding: "a stale read (P-I11)",
            difficulty: Difficulty::Easy,
        },
        swap: Swap::MayReadAnywhere(|| true),
    },
];
