//! Quorum NWR in simulation: its invariants, its timers, and what campaigns draw of it.

use std::collections::BTreeMap;

use perjury_systems::nwr::{self, Nwr};
use perjury_systems::replica::Cluster;
use rand_chacha::ChaCha8Rng;

use super::{Drawing, Drawn, Simulated};
use crate::setup::Setup;
use crate::swarm::moments::Event::{Message, Step};
use crate::swarm::moments::{Moment, OFTEN};
use crate::swarm::{percent, pick};
use crate::world::{Invariants, Strike};

impl Simulated for Nwr {
    const SIMPLER: &'static [(&'static str, &'static str)] = &[
        ("anti-entropy-ms", "0"),
        ("handoff", "off"),
        ("read-repair", "off"),
    ];

    // Of the nodes that hold a key, a majority of all may have too few.
    fn majority_serves(_: &Cluster) -> bool {
        false
    }

    // Of W copies another one is left.
    fn survives_a_lost_disk(cluster: &Cluster) -> bool {
        nwr::Settings::parse(&cluster.settings).is_ok_and(|settings| settings.w >= 2)
    }

    fn invariants(cluster: &Cluster) -> Box<dyn Invariants<Self>> {
        Box::new(nwr::invariants::Invariants::new(cluster))
    }

    fn timer(name: &str) -> Option<Self::Timer> {
        Some(match name {
            "retry" => nwr::Timer::Retry,
            "repair" => nwr::Timer::Repair,
            "change" => nwr::Timer::Change,
            _ => return None,
        })
    }
}

impl Drawn for Nwr {
    const DRAWING: Drawing = Drawing {
        workloads: &["register", "register", "register", "delete", "set"],
        steps: STEPS,
        moments: MOMENTS,
        settings: draw_settings,
    };
}

const STEPS: &[&str] = &[
    "Began",
    "Tagged",
    "Wrote",
    "Counted",
    "Done",
    "GaveUp",
    "Repaired",
    "Hinted",
    "HandedOver",
    "Differed",
    "Adopted",
    "CaughtUp",
    "Recovered",
];

const MOMENTS: &[Moment] = &[
    // A coordinator that is gone when its write has reached only some replicas.
    Moment {
        name: "half",
        strikes: &[
            (Step("Tagged"), Strike::CutOff),
            (Step("Wrote"), Strike::CutOff),
            (Message("Store"), Strike::KillAfter),
            (Message("Store"), Strike::CutOff),
        ],
        heal_ms: &[20, 80, 200],
        every_ms: OFTEN,
        nodes: &[],
        hectic: false,
    },
    // A replica that is gone when it has stored something.
    Moment {
        name: "store",
        strikes: &[
            (Step("Wrote"), Strike::KillAfter),
            (Message("Stored"), Strike::KillAfter),
            (Message("Stored"), Strike::Pause),
            (Message("Stored"), Strike::CutOff),
        ],
        heal_ms: &[5, 50, 200, 600],
        every_ms: OFTEN,
        nodes: &[],
        hectic: false,
    },
    // A change of the ring that reaches only some.
    Moment {
        name: "view",
        strikes: &[
            (Step("Adopted"), Strike::CutOff),
            (Step("Adopted"), Strike::Pause),
            (Step("CaughtUp"), Strike::KillAfter),
            (Step("Adopted"), Strike::KillAfter),
        ],
        heal_ms: &[50, 150, 400],
        every_ms: OFTEN,
        nodes: &[],
        hectic: false,
    },
    Moment {
        name: "wipe",
        strikes: &[
            (Message("Stored"), Strike::Wipe),
            (Step("Wrote"), Strike::Wipe),
            (Message("Answer"), Strike::Wipe),
            (Step("Done"), Strike::CutOff),
        ],
        heal_ms: &[5, 50, 300],
        every_ms: OFTEN,
        nodes: &[],
        hectic: false,
    },
    Moment {
        name: "rot",
        strikes: &[(Message("Stored"), Strike::Rot), (Step("Wrote"), Strike::Rot)],
        heal_ms: &[150, 400, 1_000],
        every_ms: OFTEN,
        nodes: &[],
        hectic: false,
    },
];

/// Settings that are legal together: what is promised is judged, so that quorums that need not meet are no alarm.
fn draw_settings(setup: &Setup, _: bool, rng: &mut ChaCha8Rng) -> BTreeMap<&'static str, String> {
    let mut drawn: BTreeMap<&'static str, String> = BTreeMap::new();
    let given = |name: &str| setup.settings.get(name).map(String::as_str);
    let nodes = setup.members.unwrap_or(setup.options.nodes);
    let quorums: &[(u16, u16, u16)] = if nodes >= 5 {
        &[
            (3, 2, 2),
            (3, 2, 2),
            (3, 2, 2),
            (5, 3, 3),
            (3, 3, 1),
            (3, 1, 3),
            (5, 4, 2),
            (3, 1, 1),
        ]
    } else {
        &[(3, 2, 2), (3, 2, 2), (3, 2, 2), (3, 3, 1), (3, 1, 3), (3, 1, 2)]
    };
    let set = setup.workload.name == "set";
    let promising = |(n, w, r): &(u16, u16, u16)| !set || w + r > *n;
    let quorums: Vec<_> = quorums.iter().copied().filter(promising).collect();
    let (n, w, r) = pick(rng, &quorums);
    if ["n", "w", "r"].iter().all(|name| given(name).is_none()) {
        drawn.insert("n", n.to_string());
        drawn.insert("w", w.to_string());
        drawn.insert("r", r.to_string());
    }
    // An element that was read has to stay: siblings are kept, and reads stored before they return.
    if set {
        drawn.insert("versions", "vector".to_owned());
        drawn.insert("reads", "abd".to_owned());
    }
    let mut some = |chance: u64, name: &'static str, choices: &[&str]| {
        if percent(rng, chance) {
            drawn.insert(name, pick(rng, choices).to_owned());
        }
    };
    if !set {
        some(8, "versions", &["clock", "vector"]);
        some(35, "reads", &["abd"]);
        some(5, "sloppy", &["on"]);
    }
    some(40, "read-repair", &["off"]);
    some(30, "handoff", &["off"]);
    some(50, "hint-after-ms", &["20", "60", "300"]);
    some(60, "anti-entropy-ms", &["0", "50", "200"]);
    some(40, "retry-ms", &["10", "100"]);
    some(40, "request-timeout-ms", &["150", "400"]);
    some(30, "virtual-nodes", &["1", "4", "64"]);
    some(20, "token-bits", &["6", "10"]);
    some(50, "snapshot-every", &["20", "100"]);
    if setup.workload.name == "delete" {
        some(60, "gc-grace-ms", &["1", "20", "200"]);
    }
    drawn
}
