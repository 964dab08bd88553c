//! The weaker properties against their definitions, followed to the letter, and a history for each that has it and one
//! that has not.

mod support;

use std::collections::BTreeMap;
use std::num::NonZero;

use perjury_checker::levels::Level;
use perjury_checker::models::{Cell, FifoQueue};
use perjury_checker::{
    Event, EventKind, Finding, Function, History, Operation, Options, Outcome, Process, Value, Verdict, check,
};
use support::{Kind, Rng, Shape, draw, ordered};

/// Histories; `PERJURY_ORACLE_HISTORIES` asks for more.
fn histories() -> u64 {
    std::env::var("PERJURY_ORACLE_HISTORIES")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(12_000)
}

fn judge(history: &History, cell: &Cell) -> Finding {
    let options = Options {
        levels: true,
        threads: NonZero::<usize>::MIN,
        ..Options::default()
    };
    check(history, cell, &options)
}

fn level<'f>(finding: &'f Finding, name: &str) -> &'f Level {
    let found = finding.levels.iter().find(|level| level.name == name);
    found.unwrap_or_else(|| panic!("{name} is not among {:#?}", finding.levels))
}

/// What an operation saw, what it wrote, and what it was told the value not to be.
type Claim = (Option<Value>, Option<Value>, Option<Value>);

fn claim(operation: &Operation) -> Option<Claim> {
    let completion = &operation.completion;
    Some(match (&operation.f, completion.outcome, &operation.argument) {
        (Function::Read, Outcome::Ok, _) => (Some(completion.value.clone()), None, None),
        (Function::Write, Outcome::Ok | Outcome::Info, value) => (None, Some(value.clone()), None),
        (Function::Cas, Outcome::Fail, Value::List(pair)) if operation.precondition_failed() => {
            match &completion.observed {
                Some(observed) if *observed == pair[0] => {
                    (Some(pair[0].clone()), None, Some(pair[0].clone()))
                }
                Some(observed) => (Some(observed.clone()), None, None),
                None => (None, None, Some(pair[0].clone())),
            }
        }
        (Function::Cas, Outcome::Ok | Outcome::Info, Value::List(pair)) => {
            let wrote = (pair[0] != pair[1]).then(|| pair[1].clone());
            (Some(pair[0].clone()), wrote, None)
        }
        _ => return None,
    })
}

fn pending(operation: &Operation) -> bool {
    operation.completion.outcome == Outcome::Info
}

/// Whether the processes' operations can be interleaved so that all results are right. What is pending may come
/// whenever its process has done what came before, or never.
fn interleaved(operations: &[(&Operation, Claim)], placed: &mut Vec<bool>, state: &Value) -> bool {
    if (0..operations.len()).all(|index| placed[index] || pending(operations[index].0)) {
        return true;
    }
    for index in 0..operations.len() {
        let (operation, (saw, wrote, denied)) = &operations[index];
        let waits = operations[..index]
            .iter()
            .zip(&*placed)
            .any(|((other, _), placed)| other.process == operation.process && !placed && !pending(other));
        let right = saw.as_ref().is_none_or(|saw| saw == state)
            && denied.as_ref().is_none_or(|denied| denied != state);
        if placed[index] || waits || !right {
            continue;
        }
        placed[index] = true;
        if interleaved(operations, placed, wrote.as_ref().unwrap_or(state)) {
            return true;
        }
        placed[index] = false;
    }
    false
}

/// Regular and safe, read by read, over all pairs of writes.
fn regular(operations: &[(&Operation, Claim)]) -> (bool, bool) {
    let (mut regular, mut safe) = (true, true);
    for (read, (saw, _, denied)) in operations.iter().filter(|(read, _)| !pending(read)) {
        // From where to where each write goes, and its value; the initial one is before everything.
        let mut writes: Vec<(i64, i64, Value)> = vec![(-2, -1, Value::Nil)];
        for (write, (_, wrote, _)) in operations.iter().filter(|(write, _)| write.id != read.id) {
            let end = i64::try_from(write.returned()).unwrap_or(i64::MAX);
            writes.extend(
                wrote
                    .clone()
                    .map(|value| (write.invoked.index as i64, end, value)),
            );
        }
        let (from, to) = (read.invoked.index as i64, read.returned() as i64);
        let may = |fits: &dyn Fn(&Value) -> bool| {
            writes.iter().any(|(begin, end, value)| {
                let between = writes.iter().any(|(later, done, _)| end < later && *done < from);
                *begin < to && !between && fits(value)
            })
        };
        let right = saw.as_ref().is_none_or(|saw| may(&|value| value == saw))
            && denied.as_ref().is_none_or(|denied| may(&|value| value != denied));
        let overlaps = writes.iter().any(|(begin, end, _)| *begin < to && from < *end);
        regular &= right;
        safe &= right || overlaps;
    }
    (regular, safe)
}

/// The smallest *k* up to 7 for which reads see one of the last *k* values.
fn smallest_k(operations: &[(&Operation, Claim)]) -> Option<usize> {
    let all: Vec<&Operation> = operations.iter().map(|(operation, _)| *operation).collect();
    let claims: BTreeMap<usize, &Claim> = operations
        .iter()
        .map(|(operation, claim)| (operation.id, claim))
        .collect();
    (1..=7).find(|&k| {
        ordered(&all, &vec![Value::Nil].into(), &|operation, last| {
            let Value::List(last) = last else { return None };
            let (saw, wrote, denied) = claims[&operation.id];
            let right = saw.as_ref().is_none_or(|saw| last.contains(saw))
                && denied
                    .as_ref()
                    .is_none_or(|denied| last.iter().any(|value| value != denied))
                && (saw.is_none() || denied.is_none());
            let mut next = last.to_vec();
            next.extend(wrote.clone());
            let next = next.split_off(next.len().saturating_sub(k));
            right.then(|| next.into())
        })
    })
}

/// Whether some order of the values, the initial one first, agrees with all these pairs of one that is not after
/// another.
fn in_order(order: &mut Vec<Value>, rest: &mut Vec<Value>, pairs: &[(Value, Value)]) -> bool {
    if rest.is_empty() {
        let place = |value: &Value| order.iter().position(|other| other == value);
        return pairs.iter().all(|(one, other)| place(one) <= place(other));
    }
    for index in 0..rest.len() {
        let value = rest.remove(index);
        order.push(value);
        if in_order(order, rest, pairs) {
            return true;
        }
        rest.insert(index, order.pop().unwrap());
    }
    false
}

/// Monotonic reads, monotonic writes, read your writes, writes follow reads; the second and the last together with
/// the first.
fn sessions(operations: &[(&Operation, Claim)]) -> [bool; 4] {
    let mut values: Vec<Value> = Vec::new();
    let mut pairs: [Vec<(Value, Value)>; 4] = Default::default();
    for (later, (operation, (saw, wrote, _))) in operations.iter().enumerate() {
        let saw = saw.clone().filter(|_| !pending(operation));
        for value in saw.iter().chain(wrote) {
            if !values.contains(value) && *value != Value::Nil {
                values.push(value.clone());
            }
        }
        let earlier = operations[..later]
            .iter()
            .filter(|(other, _)| other.process == operation.process && !pending(other));
        for (_, (saw_before, wrote_before, _)) in earlier {
            let pair = |one: &Option<Value>, other: &Option<Value>| one.clone().zip(other.clone());
            pairs[0].extend(pair(saw_before, &saw));
            pairs[1].extend(pair(wrote_before, wrote));
            pairs[2].extend(pair(wrote_before, &saw));
            pairs[3].extend(pair(saw_before, wrote));
        }
        pairs[3].extend(saw.zip(wrote.clone()));
    }
    let holds = |pairs: &[(Value, Value)]| in_order(&mut vec![Value::Nil], &mut values.clone(), pairs);
    // A value that was seen before its own session wrote it is out of order.
    let early = pairs[3].iter().any(|(one, other)| one == other);
    [
        holds(&pairs[0]),
        holds(&[&pairs[0][..], &pairs[1]].concat()),
        holds(&pairs[2]),
        !early && holds(&[&pairs[0][..], &pairs[3]].concat()),
    ]
}

/// Pending writes that nobody saw put nothing in order.
fn seen(operations: Vec<(&Operation, Claim)>) -> Vec<(&Operation, Claim)> {
    let mut seen: Vec<Value> = Vec::new();
    loop {
        let counts = |(operation, (_, wrote, _)): &&(&Operation, Claim)| {
            !pending(operation) || wrote.as_ref().is_some_and(|wrote| seen.contains(wrote))
        };
        let new = operations
            .iter()
            .filter(counts)
            .filter_map(|(_, (saw, ..))| saw.clone())
            .find(|saw| !seen.contains(saw));
        match new {
            Some(value) => seen.push(value),
            None => return operations.iter().filter(counts).cloned().collect(),
        }
    }
}

#[test]
fn no_level_errs() {
    let mut rng = Rng(31);
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for round in 0..histories() {
        let shape = Shape {
            kind: if round % 3 == 0 {
                Kind::CasRegister
            } else {
                Kind::Register
            },
            processes: 2 + round % 3,
            operations: 6 + round % 3,
            values: (round % 4 == 3).then_some(2),
            info_percent: [0, 15][(round % 2) as usize],
            lie_percent: 40,
            observed_percent: 50,
            fail_percent: 0,
        };
        let history = draw(&shape, &mut rng);
        let finding = judge(&history, &Cell::cas_register());
        if finding.verdict != Verdict::Invalid {
            assert!(finding.levels.is_empty() && finding.still().is_none());
            continue;
        }
        let claims: Vec<(&Operation, Claim)> = history
            .operations
            .iter()
            .filter_map(|operation| Some((operation, claim(operation)?)))
            .collect();
        let about = || {
            format!(
                "round {round}: {:#?} {}",
                finding.levels,
                support::plays::show(&history)
            )
        };
        let unique = shape.values.is_none();
        let mut expect = |name: &str, expected: bool, decided: bool| {
            let level = level(&finding, name);
            *counts.entry(format!("{name}: {}", level.verdict)).or_default() += 1;
            assert_eq!(
                level.reason.is_empty(),
                level.verdict == Verdict::Valid,
                "{name}, {}",
                about()
            );
            if level.verdict != Verdict::Unknown || decided {
                assert_eq!(level.verdict == Verdict::Valid, expected, "{name}, {}", about());
            }
        };
        let sequential = interleaved(&claims, &mut vec![false; claims.len()], &Value::Nil);
        expect("sequentially consistent per key", sequential, true);
        let (regular, safe) = regular(&claims);
        expect("regular", regular, true);
        expect("safe", safe, true);
        if unique {
            let [reads, writes, yours, follow] = sessions(&seen(claims.clone()));
            expect("monotonic reads", reads, true);
            expect("read your writes", yours, true);
            if reads {
                expect("monotonic writes", writes, true);
                expect("writes follow reads", follow, true);
            } else {
                // Then nobody can say that it was these.
                for name in ["monotonic writes", "writes follow reads"] {
                    assert_ne!(level(&finding, name).verdict, Verdict::Invalid, "{}", about());
                }
            }
        }
        let k = smallest_k(&claims);
        let told = finding
            .levels
            .iter()
            .find(|level| level.name.ends_with("-atomic"));
        let told = told.unwrap_or_else(|| panic!("{}", about()));
        *counts
            .entry(format!("{}: {}", told.name, told.verdict))
            .or_default() += 1;
        match (k, told.verdict) {
            (Some(k), Verdict::Valid) => assert_eq!(told.name, format!("{k}-atomic"), "{}", about()),
            (None, Verdict::Invalid) => {}
            (Some(k), Verdict::Unknown) => assert!(k > 5, "{k}: {}", about()),
            (None, Verdict::Unknown) => {}
            (expected, _) => panic!("{expected:?}: {}", about()),
        }
    }
    println!("{counts:#?}");
    for name in [
        "sequentially consistent per key",
        "regular",
        "safe",
        "monotonic reads",
        "read your writes",
    ] {
        for verdict in ["valid", "invalid"] {
            assert!(
                counts.contains_key(&format!("{name}: {verdict}")),
                "{name} is never {verdict}"
            );
        }
    }
    for k in [
        "2-atomic: valid",
        "3-atomic: valid",
        "monotonic writes: invalid",
        "writes follow reads: invalid",
    ] {
        assert!(counts.contains_key(k), "{k} never happens");
    }
}

/// A history of operations on one object: process, function, value, from, to.
fn history(operations: &[(u64, &str, i64, u64, u64)]) -> History {
    let mut events: Vec<Event> = Vec::new();
    for &(process, f, value, from, to) in operations {
        for (index, kind) in [(from, EventKind::Invoke), (to, EventKind::Ok)] {
            let written = !matches!(f, "read" | "dequeue") || kind == EventKind::Ok;
            events.push(Event {
                index,
                time: index * 1_000_000,
                process: Process::Client(process),
                node: None,
                kind,
                f: f.into(),
                key: None,
                value: if written { Value::Int(value) } else { Value::Nil },
                error: None,
                observed: None,
                version: None,
                quorum: None,
            });
        }
    }
    events.sort_by_key(|event| event.index);
    History::from_events(events).unwrap()
}

#[test]
fn each_level_has_a_history_that_has_it_and_one_that_has_not() {
    let none = Cell::register();
    let still =
        |operations: &[(u64, &str, i64, u64, u64)]| judge(&history(operations), &none).still().unwrap();
    // A read that is late, of a process that knows no better.
    let stale = [(0, "write", 1, 0, 1), (0, "write", 2, 2, 3), (1, "read", 1, 4, 5)];
    assert_eq!(
        still(&stale),
        "Not linearizable; still: sequentially consistent per key, 2-atomic."
    );
    // Reads of two processes that see an overlapping write, and then do not.
    let inversion = [
        (0, "write", 1, 0, 1),
        (0, "write", 2, 2, 9),
        (1, "read", 2, 3, 4),
        (2, "read", 1, 5, 6),
    ];
    assert_eq!(
        still(&inversion),
        "Not linearizable; still: sequentially consistent per key, regular, 2-atomic."
    );
    // The same by one process.
    let back = [
        (0, "write", 1, 0, 1),
        (0, "write", 2, 2, 9),
        (1, "read", 2, 3, 4),
        (1, "read", 1, 5, 6),
    ];
    assert_eq!(
        still(&back),
        "Not linearizable; still: regular, 2-atomic, monotonic reads, read your writes, writes follow reads."
    );
    let finding = judge(&history(&back), &none);
    assert_eq!(level(&finding, "monotonic writes").verdict, Verdict::Invalid);
    // A process that does not see what it wrote.
    let forgotten = [
        (0, "write", 1, 0, 1),
        (1, "write", 2, 2, 3),
        (1, "read", 1, 4, 5),
        (2, "read", 2, 6, 7),
        (0, "read", 2, 8, 9),
    ];
    let finding = judge(&history(&forgotten), &none);
    assert_eq!(level(&finding, "read your writes").verdict, Verdict::Invalid);
    assert_eq!(level(&finding, "monotonic reads").verdict, Verdict::Valid);
    // A value that nobody wrote.
    let phantom = [(0, "write", 1, 0, 1), (1, "read", 7, 2, 3)];
    let finding = judge(&history(&phantom), &none);
    let broken = ["sequentially consistent per key", "regular", "safe", "k-atomic"];
    assert!(
        broken
            .iter()
            .all(|name| level(&finding, name).verdict == Verdict::Invalid)
    );
    // Other objects are judged by interleaving their processes.
    let late = [
        (0, "enqueue", 1, 0, 1),
        (1, "enqueue", 2, 2, 3),
        (2, "dequeue", 2, 4, 5),
    ];
    let options = Options {
        levels: true,
        ..Options::default()
    };
    let finding = check(&history(&late), &FifoQueue, &options);
    assert_eq!(
        finding.still().unwrap(),
        "Not linearizable; still: sequentially consistent per key."
    );
}

#[test]
fn levels_of_a_long_history_are_judged_in_little_more_than_the_check() {
    let mut operations = vec![(0, "write", 0, 0, 1)];
    for value in 1..20_000 {
        let at = 4 * value as u64;
        operations.push((0, "write", value, at, at + 1));
        // Always the value before the last.
        operations.push((1 + at % 3, "read", (value - 1).max(0), at + 2, at + 3));
    }
    let finding = judge(&history(&operations), &Cell::register());
    assert_eq!(
        finding.still().unwrap(),
        "Not linearizable; still: sequentially consistent per key, 2-atomic."
    );
}
