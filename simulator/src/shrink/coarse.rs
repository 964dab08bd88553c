//! Shrinks what runs are drawn from: fewer faults, nodes, clients and operations, less time, fairer weather.
//!
//! What is removed changes what is drawn after it, so a removal can lose the failure by chance: a rejected one is
//! tried again with other noise.

use perjury_nemesis::{Fault, Plan, Shape, Step, StepKind, Target};

use super::Shrinker;
use super::ddmin::ddmin;
use crate::setup::Setup;
use crate::swarm::slowness;
use crate::systems;
use crate::world::{Strike, Trigger, Weather};

/// With how many noises it is tried what a run's end does alone.
const FRESH_NOISES: u64 = 20;

impl Shrinker<'_> {
    /// Everything that can be done without writing the run out.
    pub(super) fn coarsely(&mut self) {
        self.change(slowness::speed_up);
        self.cut_short();
        self.forget_the_beginning();
        self.fair_weather();
        loop {
            let before = self.setup.clone();
            self.remove_faults();
            self.simplify_cluster();
            self.simplify_work();
            self.simplify_weather();
            self.simplify_settings();
            self.shorten();
            if self.setup == before || self.spent() {
                break;
            }
        }
    }

    /// Nothing after the failure matters, if it ended the run; else the main phase is halved for as long as that
    /// works.
    fn cut_short(&mut self) {
        let phases = &self.outcome.finished.phases;
        let main = phases
            .iter()
            .find(|(phase, _)| *phase == perjury_runner::Phase::Main);
        if let Some((_, began)) = main {
            let lasted_ms = self.outcome.virtual_ns.saturating_sub(*began) / 1_000_000 + 1;
            if lasted_ms < self.setup.options.time_limit_ms {
                self.change(|setup| limit(setup, lasted_ms));
            }
        }
        while self.setup.options.time_limit_ms > 100
            && self.change(|setup| limit(setup, setup.options.time_limit_ms / 2))
        {}
    }

    /// What happened long before the failure often does not matter; a run without it is much cheaper to go on with.
    fn forget_the_beginning(&mut self) {
        for kept_ms in [250, 500, 1_000, 2_000, 4_000] {
            let limit_ms = self.setup.options.time_limit_ms;
            if kept_ms * 2 > limit_ms {
                return;
            }
            let mut candidate = self.setup.clone();
            let from_ms = limit_ms - kept_ms;
            let early = |step: &&Step| step.at_ms < from_ms;
            let gone: Vec<u32> = candidate
                .plan
                .steps
                .iter()
                .filter(early)
                .map(|step| step.id)
                .collect();
            candidate.plan.steps.retain(|step| !gone.contains(&step.id));
            for step in &mut candidate.plan.steps {
                step.at_ms -= from_ms;
            }
            candidate.triggers.retain(|trigger| trigger.after_ms >= from_ms);
            for trigger in &mut candidate.triggers {
                trigger.after_ms -= from_ms;
            }
            candidate.options.time_limit_ms = kept_ms * 3 / 2;
            if self.accept_with(candidate, FRESH_NOISES) {
                self.cut_short();
                return;
            }
        }
    }

    fn fair_weather(&mut self) {
        self.change(|setup| setup.quorum_trial = false);
        self.change(|setup| setup.weather = Weather::FAIR);
    }

    /// Removes subsets of the faults, from half of them down to single ones.
    fn remove_faults(&mut self) {
        ddmin(faults(&self.setup), &mut |range| {
            let mut candidate = self.setup.clone();
            remove(&mut candidate, range.start, range.len());
            (!self.spent() && self.accept(candidate)).then(|| faults(&self.setup))
        });
    }

    fn simplify_cluster(&mut self) {
        for nodes in [1, 2, 3, 4, 5] {
            if nodes < self.setup.options.nodes && self.change(|setup| shrink_cluster(setup, nodes)) {
                break;
            }
        }
    }

    fn simplify_work(&mut self) {
        self.change(|setup| setup.workload.keys = Some(1));
        while self.setup.options.concurrency > 1 && self.change(|setup| setup.options.concurrency /= 2) {}
        while self.setup.options.concurrency > 1 && self.change(|setup| setup.options.concurrency -= 1) {}
        while self.setup.options.rate > 2.0
            && self.change(|setup| setup.options.rate = (setup.options.rate / 2.0).round().max(1.0))
        {}
    }

    pub(super) fn simplify_weather(&mut self) {
        let fair = Weather::FAIR;
        self.change(|setup| setup.weather = fair);
        let parts: [fn(&mut Weather, &Weather); 9] = [
            |weather, fair| (weather.latency_us, weather.jitter_us) = (fair.latency_us, fair.jitter_us),
            |weather, fair| weather.loss_ppm = fair.loss_ppm,
            |weather, fair| weather.duplicate_ppm = fair.duplicate_ppm,
            |weather, fair| weather.reorder_ppm = fair.reorder_ppm,
            |weather, fair| weather.clog_every_ms = fair.clog_every_ms,
            |weather, fair| {
                (weather.fsync_us, weather.fsync_jitter_us) = (fair.fsync_us, fair.fsync_jitter_us);
                weather.stall_ppm = fair.stall_ppm;
            },
            |weather, fair| (weather.drift_ppm, weather.offset_ms) = (fair.drift_ppm, fair.offset_ms),
            |weather, fair| weather.client_loss_ppm = fair.client_loss_ppm,
            |weather, fair| weather.transfer_every_ms = fair.transfer_every_ms,
        ];
        for part in parts {
            self.change(|setup| part(&mut setup.weather, &fair));
        }
    }

    pub(super) fn simplify_settings(&mut self) {
        let wipes = |trigger: &Trigger| trigger.strike == Strike::Wipe;
        let simpler = if self.setup.triggers.iter().any(wipes) {
            &[]
        } else {
            systems::simpler(&self.setup.system)
        };
        let is_simple = |name: &str, value: &str| simpler.contains(&(name, value));
        for (name, value) in self.setup.settings.clone() {
            if is_simple(&name, &value) {
                continue;
            }
            self.change(|setup| drop(setup.settings.remove(&name)));
        }
        for (name, value) in simpler {
            self.change(|setup| drop(setup.settings.insert(name.to_string(), value.to_string())));
        }
    }

    /// Brings everything nearer to the beginning.
    fn shorten(&mut self) {
        self.cut_short();
        for percent in [25, 50, 75] {
            self.change(|setup| {
                for step in &mut setup.plan.steps {
                    step.at_ms = step.at_ms * percent / 100;
                }
                for trigger in &mut setup.triggers {
                    trigger.after_ms = trigger.after_ms * percent / 100;
                }
                setup.options.time_limit_ms = (setup.options.time_limit_ms * percent / 100).max(50);
            });
        }
    }
}

/// How many faults there are, timed and triggered.
pub(super) fn faults(setup: &Setup) -> usize {
    setup.plan.faults().count() + setup.triggers.len()
}

/// The main phase ends here, and with it the plan.
fn limit(setup: &mut Setup, time_limit_ms: u64) {
    setup.options.time_limit_ms = time_limit_ms.max(50);
    setup.plan.steps.retain(|step| step.at_ms <= time_limit_ms);
    setup.triggers.retain(|trigger| trigger.after_ms <= time_limit_ms);
}

/// Removes `size` faults from the one in place `from` on: those of the plan first, then the triggers.
fn remove(setup: &mut Setup, from: usize, size: usize) {
    let ids: Vec<u32> = setup.plan.faults().map(|(id, _)| id).collect();
    let gone = |place: usize| (from..from + size).contains(&place);
    let gone_ids: Vec<u32> = ids
        .iter()
        .enumerate()
        .filter(|(place, _)| gone(*place))
        .map(|(_, id)| *id)
        .collect();
    setup.plan.steps.retain(|step| !gone_ids.contains(&step.id));
    let mut place = ids.len();
    setup.triggers.retain(|_| {
        place += 1;
        !gone(place - 1)
    });
}

/// Takes the last nodes away, and with them what hits them alone.
fn shrink_cluster(setup: &mut Setup, nodes: u16) {
    setup.options.nodes = nodes;
    setup.members = setup.members.map(|members| members.min(nodes));
    setup
        .triggers
        .retain(|trigger| trigger.node.is_none_or(|node| node.0 <= nodes));
    let mut dropped = Vec::new();
    for step in &mut setup.plan.steps {
        if let StepKind::Inject(fault) = &mut step.what
            && !fits(fault, nodes)
        {
            dropped.push(step.id);
        }
    }
    setup.plan.steps.retain(|step| !dropped.contains(&step.id));
    let Plan { steps } = &setup.plan;
    debug_assert!(steps.windows(2).all(|pair| pair[0].at_ms <= pair[1].at_ms));
}

/// Takes the nodes that are no more out of a fault. Says whether anything is left of it.
fn fits(fault: &mut Fault, nodes: u16) -> bool {
    let target = |target: &mut Target| match target {
        Target::Nodes(those) => {
            those.retain(|node| node.0 <= nodes);
            !those.is_empty()
        }
        Target::Leader { otherwise } => {
            otherwise.0 = otherwise.0.min(nodes);
            true
        }
        Target::LeaderAnd { otherwise, others } => {
            otherwise.0 = otherwise.0.min(nodes);
            others.retain(|node| node.0 <= nodes);
            true
        }
    };
    match fault {
        Fault::Partition { shape } => match shape {
            Shape::Groups(groups) => {
                for group in groups.iter_mut() {
                    group.retain(|node| node.0 <= nodes);
                }
                groups.retain(|group| !group.is_empty());
                groups.len() > 1
            }
            Shape::Alone(who) | Shape::Minority(who) | Shape::OneWay { target: who, .. } => target(who),
            Shape::Grudge(grudge) => {
                grudge.0.retain(|node, _| node.0 <= nodes);
                for others in grudge.0.values_mut() {
                    others.retain(|node| node.0 <= nodes);
                }
                grudge.0.retain(|_, others| !others.is_empty());
                !grudge.0.is_empty()
            }
        },
        Fault::Kill { target: who, .. }
        | Fault::Pause { target: who }
        | Fault::Clock { target: who, .. }
        | Fault::Packets { target: who, .. }
        | Fault::Disk { target: who, .. }
        | Fault::Leave { target: who } => target(who),
    }
}
