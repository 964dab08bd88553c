//! Draws faults that strike at events: a few at any events, or again and again at moments of one kind.

use std::collections::BTreeSet;

use perjury_nemesis::Node;
use perjury_systems::registry;
use rand_chacha::ChaCha8Rng;

use super::{percent, pick};
use crate::setup::Setup;
use crate::systems::Drawing;
use crate::world::{On, Strike, Trigger, below, between};

/// What a trigger waits for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    /// A node records a step of this name.
    Step(&'static str),
    /// A node sends a message of this name.
    Message(&'static str),
}

/// Moments of one kind: at which promises are made, or relied upon.
#[derive(Debug)]
pub(crate) struct Moment {
    /// What planted bugs call it.
    pub(crate) name: &'static str,
    /// When to strike, and how.
    pub(crate) strikes: &'static [(Event, Strike)],
    /// How long it lasts: one of these.
    pub(crate) heal_ms: &'static [u64],
    /// The mean time from one strike to the next: one of these.
    pub(crate) every_ms: &'static [u64],
    /// Clusters of these sizes are best for it; empty for any.
    pub(crate) nodes: &'static [u16],
    /// It comes up only where elections follow each other quickly.
    pub(crate) hectic: bool,
}

/// One strike on the heels of the other.
pub(crate) const OFTEN: &[u64] = &[60, 150, 400];

fn again_and_again(moment: &Moment, setup: &Setup, rng: &mut ChaCha8Rng) -> Vec<Trigger> {
    let heal_ms = pick(rng, moment.heal_ms);
    let every_ms = pick(rng, moment.every_ms);
    // All that strikes alike, or a mixture.
    let one = percent(rng, 50).then(|| pick(rng, moment.strikes));
    let mut triggers = Vec::new();
    let mut after_ms = 0;
    while triggers.len() < MAX_TRIGGERS && after_ms + 200 < setup.options.time_limit_ms {
        let (event, strike) = one.unwrap_or_else(|| pick(rng, moment.strikes));
        triggers.push(Trigger {
            node: None,
            on: match event {
                Event::Step(name) => On::Step(name.to_owned()),
                Event::Message(name) => On::Message(name.to_owned()),
            },
            skip: pick(rng, &[0, 0, 1, 3]),
            after_ms,
            strike,
            beside: draw_beside(setup.options.nodes, strike, rng),
            heal_ms,
        });
        after_ms += between(rng, every_ms / 2, every_ms * 3 / 2);
    }
    triggers
}

/// Whom a cut leaves on the struck node's side: mostly nobody, else a few, up to just about half of the cluster.
fn draw_beside(nodes: u16, strike: Strike, rng: &mut ChaCha8Rng) -> Vec<Node> {
    if !matches!(strike, Strike::CutOff | Strike::CutOffLeader) || percent(rng, 50) {
        return Vec::new();
    }
    let count = between(rng, 1, u64::from(nodes / 2).max(1));
    let mut beside: BTreeSet<Node> = BTreeSet::new();
    while (beside.len() as u64) < count.min(u64::from(nodes)) {
        beside.insert(Node(between(rng, 1, u64::from(nodes)) as u16));
    }
    beside.into_iter().collect()
}

/// A run with more triggers than this is slow, since every output is held against them.
const MAX_TRIGGERS: usize = 40;

/// What strikes at any events, those that do so more often more than once.
const STRIKES: &[Strike] = &[
    Strike::KillBefore,
    Strike::KillAfter,
    Strike::KillAfter,
    Strike::Rot,
    Strike::Wipe,
    Strike::FailSync,
    Strike::FillDisk,
    Strike::Pause,
    Strike::CutOff,
    Strike::CutOffLeader,
];

/// Draws triggers, at moments of the named kind if there is one of that name.
pub(super) fn draw_triggers(
    setup: &Setup,
    drawing: &Drawing,
    wanted: Option<&str>,
    rng: &mut ChaCha8Rng,
) -> Vec<Trigger> {
    if percent(rng, 30) {
        let any = &drawing.moments[below(rng, drawing.moments.len() as u64) as usize];
        return again_and_again(any, setup, rng);
    }
    let wanted = drawing.moments.iter().find(|moment| Some(moment.name) == wanted);
    if let Some(wanted) = wanted
        && percent(rng, 80)
    {
        return again_and_again(wanted, setup, rng);
    }
    let count = pick(rng, &[0, 0, 0, 0, 1, 2, 4, 8]);
    let mut steps = BTreeSet::new();
    while steps.len() < 3 {
        steps.insert(pick(rng, drawing.steps));
    }
    let steps: Vec<&str> = steps.into_iter().collect();
    let mut triggers: Vec<Trigger> = (0..count)
        .map(|_| {
            let node = percent(rng, 40).then(|| Node(between(rng, 1, u64::from(setup.options.nodes)) as u16));
            let on = match below(rng, 10) {
                0 => On::Append,
                1 => On::Send,
                2 => On::Reply,
                3 => On::Snapshot,
                _ => On::Step(pick(rng, &steps).to_owned()),
            };
            let strike = pick(rng, STRIKES);
            Trigger {
                node,
                on,
                skip: pick(rng, &[0, 0, 0, 1, 3, 10]),
                after_ms: below(rng, setup.options.time_limit_ms.saturating_sub(200)),
                strike,
                beside: draw_beside(setup.options.nodes, strike, rng),
                heal_ms: pick(rng, &[10, 50, 200, 500, 1_000]),
            }
        })
        .collect();
    triggers.sort_by_key(|trigger| trigger.after_ms);
    let bears_wipes = registry::system(&setup.system).is_none_or(|system| !system.cannot.contains(&"wipe"));
    for trigger in triggers
        .iter_mut()
        .filter(|trigger| trigger.strike == Strike::Wipe && !bears_wipes)
    {
        trigger.strike = Strike::KillAfter;
    }
    triggers
}

#[cfg(test)]
mod tests {
    use perjury_nemesis::Nemesis;
    use perjury_systems::registry::SYSTEMS;

    use crate::systems;

    #[test]
    fn planted_bugs_ask_for_moments_and_faults_that_there_are() {
        for system in SYSTEMS {
            let drawing = systems::drawing(system.name).expect("it can be simulated");
            assert!(drawing.steps.len() >= 3, "{}", system.name);
            for mutant in system.mutants {
                let known = |moment: &super::Moment| moment.name == mutant.moment;
                assert!(
                    mutant.moment.is_empty() || drawing.moments.iter().any(known),
                    "{}",
                    mutant.name
                );
                assert!(mutant.nemesis.parse::<Nemesis>().is_ok(), "{}", mutant.name);
            }
        }
    }
}
