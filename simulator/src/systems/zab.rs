//! ZAB in simulation: its invariants, its timers, and what campaigns draw of it.

use std::collections::BTreeMap;

use perjury_systems::replica::Cluster;
use perjury_systems::zab::{self, Zab};
use rand_chacha::ChaCha8Rng;

use super::{Drawing, Drawn, Simulated};
use crate::setup::Setup;
use crate::swarm::moments::Event::{Message, Step};
use crate::swarm::moments::{Moment, OFTEN};
use crate::swarm::{percent, pick};
use crate::world::{Invariants, Strike};

impl Simulated for Zab {
    fn invariants(_: &Cluster) -> Box<dyn Invariants<Self>> {
        Box::new(zab::invariants::Invariants::default())
    }

    // An oracle names whomever it likes, also nodes that are gone.
    fn majority_serves(cluster: &Cluster) -> bool {
        zab::Settings::parse(&cluster.settings).is_ok_and(|settings| settings.election == zab::Election::Fast)
    }

    fn timer(name: &str) -> Option<Self::Timer> {
        Some(match name {
            "finalize" => zab::Timer::Finalize,
            "notify" => zab::Timer::Notify,
            "init" => zab::Timer::Init,
            "tick" => zab::Timer::Tick,
            "apply" => zab::Timer::Apply,
            "snapshot" => zab::Timer::Snapshot,
            "sweep" => zab::Timer::Sweep,
            _ => return None,
        })
    }
}

impl Drawn for Zab {
    const DRAWING: Drawing = Drawing {
        workloads: &[
            "cas", "cas", "register", "register", "append", "append", "counter", "set",
        ],
        steps: STEPS,
        moments: MOMENTS,
        settings: draw_settings,
    };
}

const STEPS: &[&str] = &[
    "Looking",
    "Voted",
    "Elected",
    "Leading",
    "Following",
    "EpochAccepted",
    "EpochAckCounted",
    "Discovered",
    "SyncBegun",
    "EpochAdopted",
    "NewLeaderAckCounted",
    "Established",
    "Serving",
    "SteppedDown",
    "Left",
    "Proposed",
    "Appended",
    "Truncated",
    "Committed",
    "Applied",
    "SnapshotBegun",
    "SnapshotTaken",
    "SnapshotInstalled",
    "Recovered",
];

const MOMENTS: &[Moment] = &[
    // Votes that are lost with whoever cast them.
    Moment {
        name: "vote",
        strikes: &[
            (Step("Looking"), Strike::KillAfter),
            (Step("Elected"), Strike::KillAfter),
            (Step("Elected"), Strike::CutOff),
            (Step("Established"), Strike::CutOff),
        ],
        heal_ms: &[1, 20, 100],
        every_ms: OFTEN,
        nodes: &[],
        hectic: true,
    },
    // Epochs that are agreed to, and forgotten.
    Moment {
        name: "discovery",
        strikes: &[
            (Message("AckEpoch"), Strike::KillAfter),
            (Message("AckEpoch"), Strike::CutOff),
            (Step("EpochAccepted"), Strike::KillAfter),
            (Step("Discovered"), Strike::CutOff),
            (Message("NewEpoch"), Strike::CutOff),
        ],
        heal_ms: &[1, 20, 100, 200],
        every_ms: OFTEN,
        nodes: &[],
        hectic: true,
    },
    // Learners and leaders that are lost in the middle of a synchronisation.
    Moment {
        name: "sync",
        strikes: &[
            (Step("EpochAdopted"), Strike::KillAfter),
            (Message("AckNewLeader"), Strike::KillAfter),
            (Message("NewLeader"), Strike::KillAfter),
            (Message("NewLeader"), Strike::CutOff),
            (Step("SyncBegun"), Strike::KillAfter),
            (Step("Appended"), Strike::KillAfter),
        ],
        heal_ms: &[1, 20, 100, 300],
        every_ms: OFTEN,
        nodes: &[],
        hectic: true,
    },
    // A leader that is cut off as soon as it serves, or with something outstanding.
    Moment {
        name: "lead",
        strikes: &[
            (Step("Established"), Strike::CutOff),
            (Step("Proposed"), Strike::CutOff),
            (Step("Committed"), Strike::CutOff),
        ],
        heal_ms: &[60, 150, 300],
        every_ms: OFTEN,
        nodes: &[],
        hectic: true,
    },
    // What was acknowledged has to survive.
    Moment {
        name: "acknowledge",
        strikes: &[
            (Step("Settled"), Strike::KillAfter),
            (Message("Ack"), Strike::KillAfter),
            (Message("Ack"), Strike::CutOff),
            (Step("Committed"), Strike::KillAfter),
        ],
        heal_ms: &[5, 100, 300],
        every_ms: OFTEN,
        nodes: &[],
        hectic: false,
    },
    Moment {
        name: "truncate",
        strikes: &[
            (Step("Truncated"), Strike::KillAfter),
            (Step("Truncated"), Strike::CutOff),
            (Step("Proposed"), Strike::CutOff),
            (Step("Proposed"), Strike::KillAfter),
        ],
        heal_ms: &[5, 50, 150],
        every_ms: OFTEN,
        nodes: &[],
        hectic: false,
    },
    Moment {
        name: "snapshot",
        strikes: &[
            (Step("SnapshotTaken"), Strike::KillAfter),
            (Step("SnapshotBegun"), Strike::KillAfter),
            (Step("SnapshotInstalled"), Strike::KillAfter),
            (Message("Snap"), Strike::CutOff),
            (Message("Snap"), Strike::KillAfter),
            (Step("Established"), Strike::CutOff),
        ],
        heal_ms: &[5, 50, 150],
        every_ms: OFTEN,
        nodes: &[],
        hectic: false,
    },
    // A leader that is replaced just when it answers reads.
    Moment {
        name: "read",
        strikes: &[
            (Message("Synced"), Strike::Pause),
            (Step("ReadServed"), Strike::Pause),
            (Step("ReadServed"), Strike::CutOff),
        ],
        heal_ms: &[80, 150, 300, 600],
        every_ms: OFTEN,
        nodes: &[],
        hectic: false,
    },
];

/// Settings that are legal together, and within the timing that the protocol requires: elections take much longer than
/// packets and fsyncs.
fn draw_settings(setup: &Setup, hectic: bool, rng: &mut ChaCha8Rng) -> BTreeMap<&'static str, String> {
    let mut drawn: BTreeMap<&'static str, String> = BTreeMap::new();
    let given = |name: &str| setup.settings.contains_key(name);
    let tick: u64 = pick(rng, &[20, 50, 50, 100]);
    let limit = tick * pick(rng, &[3, 4, 6, 10]);
    let (tick, limit) = if hectic { (20, 60) } else { (tick, limit.max(100)) };
    if !given("tick-ms") && !given("sync-limit-ms") {
        drawn.insert("tick-ms", tick.to_string());
        drawn.insert("sync-limit-ms", limit.to_string());
    }
    if hectic {
        drawn.insert("init-limit-ms", "250".to_owned());
        drawn.insert("notify-ms", "20".to_owned());
        drawn.insert("notify-longest-ms", "100".to_owned());
        drawn.insert("finalize-wait-ms", "10".to_owned());
    }
    let voters = u64::from(setup.options.nodes);
    if percent(rng, 25) && !given("observers") && voters > 3 {
        drawn.insert("observers", pick(rng, &[1, 1, voters - 3]).to_string());
    }
    if percent(rng, 15) && !given("election") {
        drawn.insert("election", "oracle".to_owned());
    }
    if setup.workload.name == "register" && percent(rng, 40) && !given("reads") {
        drawn.insert("reads", "local".to_owned());
    }
    let mut some = |chance: u64, name: &'static str, choices: &[&str]| {
        if percent(rng, chance) {
            drawn.insert(name, pick(rng, choices).to_owned());
        }
    };
    some(60, "snapshot-every", &["0", "5", "20", "100"]);
    some(60, "snapshot-keep", &["0", "0", "3", "20"]);
    some(60, "piece-keys", &["1", "1", "2", "10"]);
    some(40, "snapshot-pause-us", &["100", "5000", "20000"]);
    some(25, "apply-delay-us", &["300", "3000", "20000"]);
    some(20, "session-capacity", &["3", "100"]);
    some(25, "request-timeout-ms", &["150", "600"]);
    some(25, "counter-limit", &["3", "20", "100"]);
    drawn
}
