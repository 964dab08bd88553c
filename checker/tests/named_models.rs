//! Models by name: what a history does not tell is unknown, whichever model is asked.

use perjury_checker::formats::{self, Format};
use perjury_checker::models::{ModelName, ModelOptions, NilRead};
use perjury_checker::{Finding, History, HistoryBuilder, Options, Outcome, Value, Verdict};

use ModelName::{
    Counter, Lease, LinearizableCounter, LinearizableSet, MultiRegister, Register, Set, UniqueIds,
    VersionedRegister,
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
fn a_log_of_which_every_line_is_skipped_is_refused() {
    let line = "2015-01-01 12:00:00,000 INFO  jepsen.util - 0\t:invoke\t:write\t1\n";
    let error = formats::read(line.as_bytes(), Some(Format::EtcdLog)).unwrap_err();
    assert_eq!(error.line, 1, "{error}");
    assert!(error.mend.contains("jepsen.util"), "{error}");
    assert!(formats::read(&b""[..], Some(Format::EtcdLog)).is_ok());
}
