//! Histories as they stand in files: Perjury's own, and those of Jepsen, Knossos and Porcupine.
//!
//! Readers take text and do no I/O. Whatever is malformed is an error that gives the line and what to do about
//! it; the one exception is a last line that was cut short in Perjury's own format.

mod edn;
mod jepsen;
mod jsonl;
mod tuples;

use std::fmt;
use std::str::FromStr;

use crate::history::{History, HistoryError, Value};
use crate::models::{ModelOptions, NilRead};

pub use jsonl::write_event;

/// A file format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// Perjury's own: one JSON object a line.
    Jsonl,
    /// Jepsen's and Knossos's EDN: a vector of maps, or one map a line. A read of `nil` says nothing. Jepsen's
    /// independent keys (`:value [key value]`, reads invoked with `[key nil]`) become keys.
    Edn,
    /// The text log of Jepsen's etcd tests. A failed compare-and-set had compared and differed.
    EtcdLog,
    /// The key-value logs of Porcupine: EDN maps with `:key`, values are texts and begin empty.
    KvLog,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 4] = [Format::Jsonl, Format::Edn, Format::EtcdLog, Format::KvLog];

    /// The name as it is written on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Format::Jsonl => "jsonl",
            Format::Edn => "edn",
            Format::EtcdLog => "etcd-log",
            Format::KvLog => "kv-log",
        }
    }

    /// One line on what it is.
    pub fn describe(self) -> &'static str {
        match self {
            Format::Jsonl => "Perjury's history.jsonl: one JSON object a line",
            Format::Edn => "EDN of Jepsen and Knossos: a vector of maps, or one map a line",
            Format::EtcdLog => "the text log of Jepsen's etcd tests",
            Format::KvLog => "the key-value logs of Porcupine: one EDN map with a key a line",
        }
    }

    /// Tells the format from the first line that holds anything; none if it is none of ours.
    pub fn detect(text: &str) -> Option<Format> {
        let mut lines = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with(';'));
        let line = lines.next()?;
        if line.starts_with("{\"") {
            Some(Format::Jsonl)
        } else if line.starts_with("{:")
            && line.contains(":key")
            && (line.contains(":get") || line.contains(":put") || line.contains(":append"))
        {
            Some(Format::KvLog)
        } else if line.starts_with(['[', '(', '{', '#']) {
            Some(Format::Edn)
        } else {
            std::iter::once(line)
                .chain(lines)
                .any(jepsen::is_etcd_line)
                .then_some(Format::EtcdLog)
        }
    }

    /// Reads a history.
    ///
    /// # Errors
    /// The first line that is malformed.
    pub fn read(self, text: &str) -> Result<Parsed, FormatError> {
        match self {
            Format::Jsonl => jsonl::read(text),
            Format::Edn => {
                let options = ModelOptions {
                    nil_read: NilRead::Unknown,
                    ..ModelOptions::default()
                };
                let mut parsed = jepsen::edn(text)?;
                tuples::split(&mut parsed.history);
                Ok(Parsed { options, ..parsed })
            }
            Format::EtcdLog => jepsen::etcd_log(text),
            Format::KvLog => {
                let options = ModelOptions {
                    initial: Some(Value::from("")),
                    ..ModelOptions::default()
                };
                jepsen::edn(text).map(|parsed| Parsed { options, ..parsed })
            }
        }
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        Format::ALL
            .into_iter()
            .find(|format| format.name() == name)
            .ok_or_else(|| UnknownFormat(name.to_owned()))
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No format has this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownFormat(pub String);

impl fmt::Display for UnknownFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Format::ALL.map(Format::name).join(", ");
        write!(f, "there is no format {:?}; the formats are {names}", self.0)
    }
}

impl std::error::Error for UnknownFormat {}

/// What a file held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// The history.
    pub history: History,
    /// How files of this format are meant; an option that the user gives wins.
    pub options: ModelOptions,
    /// The number of the last line if it was cut short and left out.
    pub torn: Option<u64>,
}

impl Parsed {
    fn of(history: History) -> Self {
        Parsed {
            history,
            ..Parsed::default()
        }
    }
}

/// A line that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormatError {
    /// Its number, from 1.
    pub line: u64,
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub mend: String,
}

impl FormatError {
    fn new(line: u64, problem: impl Into<String>, mend: impl Into<String>) -> Self {
        FormatError {
            line,
            problem: problem.into(),
            mend: mend.into(),
        }
    }

    fn history(line: u64, error: &HistoryError) -> Self {
        let mend = "events must stand in real-time order, and each process must do one thing at a time";
        FormatError::new(line, error.to_string(), mend)
    }
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {} ({})", self.line, self.problem, self.mend)
    }
}

impl std::error::Error for FormatError {}
