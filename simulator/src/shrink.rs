//! Makes a failing run small: fewer faults, nodes, clients and operations, less time, fairer weather, and still the
//! same property broken.
//!
//! What is removed changes what is drawn after it, so a removal can lose the failure by chance: a rejected one is
//! tried again with other noise. (Zeller and Hildebrandt, Simplifying and Isolating Failure-Inducing Input, TSE 2002,
//! for the removal of subsets.)

use perjury_nemesis::{Fault, Plan, Shape, StepKind, Target};
use perjury_systems::replica::ConfigError;

use crate::run::{Outcome, Violation, Wanted, run};
use crate::setup::Setup;
use crate::world::Weather;

/// How much may be spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Runs at most.
    pub runs: u64,
    /// With how many other noises a rejected change is tried again.
    pub noises: u64,
}

impl Default for Effort {
    fn default() -> Self {
        Effort {
            runs: 2_000,
            noises: 3,
        }
    }
}

/// A failing run, made small.
#[derive(Debug)]
pub struct Shrunk {
    /// The run.
    pub setup: Setup,
    /// What it came to.
    pub outcome: Outcome,
    /// The property that it breaks, as the one that it was made of.
    pub property: String,
    /// How many runs that took.
    pub runs: u64,
}

impl Shrunk {
    /// How many faults it has, timed and triggered.
    pub fn actions(&self) -> usize {
        self.setup.plan.faults().count() + self.setup.triggers.len()
    }
}

/// Makes a failing run small; `stop` is asked before every run whether to be content with what there is. None if the
/// run does not fail.
///
/// # Errors
/// If the setup cannot be run.
pub fn shrink(
    setup: &Setup,
    invariants: bool,
    effort: Effort,
    stop: &dyn Fn() -> bool,
) -> Result<Option<Shrunk>, ConfigError> {
    let wanted = Wanted {
        invariants,
        ..Wanted::default()
    };
    let outcome = run(setup, &wanted)?;
    let Some(violation) = outcome.violations.first() else {
        return Ok(None);
    };
    let mut shrinker = Shrinker {
        property: violation.property(),
        setup: setup.clone(),
        outcome,
        wanted,
        effort,
        runs: 1,
        stop,
    };
    shrinker.cut_short();
    shrinker.fair_weather();
    loop {
        let before = shrinker.setup.clone();
        shrinker.remove_faults();
        shrinker.simplify_cluster();
        shrinker.simplify_work();
        shrinker.simplify_weather();
        shrinker.simplify_settings();
        shrinker.shorten();
        if shrinker.setup == before || shrinker.spent() {
            break;
        }
    }
    let Shrinker {
        property,
        setup,
        outcome,
        runs,
        ..
    } = shrinker;
    Ok(Some(Shrunk {
        setup,
        outcome,
        property,
        runs,
    }))
}

struct Shrinker<'a> {
    property: String,
    setup: Setup,
    outcome: Outcome,
    wanted: Wanted,
    effort: Effort,
    runs: u64,
    stop: &'a dyn Fn() -> bool,
}

impl Shrinker<'_> {
    fn spent(&self) -> bool {
        self.runs >= self.effort.runs || (self.stop)()
    }

    /// Takes the candidate if it breaks the same property, with this noise or another.
    fn accept(&mut self, candidate: Setup) -> bool {
        if candidate == self.setup {
            return false;
        }
        for extra in 0..=self.effort.noises {
            if self.spent() {
                return false;
            }
            let mut candidate = candidate.clone();
            if extra > 0 {
                candidate.noise = Some(self.setup.noise().wrapping_add(extra));
            }
            self.runs += 1;
            // A candidate that cannot be run (too few nodes for the plan) is none.
            let Ok(outcome) = run(&candidate, &self.wanted) else {
                return false;
            };
            if outcome.violations.first().map(Violation::property).as_ref() == Some(&self.property) {
                self.setup = candidate;
                self.outcome = outcome;
                return true;
            }
        }
        false
    }

    fn change(&mut self, how: impl FnOnce(&mut Setup)) -> bool {
        let mut candidate = self.setup.clone();
        how(&mut candidate);
        self.accept(candidate)
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

    fn fair_weather(&mut self) {
        self.change(|setup| setup.quorum_trial = false);
        self.change(|setup| setup.weather = Weather::FAIR);
    }

    /// Removes subsets of the faults, from half of them down to single ones.
    fn remove_faults(&mut self) {
        let mut size = self.faults().div_ceil(2);
        while size > 0 {
            let mut from = 0;
            while from < self.faults() && !self.spent() {
                let mut candidate = self.setup.clone();
                remove(&mut candidate, from, size);
                if !self.accept(candidate) {
                    from += size;
                }
            }
            size /= 2;
        }
    }

    fn faults(&self) -> usize {
        self.setup.plan.faults().count() + self.setup.triggers.len()
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

    fn simplify_weather(&mut self) {
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

    fn simplify_settings(&mut self) {
        for name in self.setup.settings.keys().cloned().collect::<Vec<_>>() {
            self.change(|setup| drop(setup.settings.remove(&name)));
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
        | Fault::Leave { target: who } => target(who),
    }
}
