//! Mistakes about changing the members.

use super::super::rules::Swap;
use super::Mutant;
use crate::replica::Difficulty;
use crate::replica::MutantInfo;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        info: MutantInfo {
            name: "raft/direct-switch",
            id: "R78",
            core: true,
            change: "changes several voters in one step",
            source: "paper §6, figure 10",
            workload: "append",
            nemesis: "membership,partition",
            moment: "members",
            settings: &[],
            finding: "two leaders of one term (R-I1), a commit without a majority (R-I6)",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::MaySwitchDirectly(|_, _| true),
    },
    Mutant {
        info: MutantInfo {
            name: "raft/joint-checks-new-majority-only",
            id: "R79",
            core: true,
            change: "while the configuration is joint, asks the new majority only",
            source: "openraft 6c0ccaf3 and beb0302b",
            workload: "append",
            nemesis: "membership,partition",
            moment: "members",
            settings: &[],
            finding: "two leaders of one term (R-I1), a commit without a majority (R-I6)",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::JointAgrees(|_, incoming| incoming),
    },
    Mutant {
        info: MutantInfo {
            name: "raft/single-change-before-term-commit",
            id: "R80",
            core: true,
            change: "changes the members before an entry of its term is committed",
            source: "Ongaro, raft-dev, 2015",
            workload: "append",
            nemesis: "membership,partition-flapping",
            moment: "members",
            settings: &["membership=single", "prevote=off"],
            finding: "two leaders of one term (R-I1), a leader without committed entries (R-I4)",
            difficulty: Difficulty::Hard,
        },
        swap: Swap::MayChangeMembers(|_| true),
    },
    Mutant {
        info: MutantInfo {
            name: "raft/truncated-config-not-rolled-back",
            id: "R82",
            core: true,
            change: "keeps a configuration in force whose entry was removed",
            source: "thesis §4.1; openraft c8fccb22; RedisRaft #17",
            workload: "append",
            nemesis: "membership,partition-leader",
            moment: "members",
            settings: &[],
            finding: "a configuration that is not the log's (R-I10), two leaders of one term (R-I1)",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::ConfigSurvives(|_, _| true),
    },
    Mutant {
        info: MutantInfo {
            name: "raft/removed-leader-counts-itself",
            id: "R83",
            core: false,
            change: "as leader counts itself where it is not a voter",
            source: "thesis §4.2.2",
            workload: "append",
            nemesis: "membership,partition-leader",
            moment: "members",
            settings: &[],
            finding: "a commit without a majority (R-I6)",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::AbsentLeaderCounts(|| true),
    },
    Mutant {
        info: MutantInfo {
            name: "raft/new-voter-without-catchup",
            id: "R84",
            core: false,
            change: "makes a learner a voter before it has caught up",
            source: "thesis §4.2.1; camunda #58905",
            workload: "register",
            nemesis: "membership,kill",
            moment: "",
            settings: &[],
            finding: "nothing commits until the new voter has the log (availability)",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::MayPromote(|_, _| true),
    },
];
