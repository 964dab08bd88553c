//! Every method against an oracle that tries every order, on a great many small random histories.

mod support;

use perjury_checker::models::{Cell, Model};
use perjury_checker::{History, Method, Operation, Options, Verdict, check};
use support::{Kind, Rng, Shape, draw, linearizable};

/// Histories per model; `PERJURY_ORACLE_HISTORIES` asks for more.
fn histories() -> u64 {
    std::env::var("PERJURY_ORACLE_HISTORIES")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(100_000)
}

fn shapes(kind: Kind, values: Option<u64>) -> Vec<Shape> {
    let mut shapes = Vec::new();
    for processes in 2..=5 {
        for info_percent in [0, 25] {
            for lie_percent in [0, 8, 25] {
                for observed_percent in [0, 50, 100] {
                    shapes.push(Shape {
                        kind,
                        processes,
                        operations: 5 + processes % 3 + u64::from(info_percent == 0),
                        values,
                        info_percent,
                        lie_percent,
                        observed_percent,
                        fail_percent: 5,
                    });
                }
            }
        }
    }
    shapes
}

fn options(method: Method) -> Options {
    Options {
        method,
        threads: std::num::NonZero::<usize>::MIN,
        ..Options::default()
    }
}

fn agree(model: &Cell, kind: Kind, values: Option<u64>, methods: &[Method], seed: u64) {
    let mut rng = Rng(seed);
    let shapes = shapes(kind, values);
    let mut counts = [0u64; 2];
    let mut decided = vec![0u64; methods.len()];
    for round in 0..histories() {
        let shape = &shapes[(round % shapes.len() as u64) as usize];
        let history = draw(shape, &mut rng);
        let all: Vec<&Operation> = history.operations.iter().collect();
        let expected = linearizable(&all, kind == Kind::AppendList);
        counts[usize::from(expected)] += 1;
        for (method, decided) in methods.iter().zip(&mut decided) {
            let finding = check(&history, model, &options(*method));
            let verdict = if expected {
                Verdict::Valid
            } else {
                Verdict::Invalid
            };
            if finding.verdict == Verdict::Unknown && matches!(method, Method::Zones | Method::Lists) {
                continue;
            }
            *decided += 1;
            assert_eq!(
                finding.verdict,
                verdict,
                "{method:?}, round {round}: {}",
                show(&history)
            );
            if !expected {
                witness_holds(&history, model, &finding.witnesses[0], kind == Kind::AppendList);
            }
        }
    }
    assert!(
        counts.iter().all(|&count| count * 10 > histories()),
        "too one-sided: {counts:?}"
    );
    println!(
        "{} {values:?}: invalid, valid {counts:?}; decided by {methods:?} {decided:?}",
        model.name()
    );
    assert!(
        decided.iter().all(|&count| count * 10 > histories()),
        "hardly ever applies: {methods:?} {decided:?}"
    );
}

fn show(history: &History) -> String {
    let mut lines = vec![String::new()];
    for operation in &history.operations {
        let completion = &operation.completion;
        lines.push(format!(
            "{:>3}: {:>3} – {:<4} {} {} → {:?} {} {:?}",
            operation.process,
            operation.invoked.index,
            completion.at.map_or("…".to_owned(), |at| at.index.to_string()),
            operation.f,
            operation.argument,
            completion.outcome,
            completion.value,
            completion.observed,
        ));
    }
    lines.join("\n")
}

/// The witness is illegal by itself, and names its culprit.
fn witness_holds(history: &History, _: &Cell, witness: &perjury_checker::Witness, empty: bool) {
    let operations: Vec<&Operation> = witness.operations.iter().collect();
    let story = witness.story.join(" ");
    assert!(!operations.is_empty(), "{}", show(history));
    assert!(
        !linearizable(&operations, empty),
        "the witness is legal: {story} {}",
        show(history)
    );
    for operation in &operations {
        assert_eq!(
            *operation, &history.operations[operation.id],
            "the witness is not from the history"
        );
    }
    let culprit = witness.culprit.unwrap();
    assert!(operations.iter().any(|operation| operation.id == culprit));
    // What had completed before the culprit is legal: it is the first that lied.
    let end = history.operations[culprit].returned();
    let before: Vec<Operation> = history
        .operations
        .iter()
        .filter(|operation| operation.invoked.index < end)
        .map(|operation| {
            let mut operation = operation.clone();
            if operation.completion.at.is_some_and(|at| at.index >= end) {
                operation.completion.outcome = perjury_checker::Outcome::Info;
            }
            operation
        })
        .collect();
    assert!(
        linearizable(&before.iter().collect::<Vec<_>>(), empty),
        "not the first to lie: {story} {}",
        show(history)
    );
}

const FOR_CELLS: [Method; 3] = [Method::Cheapest, Method::Search, Method::Zones];

#[test]
fn no_method_errs_on_registers_with_unique_values() {
    agree(&Cell::register(), Kind::Register, None, &FOR_CELLS, 1);
}

#[test]
fn no_method_errs_on_registers_with_few_values() {
    agree(
        &Cell::register(),
        Kind::Register,
        Some(2),
        &[Method::Cheapest, Method::Search],
        2,
    );
}

#[test]
fn no_method_errs_on_cas_registers_with_unique_values() {
    agree(&Cell::cas_register(), Kind::CasRegister, None, &FOR_CELLS, 3);
}

#[test]
fn no_method_errs_on_cas_registers_with_few_values() {
    agree(
        &Cell::cas_register(),
        Kind::CasRegister,
        Some(3),
        &[Method::Cheapest, Method::Search],
        4,
    );
}

#[test]
fn no_method_errs_on_append_lists() {
    agree(
        &Cell::append_list(),
        Kind::AppendList,
        None,
        &[Method::Cheapest, Method::Search, Method::Lists],
        5,
    );
}

#[test]
fn no_method_errs_on_append_lists_with_repeated_elements() {
    agree(
        &Cell::append_list(),
        Kind::AppendList,
        Some(3),
        &[Method::Cheapest, Method::Search],
        6,
    );
}

#[test]
fn no_method_errs_on_keys_and_values() {
    agree(
        &Cell::key_value(),
        Kind::KeyValue,
        Some(3),
        &[Method::Cheapest, Method::Search],
        7,
    );
}
