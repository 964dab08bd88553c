//! Removal of subsets (Zeller and Hildebrandt, Simplifying and Isolating Failure-Inducing Input, TSE 2002).

use std::ops::Range;

/// Removes ranges of `len` things, from half of them down to single ones, until none can be removed. `remove` tries to
/// do without a range, and says how many things are left if that works. Says how many are left in the end.
pub(crate) fn ddmin(mut len: usize, remove: &mut dyn FnMut(Range<usize>) -> Option<usize>) -> usize {
    let mut size = len.div_ceil(2);
    while size > 0 {
        let before = len;
        let mut from = 0;
        while from < len {
            match remove(from..(from + size).min(len)) {
                // Something always goes, or this would not end.
                Some(left) if left < len => len = left,
                _ => from += size,
            }
        }
        // What was needed may have been needed only by what is gone now.
        if len == before || size > 1 {
            size /= 2;
        }
        size = size.min(len.div_ceil(2));
    }
    len
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left of 0..len if the predicate has to hold.
    fn left(len: usize, holds: impl Fn(&[usize]) -> bool) -> (Vec<usize>, usize) {
        let mut things: Vec<usize> = (0..len).collect();
        let mut tries = 0;
        ddmin(len, &mut |range| {
            tries += 1;
            let mut fewer = things.clone();
            fewer.drain(range);
            holds(&fewer).then(|| {
                things = fewer;
                things.len()
            })
        });
        (things, tries)
    }

    #[test]
    fn exactly_what_the_predicate_needs_is_left() {
        for needed in [vec![], vec![0], vec![99], vec![3, 50, 51, 97], (20..30).collect()] {
            let (things, tries) = left(100, |things| needed.iter().all(|one| things.contains(one)));
            assert_eq!(things, needed);
            assert!(tries < 200, "{tries} tries for {} things", needed.len());
        }
    }

    #[test]
    fn what_is_only_needed_together_goes_once_its_reason_has_gone() {
        // 7 is needed for as long as 80 is there, which can go later.
        let (things, _) = left(100, |things| {
            things.contains(&90) && (!things.contains(&80) || things.contains(&7))
        });
        assert_eq!(things, [90]);
    }

    #[test]
    fn a_disjunction_is_left_with_one_of_its_sides() {
        let (things, _) = left(64, |things| things.contains(&5) || things.contains(&60));
        assert_eq!(things.len(), 1);
    }
}
