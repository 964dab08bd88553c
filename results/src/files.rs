//! Writing whole files or none of them, and reading versioned ones.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::StoreError;

/// Writes a file so that a reader sees the old content or the new, never half of it.
pub(crate) fn write_atomically(path: &Path, content: &[u8]) -> Result<(), StoreError> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(content)?;
        file.sync_data()?;
        fs::rename(&temporary, path)
    };
    write().map_err(|error| {
        // The half-written file would only be clutter; that it cannot be removed is no second error.
        let _ = fs::remove_file(&temporary);
        StoreError::io(path, "write it")(error)
    })
}

/// Writes a value as indented JSON, atomically.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), StoreError> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|error| StoreError::new(path, format!("cannot be put into JSON: {error}"), ""))?;
    bytes.push(b'\n');
    write_atomically(path, &bytes)
}

/// Reads a whole file.
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>, StoreError> {
    fs::read(path).map_err(StoreError::io(path, "read it"))
}

/// Reads JSON of any schema.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, StoreError> {
    parse(path, &read_bytes(path)?)
}

/// Reads JSON that begins with its schema's number, and refuses a newer one before it misreads it.
pub(crate) fn read_versioned<T: DeserializeOwned>(path: &Path, known: u32) -> Result<T, StoreError> {
    #[derive(Deserialize)]
    struct Versioned {
        schema: u32,
    }
    let bytes = read_bytes(path)?;
    let found = parse::<Versioned>(path, &bytes)?.schema;
    if found == 0 || found > known {
        return Err(StoreError::new(
            path,
            format!(
                "was written with schema {found}, and this version of perjury reads schemas 1 to {known}"
            ),
            "read it with the version of perjury that its `version` names, or a newer one",
        ));
    }
    parse(path, &bytes)
}

fn parse<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|error| {
        StoreError::new(
            path,
            format!("is not what it should be: {error}"),
            "run the test again to write it anew",
        )
    })
}

/// Writes lines through a buffer that only ever hands whole lines to the system, so that a process that is
/// killed leaves no half of a line behind (short of the machine failing).
#[derive(Debug)]
pub(crate) struct LineWriter {
    path: std::path::PathBuf,
    file: File,
    buffer: Vec<u8>,
}

/// Bytes that wait in memory at most before they are written.
const BUFFERED_BYTES: usize = 256 * 1024;

impl LineWriter {
    pub(crate) fn create(path: &Path) -> Result<Self, StoreError> {
        let file = File::create(path).map_err(StoreError::io(path, "create it"))?;
        Ok(LineWriter {
            path: path.to_path_buf(),
            file,
            buffer: Vec::with_capacity(BUFFERED_BYTES + 4096),
        })
    }

    /// Adds the line that `write` appends, newline included.
    pub(crate) fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), StoreError> {
        write(&mut self.buffer);
        if self.buffer.len() >= BUFFERED_BYTES {
            self.flush()
        } else {
            Ok(())
        }
    }

    /// Adds a value as one line of JSON.
    pub(crate) fn push_json(&mut self, value: &impl Serialize) -> Result<(), StoreError> {
        let line = serde_json::to_vec(value).map_err(|error| {
            StoreError::new(&self.path, format!("a line cannot be put into JSON: {error}"), "")
        })?;
        self.push(|buffer| {
            buffer.extend_from_slice(&line);
            buffer.push(b'\n');
        })
    }

    pub(crate) fn flush(&mut self) -> Result<(), StoreError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let result = self
            .file
            .write_all(&self.buffer)
            .map_err(StoreError::io(&self.path, "write to it"));
        self.buffer.clear();
        result
    }
}

impl Drop for LineWriter {
    fn drop(&mut self) {
        // Whoever wants to know of an error flushes before.
        let _ = self.flush();
    }
}
