//! Mistakes about what is newer than what.

use super::super::rules::Swap;
use super::super::rules::versions::Order;
use super::super::types::Clock;
use super::Mutant;
use crate::replica::{Difficulty, MutantInfo};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        info: MutantInfo {
            name: "nwr/first-reply-wins",
            id: "Q03",
            core: true,
            change: "returns the first of the answers, whichever is the newest",
            source: "Gifford §2",
            workload: "register",
            nemesis: "packets",
            moment: "",
            settings: &[],
            finding: "an older version than an answer had (E4), a stale read",
            difficulty: Difficulty::Easy,
        },
        swap: Swap::Selects(|_, _| 0),
    },
    Mutant {
        info: MutantInfo {
            name: "nwr/newest-by-arrival",
            id: "Q04",
            core: false,
            change: "takes the last answer to arrive for the newest",
            source: "Gifford §2",
            workload: "register",
            nemesis: "packets",
            moment: "",
            settings: &[],
            finding: "an older version than an answer had (E4), a stale read",
            difficulty: Difficulty::Easy,
        },
        swap: Swap::Selects(|_, answers| answers - 1),
    },
    Mutant {
        info: MutantInfo {
            name: "nwr/replica-overwrites-newer",
            id: "Q09",
            core: true,
            change: "a replica stores what it is told, though it holds something newer",
            source: "Gifford §2",
            workload: "register",
            nemesis: "packets",
            moment: "",
            settings: &[],
            finding: "a replica's version fell (Q-I1)",
            difficulty: Difficulty::Easy,
        },
        swap: Swap::Applies(|_, _| true),
    },
    Mutant {
        info: MutantInfo {
            name: "nwr/tag-without-node-id",
            id: "Q11",
            core: true,
            change: "orders versions by their counter alone, and equal ones by arrival",
            source: "Cassandra (Jepsen): equal timestamps",
            workload: "register",
            nemesis: "none",
            moment: "",
            settings: &[],
            finding: "replicas that hold different values of one version (Q-I1)",
            difficulty: Difficulty::Easy,
        },
        swap: Swap::Applies(|new, held| new.counter >= held.counter),
    },
    Mutant {
        info: MutantInfo {
            name: "nwr/local-clock-tags",
            id: "Q10",
            core: true,
            change: "takes the counter of a version from its own wall clock",
            source: "Cassandra (Jepsen), The trouble with timestamps",
            workload: "register",
            nemesis: "clock",
            moment: "",
            settings: &[],
            finding: "a later write with an older version (G3), a lost write",
            difficulty: Difficulty::Easy,
        },
        swap: Swap::Counter(|_, wall_us| wall_us),
    },
    Mutant {
        info: MutantInfo {
            name: "nwr/tag-counter-volatile",
            id: "Q12",
            core: false,
            change: "counts versions in memory instead of asking a quorum first",
            source: "ABD with several writers",
            workload: "register",
            nemesis: "kill",
            moment: "",
            settings: &[],
            finding: "a later write with an older version (G3)",
            difficulty: Difficulty::Easy,
        },
        swap: Swap::AsksBeforeWriting(|| false),
    },
    Mutant {
        info: MutantInfo {
            name: "nwr/vv-actor-reused",
            id: "Q21",
            core: true,
            change: "goes on under the same actor after it forgot how far that one had counted",
            source: "riak_kv #679, #1094",
            workload: "set",
            nemesis: "kill",
            moment: "",
            settings: &["versions=vector", "reads=abd"],
            finding: "an acknowledged element is lost (Q-I6)",
            difficulty: Difficulty::Easy,
        },
        swap: Swap::ActorLife(|_| 0),
    },
    Mutant {
        info: MutantInfo {
            name: "nwr/sibling-dropped",
            id: "Q22",
            core: true,
            change: "keeps the newer of two concurrent versions only",
            source: "Riak (Jepsen): last write wins",
            workload: "set",
            nemesis: "none",
            moment: "",
            settings: &["versions=vector", "reads=abd"],
            finding: "an acknowledged element is lost (Q-I6)",
            difficulty: Difficulty::Easy,
        },
        swap: Swap::KeepsSibling(|_| false),
    },
    Mutant {
        info: MutantInfo {
            name: "nwr/vv-compare-sum",
            id: "Q23",
            core: false,
            change: "compares version vectors by the sum of their counts",
            source: "Parker et al., 1983",
            workload: "set",
            nemesis: "none",
            moment: "",
            settings: &["versions=vector", "reads=abd"],
            finding: "an acknowledged element is lost (Q-I6)",
            difficulty: Difficulty::Easy,
        },
        swap: Swap::OrderOf(by_sum),
    },
];

fn by_sum(one: &Clock, other: &Clock) -> Order {
    let sum = |clock: &Clock| clock.values().sum::<u64>();
    match (one == other, sum(one).cmp(&sum(other))) {
        (true, _) => Order::Same,
        (_, std::cmp::Ordering::Less) => Order::Before,
        (_, _) => Order::After,
    }
}
