//! Draws runs: which faults, how often, how many nodes, which workload, which knobs of the protocol, which weather.
//!
//! A run that has everything at once finds less than many runs that each lack something (Groce et al., Swarm Testing,
//! ISSTA 2012): a fault that always comes hides what happens only without it.

pub(crate) mod moments;
pub(crate) mod slowness;

use std::collections::BTreeMap;
use std::str::FromStr;

use perjury_nemesis::{Nemesis, Options as Planning, Part, Plan, kinds, plan, stream};
use perjury_systems::registry;
use perjury_systems::replica::{ConfigError, MutantInfo};
use rand_chacha::ChaCha8Rng;

use crate::run::validate;
use crate::setup::{Setup, Work};
use crate::systems;
use crate::world::{Weather, below};
use moments::draw_triggers;

/// What a campaign leaves to chance.
#[derive(Clone, Debug, PartialEq)]
pub struct Swarm {
    /// What is fixed, and what everything is that is not drawn.
    pub base: Setup,
    /// What plans are drawn from, as the command line takes it: `swarm`, `partition,kill`.
    pub nemesis: String,
    /// Draw what of the rest.
    pub draws: Draws,
    /// Where a planted bug is best looked for: three in four runs look there.
    pub hint: Option<Hint>,
}

/// What unmasks a planted bug, by its own description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// The nemesis, as the command line takes it.
    pub nemesis: String,
    /// The workload.
    pub workload: String,
    /// The kind of moments at which to strike; empty for any.
    pub moment: String,
    /// The system's settings of timing: those of half of the runs, or of all where elections are not hurried.
    pub timing: BTreeMap<String, String>,
}

/// Disks fail like this when something happens that makes it matter, which triggers and the weather see to.
const AT_EVENTS: [Part; 3] = [Part::DiskSlow, Part::DiskFull, Part::DiskFlippedBit];

/// Settings that hurried elections take the place of.
const TIMING: [&str; 2] = ["heartbeat-ms", "election-timeout-ms"];

/// What is drawn, besides the plan. What is not is as in the base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draws {
    /// The number of nodes.
    pub nodes: bool,
    /// The workload, its shape, concurrency and rate.
    pub workload: bool,
    /// The length of the main phase, and how dense faults are.
    pub pace: bool,
    /// The system's settings (those that the base gives stay).
    pub settings: bool,
    /// The weather.
    pub weather: bool,
    /// Faults that strike at events.
    pub triggers: bool,
    /// Whether a majority has to serve alone in the end.
    pub trial: bool,
    /// How slow the world is as a whole, if workload, pace, settings and weather are drawn too.
    pub slowness: bool,
}

impl Draws {
    /// Draw everything.
    pub const ALL: Draws = Draws {
        nodes: true,
        workload: true,
        pace: true,
        settings: true,
        weather: true,
        triggers: true,
        trial: true,
        slowness: true,
    };
    /// Draw nothing but the plan.
    pub const NONE: Draws = Draws {
        nodes: false,
        workload: false,
        pace: false,
        settings: false,
        weather: false,
        triggers: false,
        trial: false,
        slowness: false,
    };
}

impl Draws {
    /// Nothing is slowed down if the system's own times are given.
    fn unless_timed(self, base: &Setup) -> Self {
        Draws {
            slowness: self.slowness && !slowness::is_timed(base),
            ..self
        }
    }
}

/// One of some choices.
pub(crate) fn pick<T: Copy>(rng: &mut ChaCha8Rng, choices: &[T]) -> T {
    choices[below(rng, choices.len() as u64) as usize]
}

/// Whether to do what comes up so many times in a hundred.
pub(crate) fn percent(rng: &mut ChaCha8Rng, chance: u64) -> bool {
    below(rng, 100) < chance
}

/// More events than a run that was drawn needs, by far.
const MAX_EVENTS: u64 = 3_000_000;

impl Swarm {
    /// Everything that can be drawn is, but what `base` sets of the system's settings.
    pub fn new(base: Setup) -> Self {
        Swarm {
            nemesis: perjury_nemesis::menu::SWARM.to_owned(),
            draws: Draws::ALL.unless_timed(&base),
            base,
            hint: None,
        }
    }

    /// Everything that can be drawn is, in search of this planted bug; the settings that unmask it are fixed.
    pub fn for_mutant(mut base: Setup, mutant: &MutantInfo) -> Self {
        let (_, name) = mutant.name.split_once('/').unwrap_or(("", mutant.name));
        base.mutant = Some(name.to_owned());
        let draws = Draws::ALL.unless_timed(&base);
        let mut timing = BTreeMap::new();
        for (name, value) in mutant.given() {
            let given = base
                .settings
                .entry(name.to_owned())
                .or_insert_with(|| value.to_owned());
            if TIMING.contains(&name) && given == value {
                timing.insert(name.to_owned(), value.to_owned());
            }
        }
        base.settings
            .retain(|name, value| timing.get(name) != Some(value));
        Swarm {
            hint: Some(Hint {
                nemesis: mutant.nemesis.to_owned(),
                workload: mutant.workload.to_owned(),
                moment: mutant.moment.to_owned(),
                timing,
            }),
            draws,
            ..Swarm::new(base)
        }
    }

    /// The run of this seed.
    ///
    /// # Errors
    /// If there is no such system or nemesis, or the cluster cannot have it.
    pub fn setup(&self, seed: u64) -> Result<Setup, ConfigError> {
        let drawing = systems::drawing(&self.base.system)?;
        let mut rng = stream(seed, "swarm");
        let rng = &mut rng;
        let looks = percent(rng, 75);
        let hint = self.hint.as_ref().filter(|_| looks);
        let mut setup = self.base.clone();
        setup.options.seed = seed;
        setup.noise = None;
        setup.max_events = setup.max_events.min(MAX_EVENTS);
        if self.draws.nodes {
            setup.options.nodes = pick(rng, &[3, 3, 3, 4, 5, 5, 5, 5, 5, 7]);
        }
        let moment = hint.and_then(|hint| drawing.moment(&hint.moment));
        let sizes = moment.map_or(&[][..], |moment| moment.nodes);
        if self.draws.nodes && !sizes.is_empty() {
            setup.options.nodes = pick(rng, sizes);
        }
        let nemesis = Nemesis::from_str(&self.nemesis).map_err(|error| ConfigError(error.to_string()))?;
        if self.draws.nodes {
            setup.options.nodes = setup.options.nodes.max(nemesis.least_nodes());
        }
        if self.draws.workload {
            draw_workload(&mut setup, drawing.workloads, rng);
        }
        if let Some(hint) = hint {
            setup.workload.name.clone_from(&hint.workload);
        }
        // Elections and faults in quick succession, on machines fast enough for that.
        let hurried = match moment {
            Some(moment) if moment.hectic => 75,
            Some(_) => 20,
            None => 35,
        };
        let hectic = percent(rng, hurried);
        if let Some(hint) = &self.hint
            && !(hectic && self.draws.settings)
        {
            setup.settings.extend(hint.timing.clone());
        }
        if self.draws.settings {
            for (name, value) in (drawing.settings)(&setup, hectic, rng) {
                setup.settings.entry(name.to_owned()).or_insert(value);
            }
        }
        let promise = systems::promised(&setup.system, &setup.cluster());
        let judges = |name: &str| perjury_workloads::judges(name, promise);
        if !judges(&setup.workload.name)
            && let Some(fit) = drawing.workloads.iter().find(|name| judges(name))
        {
            setup.workload.name = (*fit).to_owned();
        }
        if self.draws.weather {
            setup.weather = draw_weather(rng);
            if hectic {
                setup.weather.boot_ms = 1;
            }
        }
        let mut planning = Planning::new(setup.options.nodes, setup.options.time_limit_ms);
        planning.unless_named.extend(AT_EVENTS);
        if self.draws.pace {
            setup.options.time_limit_ms = pick(rng, &[1_000, 2_000, 4_000, 6_000, 10_000]);
            // Time for a few strikes.
            let rare = moment.and_then(|moment| moment.every_ms.iter().min());
            setup.options.time_limit_ms = setup.options.time_limit_ms.max(3 * rare.unwrap_or(&0));
            planning.time_limit_ms = setup.options.time_limit_ms;
            planning.interval_ms = Some(pick(rng, &[300, 500, 800, 1_500, 3_000]));
            planning.duration_ms = Some(pick(rng, &[100, 200, 400, 800, 1_500]));
        }
        if self.draws.pace && hectic {
            setup.options.time_limit_ms = setup.options.time_limit_ms.min(6_000);
            planning.time_limit_ms = setup.options.time_limit_ms;
            planning.interval_ms = Some(pick(rng, &[150, 250, 400]));
            planning.duration_ms = Some(pick(rng, &[100, 150, 300]));
        }
        let claimed =
            registry::system(&setup.system).and_then(|system| (system.drift_limit_ppm)(&setup.settings));
        if let Some(limit) = claimed {
            planning.drift_limit_ppm = limit;
            if self.draws.weather && percent(rng, 60) {
                setup.weather.drift_ppm = planning.drift_limit_ppm;
            }
        }
        setup.weather.drift_ppm = setup.weather.drift_ppm.min(planning.drift_limit_ppm);
        if setup.members.is_some_and(|members| members < setup.options.nodes) {
            planning.can.remove(kinds::MEMBERSHIP);
        }
        for kind in registry::system(&setup.system).map_or(&[][..], |system| system.cannot) {
            planning.can.remove(kind);
        }
        let draw = |nemesis: &Nemesis| plan(nemesis, &planning, &mut stream(seed, "nemesis"));
        let hinted = hint.map(|hint| hint.nemesis.parse().and_then(|nemesis| draw(&nemesis)));
        setup.plan = match hinted {
            Some(Ok(hinted)) => hinted,
            // So few nodes cannot have what the hint asks for.
            Some(Err(_)) | None => draw(&nemesis).map_err(|error| ConfigError(error.to_string()))?,
        };
        setup.quorum_trial |= self.draws.trial && percent(rng, 50);
        if self.draws.triggers {
            let drawn = draw_triggers(&setup, &drawing, hint.map(|hint| hint.moment.as_str()), rng);
            if drawn.len() > 8 && percent(rng, 40) {
                setup.plan = Plan::default();
            }
            setup.triggers.extend(drawn);
        }
        let Draws {
            workload,
            pace,
            settings,
            weather,
            slowness,
            ..
        } = self.draws;
        if workload && pace && settings && weather && slowness {
            let times = slowness::draw(&mut stream(seed, "slowness"));
            let mut slow = setup.clone();
            slowness::slow_down(&mut slow, times);
            // A system may set limits to its own times.
            if validate(&slow).is_ok() {
                setup = slow;
            }
        }
        Ok(setup)
    }
}

fn draw_workload(setup: &mut Setup, workloads: &[&str], rng: &mut ChaCha8Rng) {
    setup.workload = Work::named(pick(rng, workloads));
    if percent(rng, 60) {
        setup.workload.keys = Some(pick(rng, &[1, 1, 2, 3, 5]));
    }
    setup.options.concurrency = pick(rng, &[3, 5, 8, 10, 15]);
    setup.options.rate = pick(rng, &[30.0, 60.0, 100.0, 200.0, 400.0]);
    setup.options.request_timeout_ms = pick(rng, &[250, 500, 1_000]);
}

fn draw_weather(rng: &mut ChaCha8Rng) -> Weather {
    let mut weather = Weather::FAIR;
    if percent(rng, 50) {
        weather.latency_us = pick(rng, &[50, 200, 1_000, 4_000]);
        weather.jitter_us = pick(rng, &[50, 500, 3_000, 10_000]);
        weather.spread = pick(rng, &[1, 2, 5]);
    }
    if percent(rng, 20) {
        weather.heavy_percent = pick(rng, &[20, 50, 100]);
    }
    weather.connections = percent(rng, 20);
    if percent(rng, 30) {
        weather.loss_ppm = pick(rng, &[1_000, 10_000, 50_000]);
    }
    if percent(rng, 30) {
        weather.duplicate_ppm = pick(rng, &[1_000, 20_000, 100_000]);
    }
    if percent(rng, 40) {
        weather.reorder_ppm = pick(rng, &[10_000, 50_000, 200_000]);
        weather.reorder_ms = pick(rng, &[5, 30, 200]);
    }
    if percent(rng, 30) {
        weather.clog_every_ms = pick(rng, &[200, 800, 2_000]);
        weather.clog_ms = pick(rng, &[50, 300, 1_000]);
    }
    if percent(rng, 50) {
        weather.fsync_us = pick(rng, &[20, 200, 2_000]);
        weather.fsync_jitter_us = pick(rng, &[50, 1_000, 5_000]);
    }
    if percent(rng, 25) {
        weather.stall_ppm = pick(rng, &[1_000, 20_000]);
        weather.stall_ms = pick(rng, &[50, 300]);
    }
    if percent(rng, 40) {
        // As much as the system bears, at most.
        weather.drift_ppm = pick(rng, &[500, 10_000, u32::MAX, u32::MAX]);
        weather.offset_ms = pick(rng, &[0, 1_000]);
    }
    if percent(rng, 25) {
        weather.transfer_every_ms = pick(rng, &[100, 300, 1_000]);
    }
    if percent(rng, 20) {
        weather.client_loss_ppm = pick(rng, &[1_000, 20_000]);
    }
    weather.boot_ms = pick(rng, &[1, 20, 20, 200]);
    weather
}
