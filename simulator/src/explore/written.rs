//! Things that are told apart by what they write about themselves, or by their hashes.

use std::fmt;
use std::hash::{Hash, Hasher};

use rustc_hash::{FxHashMap, FxHasher};

/// Numbers of things that are told apart by what they write, or by how they hash: by 128 bits.
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

    /// The number of what hashes so, or the one that it gets now.
    pub(super) fn number_of(&mut self, next: u32, thing: &impl Hash) -> u32 {
        let mut hashes = Fingerprint::default();
        thing.hash(&mut hashes);
        *self.numbers.entry(hashes.value()).or_insert(next)
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

/// 128 bits of a text.
fn fingerprint(bytes: &[u8]) -> u128 {
    let mut hashes = Fingerprint::default();
    hashes.write(bytes);
    hashes.value()
}

/// Two hashes that have nothing in common but their input.
struct Fingerprint {
    one: FxHasher,
    other: u64,
}

impl Default for Fingerprint {
    fn default() -> Self {
        Fingerprint {
            one: FxHasher::default(),
            other: 0xcbf2_9ce4_8422_2325,
        }
    }
}

impl Fingerprint {
    fn value(&self) -> u128 {
        u128::from(self.one.finish()) << 64 | u128::from(self.other)
    }

    fn fold(&mut self, word: u64, bytes: u64) {
        let wide = u128::from(self.other ^ word) * 0x9e37_79b9_7f4a_7c15;
        self.other = (wide as u64) ^ (wide >> 64) as u64 ^ bytes;
    }
}

impl Hasher for Fingerprint {
    fn write(&mut self, bytes: &[u8]) {
        self.one.write(bytes);
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.fold(u64::from_le_bytes(word), chunk.len() as u64);
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.one.write_u64(word);
        self.fold(word, 8);
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn finish(&self) -> u64 {
        self.other
    }
}
