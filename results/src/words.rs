//! Numbers, times and operations in words: the same on the terminal, in JUnit and in the report.

use std::fmt::{self, Write};

use perjury_checker::{Function, Operation, Outcome, Value};
use perjury_nemesis::Resolved;
use perjury_runner::FaultRecord;

/// A duration with three digits or so: `850 µs`, `3.1 ms`, `1.20 s`, `2 min 5 s`.
pub(crate) fn duration(nanoseconds: u64) -> String {
    let ns = nanoseconds as f64;
    match nanoseconds {
        0..1_000 => format!("{nanoseconds} ns"),
        1_000..1_000_000 => format!("{:.0} µs", ns / 1e3),
        1_000_000..100_000_000 => format!("{:.1} ms", ns / 1e6),
        100_000_000..1_000_000_000 => format!("{:.0} ms", ns / 1e6),
        1_000_000_000..10_000_000_000 => format!("{:.2} s", ns / 1e9),
        10_000_000_000..120_000_000_000 => format!("{:.1} s", ns / 1e9),
        _ => {
            let seconds = (ns / 1e9).round() as u64;
            format!("{} min {} s", seconds / 60, seconds % 60)
        }
    }
}

/// A moment since the start, to the millisecond: `4.299 s`.
pub(crate) fn moment(nanoseconds: u64) -> String {
    format!("{:.3} s", nanoseconds as f64 / 1e9)
}

/// A number with its thousands apart: `12,431`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 fault`, `3 faults`, `2 witnesses`.
pub(crate) fn plural(number: u64, one: &str) -> String {
    let end = if one.ends_with('s') { "es" } else { "s" };
    if number == 1 {
        format!("1 {one}")
    } else {
        format!("{} {one}{end}", count(number))
    }
}

/// `a`, `a and b`, `a, b and c`.
pub(crate) fn listed<S: AsRef<str>>(items: &[S]) -> String {
    match items {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [first @ .., last] => {
            let first: Vec<_> = first.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", first.join(", "), last.as_ref())
        }
    }
}

/// Stops writing after some characters, so that a megabyte of a value costs no more than what is shown of it.
struct Limited {
    text: String,
    left: usize,
}

impl Write for Limited {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        for c in piece.chars() {
            if self.left == 0 {
                return Err(fmt::Error);
            }
            self.left -= 1;
            self.text.push(c);
        }
        Ok(())
    }
}

/// Anything's text, cut after `limit` characters with an ellipsis.
pub(crate) fn cut(value: &impl fmt::Display, limit: usize) -> String {
    let mut limited = Limited {
        text: String::new(),
        left: limit,
    };
    if write!(limited, "{value}").is_err() {
        limited.text.push('…');
    }
    limited.text
}

/// Text from outside on one line: characters that control the terminal or turn the direction of writing become
/// visible, and it is cut after `limit` characters.
pub(crate) fn tame(text: &str, limit: usize) -> String {
    let controls = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    let mut tame: String = text
        .chars()
        .take(limit)
        .map(|c| if controls(c) { '\u{fffd}' } else { c })
        .collect();
    if text.chars().nth(limit).is_some() {
        tame.push('…');
    }
    tame
}

/// A fault in a few words that say of what kind it is: `partition {n1} | {n2,n3}`, `kill n3`. What is too long ends where
/// a part of it ends.
pub(crate) fn fault(fault: &FaultRecord, limit: usize) -> String {
    let kind = match fault.fault {
        // All others are described by what is done.
        Resolved::Cut { .. } => format!("{} ", tame(&fault.kind, 20)),
        _ => String::new(),
    };
    let whole = tame(&fault.description, limit);
    let Some(cut) = whole.strip_suffix('…') else {
        return format!("{kind}{whole}");
    };
    let end = cut.rfind("; ").map(|at| at + 1).or_else(|| cut.rfind(' '));
    format!("{kind}{} …", &cut[..end.unwrap_or(cut.len())])
}

/// The sentence with a capital letter at its head, unless a node's name stands there.
pub(crate) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) if !letters.as_str().starts_with(|c: char| c.is_ascii_digit()) => {
            first.to_uppercase().chain(letters).collect()
        }
        _ => text.to_owned(),
    }
}

/// What was asked, in short: `write 5`, `cas 3 → 5`, `read`. Without the key.
pub(crate) fn call(operation: &Operation, limit: usize) -> String {
    let argument = &operation.argument;
    match (&operation.f, argument) {
        (Function::Cas, Value::List(pair)) if pair.len() == 2 => {
            format!("cas {} → {}", cut(&pair[0], limit), cut(&pair[1], limit))
        }
        (Function::Other(name), Value::Nil) => tame(name, 24),
        (Function::Other(name), _) => format!("{} {}", tame(name, 24), cut(argument, limit)),
        (f, Value::Nil) => f.name().to_owned(),
        (f, _) => format!("{f} {}", cut(argument, limit)),
    }
}

/// How many elements all the lists that these operations saw begin with alike; 0 if leaving them out would not
/// make the difference plainer.
pub(crate) fn alike(operations: &[Operation]) -> usize {
    const WORTH_IT: usize = 4;
    let lists: Vec<&[Value]> = operations
        .iter()
        .filter(|operation| operation.completion.outcome == Outcome::Ok && operation.f == Function::Read)
        .filter_map(|operation| match &operation.completion.value {
            Value::List(elements) => Some(&**elements),
            _ => None,
        })
        .collect();
    let [first, rest @ ..] = lists.as_slice() else {
        return 0;
    };
    let common = rest
        .iter()
        .map(|other| first.iter().zip(*other).take_while(|(a, b)| a == b).count())
        .min()
        .unwrap_or(0);
    if common >= WORTH_IT { common } else { 0 }
}

/// A value, cut after some `limit` characters; of a list that is too long the first and the last elements are
/// shown, without the `alike` first ones that other lists have too.
pub(crate) fn seen(value: &Value, limit: usize, alike: usize) -> String {
    let Value::List(elements) = value else {
        return cut(value, limit);
    };
    let whole = cut(value, limit);
    if !whole.ends_with('…') {
        return whole;
    }
    let alike = alike.min(elements.len());
    let (mut head, mut tail) = (Vec::new(), Vec::new());
    let (mut from, mut to) = (alike, elements.len());
    let mut room = limit.saturating_sub(if alike > 0 { 12 } else { 6 });
    // The beginning and the end by turns, as far as there is room.
    while from < to {
        let first = head.len() <= tail.len();
        let text = cut(&elements[if first { from } else { to - 1 }], limit / 2);
        let letters = text.chars().count() + 1;
        if letters > room {
            break;
        }
        room -= letters;
        if first {
            head.push(text);
            from += 1;
        } else {
            tail.push(text);
            to -= 1;
        }
    }
    tail.reverse();
    let mut parts = Vec::new();
    if alike > 0 {
        parts.push(format!("({alike} alike)"));
    }
    parts.append(&mut head);
    if from < to {
        parts.push("…".to_owned());
    }
    parts.append(&mut tail);
    format!("[{}]", parts.join(" "))
}

/// What came of it, in short: `→ 3`, `ok`, `differs: 4`, `failed`, `unknown`. For `alike` see [`seen`].
pub(crate) fn result(operation: &Operation, limit: usize, alike: usize) -> String {
    let completion = &operation.completion;
    match completion.outcome {
        Outcome::Ok => match operation.f {
            Function::Read | Function::Txn | Function::Other(_) => {
                format!("→ {}", seen(&completion.value, limit, alike))
            }
            _ => "ok".to_owned(),
        },
        Outcome::Fail if operation.precondition_failed() => match &completion.observed {
            Some(observed) => format!("differs: {}", seen(observed, limit, alike)),
            None => "differs".to_owned(),
        },
        Outcome::Fail => "failed".to_owned(),
        Outcome::Info => "unknown".to_owned(),
    }
}

/// The word of an outcome, as it stands in a history.
pub(crate) fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ok => "ok",
        Outcome::Fail => "fail",
        Outcome::Info => "info",
    }
}

/// What an exit code of `perjury test` means.
pub(crate) fn exit_meaning(code: u8) -> &'static str {
    match code {
        0 => "every property is valid, and the coverage is sufficient",
        1 => "a violation is proven",
        2 => "undecided, or too little was covered to say anything",
        130 => "interrupted, and nothing was proven",
        254 => "wrong usage",
        255 => "the harness, or the cluster's set-up, failed",
        _ => "not an exit code of perjury",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_read_as_a_person_writes_them() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(number), text);
        }
        for (ns, text) in [
            (12, "12 ns"),
            (850_000, "850 µs"),
            (3_140_000, "3.1 ms"),
            (412_000_000, "412 ms"),
            (1_204_000_000, "1.20 s"),
            (30_040_000_000, "30.0 s"),
            (125_000_000_000, "2 min 5 s"),
        ] {
            assert_eq!(duration(ns), text);
        }
        assert_eq!(listed(&["a", "b", "c"]), "a, b and c");
    }

    #[test]
    fn lists_show_where_they_differ() {
        let list = |numbers: &[i64]| Value::from(numbers.iter().map(|n| Value::Int(*n)).collect::<Vec<_>>());
        assert_eq!(seen(&list(&[1, 2, 3]), 20, 2), "[1 2 3]");
        let long: Vec<i64> = (100..140).collect();
        assert_eq!(seen(&list(&long), 30, 0), "[100 101 102 … 137 138 139]");
        assert_eq!(seen(&list(&long), 30, 36), "[(36 alike) 136 137 138 139]");
    }

    #[test]
    fn a_megabyte_of_text_is_cut_and_control_characters_are_shown() {
        let huge = Value::from("x".repeat(1 << 20).as_str());
        assert_eq!(cut(&huge, 5), "\"xxxx…");
        assert_eq!(
            tame("a\u{1b}[31m\n\u{202e}b", 100),
            "a\u{fffd}[31m\u{fffd}\u{fffd}b"
        );
    }
}
