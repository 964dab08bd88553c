//! What has to hold of any bytes that are read as a history.

use perjury_checker::formats::{Format, read};
use perjury_checker::{Event, EventKind, Function, History, Operation, Outcome, Process, Value};

/// Reads the bytes; whether they are a history.
///
/// # Panics
/// If the error names no line of the text or no mend, or if the history is another one after it was written and
/// read again.
pub fn judge(bytes: &[u8], format: Option<Format>) -> bool {
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
    match read(bytes, format) {
        Err(error) => {
            assert!((1..=lines).contains(&error.line), "{error} in {lines} lines");
            assert!(!error.problem.is_empty() && !error.mend.is_empty());
            false
        }
        Ok(parsed) => {
            assert!(parsed.torn.is_none_or(|line| (1..=lines).contains(&line)));
            let mut events: Vec<Event> = parsed.history.operations.iter().flat_map(events).collect();
            events.extend(parsed.history.faults.iter().cloned());
            events.sort_by_key(|event| event.index);
            if events.iter().all(shallow) {
                assert_eq!(again(&events, Format::Jsonl), Some(parsed.history));
                assert!(again(&events, Format::Edn).is_some());
            }
            true
        }
    }
}

fn again(events: &[Event], format: Format) -> Option<History> {
    let mut text = Vec::new();
    for event in events {
        format.write(event, &mut text).ok()?;
    }
    let parsed = read(&text[..], Some(format)).ok()?;
    parsed.torn.is_none().then_some(parsed.history)
}

fn events(operation: &Operation) -> impl Iterator<Item = Event> {
    let Operation {
        f, key, completion, ..
    } = operation;
    let event = |at: perjury_checker::Moment, kind, value: &Value| Event {
        index: at.index,
        time: at.time,
        process: Process::Client(operation.process),
        node: None,
        kind,
        f: Function::clone(f),
        key: key.clone(),
        value: value.clone(),
        error: None,
        observed: None,
        version: None,
        quorum: None,
    };
    let invocation = Event {
        node: operation.node.clone(),
        ..event(operation.invoked, EventKind::Invoke, &operation.argument)
    };
    let end = completion.at.map(|at| Event {
        node: completion.node.clone(),
        error: completion.error.clone(),
        observed: completion.observed.clone(),
        version: completion.version,
        quorum: completion.quorum.clone(),
        ..event(
            at,
            match completion.outcome {
                Outcome::Ok => EventKind::Ok,
                Outcome::Fail => EventKind::Fail,
                Outcome::Info => EventKind::Info,
            },
            &completion.value,
        )
    });
    std::iter::once(invocation).chain(end)
}

/// Whether a reader of JSON goes as deep as its values do.
fn shallow(event: &Event) -> bool {
    fn depth(value: &Value) -> usize {
        match value {
            Value::List(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
            _ => 0,
        }
    }
    depth(&event.value) < 100 && event.observed.as_ref().is_none_or(|value| depth(value) < 100)
}
