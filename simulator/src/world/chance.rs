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
    scaled(mean, 2 * drawn, 3 << 16)
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
    let most = mean.saturating_mul(20);
    let least = scaled(mean, 6, 10);
    let drawn = (0..whole.min(24)).fold(least, |drawn, _| scaled(drawn, 132, 100).min(most));
    let part = scaled(drawn, 32 * u64::from(fraction), 100 << 16);
    drawn.saturating_add(part).min(most)
}

/// `value · by / over`, rounded down; `u64::MAX` if that is too much.
#[inline]
pub(crate) fn scaled(value: u64, by: u64, over: u64) -> u64 {
    match value.checked_mul(by) {
        // Mostly it fits, and shorter numbers are divided much faster.
        Some(product) => product / over,
        None => {
            let quotient = u128::from(value) * u128::from(by) / u128::from(over);
            u64::try_from(quotient).unwrap_or(u64::MAX)
        }
    }
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
    fn what_does_not_fit_is_scaled_like_what_does() {
        for value in [0, 7, 1_000_003, u64::MAX / 3, u64::MAX] {
            for (by, over) in [(1, 1), (132, 100), (6, 10), (999_999, 1_000_000), (u64::MAX, 2)] {
                let exact = u128::from(value) * u128::from(by) / u128::from(over);
                assert_eq!(
                    u128::from(scaled(value, by, over)),
                    exact.min(u128::from(u64::MAX))
                );
            }
        }
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
