//! What a cell's witness is about, and what went wrong in it.

use super::pieces::Pieces;
use crate::history::{Function, Operation, Outcome, Value};
use crate::models::{Cell, CellAction, Model};
use crate::words;

/// The longest list whose appends are shown one by one.
const SHOWN_APPENDS: usize = 8;

/// What went wrong.
pub(super) struct Lie {
    /// In a few words: `a stale read by process 3`.
    pub what: String,
    /// In a sentence, which begins with a small letter.
    pub sentence: String,
}

impl Lie {
    pub(super) fn new(what: impl Into<String>, sentence: impl Into<String>) -> Self {
        Lie {
            what: what.into(),
            sentence: sentence.into(),
        }
    }
}

/// What can be said of any model.
pub(super) fn general(culprit: &Operation) -> Lie {
    let brief = words::brief(culprit);
    Lie::new(
        format!("no legal order explains {brief}"),
        format!("no order that agrees with real time explains how {brief} could complete as it did."),
    )
}

/// How long after the completion of one operation another began: ` 49 ms`, or nothing if no times are known.
pub(super) fn gap(earlier: &Operation, later: &Operation) -> String {
    match earlier.completion.at {
        Some(done) if later.invoked.time > done.time => {
            format!(" {}", words::span(later.invoked.time - done.time))
        }
        _ => String::new(),
    }
}

/// What a cell's witness is about.
pub(super) struct Scene<'a> {
    pub(super) cell: &'a Cell,
    pub(super) operations: &'a [&'a Operation],
    pub(super) essential: &'a [&'a Operation],
    pub(super) culprit: &'a Operation,
    /// Where texts are lists in another spelling: what they are made of.
    pub(super) pieces: Option<Pieces>,
}

impl<'a> Scene<'a> {
    pub(super) fn new(
        cell: &'a Cell,
        operations: &'a [&'a Operation],
        essential: &'a [&'a Operation],
        culprit: &'a Operation,
    ) -> Self {
        Scene {
            cell,
            operations,
            essential,
            culprit,
            pieces: Pieces::new(&cell.init(), operations.iter().copied()),
        }
    }

    pub(super) fn action(&self, operation: &Operation) -> Option<CellAction> {
        self.cell.action(operation).ok().flatten()
    }

    /// The value that the operation found there.
    pub(super) fn saw(&self, operation: &Operation) -> Option<Value> {
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

    /// Where the values come from that the essential operations saw.
    pub(super) fn sources(&self) -> Vec<&'a Operation> {
        let mut sources = Vec::new();
        for operation in self.essential {
            if let Some(elements) = self.elements(operation) {
                if elements.len() <= SHOWN_APPENDS {
                    sources.extend(elements.iter().filter_map(|element| self.appender(element)));
                }
                continue;
            }
            if let Some(value) = self.saw(operation) {
                // The last that can have done it; where none can, one that said that it did not.
                let in_time = |writer: &&Operation| writer.invoked.index < operation.returned();
                let possible = self.writers(&value).filter(in_time).last();
                let initial = value == self.cell.init();
                let failed = || self.failed_writers(&value).find(in_time).filter(|_| !initial);
                sources.extend(possible.or_else(failed));
            }
        }
        sources
    }

    /// What went wrong.
    pub(super) fn lie(&self) -> Lie {
        let culprit = self.culprit;
        let brief = words::brief(culprit);
        if let Some(CellAction::Contradiction(value)) = self.action(culprit) {
            let value = words::short(&value);
            return Lie::new(
                format!(
                    "a compare-and-set by process {} contradicts itself",
                    culprit.process
                ),
                format!(
                    "{brief} was told that the value differs from {value}, and at once that it is {value}."
                ),
            );
        }
        if self.grows() {
            return self.about_appends().unwrap_or_else(|| general(culprit));
        }
        if let Some(lie) = self.twice_from_the_same() {
            return lie;
        }
        let Some(value) = self.saw(culprit) else {
            return general(culprit);
        };
        let lie = self.about_origin(&value).or_else(|| self.about_denial(&value));
        lie.or_else(|| self.about_age(&value)).unwrap_or_else(|| {
            let found = self.found();
            let text = words::short(&value);
            Lie::new(
                format!("no legal order explains {brief}"),
                format!(
                    "{brief} {found}, but in no order that agrees with real time, whatever became of the operations \
                     that never learned their outcome, is {text} the value then."
                ),
            )
        })
    }

    /// `returned 4`, or how else the culprit says what it saw.
    pub(super) fn found(&self) -> String {
        let value = self
            .saw(self.culprit)
            .map(|value| words::short(&value))
            .unwrap_or_default();
        match (&self.culprit.f, self.culprit.completion.outcome) {
            (Function::Read, _) => format!("returned {value}"),
            (_, Outcome::Fail) => format!("was told that the value was {value}"),
            _ => format!("found {value}"),
        }
    }

    /// `read`, to speak of the culprit again.
    pub(super) fn noun(&self) -> &'static str {
        match self.culprit.f {
            Function::Read => "read",
            _ => "compare-and-set",
        }
    }

    /// `a stale read by process 3`.
    pub(super) fn by(&self, kind: &str) -> String {
        format!("{kind} by process {}", self.culprit.process)
    }

    /// A value that was said not to be there, and was there again although nobody can have written it.
    fn about_denial(&self, value: &Value) -> Option<Lie> {
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
        Some(Lie::new(
            self.by("a value that had been ruled out was found"),
            format!(
                "{} was told that the value is not {text}, yet {}, which began later, {}, although nobody wrote {text} \
                 in between.",
                words::brief(denial),
                words::brief(self.culprit),
                self.found(),
            ),
        ))
    }

    fn twice_from_the_same(&self) -> Option<Lie> {
        let [one, other] = self.essential else { return None };
        match (self.action(one)?, self.action(other)?) {
            (CellAction::Cas(from, one_to), CellAction::Cas(again, other_to))
                if from == again && one_to != other_to =>
            {
                let from = words::short(&from);
                Some(Lie::new(
                    format!("a lost update (processes {} and {})", one.process, other.process),
                    format!(
                        "two compare-and-sets from {from} succeeded, to {} and to {}, although {from} was there only \
                         once: a lost update.",
                        words::short(&one_to),
                        words::short(&other_to),
                    ),
                ))
            }
            _ => None,
        }
    }

    /// A value that was not there to be seen.
    fn about_origin(&self, value: &Value) -> Option<Lie> {
        if *value == self.cell.init() {
            return None;
        }
        let culprit = self.culprit;
        let (brief, found) = (words::brief(culprit), self.found());
        let mut writers = self
            .writers(value)
            .filter(|writer| writer.id != culprit.id)
            .peekable();
        if writers.peek().is_none() {
            return Some(match self.failed_writers(value).next() {
                Some(failed) => Lie::new(
                    self.by("a dirty read"),
                    format!(
                        "{brief} {found}, but the only operation that ever asked to write that, {}, was told that it \
                         failed: a dirty read.",
                        words::brief(failed)
                    ),
                ),
                None => Lie::new(
                    self.by("a phantom, read"),
                    format!("{brief} {found}, which nobody ever wrote: a phantom."),
                ),
            });
        }
        if writers.all(|writer| writer.invoked.index > culprit.returned()) {
            let first = self
                .writers(value)
                .next()
                .map(|writer| format!(" ({})", words::brief(writer)));
            return Some(Lie::new(
                self.by("a read from the future"),
                format!(
                    "{brief} {found} before anyone had asked to write it{}.",
                    first.unwrap_or_default()
                ),
            ));
        }
        None
    }

    /// A value that was there once, but no longer.
    fn about_age(&self, value: &Value) -> Option<Lie> {
        let culprit = self.culprit;
        let (brief, found, noun) = (words::brief(culprit), self.found(), self.noun());
        let before = |operation: &&&Operation| operation.returned() < culprit.invoked.index;
        let newer = self
            .essential
            .iter()
            .filter(before)
            .max_by_key(|operation| operation.invoked.index)?;
        let gap = gap(newer, culprit);
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
            let seen = self
                .operations
                .iter()
                .any(|operation| self.saw(operation).as_ref() == Some(&new));
            let (what, kind) = if seen {
                ("a stale read", "a stale read".to_owned())
            } else {
                let lost = format!(
                    "a stale read or, since nobody ever saw {}, a lost write",
                    words::short(&new)
                );
                ("a stale read or a lost write, found", lost)
            };
            return Some(Lie::new(
                self.by(what),
                format!(
                    "{brief} {found}, but {}, which replaced it, had completed{gap} before that {noun} began: {kind}.",
                    words::brief(newer)
                ),
            ));
        }
        let seen = self.saw(newer).filter(|seen| seen != value)?;
        Some(Lie::new(
            self.by("a stale read"),
            format!(
                "{brief} {found}, but {} had seen {}, which is newer, and had completed{gap} before that {noun} began: \
                 the value went back in time.",
                words::brief(newer),
                words::short(&seen),
            ),
        ))
    }
}
