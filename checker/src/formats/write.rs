//! Events as lines of a file.

use std::fmt;

use super::{Format, write_event};
use crate::history::{Event, EventKind, Function, Process, Value};

/// An event that a format has no words for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unwritable {
    /// The event's index.
    pub index: u64,
    /// What cannot be said in this format.
    pub problem: String,
}

impl fmt::Display for Unwritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "event {}: {}", self.index, self.problem)
    }
}

impl std::error::Error for Unwritable {}

impl Format {
    /// Appends the event's line to `out`, newline included. Events that are written one after the other are a file
    /// of this format.
    ///
    /// ```
    /// use perjury_checker::formats::{Format, read};
    /// use perjury_checker::generate::{Recipe, linearizable};
    ///
    /// let mut file = Vec::new();
    /// for event in linearizable(&Recipe::default()) {
    ///     Format::Edn.write(&event, &mut file)?;
    /// }
    /// assert_eq!(read(&file[..], None)?.history.operations.len(), 1000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the format has no words for it: the etcd log has no keys and nobody but clients, a key-value log holds
    /// nothing but `get`, `put` and `append` of texts and integers.
    pub fn write(self, event: &Event, out: &mut Vec<u8>) -> Result<(), Unwritable> {
        match self {
            Format::Jsonl | Format::Json => {
                write_event(event, out);
                Ok(())
            }
            Format::Edn => {
                map(event, event.f.name(), &event.value, true, out);
                Ok(())
            }
            Format::EtcdLog => etcd_line(event, out),
            Format::KvLog => kv_line(event, out),
        }
        .map_err(|problem: String| Unwritable {
            index: event.index,
            problem,
        })
    }
}

fn kind(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Invoke => ":invoke",
        EventKind::Ok => ":ok",
        EventKind::Fail => ":fail",
        EventKind::Info => ":info",
    }
}

/// An EDN map; with everything that is known, or only with what Porcupine's logs hold.
fn map(event: &Event, f: &str, value: &Value, all: bool, out: &mut Vec<u8>) {
    let mut text = match event.process {
        Process::Client(number) => format!("{{:process {number}"),
        Process::Nemesis => "{:process :nemesis".to_owned(),
    };
    text += &format!(", :type {}, :f {}", kind(event.kind), name(f));
    if let Some(key) = &event.key {
        text += &format!(", :key {}", Quoted(key));
    }
    text += &format!(", :value {}", Datum(value));
    if all {
        for (name, text_) in [(":node", &event.node), (":error", &event.error)] {
            if let Some(it) = text_ {
                text += &format!(", {name} {}", Quoted(it));
            }
        }
        if let Some(observed) = &event.observed {
            text += &format!(", :observed {}", Datum(observed));
        }
        if let Some(version) = event.version {
            text += &format!(", :version {version}");
        }
        text += &format!(", :time {}, :index {}", event.time, event.index);
    }
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(b"}\n");
}

/// A function as a keyword if it can be one, and as a text otherwise.
fn name(name: &str) -> String {
    if is_word(name) {
        format!(":{name}")
    } else {
        Quoted(name).to_string()
    }
}

fn is_word(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

fn etcd_line(event: &Event, out: &mut Vec<u8>) -> Result<(), String> {
    let Process::Client(process) = event.process else {
        return Err("the etcd log has only clients".to_owned());
    };
    let f = event.f.name();
    if !is_word(f) {
        return Err(format!("the function {f:?} is no keyword"));
    }
    let compared = event.error.as_deref() == Some(crate::history::PRECONDITION_FAILED);
    let rest = match &event.error {
        Some(error) if !compared && is_word(error) => format!(":{error}"),
        Some(error) if !compared => return Err(format!("the error {error:?} is no keyword")),
        // A reader takes a compare-and-set that failed without a reason to have compared and differed.
        None if event.kind == EventKind::Fail && event.f == Function::Cas => {
            return Err("a compare-and-set failed, nobody knows why".to_owned());
        }
        _ => Datum(&event.value).to_string(),
    };
    let line = format!(
        "INFO  jepsen.util - {process}\t{}\t:{f}\t{rest}\n",
        kind(event.kind)
    );
    out.extend_from_slice(line.as_bytes());
    Ok(())
}

fn kv_line(event: &Event, out: &mut Vec<u8>) -> Result<(), String> {
    if event.key.is_none() {
        return Err("a key-value log needs keys".to_owned());
    }
    let f = match event.f {
        Function::Read => "get",
        Function::Write => "put",
        Function::Append => "append",
        ref other => return Err(format!("a key-value log has no {other}")),
    };
    let text = match &event.value {
        // What is not there is empty.
        Value::Nil if event.f == Function::Read && event.kind == EventKind::Ok => Value::from(""),
        Value::Int(number) => Value::from(number.to_string().as_str()),
        Value::Nil | Value::Text(_) => event.value.clone(),
        other => return Err(format!("a key-value log has no value like {other}")),
    };
    map(event, f, &text, false, out);
    Ok(())
}

/// A value in EDN.
struct Datum<'v>(&'v Value);

impl fmt::Display for Datum<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Text(text) => Quoted(text).fmt(f),
            Value::List(items) => {
                f.write_str("[")?;
                for (position, item) in items.iter().enumerate() {
                    let space = if position > 0 { " " } else { "" };
                    write!(f, "{space}{}", Datum(item))?;
                }
                f.write_str("]")
            }
            plain => plain.fmt(f),
        }
    }
}

/// A text as EDN and JSON quote it, on one line.
struct Quoted<'t>(&'t str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for letter in self.0.chars() {
            match letter {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                letter if letter.is_control() && u32::from(letter) < 0x100 => {
                    write!(f, "\\u{:04x}", u32::from(letter))?;
                }
                letter => write!(f, "{letter}")?,
            }
        }
        f.write_str("\"")
    }
}
