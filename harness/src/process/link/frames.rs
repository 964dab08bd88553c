//! Finding frames in a stream of bytes.

use crate::node::{FRAME_HEADER_BYTES, MAX_FRAME_BYTES};

/// A stream that is no sequence of frames.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoFrames;

/// A frame with its length field, and what follows it.
pub(super) type Split<'a> = (&'a [u8], &'a [u8]);

/// Splits off the first frame, if it is whole.
pub(super) fn split(bytes: &[u8]) -> Result<Option<Split<'_>>, NoFrames> {
    let Some(length) = bytes.first_chunk::<4>() else {
        return Ok(None);
    };
    let length = u32::from_le_bytes(*length) as usize;
    if !(FRAME_HEADER_BYTES - 4..=MAX_FRAME_BYTES).contains(&length) {
        return Err(NoFrames);
    }
    Ok(bytes.split_at_checked(4 + length))
}
