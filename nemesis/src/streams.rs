//! Named random streams: one seed for a whole test, one independent stream for each part of it.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// The random stream of the part that is called `name` (`nemesis`, `workload/3`, `node/2`) in a test with this
/// seed.
///
/// A part that draws more numbers than before does not change what another part draws. The derivation is stable,
/// so that a seed means the same test tomorrow: the 32 bytes of the ChaCha8 key are the seed, the 64-bit FNV-1a
/// hash of the name, and their SplitMix64 finalisations, each little-endian.
pub fn stream(seed: u64, name: &str) -> ChaCha8Rng {
    let hash = fnv1a(name.as_bytes());
    let mut key = [0; 32];
    for (part, word) in key.chunks_exact_mut(8).zip([seed, hash, mix(seed), mix(hash)]) {
        part.copy_from_slice(&word.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

/// FNV-1a, 64 bits.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The finaliser of SplitMix64.
fn mix(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;

    #[test]
    fn a_seed_means_the_same_test_tomorrow() {
        assert_eq!(stream(7, "nemesis").next_u64(), stream(7, "nemesis").next_u64());
        assert_eq!(stream(0, "").next_u64(), 18_182_049_881_742_436_648);
    }

    #[test]
    fn streams_differ_by_name_and_by_seed() {
        let mut first: Vec<u64> = Vec::new();
        for seed in 0..50 {
            for name in [
                "nemesis",
                "workload",
                "workload/0",
                "workload/1",
                "node/1",
                "node/11",
            ] {
                first.push(stream(seed, name).next_u64());
            }
        }
        let drawn = first.len();
        first.sort_unstable();
        first.dedup();
        assert_eq!(first.len(), drawn);
    }
}
