//! Witnesses that prove what they are shown for, and verdicts that stand when the time is up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use perjury_checker::budget::Budget;
use perjury_checker::formats::Format;
use perjury_checker::models::{Cell, Model, Unsupported, VersionedRegister};
use perjury_checker::{Finding, History, HistoryBuilder, Operation, Options, Outcome, Value, Verdict};
use perjury_checker::{check, counter, models, quorum};

/// The history of events that are given without their braces and indexes.
fn history(events: &[&str]) -> History {
    let line = |(index, event): (usize, &&str)| format!("{{\"index\":{index},\"time\":{index},{event}}}\n");
    let text: String = events.iter().enumerate().map(line).collect();
    Format::Jsonl.read(text.as_bytes()).unwrap().history
}

/// Operations of key x, one after the other.
fn recorded(operations: &[(u64, &str, Value, Outcome, Value)]) -> History {
    let mut recorder = HistoryBuilder::default();
    for (process, f, argument, outcome, result) in operations {
        recorder.invoke(*process, 0, f, "x", argument.clone()).unwrap();
        recorder.complete(*process, 0, *outcome, result.clone()).unwrap();
    }
    recorder.finish()
}

/// The first witness's operations as a history of their own.
fn alone(finding: &Finding) -> History {
    let mut operations = finding.witnesses[0].operations.clone();
    for (id, operation) in operations.iter_mut().enumerate() {
        operation.id = id;
    }
    History {
        operations,
        ..History::default()
    }
}

fn proves_alone<M: Model>(history: &History, model: &M) -> String {
    let options = Options::default();
    let finding = check(history, model, &options);
    assert_eq!(finding.verdict, Verdict::Invalid, "{}", finding.sentence);
    let story = finding.witnesses[0].story.join("\n");
    let again = check(&alone(&finding), model, &options);
    assert_eq!(again.verdict, Verdict::Invalid, "{story}");
    story
}

fn read(process: u64, value: &str, version: u64) -> [String; 2] {
    [
        format!(r#""process":{process},"type":"invoke","f":"read","key":"x""#),
        format!(
            r#""process":{process},"type":"ok","f":"read","key":"x","value":{value},"version":{version}"#
        ),
    ]
}

#[test]
fn a_version_from_nowhere_is_shown_with_all_that_excludes_its_writers() {
    let model = VersionedRegister::default();
    let told = |groups: &[Vec<String>]| {
        let lines = groups.concat();
        history(&lines.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let lost = vec![r#""process":9,"type":"invoke","f":"write","key":"x","value":7"#.to_owned()];
    // The initial value cannot be there again.
    let again = told(&[read(0, "null", 0).to_vec(), read(1, "null", 2).to_vec()]);
    proves_alone(&again, &model);
    // One unknown write makes one version.
    let twice = told(&[lost.clone(), read(0, "7", 3).to_vec(), read(1, "7", 5).to_vec()]);
    proves_alone(&twice, &model);
    // The write was asked for when a later version had been told.
    let [begun, ended] = read(1, "7", 3);
    let made = vec![
        r#""process":2,"type":"invoke","f":"write","key":"x","value":8"#.to_owned(),
        r#""process":2,"type":"ok","f":"write","key":"x","version":4"#.to_owned(),
    ];
    let late = told(&[vec![begun], made, lost, vec![ended]]);
    proves_alone(&late, &model);
    // A compare-and-set that differed did not see the value that a read tells of its version.
    let denied = history(&[
        r#""process":1,"type":"invoke","f":"cas","key":"x","value":[0,1]"#,
        r#""process":1,"type":"fail","f":"cas","key":"x","error":"precondition-failed","version":3"#,
        r#""process":0,"type":"invoke","f":"read","key":"x""#,
        r#""process":0,"type":"ok","f":"read","key":"x","value":7,"version":3"#,
    ]);
    let story = proves_alone(&denied, &model);
    assert!(!story.contains("compare"), "{story}");
}

#[test]
fn an_element_that_came_too_late_is_shown_with_the_read_that_lacks_it() {
    let history = history(&[
        r#""process":2,"type":"invoke","f":"read""#,
        r#""process":0,"type":"invoke","f":"add","value":1"#,
        r#""process":0,"type":"ok","f":"add","value":1"#,
        r#""process":1,"type":"invoke","f":"add","value":2"#,
        r#""process":1,"type":"ok","f":"add","value":2"#,
        r#""process":2,"type":"ok","f":"read","value":[2]"#,
        r#""process":3,"type":"invoke","f":"read""#,
        r#""process":3,"type":"ok","f":"read","value":[1,2]"#,
    ]);
    proves_alone(&history, &models::Set);
}

#[test]
fn a_list_that_was_written_and_read_too_late_is_a_stale_read() {
    let list = |one: i64| Value::from(vec![Value::Int(one), Value::Int(5)]);
    let history = recorded(&[
        (0, "write", list(1), Outcome::Ok, Value::Nil),
        (0, "write", list(2), Outcome::Ok, Value::Nil),
        (1, "read", Value::Nil, Outcome::Ok, list(1)),
    ]);
    let story = proves_alone(&history, &Cell::register());
    assert!(story.contains("stale") && !story.contains("phantom"), "{story}");
}

#[test]
fn a_stale_read_is_not_blamed_on_a_write_that_failed() {
    let int = Value::Int;
    let repeated = recorded(&[
        (0, "write", int(5), Outcome::Ok, Value::Nil),
        (0, "write", int(6), Outcome::Ok, Value::Nil),
        (0, "write", int(5), Outcome::Fail, Value::Nil),
        (1, "read", Value::Nil, Outcome::Ok, int(5)),
    ]);
    let nil = recorded(&[
        (0, "write", int(1), Outcome::Ok, Value::Nil),
        (0, "write", Value::Nil, Outcome::Fail, Value::Nil),
        (1, "read", Value::Nil, Outcome::Ok, Value::Nil),
    ]);
    for history in [repeated, nil] {
        let finding = quorum::regularity(&history);
        assert_eq!(finding.verdict, Verdict::Invalid);
        assert!(finding.sentence.contains("stale"), "{}", finding.sentence);
        let again = quorum::regularity(&alone(&finding));
        assert_eq!(again.verdict, Verdict::Invalid, "{}", finding.sentence);
    }
    let dirty = recorded(&[
        (0, "write", int(5), Outcome::Fail, Value::Nil),
        (1, "read", Value::Nil, Outcome::Ok, int(5)),
    ]);
    let sentence = quorum::regularity(&dirty).sentence;
    assert!(sentence.contains("surely failed"), "{sentence}");
}

#[test]
fn a_key_that_is_not_a_registers_hides_no_violation_of_another_one() {
    let mut recorder = HistoryBuilder::default();
    recorder.invoke(0, 1, "increment", "a", 1).unwrap();
    recorder.complete(0, 2, Outcome::Ok, 1).unwrap();
    let strange = recorder.clone().finish();
    recorder.invoke(0, 3, "read", "b", Value::Nil).unwrap();
    recorder.complete(0, 4, Outcome::Ok, 5).unwrap();
    let phantom = recorder.finish();
    for judge in [quorum::regularity, quorum::validity] {
        let finding = judge(&phantom);
        assert_eq!(finding.verdict, Verdict::Invalid, "{}", finding.sentence);
        assert_eq!(finding.witnesses.len(), 1);
        let finding = judge(&strange);
        assert_eq!(finding.verdict, Verdict::Unknown, "{}", finding.sentence);
    }
}

/// A budget whose time is up after so many looks at the clock, and how often it was looked at.
fn looks(most: u64) -> (Options, Arc<AtomicU64>) {
    let looked = Arc::new(AtomicU64::new(0));
    let clock = Arc::clone(&looked);
    let options = Options {
        budget: Budget::default().until(move || clock.fetch_add(1, Ordering::Relaxed) >= most),
        ..Options::default()
    };
    (options, looked)
}

#[test]
fn what_is_not_sequentially_consistent_is_never_valid_however_late_it_is() {
    let mut operations = Vec::new();
    for process in 0..3 {
        for turn in 0..4 {
            operations.push((process, "write", Value::Int(turn % 2), Outcome::Ok, Value::Nil));
        }
    }
    operations.push((5, "write", Value::Int(7), Outcome::Ok, Value::Nil));
    for saw in [7, 1, 7] {
        operations.push((6, "read", Value::Nil, Outcome::Ok, Value::Int(saw)));
    }
    let history = recorded(&operations);
    let mut invalid = 0;
    for most in 0..400 {
        let finding = quorum::sequential_consistency(&history, &looks(most).0);
        assert_ne!(finding.verdict, Verdict::Valid, "{most}: {}", finding.sentence);
        let proven = finding.verdict == Verdict::Invalid;
        assert_eq!(
            proven,
            !finding.witnesses.is_empty(),
            "{most}: {}",
            finding.sentence
        );
        invalid += u64::from(proven);
    }
    assert!(invalid > 100, "{invalid}");
}

/// A register that counts how often it is asked for a step.
struct Counting(AtomicU64);

impl Model for Counting {
    type State = Value;
    type Action = models::CellAction;

    fn name(&self) -> &str {
        "counting"
    }
    fn init(&self) -> Value {
        Value::Nil
    }
    fn action(&self, operation: &Operation) -> Result<Option<models::CellAction>, Unsupported> {
        Cell::register().action(operation)
    }
    fn step(&self, state: &Value, action: &models::CellAction) -> Option<Value> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Cell::register().step(state, action)
    }
    fn describe(&self, state: &Value) -> Value {
        state.clone()
    }
}

#[test]
fn a_violation_is_explained_by_more_operations_when_the_time_is_up() {
    let mut recorder = HistoryBuilder::default();
    for turn in 0..30_i64 {
        for process in 0..6 {
            recorder.invoke(process, 0, "write", "x", turn % 3).unwrap();
        }
        recorder.invoke(7, 0, "read", "x", Value::Nil).unwrap();
        recorder
            .complete(7, 0, Outcome::Ok, if turn == 25 { 9 } else { turn % 3 })
            .unwrap();
        for process in 0..6 {
            recorder.complete(process, 0, Outcome::Ok, Value::Nil).unwrap();
        }
    }
    let history = recorder.finish();
    let judged = |most| {
        let model = Counting(AtomicU64::new(0));
        let (options, looked) = looks(most);
        let finding = check(&history, &model, &options);
        let steps = model.0.load(Ordering::Relaxed);
        (finding, steps, looked.load(Ordering::Relaxed))
    };
    let (free, steps, asked) = judged(u64::MAX);
    assert_eq!(free.verdict, Verdict::Invalid, "{}", free.sentence);
    let late = (0..asked)
        .map(judged)
        .find(|(finding, ..)| finding.verdict == Verdict::Invalid);
    let (late, fewer, _) = late.expect("the verdict comes before the explanation");
    assert!(fewer < steps, "{fewer} of {steps} steps");
    assert!(!late.witnesses.is_empty());
    let again = check(&alone(&late), &Cell::register(), &Options::default());
    assert_eq!(again.verdict, Verdict::Invalid, "{:?}", late.witnesses[0].story);
}

#[test]
fn a_counter_that_lost_an_increment_early_is_explained_without_all_of_its_reads() {
    let mut operations = Vec::new();
    for count in 0..30_000_i64 {
        operations.push((0, "increment", Value::Int(1), Outcome::Ok, Value::Nil));
        let lost = i64::from(count >= 10);
        operations.push((1, "read", Value::Nil, Outcome::Ok, Value::Int(count + 1 - lost)));
    }
    let finding = counter::check(&recorded(&operations), 0);
    assert_eq!(finding.verdict, Verdict::Invalid);
    assert!(
        finding.sentence.starts_with("29990 of 30000"),
        "{}",
        finding.sentence
    );
    assert!(
        finding
            .witnesses
            .iter()
            .all(|witness| witness.operations.len() < 30)
    );
}
