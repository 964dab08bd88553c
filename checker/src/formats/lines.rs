//! Lines of a text that is read as it comes.

use std::io::BufRead;

use super::FormatError;

/// Reads one line after the other into one buffer.
pub(super) struct Lines<R> {
    input: R,
    buffer: Vec<u8>,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Lines {
            input,
            buffer: Vec::new(),
            number: 0,
        }
    }

    /// Goes to the next line. False at the end.
    pub(super) fn advance(&mut self) -> Result<bool, FormatError> {
        self.buffer.clear();
        self.number += 1;
        let read = self.input.read_until(b'\n', &mut self.buffer);
        let bytes = read.map_err(|error| FormatError::input(self.number, &error))?;
        Ok(bytes > 0)
    }

    /// The line at which it stands, from 1.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The line, as it was read.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer
    }

    /// The line as text.
    pub(super) fn text(&self) -> Result<&str, FormatError> {
        std::str::from_utf8(&self.buffer).map_err(|_| FormatError::not_utf8(self.number))
    }

    /// Whether a line break ends the line.
    pub(super) fn broken(&self) -> bool {
        self.buffer.ends_with(b"\n")
    }

    /// Whether nothing follows.
    pub(super) fn last(&mut self) -> Result<bool, FormatError> {
        match self.input.fill_buf() {
            Ok(rest) => Ok(rest.is_empty()),
            Err(error) => Err(FormatError::input(self.number, &error)),
        }
    }
}
