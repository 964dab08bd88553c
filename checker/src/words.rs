//! Operations in words, for the stories of witnesses.

use crate::history::{Function, Operation, Outcome, Value};

/// The longest value that is written out.
const LONGEST: usize = 60;

/// A value, cut where it is long.
pub(crate) fn short(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= LONGEST {
        return text;
    }
    let head: String = text.chars().take(LONGEST / 2).collect();
    let tail: String = text.chars().skip(text.chars().count() - LONGEST / 3).collect();
    format!("{head} … {tail}")
}

/// Seconds with as many digits as a person compares.
pub(crate) fn seconds(nanoseconds: u64) -> String {
    format!("{:.4} s", nanoseconds as f64 / 1e9)
}

/// A stretch of time, in the unit in which a person would say it.
pub(crate) fn span(nanoseconds: u64) -> String {
    let (amount, unit) = match nanoseconds {
        0..1_000 => return format!("{nanoseconds} ns"),
        1_000..1_000_000 => (nanoseconds as f64 / 1e3, "µs"),
        1_000_000..1_000_000_000 => (nanoseconds as f64 / 1e6, "ms"),
        _ => (nanoseconds as f64 / 1e9, "s"),
    };
    if amount < 10.0 {
        format!("{amount:.1} {unit}")
    } else {
        format!("{amount:.0} {unit}")
    }
}

/// `Process 3 read x on n1 (4.2990 s – 4.3050 s) and saw 4.`
pub(crate) fn did(operation: &Operation) -> String {
    let completion = &operation.completion;
    let on = match operation.key.as_deref() {
        Some(key) => format!(" {key}"),
        None => String::new(),
    };
    let to = match operation.key.as_deref() {
        Some(key) => format!(" to {key}"),
        None => String::new(),
    };
    let argument = short(&operation.argument);
    let act = match operation.f {
        Function::Read => format!("read{on}"),
        Function::Write => format!("wrote {argument}{to}"),
        Function::Cas => match &operation.argument {
            Value::List(pair) if pair.len() == 2 => {
                format!(
                    "compared{on} with {} to set it to {}",
                    short(&pair[0]),
                    short(&pair[1])
                )
            }
            _ => format!("compared and set{on} with {argument}"),
        },
        Function::Append => format!("appended {argument}{to}"),
        Function::Delete => format!("deleted{on}"),
        Function::Increment => format!("incremented{on} by {argument}"),
        Function::Add => format!("added {argument}{to}"),
        Function::Txn => format!("ran the transaction {argument}"),
        Function::Other(ref name) => match (&**name, &operation.argument) {
            ("enqueue", _) => format!("enqueued {argument}{to}"),
            ("push", _) => format!("pushed {argument}{to}"),
            (_, Value::Nil) => format!("asked to {name}{on}"),
            _ => format!("asked to {name} {argument}{on}"),
        },
    };
    let node = completion.node.as_ref().or(operation.node.as_ref());
    let node = node.map(|node| format!(" on {node}")).unwrap_or_default();
    let when = window(operation);
    let result = match completion.outcome {
        Outcome::Ok => match operation.f {
            Function::Read | Function::Txn => format!("and saw {}", short(&completion.value)),
            Function::Other(_) if completion.value != operation.argument => {
                format!("and was told {}", short(&completion.value))
            }
            Function::Other(ref name) if matches!(&**name, "dequeue" | "pop") => {
                "and was told that there is nothing".to_owned()
            }
            _ => "and was told ok".to_owned(),
        },
        Outcome::Fail if operation.precondition_failed() => match &completion.observed {
            None if !matches!(operation.f, Function::Cas) => {
                "and was told that its condition was not met".to_owned()
            }
            Some(observed) => format!("and was told that it differs, being {}", short(observed)),
            None => "and was told that it differs".to_owned(),
        },
        Outcome::Fail => "and was told that it failed".to_owned(),
        Outcome::Info => "and never learned the outcome".to_owned(),
    };
    format!("Process {} {act}{node} ({when}) {result}.", operation.process)
}

/// When it ran: times where they were recorded, positions otherwise.
pub(crate) fn window(operation: &Operation) -> String {
    let from = operation.invoked;
    match operation
        .completion
        .at
        .filter(|_| operation.completion.outcome != Outcome::Info)
    {
        Some(to) if to.time == 0 && from.time == 0 => format!("events {} – {}", from.index, to.index),
        Some(to) => format!("{} – {}", seconds(from.time), seconds(to.time)),
        None if from.time == 0 && from.index > 0 => format!("from event {} on", from.index),
        None => format!("from {} on", seconds(from.time)),
    }
}

/// `the read of x by process 3`, for the middle of a sentence.
pub(crate) fn brief(operation: &Operation) -> String {
    let argument = short(&operation.argument);
    let of = match operation.key.as_deref() {
        Some(key) => format!(" of {key}"),
        None => String::new(),
    };
    let act = match operation.f {
        Function::Read => format!("read{of}"),
        Function::Write => format!("write of {argument}"),
        Function::Cas => match &operation.argument {
            Value::List(pair) if pair.len() == 2 => {
                format!(
                    "compare-and-set{of} from {} to {}",
                    short(&pair[0]),
                    short(&pair[1])
                )
            }
            _ => format!("compare-and-set{of} with {argument}"),
        },
        Function::Append => format!("append of {argument}"),
        Function::Delete => format!("deletion{of}"),
        Function::Increment => format!("increment by {argument}"),
        Function::Add => format!("add of {argument}"),
        Function::Txn => format!("transaction {argument}"),
        Function::Other(ref name) => match (&operation.argument, &operation.completion.value) {
            (Value::Nil, Value::Nil) => name.to_string(),
            (Value::Nil, _) => format!("{name} of {}", short(&operation.completion.value)),
            _ => format!("{name} of {argument}"),
        },
    };
    format!("the {act} by process {}", operation.process)
}

/// The sentence with a capital letter at its head.
pub(crate) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

/// The most reasons for `unknown` that are told one by one.
const REASONS: usize = 3;

/// Why nothing was decided, in a sentence.
pub(crate) fn undecided(reasons: &[String]) -> String {
    let mut told = reasons[..reasons.len().min(REASONS)].join("; ");
    if reasons.len() > REASONS {
        told += &format!("; {} more", reasons.len() - REASONS);
    }
    format!("Not decided: {told}.")
}
