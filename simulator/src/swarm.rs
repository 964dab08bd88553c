//! Draws runs: which faults, how often, how many nodes, which workload, which knobs of the protocol, which weather.
//!
//! A run that has everything at once finds less than many runs that each lack something (Groce et al., Swarm Testing,
//! ISSTA 2012): a fault that always comes hides what happens only without it.

use std::collections::{BTreeMap, BTreeSet};

use perjury_nemesis::{Nemesis, NemesisError, Node, Options as Planning, Plan, kinds, plan, stream};
use perjury_systems::raft::Raft;
use perjury_systems::replica::{MutantInfo, Replica};
use rand_chacha::ChaCha8Rng;

use crate::setup::{Setup, Work};
use crate::world::{On, Strike, Trigger, Weather, below, between};

/// What a campaign leaves to chance.
#[derive(Clone, Debug, PartialEq)]
pub struct Swarm {
    /// What is fixed, and what everything is that is not drawn.
    pub base: Setup,
    /// What plans are drawn from, as the command line takes it: `swarm`, `partition,kill`.
    pub nemesis: String,
    /// Draw what of the rest.
    pub draws: Draws,
    /// Where a planted bug is best looked for: half of the runs look there.
    pub hint: Option<Hint>,
}

/// What unmasks a planted bug, by its own description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// The nemesis, as the command line takes it.
    pub nemesis: String,
    /// The workload.
    pub workload: String,
}

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
    };
}

/// One of some choices.
fn pick<T: Copy>(rng: &mut ChaCha8Rng, choices: &[T]) -> T {
    choices[below(rng, choices.len() as u64) as usize]
}

/// Whether to do what comes up so many times in a hundred.
fn percent(rng: &mut ChaCha8Rng, chance: u64) -> bool {
    below(rng, 100) < chance
}

/// More events than a run that was drawn needs, by far.
const MAX_EVENTS: u64 = 3_000_000;

impl Swarm {
    /// Everything that can be drawn is, but what `base` sets of the system's settings.
    pub fn new(base: Setup) -> Self {
        Swarm {
            base,
            nemesis: perjury_nemesis::menu::SWARM.to_owned(),
            draws: Draws::ALL,
            hint: None,
        }
    }

    /// Everything that can be drawn is, in search of this planted bug; the settings that unmask it are fixed.
    pub fn for_mutant(mut base: Setup, mutant: &MutantInfo) -> Self {
        let (_, name) = mutant.name.split_once('/').unwrap_or(("", mutant.name));
        base.mutant = Some(name.to_owned());
        for (name, value) in mutant
            .settings
            .iter()
            .filter_map(|setting| setting.split_once('='))
        {
            base.settings.insert(name.to_owned(), value.to_owned());
        }
        Swarm {
            hint: Some(Hint {
                nemesis: mutant.nemesis.to_owned(),
                workload: mutant.workload.to_owned(),
            }),
            ..Swarm::new(base)
        }
    }

    /// The run of this seed.
    ///
    /// # Errors
    /// If there is no such nemesis, or the cluster cannot have it.
    pub fn setup(&self, seed: u64) -> Result<Setup, NemesisError> {
        let mut rng = stream(seed, "swarm");
        let rng = &mut rng;
        let looks = percent(rng, 50);
        let hint = self.hint.as_ref().filter(|_| looks);
        let mut setup = self.base.clone();
        setup.options.seed = seed;
        setup.noise = None;
        setup.max_events = setup.max_events.min(MAX_EVENTS);
        if self.draws.nodes {
            setup.options.nodes = pick(rng, &[3, 3, 3, 4, 5, 5, 5, 5, 5, 7]);
        }
        if self.draws.workload {
            self.draw_workload(&mut setup, rng);
        }
        if let Some(hint) = hint {
            setup.workload.name.clone_from(&hint.workload);
        }
        // Elections and faults in quick succession, on machines fast enough for that.
        let hectic = percent(rng, 35);
        if self.draws.settings {
            draw_settings(&mut setup, hectic, rng);
        }
        if self.draws.weather {
            setup.weather = draw_weather(rng);
            if hectic {
                setup.weather.boot_ms = 1;
            }
        }
        let mut planning = Planning::new(setup.options.nodes, setup.options.time_limit_ms);
        if self.draws.pace {
            setup.options.time_limit_ms = pick(rng, &[2_000, 4_000, 6_000, 8_000, 12_000]);
            planning.time_limit_ms = setup.options.time_limit_ms;
            planning.interval_ms = Some(pick(rng, &[300, 500, 800, 1_500, 3_000]));
            planning.duration_ms = Some(pick(rng, &[100, 200, 400, 800, 1_500]));
        }
        if self.draws.pace && hectic {
            planning.interval_ms = Some(pick(rng, &[150, 250, 400]));
            planning.duration_ms = Some(pick(rng, &[100, 150, 300]));
        }
        planning.drift_limit_ppm = drift_limit_ppm(&setup);
        setup.weather.drift_ppm = setup.weather.drift_ppm.min(planning.drift_limit_ppm);
        if setup.members.is_some_and(|members| members < setup.options.nodes) {
            planning.can.remove(kinds::MEMBERSHIP);
        }
        let draw = |nemesis: &str| -> Result<Plan, NemesisError> {
            let nemesis: Nemesis = nemesis.parse()?;
            plan(&nemesis, &planning, &mut stream(seed, "nemesis"))
        };
        setup.plan = match hint.map(|hint| draw(&hint.nemesis)) {
            Some(Ok(hinted)) => hinted,
            // So few nodes cannot have what the hint asks for.
            Some(Err(_)) | None => draw(&self.nemesis)?,
        };
        setup.quorum_trial |= self.draws.trial && percent(rng, 50);
        if self.draws.triggers {
            let drawn = draw_triggers(&setup, rng);
            if drawn.len() > 8 && percent(rng, 40) {
                setup.plan = Plan::default();
            }
            setup.triggers.extend(drawn);
        }
        Ok(setup)
    }

    fn draw_workload(&self, setup: &mut Setup, rng: &mut ChaCha8Rng) {
        let name = pick(
            rng,
            &[
                "cas", "cas", "register", "register", "append", "append", "counter", "set",
            ],
        );
        setup.workload = Work::named(name);
        if percent(rng, 60) {
            setup.workload.keys = Some(pick(rng, &[1, 1, 2, 3, 5]));
        }
        setup.options.concurrency = pick(rng, &[3, 5, 8, 10, 15]);
        setup.options.rate = pick(rng, &[30.0, 60.0, 100.0, 200.0, 400.0]);
        setup.options.request_timeout_ms = pick(rng, &[250, 500, 1_000]);
    }
}

/// By how much clocks may be off: as much as the system claims to bear.
fn drift_limit_ppm(setup: &Setup) -> u32 {
    let default = Planning::new(1, 1).drift_limit_ppm;
    if setup.settings.get("reads").is_some_and(|reads| reads == "lease") {
        setup
            .settings
            .get("lease-drift-ppm")
            .and_then(|ppm| ppm.parse().ok())
            .unwrap_or(100_000)
            .min(default)
    } else {
        default
    }
}

/// Settings that are legal together, and within the timing that the protocol requires: elections take much longer than
/// packets and fsyncs.
fn draw_settings(setup: &mut Setup, hectic: bool, rng: &mut ChaCha8Rng) {
    if setup.system != Raft::NAME {
        return;
    }
    let mut drawn: BTreeMap<&str, String> = BTreeMap::new();
    let given = |name: &str| setup.settings.get(name).map(String::as_str);
    let heartbeat: u64 = pick(rng, &[20, 50, 50, 100]);
    let timeout = heartbeat * pick(rng, &[3, 4, 6, 10]);
    let (heartbeat, timeout) = if hectic {
        (20, 60)
    } else {
        (heartbeat, timeout.max(100))
    };
    if given("heartbeat-ms").is_none() && given("election-timeout-ms").is_none() {
        drawn.insert("heartbeat-ms", heartbeat.to_string());
        drawn.insert("election-timeout-ms", timeout.to_string());
    }
    let lease = percent(rng, 25);
    let prevote = percent(rng, 60);
    let quorum = if prevote {
        percent(rng, 85)
    } else {
        percent(rng, 40)
    };
    if lease && given("reads").is_none() && given("prevote").is_none_or(|prevote| prevote == "on") {
        drawn.insert("reads", "lease".to_owned());
        drawn.insert(
            "lease-drift-ppm",
            pick(rng, &["20000", "100000", "300000"]).to_owned(),
        );
        drawn.insert("prevote", "on".to_owned());
    } else if given("reads") != Some("lease") && !prevote {
        drawn.insert("prevote", "off".to_owned());
    }
    if !quorum {
        drawn.insert("check-quorum", "off".to_owned());
    }
    let mut some = |chance: u64, name: &'static str, choices: &[&str]| {
        if percent(rng, chance) {
            drawn.insert(name, pick(rng, choices).to_owned());
        }
    };
    some(60, "max-entries-per-append", &["1", "1", "2", "8"]);
    some(50, "max-inflight", &["1", "2", "64"]);
    some(60, "snapshot-every", &["0", "5", "20", "100"]);
    some(60, "snapshot-keep", &["0", "0", "3", "20"]);
    some(40, "chunk-bytes", &["64", "256", "4096"]);
    some(40, "membership", &["single"]);
    some(30, "catch-up-lag", &["0", "2"]);
    some(25, "apply-delay-us", &["300", "3000", "20000"]);
    some(20, "session-capacity", &["3", "100"]);
    some(25, "request-timeout-ms", &["150", "600"]);
    for (name, value) in drawn {
        setup.settings.entry(name.to_owned()).or_insert(value);
    }
}

fn draw_weather(rng: &mut ChaCha8Rng) -> Weather {
    let mut weather = Weather::FAIR;
    if percent(rng, 50) {
        weather.latency_us = pick(rng, &[50, 200, 1_000, 4_000]);
        weather.jitter_us = pick(rng, &[50, 500, 3_000, 10_000]);
        weather.spread = pick(rng, &[1, 2, 5]);
    }
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

/// A way to strike again and again at the moments at which promises are made or relied upon.
struct Recipe {
    steps: &'static [&'static str],
    messages: &'static [&'static str],
    strikes: &'static [Strike],
    heal_ms: &'static [u64],
}

const RECIPES: &[Recipe] = &[
    // A leader that is cut off as soon as it leads, or as soon as it has committed.
    Recipe {
        steps: &["BecameLeader", "Committed"],
        messages: &[],
        strikes: &[Strike::CutOff],
        heal_ms: &[60, 150, 300],
    },
    // A voter that restarts as soon as its vote is on the way.
    Recipe {
        steps: &["TermChanged"],
        messages: &["VoteReply"],
        strikes: &[Strike::KillAfter],
        heal_ms: &[1, 5, 20],
    },
    Recipe {
        steps: &["BecameLeader"],
        messages: &["Append"],
        strikes: &[Strike::KillAfter, Strike::CutOff, Strike::Pause],
        heal_ms: &[50, 150, 400],
    },
    // What was acknowledged has to survive.
    Recipe {
        steps: &["Acked"],
        messages: &["AppendReply"],
        strikes: &[Strike::KillAfter, Strike::CutOff, Strike::Pause],
        heal_ms: &[5, 100, 300],
    },
    Recipe {
        steps: &["Truncated", "SnapshotTaken", "SnapshotInstalled"],
        messages: &["SnapshotReply"],
        strikes: &[Strike::KillAfter, Strike::KillBefore],
        heal_ms: &[5, 50],
    },
    Recipe {
        steps: &["ConfigAppended", "ConfigRolledBack"],
        messages: &[],
        strikes: &[Strike::CutOff, Strike::KillAfter, Strike::Pause],
        heal_ms: &[100, 300, 1_000],
    },
    Recipe {
        steps: &["ReadServed", "HandedOver"],
        messages: &["ReadIndexReply", "TimeoutNow"],
        strikes: &[Strike::Pause, Strike::CutOff],
        heal_ms: &[80, 150, 300],
    },
];

fn follow_recipe(setup: &Setup, rng: &mut ChaCha8Rng) -> Vec<Trigger> {
    let recipe = &RECIPES[below(rng, RECIPES.len() as u64) as usize];
    let strike = pick(rng, recipe.strikes);
    let heal_ms = pick(rng, recipe.heal_ms);
    let every_ms = pick(rng, &[60, 150, 400]);
    let choices = recipe.steps.len() + recipe.messages.len();
    let mut triggers = Vec::new();
    let mut after_ms = 0;
    while triggers.len() < MAX_TRIGGERS && after_ms + 200 < setup.options.time_limit_ms {
        let chosen = below(rng, choices as u64) as usize;
        triggers.push(Trigger {
            node: None,
            on: match chosen.checked_sub(recipe.steps.len()) {
                None => On::Step(recipe.steps[chosen].to_owned()),
                Some(message) => On::Message(recipe.messages[message].to_owned()),
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

fn draw_triggers(setup: &Setup, rng: &mut ChaCha8Rng) -> Vec<Trigger> {
    if percent(rng, 30) {
        return follow_recipe(setup, rng);
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
