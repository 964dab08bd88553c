//! What a run proved stays proved, whatever goes wrong around it.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A run in which a read lies at once.
const LIES: [&str; 10] = [
    "test",
    "--env",
    "sim",
    "--mutant",
    "raft/read-local-at-any-node",
    "--time-limit",
    "2s",
    "--seed",
    "3",
    "--nodes=3",
];

/// A campaign that finds something at once.
const FINDS: [&str; 7] = [
    "hunt",
    "--mutant",
    "raft/double-vote",
    "--seed",
    "1",
    "--runs",
    "20",
];

fn perjury(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_perjury"));
    command
        .args(arguments)
        .current_dir(folder)
        .env_remove("GITHUB_STEP_SUMMARY")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn told(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[track_caller]
fn ends_with(command: &mut Command, code: i32) -> String {
    let output = command.output().expect("perjury runs");
    let told = told(&output);
    assert_eq!(output.status.code(), Some(code), "{told}");
    told
}

#[test]
fn a_violation_is_told_though_its_summary_cannot_be_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut lying = perjury(folder.path(), &LIES);
    lying.env("GITHUB_STEP_SUMMARY", folder.path().join("nowhere/summary.md"));
    let told = ends_with(&mut lying, 1);
    assert!(
        told.contains("INVALID") && told.contains("nowhere/summary.md"),
        "{told}"
    );
}

#[test]
fn a_violation_is_told_though_its_run_cannot_be_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("file"), "no folder").expect("written");
    let hunt = [&FINDS[..], &["--store", "file/runs"]].concat();
    let told = ends_with(&mut perjury(folder.path(), &hunt), 1);
    assert!(
        told.contains("  again: ") && told.contains("is not kept"),
        "{told}"
    );
}

#[test]
fn commands_that_are_printed_look_where_the_runs_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let hunt = [&FINDS[..], &["--store", "my runs"]].concat();
    let told = ends_with(&mut perjury(folder.path(), &hunt), 1);
    let smaller = told.lines().find(|line| line.contains("smaller: "));
    assert!(
        smaller.is_some_and(|line| line.ends_with("--store 'my runs'")),
        "{told}"
    );
}

#[test]
fn nobody_need_read_what_is_told_besides() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut child = perjury(folder.path(), &LIES).spawn().expect("it starts");
    drop(child.stderr.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
}

#[test]
fn a_stored_run_is_judged_again_by_what_was_promised_to_its_clients() {
    let runs: [&[&str]; 4] = [
        // A store of which less is promised than of a register.
        &[
            "--system",
            "nwr",
            "--w",
            "1",
            "--r",
            "1",
            "--nemesis",
            "partition",
        ],
        &[
            "--system",
            "zab",
            "--set",
            "reads=local",
            "--workload",
            "register",
        ],
        &["--workload", "set", "--nemesis", "kill"],
        &["--workload", "counter"],
    ];
    for run in runs {
        let folder = tempfile::tempdir().expect("a folder");
        let test = [
            &["test", "--env", "sim", "--time-limit", "3s", "--seed", "1"],
            run,
        ]
        .concat();
        ends_with(&mut perjury(folder.path(), &test), 0);
        let told = ends_with(&mut perjury(folder.path(), &["check", "results/runs/latest"]), 0);
        assert!(told.contains(": valid. "), "{told}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    ends_with(&mut perjury(folder.path(), &LIES), 1);
    let told = ends_with(&mut perjury(folder.path(), &["check", "results/runs/latest"]), 1);
    assert!(told.contains("linearizability: invalid"), "{told}");
}

#[test]
fn a_simulated_run_that_is_interrupted_is_judged_by_what_there_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let long = ["test", "--env", "sim", "--time-limit", "20h", "--seed", "1"];
    let child = perjury(folder.path(), &long).spawn().expect("it starts");
    let process = Pid::from_raw(i32::try_from(child.id()).expect("a process"));
    thread::sleep(Duration::from_secs(2));
    kill(process, Signal::SIGINT).expect("it is there");
    let output = child.wait_with_output().expect("it ends");
    let told = told(&output);
    assert_eq!(output.status.code(), Some(130), "{told}");
    let history = std::fs::read_to_string(folder.path().join("results/runs/latest/history.jsonl"));
    assert!(
        history.is_ok_and(|history| history.lines().count() > 100),
        "{told}"
    );
}
