//! Perjury's own format: one JSON object a line.

use std::collections::BTreeSet;
use std::io::BufRead;
use std::sync::Arc;

use super::lines::Lines;
use super::{FormatError, Parsed};
use crate::history::{Event, EventKind, HistoryBuilder, Process, Value};

/// Reads a `history.jsonl`. A last line that was cut short, as a killed recorder leaves it, is dropped and noted
/// in [`Parsed::torn`]; the operation that it would have completed stays `info`.
///
/// # Errors
/// The first line that is not an event, or that cannot follow those before it.
pub(super) fn read(input: impl BufRead) -> Result<Parsed, FormatError> {
    let mut builder = HistoryBuilder::default();
    let mut names = BTreeSet::new();
    let mut torn = None;
    let mut lines = Lines::new(input);
    while lines.advance()? {
        let line = lines.bytes().trim_ascii();
        if line.is_empty() {
            continue;
        }
        let mut event: Event = match serde_json::from_slice(line) {
            Ok(event) => event,
            Err(error) => {
                // What is whole was not cut short, whatever ends it.
                let whole = serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok();
                if !whole && (error.is_eof() || !lines.broken()) && lines.last()? {
                    torn = Some(lines.number());
                    break;
                }
                lines.text()?;
                return Err(FormatError::new(
                    lines.number(),
                    format!("this is not an event: {error}"),
                    "each line must be an object with index, time, process, type and f",
                ));
            }
        };
        for name in [&mut event.key, &mut event.node, &mut event.error] {
            share(name, &mut names);
        }
        builder
            .push(event)
            .map_err(|error| FormatError::history(lines.number(), &error))?;
    }
    Ok(Parsed {
        torn,
        ..Parsed::of(builder.finish())
    })
}

/// Replaces a text by the first copy of it, so that a long history holds each only once.
fn share(name: &mut Option<Arc<str>>, names: &mut BTreeSet<Arc<str>>) {
    if let Some(text) = name {
        match names.get(text) {
            Some(known) => *text = Arc::clone(known),
            None => {
                names.insert(Arc::clone(text));
            }
        }
    }
}

/// Appends the event's line to `out`, newline included. The bytes are those that `serde_json` would write.
pub fn write_event(event: &Event, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"index\":");
    integer(i128::from(event.index), out);
    out.extend_from_slice(b",\"time\":");
    integer(i128::from(event.time), out);
    out.extend_from_slice(b",\"process\":");
    match event.process {
        Process::Client(number) => integer(i128::from(number), out),
        Process::Nemesis => out.extend_from_slice(b"\"nemesis\""),
    }
    optional_text(b",\"node\":", event.node.as_deref(), out);
    out.extend_from_slice(match event.kind {
        EventKind::Invoke => b",\"type\":\"invoke\",\"f\":" as &[u8],
        EventKind::Ok => b",\"type\":\"ok\",\"f\":",
        EventKind::Fail => b",\"type\":\"fail\",\"f\":",
        EventKind::Info => b",\"type\":\"info\",\"f\":",
    });
    quoted(event.f.name(), out);
    optional_text(b",\"key\":", event.key.as_deref(), out);
    out.extend_from_slice(b",\"value\":");
    value(&event.value, out);
    optional_text(b",\"error\":", event.error.as_deref(), out);
    if let Some(observed) = &event.observed {
        out.extend_from_slice(b",\"observed\":");
        value(observed, out);
    }
    if let Some(version) = event.version {
        out.extend_from_slice(b",\"version\":");
        integer(i128::from(version), out);
    }
    if let Some(quorum) = &event.quorum {
        out.extend_from_slice(b",\"quorum\":");
        // Numbers and lists of numbers can always be encoded.
        serde_json::to_writer(&mut *out, &**quorum).expect("evidence can be encoded into memory");
    }
    out.extend_from_slice(b"}\n");
}

fn optional_text(name: &[u8], text: Option<&str>, out: &mut Vec<u8>) {
    if let Some(text) = text {
        out.extend_from_slice(name);
        quoted(text, out);
    }
}

fn integer(mut number: i128, out: &mut Vec<u8>) {
    if number < 0 {
        out.push(b'-');
        number = -number;
    }
    let mut digits = [0u8; 40];
    let mut start = digits.len();
    let Ok(mut rest) = u64::try_from(number) else {
        return;
    };
    loop {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

fn value(value_: &Value, out: &mut Vec<u8>) {
    match value_ {
        Value::Nil => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Int(number) => integer(i128::from(*number), out),
        Value::Text(text) => quoted(text, out),
        Value::List(elements) => {
            out.push(b'[');
            for (position, element) in elements.iter().enumerate() {
                if position > 0 {
                    out.push(b',');
                }
                value(element, out);
            }
            out.push(b']');
        }
    }
}

fn quoted(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut plain = 0;
    for (position, byte) in text.bytes().enumerate() {
        let escape: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0x08 => b"\\b",
            0x0c => b"\\f",
            0..0x20 => {
                out.extend_from_slice(&text.as_bytes()[plain..position]);
                out.extend_from_slice(b"\\u00");
                out.push(b"0123456789abcdef"[usize::from(byte >> 4)]);
                out.push(b"0123456789abcdef"[usize::from(byte & 15)]);
                plain = position + 1;
                continue;
            }
            _ => continue,
        };
        out.extend_from_slice(&text.as_bytes()[plain..position]);
        out.extend_from_slice(escape);
        plain = position + 1;
    }
    out.extend_from_slice(&text.as_bytes()[plain..]);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Function, Outcome, Quorum, Tag};

    fn event(index: u64, kind: EventKind) -> Event {
        Event {
            index,
            time: 81_230_456,
            process: Process::Client(3),
            node: Some("n2".into()),
            kind,
            f: Function::Write,
            key: Some("x".into()),
            value: Value::Int(-7),
            error: None,
            observed: None,
            version: None,
            quorum: None,
        }
    }

    #[test]
    fn every_event_is_written_as_serde_writes_it() {
        let plain = event(0, EventKind::Invoke);
        let odd: String = (0..0x30)
            .filter_map(char::from_u32)
            .chain(['\\', 'é', '\u{7f}', '🦀'])
            .collect();
        let odd = odd.as_str();
        for event in [
            plain.clone(),
            Event {
                process: Process::Nemesis,
                node: None,
                key: None,
                value: Value::Nil,
                ..plain.clone()
            },
            Event {
                kind: EventKind::Fail,
                error: Some(odd.into()),
                observed: Some(Value::Nil),
                ..plain.clone()
            },
            Event {
                kind: EventKind::Info,
                f: Function::Other(odd.into()),
                version: Some(u64::MAX),
                quorum: Some(Arc::new(Quorum {
                    epoch: 2,
                    of: vec![1, 2, 3],
                    before: vec![],
                    need: 2,
                    tag: Some(Tag(7, 2, u32::MAX)),
                    answers: vec![(2, Some(Tag(7, 2, u32::MAX))), (3, None)],
                    stored: vec![],
                })),
                ..plain.clone()
            },
            Event {
                kind: EventKind::Ok,
                value: Value::from(vec![
                    Value::Bool(true),
                    Value::from(odd),
                    Value::from(vec![]),
                    i64::MIN.into(),
                ]),
                index: u64::MAX,
                ..plain
            },
        ] {
            let mut bytes = Vec::new();
            write_event(&event, &mut bytes);
            let text = String::from_utf8(bytes).expect("JSON is UTF-8");
            assert_eq!(
                text,
                serde_json::to_string(&event).expect("events are JSON") + "\n"
            );
            assert_eq!(
                serde_json::from_str::<Event>(&text).expect("what was written is an event"),
                event
            );
        }
    }

    fn lines(events: &[Event]) -> String {
        let mut bytes = Vec::new();
        events.iter().for_each(|event| write_event(event, &mut bytes));
        String::from_utf8(bytes).expect("JSON is UTF-8")
    }

    #[test]
    fn a_history_that_a_killed_recorder_left_is_read_up_to_the_torn_line() {
        let text = lines(&[event(0, EventKind::Invoke), event(1, EventKind::Ok)]);
        let first = text.find('\n').expect("two lines") + 1;
        for cut in first + 1..text.len() - 1 {
            let parsed = read(&text.as_bytes()[..cut]).expect("a torn last line is no error");
            assert_eq!(
                (parsed.torn, parsed.history.operations.len()),
                (Some(2), 1),
                "{cut}"
            );
            assert_eq!(parsed.history.operations[0].completion.outcome, Outcome::Info);
        }
        let whole = read(&text.as_bytes()[..text.len() - 1]).expect("only the newline is missing");
        assert_eq!(
            (whole.torn, whole.history.operations[0].completion.outcome),
            (None, Outcome::Ok)
        );
        assert_eq!(
            read(&b""[..]).map(|parsed| parsed.history.operations.len()),
            Ok(0)
        );
    }

    #[test]
    fn a_malformed_line_is_named() {
        let text = lines(&[event(0, EventKind::Invoke), event(1, EventKind::Ok)]);
        for (text, line) in [
            (format!("{{\n{text}"), 1),
            (format!("{text}{{\"index\":2}}\n"), 3),
            (format!("{text}{text}"), 3),
            (text.replace("-7", "1.5"), 1),
            (format!("{text}{{\"index\":2}}"), 3),
            (text.replace("\"process\":3", "\"process\":\"someone\""), 1),
        ] {
            let error = read(text.as_bytes()).expect_err(&text);
            assert_eq!(error.line, line, "{error}");
        }
    }
}
