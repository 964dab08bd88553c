//! The program as its users use it: arguments in, exit code and two streams out.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn perjury(folder: &Path, arguments: &[&str]) -> Output {
    perjury_reading(folder, arguments, b"")
}

fn perjury_reading(folder: &Path, arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_perjury"))
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("perjury starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    // It may end before it has read everything.
    let _ = stdin.write_all(input);
    drop(stdin);
    child.wait_with_output().expect("perjury ends")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs it in an empty folder and checks the exit code and that standard error has these words.
#[track_caller]
fn refuses(arguments: &[&str], words: &[&str]) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = perjury(folder.path(), arguments);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(254), "{arguments:?}: {told}");
    assert!(output.stdout.is_empty(), "errors go to standard error");
    for word in words {
        assert!(told.contains(word), "{arguments:?} should say {word:?}: {told}");
    }
    let left: Vec<_> = std::fs::read_dir(folder.path()).expect("the folder").collect();
    assert!(left.is_empty(), "wrong usage leaves nothing behind: {left:?}");
}

#[test]
fn wrong_usage_is_254_and_names_the_mend() {
    refuses(&[], &["Usage"]);
    refuses(&["test", "--nemesys", "kill"], &["--nemesis"]);
    refuses(
        &["test", "--nemesis", "partitoin"],
        &["did you mean \"partition\""],
    );
    refuses(&["test", "--workload", "bank"], &["register"]);
    refuses(&["test", "--system", "zookeeper"], &["raft"]);
    refuses(&["test", "--nodes", "0"], &["--nodes"]);
    refuses(&["test", "--time-limit", "soon"], &["30s"]);
    refuses(&["test", "--mutant", "raft/no-such-bug"], &["no-such-bug"]);
    refuses(&["test", "--mutant", "zab/whatever"], &["--system zab"]);
    refuses(&["test", "--set", "heartbeat"], &["NAME=VALUE"]);
    refuses(&["test", "--set", "heart-beat=1"], &["heartbeat-ms"]);
    refuses(&["test", "--plan", "nowhere.json"], &["nowhere.json"]);
    refuses(&["test", "--name", "../elsewhere"], &["cannot name a folder"]);
    refuses(&["check", "nowhere.jsonl"], &["nowhere.jsonl"]);
    refuses(&["check", "-", "--model", "quantum"], &["cas-register"]);
    refuses(&["check", "-", "--format", "xml"], &["jsonl"]);
    refuses(&["check", "-"], &["-:1: there is nothing in it"]);
    refuses(&["generate", "--model", "bank"], &["there is no model", "set"]);
    refuses(
        &["generate", "--model", "unique-ids", "--values", "3"],
        &["--values"],
    );
    refuses(&["generate", "--format", "xml"], &["jsonl"]);
    refuses(&["generate", "--plant", "typo"], &["stale-read, lost-write"]);
    refuses(
        &["generate", "--model", "mutex", "--plant", "phantom"],
        &["double-grant"],
    );
    refuses(&["generate", "--unknown", "7"], &["5%"]);
    refuses(
        &[
            "generate",
            "--model",
            "append-list",
            "--format",
            "kv-log",
            "--output",
            "x",
        ],
        &["--format kv-log cannot hold"],
    );
    refuses(&["generate", "--keys", "2", "--format", "etcd-log"], &["--keys"]);
    refuses(&["generate", "--output", "no/such/folder"], &["no/such/folder"]);
    refuses(&["show"], &["no run"]);
}

#[test]
fn help_shows_an_example_for_each_command() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for command in [
        "test", "check", "generate", "list", "show", "report", "replay", "matrix", "prune", "cluster",
        "hunt", "export", "play", "explore",
    ] {
        let output = perjury(folder.path(), &[command, "--help"]);
        assert_eq!(output.status.code(), Some(0), "{command}");
        assert!(
            text(&output.stdout).contains("Example: perjury"),
            "{command} --help shows no example"
        );
    }
}

#[test]
fn exploring_says_whether_all_was_seen_and_shows_the_way_to_what_breaks() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let explore = |more: &[&str]| {
        let arguments = [&["explore", "--nodes", "2", "--operations", "write"], more].concat();
        perjury(folder.path(), &arguments)
    };
    let clean = explore(&[]);
    assert_eq!(clean.status.code(), Some(0), "{}", text(&clean.stderr));
    assert!(text(&clean.stdout).contains("everything within the bounds was seen"));
    let cut = explore(&["--max-states", "10", "--elections", "3"]);
    assert_eq!(cut.status.code(), Some(2), "{}", text(&cut.stderr));
    assert!(text(&cut.stdout).contains("not everything was seen"));
    let broken = explore(&["--mutant", "raft/vote-not-durable", "--crashes", "1", "--json"]);
    assert_eq!(broken.status.code(), Some(1), "{}", text(&broken.stderr));
    let told: serde_json::Value = serde_json::from_slice(&broken.stdout).expect("one JSON object");
    assert_eq!(told["violation"]["property"], "R-I7");
    refuses(&["explore", "--set", "prevote=on"], &["time stands still"]);
    refuses(&["explore", "--nodes", "9"], &["1..=5"]);
    refuses(&["explore", "--operations", "delete"], &["append"]);
}

#[test]
fn every_list_has_something_and_json_is_json() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for what in [
        "systems",
        "settings",
        "workloads",
        "nemeses",
        "mutants",
        "models",
        "formats",
    ] {
        let output = perjury(folder.path(), &["list", what]);
        assert_eq!(output.status.code(), Some(0), "{what}");
        assert!(!output.stdout.is_empty(), "there are no {what}");
        let output = perjury(folder.path(), &["list", what, "--json"]);
        for line in text(&output.stdout).lines() {
            let row: serde_json::Value = serde_json::from_str(line).expect("a JSON object a line");
            assert!(row["name"].is_string(), "{line}");
        }
    }
}

#[test]
fn a_made_history_is_valid_and_a_planted_lie_is_found() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let good = perjury(folder.path(), &["generate", "--operations", "300", "--seed", "5"]);
    let verdict = perjury_reading(
        folder.path(),
        &["check", "-", "--model", "register"],
        &good.stdout,
    );
    assert_eq!(verdict.status.code(), Some(0), "{}", text(&verdict.stdout));
    let bad = perjury(
        folder.path(),
        &[
            "generate",
            "--operations",
            "300",
            "--seed",
            "5",
            "--plant",
            "stale-read",
        ],
    );
    let verdict = perjury_reading(
        folder.path(),
        &["check", "-", "--model", "register", "--json"],
        &bad.stdout,
    );
    assert_eq!(verdict.status.code(), Some(1), "{}", text(&verdict.stdout));
    let finding: serde_json::Value = serde_json::from_slice(&verdict.stdout).expect("JSON");
    assert_eq!(finding["verdict"], "invalid");
    assert!(
        !finding["witnesses"][0]["story"]
            .as_array()
            .expect("a story")
            .is_empty()
    );
}

#[test]
fn every_format_that_is_written_is_checked_alike() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = |arguments: &str| {
        let arguments: Vec<&str> = arguments.split_whitespace().collect();
        let output = perjury(folder.path(), &arguments);
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    };
    for (format, model) in [
        ("jsonl", "cas-register"),
        ("json", "cas-register"),
        ("edn", "cas-register"),
        ("etcd-log", "cas-register"),
        ("kv-log", "register"),
    ] {
        let judged = if format == "kv-log" { "key-value" } else { model };
        for (plant, code) in [("", 0), ("--plant lost-write", 1)] {
            let made = run(&format!(
                "generate --model {model} --format {format} --unknown 5% --seed 3 --operations 200 --output h {plant}"
            ));
            assert_eq!(made.0, Some(0), "{}", made.1);
            let verdict = run(&format!("check h --model {judged}"));
            assert_eq!(verdict.0, Some(code), "{format} {plant}: {}", verdict.1);
        }
    }
    // What a read of nil and the initial value mean is for the user to say.
    let edn = "{:process 0, :type :invoke, :f :read} {:process 0, :type :ok, :f :read, :value nil}";
    std::fs::write(folder.path().join("h"), edn).expect("written");
    assert_eq!(run("check h --model register --initial 0").0, Some(0));
    assert_eq!(
        run("check h --model register --initial 0 --nil-read absent").0,
        Some(1)
    );
}

#[test]
fn a_valid_history_shows_its_order_and_an_invalid_one_why_there_is_none() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let made = |more: &[&str]| {
        let arguments = [
            &["generate", "--operations", "60", "--seed", "5", "--keys", "2"],
            more,
        ]
        .concat();
        perjury(folder.path(), &arguments).stdout
    };
    let check = |more: &[&str], input: &[u8]| {
        let arguments = [&["check", "-", "--model", "register"], more].concat();
        perjury_reading(folder.path(), &arguments, input)
    };
    let good = made(&[]);
    let shown = text(&check(&["--witness"], &good).stdout);
    assert!(
        shown.contains("A legal order of the operations on k1:"),
        "{shown}"
    );
    assert_eq!(
        shown.lines().filter(|line| line.starts_with("  Process")).count(),
        60
    );
    let json: serde_json::Value =
        serde_json::from_slice(&check(&["--witness", "--json"], &good).stdout).expect("JSON");
    let placed = |order: &serde_json::Value| order["order"].as_array().map_or(0, Vec::len);
    let orders = json["linearizations"].as_array().expect("orders");
    assert_eq!(orders.iter().map(placed).sum::<usize>(), 60);
    let shown = text(&check(&[], &good).stdout);
    assert!(!shown.contains("A legal order"), "{shown}");

    let bad = check(&["--witness"], &made(&["--plant", "stale-read"]));
    assert_eq!(bad.status.code(), Some(1));
    let shown = text(&bad.stdout);
    assert!(shown.contains("cannot be next: the value is"), "{shown}");
}

#[test]
fn a_history_that_was_cut_short_is_checked_and_a_damaged_one_is_refused_with_its_line() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let history = perjury(folder.path(), &["generate", "--operations", "50", "--seed", "9"]).stdout;
    let file = folder.path().join("history.jsonl");
    std::fs::write(&file, &history[..history.len() - 10]).expect("written");
    let verdict = perjury(folder.path(), &["check", "history.jsonl", "--model", "register"]);
    assert_eq!(verdict.status.code(), Some(0), "{}", text(&verdict.stderr));
    assert!(text(&verdict.stderr).contains("cut short"));

    let mut damaged: Vec<String> = text(&history).lines().map(str::to_owned).collect();
    damaged[6] = "{\"index\": oh}".to_owned();
    std::fs::write(&file, damaged.join("\n")).expect("written");
    let verdict = perjury(folder.path(), &["check", "history.jsonl", "--model", "register"]);
    assert_eq!(verdict.status.code(), Some(254));
    assert!(
        text(&verdict.stderr).contains("history.jsonl:7:"),
        "{}",
        text(&verdict.stderr)
    );
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_perjury"))
        .args(["generate", "--operations", "100000", "--seed", "1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("perjury starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("perjury ends");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(
        !text(&output.stderr).contains("error"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn a_test_leaves_a_run_behind_that_can_be_shown_checked_replayed_and_pruned() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let arguments = [
        "test",
        "--nodes",
        "3",
        "--workload",
        "register",
        "--nemesis",
        "partition-one",
        "--time-limit",
        "3s",
        "--interval",
        "1s",
        "--concurrency",
        "4",
        "--seed",
        "11",
        "--json",
    ];
    let output = perjury(folder.path(), &arguments);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}\n{}", text(&output.stdout));
    assert!(
        told.starts_with("run "),
        "the run's id and its seed come first: {told}"
    );
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_eq!(summary["verdict"]["outcome"], "valid");
    let run = folder.path().join("results/runs/latest");
    for file in [
        "test.json",
        "history.jsonl",
        "faults.json",
        "verdict.json",
        "report.html",
        "junit.xml",
        "nodes/n1.log",
    ] {
        assert!(run.join(file).exists(), "{file} is missing");
    }
    let history = run.join("history.jsonl");
    let history = history.to_str().expect("a path in UTF-8");
    let verdict = perjury(folder.path(), &["check", history, "--model", "register"]);
    assert_eq!(verdict.status.code(), Some(0), "{}", text(&verdict.stdout));
    let shown = perjury(folder.path(), &["show", "latest"]);
    assert!(
        text(&shown.stdout).contains("--seed 11"),
        "{}",
        text(&shown.stdout)
    );
    let listed = perjury(folder.path(), &["list", "runs", "--json"]);
    assert_eq!(text(&listed.stdout).lines().count(), 1);
    let pruned = perjury(folder.path(), &["prune", "--keep", "0"]);
    assert_eq!(
        text(&pruned.stdout).lines().count(),
        1,
        "{}",
        text(&pruned.stderr)
    );
    assert!(perjury(folder.path(), &["list", "runs"]).stdout.is_empty());
}

#[test]
fn a_file_of_defaults_is_obeyed_and_a_wrong_one_refused_with_its_line() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("perjury.toml"), "[generate]\noperations = 7\n").expect("written");
    let made = perjury(folder.path(), &["generate", "--seed", "1"]);
    let invocations = text(&made.stdout)
        .lines()
        .filter(|line| line.contains("\"invoke\""))
        .count();
    assert_eq!(invocations, 7);
    std::fs::write(folder.path().join("perjury.toml"), "[generate]\noperation = 7\n").expect("written");
    let refused = perjury(folder.path(), &["generate", "--seed", "1"]);
    assert_eq!(refused.status.code(), Some(254));
    assert!(
        text(&refused.stderr).contains("perjury.toml:2"),
        "{}",
        text(&refused.stderr)
    );
}

#[test]
fn the_environment_is_obeyed_and_a_wrong_value_in_it_refused_by_its_name() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let with = |variable: &str, value: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_perjury"));
        command.args(["test", "--env", "sim", "--time-limit", "1s"]);
        command.current_dir(folder.path()).env(variable, value);
        command.output().expect("perjury runs")
    };
    let refused = with("PERJURY_NODES", "many");
    assert_eq!(refused.status.code(), Some(254));
    assert!(
        text(&refused.stderr).contains("PERJURY_NODES"),
        "{}",
        text(&refused.stderr)
    );
    for (flag, json) in [("1", true), ("true", true), ("0", false), ("", false)] {
        let output = with("PERJURY_JSON", flag);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert_eq!(output.stdout.starts_with(b"{"), json, "{flag:?}");
    }
}

#[test]
fn sizes_of_quorums_are_told_as_they_were_given() {
    let folder = tempfile::tempdir().expect("a directory");
    let given = "--system nwr --n 3 --w 2 --r 2 --set reads=abd --env sim --time-limit 1s --seed 1";
    let arguments: Vec<&str> = ["test"].into_iter().chain(given.split(' ')).collect();
    let run = perjury(folder.path(), &arguments);
    let record = std::fs::read(folder.path().join("results/runs/latest/test.json"));
    let record: serde_json::Value =
        serde_json::from_slice(&record.expect("a record")).expect("the record is JSON");
    let again = record["command"].as_str().expect("a command");
    assert!(
        again.contains("--n 3 --w 2 --r 2 --set reads=abd"),
        "{again}: {}",
        text(&run.stderr)
    );
}

#[test]
fn the_report_of_a_simulated_store_of_quorums_holds_visibility_against_what_is_predicted() {
    let folder = tempfile::tempdir().expect("a directory");
    let given = "--system nwr --n 3 --w 1 --r 1 --env sim --time-limit 2s --seed 1";
    let arguments: Vec<&str> = ["test"].into_iter().chain(given.split(' ')).collect();
    let run = perjury(folder.path(), &arguments);
    let report = std::fs::read_to_string(folder.path().join("results/runs/latest/report.html"));
    let report = report.unwrap_or_else(|error| panic!("{error}: {}", text(&run.stderr)));
    for told in [
        "predicted by WARS",
        "class=\"line predicted\"",
        "predicted for reads just then",
    ] {
        assert!(report.contains(told), "{told}");
    }
}

#[test]
fn a_failure_is_replayed_bit_for_bit_from_a_run_a_seed_or_a_file_and_shrinks() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let elsewhere = tempfile::tempdir().expect("another temporary folder");
    let hunted = perjury(
        folder.path(),
        &[
            "hunt",
            "--mutant",
            "term-not-durable",
            "--seed",
            "1",
            "--runs",
            "100",
            "--json",
        ],
    );
    assert_eq!(hunted.status.code(), Some(1), "{}", text(&hunted.stderr));
    let hunted: serde_json::Value = serde_json::from_slice(&hunted.stdout).expect("one JSON object");
    let found = &hunted["found"][0];
    let run = found["run"].as_str().expect("the run's id");
    let identical = |output: Output| {
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains("bit-identical"), "{told}");
    };
    identical(perjury(folder.path(), &["replay", run]));
    let words = found["again"].as_str().expect("a command");
    let (_, seed) = words.split_once("replay ").expect("it replays");
    let mut arguments = vec!["replay"];
    arguments.extend(seed.split(' '));
    identical(perjury(elsewhere.path(), &arguments));
    let hash = found["hash"].as_str().expect("a hash");
    let arguments: Vec<&str> = arguments
        .into_iter()
        .map(|word| if word == hash { "0123456789abcdef" } else { word })
        .collect();
    let other = perjury(elsewhere.path(), &arguments);
    assert!(
        text(&other.stderr).contains("NOT the same run"),
        "{}",
        text(&other.stderr)
    );

    let small = elsewhere.path().join("small.json");
    let small = small.to_str().expect("a path in UTF-8");
    let shrunk = perjury(folder.path(), &["shrink", run, "--output", small]);
    assert_eq!(shrunk.status.code(), Some(0), "{}", text(&shrunk.stderr));
    assert!(text(&shrunk.stdout).contains("voted"), "{}", text(&shrunk.stdout));
    identical(perjury(elsewhere.path(), &["replay", "small.json"]));
    let planned = perjury(
        elsewhere.path(),
        &["test", "--plan", "small.json", "--env", "sim"],
    );
    assert_eq!(planned.status.code(), Some(1), "{}", text(&planned.stderr));
    // Real processes do the same, step by step.
    let led = perjury(elsewhere.path(), &["test", "--plan", "small.json"]);
    let told = text(&led.stderr);
    assert_eq!(led.status.code(), Some(1), "{told}");
    assert!(told.contains("turns, all as in the simulation"), "{told}");
    assert!(text(&led.stdout).contains("R-I7"), "{}", text(&led.stdout));
    let likely = perjury(
        folder.path(),
        &["likelihood", run, "--moments", "2", "--branches", "3", "--json"],
    );
    let likely: serde_json::Value = serde_json::from_slice(&likely.stdout).expect("one JSON object");
    let last = likely["moments"]
        .as_array()
        .and_then(|all| all.last())
        .expect("moments");
    assert_eq!((&last["failed"], &last["branches"]), (&3.into(), &3.into()));
    let likely = perjury(
        folder.path(),
        &["likelihood", run, "--moments", "1", "--branches", "1"],
    );
    let told = text(&likely.stdout);
    let report = told
        .lines()
        .find_map(|line| line.strip_prefix("drawn in "))
        .expect("a report");
    let report = std::fs::read_to_string(folder.path().join(report)).expect("the report");
    assert!(report.contains("How likely the failure had become"));

    // A file that was damaged on its way is refused where the damage is.
    let plan = std::fs::read_to_string(small).expect("the file");
    let damaged = plan.replacen("\"setup\": {", "\"setup\": {\n\"nonsense\": 1,", 1);
    let line = 1 + damaged
        .lines()
        .position(|line| line.contains("nonsense"))
        .expect("it is there");
    std::fs::write(elsewhere.path().join("damaged.json"), damaged).expect("it is written");
    for arguments in [
        &["replay", "damaged.json"][..],
        &["test", "--plan", "damaged.json"],
        &["shrink", "damaged.json"],
    ] {
        let refused = perjury(elsewhere.path(), arguments);
        let told = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(254), "{told}");
        assert!(
            told.contains("damaged.json") && told.contains(&format!("line {line}")),
            "{told}"
        );
    }
}
