//! Histories that others write, where it is easy to take one thing for another.

use perjury_checker::formats::{Format, FormatError, Parsed, read};
use perjury_checker::models::ModelName;
use perjury_checker::{Finding, Options, Value, Verdict};

fn parsed(text: &str) -> Parsed {
    read(text.as_bytes(), None).unwrap_or_else(|error| panic!("{error} in {text}"))
}

fn refused(text: &str) -> FormatError {
    read(text.as_bytes(), None)
        .map(|parsed| parsed.history.operations.len())
        .unwrap_err()
}

fn judged(text: &str, model: ModelName) -> Finding {
    let Parsed { history, options, .. } = parsed(text);
    model.check(&history, &options, &Options::default())
}

/// Invocations, each with its completion: `process :f argument :type result`.
fn edn(lines: &[(u64, &str, &str, &str, &str)]) -> String {
    let told = |&(process, f, argument, kind, result): &(u64, &str, &str, &str, &str)| {
        format!(
            "{{:process {process}, :type :invoke, :f :{f}, {argument}}}\n\
             {{:process {process}, :type :{kind}, :f :{f}, {result}}}\n"
        )
    };
    lines.iter().map(told).collect()
}

#[test]
fn only_the_nemesis_is_a_process_with_a_name() {
    let text = edn(&[(0, "write", ":value 1", "ok", ":value 1")]);
    for name in ["\"c1\"", ":c1", "\"0\""] {
        let error = refused(&text.replace(":process 0", &format!(":process {name}")));
        assert_eq!(error.line, 1, "{error}");
        assert!(error.mend.contains("number"), "{error}");
    }
    for name in [":nemesis", "\"nemesis\""] {
        let history = parsed(&text.replace(":process 0", &format!(":process {name}"))).history;
        assert_eq!((history.operations.len(), history.faults.len()), (0, 2));
    }
}

const TWO_KEYS: [(u64, &str, &str, &str, &str); 3] = [
    (0, "write", ":value [1 5]", "ok", ":value [1 5]"),
    (1, "write", ":value [2 6]", "ok", ":value [2 6]"),
    (1, "read", ":value [1 nil]", "ok", ":value [1 5]"),
];

fn keys(text: &str) -> Vec<Option<String>> {
    let operations = parsed(text).history.operations;
    operations
        .iter()
        .map(|one| one.key.as_ref().map(ToString::to_string))
        .collect()
}

#[test]
fn sets_and_maps_are_the_same_in_whatever_order_they_are_written() {
    for (written, seen) in [
        ("{:a 1 :b 2}", "{:b 2 :a 1}"),
        ("#{1 2}", "#{2 1}"),
        ("{:a #{1 2} :b 2}", "{:b 2 :a #{2 1}}"),
    ] {
        let (written, seen) = (format!(":value {written}"), format!(":value {seen}"));
        let text = edn(&[
            (0, "write", &written, "ok", &written),
            (1, "read", ":value nil", "ok", &seen),
        ]);
        let finding = judged(&text, ModelName::Register);
        assert_eq!(finding.verdict, Verdict::Valid, "{}", finding.sentence);
    }
    let apart = edn(&[(1, "read", ":value nil", "ok", ":value [2 1]")]);
    let saw = &parsed(&apart).history.operations[0].completion.value;
    assert_eq!(*saw, Value::from(vec![Value::Int(2), Value::Int(1)]));
}

#[test]
fn no_event_stands_where_pending_operations_end() {
    let line = |index: u64, kind: &str| {
        format!(
            "{{\"index\":{index},\"time\":0,\"process\":1,\"type\":\"{kind}\",\"f\":\"read\",\"value\":5}}\n"
        )
    };
    let error = refused(&(line(u64::MAX - 1, "invoke") + &line(u64::MAX, "ok")));
    assert_eq!(error.line, 2, "{error}");
    assert_eq!(
        parsed(&(line(0, "invoke") + &line(u64::MAX - 1, "ok")))
            .history
            .operations[0]
            .returned(),
        u64::MAX - 1
    );
}
