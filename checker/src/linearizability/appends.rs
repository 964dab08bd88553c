//! What can go wrong with appends: lost, doubled, out of order, seen late, or made up.

use super::lies::{Lie, Scene, gap};
use super::pieces::Parts;
use crate::history::{Function, Operation, Outcome, Value};
use crate::models::CellAction;
use crate::words;

impl<'a> Scene<'a> {
    /// Whether the value grows by appends. That it is a list says nothing: those can be written, too.
    pub(super) fn grows(&self) -> bool {
        let appends = |operation: &&Operation| operation.f == Function::Append;
        !self.cell.allows(&Function::Write) || self.operations.iter().any(appends)
    }

    /// The elements of the list that an operation saw, or the pieces of the text.
    pub(super) fn elements(&self, operation: &Operation) -> Option<Vec<Value>> {
        match (self.saw(operation)?, &self.pieces) {
            (Value::List(elements), _) => Some(elements.to_vec()),
            (Value::Text(text), Some(pieces)) => match pieces.parts(&text) {
                Parts::One(elements) => Some(elements),
                Parts::None | Parts::Several => None,
            },
            _ => None,
        }
    }

    /// Who appended an element, or may have.
    pub(super) fn appender(&self, element: &Value) -> Option<&'a Operation> {
        let appends =
            |operation: &&&Operation| self.action(operation) == Some(CellAction::Append(element.clone()));
        self.operations.iter().find(appends).copied()
    }

    /// One sentence on appends.
    pub(super) fn about_appends(&self) -> Option<Lie> {
        if let (Some(Value::Text(text)), Some(pieces)) = (self.saw(self.culprit), &self.pieces)
            && pieces.parts(&text) == Parts::None
        {
            return Some(Lie::new(
                self.by("a phantom, read"),
                format!(
                    "{} {}, which cannot be put together from what was appended: a phantom.",
                    words::brief(self.culprit),
                    self.found()
                ),
            ));
        }
        let list = self.elements(self.culprit);
        let inside = list
            .as_ref()
            .and_then(|list| self.about_twice(list).or_else(|| self.about_source(list)));
        inside
            .or_else(|| self.about_missing())
            .or_else(|| self.about_pair())
            .or_else(|| self.about_shrinking())
            .or_else(|| self.reordered())
    }

    fn about_twice(&self, list: &[Value]) -> Option<Lie> {
        let (_, twice) = list
            .iter()
            .enumerate()
            .find(|(place, element)| list[..*place].contains(element))?;
        let appends =
            |operation: &&&Operation| self.action(operation) == Some(CellAction::Append(twice.clone()));
        (self.operations.iter().filter(appends).count() <= 1).then(|| {
            Lie::new(
                self.by("a double append, seen"),
                format!(
                    "{} saw {} twice, which was appended once: a double append.",
                    words::brief(self.culprit),
                    words::short(twice)
                ),
            )
        })
    }

    /// An element that nobody had appended.
    fn about_source(&self, list: &[Value]) -> Option<Lie> {
        let brief = words::brief(self.culprit);
        let initial = self.cell_elements();
        let strange = list.iter().filter(|element| !initial.contains(element));
        for element in strange {
            let text = words::short(element);
            let Some(append) = self.appender(element) else {
                let failed = |operation: &&&Operation| {
                    operation.f == Function::Append
                        && operation.completion.outcome == Outcome::Fail
                        && operation.argument == *element
                };
                return Some(match self.operations.iter().find(failed) {
                    Some(failed) => Lie::new(
                        self.by("a dirty read"),
                        format!(
                            "{brief} saw {text}, but {} was told that it failed: a dirty read.",
                            words::brief(failed)
                        ),
                    ),
                    None => Lie::new(
                        self.by("a phantom, read"),
                        format!("{brief} saw {text}, which nobody ever appended: a phantom."),
                    ),
                });
            };
            if append.invoked.index > self.culprit.returned() {
                return Some(Lie::new(
                    self.by("a read from the future"),
                    format!("{brief} saw {text} before anyone had asked to append it."),
                ));
            }
        }
        None
    }

    fn cell_elements(&self) -> Vec<Value> {
        match crate::models::Model::init(self.cell) {
            Value::List(elements) => elements.to_vec(),
            _ => Vec::new(),
        }
    }

    /// Whether what an operation saw has the element in it, where that is certain and where an append that is
    /// not in it must be missing: not where something else may have replaced the value.
    fn shows(&self, operation: &Operation, element: &Value) -> Option<bool> {
        if let Some(elements) = self.elements(operation) {
            return Some(elements.contains(element));
        }
        match (self.saw(operation)?, element) {
            (Value::Text(text), Value::Text(piece)) if self.essential.len() == 2 => {
                Some(text.contains(&**piece))
            }
            _ => None,
        }
    }

    /// An acknowledged append that the culprit did not see.
    fn about_missing(&self) -> Option<Lie> {
        let culprit = self.culprit;
        let lacks = |element: &Value| self.shows(culprit, element) == Some(false);
        let (append, element) =
            self.essential
                .iter()
                .find_map(|operation| match self.action(operation)? {
                    CellAction::Append(element)
                        if lacks(&element) && operation.returned() < culprit.invoked.index =>
                    {
                        Some((*operation, element))
                    }
                    _ => None,
                })?;
        let shows = |operation: &&&Operation| self.shows(operation, &element) == Some(true);
        let mut seen = self.operations.iter().filter(shows).peekable();
        let kind = if seen.peek().is_none() {
            "a lost append"
        } else if seen.any(|operation| operation.returned() > culprit.invoked.index) {
            "a stale read"
        } else {
            "a stale read or a lost append"
        };
        Some(Lie::new(
            format!(
                "{kind} ({} is missing for process {})",
                words::short(&element),
                culprit.process
            ),
            format!(
                "{} had completed{} before {} began, yet what that read returned does not contain {}: {kind}.",
                words::brief(append),
                gap(append, culprit),
                words::brief(culprit),
                words::short(&element),
            ),
        ))
    }

    /// Two reads of which the later shows less, or neither is how the other begins.
    fn about_pair(&self) -> Option<Lie> {
        let [one, other] = self.essential else { return None };
        let (first, second) = if one.returned() <= other.returned() {
            (*one, *other)
        } else {
            (*other, *one)
        };
        let (early, late) = (self.elements(first)?, self.elements(second)?);
        if early.iter().zip(late.iter()).any(|(one, other)| one != other) {
            return Some(Lie::new(
                format!(
                    "processes {} and {} saw the appends in different orders",
                    first.process, second.process
                ),
                format!(
                    "{} and {} disagree about the order of the appends: neither saw what the other began with.",
                    words::brief(first),
                    words::brief(second),
                ),
            ));
        }
        if late.len() >= early.len() || first.returned() > second.invoked.index {
            return None;
        }
        let again = |operation: &&&Operation| {
            operation.returned() > second.invoked.index
                && self
                    .elements(operation)
                    .is_some_and(|elements| elements.starts_with(&early))
        };
        let kind = if self.operations.iter().any(|operation| again(&operation)) {
            "a stale read"
        } else {
            "a stale read or lost appends"
        };
        let missing = early.len() - late.len();
        Some(Lie::new(
            format!("{kind} (process {})", second.process),
            format!(
                "{} did not see the last {} that {} had seen, which had completed{} before that read began: {kind}.",
                words::brief(second),
                if missing == 1 {
                    "append".to_owned()
                } else {
                    format!("{missing} appends")
                },
                words::brief(first),
                gap(first, second),
            ),
        ))
    }

    /// A text that was longer before, on a key that is also written otherwise.
    fn about_shrinking(&self) -> Option<Lie> {
        let [one, other] = self.essential else { return None };
        let (first, second) = if one.returned() <= other.returned() {
            (*one, *other)
        } else {
            (*other, *one)
        };
        let (Value::Text(early), Value::Text(late)) = (self.saw(first)?, self.saw(second)?) else {
            return None;
        };
        let regressed = early.len() > late.len() && early.starts_with(&*late);
        (regressed && first.returned() < second.invoked.index).then(|| {
            Lie::new(
                self.by("a stale read or a lost append, found"),
                format!(
                    "{} had completed{} before {} began, which returned only the beginning of what the former had \
                     returned: a stale read or a lost append.",
                    words::brief(first),
                    gap(first, second),
                    words::brief(second),
                ),
            )
        })
    }

    fn reordered(&self) -> Option<Lie> {
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
            Lie::new(
                format!(
                    "reordered appends by processes {} and {}",
                    one.process, other.process
                ),
                format!(
                    "{} had completed before {} began, yet the value has {} before {}: reordered appends.",
                    words::brief(one),
                    words::brief(other),
                    words::short(second),
                    words::short(first)
                ),
            )
        })
    }
}
