//! Mistakes about whom to elect.

use super::super::rules::Swap;
use super::Mutant;
use crate::replica::{Difficulty, MutantInfo};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        info: MutantInfo {
            name: "zab/fle-ignores-peer-epoch",
            id: "Z01",
            core: true,
            change: "compares votes by transaction and name, not by epoch",
            source: "ZOOKEEPER-335; ZOOKEEPER-1082",
            workload: "register",
            nemesis: "kill,partition",
            moment: "sync",
            settings: &["election=fast"],
            finding: "a better vote not taken (Z-I9); leaders that are refused in discovery",
            difficulty: Difficulty::Hard,
        },
        swap: Swap::Beats(|offered, had| (offered.zxid, offered.leader) > (had.zxid, had.leader)),
    },
    Mutant {
        info: MutantInfo {
            name: "zab/fle-vote-order-not-total",
            id: "Z02",
            core: true,
            change: "compares names also where the epochs differ, if the transactions are equal",
            source: "ZOOKEEPER-1419",
            workload: "register",
            nemesis: "kill,partition",
            moment: "vote",
            settings: &["election=fast"],
            finding: "a worse vote taken (Z-I9); elections that never end",
            difficulty: Difficulty::Hard,
        },
        swap: Swap::Beats(|offered, had| {
            offered.epoch > had.epoch
                || (offered.epoch == had.epoch && offered.zxid > had.zxid)
                || (offered.zxid == had.zxid && offered.leader > had.leader)
        }),
    },
    Mutant {
        info: MutantInfo {
            name: "zab/fle-accepts-old-round",
            id: "Z03",
            core: false,
            change: "counts votes of an earlier round of election",
            source: "ZooKeeper's FastLeaderElection, lookForLeader",
            workload: "register",
            nemesis: "kill,partition-flapping",
            moment: "vote",
            settings: &["election=fast"],
            finding: "a leader elected by votes of another round (Z-I9)",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::CountsRound(|_, _| true),
    },
    Mutant {
        info: MutantInfo {
            name: "zab/fle-keeps-votes-across-rounds",
            id: "Z04",
            core: false,
            change: "keeps the votes of the round before when it takes on a later one",
            source: "ZooKeeper's FastLeaderElection, lookForLeader",
            workload: "register",
            nemesis: "kill,partition-flapping",
            moment: "vote",
            settings: &["election=fast"],
            finding: "a leader elected by votes of another round (Z-I9)",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::KeepsVotes(|earlier| earlier),
    },
    Mutant {
        info: MutantInfo {
            name: "zab/fle-takes-vote-of-higher-round",
            id: "Z47",
            core: false,
            change: "takes the vote of a later round over, even if its own is better",
            source: "ZooKeeper's FastLeaderElection, lookForLeader",
            workload: "register",
            nemesis: "kill,partition-flapping",
            moment: "vote",
            settings: &["election=fast"],
            finding: "a leader behind one of its voters (Z-I9); discoveries given up",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::VoteInRound(|offered, _| offered),
    },
    Mutant {
        info: MutantInfo {
            name: "zab/fle-join-on-single-claim",
            id: "Z06",
            core: true,
            change: "follows the first that says it follows or leads",
            source: "ZOOKEEPER-975; ZOOKEEPER-1732",
            workload: "register",
            nemesis: "kill,partition",
            moment: "vote",
            settings: &["election=fast"],
            finding: "a leader joined without a quorum, or that has not said that it leads (Z-I9)",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::MayJoin(|_, _| true),
    },
    Mutant {
        info: MutantInfo {
            name: "zab/fle-no-reply-to-looking",
            id: "Z07",
            core: true,
            change: "does not answer those who look for a leader while it follows or leads",
            source: "ZOOKEEPER-1732",
            workload: "register",
            nemesis: "kill,partition-one",
            moment: "",
            settings: &["election=fast"],
            finding: "a node that never joins again (time-out of recovery)",
            difficulty: Difficulty::Easy,
        },
        swap: Swap::AnswersLooking(|| false),
    },
];
