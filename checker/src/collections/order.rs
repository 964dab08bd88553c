//! First in, first out: no value overtakes another.
//!
//! After Henzinger, Sezgin and Vafeiadis, "Aspect-oriented linearizability proofs" (2013). A value must come before
//! another if its insertion had completed when the other's was invoked, or its removal when the other's was. Both
//! are interval orders, and a cycle through the two of them contains one of length two, as in
//! [zones](crate::linearizability): so it is enough to look at pairs.

use super::elements::{Conflict, Element};

/// Two values of which each must come before the other.
pub(super) fn conflict(elements: &[Element]) -> Option<Conflict> {
    let mut sorted: Vec<&Element> = elements.iter().collect();
    sorted.sort_unstable_by_key(|element| element.put.invoked);
    // Of the values from each place on, the one that was taken first.
    let mut earliest: Vec<&Element> = Vec::with_capacity(sorted.len());
    for &element in sorted.iter().rev() {
        let best = earliest
            .last()
            .copied()
            .filter(|best| best.take.returned < element.take.returned);
        earliest.push(best.unwrap_or(element));
    }
    earliest.reverse();
    for &first in &sorted {
        // It had been put in when it was taken, and it was taken when it had been put in.
        let put = first.put.returned.min(first.take.returned);
        let take = first.take.invoked.max(first.put.invoked);
        let after = sorted.partition_point(|element| element.put.invoked <= put);
        if let Some(&&second) = earliest.get(after)
            && second.take.returned < take
        {
            return Some(Conflict::Overtaken {
                first: *first,
                second,
            });
        }
    }
    None
}
