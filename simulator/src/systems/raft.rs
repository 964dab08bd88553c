//! Raft in simulation: its invariants, its timers, and what campaigns draw of it.

use std::collections::BTreeMap;

use perjury_systems::raft::{self, Raft};
use perjury_systems::replica::Cluster;
use rand_chacha::ChaCha8Rng;

use super::{Drawing, Drawn, Simulated};
use crate::setup::Setup;
use crate::swarm::moments::Event::{Message, Step};
use crate::swarm::moments::{Moment, OFTEN};
use crate::swarm::{percent, pick};
use crate::world::{Invariants, Strike};

impl Simulated for Raft {
    const SIMPLER: &'static [(&'static str, &'static str)] =
        &[("prevote", "off"), ("check-quorum", "off"), ("identity", "trust")];

    fn invariants(cluster: &Cluster) -> Box<dyn Invariants<Self>> {
        Box::new(raft::invariants::Invariants::new(&cluster.members))
    }

    fn timer(name: &str) -> Option<Self::Timer> {
        Some(match name {
            "election" => raft::Timer::Election,
            "heartbeat" => raft::Timer::Heartbeat,
            "quorum" => raft::Timer::Quorum,
            "transfer" => raft::Timer::Transfer,
            "apply" => raft::Timer::Apply,
            "sweep" => raft::Timer::Sweep,
            _ => return None,
        })
    }
}

impl Drawn for Raft {
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

const MOMENTS: &[Moment] = &[
    // A leader that is cut off as soon as it leads, or as soon as it has committed.
    Moment {
        name: "lead",
        strikes: &[
            (Step("BecameLeader"), Strike::CutOff),
            (Step("Committed"), Strike::CutOff),
        ],
        heal_ms: &[60, 150, 300],
        every_ms: OFTEN,
        nodes: &[],
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
        heal_ms: &[1, 1, 5, 20],
        every_ms: OFTEN,
        nodes: &[3, 3, 5],
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
        every_ms: OFTEN,
        nodes: &[],
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
            (Step("Recovered"), Strike::CutOffLeader),
        ],
        heal_ms: &[5, 100, 300],
        every_ms: OFTEN,
        nodes: &[],
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
            (Step("SnapshotInstalled"), Strike::CutOffLeader),
        ],
        heal_ms: &[5, 50, 150],
        every_ms: OFTEN,
        nodes: &[3, 3, 5],
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
        every_ms: OFTEN,
        nodes: &[],
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
            (Step("ConfigAppended"), Strike::CutOffLeader),
        ],
        heal_ms: &[100, 300, 1_000],
        every_ms: OFTEN,
        nodes: &[4, 4, 5, 6],
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
        every_ms: OFTEN,
        nodes: &[3, 3, 5],
        hectic: false,
    },
    // A leader that is replaced while it counts on nobody having replaced it.
    Moment {
        name: "lease",
        strikes: &[
            (Step("ReadServed"), Strike::CutOffLeader),
            (Step("Committed"), Strike::CutOff),
            (Step("HandedOver"), Strike::CutOff),
        ],
        heal_ms: &[1_000, 2_000],
        every_ms: &[1_500, 2_500],
        nodes: &[3, 3, 5],
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
            (Step("Recovered"), Strike::CutOffLeader),
        ],
        heal_ms: &[150, 400, 1_000],
        every_ms: OFTEN,
        nodes: &[],
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
        every_ms: OFTEN,
        nodes: &[],
        hectic: true,
    },
];

/// Settings that are legal together, and within the timing that the protocol requires: elections take much longer than
/// packets and fsyncs.
fn draw_settings(setup: &Setup, hectic: bool, rng: &mut ChaCha8Rng) -> BTreeMap<&'static str, String> {
    let mut drawn: BTreeMap<&'static str, String> = BTreeMap::new();
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
    drawn
}
