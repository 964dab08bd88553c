//! A witness in words that an engineer understands in one read.

use super::orders;
use super::problem::Op;
use super::witness::Kernel;
use crate::history::{Key, Operation, Outcome, Value};
use crate::models::{Cell, CellAction, Model};
use crate::verdict::Witness;
use crate::words;

/// The longest list whose appends are shown one by one.
const SHOWN_APPENDS: usize = 8;
/// The most sentences about single operations.
const SHOWN_OPERATIONS: usize = 12;

/// Turns kernels into witnesses.
pub(crate) struct Teller<'a, M: Model> {
    /// All operations of the key.
    operations: &'a [&'a Operation],
    /// Those that constrain something, in numbers.
    ops: &'a [Op],
    model: &'a M,
}

impl<'a, M: Model> Teller<'a, M> {
    pub(crate) fn new(operations: &'a [&'a Operation], ops: &'a [Op], model: &'a M) -> Self {
        Teller {
            operations,
            ops,
            model,
        }
    }

    fn essential(&self, kernel: &[usize]) -> Vec<&'a Operation> {
        let find = |id: usize| {
            self.operations
                .binary_search_by_key(&id, |operation| operation.id)
                .ok()
        };
        kernel
            .iter()
            .filter_map(|&index| find(self.ops[index].id))
            .map(|place| self.operations[place])
            .collect()
    }

    fn scene<'s>(&'s self, essential: &'s [&'a Operation]) -> Option<Scene<'s>> {
        let culprit = essential
            .iter()
            .copied()
            .max_by_key(|operation| operation.returned())?;
        Some(Scene {
            cell: self.model.cell()?,
            operations: self.operations,
            essential,
            culprit,
        })
    }

    /// The operations (indexes) that show where the values of a kernel come from.
    pub(crate) fn sources(&self, kernel: &[usize]) -> Vec<usize> {
        let essential = self.essential(kernel);
        let sources = self
            .scene(&essential)
            .map(|scene| scene.sources())
            .unwrap_or_default();
        let place = |operation: &Operation| self.ops.binary_search_by_key(&operation.id, |op| op.id).ok();
        sources.into_iter().filter_map(place).collect()
    }

    /// The witness that a kernel makes.
    pub(crate) fn tell(&self, kernel: &Kernel, key: Option<&Key>) -> Witness {
        let essential = self.essential(&kernel.ops);
        let culprit = essential
            .iter()
            .copied()
            .max_by_key(|operation| operation.returned());
        let mut shown = essential.clone();
        let mut conclusion = culprit.map(general);
        if let Some(scene) = self.scene(&essential) {
            shown.extend(scene.sources());
            conclusion = Some(scene.conclusion());
        }
        shown.sort_by_key(|operation| operation.id);
        shown.dedup_by_key(|operation| operation.id);
        let mut story: Vec<String> = shown
            .iter()
            .take(SHOWN_OPERATIONS)
            .map(|operation| words::did(operation))
            .collect();
        if shown.len() > SHOWN_OPERATIONS {
            story.push(format!(
                "{} more operations take part.",
                shown.len() - SHOWN_OPERATIONS
            ));
        }
        if !kernel.minimal {
            story.push("The budget was spent before this witness was as small as it can be.".to_owned());
        }
        story.extend(conclusion.map(|conclusion| words::sentence(&conclusion)));
        Witness {
            key: key.cloned(),
            orders: orders::longest(&shown, self.model),
            operations: shown.into_iter().cloned().collect(),
            culprit: culprit.map(|operation| operation.id),
            story,
        }
    }
}

fn general(culprit: &Operation) -> String {
    format!(
        "no order that agrees with real time explains how {} could complete as it did.",
        words::brief(culprit)
    )
}

/// What a cell's witness is about.
struct Scene<'a> {
    cell: &'a Cell,
    operations: &'a [&'a Operation],
    essential: &'a [&'a Operation],
    culprit: &'a Operation,
}

impl<'a> Scene<'a> {
    fn action(&self, operation: &Operation) -> Option<CellAction> {
        self.cell.action(operation).ok().flatten()
    }

    /// The value that the operation found there.
    fn saw(&self, operation: &Operation) -> Option<Value> {
        match self.action(operation)? {
            CellAction::Read(value) | CellAction::Cas(value, _) => Some(value),
            _ => None,
        }
    }

    /// The value that the operation left there, if it took effect.
    fn left(&self, operation: &Operation) -> Option<Value> {
        match self.action(operation)? {
            CellAction::Write(value) => Some(value),
            CellAction::Cas(expected, new) => (expected != new).then_some(new),
            _ => None,
        }
    }

    /// Operations that may have written a value: those that did, or whose outcome is unknown.
    fn writers(&self, value: &Value) -> impl Iterator<Item = &'a Operation> {
        self.operations
            .iter()
            .copied()
            .filter(move |operation| self.left(operation).as_ref() == Some(value))
    }

    /// Operations that asked to write a value and were told that they failed.
    fn failed_writers(&self, value: &Value) -> impl Iterator<Item = &'a Operation> {
        let failed = self
            .operations
            .iter()
            .copied()
            .filter(|operation| operation.completion.outcome == Outcome::Fail);
        failed.filter(move |operation| match (&operation.argument, operation.f.name()) {
            (Value::List(pair), "cas") => pair.get(1) == Some(value),
            (argument, "write") => argument == value,
            _ => false,
        })
    }

    fn appender(&self, element: &Value) -> Option<&'a Operation> {
        let appends =
            |operation: &&&Operation| self.action(operation) == Some(CellAction::Append(element.clone()));
        self.operations.iter().find(appends).copied()
    }

    /// Where the values come from that the essential operations saw.
    fn sources(&self) -> Vec<&'a Operation> {
        let mut sources = Vec::new();
        for operation in self.essential {
            match self.saw(operation) {
                Some(Value::List(elements)) if elements.len() <= SHOWN_APPENDS => {
                    sources.extend(elements.iter().filter_map(|element| self.appender(element)));
                }
                Some(value) => {
                    // The last that can have done it; where none can, one that said that it did not.
                    let in_time = |writer: &&Operation| writer.invoked.index < operation.returned();
                    let possible = self.writers(&value).filter(in_time).last();
                    let initial = value == self.cell.init();
                    let failed = || self.failed_writers(&value).find(in_time).filter(|_| !initial);
                    sources.extend(possible.or_else(failed));
                }
                None => {}
            }
        }
        sources
    }

    /// One sentence that names what went wrong.
    fn conclusion(&self) -> String {
        let culprit = self.culprit;
        let brief = words::brief(culprit);
        if let Some(CellAction::Contradiction(value)) = self.action(culprit) {
            return format!(
                "{brief} was told that the value differs from {0}, and in the same breath that the value is {0}.",
                words::short(&value)
            );
        }
        let lists = self
            .essential
            .iter()
            .any(|operation| matches!(self.action(operation), Some(CellAction::Append(_))))
            || matches!(self.saw(culprit), Some(Value::List(_)));
        if lists {
            return self.about_lists().unwrap_or_else(|| general(culprit));
        }
        if let Some(sentence) = self.twice_from_the_same() {
            return sentence;
        }
        let Some(value) = self.saw(culprit) else {
            return general(culprit);
        };
        let sentence = self.about_origin(&value).or_else(|| self.about_denial(&value));
        sentence.or_else(|| self.about_age(&value)).unwrap_or_else(|| {
            format!(
                "{brief} saw {0}, but in no order that agrees with real time, whatever became of the operations that \
                 never learned their outcome, is {0} the value then.",
                words::short(&value)
            )
        })
    }

    /// A value that was said not to be there, and was there again although nobody can have written it.
    fn about_denial(&self, value: &Value) -> Option<String> {
        let denies =
            |operation: &&Operation| self.action(operation) == Some(CellAction::Differs(value.clone()));
        let denial = self.essential.iter().copied().find(denies)?;
        let between = |writer: &Operation| {
            writer.returned() > denial.invoked.index && writer.invoked.index < self.culprit.returned()
        };
        if denial.returned() > self.culprit.invoked.index || self.writers(value).any(between) {
            return None;
        }
        let text = words::short(value);
        Some(format!(
            "{} was told that the value is not {text}, yet {} saw {text} afterwards, although nobody wrote {text} in \
             between.",
            words::brief(denial),
            words::brief(self.culprit)
        ))
    }

    fn twice_from_the_same(&self) -> Option<String> {
        let [one, other] = self.essential else { return None };
        match (self.action(one)?, self.action(other)?) {
            (CellAction::Cas(from, one_to), CellAction::Cas(again, other_to))
                if from == again && one_to != other_to =>
            {
                let from = words::short(&from);
                Some(format!(
                    "Two compare-and-sets from {from} succeeded, to {} and to {}, although {from} was there only once: \
                     a lost update.",
                    words::short(&one_to),
                    words::short(&other_to),
                ))
            }
            _ => None,
        }
    }

    /// A value that was not there to be seen.
    fn about_origin(&self, value: &Value) -> Option<String> {
        if *value == self.cell.init() {
            return None;
        }
        let culprit = self.culprit;
        let (brief, text) = (words::brief(culprit), words::short(value));
        let mut writers = self
            .writers(value)
            .filter(|writer| writer.id != culprit.id)
            .peekable();
        if writers.peek().is_none() {
            return Some(match self.failed_writers(value).next() {
                Some(failed) => format!(
                    "{brief} saw {text}, which was only ever written by an operation that was told that it failed \
                     ({}): a dirty read.",
                    words::brief(failed)
                ),
                None => format!("{brief} saw {text}, which nobody ever wrote: a phantom."),
            });
        }
        if writers.all(|writer| writer.invoked.index > culprit.returned()) {
            let first = self
                .writers(value)
                .next()
                .map(|writer| format!(" ({})", words::brief(writer)));
            return Some(format!(
                "{brief} saw {text} before anyone had asked to write it{}.",
                first.unwrap_or_default()
            ));
        }
        None
    }

    /// A value that was there once, but no longer.
    fn about_age(&self, value: &Value) -> Option<String> {
        let culprit = self.culprit;
        let (brief, text) = (words::brief(culprit), words::short(value));
        let before = |operation: &&&Operation| operation.returned() < culprit.invoked.index;
        let newer = self
            .essential
            .iter()
            .filter(before)
            .max_by_key(|operation| operation.invoked.index)?;
        let since = match (culprit.completion.at, newer.completion.at) {
            (Some(_), Some(done)) if culprit.invoked.time > done.time => {
                format!(
                    " {:.4} s earlier",
                    (culprit.invoked.time - done.time) as f64 / 1e9
                )
            }
            _ => " before that".to_owned(),
        };
        // The old value must really be older. Either everyone who may have written it had completed before the
        // newer operation began (of the initial value that is always so); or it has one writer, and somebody
        // had seen it by then.
        let in_time = |operation: &&Operation| operation.invoked.index < culprit.returned();
        let completed = |operation: &Operation| operation.returned() < newer.invoked.index;
        let older = self.writers(value).filter(in_time).all(completed)
            || (self.writers(value).filter(in_time).count() == 1
                && *value != self.cell.init()
                && self
                    .operations
                    .iter()
                    .any(|other| completed(other) && self.saw(other).as_ref() == Some(value)));
        if !older {
            return None;
        }
        if let Some(new) = self.left(newer).filter(|new| new != value) {
            let new_text = words::short(&new);
            let seen = self
                .operations
                .iter()
                .any(|operation| self.saw(operation).as_ref() == Some(&new));
            let kind = if seen {
                "a stale read"
            } else {
                "a stale read or, since nobody ever saw the new value, a lost write"
            };
            return Some(format!(
                "{brief} saw {text}, although {} came after {text} had been there and had been acknowledged{since}, \
                 so that the value had become {new_text}: {kind}.",
                words::brief(newer)
            ));
        }
        let seen = self.saw(newer).filter(|seen| seen != value)?;
        Some(format!(
            "{brief} saw {text}, although {} had seen {}, which is newer,{since}: the value went back in time.",
            words::brief(newer),
            words::short(&seen),
        ))
    }

    /// Appends that are lost, doubled, out of order, or made up.
    fn about_lists(&self) -> Option<String> {
        let elements = |operation: &Operation| match self.saw(operation) {
            Some(Value::List(elements)) => Some(elements),
            _ => None,
        };
        let culprit = self.culprit;
        let brief = words::brief(culprit);
        if let Some(list) = elements(culprit) {
            if let Some(twice) = list
                .iter()
                .enumerate()
                .find(|(place, element)| list[..*place].contains(element))
            {
                let element = words::short(twice.1);
                let appends = self
                    .operations
                    .iter()
                    .filter(|operation| self.action(operation) == Some(CellAction::Append(twice.1.clone())));
                if appends.count() <= 1 {
                    return Some(format!(
                        "{brief} saw {element} twice, which was appended once: a double append."
                    ));
                }
            }
            for element in list.iter() {
                match self.appender(element) {
                    Some(append) if append.invoked.index > culprit.returned() => {
                        return Some(format!(
                            "{brief} saw {} before anyone had asked to append it.",
                            words::short(element)
                        ));
                    }
                    Some(_) => {}
                    None if matches!(self.cell.init(), Value::List(initial) if initial.contains(element)) => {
                    }
                    None => {
                        let element = words::short(element);
                        return Some(format!(
                            "{brief} saw {element}, which nobody successfully appended: a phantom."
                        ));
                    }
                }
            }
        }
        let [one, other] = self.essential else {
            return self.reordered();
        };
        let (first, second) = if one.returned() <= other.returned() {
            (one, other)
        } else {
            (other, one)
        };
        match (self.action(first), elements(second)) {
            (Some(CellAction::Append(element)), Some(list)) if !list.contains(&element) => {
                return Some(format!(
                    "{} had been acknowledged, yet {} did not see {}: a lost append.",
                    words::brief(first),
                    words::brief(second),
                    words::short(&element),
                ));
            }
            _ => {}
        }
        let (early, late) = (elements(first)?, elements(second)?);
        if early.iter().zip(late.iter()).any(|(one, other)| one != other) {
            return Some(format!(
                "{} and {} saw the same list in different orders: neither is a prefix of the other.",
                words::brief(first),
                words::brief(second),
            ));
        }
        (late.len() < early.len()).then(|| {
            format!(
                "{} saw fewer elements than {} had seen before it began: a stale read.",
                words::brief(second),
                words::brief(first)
            )
        })
    }

    fn reordered(&self) -> Option<String> {
        let appends: Vec<(&Operation, Value)> = self
            .essential
            .iter()
            .filter_map(|operation| match self.action(operation) {
                Some(CellAction::Append(element)) => Some((*operation, element)),
                _ => None,
            })
            .collect();
        let [(one, first), (other, second)] = &appends[..] else {
            return None;
        };
        (one.returned() < other.invoked.index).then(|| {
            format!(
                "{} had completed before {} began, yet the list has {} before {}: reordered appends.",
                words::brief(one),
                words::brief(other),
                words::short(second),
                words::short(first)
            )
        })
    }
}
