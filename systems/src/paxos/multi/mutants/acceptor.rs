//! Mistakes of acceptors.

use super::super::rules::Swap;
use super::Mutant;
use crate::paxos::Ballot;
use crate::replica::{Difficulty, MutantInfo};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        info: MutantInfo {
            name: "paxos/promise-per-slot",
            id: "P28",
            core: true,
            change: "promises only for the slots in which it has accepted something",
            source: "Paxos Made Simple §3; lecture notes on Paxos",
            workload: "register",
            nemesis: "partition-leader,pause",
            moment: "lead",
            settings: &[],
            finding: "a vote below a promise (P-I4)",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::PromiseForNewSlot(|_| Ballot::NONE),
    },
    Mutant {
        info: MutantInfo {
            name: "paxos/accept-ignores-promise",
            id: "P06m",
            core: false,
            change: "accepts in any ballot",
            source: "Paxos Made Simple §2.2, P1a",
            workload: "register",
            nemesis: "partition-leader,pause",
            moment: "lead",
            settings: &[],
            finding: "a vote below a promise (P-I4)",
            difficulty: Difficulty::Easy,
        },
        swap: Swap::MayAccept(|_, _| true),
    },
    Mutant {
        info: MutantInfo {
            name: "paxos/trimmed-slot-reported-empty",
            id: "P37",
            core: true,
            change: "does not tell a would-be leader that it has forgotten what is chosen",
            source: "Scylla #6149; Paxos Made Simple §2.2",
            workload: "append",
            nemesis: "partition-one,kill",
            moment: "snapshot",
            settings: &["snapshot-every=10", "snapshot-keep=0"],
            finding: "nothing accepted where something is chosen (P-I8)",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::ReportedTrim(|_| 0),
    },
    Mutant {
        info: MutantInfo {
            name: "paxos/lease-not-enforced-by-acceptors",
            id: "P34",
            core: true,
            change: "promises to others while the leader has a lease",
            source: "Paxos Made Live §5.2",
            workload: "register",
            nemesis: "partition,packets",
            moment: "lease",
            settings: &["reads=lease"],
            finding: "a leader beside a lease (P-I7), a stale read (P-I11)",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::LeaseRefuses(|_| false),
    },
    Mutant {
        info: MutantInfo {
            name: "paxos/amnesiac-acceptor-votes",
            id: "P40",
            core: true,
            change: "promises and votes again after its disk was lost",
            source: "Paxos Made Live §5.1; Kafka #302",
            workload: "set",
            nemesis: "partition,packets",
            moment: "wipe",
            settings: &[],
            finding: "an unsafe proposal (P-I5), two values are chosen (P-I1)",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::MayUseVote(|_| true),
    },
];
