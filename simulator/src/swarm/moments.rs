//! Draws faults that strike at events: a few at any events, or again and again at moments of one kind.

use std::collections::BTreeSet;

use perjury_nemesis::Node;
use rand_chacha::ChaCha8Rng;

use super::{percent, pick};
use crate::setup::Setup;
use crate::world::{On, Strike, Trigger, below, between};

/// Steps of Raft at which something may strike.
const STEPS: &[&str] = &[
    "Voted",
    "VoteCounted",
    "Campaigned",
    "BecameLeader",
    "TermChanged",
    "SteppedDown",
    "Appended",
    "Truncated",
    "Committed",
    "Applied",
    "Acked",
    "SnapshotTaken",
    "SnapshotInstalled",
    "ConfigAppended",
    "HandedOver",
    "Recovered",
];

/// What a trigger waits for.
#[derive(Clone, Copy, Debug)]
enum Event {
    Step(&'static str),
    Message(&'static str),
}

use Event::{Message, Step};

/// Moments of one kind: at which promises are made, or relied upon.
#[derive(Debug)]
struct Moment {
    /// What planted bugs call it.
    name: &'static str,
    strikes: &'static [(Event, Strike)],
    heal_ms: &'static [u64],
    /// It comes up only where elections follow each other quickly.
    hectic: bool,
}

const MOMENTS: &[Moment] = &[
    // A leader that is cut off as soon as it leads, or as soon as it has committed.
    Moment {
        name: "lead",
        strikes: &[
            (Step("BecameLeader"), Strike::CutOff),
            (Step("Committed"), Strike::CutOff),
        ],
        heal_ms: &[60, 150, 300],
        hectic: true,
    },
    // A voter that restarts as soon as its vote is on the way.
    Moment {
        name: "vote",
        strikes: &[
            (Message("VoteReply"), Strike::KillAfter),
            (Message("VoteReply"), Strike::KillAfter),
            (Step("TermChanged"), Strike::KillAfter),
        ],
        heal_ms: &[1, 5, 20],
        hectic: true,
    },
    Moment {
        name: "append",
        strikes: &[
            (Step("BecameLeader"), Strike::KillAfter),
            (Message("Append"), Strike::KillAfter),
            (Message("Append"), Strike::CutOff),
            (Message("Append"), Strike::Pause),
        ],
        heal_ms: &[50, 150, 400],
        hectic: false,
    },
    // What was acknowledged has to survive.
    Moment {
        name: "acknowledge",
        strikes: &[
            (Step("Acked"), Strike::KillAfter),
            (Message("AppendReply"), Strike::KillAfter),
            (Message("AppendReply"), Strike::CutOff),
            (Step("Acked"), Strike::Pause),
        ],
        heal_ms: &[5, 100, 300],
        hectic: false,
    },
    Moment {
        name: "snapshot",
        strikes: &[
            (Step("SnapshotTaken"), Strike::KillAfter),
            (Step("SnapshotTaken"), Strike::KillBefore),
            (Step("SnapshotInstalled"), Strike::KillAfter),
            (Message("SnapshotReply"), Strike::KillAfter),
            (Step("BecameLeader"), Strike::CutOff),
        ],
        heal_ms: &[5, 50, 150],
        hectic: false,
    },
    Moment {
        name: "truncate",
        strikes: &[
            (Step("Truncated"), Strike::KillAfter),
            (Step("Truncated"), Strike::KillBefore),
            (Step("Committed"), Strike::CutOff),
        ],
        heal_ms: &[5, 50, 150],
        hectic: false,
    },
    // A change of the members that reaches only some of them.
    Moment {
        name: "members",
        strikes: &[
            (Step("ConfigAppended"), Strike::CutOff),
            (Step("ConfigAppended"), Strike::KillAfter),
            (Step("ConfigAppended"), Strike::Pause),
            (Step("ConfigRolledBack"), Strike::CutOff),
            (Step("BecameLeader"), Strike::CutOff),
        ],
        heal_ms: &[100, 300, 1_000],
        hectic: false,
    },
    // A leader that is replaced just when it answers reads.
    Moment {
        name: "read",
        strikes: &[
            (Step("ReadServed"), Strike::Pause),
            (Step("ReadServed"), Strike::CutOff),
            (Message("ReadIndexReply"), Strike::Pause),
            (Step("HandedOver"), Strike::CutOff),
        ],
        heal_ms: &[80, 150, 300, 600],
        hectic: false,
    },
    // A disk that is damaged where something was acknowledged, and leaders that are replaced by whoever is left.
    Moment {
        name: "rot",
        strikes: &[
            (Message("AppendReply"), Strike::Rot),
            (Step("Appended"), Strike::Rot),
            (Step("Committed"), Strike::CutOff),
            (Step("BecameLeader"), Strike::CutOff),
        ],
        heal_ms: &[150, 400, 1_000],
        hectic: false,
    },
    Moment {
        name: "wipe",
        strikes: &[
            (Message("AppendReply"), Strike::Wipe),
            (Message("VoteReply"), Strike::Wipe),
            (Step("Committed"), Strike::CutOff),
            (Step("BecameLeader"), Strike::CutOff),
        ],
        heal_ms: &[5, 50, 300],
        hectic: true,
    },
];

/// The names of all kinds of moments that a planted bug may ask for.
pub fn moments() -> impl Iterator<Item = &'static str> {
    MOMENTS.iter().map(|moment| moment.name)
}

/// Whether moments of this kind come up only where elections follow each other quickly.
pub(super) fn is_hectic(name: &str) -> bool {
    MOMENTS.iter().any(|moment| moment.name == name && moment.hectic)
}

fn again_and_again(moment: &Moment, setup: &Setup, rng: &mut ChaCha8Rng) -> Vec<Trigger> {
    let heal_ms = pick(rng, moment.heal_ms);
    let every_ms = pick(rng, &[60, 150, 400]);
    // All that strikes alike, or a mixture.
    let one = percent(rng, 50).then(|| pick(rng, moment.strikes));
    let mut triggers = Vec::new();
    let mut after_ms = 0;
    while triggers.len() < MAX_TRIGGERS && after_ms + 200 < setup.options.time_limit_ms {
        let (event, strike) = one.unwrap_or_else(|| pick(rng, moment.strikes));
        triggers.push(Trigger {
            node: None,
            on: match event {
                Step(name) => On::Step(name.to_owned()),
                Message(name) => On::Message(name.to_owned()),
            },
            skip: pick(rng, &[0, 0, 1, 3]),
            after_ms,
            strike,
            heal_ms,
        });
        after_ms += between(rng, every_ms / 2, every_ms * 3 / 2);
    }
    triggers
}

/// A run with more triggers than this is slow, since every output is held against them.
const MAX_TRIGGERS: usize = 40;

/// Draws triggers, at moments of the named kind if there is one of that name.
pub(super) fn draw_triggers(setup: &Setup, wanted: Option<&str>, rng: &mut ChaCha8Rng) -> Vec<Trigger> {
    if percent(rng, 30) {
        let any = &MOMENTS[below(rng, MOMENTS.len() as u64) as usize];
        return again_and_again(any, setup, rng);
    }
    let wanted = MOMENTS.iter().find(|moment| Some(moment.name) == wanted);
    if let Some(wanted) = wanted
        && percent(rng, 80)
    {
        return again_and_again(wanted, setup, rng);
    }
    let count = pick(rng, &[0, 0, 0, 0, 1, 2, 4, 8]);
    let mut steps = BTreeSet::new();
    while steps.len() < 3 {
        steps.insert(pick(rng, STEPS));
    }
    let steps: Vec<&str> = steps.into_iter().collect();
    let mut triggers: Vec<Trigger> = (0..count)
        .map(|_| Trigger {
            node: percent(rng, 40).then(|| Node(between(rng, 1, u64::from(setup.options.nodes)) as u16)),
            on: match below(rng, 10) {
                0 => On::Append,
                1 => On::Send,
                2 => On::Reply,
                3 => On::Snapshot,
                _ => On::Step(pick(rng, &steps).to_owned()),
            },
            skip: pick(rng, &[0, 0, 0, 1, 3, 10]),
            after_ms: below(rng, setup.options.time_limit_ms.saturating_sub(200)),
            strike: pick(
                rng,
                &[
                    Strike::KillBefore,
                    Strike::KillAfter,
                    Strike::KillAfter,
                    Strike::Rot,
                    Strike::Wipe,
                    Strike::Pause,
                    Strike::CutOff,
                ],
            ),
            heal_ms: pick(rng, &[10, 50, 200, 500, 1_000]),
        })
        .collect();
    triggers.sort_by_key(|trigger| trigger.after_ms);
    triggers
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use perjury_systems::registry::SYSTEMS;

    use super::*;

    #[test]
    fn planted_bugs_ask_for_moments_that_there_are() {
        let known: BTreeSet<&str> = moments().collect();
        for mutant in SYSTEMS.iter().flat_map(|system| system.mutants) {
            assert!(
                mutant.moment.is_empty() || known.contains(mutant.moment),
                "{}",
                mutant.name
            );
        }
    }
}
