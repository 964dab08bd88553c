//! Queues, stacks and unordered queues into which every value is put once, in O(n log n).
//!
//! Where values are unique, a history gives away which removal took which insertion, and what is left is a question
//! about windows in time. Leaving a value out, with its insertion and its removal, keeps a legal history legal; so
//! the few values that cannot be together are a proof by themselves.
//!
//! | discipline | legal exactly if, besides no value being taken twice, unheard of, or before it was put in | source |
//! |---|---|---|
//! | FIFO queue | no value was put in before another, and taken after it or never | Henzinger, Sezgin and Vafeiadis, 2013 |
//! | stack | values can be taken away one after the other that surround all that overlaps them | Abdulla et al., 2025; Lee and Mathur, 2025 |
//! | unordered queue | nothing more | |
//!
//! **Empty.** "There was nothing" needs an instant in its window at which no value *must* be inside. A value must be
//! inside from the end of its insertion to the beginning of its removal. That is enough, for all three:
//!
//! ```text
//!  enqueue 1 [───]                 [───] dequeue → 1
//!                ├── 1 is inside ──┤
//!         enqueue 2 [───]     [───] dequeue → 2
//!                    dequeue → nothing [──]       legal: after dequeue → 1 may have taken effect
//! ```
//!
//! **Unknown outcomes.** A pending insertion counts exactly if its value was taken. Pending removals may have taken
//! any value that was never seen to leave. If the history is legal without them, it is legal; if it is not although
//! *every* such value had a pending removal of its own, it is illegal; and if handing the removals out to the values
//! in order works, it is legal. Otherwise the question goes to the search, as it does where values repeat.

mod elements;
mod empty;
mod order;
mod stack;

use crate::budget::Budget;
use crate::history::Operation;
use crate::models::{Decision, QueueAction, Refutation, Unsupported};

use elements::{Conflict, Element, Problem};

/// The order in which values come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Discipline {
    /// First in, first out.
    Fifo,
    /// Last in, first out.
    Lifo,
    /// Any order.
    Any,
}

/// Bytes that the methods hold for each operation, at most.
const BYTES_PER_OPERATION: u64 = 512;

/// Decides one object; none where values repeat, where pending removals leave it open, or without the budget.
pub(crate) fn decide(
    discipline: Discipline,
    operations: &[&Operation],
    budget: &Budget,
    action: impl Fn(&Operation) -> Result<Option<QueueAction>, Unsupported>,
) -> Option<Decision> {
    if operations.len() as u64 * BYTES_PER_OPERATION > budget.bytes || budget.expired() {
        return None;
    }
    let mut moves = Vec::with_capacity(operations.len());
    for operation in operations {
        if let Some(action) = action(operation).ok()? {
            moves.push((*operation, action));
        }
    }
    if discipline == Discipline::Any
        && let Some(decision) = elements::balance(&moves)
    {
        return Some(decision);
    }
    let problem = match Problem::new(&moves)? {
        Ok(problem) => problem,
        Err(refutation) => return Some(Decision::Illegal(refutation)),
    };
    let answer = problem.decide(discipline, budget)?;
    Some(match answer {
        None => Decision::Legal,
        Some(conflict) => Decision::Illegal(problem.refute(discipline, &conflict)),
    })
}

/// Operations that have no legal order, given what each removal took.
fn conflict(
    discipline: Discipline,
    elements: &[Element],
    empties: &[elements::Nothing],
    budget: &Budget,
) -> Result<Option<Conflict>, Spent> {
    if let Some(conflict) = empty::conflict(elements, empties) {
        return Ok(Some(conflict));
    }
    match discipline {
        Discipline::Any => Ok(None),
        Discipline::Fifo => Ok(order::conflict(elements)),
        Discipline::Lifo => stack::conflict(elements, budget),
    }
}

/// The budget is spent.
struct Spent;

impl Problem<'_> {
    fn refute(&self, discipline: Discipline, conflict: &Conflict) -> Refutation {
        let (inside, taken) = match discipline {
            Discipline::Lifo => ("pushed", "popped"),
            _ => ("enqueued", "dequeued"),
        };
        let name = |element: &Element| self.value(element).to_string();
        let (what, sentence) = match conflict {
            Conflict::Overtaken { first, second } => {
                let (one, other) = (name(first), name(second));
                (
                    format!("{other} overtook {one}"),
                    format!(
                        "{one} had been {inside} before anyone asked to have {other} {inside}, yet {other} was {taken} \
                         {}.",
                        if first.stays() {
                            format!("and {one} never was")
                        } else {
                            format!("before anyone asked for {one}")
                        }
                    ),
                )
            }
            Conflict::NeverEmpty { nothing, elements } => {
                let process = self.operation(nothing.operation).process;
                let names: Vec<String> = elements.iter().take(5).map(name).collect();
                let names = names.join(", ") + if elements.len() > 5 { ", …" } else { "" };
                (
                    format!("process {process} was told that there is nothing although there was"),
                    format!(
                        "process {process} was told that there was nothing, but at every instant of its window {names} \
                         had been {inside} and not yet {taken}."
                    ),
                )
            }
            Conflict::Crossed(elements) => {
                let names: Vec<String> = elements.iter().take(5).map(name).collect();
                let names = names.join(", ") + if elements.len() > 5 { ", …" } else { "" };
                (
                    format!("{names} did not come out last in, first out"),
                    format!(
                        "in no order of {names} that agrees with real time is each value that was pushed last popped \
                         first."
                    ),
                )
            }
        };
        Refutation {
            core: self.core(conflict),
            what,
            sentence,
        }
    }
}
