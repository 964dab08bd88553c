//! Sets that only grow and are read as a whole, in time linear in what was read.
//!
//! Where every element is added at most once and nothing is removed, the reads put each other in order, by what they
//! show, and the adds with them: an element was added after the last read that lacks it and before the first that
//! shows it. So the order is given, up to reads of the same elements and adds between the same reads, and only has to
//! be compared with real time.

use std::collections::{BTreeMap, BTreeSet};

use crate::budget::Budget;
use crate::history::{Function, Operation, Outcome, Value};
use crate::models::{Decision, Model, Refutation, Set, SetAction};
use crate::words;

/// Bytes that are held for each operation and each element of a read, at most.
const BYTES_EACH: u64 = 256;

/// Decides one set; none where something is removed, or asked for by itself, or added twice.
pub(crate) fn decide(model: &Set, operations: &[&Operation], budget: &Budget) -> Option<Decision> {
    let mut adds: BTreeMap<Value, &Operation> = BTreeMap::new();
    let mut reads: Vec<(BTreeSet<Value>, &Operation)> = Vec::new();
    let mut held = 0;
    for &operation in operations {
        match model.action(operation).ok()? {
            Some(SetAction::Add(element)) => {
                if adds.insert(element, operation).is_some() {
                    return None;
                }
                held += 1;
            }
            Some(SetAction::Read(elements)) => {
                held += 1 + elements.len() as u64;
                reads.push((elements, operation));
            }
            Some(SetAction::Doubled(element)) => {
                return Some(Decision::Illegal(Refutation {
                    core: vec![operation.id],
                    what: format!("{element} is shown twice"),
                    sentence: format!("{} shows {element} twice.", words::brief(operation)),
                }));
            }
            Some(_) => return None,
            None => {}
        }
        if held * BYTES_EACH > budget.bytes || (held % 1024 == 0 && budget.expired()) {
            return None;
        }
    }
    reads.sort_by_key(|(elements, read)| (elements.len(), read.invoked.index));
    Some(match refute(&adds, &reads) {
        Some(refutation) => Decision::Illegal(refutation),
        None => Decision::Legal,
    })
}

fn refute(adds: &BTreeMap<Value, &Operation>, reads: &[(BTreeSet<Value>, &Operation)]) -> Option<Refutation> {
    // The operation that was invoked last, of those that are in the order so far.
    let mut latest: Option<&Operation> = None;
    let nothing = BTreeSet::new();
    let mut before: (_, Option<&Operation>) = (&nothing, None);
    let mut shown: BTreeSet<&Value> = BTreeSet::new();
    for (elements, read) in reads {
        if let Some(missing) = before.0.difference(elements).next() {
            return Some(apart(before.1.unwrap_or(read), read, missing, elements, before.0));
        }
        let new: Vec<&Value> = elements.difference(before.0).collect();
        for &element in &new {
            let Some(&add) = adds
                .get(element)
                .filter(|add| add.invoked.index < read.returned())
            else {
                return Some(Refutation {
                    core: vec![read.id],
                    what: format!("{element} was shown although nobody had added it"),
                    sentence: format!(
                        "{} shows {element}, which no operation that can have succeeded had asked to add by then.",
                        words::brief(read)
                    ),
                });
            };
            if let Some(late) = too_late(add, latest) {
                // The last read before this one lacks the element, and shows whatever was added before.
                let lacks = if late.f == Function::Read {
                    Some(late)
                } else {
                    before.1
                };
                let lacks = lacks.unwrap_or(read);
                return Some(Refutation {
                    core: vec![add.id, late.id, lacks.id],
                    what: format!("{element} came too late"),
                    sentence: if lacks.id == late.id {
                        format!(
                            "{} had completed before {} was invoked, which does not show {element}.",
                            words::brief(add),
                            words::brief(late)
                        )
                    } else {
                        format!(
                            "{} had completed before {} was invoked, yet {} shows the one and not the other.",
                            words::brief(add),
                            words::brief(late),
                            words::brief(lacks)
                        )
                    },
                });
            }
            shown.insert(element);
        }
        for &element in &new {
            latest = later(latest, adds[element]);
        }
        if let Some(late) = too_late(read, latest) {
            return Some(Refutation {
                core: vec![read.id, late.id],
                what: format!("{} was too early", words::brief(read)),
                sentence: format!(
                    "{} had completed before {} was invoked, yet it must come after that.",
                    words::brief(read),
                    words::brief(late)
                ),
            });
        }
        latest = later(latest, read);
        before = (elements, Some(*read));
    }
    // What no read shows comes after all of them, and after what they show.
    for (element, add) in adds {
        if shown.contains(element) || add.completion.outcome != Outcome::Ok {
            continue;
        }
        if let (Some(late), Some((_, last))) = (too_late(add, latest), reads.last()) {
            return Some(Refutation {
                core: vec![add.id, late.id, last.id],
                what: format!("{element} is missing"),
                sentence: format!(
                    "{} had completed before {} was invoked, yet {} does not show {element}.",
                    words::brief(add),
                    words::brief(late),
                    words::brief(last)
                ),
            });
        }
    }
    None
}

/// The operation before it in the order, if that was invoked only when this one had completed.
fn too_late<'h>(operation: &Operation, latest: Option<&'h Operation>) -> Option<&'h Operation> {
    latest.filter(|latest| operation.returned() < latest.invoked.index)
}

fn later<'h>(latest: Option<&'h Operation>, operation: &'h Operation) -> Option<&'h Operation> {
    match latest {
        Some(other) if other.invoked.index > operation.invoked.index => latest,
        _ => Some(operation),
    }
}

/// Two reads of which each shows what the other lacks.
fn apart(
    one: &Operation,
    other: &Operation,
    missing: &Value,
    elements: &BTreeSet<Value>,
    before: &BTreeSet<Value>,
) -> Refutation {
    let extra = elements
        .difference(before)
        .next()
        .map(Value::to_string)
        .unwrap_or_default();
    Refutation {
        core: vec![one.id, other.id],
        what: format!("two reads disagree on {missing} and {extra}"),
        sentence: format!(
            "{} shows {missing} but not {extra}, and {} shows {extra} but not {missing}: neither can be the first.",
            words::brief(one),
            words::brief(other)
        ),
    }
}
