//! Reading a run's history back, also one whose writer was killed.

use std::io::{BufRead, BufReader};
use std::path::Path;

use perjury_checker::{Event, History, HistoryBuilder};

use crate::error::StoreError;

/// A history as far as it can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadHistory {
    /// What could be read.
    pub history: History,
    /// Why reading ended before the end of the file, with the line: a damaged line, or one torn by a crash.
    pub problem: Option<String>,
}

/// Reads `history.jsonl`. A line that cannot be read ends it: what follows could not be trusted either, and
/// what stands before is still evidence.
///
/// # Errors
/// If the file cannot be read at all.
pub fn read_history(path: &Path) -> Result<ReadHistory, StoreError> {
    let file = std::fs::File::open(path).map_err(StoreError::io(path, "read it"))?;
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let mut builder = HistoryBuilder::default();
    let mut line = Vec::new();
    let mut number = 0_u64;
    let problem = loop {
        line.clear();
        number += 1;
        if reader
            .read_until(b'\n', &mut line)
            .map_err(StoreError::io(path, "read it"))?
            == 0
        {
            break None;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let event = match serde_json::from_slice::<Event>(&line) {
            Ok(event) => event,
            Err(_) if !line.ends_with(b"\n") => {
                break Some(format!("line {number} is torn: its writer was killed"));
            }
            Err(error) => break Some(format!("line {number} cannot be read: {error}")),
        };
        if let Err(error) = builder.push(event) {
            break Some(format!("line {number}: {error}"));
        }
    };
    Ok(ReadHistory {
        history: builder.finish(),
        problem,
    })
}
