//! Histories of Jepsen: EDN (a vector of maps, or one map a line), as Jepsen, Knossos and Porcupine keep them,
//! and the text log of its etcd tests.

use std::collections::BTreeSet;
use std::io::BufRead;
use std::sync::Arc;

use super::edn::{Edn, Next, Notation, Reader};
use super::lines::Lines;
use super::{FormatError, Parsed};
use crate::history::{Event, EventKind, Function, HistoryBuilder, PRECONDITION_FAILED, Process, Value};

/// What a text of maps told.
pub(super) struct Told {
    pub parsed: Parsed,
    /// The line of each operation's invocation.
    pub lines: Vec<u64>,
}

/// Reads maps, one after the other or in one vector. Events are taken in the order in which they stand; times
/// and indexes may be missing. A last line that was cut short is left out; so may be the end of the vector.
///
/// # Errors
/// The first datum that is not an event, that cannot follow those before it, or that `belongs` refuses, with what is odd
/// about it and its mend.
pub(super) fn events(
    input: impl BufRead,
    notation: Notation,
    belongs: impl Fn(&Event) -> Result<(), (String, &'static str)>,
) -> Result<Told, FormatError> {
    let mut reader = Reader::new(input, notation);
    let inside = reader.enter()?;
    let mut recorder = Recorder::default();
    let mut torn = None;
    loop {
        let began = reader.begin()?;
        let next = match reader.next() {
            Ok(next) => next,
            Err(error) if reader.ended() => {
                if began < reader.last_line() {
                    let mend = "add the missing bracket or quotation mark, or remove what was cut short";
                    let problem = format!("what begins here never ends: {}", error.problem);
                    return Err(FormatError::new(began, problem, mend));
                }
                torn = Some(began);
                break;
            }
            Err(error) => return Err(error),
        };
        let line = began;
        match next {
            Next::Datum(Edn::Map(pairs)) => recorder.event(pairs, line, &belongs)?,
            Next::Datum(other) => {
                let problem = format!("an event must be a map, not {}", value(&other));
                return Err(FormatError::new(
                    line,
                    problem,
                    "write {:process 0, :type :invoke, …}",
                ));
            }
            Next::Close(_) if inside => {
                let line = reader.begin()?;
                if reader.next()? != Next::End {
                    let problem = "something stands behind the vector";
                    return Err(FormatError::new(
                        line,
                        problem,
                        "keep one vector, or one map a line",
                    ));
                }
                break;
            }
            Next::Close(close) => {
                return Err(FormatError::new(
                    line,
                    format!("{close:?} closes nothing"),
                    "remove it",
                ));
            }
            Next::End => {
                torn = inside.then_some(reader.last_line());
                break;
            }
        }
    }
    Ok(Told {
        parsed: Parsed {
            torn,
            ..Parsed::of(recorder.builder.finish())
        },
        lines: recorder.lines,
    })
}

#[derive(Default)]
struct Recorder {
    builder: HistoryBuilder,
    /// The line of each operation's invocation.
    lines: Vec<u64>,
    names: BTreeSet<Arc<str>>,
    index: u64,
    time: u64,
}

impl Recorder {
    fn event(
        &mut self,
        pairs: Vec<(Edn, Edn)>,
        line: u64,
        belongs: impl Fn(&Event) -> Result<(), (String, &'static str)>,
    ) -> Result<(), FormatError> {
        let wrong = |problem: String| FormatError::new(line, problem, "an event needs process, type and f");
        let (mut process, mut kind, mut f, mut key) = (None, None, None, None);
        let (mut argument, mut error, mut node, mut observed, mut version) =
            (Value::Nil, None, None, None, None);
        for (name, datum) in pairs {
            let (Edn::Keyword(name) | Edn::Text(name)) = name else {
                continue;
            };
            match (&*name, &datum) {
                ("process", Edn::Int(number)) => {
                    let number =
                        u64::try_from(*number).map_err(|_| wrong(format!("process {number} is negative")))?;
                    process = Some(Process::Client(number));
                }
                ("process", Edn::Number(digits)) => process = digits.parse().ok().map(Process::Client),
                ("process", Edn::Keyword(name) | Edn::Text(name)) if &**name == "nemesis" => {
                    process = Some(Process::Nemesis);
                }
                ("process", Edn::Keyword(name) | Edn::Text(name)) => {
                    let mend = "number the clients' processes; the only one that has a name is the nemesis";
                    return Err(FormatError::new(
                        line,
                        format!("process {name:?} is no number"),
                        mend,
                    ));
                }
                ("type", Edn::Keyword(name) | Edn::Text(name)) => {
                    kind = Some(match &**name {
                        "invoke" => EventKind::Invoke,
                        "ok" => EventKind::Ok,
                        "fail" => EventKind::Fail,
                        "info" => EventKind::Info,
                        other => {
                            return Err(wrong(format!(
                                "the type is {other:?}, not invoke, ok, fail or info"
                            )));
                        }
                    });
                }
                ("f", Edn::Keyword(name) | Edn::Text(name)) => f = Some(Function::from(self.name(name))),
                ("value", datum) => argument = value(datum),
                ("key", Edn::Nil) => {}
                ("key", datum) => key = Some(self.name(&text(datum))),
                ("error", Edn::Nil) => {}
                ("error", datum) => error = Some(self.name(&text(datum))),
                ("node", datum) => node = Some(self.name(&text(datum))),
                ("observed", datum) => observed = Some(value(datum)),
                ("version", Edn::Int(number)) => version = u64::try_from(*number).ok(),
                ("time", Edn::Int(time)) => self.time = self.time.max(u64::try_from(*time).unwrap_or(0)),
                _ => {}
            }
        }
        // Elle's histories of transactions may go without.
        let f = f.or_else(|| is_transaction(&argument).then_some(Function::Txn));
        let (process, kind, f) = match (process, kind, f) {
            (Some(process), Some(kind), Some(f)) => (process, kind, f),
            (None, ..) => return Err(wrong("this event lacks its process".to_owned())),
            (_, None, _) => return Err(wrong("this event lacks its type".to_owned())),
            (.., None) => return Err(wrong("this event lacks its function, f".to_owned())),
        };
        let index = self.index;
        self.index += 1;
        let time = self.time;
        let event = Event {
            index,
            time,
            process,
            node,
            kind,
            f,
            key,
            value: argument,
            error,
            observed,
            version,
            quorum: None,
        };
        belongs(&event).map_err(|(problem, mend)| FormatError::new(line, problem, mend))?;
        if process != Process::Nemesis && kind == EventKind::Invoke {
            self.lines.push(line);
        }
        self.builder
            .push(event)
            .map_err(|error| FormatError::history(line, &error))
    }

    /// One copy of each name.
    fn name(&mut self, name: &str) -> Arc<str> {
        match self.names.get(name) {
            Some(known) => Arc::clone(known),
            None => {
                let name: Arc<str> = name.into();
                self.names.insert(Arc::clone(&name));
                name
            }
        }
    }
}

fn value(datum: &Edn) -> Value {
    match datum {
        Edn::Nil => Value::Nil,
        Edn::Bool(truth) => Value::Bool(*truth),
        Edn::Int(number) => Value::Int(*number),
        Edn::Number(text) | Edn::Text(text) | Edn::Keyword(text) | Edn::Symbol(text) => {
            Value::Text(Arc::clone(text))
        }
        Edn::Items(items) => Value::List(items.iter().map(value).collect()),
        // Sets and maps are the same in whatever order they are written.
        Edn::Set(items) => {
            let mut items: Vec<Value> = items.iter().map(value).collect();
            items.sort_unstable();
            Value::from(items)
        }
        Edn::Map(pairs) => {
            let pair = |(key, datum): &(Edn, Edn)| Value::from(vec![value(key), value(datum)]);
            let mut pairs: Vec<Value> = pairs.iter().map(pair).collect();
            pairs.sort_unstable();
            Value::from(pairs)
        }
    }
}

/// Whether a value is a list of `[function, key, value]`.
fn is_transaction(value: &Value) -> bool {
    let step = |step: &Value| match step {
        Value::List(parts) => matches!(&**parts, [Value::Text(_), _] | [Value::Text(_), _, _]),
        _ => false,
    };
    matches!(value, Value::List(steps) if !steps.is_empty() && steps.iter().all(step))
}

/// A key or an error as text: texts and keywords without quotes and colons.
fn text(datum: &Edn) -> String {
    match value(datum) {
        Value::Text(text) => text.to_string(),
        other => other.to_string(),
    }
}

/// Reads the log of Jepsen's etcd tests: `INFO  jepsen.util - PROCESS :TYPE :FUNCTION VALUE`, separated by tabs.
/// A compare-and-set that failed had compared and differed. Lines that are not of this form are skipped. A last
/// line without a line break may be half of one, and is left out.
///
/// # Errors
/// The first event that cannot follow those before it, or whose value cannot be read; the first line of a text of which
/// every line is skipped.
pub(super) fn etcd_log(input: impl BufRead) -> Result<Parsed, FormatError> {
    let mut builder = HistoryBuilder::default();
    let mut lines = Lines::new(input);
    let mut torn = None;
    let mut index = 0;
    let mut skipped = None;
    while lines.advance()? {
        let line = lines.number();
        if !lines.broken() {
            torn = (!lines.bytes().trim_ascii().is_empty()).then_some(line);
            break;
        }
        let Some((process, kind, f, rest)) = etcd_line(lines.text()?) else {
            if !lines.bytes().trim_ascii().is_empty() {
                skipped = skipped.or(Some(line));
            }
            continue;
        };
        let datum = Reader::new(rest.as_bytes(), Notation::Edn)
            .next()
            .map_err(|error| FormatError { line, ..error })?;
        let mut event = Event {
            index,
            time: 0,
            process: Process::Client(process),
            node: None,
            kind,
            f: Function::from(f),
            key: None,
            value: Value::Nil,
            error: None,
            observed: None,
            version: None,
            quorum: None,
        };
        match datum {
            Next::Datum(Edn::Keyword(reason)) => event.error = Some(reason),
            Next::Datum(datum) => event.value = value(&datum),
            Next::Close(_) | Next::End => {}
        }
        if kind == EventKind::Fail && event.f == Function::Cas && event.error.is_none() {
            event.error = Some(PRECONDITION_FAILED.into());
        }
        builder
            .push(event)
            .map_err(|error| FormatError::history(line, &error))?;
        index += 1;
    }
    if let Some(line) = skipped.filter(|_| index == 0) {
        return Err(FormatError::new(
            line,
            "neither this line nor any other is an event",
            "write events as INFO  jepsen.util - PROCESS :TYPE :FUNCTION VALUE, from the beginning of the line",
        ));
    }
    Ok(Parsed {
        torn,
        ..Parsed::of(builder.finish())
    })
}

/// The parts of a line of the log, if it is one.
fn etcd_line(line: &str) -> Option<(u64, EventKind, &str, &str)> {
    let rest = line
        .trim_start()
        .strip_prefix("INFO")?
        .trim_start()
        .strip_prefix("jepsen.util")?;
    let mut words = rest
        .trim_start()
        .strip_prefix('-')?
        .trim_start()
        .splitn(2, char::is_whitespace);
    let process = words.next()?.parse().ok()?;
    let (kind, rest) = words.next()?.trim_start().split_once(char::is_whitespace)?;
    let kind = match kind {
        ":invoke" => EventKind::Invoke,
        ":ok" => EventKind::Ok,
        ":fail" => EventKind::Fail,
        ":info" => EventKind::Info,
        _ => return None,
    };
    let rest = rest.trim_start();
    let (f, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    Some((process, kind, f.strip_prefix(':')?, rest.trim()))
}

/// Whether the line is an event of the etcd log.
pub(super) fn is_etcd_line(line: &str) -> bool {
    etcd_line(line).is_some()
}
