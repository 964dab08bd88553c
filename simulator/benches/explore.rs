//! How many states an exploration sees a second of CPU time, and how many bytes each costs:
//! `cargo bench -p perjury-simulator --bench explore`.
//!
//! Three-node Raft, the code that ships, with invariants and the clients' history checked in every state, on one
//! thread. States are distinct; steps are those that changed anything, to states seen before too. "Allocated" counts
//! the tables with what is empty in them; "resident" is by how much the process grew, which has everything in it.
//! Words given after `--` choose the cases whose names have one of them in them.

use std::fs;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use perjury_simulator::explore::{Bounds, Disk, Doing, Exploration, Limits, explore};

/// A case that has more states stops there.
const MOST_STATES: u64 = 10_000_000;

/// What the processor has spent on this thread.
fn spent() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
        .expect("threads' time is counted")
        .into()
}

/// Bytes of this process that are in memory; 0 where the system does not tell.
fn resident_bytes() -> u64 {
    let told = fs::read_to_string("/proc/self/statm").ok();
    let pages = told.and_then(|text| text.split_whitespace().nth(1)?.parse::<u64>().ok());
    pages.unwrap_or(0) * 4096
}

fn measure(name: &str, bounds: &Bounds, symmetry: bool) {
    let exploration = Exploration {
        symmetry,
        limits: Limits {
            states: MOST_STATES,
            bytes: 4 << 30,
        },
        ..Exploration::new("raft", bounds.clone())
    };
    let (before, began) = (resident_bytes(), spent());
    let (mut resident, mut told) = (before, 0);
    let walked = explore(&exploration, &mut |seen| {
        if seen.states >= told + 1_000_000 {
            told = seen.states;
            resident = resident.max(resident_bytes());
        }
        true
    })
    .expect("it can be explored");
    let seconds = (spent() - began).as_secs_f64();
    assert!(walked.violation.is_none(), "{name}: {:?}", walked.violation);
    let seen = walked.seen;
    let a_state = |bytes: u64| bytes as f64 / seen.states as f64;
    println!(
        "{name:<44} symmetry {:<3} {:>10} states, {:>11} steps, depth {:>2}, {}: {:>5.2} M states/s, {:>5.2} M steps/s, {:>5.1} B a \
         state allocated, {:>5.1} resident  ({seconds:.1} s; {} states of a node, {} messages, {} inboxes)",
        if symmetry { "on" } else { "off" },
        seen.states,
        seen.steps,
        seen.depth,
        if walked.exhausted { "all" } else { "cut" },
        seen.states as f64 / 1e6 / seconds,
        seen.steps as f64 / 1e6 / seconds,
        a_state(seen.bytes),
        a_state(resident - before),
        seen.distinct.nodes,
        seen.distinct.messages,
        seen.distinct.inboxes,
    );
}

fn main() {
    let bounds = |elections, operations: &[Doing]| Bounds {
        elections,
        operations: operations.to_vec(),
        ..Bounds::default()
    };
    let cases = [
        ("one election, a write", bounds(1, &[Doing::Write])),
        ("two elections", bounds(2, &[])),
        ("two elections, a write", bounds(2, &[Doing::Write])),
        (
            "two elections, a write and a read",
            bounds(2, &[Doing::Write, Doing::Read]),
        ),
        (
            "two elections, a crash",
            Bounds {
                crashes: 1,
                disk: Disk::Later,
                ..bounds(2, &[])
            },
        ),
    ];
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with("--"))
        .collect();
    for (name, bounds) in cases {
        if wanted.is_empty() || wanted.iter().any(|word| name.contains(word.as_str())) {
            for symmetry in [true, false] {
                measure(name, &bounds, symmetry);
            }
        }
    }
}
