//! How fast histories are checked and what memory that takes: `cargo bench -p perjury-checker`.
//!
//! Prints a table in Markdown. What is measured is the check of a history that lies in memory: CPU time of the
//! whole process and the time on the clock, the fastest of several goes each; the memory that the history takes; and the
//! most memory allocated at once during a check, beyond the history itself. Short checks have more goes, since a machine
//! that others use has slow moments that last longer than they do. `PERJURY_HISTORIES` names the folder of the recorded
//! etcd logs; without it their row is left out. A name, or a part of one, as argument picks the rows.

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use perjury_checker::budget::Budget;
use perjury_checker::formats::{Format, write_event};
use perjury_checker::generate::{Load, Recipe, linearizable, make_stale};
use perjury_checker::models::Cell;
use perjury_checker::{Event, History, Method, Options, Verdict, check};

/// The system's allocator, counting what is held.
struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

fn hold(bytes: usize) {
    let held = HELD.fetch_add(bytes, Ordering::Relaxed) + bytes;
    MOST.fetch_max(held, Ordering::Relaxed);
}

#[expect(unsafe_code, reason = "an allocator cannot be written without")]
// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        hold(layout.size());
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        hold(layout.size());
        // SAFETY: the caller's promise.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Old and new may be held at once while it moves.
        hold(size);
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn now(clock: ClockId) -> Duration {
    Duration::from(clock_gettime(clock).expect("every system has this clock"))
}

/// The CPU time of the process, and the time.
fn clocks() -> [Duration; 2] {
    [ClockId::CLOCK_PROCESS_CPUTIME_ID, ClockId::CLOCK_MONOTONIC].map(now)
}

/// What a piece of work cost.
#[derive(Clone, Copy)]
struct Cost {
    cpu: Duration,
    wall: Duration,
    bytes: usize,
}

fn measured<T>(work: impl FnOnce() -> T) -> (Cost, T) {
    let before = HELD.load(Ordering::Relaxed);
    MOST.store(before, Ordering::Relaxed);
    let before_it = clocks();
    let result = black_box(work());
    let after_it = clocks();
    let [cpu, wall] = [0, 1].map(|clock| after_it[clock] - before_it[clock]);
    let bytes = MOST.load(Ordering::Relaxed).saturating_sub(before);
    (Cost { cpu, wall, bytes }, result)
}

/// Goes of each check at least, and how long they go on.
const GOES: usize = 5;
const GO_ON: Duration = Duration::from_millis(500);

fn fastest<T>(work: impl FnMut() -> T) -> (Cost, T) {
    fastest_of(GO_ON, work)
}

/// The fastest of some goes, which last so long together at least.
fn fastest_of<T>(at_least: Duration, mut work: impl FnMut() -> T) -> (Cost, T) {
    let (mut best, mut result) = measured(&mut work);
    let (mut goes, mut spent) = (1, best.wall);
    while goes < GOES || spent < at_least {
        let (cost, next) = measured(&mut work);
        goes += 1;
        spent += cost.wall;
        best.cpu = best.cpu.min(cost.cpu);
        best.wall = best.wall.min(cost.wall);
        best.bytes = best.bytes.max(cost.bytes);
        result = next;
    }
    (best, result)
}

/// The history of these events, and the bytes that it holds.
fn history(events: Vec<Event>) -> (History, usize) {
    let before = HELD.load(Ordering::Relaxed);
    let history = History::from_events(events.iter().cloned()).expect("generated histories are well-formed");
    (history, HELD.load(Ordering::Relaxed).saturating_sub(before))
}

fn thousands(number: u64) -> String {
    match number {
        1_000_000.. if number.is_multiple_of(1_000_000) => format!("{}M", number / 1_000_000),
        1000.. if number.is_multiple_of(1000) => format!("{}k", number / 1000),
        _ => number.to_string(),
    }
}

fn ms(cpu: Duration) -> String {
    match cpu.as_secs_f64() * 1e3 {
        ms if ms < 1.0 => format!("{ms:.3}"),
        ms if ms < 10.0 => format!("{ms:.2}"),
        ms => format!("{ms:.1}"),
    }
}

/// The rows that were asked for.
struct Table {
    wanted: Vec<String>,
}

impl Table {
    fn wants(&self, name: &str) -> bool {
        self.wanted.is_empty() || self.wanted.iter().any(|part| name.contains(part))
    }

    fn row(&self, name: &str, operations: u64, cost: &Cost, held: usize, answer: &str) {
        let megabytes = |bytes: usize| bytes as f64 / 1e6;
        println!(
            "| {name} | {} | {} | {} | {:.1} MB | {:.1} MB | {answer} |",
            thousands(operations),
            ms(cost.cpu),
            ms(cost.wall),
            megabytes(cost.bytes),
            megabytes(held),
        );
    }

    fn judge(&self, name: &str, make: impl FnOnce() -> Vec<Event>, cell: &Cell, threads: usize) {
        if !self.wants(name) {
            return;
        }
        let (history, held) = history(make());
        let options = Options {
            threads: NonZero::new(threads).unwrap_or(NonZero::<usize>::MIN),
            ..Options::default()
        };
        let (cost, finding) = fastest(|| check(&history, cell, &options));
        let answer = format!("{} by {}", finding.verdict, finding.method);
        self.row(name, history.operations.len() as u64, &cost, held, &answer);
    }

    fn register(&self) {
        for (clients, operations) in [
            (5, 10_000),
            (5, 100_000),
            (5, 1_000_000),
            (20, 10_000),
            (20, 100_000),
            (20, 1_000_000),
            (50, 10_000),
            (50, 100_000),
            (50, 1_000_000),
        ] {
            let recipe = Recipe {
                clients,
                operations,
                ..Recipe::default()
            };
            self.judge(
                &format!("register, unique values, C={clients}"),
                || linearizable(&recipe),
                &Cell::register(),
                1,
            );
            let stale = || {
                let mut events = linearizable(&recipe);
                make_stale(&mut events, 950, 100);
                events
            };
            if clients > 5 {
                let name = format!("register, unique values, C={clients}, one stale read, with witness");
                self.judge(&name, stale, &Cell::register(), 1);
            }
        }
        for operations in [10_000, 100_000, 1_000_000] {
            let recipe = Recipe {
                clients: 10,
                unknown_permille: 50,
                operations,
                ..Recipe::default()
            };
            let name = "register, unique values, C=10, 5 % unknown";
            self.judge(name, || linearizable(&recipe), &Cell::register(), 1);
        }
        for operations in [10_000, 100_000, 1_000_000] {
            let recipe = Recipe {
                clients: 20,
                keys: 100,
                operations,
                ..Recipe::default()
            };
            let name = "key-value, 100 keys, C=20, two threads";
            self.judge(name, || linearizable(&recipe), &Cell::key_value(), 2);
        }
    }

    fn cas(&self) {
        let recipe = |clients, operations, values, unknown_permille| Recipe {
            load: Load::CasRegister,
            clients,
            operations,
            values,
            unknown_permille,
            ..Recipe::default()
        };
        for operations in [10_000, 100_000, 1_000_000] {
            let recipe = recipe(10, operations, None, 0);
            let name = "CAS, unique values, C=10";
            self.judge(name, || linearizable(&recipe), &Cell::cas_register(), 1);
        }
        for (clients, operations) in [
            (5, 10_000),
            (5, 100_000),
            (5, 1_000_000),
            (20, 1000),
            (20, 10_000),
            (20, 100_000),
            (20, 1_000_000),
        ] {
            let recipe = recipe(clients, operations, Some(5), 0);
            let name = format!("CAS over five values, C={clients}");
            self.judge(&name, || linearizable(&recipe), &Cell::cas_register(), 1);
        }
        for unknown_permille in [10, 50] {
            for operations in [10_000, 100_000, 1_000_000] {
                let recipe = recipe(10, operations, Some(5), unknown_permille);
                let name = format!("CAS over five values, C=10, {} % unknown", unknown_permille / 10);
                self.judge(&name, || linearizable(&recipe), &Cell::cas_register(), 1);
            }
        }
        for (clients, unknown_permille) in [(5, 0), (10, 0), (20, 0), (5, 50), (10, 50), (20, 50)] {
            self.illegal(&recipe(clients, 1000, Some(5), unknown_permille));
        }
    }

    /// Many seeds of a family with lies in each; those that are illegal, each for itself.
    fn illegal(&self, recipe: &Recipe) {
        let Recipe {
            clients,
            unknown_permille,
            operations,
            ..
        } = *recipe;
        let name = format!(
            "CAS over five values, C={clients}, {} % unknown, lies",
            unknown_permille / 10
        );
        if !self.wants(&name) {
            return;
        }
        let options = |witnesses| Options {
            budget: Budget::default().with_states(200_000),
            threads: NonZero::<usize>::MIN,
            witnesses,
            ..Options::default()
        };
        let (mut bare, mut clock, mut explained) = (Vec::new(), Vec::new(), Vec::new());
        let (mut undecided, mut bytes, mut held) = (0, 0, 0);
        for seed in 0..100 {
            let mut events = linearizable(&Recipe {
                seed,
                ..recipe.clone()
            });
            for permille in [300, 400, 500, 600, 700, 800] {
                make_stale(&mut events, permille, 7);
            }
            let (history, size) = history(events);
            held = held.max(size);
            let judge = |witnesses| check(&history, &Cell::cas_register(), &options(witnesses));
            let (cost, finding) = fastest_of(Duration::ZERO, || judge(0));
            undecided += u32::from(finding.verdict == Verdict::Unknown);
            if finding.verdict == Verdict::Invalid {
                bare.push(cost.cpu);
                clock.push(cost.wall);
                bytes = bytes.max(cost.bytes);
                explained.push(measured(|| judge(1)).0.cpu);
            }
        }
        bare.sort_unstable();
        clock.sort_unstable();
        explained.sort_unstable();
        let middle = |costs: &[Duration]| costs.get(costs.len() / 2).copied().unwrap_or_default();
        let last = |costs: &[Duration]| costs.last().copied().unwrap_or_default();
        let answer = format!(
            "{} of 100 seeds invalid, {undecided} undecided; the slowest {} ms; with witness {} ms, the slowest {} ms",
            bare.len(),
            ms(last(&bare)),
            ms(middle(&explained)),
            ms(last(&explained)),
        );
        let cost = Cost {
            cpu: middle(&bare),
            wall: middle(&clock),
            bytes,
        };
        self.row(&name, operations, &cost, held, &answer);
    }

    fn etcd(&self) {
        let name = "the etcd logs, all together";
        let Some(root) = std::env::var_os("PERJURY_HISTORIES").filter(|_| self.wants(name)) else {
            return;
        };
        let folder = std::path::Path::new(&root).join("etcd-jepsen");
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .expect("the folder of the etcd logs")
            .map(|entry| entry.expect("an entry").path())
            .collect();
        files.sort();
        for (name, witnesses) in [(name, 0), ("the etcd logs, all together, with witnesses", 1)] {
            let options = Options {
                threads: NonZero::<usize>::MIN,
                witnesses,
                ..Options::default()
            };
            let mut sum = Cost {
                cpu: Duration::ZERO,
                wall: Duration::ZERO,
                bytes: 0,
            };
            let before = HELD.load(Ordering::Relaxed);
            let mut held = 0;
            let (mut operations, mut slowest, mut invalid) = (0, (Duration::ZERO, String::new()), 0);
            for file in &files {
                let text = std::fs::read_to_string(file).expect("a log");
                let format = Format::detect(&text).expect("a known format");
                let history = format.read(text.as_bytes()).expect("a readable log").history;
                let (cost, finding) = fastest(|| check(&history, &Cell::cas_register(), &options));
                operations += history.operations.len() as u64;
                invalid += u32::from(finding.verdict == Verdict::Invalid);
                sum.cpu += cost.cpu;
                sum.wall += cost.wall;
                held += HELD
                    .load(Ordering::Relaxed)
                    .saturating_sub(before + text.capacity());
                sum.bytes = sum.bytes.max(cost.bytes);
                let stem = file.file_stem().unwrap_or_default().to_string_lossy();
                slowest = slowest.max((cost.cpu, stem.into_owned()));
            }
            let answer = format!(
                "{invalid} of {} invalid; the slowest {} ms ({})",
                files.len(),
                ms(slowest.0),
                slowest.1
            );
            self.row(name, operations, &sum, held, &answer);
        }
    }

    fn others(&self) {
        let recipe = Recipe {
            load: Load::AppendList,
            operations: 5000,
            clients: 10,
            ..Recipe::default()
        };
        self.judge(
            "append list, C=10",
            || linearizable(&recipe),
            &Cell::append_list(),
            1,
        );
        if self.wants("order") {
            let recipe = Recipe {
                load: Load::CasRegister,
                operations: 100_000,
                values: Some(5),
                ..Recipe::default()
            };
            let (history, held) = history(linearizable(&recipe));
            for method in [Method::Search, Method::Frontier] {
                let options = Options {
                    threads: NonZero::<usize>::MIN,
                    method,
                    ..Options::default()
                };
                let (cost, finding) = fastest(|| check(&history, &Cell::cas_register(), &options));
                let name = format!("CAS over five values, C=5, by the {} alone", method.name());
                let answer = format!("{} by {}", finding.verdict, finding.method);
                self.row(&name, 100_000, &cost, held, &answer);
            }
        }
        let recipe = Recipe {
            load: Load::CasRegister,
            keys: 5,
            operations: 500_000,
            clients: 10,
            ..Recipe::default()
        };
        if !self.wants("history.jsonl") {
            return;
        }
        let events = linearizable(&recipe);
        let mut text = Vec::new();
        let (cost, ()) = fastest(|| {
            text.clear();
            events.iter().for_each(|event| write_event(event, &mut text));
        });
        let size = format!("{} MB of text", text.len() / 1_000_000);
        self.row("write history.jsonl", 500_000, &cost, 0, &size);
        let text = String::from_utf8(text).expect("JSON is UTF-8");
        let (cost, parsed) = fastest(|| {
            Format::Jsonl
                .read(text.as_bytes())
                .expect("what was written can be read")
        });
        let operations = parsed.history.operations.len();
        self.row("read history.jsonl", operations as u64, &cost, cost.bytes, &size);
    }
}

fn main() {
    let wanted = std::env::args()
        .skip(1)
        .filter(|name| !name.starts_with("--"))
        .collect();
    let table = Table { wanted };
    println!("| family (C saturated clients) | operations | CPU ms | clock ms | memory | history | |");
    println!("|---|--:|--:|--:|--:|--:|---|");
    table.etcd();
    table.register();
    table.cas();
    table.others();
}
