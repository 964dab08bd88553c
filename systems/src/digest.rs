//! Hashes that every node computes alike: for comparing states and payloads, not against an adversary.

use std::hash::{Hash, Hasher};

use rustc_hash::FxHasher;

/// Hashes a value.
pub fn digest(value: &impl Hash) -> u64 {
    let mut hasher = FxHasher::default();
    value.hash(&mut hasher);
    scatter(hasher.finish())
}

/// Spreads a weak hash over all 64 bits, so that a sum of many hashes of a set's elements is a fair hash of the
/// set. (The finaliser of SplitMix64: Steele, Lea, Flood, OOPSLA 2014.)
pub fn scatter(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
