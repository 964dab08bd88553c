//! Histories as they stand in files: Perjury's own, and those of Jepsen, Knossos and Porcupine.
//!
//! Readers take text and do no I/O. Whatever is malformed is an error that gives the line and what to do about
//! it; the one exception is a last line that was cut short in Perjury's own format.

mod jsonl;

use std::fmt;
use std::str::FromStr;

use crate::history::{History, HistoryError};
use crate::models::ModelOptions;

pub use jsonl::write_event;

/// A file format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// Perjury's own: one JSON object a line.
    Jsonl,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 1] = [Format::Jsonl];

    /// The name as it is written on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Format::Jsonl => "jsonl",
        }
    }

    /// One line on what it is.
    pub fn describe(self) -> &'static str {
        match self {
            Format::Jsonl => "Perjury's history.jsonl: one JSON object a line",
        }
    }

    /// Tells the format from the first line that holds anything; none if it is none of ours.
    pub fn detect(text: &str) -> Option<Format> {
        let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
        line.starts_with("{\"").then_some(Format::Jsonl)
    }

    /// Reads a history.
    ///
    /// # Errors
    /// The first line that is malformed.
    pub fn read(self, text: &str) -> Result<Parsed, FormatError> {
        match self {
            Format::Jsonl => jsonl::read(text),
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
