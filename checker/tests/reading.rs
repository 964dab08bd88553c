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
fn edn_with_keys_is_not_taken_for_a_key_value_log_of_porcupine() {
    let lists = edn(&[
        (0, "append", ":key \"x\", :value 1", "ok", ":key \"x\", :value 1"),
        (
            1,
            "read",
            ":key \"x\", :value nil",
            "ok",
            ":key \"x\", :value [1]",
        ),
    ]);
    let nil = edn(&[(0, "get", ":key \"x\", :value nil", "ok", ":key \"x\", :value nil")]);
    let texts = edn(&[
        (
            0,
            "append",
            ":key \"x\", :value \"a\"",
            "ok",
            ":key \"x\", :value \"a\"",
        ),
        (
            1,
            "get",
            ":key \"x\", :value nil",
            "ok",
            ":key \"x\", :value [\"a\"]",
        ),
    ]);
    for (text, model) in [
        (&lists, ModelName::AppendList),
        (&nil, ModelName::Register),
        (&texts, ModelName::AppendList),
    ] {
        assert_eq!(Format::detect(text), Some(Format::Edn), "{text}");
        let finding = judged(text, model);
        assert_ne!(finding.verdict, Verdict::Invalid, "{}", finding.sentence);
        assert!(Format::KvLog.read(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn what_no_key_value_log_holds_is_refused_with_its_line_wherever_it_comes() {
    let (put, got) = (":key \"x\", :value \"a\"", ":key \"x\", :value nil");
    let mut lines = vec![(0, "put", put, "ok", put); 2000];
    lines.push((0, "get", got, "ok", got));
    let error = refused(&edn(&lines));
    assert_eq!(error.line, 4002, "{error}");
    assert!(error.mend.contains("edn"), "{error}");
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
fn independent_keys_are_found_although_an_operation_that_says_nothing_does_not_tell_its_key() {
    for odd in [
        (1, "read", ":value [1 nil]", "fail", ":value :timeout"),
        (1, "read", ":value [1 nil]", "info", ":value \"gone\""),
        (1, "read", ":value [nil nil]", "info", ":value [nil nil]"),
        (1, "write", ":value 7", "fail", ":value 7"),
    ] {
        let text = edn(&[&TWO_KEYS[..], &[odd]].concat());
        assert_eq!(
            keys(&text)[..3],
            ["1", "2", "1"].map(|key| Some(key.to_owned())),
            "{odd:?}"
        );
        let finding = judged(&text, ModelName::Register);
        assert_eq!(finding.verdict, Verdict::Valid, "{odd:?}: {}", finding.sentence);
    }
}

#[test]
fn independent_keys_are_found_where_nothing_is_read() {
    let acquired = edn(&[
        (0, "acquire", ":value [1 nil]", "ok", ":value [1 nil]"),
        (1, "acquire", ":value [2 nil]", "ok", ":value [2 nil]"),
    ]);
    let queued = edn(&[
        (0, "enqueue", ":value [1 5]", "ok", ":value [1 5]"),
        (1, "enqueue", ":value [2 6]", "ok", ":value [2 6]"),
        (1, "dequeue", ":value [2 nil]", "ok", ":value [2 6]"),
    ]);
    for (text, model) in [(acquired, ModelName::Mutex), (queued, ModelName::FifoQueue)] {
        assert!(keys(&text).iter().all(Option::is_some), "{text}");
        let finding = judged(&text, model);
        assert_eq!(finding.verdict, Verdict::Valid, "{}", finding.sentence);
    }
}

#[test]
fn an_operation_that_has_to_tell_its_key_and_does_not_is_refused_with_its_line() {
    for odd in [
        (1, "write", ":value 7", "ok", ":value 7"),
        (1, "write", ":value 7", "info", ":value 7"),
        (1, "read", ":value [1 nil]", "ok", ":value 5"),
        (1, "read", ":value [1 nil]", "ok", ":value [2 5]"),
    ] {
        let error = refused(&edn(&[&TWO_KEYS[..], &[odd]].concat()));
        assert_eq!(error.line, 7, "{odd:?}: {error}");
    }
}

#[test]
fn pairs_that_may_begin_with_a_key_or_not_are_not_guessed_at() {
    let cas = |value: &str| edn(&[(0, "cas", value, "ok", value)]);
    let error = refused(&cas(":value [1 [nil 5]]"));
    assert!(error.mend.contains(":key"), "{error}");
    assert_eq!(keys(&cas(":value [1 5]")), [None]);
    assert_eq!(
        keys(&cas(":key \"x\", :value [1 [nil 5]]")),
        [Some("x".to_owned())]
    );
    let read = edn(&[(0, "read", ":value nil", "ok", ":value [nil 5]")]);
    assert_eq!(keys(&(cas(":value [1 [nil 5]]") + &read)), [None, None]);
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
fn json_is_recognised_over_however_many_lines_it_is_spread() {
    let text = "[\n  {\n    \"process\": 0,\n    \"type\": \"invoke\",\n    \"f\": \"write\",\n    \"value\": 1\n  },\n  \
                {\n    \"process\": 0,\n    \"type\": \"ok\",\n    \"f\": \"write\",\n    \"value\": 1\n  }\n]\n";
    for text in [text, text.trim_matches(['[', ']', '\n'])] {
        assert_eq!(Format::detect(text), Some(Format::Json), "{text}");
        assert_eq!(parsed(text).history.operations.len(), 1);
    }
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
