//! Basic Paxos in simulation: its invariants, its timers, and what campaigns draw of it.

use std::collections::BTreeMap;

use perjury_systems::paxos::BasicPaxos;
use perjury_systems::paxos::basic::{self, Timer};
use perjury_systems::replica::Cluster;
use rand_chacha::ChaCha8Rng;

use super::{Drawing, Drawn, Simulated};
use crate::setup::Setup;
use crate::swarm::moments::Event::{Message, Step};
use crate::swarm::moments::Moment;
use crate::swarm::{percent, pick};
use crate::world::{Invariants, Strike};

impl Simulated for BasicPaxos {
    fn invariants(cluster: &Cluster) -> Box<dyn Invariants<Self>> {
        Box::new(basic::invariants::Invariants::new(&cluster.members))
    }

    fn timer(name: &str) -> Option<Timer> {
        match name {
            "retry" => Some(Timer::Retry),
            _ => None,
        }
    }
}

impl Drawn for BasicPaxos {
    const DRAWING: Drawing = Drawing {
        workloads: &["once"],
        steps: STEPS,
        moments: MOMENTS,
        settings: draw_settings,
    };
}

const STEPS: &[&str] = &[
    "Began",
    "Promised",
    "PromiseCounted",
    "Proposed",
    "Accepted",
    "VoteCounted",
    "Learned",
    "GaveUp",
    "ReadServed",
    "Acked",
    "SnapshotTaken",
    "Recovered",
];

const MOMENTS: &[Moment] = &[
    // A proposal that reaches some acceptors only.
    Moment {
        name: "accept",
        strikes: &[
            (Message("Accept"), Strike::KillAfter),
            (Message("Accept"), Strike::CutOff),
            (Message("Accept"), Strike::Pause),
            (Step("Accepted"), Strike::KillAfter),
            (Message("Accepted"), Strike::KillAfter),
            (Message("Accepted"), Strike::CutOff),
        ],
        heal_ms: &[5, 50, 150, 400],
        every_ms: &[60, 150, 400],
        nodes: &[],
        hectic: false,
    },
    // The same where half of the acceptors might be taken for a majority.
    Moment {
        name: "even",
        strikes: &[
            (Message("Accept"), Strike::KillAfter),
            (Message("Accept"), Strike::CutOff),
            (Message("Prepare"), Strike::CutOff),
        ],
        heal_ms: &[50, 150, 400],
        every_ms: &[60, 150, 400],
        nodes: &[4],
        hectic: false,
    },
    // A proposer that has its promises, and is stopped before or while it proposes.
    Moment {
        name: "propose",
        strikes: &[
            (Step("Proposed"), Strike::KillAfter),
            (Message("Accept"), Strike::KillAfter),
            (Step("Began"), Strike::KillAfter),
        ],
        heal_ms: &[1, 5, 50],
        every_ms: &[60, 150, 400],
        nodes: &[],
        hectic: true,
    },
    // An acceptor that restarts as soon as its promise is on the way.
    Moment {
        name: "promise",
        strikes: &[
            (Message("Promise"), Strike::KillAfter),
            (Message("Promise"), Strike::KillAfter),
            (Message("Accepted"), Strike::KillAfter),
            (Step("Promised"), Strike::KillAfter),
        ],
        heal_ms: &[1, 5, 20],
        every_ms: &[60, 150, 400],
        nodes: &[],
        hectic: true,
    },
    Moment {
        name: "wipe",
        strikes: &[
            (Message("Accepted"), Strike::Wipe),
            (Message("Promise"), Strike::Wipe),
            (Message("Accept"), Strike::CutOff),
            (Step("Learned"), Strike::CutOff),
        ],
        heal_ms: &[5, 50, 300],
        every_ms: &[60, 150, 400],
        nodes: &[],
        hectic: true,
    },
];

fn draw_settings(_setup: &Setup, hectic: bool, rng: &mut ChaCha8Rng) -> BTreeMap<&'static str, String> {
    let mut drawn: BTreeMap<&'static str, String> = BTreeMap::new();
    let (timeouts, backoffs): (&[&str], &[&str]) = if hectic {
        (&["20", "40"], &["1", "3"])
    } else {
        (&["40", "100", "250"], &["1", "5", "10", "30"])
    };
    drawn.insert("ballot-timeout-ms", pick(rng, timeouts).to_owned());
    drawn.insert("backoff-ms", pick(rng, backoffs).to_owned());
    let mut some = |chance: u64, name: &'static str, choices: &[&str]| {
        if percent(rng, chance) {
            drawn.insert(name, pick(rng, choices).to_owned());
        }
    };
    some(30, "snapshot-every", &["20", "100", "1000"]);
    some(30, "request-timeout-ms", &["150", "600"]);
    drawn
}
