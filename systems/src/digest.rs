//! Hashes that every node computes alike: for comparing states and payloads, not against an adversary.

use std::hash::{Hash, Hasher};

use rustc_hash::FxHasher;

/// Hashes a value.
pub fn digest(value: &impl Hash) -> u64 {
    let mut hasher = FxHasher::default();
    value.hash(&mut hasher);
    scatter(hasher.finish())
}

/// Hashes what is in no order, such as the entries of a hash map: equal contents alike, whatever the order.
pub fn hash_unordered<T: Hash>(things: impl Iterator<Item = T>, state: &mut impl Hasher) {
    let (mut count, mut one, mut other) = (0_u64, 0_u64, 0_u64);
    for thing in things {
        let hash = digest(&thing);
        count += 1;
        one = one.wrapping_add(hash);
        // A second sum that two sets with the same first one do not share.
        other = other.wrapping_add(scatter(hash ^ 0x5851_f42d_4c95_7f2d));
    }
    (count, one, other).hash(state);
}

/// Spreads a weak hash over all 64 bits, so that a sum of many hashes of a set's elements is a fair hash of the
/// set. (The finaliser of SplitMix64: Steele, Lea, Flood, OOPSLA 2014.)
pub fn scatter(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
