//! A history of unique values as windows in time.

use rustc_hash::FxHashMap;

use super::Discipline;
use crate::budget::Budget;
use crate::history::{Operation, Outcome, Value};
use crate::models::{Decision, QueueAction, Refutation};

/// The completion of what never completed.
pub(super) const NEVER: u64 = u64::MAX;
/// When a value begins to be removed that never was: after everything.
const END: u64 = u64::MAX - 1;

/// The positions of an invocation and a completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub invoked: u64,
    pub returned: u64,
}

impl Window {
    const STAYS: Window = Window {
        invoked: END,
        returned: NEVER,
    };

    fn of(operation: &Operation) -> Self {
        Window {
            invoked: operation.invoked.index,
            returned: operation.returned(),
        }
    }
}

/// A value, from its insertion to its removal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element {
    pub put: Window,
    pub take: Window,
    /// Places of the operations among the moves.
    put_by: usize,
    taken_by: Option<usize>,
}

impl Element {
    /// Between these positions it must be inside; none if it may have left as soon as it came.
    pub(super) fn inside(&self) -> Option<(u64, u64)> {
        (self.put.returned < self.take.invoked).then_some((self.put.returned, self.take.invoked))
    }

    /// Whether nobody was seen to remove it.
    pub(super) fn stays(&self) -> bool {
        self.taken_by.is_none()
    }
}

/// A removal that found nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nothing {
    pub window: Window,
    /// Its place among the moves.
    pub operation: usize,
}

/// What cannot be together.
#[derive(Clone, Debug)]
pub(super) enum Conflict {
    /// The first was put in before the second, and taken after it or never.
    Overtaken { first: Element, second: Element },
    /// All of its window is covered by values that must be inside.
    NeverEmpty {
        nothing: Nothing,
        elements: Vec<Element>,
    },
    /// These have no order in which the last in is the first out.
    Crossed(Vec<Element>),
}

type Moves<'h> = [(&'h Operation, QueueAction)];

/// One object's history.
pub(super) struct Problem<'m> {
    moves: &'m Moves<'m>,
    elements: Vec<Element>,
    empties: Vec<Nothing>,
    /// Removals of which it is not known what they took: their places, in the order of invocation.
    pending: Vec<usize>,
}

impl<'m> Problem<'m> {
    /// None where a value was put in more than once.
    pub(super) fn new(moves: &'m Moves<'m>) -> Option<Result<Self, Refutation>> {
        let mut places: FxHashMap<&Value, usize> = FxHashMap::default();
        let mut elements: Vec<Element> = Vec::new();
        let (mut empties, mut pending) = (Vec::new(), Vec::new());
        for (place, (operation, action)) in moves.iter().enumerate() {
            match action {
                QueueAction::Put(value) => {
                    if places.insert(value, elements.len()).is_some() {
                        return None;
                    }
                    elements.push(Element {
                        put: Window::of(operation),
                        take: Window::STAYS,
                        put_by: place,
                        taken_by: None,
                    });
                }
                QueueAction::Empty => empties.push(Nothing {
                    window: Window::of(operation),
                    operation: place,
                }),
                QueueAction::TakeAny => pending.push(place),
                QueueAction::Take(_) => {}
            }
        }
        for (place, (operation, action)) in moves.iter().enumerate() {
            let QueueAction::Take(value) = action else {
                continue;
            };
            let Some(&element) = places.get(value) else {
                return Some(Err(unheard_of(operation, value)));
            };
            let element = &mut elements[element];
            let put = moves[element.put_by].0;
            if let Some(other) = element.taken_by.replace(place) {
                return Some(Err(twice(put, moves[other].0, operation, value)));
            }
            element.take = Window::of(operation);
            if element.take.returned < element.put.invoked {
                return Some(Err(too_early(put, operation, value)));
            }
        }
        let required = |element: &Element| moves[element.put_by].0.completion.outcome != Outcome::Info;
        elements.retain(|element| !element.stays() || required(element));
        Some(Ok(Problem {
            moves,
            elements,
            empties,
            pending,
        }))
    }

    /// A conflict if there is one; none at all if it stays open.
    #[expect(
        clippy::option_option,
        reason = "outer: is it decided; inner: is there a conflict"
    )]
    pub(super) fn decide(&self, discipline: Discipline, budget: &Budget) -> Option<Option<Conflict>> {
        let conflict =
            |elements: &[Element]| super::conflict(discipline, elements, &self.empties, budget).ok();
        let found = conflict(&self.elements)?;
        let Some(first) = self.pending.first().filter(|_| found.is_some()) else {
            return Some(found);
        };
        // As if every value that stays had a pending removal of its own, as early as any.
        let earliest = self.moves[*first].0.invoked.index;
        let freed = self.taking(|_| Some(earliest));
        if let Some(found) = conflict(&freed)? {
            return Some(Some(found));
        }
        let mut order: Vec<usize> = (0..self.elements.len())
            .filter(|&index| self.elements[index].stays())
            .collect();
        order.sort_unstable_by_key(|&index| self.elements[index].put.invoked);
        for backwards in [false, true] {
            if backwards {
                order.reverse();
            }
            let mut given = vec![None; self.elements.len()];
            for (&index, &removal) in order.iter().zip(&self.pending) {
                given[index] = Some(self.moves[removal].0.invoked.index);
            }
            if conflict(&self.taking(|index| given[index]))?.is_none() {
                return Some(None);
            }
        }
        None
    }

    /// The elements, with removals from these positions on of those that stay.
    fn taking(&self, from: impl Fn(usize) -> Option<u64>) -> Vec<Element> {
        let mut elements = self.elements.clone();
        for (index, element) in elements
            .iter_mut()
            .enumerate()
            .filter(|(_, element)| element.stays())
        {
            if let Some(invoked) = from(index) {
                element.take.invoked = invoked;
            }
        }
        elements
    }

    pub(super) fn value(&self, element: &Element) -> &'m Value {
        &self.moves[element.put_by].0.argument
    }

    pub(super) fn operation(&self, place: usize) -> &'m Operation {
        self.moves[place].0
    }

    /// The ids of the operations of a conflict.
    pub(super) fn core(&self, conflict: &Conflict) -> Vec<usize> {
        let (elements, nothing) = match conflict {
            Conflict::Overtaken { first, second } => (vec![*first, *second], None),
            Conflict::NeverEmpty { nothing, elements } => (elements.clone(), Some(nothing.operation)),
            Conflict::Crossed(elements) => (elements.clone(), None),
        };
        let mut places: Vec<usize> = nothing.into_iter().collect();
        for element in &elements {
            places.push(element.put_by);
            places.extend(element.taken_by);
        }
        // Were they left out, it would not be said that they do not help.
        if elements.iter().any(Element::stays) {
            places.extend(&self.pending);
        }
        let mut ids: Vec<usize> = places.into_iter().map(|place| self.moves[place].0.id).collect();
        ids.sort_unstable();
        ids
    }
}

fn unheard_of(take: &Operation, value: &Value) -> Refutation {
    Refutation {
        core: vec![take.id],
        what: format!("{value} came out although nobody put it in"),
        sentence: format!(
            "{value} came out, but no operation that can have put it in was ever invoked: a phantom."
        ),
    }
}

fn twice(put: &Operation, one: &Operation, other: &Operation, value: &Value) -> Refutation {
    Refutation {
        core: vec![put.id, one.id, other.id],
        what: format!("{value} came out twice"),
        sentence: format!("{value} was put in once and came out twice: a double delivery."),
    }
}

fn too_early(put: &Operation, take: &Operation, value: &Value) -> Refutation {
    Refutation {
        core: vec![put.id, take.id],
        what: format!("{value} came out before it was put in"),
        sentence: format!("{value} had come out before anyone asked to put it in."),
    }
}

/// An unordered queue that was never said to be empty: every value for itself, also where it was put in more than
/// once. It is legal exactly if at the completion of every removal there are enough insertions; insertions do
/// best as soon as they are invoked, removals when they complete, and pending removals not at all.
pub(super) fn balance(moves: &Moves<'_>) -> Option<Decision> {
    if moves.iter().any(|(_, action)| *action == QueueAction::Empty) {
        return None;
    }
    let mut events: Vec<(u64, bool, usize)> = Vec::with_capacity(moves.len());
    for (place, (operation, action)) in moves.iter().enumerate() {
        match action {
            QueueAction::Put(_) => events.push((operation.invoked.index, true, place)),
            QueueAction::Take(_) => events.push((operation.returned(), false, place)),
            QueueAction::Empty | QueueAction::TakeAny => {}
        }
    }
    events.sort_unstable();
    let mut counts: FxHashMap<&Value, u64> = FxHashMap::default();
    for &(at, puts, place) in &events {
        let (operation, action) = &moves[place];
        let (QueueAction::Put(value) | QueueAction::Take(value)) = action else {
            continue;
        };
        let count = counts.entry(value).or_default();
        if puts {
            *count += 1;
        } else if let Some(left) = count.checked_sub(1) {
            *count = left;
        } else {
            return Some(Decision::Illegal(too_many(moves, value, operation, at)));
        }
    }
    Some(Decision::Legal)
}

/// More copies of a value had come out than can have been put in.
fn too_many(moves: &Moves<'_>, value: &Value, last: &Operation, at: u64) -> Refutation {
    let (mut puts, mut takes): (Vec<&Operation>, Vec<&Operation>) = (Vec::new(), Vec::new());
    for (operation, action) in moves {
        match action {
            QueueAction::Put(other) if other == value => puts.push(operation),
            QueueAction::Take(other) if other == value && operation.returned() <= at => takes.push(operation),
            _ => {}
        }
    }
    let in_time = puts.iter().filter(|put| put.invoked.index < at).count();
    match (in_time, puts.first(), &takes[..]) {
        (0, None, _) => unheard_of(last, value),
        (0, Some(put), _) => Refutation {
            core: puts.iter().map(|put| put.id).chain([last.id]).collect(),
            ..too_early(put, last, value)
        },
        (1, Some(put), [one, other]) => Refutation {
            core: puts.iter().chain(&takes).map(|operation| operation.id).collect(),
            ..twice(put, one, other, value)
        },
        _ => Refutation {
            core: puts.iter().chain(&takes).map(|operation| operation.id).collect(),
            what: format!("{value} came out too often"),
            sentence: format!(
                "{value} had come out {} times when at most {in_time} of it can have been put in.",
                takes.len()
            ),
        },
    }
}
