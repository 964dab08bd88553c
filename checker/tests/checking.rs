//! What a caller relies on: budgets hold, threads do not matter, names and formats are understood.

use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use perjury_checker::budget::Budget;
use perjury_checker::formats::{Format, read};
use perjury_checker::generate::{Load, Recipe, linearizable, make_stale};
use perjury_checker::models::{Cell, Model, ModelName, ModelOptions, Unsupported};
use perjury_checker::{
    Finding, Function, History, HistoryBuilder, Method, Operation, Options, Outcome, Value, Verdict, check,
};

fn history(recipe: &Recipe) -> History {
    History::from_events(linearizable(recipe)).unwrap()
}

#[test]
fn a_spent_budget_is_unknown_and_says_so() {
    let recipe = Recipe {
        load: Load::CasRegister,
        values: Some(5),
        clients: 20,
        ..Recipe::default()
    };
    let history = history(&recipe);
    for (budget, reason) in [
        (Budget::unlimited().with_states(10), "limit of 10 configurations"),
        (Budget::unlimited().with_bytes(10), "memory"),
        (Budget::unlimited().until(|| true), "time was up"),
    ] {
        let options = Options {
            budget,
            ..Options::default()
        };
        let finding = check(&history, &Cell::cas_register(), &options);
        assert_eq!(finding.verdict, Verdict::Unknown);
        assert!(finding.sentence.contains(reason), "{}", finding.sentence);
    }
    assert_eq!(
        check(&history, &Cell::cas_register(), &Options::default()).verdict,
        Verdict::Valid
    );
}

/// A model of a user's whose states never meet again: what was appended, in order. It counts its steps.
struct Endless(Arc<AtomicU64>);

impl Model for Endless {
    type State = Vec<i64>;
    type Action = (bool, i64);

    fn name(&self) -> &str {
        "endless"
    }

    fn init(&self) -> Vec<i64> {
        Vec::new()
    }

    fn action(&self, operation: &Operation) -> Result<Option<(bool, i64)>, Unsupported> {
        match (&operation.f, &operation.argument, &operation.completion.value) {
            (Function::Append, Value::Int(value), _) => Ok(Some((true, *value))),
            (Function::Read, _, Value::Int(last)) => Ok(Some((false, *last))),
            _ => Err(Unsupported::function(self.name(), operation)),
        }
    }

    fn step(&self, state: &Vec<i64>, &(append, value): &(bool, i64)) -> Option<Vec<i64>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        if append {
            Some([&state[..], &[value]].concat())
        } else {
            // Nobody can have read this.
            (state.iter().sum::<i64>() == value).then(|| state.clone())
        }
    }

    fn describe(&self, state: &Vec<i64>) -> Value {
        state.iter().copied().map(Value::Int).collect::<Vec<_>>().into()
    }

    fn bytes(&self, state: &Vec<i64>) -> usize {
        size_of_val(state) + size_of_val(&state[..])
    }
}

/// Sixteen appends in flight at once, and then a read that none of their orders explains.
fn hopeless() -> History {
    let mut recorder = HistoryBuilder::default();
    for process in 0..16 {
        recorder
            .invoke(process, 0, "append", "x", process as i64)
            .unwrap();
    }
    for process in 0..16 {
        recorder.complete(process, 1, Outcome::Ok, Value::Nil).unwrap();
    }
    recorder.invoke(0, 2, "read", "x", Value::Nil).unwrap();
    recorder.complete(0, 3, Outcome::Ok, -1).unwrap();
    recorder.finish()
}

#[test]
fn budgets_hold_inside_a_users_model() {
    let history = hopeless();
    let steps = Arc::new(AtomicU64::new(0));
    let model = Endless(Arc::clone(&steps));
    for method in [Method::Cheapest, Method::Search, Method::Frontier] {
        let within = |budget: Budget| {
            steps.store(0, Ordering::Relaxed);
            let options = Options {
                budget,
                method,
                ..Options::default()
            };
            let finding = check(&history, &model, &options);
            assert_eq!(finding.verdict, Verdict::Unknown, "{}", finding.sentence);
            (finding.sentence, steps.load(Ordering::Relaxed))
        };
        // However long one step takes: the clock is read at every configuration, and each tries 17 steps at most.
        let clock = Arc::clone(&steps);
        let late = Budget::unlimited().until(move || clock.load(Ordering::Relaxed) > 1000);
        let (sentence, taken) = within(late);
        assert!(sentence.contains("the time was up"), "{sentence}");
        assert!(taken <= 1000 + 2 * 17, "{method:?} took {taken} steps");
        let (sentence, _) = within(Budget::unlimited().with_states(5000));
        assert!(sentence.contains("5000 configurations"), "{sentence}");
        let (sentence, taken) = within(Budget::unlimited().with_bytes(1 << 20));
        assert!(sentence.contains("1 MiB"), "{sentence}");
        assert!(taken < 100_000, "{method:?} took {taken} steps");
    }
}

#[test]
fn a_proven_violation_wins_over_a_key_that_is_not_decided() {
    let mut events = linearizable(&Recipe {
        keys: 2,
        operations: 400,
        ..Recipe::default()
    });
    // One key gets an operation that no method for registers knows; the other one a lie.
    events.retain(|event| event.key.as_deref() == Some("k0"));
    make_stale(&mut events, 500, 5).unwrap();
    let mut strange = events[0].clone();
    (strange.key, strange.f) = (Some("k1".into()), "increment".into());
    (strange.index, strange.process) = (u64::MAX, perjury_checker::Process::Client(9999));
    events.push(strange);
    let history = History::from_events(events).unwrap();
    let finding = check(&history, &Cell::register(), &Options::default());
    assert_eq!(finding.verdict, Verdict::Invalid, "{}", finding.sentence);
}

/// Histories of many keys, or long ones shared by threads, are dealt out to their keys first.
#[test]
fn keys_that_are_dealt_out_are_judged_as_by_the_search() {
    let mut counts = [0; 2];
    let few = |seed| (20, 600, 1 + seed % 3);
    let recipes = (0..150).map(few).chain([(1, 120_000, 2), (9, 110_000, 3)]);
    for (seed, (keys, operations, threads)) in (0..).zip(recipes) {
        let recipe = Recipe {
            keys,
            operations,
            unknown_permille: 50 * (seed % 2),
            seed,
            ..Recipe::default()
        };
        let mut events = linearizable(&recipe);
        for permille in [300, 600, 900].into_iter().take(seed as usize % 4) {
            make_stale(&mut events, permille, 2);
        }
        let history = History::from_events(events).unwrap();
        let by = |method, threads| {
            let options = Options {
                method,
                threads: NonZero::new(threads as usize).unwrap(),
                ..Options::default()
            };
            let finding = check(&history, &Cell::register(), &options);
            (finding.verdict, finding.operations, finding.witnesses.len())
        };
        let dealt = by(Method::Cheapest, threads);
        assert_eq!(dealt, by(Method::Zones, 1), "{recipe:?}");
        let (verdict, ..) = by(Method::Search, 1);
        assert_eq!(dealt.0, verdict, "{recipe:?}");
        counts[usize::from(verdict == Verdict::Valid)] += 1;
    }
    assert!(counts.iter().all(|&count| count > 20), "{counts:?}");
}

#[test]
fn the_finding_does_not_depend_on_the_number_of_threads() {
    for seed in 0..5 {
        let recipe = Recipe {
            load: Load::CasRegister,
            keys: 8,
            values: Some(4),
            seed,
            operations: 2000,
            ..Recipe::default()
        };
        let mut events = linearizable(&recipe);
        for permille in [100, 300, 500, 700] {
            make_stale(&mut events, permille, 3);
        }
        let history = History::from_events(events).unwrap();
        let with = |threads| {
            let options = Options {
                threads: NonZero::new(threads).unwrap(),
                ..Options::default()
            };
            check(&history, &Cell::cas_register(), &options)
        };
        assert_eq!(with(1), with(4));
    }
}

#[test]
fn a_stale_read_late_in_a_long_history_is_explained_in_three_operations() {
    let mut events = linearizable(&Recipe {
        operations: 20_000,
        ..Recipe::default()
    });
    make_stale(&mut events, 950, 40).unwrap();
    let history = History::from_events(events).unwrap();
    for method in [Method::Cheapest, Method::Search] {
        let options = Options {
            method,
            ..Options::default()
        };
        let finding = check(&history, &Cell::register(), &options);
        assert_eq!(finding.verdict, Verdict::Invalid);
        let witness = &finding.witnesses[0];
        assert!(witness.operations.len() <= 4, "{:#?}", witness.story);
        let conclusion = witness.story.last().unwrap();
        assert!(
            conclusion.contains("stale read") || conclusion.contains("back in time"),
            "{conclusion}"
        );
        assert!(witness.orders.iter().all(|order| !order.stuck.is_empty()) && !witness.orders.is_empty());
    }
}

#[test]
fn every_name_of_a_model_and_of_a_format_is_understood() {
    for model in ModelName::ALL {
        assert_eq!(model.name().parse(), Ok(model));
        assert!(!model.describe().is_empty());
    }
    for format in Format::ALL {
        assert_eq!(format.name().parse(), Ok(format));
        assert!(!format.describe().is_empty());
    }
    assert!(
        "regster"
            .parse::<ModelName>()
            .unwrap_err()
            .to_string()
            .contains("register, cas-register")
    );
    assert!("xml".parse::<Format>().unwrap_err().to_string().contains("jsonl"));
}

const STALE_EDN: &str = "; a comment
[{:process 0, :type :invoke, :f :write, :value 1}
 {:f :write :type :ok :process 0 :value 1, :time 5}
 {:process :nemesis, :type :info, :f :start, :value nil}
 {:process 1, :type :invoke, :f :read, :value nil} {:process 1, :type :ok, :f :read, :value 0}]";

const ETCD: &str = "INFO  jepsen.core - running
INFO  jepsen.util - 0\t:invoke\t:write\t1
INFO  jepsen.util - 0\t:ok\t:write\t1
INFO  jepsen.util - 1\t:invoke\t:cas\t[1 2]
INFO  jepsen.util - 1\t:fail\t:cas\t[1 2]
INFO  jepsen.util - 1\t:invoke\t:read\tnil
INFO  jepsen.util - 1\t:fail\t:read\t:timed-out
";

const KV: &str = "{:process 0, :type :invoke, :f :append, :key \"0\", :value \"a\"}
{:process 0, :type :ok, :f :append, :key \"0\", :value \"a\"}
{:process 0, :type :invoke, :f :get, :key \"1\", :value nil}
{:process 0, :type :ok, :f :get, :key \"1\", :value \"\"}
{:process 1, :type :invoke, :f :get, :key \"0\", :value nil}
{:process 1, :type :ok, :f :get, :key \"0\", :value \"a\"}
";

const JSONL: &str = r#"{"index":0,"time":1,"process":0,"type":"invoke","f":"cas","key":"x","value":[null,1]}
{"index":1,"time":2,"process":0,"type":"fail","f":"cas","key":"x","value":[null,1],"error":"precondition-failed","observed":null}
"#;

#[test]
fn each_format_is_detected_and_read_as_it_is_meant() {
    for (text, format, model, initial, verdict) in [
        (
            STALE_EDN,
            Format::Edn,
            ModelName::Register,
            Some(Value::Int(0)),
            Verdict::Invalid,
        ),
        (
            ETCD,
            Format::EtcdLog,
            ModelName::CasRegister,
            None,
            Verdict::Invalid,
        ),
        (KV, Format::KvLog, ModelName::KeyValue, None, Verdict::Valid),
        (
            ELLE_JSON,
            Format::Json,
            ModelName::MultiRegister,
            None,
            Verdict::Valid,
        ),
        // It failed because it saw nil, and expected nil.
        (
            JSONL,
            Format::Jsonl,
            ModelName::CasRegister,
            None,
            Verdict::Invalid,
        ),
    ] {
        assert_eq!(Format::detect(text), Some(format));
        let parsed = format.read(text.as_bytes()).unwrap();
        let options = ModelOptions {
            initial: initial.or(parsed.options.initial),
            ..parsed.options
        };
        let finding = model.check(&parsed.history, &options, &Options::default());
        assert_eq!(finding.verdict, verdict, "{format}: {}", finding.sentence);
    }
    assert_eq!(Format::detect("<xml/>"), None);
    assert_eq!(Format::detect(""), None);
}

#[test]
fn a_read_of_nil_says_nothing_in_knossos_files() {
    let text = STALE_EDN.replace(":value 0}", ":value nil}");
    let parsed = Format::Edn.read(text.as_bytes()).unwrap();
    let finding = ModelName::Register.check(&parsed.history, &parsed.options, &Options::default());
    assert_eq!(finding.verdict, Verdict::Valid);
    let strict = ModelOptions::default();
    assert_eq!(
        ModelName::Register
            .check(&parsed.history, &strict, &Options::default())
            .verdict,
        Verdict::Invalid
    );
}

#[test]
fn a_file_that_was_cut_short_is_read_up_to_its_last_line() {
    for (text, torn, operations) in [
        (STALE_EDN, Some(5), 2),
        (ETCD, Some(7), 3),
        (KV, Some(6), 3),
        (JSONL, Some(2), 1),
        (ELLE_JSON, Some(5), 2),
    ] {
        let whole = read(text.as_bytes(), None).unwrap();
        assert_eq!(whole.torn, None);
        let cut = read(&text.as_bytes()[..text.len() - 4], None).unwrap();
        assert_eq!((cut.torn, cut.history.operations.len()), (torn, operations));
        // With a byte-order mark, and in the smallest pieces that a pipe may hand out.
        let marked = ["\u{feff}", text].concat();
        let slow = std::io::BufReader::with_capacity(1, marked.as_bytes());
        assert_eq!(read(slow, None).unwrap(), whole);
    }
}

const ELLE_JSON: &str = r#"[{"index":0,"process":0,"type":"invoke","value":[["w","x",1],["r","y",null]]},
{"index":1,"process":0,"type":"ok","value":[["w","x",1],["r","y",null]]},

{"index":2,"process":1,"type":"invoke","value":[["r","x",null]]},
{"index":3,"process":1,"type":"ok","value":[["r","x",null]]}]
"#;

#[test]
fn what_is_no_history_is_refused_with_the_mend() {
    for (text, word) in [
        (&b""[..], "nothing in it"),
        (b"\n \n", "nothing in it"),
        (b"<xml/>", "jsonl, edn"),
        (b"\x1f\x8b\x08", "gunzip"),
        (b"{\"index\":0,\"process\":\"\xff\"}", "iconv"),
    ] {
        let error = read(text, None).unwrap_err();
        assert!(error.line > 0 && error.to_string().contains(word), "{error}");
    }
}

#[test]
fn malformed_files_are_errors_with_the_line() {
    for (format, text, line) in [
        (
            Format::Edn,
            "[{:process 0, :type :invoke, :f :read}\n {:process 0}]",
            2,
        ),
        (Format::Edn, "{:process 0\n{:process 1}\n", 1),
        (Format::Edn, "[{:process 0, :type :invoke, :f :read}] 7", 1),
        (
            Format::Json,
            "[{\"process\": 0, \"type\": \"invoke\"},\n{\"process\": 1}]",
            1,
        ),
        (Format::Edn, "{:process 0, :type :invoke, :f :read}\n7", 2),
        (Format::Edn, "{:process 0, :type :ok, :f :read}", 1),
        (Format::EtcdLog, "\nINFO  jepsen.util - 0\t:ok\t:write\t1\n", 2),
        (Format::KvLog, "{:process -1, :type :ok, :f :get}", 1),
    ] {
        let error = format.read(text.as_bytes()).unwrap_err();
        assert_eq!(error.line, line, "{error}");
        assert!(!error.mend.is_empty());
    }
}

/// What is said of a key-value history whose lines are given without their braces; times in milliseconds.
fn told(lines: &[&str]) -> (String, String) {
    let finding = judged(lines, Some(Value::from("")));
    (
        finding.sentence,
        finding.witnesses[0].story.last().unwrap().clone(),
    )
}

fn judged(lines: &[&str], initial: Option<Value>) -> Finding {
    let mut text = String::new();
    for (index, line) in lines.iter().enumerate() {
        text += &format!("{{\"index\":{index},\"time\":{},{line}}}\n", index * 10_000_000);
    }
    let parsed = Format::Jsonl.read(text.as_bytes()).unwrap();
    let options = ModelOptions {
        initial,
        ..ModelOptions::default()
    };
    let finding = ModelName::KeyValue.check(&parsed.history, &options, &Options::default());
    assert_eq!(finding.verdict, Verdict::Invalid);
    finding
}

#[test]
fn orders_begin_with_what_operations_that_are_not_shown_had_left() {
    let cas = |kind: &str, process: u64, from: u64, to: u64| {
        format!(r#""process":{process},"type":"{kind}","f":"cas","key":"x","value":[{from},{to}]"#)
    };
    let mut lines = vec![
        r#""process":1,"type":"invoke","f":"write","key":"x","value":0"#.to_owned(),
        r#""process":1,"type":"ok","f":"write","key":"x","value":0"#.to_owned(),
        r#""process":9,"type":"invoke","f":"write","key":"x","value":77"#.to_owned(),
    ];
    for (from, to) in [(0, 1), (1, 2), (2, 3), (3, 4), (3, 5)] {
        lines.extend([cas("invoke", to, from, to), cas("ok", to, from, to)]);
    }
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let finding = judged(&lines, None);
    let witness = &finding.witnesses[0];
    assert_eq!(witness.orders[0].start, Some(Value::Int(2)));
    assert_eq!(
        witness.orders_in_words(),
        [
            "If earlier operations left 2: first the compare-and-set of x from 2 to 3 by process 3 (leaves 3), then the \
             compare-and-set of x from 3 to 4 by process 4 (leaves 4); but the compare-and-set of x from 3 to 5 by \
             process 5 cannot be next: the value is 4."
        ]
    );
    // And it says what was considered of the write that never completed.
    let considered = &witness.story[witness.story.len() - 2];
    assert_eq!(
        considered,
        "The write of 77 by process 9 never learned its outcome; that it took effect, at any time from then on, was \
         considered, and that it never did."
    );
}

const ONE_APPENDS_A: [&str; 2] = [
    r#""process":1,"type":"invoke","f":"append","key":"x","value":"a""#,
    r#""process":1,"type":"ok","f":"append","key":"x","value":"a""#,
];
const TWO_APPENDS_B: [&str; 2] = [
    r#""process":2,"type":"invoke","f":"append","key":"x","value":"b""#,
    r#""process":2,"type":"ok","f":"append","key":"x","value":"b""#,
];
const THREE_READS_AB: [&str; 2] = [
    r#""process":3,"type":"invoke","f":"read","key":"x","value":null"#,
    r#""process":3,"type":"ok","f":"read","key":"x","value":"ab""#,
];
const FOUR_READS_A: [&str; 2] = [
    r#""process":4,"type":"invoke","f":"read","key":"x","value":null"#,
    r#""process":4,"type":"ok","f":"read","key":"x","value":"a""#,
];

#[test]
fn a_text_that_was_shorter_before_is_not_called_a_phantom() {
    let (sentence, story) = told(&[ONE_APPENDS_A, TWO_APPENDS_B, FOUR_READS_A].concat());
    assert_eq!(
        story,
        "The append of \"b\" by process 2 had completed 10 ms before the read of x by process 4 began, yet what that \
         read returned does not contain \"b\": a lost append."
    );
    assert_eq!(
        sentence,
        "Key x is not linearizable for the model key-value: a lost append (\"b\" is missing for process 4)."
    );
    let (_, story) = told(&[ONE_APPENDS_A, TWO_APPENDS_B, FOUR_READS_A, THREE_READS_AB].concat());
    assert!(story.ends_with("a stale read."), "{story}");
    let (_, story) = told(&[ONE_APPENDS_A, THREE_READS_AB, FOUR_READS_A].concat());
    assert!(
        story.ends_with("which nobody ever appended: a phantom.") || story.contains("put together"),
        "{story}"
    );
}

#[test]
fn a_stale_read_is_told_with_what_replaced_the_value_and_when() {
    let (sentence, story) = told(&[
        r#""process":1,"type":"invoke","f":"write","key":"x","value":7"#,
        r#""process":1,"type":"ok","f":"write","key":"x","value":7"#,
        r#""process":2,"type":"invoke","f":"write","key":"x","value":9"#,
        r#""process":2,"type":"ok","f":"write","key":"x","value":9"#,
        r#""process":3,"type":"invoke","f":"read","key":"x","value":null"#,
        r#""process":3,"type":"ok","f":"read","key":"x","value":9"#,
        r#""process":4,"type":"invoke","f":"read","key":"x","value":null"#,
        r#""process":4,"type":"ok","f":"read","key":"x","value":7"#,
    ]);
    assert_eq!(
        sentence,
        "Key x is not linearizable for the model key-value: a stale read by process 4."
    );
    assert_eq!(
        story,
        "The read of x by process 4 returned 7, but the write of 9 by process 2, which replaced it, had completed 30 ms \
         before that read began: a stale read."
    );
}
