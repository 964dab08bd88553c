//! Models by name: what a history does not tell is unknown, whichever model is asked.

use perjury_checker::formats::{self, Format};
use perjury_checker::models::{ModelName, ModelOptions, NilRead};
use perjury_checker::{Finding, History, HistoryBuilder, Options, Outcome, Value, Verdict};

use ModelName::{
    Counter, Lease, LinearizableCounter, LinearizableSet, MultiRegister, Set, UniqueIds, VersionedRegister,
};

/// Operations that succeed, one after the other: process, function, argument, result. Times in milliseconds.
fn told(operations: &[(u64, &str, Value, Value)]) -> History {
    let mut recorder = HistoryBuilder::default();
    let mut time = 0;
    for (process, f, argument, result) in operations {
        recorder.invoke(*process, time, f, "x", argument.clone()).unwrap();
        recorder
            .complete(*process, time + 1_000_000, Outcome::Ok, result.clone())
            .unwrap();
        time += 2_000_000;
    }
    recorder.finish()
}

fn judged(model: ModelName, history: &History, nil_read: NilRead) -> Finding {
    let options = ModelOptions {
        nil_read,
        ..ModelOptions::default()
    };
    model.check(history, &options, &Options::default())
}

fn list(values: &[i64]) -> Value {
    Value::from(values.iter().copied().map(Value::Int).collect::<Vec<_>>())
}

fn access(f: &str, value: Value) -> Value {
    Value::from(vec![Value::from(vec![Value::from(f), Value::from("x"), value])])
}

#[test]
fn a_history_without_operations_is_not_valid() {
    for model in ModelName::ALL {
        let finding = judged(model, &History::default(), NilRead::Absent);
        assert_eq!(
            finding.verdict,
            Verdict::Unknown,
            "{model:?}: {}",
            finding.sentence
        );
        assert!(
            finding.sentence.starts_with("Not decided"),
            "{}",
            finding.sentence
        );
    }
}

#[test]
fn a_log_of_which_every_line_is_skipped_is_refused() {
    let line = "2015-01-01 12:00:00,000 INFO  jepsen.util - 0\t:invoke\t:write\t1\n";
    let error = formats::read(line.as_bytes(), Some(Format::EtcdLog)).unwrap_err();
    assert_eq!(error.line, 1, "{error}");
    assert!(error.mend.contains("jepsen.util"), "{error}");
    assert!(formats::read(&b""[..], Some(Format::EtcdLog)).is_ok());
}

#[test]
fn a_read_of_nil_says_nothing_to_any_model_where_the_recorder_did_not_keep_what_was_read() {
    let read = (1, "read", Value::Nil, Value::Nil);
    for (model, operation) in [
        (Set, (0, "add", Value::Int(1), Value::Nil)),
        (LinearizableSet, (0, "add", Value::Int(1), Value::Nil)),
        (Counter, (0, "increment", Value::Int(1), Value::Nil)),
        (LinearizableCounter, (0, "increment", Value::Int(1), Value::Nil)),
        (VersionedRegister, (0, "write", Value::Int(1), Value::Nil)),
    ] {
        let history = told(&[operation, read.clone()]);
        let finding = judged(model, &history, NilRead::Unknown);
        assert_ne!(
            finding.verdict,
            Verdict::Invalid,
            "{model:?}: {}",
            finding.sentence
        );
        let finding = judged(model, &history, NilRead::Absent);
        assert_ne!(finding.verdict, Verdict::Valid, "{model:?}: {}", finding.sentence);
    }
}

#[test]
fn transactions_that_read_nil_read_an_absent_register_unless_that_says_nothing() {
    let (write, read) = (access("w", Value::Int(1)), access("r", Value::Nil));
    let history = told(&[(0, "txn", write.clone(), write), (1, "txn", read.clone(), read)]);
    for (nil_read, verdict) in [
        (NilRead::Absent, Verdict::Invalid),
        (NilRead::Unknown, Verdict::Valid),
    ] {
        let finding = judged(MultiRegister, &history, nil_read);
        assert_eq!(finding.verdict, verdict, "{}", finding.sentence);
    }
}

#[test]
fn an_id_that_was_not_recorded_is_none_that_was_given_out_twice() {
    let none = (0, "generate", Value::Nil, Value::Nil);
    let one = (0, "generate", Value::Nil, Value::Int(1));
    for (operations, verdict) in [
        (vec![none.clone(), none.clone()], Verdict::Unknown),
        (vec![one.clone(), none.clone()], Verdict::Unknown),
        (vec![one.clone(), none, one], Verdict::Invalid),
    ] {
        let finding = judged(UniqueIds, &told(&operations), NilRead::Absent);
        assert_eq!(finding.verdict, verdict, "{}", finding.sentence);
    }
}

#[test]
fn an_operation_that_a_model_does_not_have_excuses_what_came_after_it_and_nothing_before() {
    let (second, int) = (Value::Int(1_000_000_000), Value::Int);
    let acquire = |process| (process, "acquire", second.clone(), Value::Nil);
    for (model, correct, broken) in [
        (
            Set,
            vec![
                (0, "add", int(1), Value::Nil),
                (0, "remove", int(1), Value::Nil),
                (1, "read", Value::Nil, list(&[])),
            ],
            vec![
                (1, "read", Value::Nil, list(&[7])),
                (0, "add", int(1), Value::Nil),
                (0, "remove", int(1), Value::Nil),
            ],
        ),
        (
            Counter,
            vec![
                (0, "increment", int(1), Value::Nil),
                (0, "decrement", int(1), Value::Nil),
                (1, "read", Value::Nil, int(0)),
            ],
            vec![
                (1, "read", Value::Nil, int(7)),
                (0, "decrement", int(1), Value::Nil),
            ],
        ),
        (
            Counter,
            vec![
                (0, "increment", int(1), Value::Nil),
                (0, "increment", Value::from("2"), Value::Nil),
                (1, "read", Value::Nil, int(3)),
            ],
            vec![
                (0, "increment", int(1), Value::Nil),
                (1, "read", Value::Nil, int(0)),
                (0, "increment", Value::from("2"), Value::Nil),
            ],
        ),
        (
            Lease,
            vec![acquire(0), (0, "unlock", Value::Nil, Value::Nil), acquire(1)],
            vec![acquire(0), acquire(1), (0, "unlock", Value::Nil, Value::Nil)],
        ),
    ] {
        for (operations, verdict) in [(correct, Verdict::Unknown), (broken, Verdict::Invalid)] {
            let finding = judged(model, &told(&operations), NilRead::Absent);
            assert_eq!(finding.verdict, verdict, "{operations:?}: {}", finding.sentence);
        }
    }
}

#[test]
fn a_sum_beyond_64_bits_is_no_violation_where_it_was_not_read() {
    let add = |more| (0, "increment", Value::Int(more), Value::Nil);
    let read = (0, "read", Value::Nil, Value::Int(i64::MAX));
    let history = told(&[add(i64::MAX), add(1), add(-1), read]);
    for model in [Counter, LinearizableCounter] {
        let finding = judged(model, &history, NilRead::Absent);
        assert_eq!(finding.verdict, Verdict::Valid, "{model:?}: {}", finding.sentence);
    }
}

#[test]
fn a_counter_that_begins_with_no_integer_is_not_judged() {
    let history = told(&[(0, "read", Value::Nil, Value::Int(0))]);
    for (initial, verdict) in [
        (Value::from("ten"), Verdict::Unknown),
        (Value::Int(10), Verdict::Invalid),
        (Value::Nil, Verdict::Valid),
    ] {
        for model in [Counter, LinearizableCounter] {
            let options = ModelOptions {
                initial: Some(initial.clone()),
                ..ModelOptions::default()
            };
            let finding = model.check(&history, &options, &Options::default());
            assert_eq!(finding.verdict, verdict, "{initial}: {}", finding.sentence);
        }
    }
}
