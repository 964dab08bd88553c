//! Sets and counters against their definitions, followed to the letter.

mod support;

use perjury_checker::{
    Event, EventKind, Finding, Function, History, Operation, Outcome, Process, Value, Verdict,
};
use perjury_checker::{counter, sets};
use support::{Rng, ordered};

const HISTORIES: u64 = 100_000;

/// Process, function, argument, and how it ended.
type Open = (u64, Function, Value, Option<(EventKind, Value)>);

/// Draws a history of an object on which every operation is legal; `effect` changes the state and answers.
fn draw(
    rng: &mut Rng,
    invent: &dyn Fn(&mut Rng, u64) -> (Function, Value),
    effect: &dyn Fn(&mut Rng, &mut Value, &Function, &Value) -> Value,
    lie: &dyn Fn(&mut Rng, Value) -> Value,
    lies: u64,
) -> History {
    let mut state = Value::Nil;
    let mut open: Vec<Open> = Vec::new();
    let (mut started, mut process) = (0, 0);
    let (operations, clients) = (5 + rng.below(4), 2 + rng.below(3));
    let mut events: Vec<Event> = Vec::new();
    let mut record = |process, f: &Function, kind, value: &Value| {
        events.push(Event {
            index: events.len() as u64,
            time: 0,
            process: Process::Client(process),
            node: None,
            kind,
            f: f.clone(),
            key: None,
            value: value.clone(),
            error: None,
            observed: None,
            version: None,
            quorum: None,
        });
    };
    while started < operations || !open.is_empty() {
        if started < operations && (open.len() as u64) < clients && (open.is_empty() || rng.chance(50)) {
            let (f, argument) = invent(rng, started);
            record(process, &f, EventKind::Invoke, &argument);
            open.push((process, f, argument, None));
            (started, process) = (started + 1, process + 1);
            continue;
        }
        let chosen = rng.below(open.len() as u64) as usize;
        let (client, f, argument, done) = &mut open[chosen];
        match done {
            None => {
                let read = *f == Function::Read;
                *done = Some(match rng.below(10) {
                    0 => (EventKind::Fail, Value::Nil),
                    1 if !read => (EventKind::Info, Value::Nil),
                    2 if !read => {
                        effect(rng, &mut state, f, argument);
                        (EventKind::Info, Value::Nil)
                    }
                    _ => {
                        let result = effect(rng, &mut state, f, argument);
                        (
                            EventKind::Ok,
                            if read && rng.chance(lies) {
                                lie(rng, result)
                            } else {
                                result
                            },
                        )
                    }
                });
            }
            Some((kind, value)) => {
                record(*client, f, *kind, value);
                open.swap_remove(chosen);
            }
        }
    }
    History::from_events(events).unwrap()
}

fn show(history: &History, finding: &Finding) -> String {
    let line = |operation: &Operation| {
        let Operation {
            process,
            f,
            argument,
            invoked,
            completion,
            ..
        } = operation;
        let end = completion.at.map_or(0, |at| at.index);
        format!(
            "{process}: {}–{end} {f} {argument} → {:?} {}",
            invoked.index, completion.outcome, completion.value
        )
    };
    let stories: Vec<String> = finding
        .witnesses
        .iter()
        .map(|witness| witness.story.join(" "))
        .collect();
    let lines: Vec<String> = history.operations.iter().map(line).collect();
    format!(
        "{}\n{}\n{}",
        finding.sentence,
        lines.join("\n"),
        stories.join("\n")
    )
}

fn ok_reads(history: &History) -> Vec<&Operation> {
    let reads = history
        .operations
        .iter()
        .filter(|operation| operation.f == Function::Read);
    reads
        .filter(|read| read.completion.outcome == Outcome::Ok)
        .collect()
}

fn elements(value: &Value) -> Vec<Value> {
    match value {
        Value::List(elements) => elements.to_vec(),
        _ => Vec::new(),
    }
}

fn draw_set(rng: &mut Rng, lies: u64) -> History {
    draw(
        rng,
        &|rng, started| {
            if rng.chance(50) {
                (Function::Add, Value::Int(started as i64))
            } else {
                (Function::Read, Value::Nil)
            }
        },
        &|_, state, f, argument| {
            if *f == Function::Add {
                let mut all = elements(state);
                all.push(argument.clone());
                *state = all.into();
            }
            state.clone()
        },
        &|rng, value| {
            let mut all = elements(&value);
            match rng.below(3) {
                0 => drop(all.pop()),
                1 => all.push(Value::Int(rng.below(9) as i64)),
                _ => all.extend(all.first().cloned()),
            }
            all.into()
        },
        lies,
    )
}

/// The definition: element by element, read by read.
fn set_verdict(history: &History, every_read: bool) -> Verdict {
    let reads = ok_reads(history);
    let adds: Vec<&Operation> = history
        .operations
        .iter()
        .filter(|add| add.f == Function::Add)
        .collect();
    let settled = adds
        .iter()
        .map(|add| add.returned())
        .filter(|&at| at != u64::MAX)
        .max()
        .unwrap_or(0);
    let mut final_reads = 0;
    for read in &reads {
        let shown = elements(&read.completion.value);
        for element in &shown {
            let of = |add: &&&Operation| add.argument == *element && add.completion.outcome != Outcome::Fail;
            let possible = adds
                .iter()
                .filter(of)
                .filter(|add| add.invoked.index < read.returned())
                .count();
            let copies = shown.iter().filter(|other| *other == element).count();
            if copies > possible {
                return Verdict::Invalid;
            }
        }
        let is_final = read.invoked.index > settled;
        final_reads += u64::from(is_final);
        if is_final || every_read {
            let begun = |other: &&&Operation| other.returned() < read.invoked.index;
            let acknowledged = |add: &&&Operation| add.completion.outcome == Outcome::Ok;
            let mut must: Vec<Value> = adds
                .iter()
                .filter(acknowledged)
                .filter(begun)
                .map(|add| add.argument.clone())
                .collect();
            must.extend(
                reads
                    .iter()
                    .filter(begun)
                    .flat_map(|other| elements(&other.completion.value)),
            );
            if must.iter().any(|element| !shown.contains(element)) {
                return Verdict::Invalid;
            }
        }
    }
    if final_reads == 0 && !adds.is_empty() {
        Verdict::Unknown
    } else {
        Verdict::Valid
    }
}

#[test]
fn sets_are_judged_by_their_definition() {
    let mut rng = Rng(11);
    let mut counts = [0; 3];
    for round in 0..HISTORIES {
        let history = draw_set(&mut rng, round % 3 * 10);
        for every_read in [false, true] {
            let finding = if every_read {
                sets::check_every_read(&history)
            } else {
                sets::check(&history)
            };
            assert_eq!(
                finding.verdict,
                set_verdict(&history, every_read),
                "{}",
                show(&history, &finding)
            );
            counts[finding.verdict as usize] += 1;
            assert_eq!(finding.verdict == Verdict::Invalid, !finding.witnesses.is_empty());
            // A legal order of adds and reads is enough for every demand.
            if finding.verdict == Verdict::Invalid {
                let certain = history.operations.iter().filter(|operation| {
                    let Operation { f, completion, .. } = operation;
                    completion.outcome == Outcome::Ok
                        || (*f == Function::Add && completion.outcome == Outcome::Info)
                });
                let step = |operation: &Operation, state: &Value| match operation.f {
                    Function::Add => Some(Value::from(
                        [elements(state), vec![operation.argument.clone()]].concat(),
                    )),
                    _ => {
                        let (mut shown, mut all) = (elements(&operation.completion.value), elements(state));
                        shown.sort();
                        all.sort();
                        (shown == all).then(|| state.clone())
                    }
                };
                let certain: Vec<&Operation> = certain.collect();
                assert!(
                    !ordered(&certain, &Value::Nil, &step),
                    "{}",
                    show(&history, &finding)
                );
            }
        }
    }
    assert!(
        counts.iter().all(|&count| count > HISTORIES / 20),
        "too one-sided: {counts:?}"
    );
}

fn draw_counter(rng: &mut Rng, lies: u64, least: i64) -> History {
    draw(
        rng,
        &|rng, _| {
            let delta = least + rng.below((3 - least) as u64) as i64;
            if rng.chance(60) {
                (Function::Increment, Value::Int(delta))
            } else {
                (Function::Read, Value::Nil)
            }
        },
        &|_, state, f, argument| {
            let value = if let Value::Int(value) = state { *value } else { 0 };
            if let (Function::Increment, Value::Int(delta)) = (f, argument) {
                *state = Value::Int(value + delta);
                return argument.clone();
            }
            Value::Int(value)
        },
        &|rng, value| match value {
            Value::Int(value) => Value::Int(value + rng.below(5) as i64 - 2),
            other => other,
        },
        lies,
    )
}

fn delta(operation: &Operation) -> i64 {
    if let Value::Int(delta) = operation.argument {
        delta
    } else {
        0
    }
}

/// Whether every read lies between the sums that its window allows.
fn counter_bounds_hold(history: &History) -> bool {
    ok_reads(history).iter().all(|read| {
        let Value::Int(value) = read.completion.value else {
            return false;
        };
        let (mut low, mut high) = (0, 0);
        for increment in history
            .operations
            .iter()
            .filter(|operation| operation.f == Function::Increment)
        {
            let known =
                increment.completion.outcome == Outcome::Ok && increment.returned() < read.invoked.index;
            let possible =
                increment.completion.outcome != Outcome::Fail && increment.invoked.index < read.returned();
            if known {
                (low, high) = (low + delta(increment), high + delta(increment));
            } else if possible {
                (low, high) = (low + delta(increment).min(0), high + delta(increment).max(0));
            }
        }
        (low..=high).contains(&value)
    })
}

#[test]
fn counters_are_judged_by_their_definition_and_never_falsely_accused() {
    let mut rng = Rng(12);
    let mut counts = [0; 3];
    let mut sharper = 0;
    for round in 0..HISTORIES {
        let history = draw_counter(&mut rng, round % 3 * 10, if round % 2 == 0 { -2 } else { 1 });
        let finding = counter::check(&history, 0);
        if !counter_bounds_hold(&history) {
            assert_eq!(finding.verdict, Verdict::Invalid, "{}", show(&history, &finding));
        } else {
            sharper += u64::from(finding.verdict == Verdict::Invalid);
        }
        if finding.verdict == Verdict::Invalid {
            let step = |operation: &Operation, state: &Value| {
                let value = if let Value::Int(value) = state { *value } else { 0 };
                match operation.f {
                    Function::Increment => Some(Value::Int(value + delta(operation))),
                    _ => (operation.completion.value == Value::Int(value)).then(|| state.clone()),
                }
            };
            let counts = |operation: &&Operation| match operation.completion.outcome {
                Outcome::Ok => true,
                Outcome::Fail => false,
                Outcome::Info => operation.f == Function::Increment,
            };
            let certain: Vec<&Operation> = history.operations.iter().filter(counts).collect();
            assert!(
                !ordered(&certain, &Value::Int(0), &step),
                "falsely accused: {}",
                show(&history, &finding)
            );
            let witness: Vec<&Operation> = finding.witnesses[0].operations.iter().collect();
            assert!(
                !ordered(&witness, &Value::Int(0), &step),
                "no witness: {}",
                show(&history, &finding)
            );
        }
        counts[finding.verdict as usize] += 1;
    }
    println!("{counts:?}, {sharper} only by comparing reads");
    assert!(
        counts[0] > HISTORIES / 10 && counts[2] > HISTORIES / 10,
        "too one-sided: {counts:?}"
    );
}
