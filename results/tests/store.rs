//! The store: what goes in comes out, also when the one who wrote it was killed.

mod samples;

use std::fs;
use std::time::Duration;

use perjury_checker::History;
use perjury_results::{Evidence, Prune, RunOutcome, RunState, Store, TestRecord, Timestamp, read_history};
use perjury_runner::Notice;
use samples::{Sample, run};

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let store = Store::at(dir.path().join("runs"));
    (dir, store)
}

fn sample(seed: u64) -> Sample {
    Sample {
        seed,
        operations: 200,
        seconds: 10,
        ..Sample::default()
    }
}

/// A test that began some minutes after the first.
fn test(seed: u64, minutes: i64) -> TestRecord {
    let mut test = samples::test(&sample(seed));
    test.started_at += Duration::from_secs(minutes as u64 * 60);
    test.id = perjury_results::run_id(seed, test.started_at);
    test
}

/// Records a whole run as the control node does.
fn record(store: &Store, test: &TestRecord, outcome: RunOutcome) -> Evidence {
    let mut evidence = run(&sample(test.seed));
    evidence.test = test.clone();
    evidence.logs.clear();
    let mut writer = store.create(test).expect("a new run");
    for event in samples::history(&sample(test.seed)) {
        writer.notice(&Notice::Event(event)).expect("an event is written");
    }
    for notice in &evidence.notices {
        writer.notice(notice).expect("a notice is written");
    }
    for fault in &evidence.faults {
        let mut injected = fault.clone();
        injected.healed_at = None;
        writer
            .notice(&Notice::Fault(injected))
            .expect("a fault is written");
        writer
            .notice(&Notice::Fault(fault.clone()))
            .expect("a fault is written");
    }
    let verdict = evidence.verdict.as_mut().expect("a verdict");
    verdict.id.clone_from(&test.id);
    verdict.outcome = outcome;
    writer.finish(verdict).expect("the run ends");
    evidence
}

#[test]
fn what_goes_in_comes_out() {
    let (_dir, store) = store();
    let test = test(1, 0);
    let before = record(&store, &test, RunOutcome::Valid);
    let folder = store.find("latest").expect("the run");
    let after = folder.evidence().expect("its evidence");
    assert_eq!(after.test, before.test);
    assert_eq!(after.verdict, before.verdict);
    assert_eq!(after.history, before.history);
    assert_eq!(after.faults, before.faults);
    assert_eq!(after.notices, before.notices);
    assert_eq!(after.history_problem, None);
    assert_eq!(
        folder.state().expect("its state"),
        RunState::Finished(RunOutcome::Valid)
    );
    folder.write_reports(&after).expect("its reports");
    assert!(folder.report().exists() && folder.junit().exists());
    let left: Vec<_> = fs::read_dir(folder.path())
        .expect("the folder")
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
        .filter(|name| name.ends_with(".tmp"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_run_whose_control_node_was_killed_is_still_evidence() {
    let (_dir, store) = store();
    let test = test(2, 0);
    let mut writer = store.create(&test).expect("a new run");
    for event in samples::history(&sample(2)) {
        writer.event(&event).expect("an event is written");
    }
    writer.flush().expect("it reaches the file");
    let folder = writer.folder().clone();
    assert_eq!(folder.state().expect("its state"), RunState::Running);
    drop(writer);
    assert_eq!(folder.state().expect("its state"), RunState::Killed);
    // The machine failed while the last line was written.
    let mut bytes = fs::read(folder.history()).expect("the history");
    bytes.truncate(bytes.len() - 9);
    fs::write(folder.history(), bytes).expect("the torn history");
    let evidence = folder.evidence().expect("its evidence");
    assert!(evidence.history_problem.expect("a problem").contains("torn"));
    assert_eq!(evidence.history.operations.len(), 200);
    assert!(evidence.verdict.is_none());
}

#[test]
fn an_event_that_is_not_flushed_is_lost_and_nothing_else() {
    let (_dir, store) = store();
    let mut writer = store.create(&test(3, 0)).expect("a new run");
    let events = samples::history(&sample(3));
    for event in &events[..100] {
        writer.event(event).expect("an event is written");
    }
    writer.flush().expect("it reaches the file");
    writer.event(&events[100]).expect("an event is written");
    let read = read_history(&writer.folder().history()).expect("the history");
    assert_eq!(read.problem, None);
    let expected = History::from_events(events[..100].to_vec()).expect("a history");
    assert_eq!(read.history, expected);
}

#[test]
fn text_that_is_no_text_ends_the_history_with_its_line() {
    let (dir, _) = store();
    let path = dir.path().join("history.jsonl");
    let line = r#"{"index":0,"time":1,"process":0,"type":"invoke","f":"write","key":"x","value":1}"#;
    let surrogate =
        r#"{"index":1,"time":2,"process":1,"type":"invoke","f":"write","key":"x","value":"\ud800"}"#;
    fs::write(&path, format!("{line}\n{surrogate}\n")).expect("the file");
    let read = read_history(&path).expect("what can be read");
    assert_eq!(read.history.operations.len(), 1);
    assert!(read.problem.expect("a problem").starts_with("line 2"));
}

#[test]
fn runs_are_found_by_whatever_a_person_types() {
    let (_dir, store) = store();
    let tests: Vec<_> = (0..3).map(|number| test(10 + number, number as i64)).collect();
    for test in &tests {
        record(&store, test, RunOutcome::Valid);
    }
    let newest = &tests[2];
    let id_of = |wanted: &str| store.find(wanted).expect("a run").test().expect("its record").id;
    assert_eq!(id_of("latest"), newest.id);
    assert_eq!(id_of("raft-cas-partition"), newest.id);
    assert_eq!(id_of(&tests[0].id), tests[0].id);
    assert_eq!(id_of(&tests[1].id[..5]), tests[1].id);
    let folder = store.find(&tests[0].id).expect("a run");
    assert_eq!(id_of(&folder.path().display().to_string()), tests[0].id);
    assert_eq!(id_of(&folder.history().display().to_string()), tests[0].id);
    assert_eq!(
        id_of(&folder.path().file_name().expect("a name").to_string_lossy()),
        tests[0].id
    );
    let listed: Vec<_> = store
        .list()
        .expect("the list")
        .into_iter()
        .map(|listed| listed.id)
        .collect();
    assert_eq!(
        listed,
        [tests[2].id.clone(), tests[1].id.clone(), tests[0].id.clone()]
    );
    let error = store.find("nowhere").expect_err("no such run").to_string();
    assert!(
        error.contains("nowhere") && error.contains("perjury list runs"),
        "{error}"
    );
}

#[cfg(unix)]
#[test]
fn latest_follows_what_is_newest() {
    let (_dir, store) = store();
    let link = store.root().join("latest");
    for number in 0..2 {
        record(&store, &test(20 + number, number as i64), RunOutcome::Valid);
        let newest = store.find("latest").expect("the newest");
        assert_eq!(
            fs::canonicalize(&link).expect("the link"),
            fs::canonicalize(newest.path()).expect("the run")
        );
    }
    let all = Prune {
        keep: Some(0),
        ..Prune::default()
    };
    store.prune(&all, Timestamp::UNIX_EPOCH).expect("all go");
    assert!(fs::symlink_metadata(&link).is_err());
}

#[test]
fn pruning_keeps_what_it_is_told_to_keep() {
    let hour = |hours: u64| Duration::from_secs(hours * 3600);
    let cases: [(Prune, &[usize]); 6] = [
        (Prune::default(), &[]),
        (
            Prune {
                keep: Some(2),
                ..Prune::default()
            },
            &[1, 0],
        ),
        (
            Prune {
                keep: Some(2),
                keep_failures: true,
                ..Prune::default()
            },
            &[1],
        ),
        (
            Prune {
                older_than: Some(hour(1)),
                ..Prune::default()
            },
            &[2, 1, 0],
        ),
        (
            Prune {
                older_than: Some(hour(100)),
                ..Prune::default()
            },
            &[],
        ),
        (
            Prune {
                keep: Some(1),
                older_than: Some(hour(1)),
                keep_failures: false,
            },
            &[2, 1, 0],
        ),
    ];
    for (prune, gone) in cases {
        let (_dir, store) = store();
        let tests: Vec<_> = (0..4)
            .map(|number| test(30 + number, number as i64 * 50))
            .collect();
        let outcomes = [
            RunOutcome::Invalid,
            RunOutcome::Valid,
            RunOutcome::Valid,
            RunOutcome::Valid,
        ];
        for (test, outcome) in tests.iter().zip(outcomes) {
            record(&store, test, outcome);
        }
        let now = tests[3].started_at + Duration::from_secs(10 * 60);
        let would: Vec<_> = store
            .prunable(&prune, now)
            .expect("a plan")
            .iter()
            .map(|p| p.folder.clone())
            .collect();
        assert_eq!(
            store.folders().expect("the runs").len(),
            4,
            "a dry run removes nothing"
        );
        let ids: Vec<_> = would
            .iter()
            .map(|folder| folder.time_and_id().expect("a name").1.to_owned())
            .collect();
        let expected: Vec<_> = gone.iter().map(|&position| tests[position].id.clone()).collect();
        assert_eq!(ids, expected, "{prune:?}");
        let removed = store.prune(&prune, now).expect("the runs go");
        assert_eq!(removed.len(), expected.len());
        assert!(
            removed
                .iter()
                .all(|pruned| pruned.bytes > 0 && !pruned.folder.path().exists())
        );
        assert_eq!(store.folders().expect("the runs").len(), 4 - expected.len());
    }
}

#[test]
fn a_run_that_is_going_on_is_never_pruned() {
    let (_dir, store) = store();
    let writer = store.create(&test(40, 0)).expect("a new run");
    record(&store, &test(41, 1), RunOutcome::Valid);
    let all = Prune {
        keep: Some(0),
        ..Prune::default()
    };
    let removed = store.prune(&all, Timestamp::now()).expect("the other goes");
    assert_eq!(removed.len(), 1);
    assert!(writer.folder().path().exists());
}

#[test]
fn a_record_of_a_later_version_is_refused_and_not_misread() {
    let (_dir, store) = store();
    record(&store, &test(50, 0), RunOutcome::Valid);
    let folder = store.find("latest").expect("the run");
    let path = folder.path().join("test.json");
    let text = fs::read_to_string(&path).expect("the record");
    fs::write(&path, text.replacen("\"schema\": 1", "\"schema\": 2", 1)).expect("the later record");
    let error = folder.test().expect_err("a later schema").to_string();
    assert!(
        error.contains("test.json") && error.contains("schema 2"),
        "{error}"
    );
    let listed = store.list().expect("the list");
    assert!(listed[0].test.is_err() && listed[0].state.is_ok());
}

#[test]
fn names_from_outside_stay_inside_the_store() {
    let (dir, store) = store();
    let mut test = test(60, 0);
    test.name = "../../evil/\u{202e}".to_owned();
    test.id = "../x".to_owned();
    let writer = store.create(&test).expect("a new run");
    let inside = fs::canonicalize(writer.folder().path()).expect("the run");
    let root = fs::canonicalize(store.root()).expect("the store");
    assert!(inside.starts_with(&root), "{}", inside.display());
    assert_eq!(fs::read_dir(dir.path()).expect("the folder").count(), 1);
}

#[test]
fn ids_are_short_and_differ() {
    let times = (0..1000).map(|second| Timestamp::from_second(1_800_000_000 + second).expect("a time"));
    let ids: std::collections::BTreeSet<_> = times.map(|time| perjury_results::run_id(7, time)).collect();
    assert_eq!(ids.len(), 1000);
    assert!(
        ids.iter()
            .all(|id| id.len() == 6 && id.chars().all(|c| c.is_ascii_alphanumeric()))
    );
}

#[test]
fn a_run_comes_out_of_its_archive_as_it_went_in() {
    let (dir, store) = store();
    let before = record(&store, &test(7, 0), RunOutcome::Valid);
    let folder = store.find("latest").expect("the run");
    fs::write(folder.node_log(perjury_nemesis::Node(1)), "n1 starts\n").expect("a log");
    let archive = dir.path().join(folder.archive_name());
    for path in [archive.clone(), dir.path().join("again.zip")] {
        let file = fs::File::create(&path).expect("a file");
        folder.export(file).expect("the archive");
    }
    let bytes = fs::read(&archive).expect("the archive");
    assert_eq!(bytes, fs::read(dir.path().join("again.zip")).expect("the second"));
    let elsewhere = tempfile::tempdir().expect("a temporary folder");
    let mailed = elsewhere.path().join("mailed.zip");
    fs::write(&mailed, bytes).expect("the copy");
    let found = Store::at(elsewhere.path().join("no store"))
        .find(&mailed.to_string_lossy())
        .expect("the run in the archive");
    let after = found.evidence().expect("its evidence");
    assert_eq!(after.history, before.history);
    assert_eq!(after.verdict, before.verdict);
    assert_eq!(after.logs[0].lines, ["n1 starts"]);
    assert_eq!(
        found.state().expect("its state"),
        RunState::Finished(RunOutcome::Valid)
    );
    found.write_reports(&after).expect("its reports");
    // A second look finds what was unpacked.
    assert_eq!(
        perjury_results::RunFolder::from_archive(&mailed).expect("the run"),
        found
    );
    assert_eq!(fs::read_dir(elsewhere.path()).expect("the folder").count(), 2);
}

#[test]
fn an_archive_that_is_no_run_is_refused_and_leaves_nothing() {
    use std::io::Write;

    let dir = tempfile::tempdir().expect("a temporary folder");
    for (name, files) in [
        ("outside", ["run/test.json", "../evil"].as_slice()),
        ("absolute", &["run/test.json", "/evil"]),
        ("two", &["run/test.json", "other/test.json"]),
        ("deep", &["run/test.json", "run/a/b/c"]),
        ("hidden", &[".ssh/test.json"]),
        ("none", &["run/history.jsonl"]),
        ("empty", &[]),
    ] {
        let path = dir.path().join(format!("{name}.zip"));
        let mut zip = zip::ZipWriter::new(fs::File::create(&path).expect("a file"));
        for file in files {
            zip.start_file(*file, zip::write::SimpleFileOptions::default())
                .expect("an entry");
            zip.write_all(b"{}").expect("its content");
        }
        zip.finish().expect("an archive");
        let refused = perjury_results::RunFolder::from_archive(&path).map(|run| run.path().to_owned());
        assert!(refused.is_err(), "{name}: {refused:?}");
    }
    fs::write(dir.path().join("text.zip"), "no zip").expect("a file");
    perjury_results::RunFolder::from_archive(&dir.path().join("text.zip")).expect_err("no zip at all");
    let left: Vec<_> = fs::read_dir(dir.path())
        .expect("the folder")
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
        .filter(|name| !name.ends_with(".zip"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}
