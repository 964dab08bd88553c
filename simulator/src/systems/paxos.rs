//! Multi-Paxos in simulation: its invariants, its timers, and what campaigns draw of it.

use std::collections::BTreeMap;

use perjury_systems::paxos::Paxos;
use perjury_systems::paxos::multi::{self, Timer};
use perjury_systems::replica::Cluster;
use rand_chacha::ChaCha8Rng;

use super::{Drawing, Drawn, Simulated};
use crate::setup::Setup;
use crate::swarm::moments::Event::{Message, Step};
use crate::swarm::moments::Moment;
use crate::swarm::{percent, pick};
use crate::world::{Invariants, Strike};

impl Simulated for Paxos {
    fn invariants(cluster: &Cluster) -> Box<dyn Invariants<Self>> {
        Box::new(multi::invariants::Invariants::new(cluster))
    }

    fn timer(name: &str) -> Option<Timer> {
        Some(match name {
            "election" => Timer::Election,
            "heartbeat" => Timer::Heartbeat,
            "sweep" => Timer::Sweep,
            "fetch" => Timer::Fetch,
            _ => return None,
        })
    }
}

impl Drawn for Paxos {
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
    "Prepared",
    "Promised",
    "BecameLeader",
    "SteppedDown",
    "Proposed",
    "Accepted",
    "Learned",
    "Executed",
    "Acked",
    "SnapshotTaken",
    "SnapshotInstalled",
    "ConfigExecuted",
    "HandedOver",
    "Recovered",
];

const MOMENTS: &[Moment] = &[
    // A leader that is cut off as soon as it leads, or as soon as it has proposed.
    Moment {
        name: "lead",
        strikes: &[
            (Step("BecameLeader"), Strike::CutOff),
            (Step("BecameLeader"), Strike::Pause),
            (Step("Acked"), Strike::CutOff),
        ],
        heal_ms: &[60, 150, 300],
        every_ms: &[60, 150, 400],
        nodes: &[],
        hectic: true,
    },
    // Proposals that reach some acceptors only.
    Moment {
        name: "accept",
        strikes: &[
            (Message("Accept"), Strike::KillAfter),
            (Message("Accept"), Strike::CutOff),
            (Message("Accept"), Strike::Pause),
            (Message("Accepted"), Strike::CutOff),
            (Step("Accepted"), Strike::KillAfter),
            (Step("BecameLeader"), Strike::CutOff),
        ],
        heal_ms: &[30, 80, 150, 400],
        every_ms: &[60, 150, 400],
        nodes: &[],
        hectic: true,
    },
    Moment {
        name: "promise",
        strikes: &[
            (Message("Promise"), Strike::KillAfter),
            (Step("Promised"), Strike::KillAfter),
            (Message("Accepted"), Strike::KillAfter),
        ],
        heal_ms: &[1, 5, 20],
        every_ms: &[60, 150, 400],
        nodes: &[],
        hectic: true,
    },
    Moment {
        name: "snapshot",
        strikes: &[
            (Step("SnapshotTaken"), Strike::KillAfter),
            (Step("SnapshotTaken"), Strike::CutOff),
            (Step("SnapshotInstalled"), Strike::KillAfter),
            (Step("Executed"), Strike::CutOff),
            (Step("BecameLeader"), Strike::CutOff),
        ],
        heal_ms: &[50, 150, 400],
        every_ms: &[60, 150, 400],
        nodes: &[],
        hectic: true,
    },
    // A change of the members that reaches only some of them.
    Moment {
        name: "members",
        strikes: &[
            (Step("ConfigExecuted"), Strike::CutOff),
            (Step("ConfigExecuted"), Strike::KillAfter),
            (Step("ConfigExecuted"), Strike::Pause),
            (Step("BecameLeader"), Strike::CutOff),
        ],
        heal_ms: &[100, 300, 1_000],
        every_ms: &[60, 150, 400],
        nodes: &[],
        hectic: false,
    },
    // A leader that is replaced, or a replica that is cut off, just when it answers reads.
    Moment {
        name: "read",
        strikes: &[
            (Step("ReadServed"), Strike::Pause),
            (Step("ReadServed"), Strike::CutOff),
            (Message("HeartbeatReply"), Strike::CutOff),
            (Step("HandedOver"), Strike::CutOff),
        ],
        heal_ms: &[80, 150, 300, 600],
        every_ms: &[60, 150, 400],
        nodes: &[],
        hectic: false,
    },
    // A leader that is out of reach when another one asks for promises.
    Moment {
        name: "lease",
        strikes: &[
            (Step("Prepared"), Strike::CutOffLeader),
            (Message("Prepare"), Strike::CutOffLeader),
            (Step("BecameLeader"), Strike::CutOff),
        ],
        heal_ms: &[60, 150, 300],
        every_ms: &[60, 150, 400],
        nodes: &[3, 3, 5],
        hectic: true,
    },
    Moment {
        name: "wipe",
        strikes: &[
            (Message("Accepted"), Strike::Wipe),
            (Message("Accepted"), Strike::Wipe),
            (Message("Promise"), Strike::Wipe),
            (Step("Acked"), Strike::CutOff),
            (Step("Learned"), Strike::CutOffLeader),
            (Step("BecameLeader"), Strike::CutOff),
        ],
        heal_ms: &[5, 50, 300],
        every_ms: &[60, 150, 400],
        nodes: &[3, 3, 5],
        hectic: true,
    },
];

/// Settings that are legal together, and within the timing that the protocol requires: elections take much longer than
/// packets and fsyncs.
fn draw_settings(setup: &Setup, hectic: bool, rng: &mut ChaCha8Rng) -> BTreeMap<&'static str, String> {
    let mut drawn: BTreeMap<&'static str, String> = BTreeMap::new();
    let given = |name: &str| setup.settings.contains_key(name);
    let heartbeat: u64 = pick(rng, &[20, 50, 50, 100]);
    let timeout = heartbeat * pick(rng, &[3, 4, 6, 10]);
    let (heartbeat, timeout) = if hectic {
        (20, 60)
    } else {
        (heartbeat, timeout.max(100))
    };
    if !given("heartbeat-ms") && !given("election-timeout-ms") {
        drawn.insert("heartbeat-ms", heartbeat.to_string());
        drawn.insert("election-timeout-ms", timeout.to_string());
    }
    let reads = pick(rng, &["quorum", "quorum", "slot", "lease", "replicas"]);
    drawn.insert("reads", reads.to_owned());
    let mut some = |chance: u64, name: &'static str, choices: &[&str]| {
        if percent(rng, chance) {
            drawn.insert(name, pick(rng, choices).to_owned());
        }
    };
    some(50, "lease-drift-ppm", &["20000", "100000", "300000"]);
    some(60, "alpha", &["1", "3", "8", "16"]);
    some(40, "max-batch", &["1", "2", "8"]);
    some(60, "snapshot-every", &["0", "5", "20", "100"]);
    some(60, "snapshot-keep", &["0", "0", "3", "20"]);
    some(40, "chunk-bytes", &["64", "256", "4096"]);
    some(30, "catch-up-lag", &["0", "2"]);
    some(20, "session-capacity", &["3", "100"]);
    some(25, "request-timeout-ms", &["150", "600"]);
    drawn
}
