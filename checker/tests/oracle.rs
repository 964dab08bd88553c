//! Every method against an oracle that tries every order, on a great many small random histories.

mod support;

use std::ops::Range;

use perjury_checker::models::{Cell, Model};
use perjury_checker::{
    Function, History, Method, Operation, Options, Outcome, Value, Verdict, Witness, check, verify,
};
use support::{Kind, Rng, Shape, draw, linearizable, linearizable_if, ordered};

/// Which histories of each family are drawn; `PERJURY_ORACLE_HISTORIES=1000000` asks for more, and
/// `2000000..3000000` for others, so that a long run can be made in pieces.
fn rounds() -> Range<u64> {
    let asked = std::env::var("PERJURY_ORACLE_HISTORIES").unwrap_or_else(|_| "100000".to_owned());
    let (from, to) = asked.split_once("..").unwrap_or(("0", &asked));
    let number = |text: &str| text.parse::<u64>().expect("a number of histories, or FROM..TO");
    number(from)..number(to)
}

/// The chance that one round is drawn with: each stands for itself.
fn rng(seed: u64, round: u64) -> Rng {
    let mut rng = Rng(seed << 48 ^ round);
    Rng(rng.next())
}

/// Up to this round, witnesses are checked as well; that takes much longer than the verdicts.
const WITNESSES: u64 = 100_000;

fn shapes(kind: Kind, values: Option<u64>) -> Vec<Shape> {
    let mut shapes = Vec::new();
    for processes in 2..=6 {
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

fn agree(model: &Cell, kind: Kind, values: Option<u64>, methods: &[Method], seed: u64) {
    let shapes = shapes(kind, values);
    let mut options = Options {
        threads: std::num::NonZero::<usize>::MIN,
        ..Options::default()
    };
    let mut counts = [0u64; 2];
    let mut decided = vec![0u64; methods.len()];
    for round in rounds() {
        let shape = &shapes[(round % shapes.len() as u64) as usize];
        let history = draw(shape, &mut rng(seed, round));
        let all: Vec<&Operation> = history.operations.iter().collect();
        let expected = linearizable(&all, kind == Kind::AppendList);
        counts[usize::from(expected)] += 1;
        options.linearizations = round % 2 == 0;
        options.witnesses = usize::from(round < WITNESSES);
        for (method, decided) in methods.iter().zip(&mut decided) {
            options.method = *method;
            let finding = check(&history, model, &options);
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
            if expected && options.linearizations {
                let verified = verify(&history, model, &finding.linearizations);
                assert_eq!(verified, Ok(()), "{method:?}, round {round}: {}", show(&history));
            }
            if !expected && round % 4 == 0 && round < WITNESSES {
                let witness = &finding.witnesses[0];
                let sources = witness_holds(&history, witness, kind == Kind::AppendList);
                // Where values repeat, an operation that is not shown may be an excuse; and who only says what it did
                // not see names no source.
                let unnamed = |operation: &Operation| {
                    operation.precondition_failed() && operation.completion.observed.is_none()
                };
                if kind == Kind::Register || (values.is_none() && !witness.operations.iter().any(unnamed)) {
                    let mut idle = idle(witness, &sources, kind == Kind::AppendList);
                    if values.is_some() {
                        // What the proof needs is there against an excuse that is not shown.
                        idle.retain(|id| sources.contains(id));
                    }
                    assert!(
                        idle.is_empty(),
                        "{idle:?} are idle: {:?} {}",
                        witness.story,
                        show(&history)
                    );
                }
            }
        }
    }
    let drawn = counts.iter().sum::<u64>();
    assert!(
        counts.iter().all(|&count| count * 10 > drawn),
        "too one-sided: {counts:?}"
    );
    println!(
        "{} {values:?}: invalid, valid {counts:?}; decided by {methods:?} {decided:?}",
        model.name()
    );
    assert!(
        decided.iter().all(|&count| count * 10 > drawn),
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

/// The history with some operations taken at their word, and all others weakened: they may have had their effect
/// somewhere in their windows, or not.
fn weakened(history: &History, kept: &[usize], empty: bool) -> bool {
    let word = |operation: &&Operation| {
        let keeps = kept.contains(&operation.id);
        keeps || (operation.completion.outcome != Outcome::Fail && operation.f != Function::Read)
    };
    let operations: Vec<&Operation> = history.operations.iter().filter(word).collect();
    linearizable_if(&operations, &|operation| kept.contains(&operation.id), empty)
}

/// The witness proves the violation, it is from the history, it names the first operation that lied, and nothing
/// in it is idle: every operation is either needed for the proof, or tells where a value came from. Returns those that
/// only do the latter.
fn witness_holds(history: &History, witness: &Witness, empty: bool) -> Vec<usize> {
    let story = witness.story.join(" ");
    let about = || format!("{story} {}", show(history));
    let culprit = witness.culprit.unwrap();
    let end = history.operations[culprit].returned();
    // What had not completed when the culprit did is only there to tell where a value came from.
    let shown: Vec<usize> = witness.operations.iter().map(|operation| operation.id).collect();
    let kept: Vec<usize> = shown
        .iter()
        .copied()
        .filter(|&id| history.operations[id].returned() <= end)
        .collect();
    assert!(
        !weakened(history, &kept, empty),
        "the witness proves nothing: {}",
        about()
    );
    for operation in &witness.operations {
        assert_eq!(
            operation, &history.operations[operation.id],
            "the witness is not from the history"
        );
    }
    assert!(kept.contains(&culprit));
    let needed = |id: usize| {
        let rest: Vec<usize> = kept.iter().copied().filter(|&other| other != id).collect();
        weakened(history, &rest, empty)
    };
    let sources: Vec<usize> = kept.iter().copied().filter(|&id| !needed(id)).collect();
    for &id in &sources {
        let operation = &history.operations[id];
        let explains = witness
            .operations
            .iter()
            .any(|other| other.id != id && tells_of(operation, other));
        assert!(explains, "operation {id} is idle: {}", about());
    }
    // Before the culprit completed, all was well.
    let cut = |operation: &Operation| {
        let mut operation = operation.clone();
        if operation.completion.at.is_some_and(|at| at.index >= end) {
            operation.completion.outcome = Outcome::Info;
        }
        operation
    };
    let before = history
        .operations
        .iter()
        .filter(|operation| operation.invoked.index < end)
        .map(cut);
    let before: Vec<Operation> = before.collect();
    assert!(
        linearizable(&before.iter().collect::<Vec<_>>(), empty),
        "not the first to lie: {}",
        about()
    );
    for order in &witness.orders {
        assert!(!order.stuck.is_empty(), "{}", about());
        let ids = order
            .steps
            .iter()
            .map(|step| step.operation)
            .chain(order.stuck.iter().map(|stuck| stuck.operation));
        assert!(ids.into_iter().all(|id| shown.contains(&id)), "{}", about());
    }
    let late = shown.into_iter().filter(|id| !kept.contains(id));
    sources.into_iter().chain(late).collect()
}

/// The operations of a witness that could be left out, each together with those that saw what it alone wrote, so
/// that the rest is a history of its own that is still illegal. Operations that are shown only to tell where a value
/// came from (`sources`) count for what they wrote.
fn idle(witness: &Witness, sources: &[usize], empty: bool) -> Vec<usize> {
    let as_source = |operation: &Operation| {
        let mut operation = operation.clone();
        if let (Function::Cas, true) = (&operation.f, sources.contains(&operation.id)) {
            (operation.argument, operation.f) = (written(&operation), Function::Write);
        }
        operation
    };
    let shown: Vec<Operation> = witness.operations.iter().map(as_source).collect();
    let without = |left_out: usize| {
        let mut rest: Vec<&Operation> = shown.iter().filter(|other| other.id != left_out).collect();
        let orphan = |reader: &Operation, rest: &[&Operation]| {
            let writers = shown.iter().filter(|writer| tells_of(writer, reader));
            writers.map(written).any(|value| {
                !rest
                    .iter()
                    .any(|other| written(other) == value && tells_of(other, reader))
            })
        };
        while let Some(place) = rest.iter().position(|reader| orphan(reader, &rest)) {
            rest.remove(place);
        }
        rest
    };
    let all = shown.iter().map(|operation| operation.id);
    all.filter(|&id| !linearizable(&without(id), empty)).collect()
}

/// What an operation writes, or asked to write.
fn written(writer: &Operation) -> Value {
    match (&writer.f, &writer.argument) {
        (Function::Cas, Value::List(pair)) => pair[1].clone(),
        (Function::Delete, _) => Value::Nil,
        (_, value) => value.clone(),
    }
}

/// Whether the first writes (or asked to write) what the second saw.
fn tells_of(writer: &Operation, reader: &Operation) -> bool {
    if writer.f == Function::Read {
        return false;
    }
    let written = written(writer);
    let saw = match (&reader.f, &reader.argument) {
        (Function::Cas, Value::List(pair)) => reader
            .completion
            .observed
            .clone()
            .unwrap_or_else(|| pair[0].clone()),
        _ => reader.completion.value.clone(),
    };
    match (&writer.f, &saw) {
        (Function::Append, Value::List(elements)) => elements.contains(&written),
        _ => saw == written,
    }
}

const FOR_CELLS: [Method; 4] = [Method::Cheapest, Method::Search, Method::Frontier, Method::Zones];

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
        &[Method::Cheapest, Method::Search, Method::Frontier],
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
        &[Method::Cheapest, Method::Search, Method::Frontier],
        4,
    );
}

#[test]
fn no_method_errs_on_append_lists() {
    agree(
        &Cell::append_list(),
        Kind::AppendList,
        None,
        &[Method::Cheapest, Method::Search, Method::Frontier, Method::Lists],
        5,
    );
}

#[test]
fn no_method_errs_on_append_lists_with_repeated_elements() {
    agree(
        &Cell::append_list(),
        Kind::AppendList,
        Some(3),
        &[Method::Cheapest, Method::Search, Method::Frontier],
        6,
    );
}

#[test]
fn no_method_errs_on_keys_and_values() {
    agree(
        &Cell::key_value(),
        Kind::KeyValue,
        Some(3),
        &[Method::Cheapest, Method::Search, Method::Frontier],
        7,
    );
}

/// The same history with a text for each element and the texts run together for each list.
fn spelled(mut history: History, spell: &dyn Fn(i64) -> String) -> History {
    let text = |value: &Value| match value {
        Value::Int(element) => Value::from(&*spell(*element)),
        Value::List(elements) => {
            let spelled = elements.iter().map(|element| match element {
                Value::Int(element) => spell(*element),
                _ => String::new(),
            });
            Value::from(&*spelled.collect::<String>())
        }
        _ => Value::from(""),
    };
    for operation in &mut history.operations {
        if operation.f == Function::Append {
            operation.argument = text(&operation.argument);
        }
        operation.completion.value = text(&operation.completion.value);
    }
    history
}

fn append_texts(spell: &dyn Fn(i64) -> String, values: Option<u64>, methods: &[Method], seed: u64) {
    let model = Cell::key_value().initial(Value::from(""));
    let shapes = shapes(Kind::AppendList, values);
    let mut options = Options {
        threads: std::num::NonZero::<usize>::MIN,
        ..Options::default()
    };
    let step = |operation: &Operation, state: &Value| match (&operation.f, state, &operation.argument) {
        (Function::Append, Value::Text(text), Value::Text(more)) => {
            Some(Value::from(&*format!("{text}{more}")))
        }
        _ => (operation.completion.value == *state).then(|| state.clone()),
    };
    let (mut counts, mut by_lists) = ([0u64; 2], 0);
    for round in rounds() {
        options.linearizations = round % 2 == 0;
        options.witnesses = usize::from(round < WITNESSES);
        let history = draw(
            &shapes[(round % shapes.len() as u64) as usize],
            &mut rng(seed, round),
        );
        let history = spelled(history, spell);
        let claims = |operation: &&Operation| match operation.completion.outcome {
            Outcome::Ok => true,
            Outcome::Fail => false,
            Outcome::Info => operation.f == Function::Append,
        };
        let claims: Vec<&Operation> = history.operations.iter().filter(claims).collect();
        let expected = if ordered(&claims, &Value::from(""), &step) {
            Verdict::Valid
        } else {
            Verdict::Invalid
        };
        counts[usize::from(expected == Verdict::Valid)] += 1;
        for method in methods {
            options.method = *method;
            let finding = check(&history, &model, &options);
            if finding.verdict == Verdict::Unknown && *method == Method::Lists {
                continue;
            }
            by_lists += u64::from(*method == Method::Lists);
            if expected == Verdict::Valid && options.linearizations {
                let verified = verify(&history, &model, &finding.linearizations);
                assert_eq!(verified, Ok(()), "{method:?}, round {round}: {}", show(&history));
            }
            assert_eq!(
                finding.verdict,
                expected,
                "{method:?}, round {round}: {}",
                show(&history)
            );
        }
    }
    let drawn = counts.iter().sum::<u64>();
    println!("appended texts {values:?}: invalid, valid {counts:?}");
    assert!(counts.iter().all(|&count| count * 10 > drawn), "{counts:?}");
    assert!(
        by_lists * 2 > drawn || !methods.contains(&Method::Lists),
        "{by_lists}"
    );
}

#[test]
fn no_method_errs_on_appended_texts() {
    let spell = |element| format!("<{element}>");
    append_texts(
        &spell,
        None,
        &[Method::Cheapest, Method::Search, Method::Frontier, Method::Lists],
        8,
    );
}

#[test]
fn no_method_errs_on_appended_texts_that_can_be_read_in_several_ways() {
    let spell = |element: i64| ["a", "ab", "b", "ba"][element as usize % 4].to_owned();
    append_texts(
        &spell,
        Some(4),
        &[Method::Cheapest, Method::Search, Method::Frontier],
        9,
    );
}
