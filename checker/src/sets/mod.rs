//! Sets that only grow: `add` an element, `read` them all.
//!
//! ```text
//!  process 0   [─ add 1 ok ─]
//!  process 1        [─ add 2 info ─ …
//!  process 2                     [─ add 3 fail ─]
//!  process 3                                        [─ read 1 2 ─]
//! ```
//!
//! A read must show every element that was acknowledged (or shown to a reader) before the read began, may show
//! those whose outcome is unknown or that were being added meanwhile, and must show neither others nor any
//! element more often than it was added. Whatever an earlier read missed may only be late; what a *final* read
//! misses (one that began after the last acknowledgement) is lost.

pub(crate) mod elements;
pub(crate) mod growing;

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use crate::history::{Function, History, Key, Operation, Outcome, Value};
use crate::verdict::{Finding, Verdict, Witness};
use crate::words;

/// The most witnesses that a finding carries.
const WITNESSES: usize = 10;

/// Judges the reads of every key's set. See [`check_every_read`] for what this lets pass.
///
/// Elements may be late in reads before the last acknowledgement; the final reads must be complete. Without a
/// final read that succeeded, what was lost cannot be told, and the verdict is at best `unknown`.
pub fn check(history: &History) -> Finding {
    judge(history, false)
}

/// Judges the reads of every key's set, and demands of each read what [`check`] demands of the final ones:
/// everything that was acknowledged before it began.
pub fn check_every_read(history: &History) -> Finding {
    judge(history, true)
}

fn judge(history: &History, every_read: bool) -> Finding {
    let mut keys: BTreeMap<Option<&Key>, Set> = BTreeMap::new();
    let mut strange = None;
    for operation in &history.operations {
        let set = keys.entry(operation.key.as_ref()).or_default();
        match operation.f {
            Function::Add => set.adds.push(operation),
            Function::Read => set.reads.push(operation),
            _ => {
                strange = strange.or(Some(operation));
                set.strange.get_or_insert(operation.invoked.index);
            }
        }
    }
    // What an operation that is not known did, nobody can say; only what was over before it still proves something.
    for set in keys.values_mut() {
        let until = set.strange.unwrap_or(u64::MAX);
        set.reads.retain(|read| read.returned() <= until);
    }
    let mut found = Found::default();
    for (key, set) in &keys {
        set.judge(*key, every_read, &mut found);
    }
    if let Some(operation) = strange {
        found.unknown.push(format!(
            "operation {} is `{}`, which a set does not have",
            operation.id, operation.f
        ));
    }
    found.witnesses.sort_by_key(|witness| witness.operations.len());
    let verdict = match (found.violations, found.unknown.is_empty()) {
        (0, true) => Verdict::Valid,
        (0, false) => Verdict::Unknown,
        _ => Verdict::Invalid,
    };
    let sentence = match verdict {
        Verdict::Valid => format!(
            "Every one of {} reads shows what it must and nothing else; no acknowledged element is lost.",
            found.reads
        ),
        Verdict::Unknown => words::undecided(&found.unknown),
        Verdict::Invalid => found.sentence(),
    };
    found.witnesses.truncate(WITNESSES);
    Finding {
        property: "set".to_owned(),
        verdict,
        sentence,
        method: format!("bounds ({})", keys.len()),
        operations: history.operations.len() as u64,
        states: 0,
        witnesses: found.witnesses,
        linearizations: Vec::new(),
        levels: Vec::new(),
    }
}

#[derive(Default)]
struct Found {
    violations: u64,
    lost: u64,
    doubled: u64,
    made_up: u64,
    reads: u64,
    unknown: Vec<String>,
    witnesses: Vec<Witness>,
}

impl Found {
    fn sentence(&self) -> String {
        let mut parts = Vec::new();
        for (count, what) in [
            (self.lost, "missing although acknowledged or read before"),
            (self.doubled, "present more than once"),
            (self.made_up, "present although never successfully added by then"),
        ] {
            if count > 0 {
                let noun = if count == 1 { "element is" } else { "elements are" };
                parts.push(format!("{count} {noun} {what}"));
            }
        }
        format!("In the reads of the set, {}.", parts.join(", "))
    }
}

#[derive(Default)]
struct Set<'h> {
    adds: Vec<&'h Operation>,
    reads: Vec<&'h Operation>,
    /// When the first operation was invoked that a set does not have.
    strange: Option<u64>,
}

/// What is known of one element.
#[derive(Default)]
struct Element<'h> {
    adds: Vec<&'h Operation>,
    /// The earliest completion that proves that it is in the set: an acknowledgement, or a read that shows it.
    proof: Option<&'h Operation>,
}

impl<'h> Set<'h> {
    fn judge(&self, key: Option<&Key>, every_read: bool, found: &mut Found) {
        let (elements, order) = self.elements();
        let settled = self
            .adds
            .iter()
            .map(|add| add.returned())
            .filter(|&at| at != u64::MAX)
            .max()
            .unwrap_or(0);
        let mut reported: FxHashMap<&Value, ()> = FxHashMap::default();
        let mut final_reads = 0;
        for read in self
            .reads
            .iter()
            .filter(|read| read.completion.outcome == Outcome::Ok)
        {
            let Some(shown) = shown(read) else {
                let value = &read.completion.value;
                found
                    .unknown
                    .push(format!("operation {} read {value}, which is not a list", read.id));
                continue;
            };
            found.reads += 1;
            let is_final = read.invoked.index > settled;
            final_reads += u64::from(is_final);
            let mut copies: FxHashMap<&Value, usize> = FxHashMap::default();
            for element in shown {
                let count = copies.entry(element).or_default();
                *count += 1;
                let adds = elements.get(element).map_or(&[][..], |element| &element.adds);
                let possible = adds.iter().filter(|add| may_show(add, read)).count();
                if possible == 0 && *count == 1 {
                    if reported.insert(element, ()).is_none() {
                        found.made_up += 1;
                        found.report(key, made_up(element, adds, read));
                    }
                } else if *count == possible.max(1) + 1 && reported.insert(element, ()).is_none() {
                    found.doubled += 1;
                    found.report(key, doubled(element, adds, read, possible));
                }
            }
            if !is_final && !every_read {
                continue;
            }
            for &element in &order {
                let Some(proof) = elements.get(element).and_then(|element| element.proof) else {
                    continue;
                };
                if proof.returned() < read.invoked.index
                    && !copies.contains_key(element)
                    && reported.insert(element, ()).is_none()
                {
                    found.lost += 1;
                    found.report(key, lost(element, proof, read, is_final));
                }
            }
        }
        if final_reads == 0 && !self.adds.is_empty() {
            let of = key.map(|key| format!(" of {key}")).unwrap_or_default();
            found.unknown.push(format!(
                "no read{of} that began after the last acknowledged add succeeded"
            ));
        }
    }

    /// Every element that was added or shown, and their order of first appearance.
    fn elements(&self) -> (FxHashMap<&'h Value, Element<'h>>, Vec<&'h Value>) {
        let mut elements: FxHashMap<&'h Value, Element<'h>> = FxHashMap::default();
        let mut order = Vec::new();
        let mut note = |value: &'h Value, add: Option<&'h Operation>, proof: Option<&'h Operation>| {
            let element = elements.entry(value).or_insert_with(|| {
                order.push(value);
                Element::default()
            });
            element.adds.extend(add);
            if let Some(proof) = proof {
                let earlier = element
                    .proof
                    .is_none_or(|known| proof.returned() < known.returned());
                element.proof = if earlier { Some(proof) } else { element.proof };
            }
        };
        for add in &self.adds {
            note(
                &add.argument,
                Some(add),
                (add.completion.outcome == Outcome::Ok).then_some(add),
            );
        }
        for read in self
            .reads
            .iter()
            .filter(|read| read.completion.outcome == Outcome::Ok)
        {
            for element in shown(read).unwrap_or_default() {
                note(element, None, Some(read));
            }
        }
        (elements, order)
    }
}

impl Found {
    fn report(&mut self, key: Option<&Key>, (operations, story): (Vec<&Operation>, Vec<String>)) {
        self.violations += 1;
        let culprit = operations
            .iter()
            .max_by_key(|operation| operation.invoked.index)
            .map(|last| last.id);
        let mut operations: Vec<Operation> = operations.into_iter().cloned().collect();
        operations.sort_by_key(|operation| operation.id);
        operations.dedup_by_key(|operation| operation.id);
        self.witnesses.push(Witness {
            key: key.cloned(),
            operations,
            culprit,
            story,
            orders: Vec::new(),
        });
    }
}

/// What a read shows; an absent set is empty.
fn shown(read: &Operation) -> Option<&[Value]> {
    match &read.completion.value {
        Value::List(elements) => Some(elements),
        Value::Nil => Some(&[]),
        _ => None,
    }
}

/// Whether the add may have taken effect before the read's last instant.
fn may_show(add: &Operation, read: &Operation) -> bool {
    add.completion.outcome != Outcome::Fail && add.invoked.index < read.returned()
}

type Explained<'h> = (Vec<&'h Operation>, Vec<String>);

fn made_up<'h>(element: &Value, adds: &[&'h Operation], read: &'h Operation) -> Explained<'h> {
    let mut story = vec![words::did(read)];
    if let Some(failed) = adds.iter().find(|add| add.completion.outcome == Outcome::Fail) {
        story.insert(0, words::did(failed));
        story.push(format!(
            "The set shows {element}, which was only ever added by an operation that failed: a dirty read."
        ));
    } else if let Some(later) = adds.first() {
        story.push(words::did(later));
        story.push(format!(
            "The set showed {element} before anyone had asked to add it."
        ));
    } else {
        story.push(format!(
            "The set shows {element}, which nobody ever added: a phantom."
        ));
    }
    (vec![read], story)
}

fn doubled<'h>(
    element: &Value,
    adds: &[&'h Operation],
    read: &'h Operation,
    possible: usize,
) -> Explained<'h> {
    let mut story: Vec<String> = adds.iter().take(1).map(|add| words::did(add)).collect();
    story.push(words::did(read));
    story.push(if possible <= 1 {
        format!("The set shows {element} more than once, although it was added only once: a double apply.")
    } else {
        format!(
            "The set shows {element} more often than the {possible} times that it was added: a double apply."
        )
    });
    (vec![read], story)
}

fn lost<'h>(element: &Value, proof: &'h Operation, read: &'h Operation, is_final: bool) -> Explained<'h> {
    let mut story = vec![words::did(proof), words::did(read)];
    let then = if is_final {
        "is missing from the final read: it is lost"
    } else {
        "is missing: a stale read"
    };
    let why = if proof.f == Function::Add {
        "had been acknowledged"
    } else {
        "had been read"
    };
    story.push(format!("{element} {why} before the read began, yet it {then}."));
    (vec![proof, read], story)
}
