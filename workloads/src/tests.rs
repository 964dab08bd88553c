//! What every workload promises, tested for all of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use perjury_checker::models::ModelName;
use perjury_checker::{Completion, Function, Key, Moment, Operation, Outcome, Value};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::{Call, MENU, Options, Workload, build};

fn rng() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(7)
}

fn calls(name: &str, options: &Options, count: usize) -> Vec<Call> {
    let mut workload = build(name, options).expect("a workload");
    let mut rng = rng();
    (0..count)
        .map(|turn| workload.next(turn % 10, &mut rng))
        .collect()
}

fn completed(call: &Call, outcome: Outcome, value: Value, observed: Option<Value>) -> Operation {
    let at = Moment { index: 0, time: 0 };
    Operation {
        id: 0,
        process: 0,
        f: call.f.clone(),
        key: Some(call.key.clone()),
        argument: call.value.clone(),
        node: None,
        invoked: at,
        completion: Completion {
            outcome,
            at: Some(at),
            value,
            error: observed.as_ref().map(|_| Arc::from("precondition-failed")),
            observed,
            version: None,
            quorum: None,
            node: None,
        },
    }
}

/// What a call would leave behind.
fn written(call: &Call) -> Option<Value> {
    match (&call.f, &call.value) {
        (Function::Read, _) => None,
        (Function::Cas, Value::List(pair)) => pair.get(1).cloned(),
        (_, value) => Some(value.clone()),
    }
}

#[test]
fn no_value_is_ever_written_twice() {
    for name in ["register", "cas", "append", "set"] {
        let mut seen = BTreeSet::new();
        let written: Vec<Value> = calls(name, &Options::default(), 5_000)
            .iter()
            .filter_map(written)
            .collect();
        assert!(written.len() > 1_000, "{name}");
        for value in written {
            assert!(seen.insert(value.clone()), "{name} writes {value} twice");
        }
    }
}

#[test]
fn values_come_from_a_small_set_if_that_is_asked_for() {
    let options = Options {
        values: Some(3),
        ..Options::default()
    };
    for name in ["register", "cas"] {
        let written: BTreeSet<Value> = calls(name, &options, 1_000).iter().filter_map(written).collect();
        assert_eq!(written, (1..=3).map(Value::Int).collect(), "{name}");
    }
}

#[test]
fn a_key_is_replaced_when_it_has_had_its_share() {
    for entry in MENU {
        let options = Options {
            keys: Some(2),
            ops_per_key: Some(10),
            ..Options::default()
        };
        let drawn = calls(entry.name, &options, 200);
        let keys: BTreeSet<&Key> = drawn.iter().map(|call| &call.key).collect();
        assert!(
            (20..=22).contains(&keys.len()),
            "{}: {} keys",
            entry.name,
            keys.len()
        );
        for key in keys {
            let used = drawn.iter().filter(|call| call.key == *key).count();
            assert!(used <= 10, "{}: {used} operations on {key}", entry.name);
        }
        for window in drawn.windows(10) {
            let at_once: BTreeSet<&Key> = window.iter().map(|call| &call.key).collect();
            assert!(at_once.len() <= 4, "{}: few keys at a time", entry.name);
        }
    }
}

#[test]
fn a_compare_and_set_expects_what_was_last_seen_or_what_was_seen_before() {
    let options = Options {
        keys: Some(1),
        ops_per_key: Some(u64::MAX),
        ..Options::default()
    };
    let expects = |workload: &mut dyn Workload, rng: &mut ChaCha8Rng| {
        let mut expected = BTreeSet::new();
        for _ in 0..300 {
            if let (Function::Cas, Value::List(pair)) = split(workload.next(0, rng)) {
                expected.insert(pair[0].clone());
            }
        }
        expected
    };
    let mut workload = build("cas", &options).expect("a workload");
    let mut rng = rng();
    let call = |f, value| {
        let key = Key::from("k0");
        Call { f, key, value }
    };
    let cas = || call(Function::Cas, vec![Value::Int(1), Value::Int(2)].into());
    let read = || call(Function::Read, Value::Nil);
    let write = |value| call(Function::Write, Value::Int(value));
    let seen = |value: i64| Some(Value::Int(value));
    type Case = (Call, Outcome, Value, Option<Value>, [Value; 2]);
    let cases: [Case; 6] = [
        (read(), Outcome::Ok, 70.into(), None, [Value::Nil, 70.into()]),
        (write(80), Outcome::Ok, Value::Nil, None, [70.into(), 80.into()]),
        (write(81), Outcome::Info, Value::Nil, None, [70.into(), 80.into()]),
        (cas(), Outcome::Ok, Value::Nil, None, [80.into(), 2.into()]),
        (cas(), Outcome::Fail, Value::Nil, seen(90), [2.into(), 90.into()]),
        (cas(), Outcome::Fail, Value::Nil, None, [2.into(), 90.into()]),
    ];
    let fresh = expects(workload.as_mut(), &mut rng);
    assert_eq!(fresh, BTreeSet::from([Value::Nil]), "a fresh key is absent");
    for (call, outcome, value, observed, expected) in cases {
        workload.completed(&completed(&call, outcome, value, observed));
        assert_eq!(
            expects(workload.as_mut(), &mut rng),
            BTreeSet::from(expected),
            "{call:?} {outcome:?}"
        );
    }
    let other = Call {
        key: Key::from("k9"),
        ..write(5)
    };
    workload.completed(&completed(&other, Outcome::Ok, Value::Nil, None));
    let unmoved = expects(workload.as_mut(), &mut rng);
    assert!(
        !unmoved.contains(&Value::Int(5)),
        "another key says nothing: {unmoved:?}"
    );
}

fn split(call: Call) -> (Function, Value) {
    (call.f, call.value)
}

#[test]
fn a_fresh_key_is_not_expected_to_hold_what_its_predecessor_did() {
    let options = Options {
        keys: Some(1),
        ops_per_key: Some(5),
        ..Options::default()
    };
    let mut workload = build("cas", &options).expect("a workload");
    let mut rng = rng();
    let mut key = Key::from("");
    for _ in 0..200 {
        let call = workload.next(0, &mut rng);
        if call.key != key
            && let (Function::Cas, Value::List(pair)) = (&call.f, &call.value)
        {
            assert_eq!(pair[0], Value::Nil);
        }
        key = call.key.clone();
        workload.completed(&completed(
            &Call {
                f: Function::Read,
                ..call
            },
            Outcome::Ok,
            Value::Int(9),
            None,
        ));
    }
}

#[test]
fn the_final_calls_read_every_key_of_sets_and_counters() {
    for name in ["set", "counter"] {
        let options = Options {
            keys: Some(2),
            ops_per_key: Some(1),
            ..Options::default()
        };
        let mut workload = build(name, &options).expect("a workload");
        let mut rng = rng();
        let used: BTreeSet<Key> = (0..2_000).map(|_| workload.next(0, &mut rng).key).collect();
        let finals = workload.final_calls();
        assert!(finals.iter().all(|call| call.f == Function::Read));
        let read: BTreeSet<Key> = finals.into_iter().map(|call| call.key).collect();
        assert!(used.is_subset(&read), "{name}");
    }
}

#[test]
fn the_menu_is_what_it_says() {
    for entry in MENU {
        let workload = entry.make(&Options::default());
        assert_eq!(workload.name(), entry.name);
        for model in entry.models {
            assert!(
                ModelName::ALL.iter().any(|known| known.name() == *model),
                "{}: {model}",
                entry.name
            );
        }
        let drawn: BTreeSet<String> = calls(entry.name, &Options::default(), 500)
            .iter()
            .map(|call| call.f.name().to_owned())
            .collect();
        for function in workload.minimum().succeeded.keys() {
            assert!(
                drawn.contains(function),
                "{} demands {function}, which it never calls",
                entry.name
            );
        }
    }
    let error = build("regster", &Options::default())
        .err()
        .map(|error| error.to_string())
        .unwrap_or_default();
    assert!(
        error.contains("\"regster\"") && error.contains("register, cas"),
        "{error}"
    );
}

#[test]
fn the_same_seed_draws_the_same_calls() {
    for entry in MENU {
        let options = Options::default();
        assert_eq!(
            calls(entry.name, &options, 300),
            calls(entry.name, &options, 300),
            "{}",
            entry.name
        );
    }
}
