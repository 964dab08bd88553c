//! The bytes of a node's log.
//!
//! A log is a sequence of segments, each a sequence of frames:
//!
//! ```text
//! ┌───────────┬───────────┬───────────┬──────────────┐
//! │ lsn   u64 │ len   u32 │ crc   u32 │ payload      │   little-endian; crc over lsn, len and payload
//! └───────────┴───────────┴───────────┴──────────────┘
//! ```
//!
//! Positions rise by one from frame to frame, across segments too. A frame that is cut short or whose checksum is
//! wrong ends the log if nothing valid follows it: a crash tore the last write, which had not been fsynced and on
//! which nothing that left the node depended. If a valid frame follows, or another segment does, a record that had
//! been durable is damaged: that is corruption, and the node must not start from it (silently truncating there
//! would forget what the node had promised: Alagappan et al., Protocol-Aware Recovery, FAST 2018).

use std::fmt;

use crate::replica::Lsn;

/// Bytes before the payload.
pub const HEADER_BYTES: usize = 16;

/// The longest payload that a frame may hold; a longer length field is damage.
pub const MAX_PAYLOAD_BYTES: usize = 64 << 20;

/// Appends a frame to `out`.
///
/// # Panics
/// If the payload is longer than [`MAX_PAYLOAD_BYTES`].
pub fn encode(lsn: Lsn, payload: &[u8], out: &mut Vec<u8>) {
    assert!(
        payload.len() <= MAX_PAYLOAD_BYTES,
        "a record of {} bytes is too long for the log",
        payload.len()
    );
    let length = (payload.len() as u32).to_le_bytes();
    let position = lsn.0.to_le_bytes();
    out.extend_from_slice(&position);
    out.extend_from_slice(&length);
    out.extend_from_slice(&checksum(&position, &length, payload).to_le_bytes());
    out.extend_from_slice(payload);
}

fn checksum(position: &[u8], length: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(position);
    hasher.update(length);
    hasher.update(payload);
    hasher.finalize()
}

/// How a segment ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With its last frame.
    Clean,
    /// With a frame that was cut short or damaged at this byte, and nothing valid after it.
    Torn(usize),
}

/// A record that had been durable is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt {
    /// The byte at which the damaged frame begins.
    pub offset: usize,
    /// The last position that was read before it.
    pub after: Lsn,
}

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the record after position {} is damaged at byte {}",
            self.after.0, self.offset
        )
    }
}

impl std::error::Error for Corrupt {}

/// The frames of one segment: positions and payloads, in order, and how it ends.
pub type Frames<'a> = (Vec<(Lsn, &'a [u8])>, End);

/// Reads a segment. `last` says whether it is the newest one: only its end may be torn.
///
/// # Errors
/// [`Corrupt`], if a frame is damaged that a crash cannot have torn.
pub fn scan(segment: &[u8], last: bool) -> Result<Frames<'_>, Corrupt> {
    let mut frames: Vec<(Lsn, &[u8])> = Vec::new();
    let mut offset = 0;
    while offset < segment.len() {
        let after = frames.last().map_or(Lsn(0), |(lsn, _)| *lsn);
        match frame(&segment[offset..]) {
            Some((lsn, payload)) if frames.is_empty() || lsn.0 == after.0 + 1 => {
                frames.push((lsn, payload));
                offset += HEADER_BYTES + payload.len();
            }
            _ if last && !any_frame(&segment[offset + 1..], after) => return Ok((frames, End::Torn(offset))),
            _ => return Err(Corrupt { offset, after }),
        }
    }
    Ok((frames, End::Clean))
}

fn frame(bytes: &[u8]) -> Option<(Lsn, &[u8])> {
    let position: [u8; 8] = bytes.get(..8)?.try_into().ok()?;
    let length: [u8; 4] = bytes.get(8..12)?.try_into().ok()?;
    let crc: [u8; 4] = bytes.get(12..HEADER_BYTES)?.try_into().ok()?;
    let size = u32::from_le_bytes(length) as usize;
    if size > MAX_PAYLOAD_BYTES {
        return None;
    }
    let payload = bytes.get(HEADER_BYTES..HEADER_BYTES + size)?;
    (checksum(&position, &length, payload) == u32::from_le_bytes(crc))
        .then(|| (Lsn(u64::from_le_bytes(position)), payload))
}

/// Whether a valid frame with a later position starts at any byte. Frames follow within one write, so positions
/// far away are chance; asking for a near one keeps the scan fast.
fn any_frame(bytes: &[u8], after: Lsn) -> bool {
    const NEAR: u64 = 1 << 24;
    (0..bytes.len().saturating_sub(HEADER_BYTES - 1)).any(|start| {
        let position = u64::from_le_bytes(bytes[start..start + 8].try_into().expect("eight bytes"));
        position > after.0 && position - after.0 < NEAR && frame(&bytes[start..]).is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(payloads: &[&[u8]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (index, payload) in payloads.iter().enumerate() {
            encode(Lsn(index as u64 + 1), payload, &mut bytes);
        }
        bytes
    }

    #[test]
    fn reads_back_what_was_written() {
        let bytes = log(&[b"one", b"", b"three"]);
        let (frames, end) = scan(&bytes, true).expect("no damage");
        assert_eq!(frames, [(Lsn(1), &b"one"[..]), (Lsn(2), b""), (Lsn(3), b"three")]);
        assert_eq!(end, End::Clean);
    }

    #[test]
    fn a_torn_last_record_ends_the_log_wherever_it_is_torn() {
        let whole = log(&[b"one", b"two", b"three"]);
        let second = log(&[b"one", b"two"]).len();
        for cut in second + 1..whole.len() {
            let (frames, end) = scan(&whole[..cut], true).expect("torn, not corrupt");
            assert_eq!((frames.len(), end), (2, End::Torn(second)), "cut at byte {cut}");
        }
    }

    #[test]
    fn a_damaged_record_with_a_valid_one_after_it_is_never_truncated_silently() {
        let whole = log(&[b"one", b"two", b"three"]);
        let first = log(&[b"one"]).len();
        let second = log(&[b"one", b"two"]).len();
        for byte in first..second {
            let mut damaged = whole.clone();
            damaged[byte] ^= 0x10;
            assert_eq!(
                scan(&damaged, true),
                Err(Corrupt {
                    offset: first,
                    after: Lsn(1)
                }),
                "byte {byte}"
            );
        }
    }

    #[test]
    fn an_older_segment_may_not_be_torn() {
        let bytes = log(&[b"one", b"two"]);
        assert!(scan(&bytes[..bytes.len() - 1], false).is_err());
    }
}
