//! `perjury doctor`: what this machine can do.

use std::io::Write;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use perjury_results::Machine;
use perjury_runner::exit;

use super::Outcome;

/// One thing that was looked at: how it stands, and what that means.
struct Look {
    what: &'static str,
    good: bool,
    found: String,
}

/// Looks at the machine and prints what tests can rely on. Exits 255 if real processes cannot be run at all.
pub fn doctor() -> Outcome {
    let looks = [machine(), ports(), disk(), files(), clock(), root(), namespaces()];
    let mut out = std::io::stdout().lock();
    for look in &looks {
        let mark = if look.good { "ok  " } else { "no  " };
        writeln!(out, "{mark}{:<12}{}", look.what, look.found)?;
    }
    let able = looks
        .iter()
        .filter(|look| ["ports", "disk"].contains(&look.what))
        .all(|look| look.good);
    let sentence = if able {
        "tests on real processes (--env process) and in simulation (--env sim) can run here"
    } else {
        "only tests in simulation (--env sim) can run here"
    };
    writeln!(out, "\n{sentence}")?;
    Ok(if able { exit::VALID } else { exit::HARNESS })
}

fn machine() -> Look {
    let machine = Machine::here();
    let memory = machine.memory_bytes.map_or(String::new(), |bytes| {
        format!(", {:.1} GiB of memory", bytes as f64 / 1e9)
    });
    let kernel = machine.kernel.unwrap_or_default();
    let found = format!(
        "{} {kernel} on {}, {} cores{memory}",
        machine.os, machine.arch, machine.cores
    );
    Look {
        what: "machine",
        good: machine.cores >= 2,
        found,
    }
}

/// A test of fifteen nodes listens on some 250 ports.
fn ports() -> Look {
    const WANTED: usize = 256;
    let mut held = Vec::new();
    for _ in 0..WANTED {
        match TcpListener::bind("127.0.0.1:0") {
            Ok(listener) => held.push(listener),
            Err(error) => {
                let found = format!("only {} listeners on loopback: {error}", held.len());
                return Look {
                    what: "ports",
                    good: held.len() >= 32,
                    found,
                };
            }
        }
    }
    Look {
        what: "ports",
        good: true,
        found: format!("{WANTED} listeners on loopback at once"),
    }
}

fn disk() -> Look {
    let measure = || -> std::io::Result<Duration> {
        const TIMES: u32 = 20;
        let mut file = tempfile::tempfile()?;
        let began = Instant::now();
        for _ in 0..TIMES {
            file.write_all(&[0; 512])?;
            file.sync_data()?;
        }
        Ok(began.elapsed() / TIMES)
    };
    match measure() {
        Ok(each) => {
            let folder = std::env::temp_dir();
            let found = format!(
                "an fsync in {} takes {:.2} ms",
                folder.display(),
                each.as_secs_f64() * 1000.0
            );
            Look {
                what: "disk",
                good: true,
                found,
            }
        }
        Err(error) => Look {
            what: "disk",
            good: false,
            found: format!("cannot write temporary files: {error}"),
        },
    }
}

fn files() -> Look {
    match nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE) {
        Ok((soft, _)) => Look {
            what: "open files",
            good: soft >= 1024,
            found: format!("{soft} at once; five nodes and ten clients need about 200"),
        },
        Err(error) => Look {
            what: "open files",
            good: false,
            found: format!("the limit is not known: {error}"),
        },
    }
}

/// The smallest step of the monotonic clock that shows: latencies are measured with it.
fn clock() -> Look {
    let step = (0..1000)
        .map(|_| {
            let began = Instant::now();
            let mut step = began.elapsed();
            while step.is_zero() {
                step = began.elapsed();
            }
            step
        })
        .min()
        .unwrap_or_default();
    Look {
        what: "clock",
        good: step < Duration::from_millis(1),
        found: format!(
            "the monotonic clock steps by {} ns; nodes' clocks are bent inside the nodes",
            step.as_nanos()
        ),
    }
}

fn root() -> Look {
    let root = nix::unistd::geteuid().is_root();
    let found = if root {
        "running as root; nothing here needs it"
    } else {
        "not root, and nothing here needs it"
    };
    Look {
        what: "user",
        good: true,
        found: found.to_owned(),
    }
}

fn namespaces() -> Look {
    let count = std::fs::read_to_string("/proc/sys/user/max_user_namespaces").unwrap_or_default();
    let good = count.trim().parse::<u64>().is_ok_and(|count| count > 0);
    let found = if good {
        "user namespaces are allowed"
    } else {
        "no user namespaces"
    };
    Look {
        what: "namespaces",
        good,
        found: format!("{found}; no environment of this version uses them"),
    }
}
