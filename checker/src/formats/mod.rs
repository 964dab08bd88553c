//! Histories as they stand in files: Perjury's own, and those of Jepsen, Knossos, Elle and Porcupine.
//!
//! [`read`] takes anything that can be read as it comes, a file, a pipe or a `&[u8]`, and holds no more of it than
//! the history and one event:
//!
//! ```
//! let log = b"INFO  jepsen.util - 0\t:invoke\t:write\t7
//! INFO  jepsen.util - 0\t:ok\t:write\t7
//! INFO  jepsen.util - 1\t:invo";
//! let parsed = perjury_checker::formats::read(&log[..], None)?;
//! assert_eq!(parsed.history.operations.len(), 1);
//! assert_eq!(parsed.torn, Some(3));
//! # Ok::<(), perjury_checker::formats::FormatError>(())
//! ```
//!
//! Whatever is malformed is an error that gives the line and what to do about it. The one exception is a last line
//! that was cut short, as a recorder that was killed leaves it: it is left out and noted in [`Parsed::torn`]. That
//! is sound: what the history would have told next is unknown.

mod edn;
mod jepsen;
mod jsonl;
mod kv_log;
mod lines;
mod tuples;
mod write;

use std::fmt;
use std::io::{self, BufRead, Read};
use std::str::FromStr;

use crate::history::{Event, History, HistoryError};
use crate::models::{ModelOptions, NilRead};

use edn::Notation;

pub use jsonl::write_event;
pub use write::Unwritable;

/// A file format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// Perjury's own: one JSON object a line.
    Jsonl,
    /// Jepsen's, Knossos's and Elle's EDN: a vector of maps, or one map a line. A read of `nil` says nothing.
    /// Jepsen's independent keys (`:value [key value]`, reads invoked with `[key nil]`) become keys.
    Edn,
    /// The same in JSON, as Elle's command line reads it: an array of objects, or one object a line.
    Json,
    /// The text log of Jepsen's etcd tests. A failed compare-and-set had compared and differed.
    EtcdLog,
    /// The key-value logs of Porcupine: EDN maps with `:key`, and `:get`, `:put` and `:append` of texts, which begin empty.
    KvLog,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 5] = [
        Format::Jsonl,
        Format::Edn,
        Format::Json,
        Format::EtcdLog,
        Format::KvLog,
    ];

    /// The name as it is written on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Format::Jsonl => "jsonl",
            Format::Edn => "edn",
            Format::Json => "json",
            Format::EtcdLog => "etcd-log",
            Format::KvLog => "kv-log",
        }
    }

    /// One line on what it is.
    pub fn describe(self) -> &'static str {
        match self {
            Format::Jsonl => "Perjury's history.jsonl: one JSON object a line",
            Format::Edn => "EDN of Jepsen, Knossos and Elle: a vector of maps, or one map a line",
            Format::Json => "JSON of Elle and elle-cli: an array of objects, or one object a line",
            Format::EtcdLog => "the text log of Jepsen's etcd tests",
            Format::KvLog => "the key-value logs of Porcupine: one EDN map with a key a line",
        }
    }

    /// Tells the format from the beginning of a text; none if it is none of ours.
    pub fn detect(text: &str) -> Option<Format> {
        let mut text = text.trim_start();
        while text.starts_with(';') {
            text = text.split_once('\n').map_or("", |(_, rest)| rest).trim_start();
        }
        let line = text.lines().next()?;
        let inside = text.strip_prefix('[').unwrap_or(text).trim_start();
        let object = inside
            .strip_prefix('{')
            .is_some_and(|rest| rest.trim_start().starts_with('"'));
        if object {
            let own = serde_json::from_str::<Event>(line).is_ok();
            Some(if own { Format::Jsonl } else { Format::Json })
        } else if line.starts_with(['[', '(', '{', '#']) {
            let porcupine = line.starts_with("{:") && kv_log::detect(text);
            Some(if porcupine { Format::KvLog } else { Format::Edn })
        } else {
            text.lines().any(jepsen::is_etcd_line).then_some(Format::EtcdLog)
        }
    }

    /// Reads a history, as it comes.
    ///
    /// # Errors
    /// The first line that is malformed, or the one at which the input failed.
    pub fn read(self, input: impl BufRead) -> Result<Parsed, FormatError> {
        let unknown = ModelOptions {
            nil_read: NilRead::Unknown,
            ..ModelOptions::default()
        };
        match self {
            Format::Jsonl => jsonl::read(input),
            Format::Edn | Format::Json => {
                let notation = if self == Format::Edn {
                    Notation::Edn
                } else {
                    Notation::Json
                };
                let parsed = jepsen::events(input, notation, |_| Ok(()))?;
                Ok(Parsed {
                    options: unknown,
                    ..tuples::split(parsed)?
                })
            }
            Format::EtcdLog => jepsen::etcd_log(input),
            Format::KvLog => kv_log::read(input),
        }
    }
}

/// How much of an input is looked at to tell its format, in bytes.
const HEAD_BYTES: usize = 1 << 16;

/// Reads a history as it comes, in the format that is given or else the one that its beginning shows.
///
/// # Errors
/// If the format cannot be told; and the first line that is malformed, or at which the input failed.
pub fn read(mut input: impl BufRead, format: Option<Format>) -> Result<Parsed, FormatError> {
    let mut head = Vec::new();
    (&mut input)
        .take(HEAD_BYTES as u64)
        .read_to_end(&mut head)
        .map_err(|error| FormatError::input(1, &error))?;
    let start = if head.starts_with(BYTE_ORDER_MARK) {
        BYTE_ORDER_MARK.len()
    } else {
        0
    };
    let format = match format.or_else(|| Format::detect(&String::from_utf8_lossy(&head[start..]))) {
        Some(format) => format,
        None => return Err(FormatError::undetected(&head[start..])),
    };
    format.read(io::Cursor::new(&head[start..]).chain(input))
}

/// What some editors put at the beginning of UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What gzip puts at the beginning of a file.
const GZIP: &[u8] = &[0x1f, 0x8b];

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

    fn input(line: u64, error: &io::Error) -> Self {
        let mend = "reading stopped there; nothing is known to be wrong with the text";
        FormatError::new(line, format!("the input failed: {error}"), mend)
    }

    fn not_utf8(line: u64) -> Self {
        let mend = "convert the file, for instance with iconv";
        FormatError::new(line, "this is not UTF-8", mend)
    }

    fn undetected(head: &[u8]) -> Self {
        let names = Format::ALL.map(Format::name).join(", ");
        if head.trim_ascii().is_empty() {
            FormatError::new(
                1,
                "there is nothing in it",
                "give a history with at least one event",
            )
        } else if head.starts_with(GZIP) {
            FormatError::new(1, "this is compressed", "unpack it first: gunzip -c FILE")
        } else {
            let mend = format!("name the format, which is one of {names}");
            FormatError::new(1, "the format cannot be told from the beginning", mend)
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
