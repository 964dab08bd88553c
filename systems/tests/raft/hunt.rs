//! Looking for the plans and seeds that catch each mutant: `cargo test --release … -- --ignored hunt --nocapture`.

use perjury_systems::raft::MUTANTS;
use perjury_systems::replica::MutantInfo;

use crate::bed::{MS, Weather};
use crate::chaos::{FAULTS, Fault, Plan, run, run_black_box};

/// The plans by name.
pub fn plan(name: &str) -> Plan {
    let rough = vec![
        Fault::Halves,
        Fault::Leader,
        Fault::OneWay,
        Fault::Crash,
        Fault::CrashLeader,
    ];
    match name {
        // Three nodes without what masks mistakes, one entry an append, tiny snapshots.
        "bare3" => Plan {
            members: 3,
            faults: rough,
            settings: vec![
                ("prevote", "off"),
                ("check-quorum", "off"),
                ("max-entries-per-append", "1"),
                ("snapshot-every", "10"),
                ("snapshot-keep", "0"),
                ("chunk-bytes", "100"),
            ],
            ..Plan::default()
        },
        // Five nodes that campaign often.
        "hasty5" => Plan {
            faults: rough,
            settings: vec![
                ("prevote", "off"),
                ("check-quorum", "off"),
                ("max-entries-per-append", "1"),
                ("heartbeat-ms", "30"),
                ("election-timeout-ms", "60"),
                ("snapshot-every", "0"),
            ],
            pace: 200 * MS,
            ..Plan::default()
        },
        "plain5" => Plan::default(),
        "even4" => Plan {
            members: 4,
            faults: rough,
            settings: vec![("prevote", "off"), ("snapshot-every", "0")],
            ..Plan::default()
        },
        "members" => Plan {
            members: 3,
            spare: 3,
            faults: vec![
                Fault::Members,
                Fault::Members,
                Fault::Halves,
                Fault::Leader,
                Fault::Crash,
                Fault::Transfer,
            ],
            settings: vec![
                ("snapshot-every", "15"),
                ("snapshot-keep", "0"),
                ("prevote", "off"),
            ],
            pace: 200 * MS,
            ..Plan::default()
        },
        "singles" => Plan {
            members: 4,
            spare: 2,
            faults: vec![
                Fault::Members,
                Fault::Members,
                Fault::Halves,
                Fault::CrashLeader,
                Fault::Transfer,
            ],
            settings: vec![
                ("membership", "single"),
                ("prevote", "off"),
                ("snapshot-every", "20"),
            ],
            pace: 200 * MS,
            ..Plan::default()
        },
        "lease" => Plan {
            members: 3,
            faults: vec![
                Fault::Clock,
                Fault::Clock,
                Fault::Leader,
                Fault::PauseLeader,
                Fault::Transfer,
            ],
            settings: vec![
                ("reads", "lease"),
                ("lease-drift-ppm", "40000"),
                ("check-quorum", "off"),
            ],
            clients: 8,
            ..Plan::default()
        },
        "slow" => Plan {
            members: 3,
            faults: FAULTS.to_vec(),
            settings: vec![
                ("apply-delay-us", "20000"),
                ("snapshot-every", "10"),
                ("snapshot-keep", "0"),
                ("chunk-bytes", "100"),
            ],
            ..Plan::default()
        },
        "power" => Plan {
            members: 3,
            faults: vec![Fault::Crash, Fault::CrashLeader, Fault::Blackout, Fault::Leader],
            settings: vec![
                ("prevote", "off"),
                ("snapshot-every", "10"),
                ("snapshot-keep", "0"),
            ],
            weather: Weather {
                sync: (MS, 40 * MS),
                ..Weather::ROUGH
            },
            pace: 150 * MS,
            ..Plan::default()
        },
        // Messages that take as long as an election.
        "late" => Plan {
            faults: rough,
            settings: vec![
                ("prevote", "off"),
                ("check-quorum", "off"),
                ("heartbeat-ms", "30"),
                ("election-timeout-ms", "60"),
                ("snapshot-every", "0"),
            ],
            weather: Weather {
                delay: (MS, 70 * MS),
                tail: 400 * MS,
                ..Weather::ROUGH
            },
            ..Plan::default()
        },
        // One change of the members after another, cut short by partitions.
        "churn" => Plan {
            members: 3,
            spare: 3,
            faults: vec![
                Fault::Members,
                Fault::Members,
                Fault::Members,
                Fault::Leader,
                Fault::Halves,
            ],
            settings: vec![
                ("snapshot-every", "0"),
                ("prevote", "off"),
                ("check-quorum", "off"),
            ],
            pace: 100 * MS,
            ..Plan::default()
        },
        other => panic!("no plan {other}"),
    }
}

/// The plan that a mutant's own description names: its nemesis, its settings, five nodes, a minute, ten clients.
fn own_plan(info: &MutantInfo) -> Plan {
    let mut faults = Vec::new();
    let mut weather = Weather::FAIR;
    for nemesis in info.nemesis.split(',') {
        match nemesis {
            "partition-leader" | "partition-minority" => faults.push(Fault::Leader),
            "partition-one-way" => faults.push(Fault::OneWay),
            "partition" => faults.extend([Fault::Leader, Fault::Halves, Fault::OneWay]),
            text if text.starts_with("partition") => faults.push(Fault::Halves),
            "kill" => faults.extend([Fault::Crash, Fault::CrashLeader]),
            "pause" => faults.extend([Fault::Pause, Fault::PauseLeader]),
            "clock" => faults.push(Fault::Clock),
            "membership" => faults.extend([Fault::Members, Fault::Members, Fault::Transfer]),
            "packets" => {
                weather = Weather {
                    delay: (MS, 30 * MS),
                    tail: 300 * MS,
                    ..Weather::ROUGH
                }
            }
            text if text.starts_with("disk") => faults.extend([Fault::Crash, Fault::Blackout]),
            _ => {}
        }
    }
    Plan {
        members: 5,
        spare: if info.nemesis.contains("membership") { 1 } else { 0 },
        settings: info.given().collect(),
        mutant: None,
        faults,
        weather,
        clients: 10,
        length: 60_000 * MS,
        pace: 2_000 * MS,
        think: 45 * MS,
        retry: true,
    }
}

/// The names of all plans.
pub const PLANS: &[&str] = &[
    "bare3", "hasty5", "plain5", "even4", "members", "singles", "lease", "slow", "power",
];

#[test]
#[ignore = "a search, not a test"]
fn hunt() {
    let text = |name: &str, default: &str| std::env::var(name).unwrap_or(default.into());
    let seeds: u64 = text("HUNT_SEEDS", "10").parse().expect("a number");
    let wanted = text("HUNT", "");
    let plans = text("HUNT_PLANS", &PLANS.join(","));
    let black = !text("HUNT_BLACK", "").is_empty();
    for info in MUTANTS
        .iter()
        .filter(|info| info.name.contains(&wanted) || info.id == wanted)
    {
        let short = info.name.strip_prefix("raft/").expect("raft's");
        for name in plans.split(',') {
            let named = if name == "own" { own_plan(info) } else { plan(name) };
            let mutated = Plan {
                mutant: Some(short),
                ..named
            };
            let (mut found, mut reached, mut differed, mut first) = (0, 0, 0, None);
            for seed in 1..=seeds {
                let go = if black { run_black_box } else { run };
                let outcome = std::panic::catch_unwind(|| go(&mutated, seed)).unwrap_or_default();
                reached += u64::from(outcome.counts.reached > 0);
                differed += u64::from(outcome.counts.differed > 0);
                if let Some(finding) = outcome.finding() {
                    found += 1;
                    let line = finding.lines().next().unwrap_or_default().to_owned();
                    first.get_or_insert((seed, line));
                }
            }
            println!(
                "{} {short} {name}: {found}/{seeds} reached {reached} differed {differed} {first:?}",
                info.id
            );
            if found == seeds {
                break;
            }
        }
    }
}
