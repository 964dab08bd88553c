//! How much the control node can do, and what it takes: `cargo bench -p perjury --bench control_plane -- [SECONDS]`.
//!
//! Each line is one run without faults, with everything that a test does while it runs: the runner, the clients, the
//! links, the history on disk. Clients ask as fast as they get answers. "control" is the control node's share of the
//! processor time that the run took, "µs/op" the processor time of the control node and of all nodes together for one
//! operation: these hold on a busy machine, too, while "ops/s" wants an idle one. Memory is what the control node grew
//! by for every million operations that it recorded.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::sys::resource::{Usage, UsageWho, getrusage};
use perjury::{ClusterConfig, ProcessEnvironment};
use perjury_nemesis::Plan;
use perjury_results::{Machine, SCHEMA, Store, TestRecord, Timestamp, run_id};
use perjury_runner::{Notice, Options, Phase, Runner};

struct Case {
    system: &'static str,
    nodes: u16,
    workload: &'static str,
    clients: usize,
}

const CASES: &[Case] = &[
    Case {
        system: "memory",
        nodes: 1,
        workload: "register",
        clients: 10,
    },
    Case {
        system: "memory",
        nodes: 1,
        workload: "register",
        clients: 64,
    },
    Case {
        system: "raft",
        nodes: 5,
        workload: "cas",
        clients: 10,
    },
    Case {
        system: "raft",
        nodes: 5,
        workload: "cas",
        clients: 64,
    },
    Case {
        system: "raft",
        nodes: 3,
        workload: "cas",
        clients: 64,
    },
];

/// A first run that is not counted: the allocator and the machine warm up.
const WARM_UP_MS: u64 = 1000;

#[derive(Default)]
struct Seen {
    recorded: u64,
    ok: u64,
    main_began: Option<u64>,
    main_ended: Option<u64>,
    first_ok_ns: Option<u64>,
}

fn main() {
    let seconds: u64 = std::env::args()
        .skip(1)
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(10);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!(
        "{cores} cores, {seconds} s each, fastest build: {}",
        !cfg!(debug_assertions)
    );
    println!(
        "{:<22} {:>7} {:>8} {:>7} {:>8} {:>16} {:>9} {:>13} {:>9}",
        "system", "clients", "ops/s", "ok", "control", "µs/op", "cores", "MiB / 10⁶ ops", "first ok"
    );
    measure(&CASES[0], WARM_UP_MS, false);
    for case in CASES {
        measure(case, seconds * 1000, true);
    }
}

fn measure(case: &Case, time_limit_ms: u64, print: bool) {
    let folder = tempfile::tempdir().expect("a directory");
    let options = Options {
        nodes: case.nodes,
        concurrency: case.clients,
        rate: 0.0,
        time_limit_ms,
        seed: 1,
        ..Options::default()
    };
    let workload =
        perjury_workloads::build(case.workload, &perjury_workloads::Options::default()).expect("a workload");
    let record = record(case, &options);
    let began = Instant::now();
    let mut runner = Runner::new(options, workload, Plan::default()).expect("a runner");
    let mut writer = Store::at(folder.path()).create(&record).expect("a run's folder");
    let mut config = ClusterConfig::new(case.system, case.nodes, writer.folder().path().join("nodes"));
    config.program = Some(PathBuf::from(env!("CARGO_BIN_EXE_perjury")));

    let before = (
        used(UsageWho::RUSAGE_SELF),
        used(UsageWho::RUSAGE_CHILDREN),
        resident_bytes(),
    );
    let environment = ProcessEnvironment::start(config).expect("the cluster starts");
    let started = began.elapsed();
    let running = Instant::now();
    let mut seen = Seen::default();
    environment.run(
        &mut |now, input, out| runner.step(now, input, out),
        &mut |notice| {
            writer.notice(notice).expect("written");
            seen.take(notice);
        },
    );
    let wall = running.elapsed().as_secs_f64();
    let grown = resident_bytes().saturating_sub(before.2);
    let control = used(UsageWho::RUSAGE_SELF) - before.0;
    let nodes = used(UsageWho::RUSAGE_CHILDREN) - before.1;
    drop(runner.finish());
    if !print {
        return;
    }
    let (Some(first), Some(last)) = (seen.main_began, seen.main_ended) else {
        println!("{} {}: no main phase", case.system, case.nodes);
        return;
    };
    let main = Duration::from_nanos(last - first).as_secs_f64();
    let (control, nodes, recorded) = (control.as_secs_f64(), nodes.as_secs_f64(), seen.recorded as f64);
    println!(
        "{:<22} {:>7} {:>8.0} {:>6.1}% {:>7.0}% {:>16} {:>9.2} {:>13.0} {:>6.0} ms",
        format!("{} × {} ({})", case.nodes, case.system, case.workload),
        case.clients,
        recorded / main,
        seen.ok as f64 / recorded * 100.0,
        control / (control + nodes) * 100.0,
        format!("{:.0} + {:.0}", control / recorded * 1e6, nodes / recorded * 1e6),
        (control + nodes) / wall,
        grown as f64 / f64::from(1 << 20) / recorded * 1e6,
        (started + Duration::from_nanos(seen.first_ok_ns.unwrap_or(0))).as_secs_f64() * 1e3,
    );
}

impl Seen {
    fn take(&mut self, notice: &Notice) {
        use perjury_checker::EventKind;
        match notice {
            Notice::Phase {
                phase: Phase::Main,
                at,
            } => self.main_began = Some(*at),
            Notice::Phase {
                phase: Phase::Heal,
                at,
            } => self.main_ended = Some(*at),
            Notice::Event(event) if event.kind != EventKind::Invoke => {
                self.recorded += 1;
                // A compare-and-set that compared and differed was answered, too.
                if event.kind == EventKind::Ok || event.observed.is_some() {
                    self.ok += 1;
                    self.first_ok_ns.get_or_insert(event.time);
                }
            }
            _ => {}
        }
    }
}

fn record(case: &Case, options: &Options) -> TestRecord {
    let started_at = Timestamp::now();
    TestRecord {
        schema: SCHEMA,
        id: run_id(options.seed, started_at),
        name: "control-plane".to_owned(),
        system: case.system.to_owned(),
        workload: case.workload.to_owned(),
        nemesis: Vec::new(),
        environment: "process".to_owned(),
        nodes: case.nodes,
        concurrency: case.clients,
        rate: 0.0,
        keys: 0,
        values: None,
        time_limit_ms: options.time_limit_ms,
        request_timeout_ms: options.request_timeout_ms,
        recovery_limit_ms: options.recovery_limit_ms,
        stop_on_violation: false,
        seed: options.seed,
        mutant: None,
        settings: Default::default(),
        plan: Plan::default(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        machine: Machine::here(),
        started_at,
        command: "cargo bench -p perjury --bench control_plane".to_owned(),
    }
}

/// Processor time, in user and kernel mode.
fn used(who: UsageWho) -> Duration {
    let usage: Usage = getrusage(who).expect("it is known");
    [usage.user_time(), usage.system_time()]
        .iter()
        .map(|time| Duration::new(time.tv_sec() as u64, time.tv_usec() as u32 * 1000))
        .sum()
}

/// Memory that is in use now; elsewhere than on Linux, the most that ever was.
fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split_whitespace().nth(1)?.parse::<u64>().ok());
    match pages {
        Some(pages) => pages * 4096,
        None => getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| usage.max_rss() as u64),
    }
}
