//! Draws that are the same on every machine: integers only, since logarithms differ between mathematical libraries.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// One million, as rates are given in parts per million.
pub(crate) const MILLION: u64 = 1_000_000;

/// A number below `bound` (0 if the bound is 0).
pub(crate) fn below(rng: &mut ChaCha8Rng, bound: u64) -> u64 {
    ((u128::from(rng.next_u64()) * u128::from(bound)) >> 64) as u64
}

/// A number from `low` to `high`, both included.
pub(crate) fn between(rng: &mut ChaCha8Rng, low: u64, high: u64) -> u64 {
    low + below(rng, high.saturating_sub(low).saturating_add(1))
}

/// Whether to do what comes up so many times in a million. Draws nothing for a chance of 0.
pub(crate) fn happens(rng: &mut ChaCha8Rng, ppm: u32) -> bool {
    ppm > 0 && below(rng, MILLION) < u64::from(ppm)
}

/// About exponential with this mean: −log₂ of a uniform number, with straight lines between powers of two.
pub(crate) fn exponential(rng: &mut ChaCha8Rng, mean: u64) -> u64 {
    if mean == 0 {
        return 0;
    }
    exponential_of(rng.next_u64(), mean)
}

/// The same, of a uniform number.
pub(crate) fn exponential_of(uniform: u64, mean: u64) -> u64 {
    let (whole, fraction) = halvings(uniform);
    // In units of 2⁻¹⁶: the mean of `whole + fraction` is one and a half.
    let drawn = (u64::from(whole) << 16) + u64::from(fraction);
    match mean.checked_mul(2 * drawn) {
        Some(product) => (product / 3) >> 16,
        None => ((u128::from(mean) * u128::from(drawn) * 2 / 3) >> 16) as u64,
    }
}

/// Heavy-tailed with this mean (about Pareto at 2.5: one in a hundred is four times the mean or more), at most twenty
/// times the mean.
pub(crate) fn heavy_tailed(rng: &mut ChaCha8Rng, mean: u64) -> u64 {
    if mean == 0 {
        return 0;
    }
    heavy_tailed_of(rng.next_u64(), mean)
}

/// The same, of a uniform number.
pub(crate) fn heavy_tailed_of(uniform: u64, mean: u64) -> u64 {
    let (whole, fraction) = halvings(uniform);
    // The least is 0.6 of the mean; every halving of the chance adds a third, the last one in part.
    let third = |drawn: u64| match drawn.checked_mul(132) {
        Some(product) => product / 100,
        None => (u128::from(drawn) * 132 / 100) as u64,
    };
    let most = mean.saturating_mul(20);
    let least = (u128::from(mean) * 6 / 10) as u64;
    let drawn = (0..whole.min(24)).fold(least, |drawn, _| third(drawn).min(most));
    let part = u128::from(drawn) * 32 * u128::from(fraction) / 100 / (1 << 16);
    drawn.saturating_add(part as u64).min(most)
}

/// A uniform number that depends on these alone: what is drawn for one thing does not change with what is drawn for
/// others (the finalizer of SplitMix64, after each).
pub(crate) fn mixed(words: [u64; 4]) -> u64 {
    words.into_iter().fold(0, |sum: u64, word| {
        let mut mixed = sum.wrapping_add(word).wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    })
}

/// How often 1 was halved to come near a uniform number, and how far the next halving is, in parts of 2¹⁶.
fn halvings(uniform: u64) -> (u32, u32) {
    let whole = uniform.leading_zeros().min(40);
    let rest = (uniform << (whole + 1).min(63)) >> 48;
    (whole, (0xffff - rest) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use perjury_nemesis::stream;

    fn mean(draw: impl Fn(&mut ChaCha8Rng) -> u64) -> u64 {
        let mut rng = stream(1, "chance");
        (0..100_000).map(|_| draw(&mut rng)).sum::<u64>() / 100_000
    }

    #[test]
    fn draws_have_the_mean_that_was_asked_for() {
        let near = |got: u64, want: u64| assert!(got.abs_diff(want) * 20 <= want, "{got} is not near {want}");
        near(mean(|rng| exponential(rng, 1_000_000)), 1_000_000);
        near(
            mean(|rng| exponential_of(mixed([below(rng, 1 << 20), 1, 2, 3]), 1_000_000)),
            1_000_000,
        );
        near(mean(|rng| heavy_tailed(rng, 1_000_000)), 1_000_000);
        near(mean(|rng| between(rng, 10_000, 20_000)), 15_000);
        near(mean(|rng| u64::from(happens(rng, 100_000)) * 1000), 100);
    }

    #[test]
    fn a_heavy_tail_is_heavy_and_bounded() {
        let mut rng = stream(2, "chance");
        let drawn: Vec<u64> = (0..100_000).map(|_| heavy_tailed(&mut rng, 1000)).collect();
        let long = drawn.iter().filter(|delay| **delay >= 4000).count();
        assert!((300..3000).contains(&long), "{long} of 100000");
        assert!(drawn.iter().all(|delay| (600..=20_000).contains(delay)));
    }
}
