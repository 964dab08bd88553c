//! Whatever happens to the control node, nothing of it stays.

mod support;

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use perjury::ProcessEnvironment;
use perjury_nemesis::{Node, Resolved};
use support::{Closed, Todo, config};

/// Where the control process puts its files.
const FOLDER: &str = "PERJURY_TEST_FOLDER";

/// Whether it shall panic instead of going on.
const PANIC: &str = "PERJURY_TEST_PANIC";

/// Not a test: what the tests below start as the control process, and kill.
#[test]
#[ignore = "it is started by the tests of this file"]
fn control_process() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else {
        return;
    };
    let environment = ProcessEnvironment::start(config("raft", 3, &folder)).expect("the cluster starts");
    for (_, address) in environment.addresses() {
        println!("address {address}");
    }
    let frozen = Resolved::Pause {
        nodes: [Node(2)].into(),
    };
    let mut closed = Closed::new(3, 3, vec![(0, Todo::Inject(1, frozen)), (60_000, Todo::Finish)]);
    if std::env::var_os(PANIC).is_some() {
        closed.listener = Some(Box::new(|_| panic!("as the test wants it")));
    }
    println!("ready");
    closed.run(environment);
}

fn start_control(folder: &Path, panic: bool) -> (Child, Vec<SocketAddr>) {
    let mut command = Command::new(std::env::current_exe().expect("this test"));
    command.args(["--exact", "control_process", "--ignored", "--nocapture"]);
    command
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    if panic {
        command.env(PANIC, "1");
    }
    let mut control = command.spawn().expect("started");
    let mut addresses = Vec::new();
    for line in BufReader::new(control.stdout.take().expect("piped")).lines() {
        let line = line.expect("a line");
        if let Some(address) = line.strip_prefix("address ") {
            addresses.push(address.parse().expect("an address"));
        }
        if line.ends_with("ready") {
            break;
        }
    }
    assert_eq!(addresses.len(), 3);
    (control, addresses)
}

/// Waits until nobody listens and no data directory is there.
fn assert_all_gone(folder: &Path, addresses: &[SocketAddr]) {
    let begin = Instant::now();
    loop {
        let listening: Vec<_> = addresses
            .iter()
            .filter(|address| TcpStream::connect(address).is_ok())
            .collect();
        let directories: Vec<_> = std::fs::read_dir(folder)
            .expect("listed")
            .flatten()
            .map(|entry| entry.file_name())
            .filter(|name| name.to_string_lossy().starts_with("perjury-"))
            .collect();
        if listening.is_empty() && directories.is_empty() {
            return;
        }
        assert!(
            begin.elapsed() < Duration::from_secs(20),
            "still there: {listening:?} {directories:?}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_control_node_that_is_killed_leaves_no_process_no_port_and_no_directory() {
    let folder = tempfile::tempdir().expect("a directory");
    let (mut control, addresses) = start_control(folder.path(), false);
    // Long enough that a node is frozen: it cannot notice by itself that the control node is gone.
    std::thread::sleep(Duration::from_millis(500));
    control.kill().expect("killed");
    control.wait().expect("gone");
    assert_all_gone(folder.path(), &addresses);
}

#[test]
fn a_control_node_that_panics_leaves_nothing_either() {
    let folder = tempfile::tempdir().expect("a directory");
    let (mut control, addresses) = start_control(folder.path(), true);
    assert!(!control.wait().expect("gone").success());
    assert_all_gone(folder.path(), &addresses);
}
