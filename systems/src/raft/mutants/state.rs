//! Mistakes about what applying a command depends on.

use std::time::Duration;

use super::super::rules::Swap;
use super::Mutant;
use crate::replica::Difficulty;
use crate::replica::MutantInfo;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        info: MutantInfo {
            name: "raft/no-dedup",
            id: "R73",
            core: true,
            change: "applies a request again that is sent again",
            source: "RedisRaft #52 and #13",
            workload: "counter",
            nemesis: "partition-leader,kill",
            moment: "",
            settings: &[],
            finding: "a request takes effect twice (R-I13); increments are applied twice",
            difficulty: Difficulty::Easy,
        },
        swap: Swap::WasApplied(|_, _| false),
    },
    Mutant {
        info: MutantInfo {
            name: "raft/session-expiry-by-local-clock",
            id: "R75",
            core: false,
            change: "forgets sessions by each node's own clock",
            source: "thesis §6.3",
            workload: "counter",
            nemesis: "clock,pause",
            moment: "",
            settings: &[],
            finding: "different states (R-I12); increments are applied twice",
            difficulty: Difficulty::Medium,
        },
        swap: Swap::ExpiresSessions(|idle| idle > Duration::from_millis(700)),
    },
    Mutant {
        info: MutantInfo {
            name: "raft/nondeterministic-apply",
            id: "R76",
            core: true,
            change: "now and then, by its own chance, puts an element before the last one",
            source: "common knowledge; paper §2",
            workload: "append",
            nemesis: "none",
            moment: "",
            settings: &[],
            finding: "different states (R-I12); lists that disagree",
            difficulty: Difficulty::Easy,
        },
        swap: Swap::ListPlace(|length, chance| {
            if chance.is_multiple_of(4) {
                length.saturating_sub(1)
            } else {
                length
            }
        }),
    },
];
