//! The bundled systems side by side: `cargo bench -p perjury --bench systems -- [SECONDS]`.
//!
//! The first table is the same on every machine: in simulation, where nothing breaks and one client asks one thing after the
//! other, so many messages between nodes and so many fsyncs follow from each operation, those apart that come without any
//! (heartbeats). Beside them stands what the protocol takes in theory among N nodes:
//!
//! | system | write: messages | fsyncs | read: messages | fsyncs | |
//! |---|---|---|---|---|---|
//! | raft | 2(N−1) | N | 2(N−1) + 2a | 0 | append and reply; a round of heartbeats confirms a read, and a follower asks for it |
//! | paxos | 3(N−1) | N | 2(N−1) | 0 | accept, accepted, commit; a round of heartbeats confirms a read |
//! | basic-paxos | (N+4)(N−1) | 3N+1 | 2(N−1) | N+1 | prepare, promise, accept, accepted to all, chosen: for every register anew; to read one that nobody has written takes the promises |
//! | zab | 3(N−1) + a | N | 2(N−1) + 2a | 0 | propose, ack, commit; a follower forwards, and asks the leader before it reads |
//! | nwr | 4(2+a) | 3 | 2(2+a) | 0 | three replicas of a key tell their versions, and store; any node coordinates |
//!
//! where a is the share of the operations that went to another node than the leader, or than the key's replicas. What is
//! beyond that are messages that were sent again because a timer went off while the first answer was under way.
//!
//! The second table is of three real processes on loopback, for SECONDS each: with one client, for the latency of an
//! operation, and with many, for the throughput. It wants a machine that does nothing else.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::time::Duration;

use perjury::{ClusterConfig, ProcessEnvironment};
use perjury_checker::{EventKind, Function, Outcome};
use perjury_nemesis::Plan;
use perjury_runner::{Notice, Options, Phase, Runner};
use perjury_simulator::{Setup, Wanted, run};
use perjury_systems::NodeId;
use perjury_systems::nwr;
use perjury_systems::ring::{Correct, Ring};

/// A system, and what it takes in theory.
struct System {
    name: &'static str,
    workload: &'static str,
    /// Messages and fsyncs of a write, and of a read: among so many nodes, if such a share of the operations goes to a node
    /// that has to pass them on.
    theory: fn(f64, [f64; 2]) -> [(f64, f64); 2],
    /// Whom an operation on a key concerns, if not the leader.
    replicas: Option<fn(&str, u16) -> Vec<NodeId>>,
}

const SYSTEMS: &[System] = &[
    System {
        name: "raft",
        workload: "register",
        theory: |n, [_, away]| [(2.0 * (n - 1.0), n), (2.0 * (n - 1.0) + 2.0 * away, 0.0)],
        replicas: None,
    },
    System {
        name: "paxos",
        workload: "register",
        theory: |n, _| [(3.0 * (n - 1.0), n), (2.0 * (n - 1.0), 0.0)],
        replicas: None,
    },
    System {
        name: "basic-paxos",
        workload: "once",
        theory: |n, _| [((n + 4.0) * (n - 1.0), 3.0 * n + 1.0), (2.0 * (n - 1.0), n + 1.0)],
        replicas: None,
    },
    System {
        name: "zab",
        workload: "register",
        theory: |n, [away, reads_away]| {
            [
                (3.0 * (n - 1.0) + away, n),
                (2.0 * (n - 1.0) + 2.0 * reads_away, 0.0),
            ]
        },
        replicas: None,
    },
    System {
        name: "nwr",
        workload: "register",
        theory: |_, [away, reads_away]| [(4.0 * (2.0 + away), 3.0), (2.0 * (2.0 + reads_away), 0.0)],
        replicas: Some(|key, nodes| {
            let settings = nwr::Settings::parse(&BTreeMap::new()).expect("the usual settings");
            let members: Vec<NodeId> = (1..=nodes).map(NodeId).collect();
            Ring::of(&members, settings.shape).replicas(key, settings.n, &Correct)
        }),
    },
];

/// Clients of the runs that measure throughput.
const CLIENTS: usize = 32;

fn main() {
    let number = std::env::args()
        .skip(1)
        .find_map(|argument| argument.parse().ok());
    let seconds: u64 = number.unwrap_or(10);
    println!(
        "| system | nodes | write: messages (in theory) | fsyncs (in theory) | read: messages (in theory) | fsyncs (in theory) |"
    );
    println!("|---|---|---|---|---|---|");
    for system in SYSTEMS {
        for nodes in [3, 5] {
            print_costs(system, nodes);
        }
    }
    println!();
    println!(
        "| system (3 processes) | one client: write, 99 % within | read, 99 % within | {CLIENTS} clients: operations/s | \
         write, 99 % within | read, 99 % within |"
    );
    println!("|---|---|---|---|---|---|");
    for system in SYSTEMS {
        let (_, alone) = measured(system, 1, seconds);
        let (rate, together) = measured(system, CLIENTS, seconds);
        let [alone, together] = [alone, together].map(|took| took.map(|us| told(&us)).join(" | "));
        println!("| {} | {alone} | {rate:.0} | {together} |", system.name);
    }
}

/// The median and the 99th percentile of some times in microseconds, in ascending order.
fn told(took_us: &[u64]) -> String {
    let at = |share: f64| {
        let place = (took_us.len() as f64 * share) as usize;
        took_us.get(place).copied().unwrap_or(0) as f64 / 1e3
    };
    format!("{:.1}, {:.0} ms", at(0.5), at(0.99))
}

/// Messages and fsyncs that follow from operations.
#[derive(Clone, Copy, Default)]
struct Costs {
    operations: f64,
    /// Those of them that went to a node that has to pass them on.
    away: f64,
    messages: f64,
    syncs: f64,
}

impl Costs {
    fn of_each(self) -> [f64; 3] {
        let each = self.operations.max(1.0);
        [self.messages / each, self.syncs / each, self.away / each]
    }
}

fn print_costs(system: &System, nodes: u16) {
    let idle = simulated(system, nodes, 1.0 / 60.0);
    let rest = idle.iter().fold((0.0, 0.0, 0.0), |sum, (_, seconds, costs)| {
        (sum.0 + seconds, sum.1 + costs.messages, sum.2 + costs.syncs)
    });
    let [mut writes, mut reads] = [Costs::default(); 2];
    for (f, seconds, costs) in simulated(system, nodes, 20.0) {
        let sum = if f == Function::Read {
            &mut reads
        } else {
            &mut writes
        };
        sum.operations += 1.0;
        sum.away += costs.away;
        sum.messages += costs.messages - seconds * rest.1 / rest.0;
        sum.syncs += costs.syncs - seconds * rest.2 / rest.0;
    }
    let measured = [writes, reads].map(Costs::of_each);
    let theory = (system.theory)(f64::from(nodes), measured.map(|[.., away]| away));
    let cells: Vec<String> = measured
        .iter()
        .zip(theory)
        .map(|([messages, syncs, _], (messages_in_theory, syncs_in_theory))| {
            // Nothing but noise is below zero.
            let syncs = syncs.max(0.0);
            format!("{messages:.2} ({messages_in_theory:.2}) | {syncs:.2} ({syncs_in_theory:.0})")
        })
        .collect();
    println!("| {} | {nodes} | {} |", system.name, cells.join(" | "));
}

/// For each operation: what it was, how many seconds passed until the next one, and the messages and fsyncs in them.
fn simulated(system: &System, nodes: u16, rate: f64) -> Vec<(Function, f64, Costs)> {
    let options = Options {
        nodes,
        concurrency: 1,
        rate,
        time_limit_ms: 120_000,
        seed: 1,
        ..Options::default()
    };
    let mut setup = Setup::new(system.name, system.workload, options);
    // A register that is decided costs nothing any more.
    setup.workload.ops_per_key = (system.workload == "once").then_some(1);
    let wanted = Wanted {
        messages: true,
        notices: true,
        judge: false,
        ..Wanted::default()
    };
    let outcome = run(&setup, &wanted).expect("it can be run");
    let phase = |wanted: Phase| {
        let mut phases = outcome.finished.phases.iter();
        phases.find(|(phase, _)| *phase == wanted).map(|(_, at)| *at)
    };
    let (from, until) = (
        phase(Phase::Main).expect("it began"),
        phase(Phase::Heal).expect("it ended"),
    );
    let leader = outcome.notices.iter().rev().find_map(|notice| match notice {
        Notice::View { view, .. } => Some(view.leader?.0.to_string()),
        _ => None,
    });
    let messages: Vec<u64> = outcome
        .messages
        .iter()
        .flat_map(|messages| messages.kept().map(|message| message.at))
        .collect();
    let syncs: Vec<u64> = outcome.syncs.iter().map(|(at, _)| *at).collect();
    let within = |times: &[u64], from: u64, until: u64| {
        let before = |limit: u64| times.partition_point(|at| *at < limit);
        (before(until) - before(from)) as f64
    };
    let mut operations: Vec<_> = outcome.finished.history.operations.iter().collect();
    operations.retain(|operation| (from..until).contains(&operation.invoked.time));
    operations.sort_by_key(|operation| operation.invoked.time);
    let ends = operations
        .iter()
        .skip(1)
        .map(|next| next.invoked.time)
        .chain([until]);
    let windows = operations.iter().zip(ends);
    let done = windows.filter(|(operation, _)| operation.completion.outcome == Outcome::Ok);
    done.map(|(operation, end)| {
        let began = operation.invoked.time;
        let asked = operation.node.as_deref().expect("it was sent to a node");
        let concerned = match (system.replicas, &operation.key) {
            (Some(replicas), Some(key)) => replicas(key, nodes).iter().any(|node| node.to_string() == asked),
            _ => leader.as_deref() == Some(asked),
        };
        let costs = Costs {
            operations: 1.0,
            away: f64::from(u8::from(!concerned)),
            messages: within(&messages, began, end),
            syncs: within(&syncs, began, end),
        };
        (operation.f.clone(), (end - began) as f64 / 1e9, costs)
    })
    .collect()
}

/// Operations a second, and how long writes and reads took, in microseconds, in ascending order.
fn measured(system: &System, clients: usize, seconds: u64) -> (f64, [Vec<u64>; 2]) {
    let folder = tempfile::tempdir().expect("a directory");
    let options = Options {
        nodes: 3,
        concurrency: clients,
        rate: 0.0,
        time_limit_ms: seconds * 1_000,
        seed: 1,
        ..Options::default()
    };
    let shape = perjury_workloads::Options {
        ops_per_key: (system.workload == "once").then_some(1),
        ..perjury_workloads::Options::default()
    };
    let workload = perjury_workloads::build(system.workload, &shape).expect("a workload");
    let mut runner = Runner::new(options, workload, Plan::default()).expect("a runner");
    let mut config = ClusterConfig::new(system.name, 3, folder.path().join("nodes"));
    config.program = Some(PathBuf::from(env!("CARGO_BIN_EXE_perjury")));
    let environment = ProcessEnvironment::start(config).expect("the cluster starts");
    let (mut began, mut ended) = (0, 0);
    let mut invoked: HashMap<_, u64> = HashMap::new();
    let mut took_us = [Vec::new(), Vec::new()];
    environment.run(
        &mut |now, input, out| runner.step(now, input, out),
        &mut |notice| match notice {
            Notice::Phase { phase, at } if *phase == Phase::Main => began = *at,
            Notice::Phase { phase, at } if *phase == Phase::Heal => ended = *at,
            Notice::Event(event) if event.kind == EventKind::Invoke && ended == 0 => {
                invoked.insert(event.process, event.time);
            }
            Notice::Event(event) => {
                let answered = event.kind == EventKind::Ok || event.observed.is_some();
                if let Some(since) = invoked.remove(&event.process).filter(|_| answered) {
                    took_us[usize::from(event.f == Function::Read)].push((event.time - since) / 1_000);
                }
            }
            _ => {}
        },
    );
    drop(runner.finish());
    for took in &mut took_us {
        took.sort_unstable();
    }
    let main = Duration::from_nanos(ended - began).as_secs_f64();
    let operations = took_us.iter().map(Vec::len).sum::<usize>();
    (operations as f64 / main, took_us)
}
