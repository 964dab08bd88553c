//! "There was nothing": an instant at which no value must be inside.

use super::elements::{Conflict, Element, Nothing};

/// A removal that found nothing although at every instant of its window something must have been inside.
pub(super) fn conflict(elements: &[Element], empties: &[Nothing]) -> Option<Conflict> {
    if empties.is_empty() {
        return None;
    }
    let mut inside: Vec<(u64, u64)> = elements.iter().filter_map(Element::inside).collect();
    inside.sort_unstable();
    // Stretches without a gap. The instants between two events are the position of the first.
    let mut stretches: Vec<(u64, u64)> = Vec::new();
    for (from, to) in inside {
        match stretches.last_mut() {
            Some((_, end)) if from <= *end => *end = to.max(*end),
            _ => stretches.push((from, to)),
        }
    }
    let covered = |nothing: &&Nothing| {
        let count = stretches.partition_point(|&(from, _)| from <= nothing.window.invoked);
        count > 0 && stretches[count - 1].1 >= nothing.window.returned
    };
    let nothing = *empties.iter().find(covered)?;
    Some(Conflict::NeverEmpty {
        nothing,
        elements: cover(elements, &nothing),
    })
}

/// The fewest values that cover its window: always the one that reaches farthest.
fn cover(elements: &[Element], nothing: &Nothing) -> Vec<Element> {
    let mut sorted: Vec<(u64, u64, &Element)> = elements
        .iter()
        .filter_map(|element| element.inside().map(|(from, to)| (from, to, element)))
        .collect();
    sorted.sort_unstable_by_key(|&(from, ..)| from);
    let (mut chosen, mut at, mut next) = (Vec::new(), nothing.window.invoked, 0);
    while at < nothing.window.returned {
        let mut best: Option<(u64, &Element)> = None;
        while let Some(&(_, to, element)) = sorted.get(next).filter(|(from, ..)| *from <= at) {
            if best.is_none_or(|(farthest, _)| to > farthest) {
                best = Some((to, element));
            }
            next += 1;
        }
        let Some((to, element)) = best.filter(|(to, _)| *to > at) else {
            break;
        };
        chosen.push(*element);
        at = to;
    }
    chosen
}
