//! What a replica did, line by line, for invariants that are checked after the run.
//!
//! Each line is `{"at":…,"trace":…}`; `at` is the machine's wall clock in nanoseconds, never bent, so that the
//! files of several nodes can be merged.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

/// A trace file. What one turn of the protocol traced is written before anything of it leaves the node, so that a
/// killed node leaves traces of all that others saw of it.
pub(super) struct TraceFile {
    file: File,
    buffer: Vec<u8>,
}

#[derive(Serialize)]
struct Line<'a, T> {
    at: u64,
    trace: &'a T,
}

impl TraceFile {
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(TraceFile {
            file,
            buffer: Vec::new(),
        })
    }

    pub fn record(&mut self, at: Duration, trace: &impl Serialize) {
        let line = Line {
            at: at.as_nanos() as u64,
            trace,
        };
        let before = self.buffer.len();
        match serde_json::to_writer(&mut self.buffer, &line) {
            Ok(()) => self.buffer.push(b'\n'),
            Err(_) => self.buffer.truncate(before),
        }
    }

    pub fn flush(&mut self) -> io::Result<()> {
        if !self.buffer.is_empty() {
            self.file.write_all(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }
}
