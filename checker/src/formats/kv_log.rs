//! The key-value logs of Porcupine: `{:process 0, :type :invoke, :f :append, :key "0", :value "x"}`.
//!
//! They are EDN, but what is not there reads as an empty text. So what is no such log must not be taken for one: in any
//! other history, an append to what is absent makes a list, and a read of `nil` may say nothing.

use std::io::BufRead;

use super::edn::Notation;
use super::{FormatError, Parsed, jepsen};
use crate::history::{Event, EventKind, Function, Process, Value};
use crate::models::ModelOptions;

/// Whether a text begins as such a log does. The end of the text may be missing.
pub(super) fn detect(text: &str) -> bool {
    let first = text.lines().next().unwrap_or_default();
    let names = |line: &str, names: [&str; 3]| names.iter().any(|name| line.contains(name));
    names(first, [":get", ":put", ":append"])
        && !names(text, [":read", ":write", ":cas"])
        && read(text.as_bytes()).is_ok()
}

/// Reads such a log.
///
/// # Errors
/// The first line that is not an event, that cannot follow those before it, or that Porcupine does not write.
pub(super) fn read(input: impl BufRead) -> Result<Parsed, FormatError> {
    let options = ModelOptions {
        initial: Some(Value::from("")),
        ..ModelOptions::default()
    };
    let told = jepsen::events(input, Notation::Edn, belongs)?;
    Ok(Parsed {
        options,
        ..told.parsed
    })
}

/// Whether the log can hold the event; otherwise what is odd about it.
fn belongs(event: &Event) -> Result<(), (String, &'static str)> {
    let odd = |what: String| {
        let mend =
            "a key-value log holds get, put and append of texts; other histories are of the format edn";
        Err((what, mend))
    };
    if event.process == Process::Nemesis {
        return Ok(());
    }
    if !matches!(event.f, Function::Read | Function::Write | Function::Append) {
        return odd(format!("a key-value log has no `{}`", event.f));
    }
    if event.key.is_none() {
        return odd("this event lacks its key".to_owned());
    }
    let tells = match event.kind {
        EventKind::Invoke => event.f != Function::Read,
        EventKind::Ok => event.f == Function::Read,
        EventKind::Fail | EventKind::Info => false,
    };
    if tells && !matches!(event.value, Value::Text(_)) {
        return odd(format!("`{}` of {}, which is no text", event.f, event.value));
    }
    Ok(())
}
