//! Real processes, driven as a test drives them.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use perjury::ProcessEnvironment;
use perjury_checker::Operation;
use perjury_nemesis::{Bend, Crash, Defect, Link, Node, Packets, Plan, Resolved};
use perjury_runner::{Options, Runner};
use support::{Closed, Todo, config, run};

fn nodes(numbers: &[u16]) -> BTreeSet<Node> {
    numbers.iter().map(|number| Node(*number)).collect()
}

fn links(from: &[u16], to: &[u16]) -> BTreeSet<Link> {
    from.iter()
        .flat_map(|from| {
            to.iter().map(|to| Link {
                from: Node(*from),
                to: Node(*to),
            })
        })
        .filter(|link| link.from != link.to)
        .collect()
}

#[test]
fn a_cluster_serves_and_leaves_nothing_behind_but_its_logs() {
    let folder = tempfile::tempdir().expect("a directory");
    let mut closed = Closed::new(4, 1, vec![(500, Todo::Finish)]);
    run(config("memory", 1, folder.path()), &mut closed);
    assert!(closed.tally.ok > 0, "{:?}", closed.tally);
    assert_eq!(
        closed.tally.unknown + closed.tally.unavailable,
        0,
        "{:?}",
        closed.tally
    );
    let left: Vec<_> = fs::read_dir(folder.path()).expect("listed").flatten().collect();
    assert_eq!(left.len(), 1, "only the logs stay: {left:?}");
}

/// Injects the faults one after the other into three Raft nodes under load, and heals each; every one has to bite.
fn assert_bite_and_heal(faults: &[Resolved]) {
    let folder = tempfile::tempdir().expect("a directory");
    let mut todo = Vec::new();
    for (id, fault) in faults.iter().enumerate() {
        let at = 1000 + id as u64 * 2000;
        todo.push((at, Todo::Inject(id as u32, fault.clone())));
        todo.push((at + 1000, Todo::Heal(id as u32)));
    }
    let mut closed = Closed::new(6, 3, todo);
    closed.finish_when_healed = faults.len();
    closed.timeout_ms = 500;
    run(config("raft", 3, folder.path()), &mut closed);
    let tally = &closed.tally;
    assert_eq!(tally.died, [], "{tally:?}");
    assert_eq!(tally.injected.len(), faults.len(), "{tally:?}");
    for (id, result) in &tally.healed {
        assert!(
            result.as_ref().is_ok_and(|bite| bite.bit),
            "{:?}: {result:?}",
            faults[*id as usize]
        );
    }
    assert!(
        tally.ok > 0 && tally.errors.iter().all(|error| error != "invalid"),
        "{tally:?}"
    );
}

#[test]
fn network_faults_bite_and_heal() {
    let packets = Packets {
        delay_ms: 5,
        loss_percent: 10,
        duplicate_percent: 10,
        reorder_percent: 10,
    };
    assert_bite_and_heal(&[
        Resolved::Cut {
            links: links(&[1], &[2, 3]),
        },
        Resolved::Cut {
            links: links(&[2, 3], &[1]),
        },
        Resolved::Packets {
            links: links(&[1, 2, 3], &[1, 2, 3]),
            packets,
        },
    ]);
}

#[test]
fn clocks_bend_and_processes_freeze() {
    assert_bite_and_heal(&[
        Resolved::Pause { nodes: nodes(&[2]) },
        Resolved::Clock {
            nodes: nodes(&[1, 3]),
            bend: Bend::Jump { offset_ms: -5000 },
        },
        Resolved::Clock {
            nodes: nodes(&[1]),
            bend: Bend::Drift { rate_ppm: 300_000 },
        },
        Resolved::Clock {
            nodes: nodes(&[2]),
            bend: Bend::Strobe {
                offset_ms: 2000,
                every_ms: 150,
            },
        },
    ]);
}

#[test]
fn killed_nodes_lose_what_they_had_not_synced_and_start_again() {
    assert_bite_and_heal(&[
        Resolved::Kill {
            nodes: nodes(&[1]),
            crash: Crash::Kill,
        },
        Resolved::Kill {
            nodes: nodes(&[1, 2, 3]),
            crash: Crash::LoseUnsynced,
        },
        Resolved::Kill {
            nodes: nodes(&[1, 2, 3]),
            crash: Crash::TornWrite,
        },
    ]);
}

#[test]
fn disks_are_slow_full_and_rotten_and_repaired() {
    let disk = |numbers: &[u16], defect| Resolved::Disk {
        nodes: nodes(numbers),
        defect,
    };
    assert_bite_and_heal(&[
        disk(&[1, 2], Defect::Slow { fsync_ms: 100 }),
        disk(&[2], Defect::Full),
        disk(&[1, 2, 3], Defect::Full),
        disk(&[3], Defect::FlippedBit),
        disk(&[1, 2, 3], Defect::FlippedBit),
    ]);
}

#[test]
fn a_disk_stays_slow_while_its_node_is_killed_and_started_again() {
    let folder = tempfile::tempdir().expect("a directory");
    let slow = Resolved::Disk {
        nodes: nodes(&[1, 2, 3]),
        defect: Defect::Slow { fsync_ms: 20 },
    };
    let kill = Resolved::Kill {
        nodes: nodes(&[2]),
        crash: Crash::LoseUnsynced,
    };
    let todo = vec![
        (1000, Todo::Inject(0, slow)),
        (1300, Todo::Inject(1, kill)),
        (2500, Todo::Heal(1)),
        (3500, Todo::Heal(0)),
    ];
    let mut closed = Closed::new(4, 3, todo);
    closed.finish_when_healed = 2;
    run(config("raft", 3, folder.path()), &mut closed);
    let tally = &closed.tally;
    assert_eq!(tally.died, [], "{tally:?}");
    assert!(
        tally
            .healed
            .iter()
            .all(|(_, result)| result.as_ref().is_ok_and(|bite| bite.bit)),
        "{tally:?}"
    );
}

#[test]
fn every_node_can_leave_and_join_again_the_leader_too() {
    assert_bite_and_heal(&[
        Resolved::Leave { nodes: nodes(&[1]) },
        Resolved::Leave { nodes: nodes(&[2]) },
        Resolved::Leave { nodes: nodes(&[3]) },
    ]);
}

/// What a node answers to a request over a connection of its own; nothing if it does not.
fn asked(address: SocketAddr, request: &str) -> String {
    let mut answer = String::new();
    if let Ok(mut stream) = TcpStream::connect(address) {
        let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
        let _ = stream.write_all(request.as_bytes());
        let _ = stream.read_to_string(&mut answer);
    }
    answer
}

/// Waits until n1 and n2 take these for the voters.
fn await_voters(addresses: &[(Node, SocketAddr)], voters: &str) {
    let request = "GET /status HTTP/1.1\r\nHost: n\r\nConnection: close\r\n\r\n";
    let shown = |(_, address): &(Node, SocketAddr)| asked(*address, request).contains(voters);
    let begin = Instant::now();
    while !addresses.iter().take(2).all(shown) {
        assert!(
            begin.elapsed() < Duration::from_secs(20),
            "they do not show {voters}"
        );
        thread::sleep(Duration::from_millis(20));
    }
}

/// A request to leave may be carried out after its node was seen to be a member, and the fault was taken for healed.
#[test]
fn a_member_that_is_missing_when_everything_is_healed_is_asked_back() {
    let folder = tempfile::tempdir().expect("a directory");
    let environment = ProcessEnvironment::start(config("raft", 3, folder.path())).expect("it starts");
    let addresses = environment.addresses();
    let watcher = thread::spawn(move || {
        let body = r#"{"leave":3}"#;
        let length = body.len();
        let request = format!(
            "POST /members HTTP/1.1\r\nHost: n\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let begin = Instant::now();
        while !addresses
            .iter()
            .any(|(_, address)| asked(*address, &request).starts_with("HTTP/1.1 200"))
        {
            assert!(begin.elapsed() < Duration::from_secs(20), "it does not leave");
            thread::sleep(Duration::from_millis(20));
        }
        await_voters(&addresses, r#""voters":[1,2]"#);
        await_voters(&addresses, r#""voters":[1,2,3]"#);
    });
    let mut closed = Closed::new(2, 3, vec![(3_000, Todo::Recover), (6_000, Todo::Finish)]);
    closed.run(environment);
    watcher.join().expect("it left, and was asked back");
}

#[test]
fn a_node_that_finds_its_log_damaged_is_reported_dead_with_the_reason() {
    let folder = tempfile::tempdir().expect("a directory");
    let data = folder.path().to_owned();
    let todo = vec![
        (
            1000,
            Todo::Inject(
                1,
                Resolved::Kill {
                    nodes: nodes(&[2]),
                    crash: Crash::Kill,
                },
            ),
        ),
        (1500, Todo::Damage(data)),
        (1500, Todo::Heal(1)),
    ];
    let mut closed = Closed::new(3, 3, todo);
    closed.finish_when_healed = 1;
    run(config("raft", 3, folder.path()), &mut closed);
    let [(node, reason)] = &closed.tally.died[..] else {
        panic!("{:?}", closed.tally)
    };
    assert_eq!(*node, Node(2));
    assert!(
        reason.contains("its log is damaged") && reason.contains("wal-"),
        "{reason}"
    );
}

#[test]
fn traces_of_a_killed_node_reach_the_file() {
    let folder = tempfile::tempdir().expect("a directory");
    let mut with_traces = config("raft", 1, folder.path());
    with_traces.traces = true;
    let todo = vec![
        (
            300,
            Todo::Inject(
                1,
                Resolved::Kill {
                    nodes: nodes(&[1]),
                    crash: Crash::Kill,
                },
            ),
        ),
        (400, Todo::Heal(1)),
    ];
    let mut closed = Closed::new(1, 1, todo);
    closed.finish_when_healed = 1;
    run(with_traces, &mut closed);
    let text = fs::read_to_string(folder.path().join("nodes/n1.trace.jsonl")).expect("traces");
    assert!(text.lines().count() > 2, "{text}");
    assert!(
        text.lines()
            .all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok())
    );
}

#[test]
fn what_was_written_while_the_disk_was_busy_does_not_wait_for_something_else_to_happen() {
    let folder = tempfile::tempdir().expect("a directory");
    // A lone client of write-once registers: each ballot is a chain of records, and nothing else wakes a node before the
    // ballot is given up.
    let mut config = config("basic-paxos", 3, folder.path());
    let given_up_after = Duration::from_secs(4);
    let given_up_ms = given_up_after.as_millis().to_string();
    config
        .settings
        .insert("ballot-timeout-ms".to_owned(), given_up_ms);
    config
        .settings
        .insert("request-timeout-ms".to_owned(), "60000".to_owned());
    let options = Options {
        nodes: 3,
        concurrency: 1,
        rate: 0.0,
        time_limit_ms: 2_000,
        request_timeout_ms: 10_000,
        seed: 1,
        ..Options::default()
    };
    let shape = perjury_workloads::Options {
        ops_per_key: Some(1),
        ..perjury_workloads::Options::default()
    };
    let workload = perjury_workloads::build("once", &shape).expect("a workload");
    let mut runner = Runner::new(options, workload, Plan::default()).expect("a runner");
    ProcessEnvironment::start(config)
        .expect("the cluster starts")
        .run(&mut |now, input, out| runner.step(now, input, out), &mut |_| {});
    let operations = runner.finish().history.operations;
    let took = |one: &Operation| {
        let end = one.completion.at.map_or(u64::MAX, |at| at.time);
        Duration::from_nanos(end - one.invoked.time)
    };
    let waited = operations.iter().filter(|one| took(one) >= given_up_after);
    assert_eq!(waited.count(), 0, "of {}", operations.len());
    assert!(operations.len() > 20, "{}", operations.len());
}
