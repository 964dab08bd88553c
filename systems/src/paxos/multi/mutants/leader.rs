//! Mistakes of leaders.

use super::super::rules::Swap;
use super::super::rules::leader::Preempted;
use super::Mutant;
use crate::replica::{Difficulty, MutantInfo};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        info: MutantInfo {
            name: "paxos/gap-filled-without-phase1-value",
            id: "P24",
            core: true,
            change: "as a new leader fills every gap of its own log with a no-op, whatever promises reported",
            source: "PMMC §3.2; Paxos Made Simple §3",
            workload: "append",
            nemesis: "kill,packets",
            moment: "accept",
            settings: &[],
            finding: "an unsafe proposal (P-I5), two values are chosen (P-I1)",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::FillsWithNoop(|_, accepted_here| !accepted_here),
    },
    Mutant {
        info: MutantInfo {
            name: "paxos/prepare-from-last-accepted",
            id: "P25",
            core: true,
            change: "asks for promises from beyond what it has accepted itself",
            source: "PMMC §3; Paxos Made Live §4",
            workload: "append",
            nemesis: "kill,packets",
            moment: "accept",
            settings: &[],
            finding: "an unsafe proposal (P-I5), two values are chosen (P-I1)",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::PrepareFrom(|lowest_unchosen, highest_accepted| {
            lowest_unchosen.max(highest_accepted + 1)
        }),
    },
    Mutant {
        info: MutantInfo {
            name: "paxos/skips-phase1-after-preemption",
            id: "P29",
            core: true,
            change: "takes a higher ballot when it hears of one, and goes on without new promises",
            source: "PMMC §3",
            workload: "register",
            nemesis: "partition-leader,pause",
            moment: "lead",
            settings: &[],
            finding: "an unsafe proposal (P-I5), two values are chosen (P-I1)",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::AfterPreemption(|| Preempted::RaisesBallot),
    },
    Mutant {
        info: MutantInfo {
            name: "paxos/accepted-replies-not-matched-to-ballot",
            id: "P30",
            core: true,
            change: "counts a vote of an earlier ballot of its own",
            source: "Paxos Made Simple §2.2; PMMC §3",
            workload: "register",
            nemesis: "partition-leader,packets",
            moment: "accept",
            settings: &[],
            finding: "chosen without a quorum (P-I6)",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::CountsAccepted(|_, _| true),
    },
    Mutant {
        info: MutantInfo {
            name: "paxos/promises-of-any-ballot",
            id: "P12m",
            core: false,
            change: "counts a promise for an earlier ballot of its own",
            source: "Paxos Made Simple §2.2, phase 2a",
            workload: "register",
            nemesis: "partition-leader,packets",
            moment: "lead",
            settings: &[],
            finding: "an unsafe proposal (P-I5), two values are chosen (P-I1)",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::CountsPromise(|_, _| true),
    },
    Mutant {
        info: MutantInfo {
            name: "paxos/commit-before-reader-invalidation",
            id: "P33",
            core: true,
            change: "calls chosen what a majority accepted, though another replica may still read the old state by its lease",
            source: "Ceph monitor #7736",
            workload: "register",
            nemesis: "packets,partition-one-way",
            moment: "read",
            settings: &["reads=replicas"],
            finding: "a stale read (P-I11)",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::MayChoose(|_| true),
    },
    Mutant {
        info: MutantInfo {
            name: "paxos/reconfig-immediate",
            id: "P39",
            core: false,
            change: "lets a change of the members take effect at the next slot",
            source: "Paxos Made Simple §3; PMMC §4.4; Scylla #5251",
            workload: "register",
            nemesis: "membership,partition",
            moment: "members",
            settings: &["alpha=8"],
            finding: "quorums that do not intersect (P-I1, P-I6)",
            difficulty: Difficulty::Hard,
        },
        swap: Swap::EffectiveAt(|slot, _| slot + 1),
    },
];
