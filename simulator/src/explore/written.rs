//! Things that are told apart by what they write about themselves.

use std::fmt;
use std::hash::Hasher;

use rustc_hash::{FxHashMap, FxHasher};

/// Numbers of things that are told apart by what they write.
#[derive(Debug, Default)]
pub(super) struct Written {
    numbers: FxHashMap<u128, u32>,
    text: String,
}

impl Written {
    /// The number of what is written, or the one that it gets now.
    pub(super) fn number(&mut self, next: u32, write: impl FnOnce(&mut String) -> fmt::Result) -> u32 {
        self.text.clear();
        let written = write(&mut self.text);
        debug_assert!(written.is_ok(), "a string refuses nothing");
        *self
            .numbers
            .entry(fingerprint(self.text.as_bytes()))
            .or_insert(next)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Bytes that are allocated.
    pub(super) fn bytes(&self) -> usize {
        self.numbers.capacity() * 32
    }
}

/// 128 bits of a text: two hashes that have nothing in common but their input.
fn fingerprint(bytes: &[u8]) -> u128 {
    let mut one = FxHasher::default();
    one.write(bytes);
    let mut other = 0xcbf2_9ce4_8422_2325_u64;
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        let wide = u128::from(other ^ u64::from_le_bytes(word)) * 0x9e37_79b9_7f4a_7c15;
        other = (wide as u64) ^ (wide >> 64) as u64 ^ chunk.len() as u64;
    }
    u128::from(one.finish()) << 64 | u128::from(other)
}
