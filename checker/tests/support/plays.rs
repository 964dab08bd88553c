//! Random histories of any object, checked by every method against an oracle that tries every order.

use std::collections::BTreeSet;
use std::num::NonZero;

use perjury_checker::history::PRECONDITION_FAILED;
use perjury_checker::models::Model;
use perjury_checker::{
    Event, EventKind, Function, History, Method, Operation, Options, Outcome, Process, Value, Verdict, check,
};

use super::{Rng, ordered};

/// Histories per object; `PERJURY_ORACLE_HISTORIES` asks for more.
pub fn histories() -> u64 {
    std::env::var("PERJURY_ORACLE_HISTORIES")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(6_000)
}

/// How an operation ended: the kind of its completion, its value, and its version.
pub type Ended = (EventKind, Value, Option<u64>);

/// How an object is played with.
pub trait Play {
    /// What to ask for next, the how-manieth operation it is, and by whom.
    fn invent(&mut self, rng: &mut Rng, count: u64, process: u64) -> (Function, Value);
    /// What happens, or a lie.
    fn effect(&mut self, rng: &mut Rng, f: &Function, argument: &Value, process: u64) -> Ended;
}

/// Draws a history of a few operations that take effect somewhere in their windows. Some learn no outcome.
pub fn draw(rng: &mut Rng, play: &mut dyn Play, info_percent: u64) -> History {
    let (clients, operations) = (2 + rng.below(3), 6 + rng.below(3));
    let mut open: Vec<(u64, Function, Value, Option<Ended>)> = Vec::new();
    let mut idle: Vec<u64> = (0..clients).collect();
    let (mut started, mut next_process) = (0, clients);
    let mut events: Vec<Event> = Vec::new();
    let mut record = |process, f: &Function, kind, value: Value, version| {
        events.push(Event {
            index: events.len() as u64,
            time: 0,
            process: Process::Client(process),
            node: None,
            kind,
            f: f.clone(),
            key: None,
            value,
            error: (kind == EventKind::Fail).then(|| PRECONDITION_FAILED.into()),
            observed: None,
            version,
            quorum: None,
        });
    };
    while started < operations || !open.is_empty() {
        if started < operations && !idle.is_empty() && (open.is_empty() || rng.chance(50)) {
            let process = idle.swap_remove(rng.below(idle.len() as u64) as usize);
            let (f, argument) = play.invent(rng, started, process);
            record(process, &f, EventKind::Invoke, argument.clone(), None);
            open.push((process, f, argument, None));
            started += 1;
            continue;
        }
        let chosen = rng.below(open.len() as u64) as usize;
        let (process, f, argument, ended) = &mut open[chosen];
        let process = *process;
        let Some((kind, value, version)) = ended.take() else {
            let happens = !rng.chance(info_percent);
            *ended = Some(if happens {
                play.effect(rng, f, argument, process)
            } else {
                if rng.chance(50) {
                    play.effect(rng, f, argument, process);
                }
                (EventKind::Info, Value::Nil, None)
            });
            continue;
        };
        if kind != EventKind::Info || rng.chance(50) {
            record(process, f, kind, value, version);
        }
        open.swap_remove(chosen);
        if kind == EventKind::Info {
            idle.push(next_process);
            next_process += 1;
        } else {
            idle.push(process);
        }
    }
    History::from_events(events).unwrap()
}

pub fn show(history: &History) -> String {
    let line = |operation: &Operation| {
        let completion = &operation.completion;
        format!(
            "{:>3}: {:>3} – {:<4} {} {} → {:?} {} {:?}",
            operation.process,
            operation.invoked.index,
            completion.at.map_or("…".to_owned(), |at| at.index.to_string()),
            operation.f,
            operation.argument,
            completion.outcome,
            completion.value,
            completion.version
        )
    };
    let lines: Vec<String> = history.operations.iter().map(line).collect();
    format!("\n{}", lines.join("\n"))
}

/// Whether the history is legal when the object may be in any of several states; `step` leads from one of them to
/// all that may follow.
pub fn legal(
    history: &History,
    initial: Vec<Value>,
    step: &dyn Fn(&Operation, &Value) -> Vec<Value>,
) -> bool {
    let constrains = |operation: &&Operation| match operation.completion.outcome {
        Outcome::Ok => true,
        Outcome::Fail => operation.precondition_failed(),
        Outcome::Info => !matches!(operation.f.name(), "read" | "contains"),
    };
    let operations: Vec<&Operation> = history.operations.iter().filter(constrains).collect();
    ordered(&operations, &initial.into(), &|operation, states| {
        let Value::List(states) = states else { return None };
        let next: BTreeSet<Value> = states.iter().flat_map(|state| step(operation, state)).collect();
        (!next.is_empty()).then(|| next.into_iter().collect::<Vec<_>>().into())
    })
}

/// Checks many histories by every method. Returns how many the model's own method decided.
pub fn agree<M: Model>(
    model: &M,
    seed: u64,
    history: &mut dyn FnMut(&mut Rng) -> History,
    oracle: &dyn Fn(&History) -> bool,
    core_proves: bool,
) -> u64 {
    let mut rng = Rng(seed);
    let (mut valid, mut own) = (0, 0);
    for round in 0..histories() {
        let history = history(&mut rng);
        let expected = if oracle(&history) {
            valid += 1;
            Verdict::Valid
        } else {
            Verdict::Invalid
        };
        for method in [Method::Own, Method::Cheapest, Method::Search] {
            let options = Options {
                method,
                threads: NonZero::<usize>::MIN,
                ..Options::default()
            };
            let finding = check(&history, model, &options);
            if method == Method::Own {
                if finding.verdict == Verdict::Unknown {
                    continue;
                }
                own += 1;
            }
            let about = || {
                format!(
                    "{method:?}, round {round}: {} {}",
                    finding.sentence,
                    show(&history)
                )
            };
            assert_eq!(finding.verdict, expected, "{}", about());
            if expected == Verdict::Invalid {
                let witness = &finding.witnesses[0];
                assert!(
                    witness.culprit.is_some() && witness.story.len() > 1,
                    "{}",
                    about()
                );
                if core_proves && method == Method::Own {
                    let operations = witness.operations.clone();
                    let alone = History {
                        operations,
                        ..History::default()
                    };
                    assert!(!oracle(&alone), "{:?} proves nothing: {}", witness.story, about());
                }
            }
        }
    }
    println!("{}: {valid} valid, {own} by its own method", model.name());
    let all = histories();
    assert!(
        valid * 10 > all && valid * 10 < 9 * all,
        "too one-sided: {valid} of {all}"
    );
    own
}
