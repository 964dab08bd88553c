//! Which method decides a key: the cheapest exact one that applies.

use super::Method;
use super::cells::{Act, CellSpec};
use super::problem::{NEVER, Numbered, Op, Spec};
use super::search::{Answer, Unknown, WIDEST, order, search};
use super::{lists, zones};
use crate::budget::{Budget, Spent};
use crate::models::Model;

/// What was found out about one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// There is a legal order.
    Legal,
    /// There is none, and these operations (indexes) are enough to see it, given that all others may have
    /// taken effect in their windows or not at all.
    Illegal(Vec<usize>),
    /// Not decided, and why.
    Unknown(String),
}

/// Operations (indexes) that show that a key is illegal, and the method that found it.
#[derive(Clone, Debug)]
pub(crate) struct Evidence {
    pub operations: Vec<usize>,
    pub method: Method,
}

/// The answer, and how it was come by.
pub(crate) struct Decided {
    pub answer: Found,
    pub method: Method,
    pub states: u64,
}

/// A key's model, with all the methods that apply to it.
pub(crate) trait Decide: Spec {
    /// Decides a key by the method, or by the cheapest.
    fn decide(&mut self, ops: &[Op], method: Method, budget: &Budget) -> Decided;

    /// A legal order of the operations (indexes), once the method has found that there is one; none if finding
    /// it again costs more than the budget.
    fn linearize(&mut self, ops: &[Op], method: Method, budget: &Budget) -> Option<Vec<usize>>;

    /// States from which the part of a history after `start` may begin, whatever happened before, as far as
    /// `ops` can tell them apart; none if the model cannot say. `before` are effects completed by then.
    fn roots(&mut self, _ops: &[Op], _before: &[Op]) -> Option<Vec<u32>> {
        None
    }
}

impl<M: Model> Decide for Numbered<'_, M> {
    fn decide(&mut self, ops: &[Op], method: Method, budget: &Budget) -> Decided {
        match method {
            Method::Zones | Method::Lists | Method::Own => not_applicable(method),
            Method::Cheapest | Method::Search => by_search(ops, self, budget),
        }
    }

    fn linearize(&mut self, ops: &[Op], _: Method, budget: &Budget) -> Option<Vec<usize>> {
        order_by_search(ops, self, budget)
    }

    /// Every state that any actions can lead to, if these are few: so it is with locks.
    fn roots(&mut self, _: &[Op], _: &[Op]) -> Option<Vec<u32>> {
        self.reachable(STATES_TO_BEGIN_WITH)
    }
}

/// The most states with which the part of a history that is looked at may begin.
const STATES_TO_BEGIN_WITH: usize = 32;

impl Decide for CellSpec {
    fn decide(&mut self, ops: &[Op], method: Method, budget: &Budget) -> Decided {
        let fast = match method {
            Method::Search | Method::Own => None,
            Method::Zones => zones::decide(ops, self).map(|answer| (answer, Method::Zones)),
            Method::Lists => lists::decide(ops, self).map(|answer| (answer, Method::Lists)),
            Method::Cheapest => lists::decide(ops, self)
                .map(|answer| (answer, Method::Lists))
                .or_else(|| zones::decide(ops, self).map(|answer| (answer, Method::Zones))),
        };
        match fast {
            Some((answer, method)) => Decided {
                answer,
                method,
                states: 0,
            },
            None if matches!(method, Method::Zones | Method::Lists | Method::Own) => not_applicable(method),
            None => {
                let mut ops = ops.to_vec();
                self.share_classes(&mut ops);
                by_search(&ops, self, budget)
            }
        }
    }

    fn linearize(&mut self, ops: &[Op], method: Method, budget: &Budget) -> Option<Vec<usize>> {
        match method {
            Method::Zones => zones::order(ops, self),
            Method::Lists => lists::order(ops, self),
            Method::Search | Method::Cheapest | Method::Own => {
                let mut ops = ops.to_vec();
                self.share_classes(&mut ops);
                order_by_search(&ops, self, budget)
            }
        }
    }

    fn roots(&mut self, ops: &[Op], before: &[Op]) -> Option<Vec<u32>> {
        let mut mentioned = vec![false; self.values.len()];
        for op in ops {
            match self.act(op) {
                Act::Append(_) => return None,
                Act::Read(value) | Act::Cas(value, _) | Act::Differs(value) => {
                    mentioned[value as usize] = true
                }
                Act::Write(_) | Act::Contradiction => {}
            }
        }
        // Values that nothing mentions are all alike: one will do.
        let mut roots = vec![self.initial];
        let mut other = !mentioned[self.initial as usize];
        mentioned[self.initial as usize] = false;
        for op in before {
            match self.act(op) {
                Act::Append(_) => return None,
                act => {
                    let Some(value) = act.installs() else { continue };
                    if std::mem::take(&mut mentioned[value as usize]) {
                        roots.push(value);
                    } else if !other && !roots.contains(&value) {
                        other = true;
                        roots.push(value);
                    }
                }
            }
        }
        Some(roots)
    }
}

fn not_applicable(method: Method) -> Decided {
    let reason = format!("the method `{}` does not apply", method.name());
    Decided {
        answer: Found::Unknown(reason),
        method,
        states: 0,
    }
}

/// Decides by search, without what is useless.
pub(crate) fn by_search<S: Spec>(ops: &[Op], spec: &mut S, budget: &Budget) -> Decided {
    let initial = spec.init();
    let (answer, states) = in_stages(ops, spec, &[initial], budget);
    let answer = match answer {
        Answer::Legal => Found::Legal,
        Answer::Illegal(stuck) => {
            let last = ops[stuck].returned;
            let evidence = ops
                .iter()
                .enumerate()
                .filter(|(_, op)| op.required && op.returned <= last);
            Found::Illegal(evidence.map(|(index, _)| index).collect())
        }
        Answer::Spent(spent) => Found::Unknown(format!("{spent} after {states} configurations")),
        Answer::TooWide(width) => Found::Unknown(format!(
            "{width} operations are in flight at once, more than the {WIDEST} that the search is made for"
        )),
    };
    Decided {
        answer,
        method: Method::Search,
        states,
    }
}

/// Configurations that the search explores before it tries the shortcut.
const STATES_BEFORE_SHORTCUT: u64 = 20_000;

/// Searches for a while; then tries the shortcut that may prove that there is no legal order; then goes on.
fn in_stages<S: Spec>(ops: &[Op], spec: &mut S, roots: &[u32], budget: &Budget) -> (Answer, u64) {
    let unknown = ops.iter().any(|op| op.returned == NEVER);
    if !unknown || budget.states <= STATES_BEFORE_SHORTCUT {
        return search_from(ops, spec, roots, Unknown::Once, budget);
    }
    let short = budget.clone().with_states(STATES_BEFORE_SHORTCUT);
    let (answer, first) = search_from(ops, spec, roots, Unknown::Once, &short);
    if !matches!(answer, Answer::Spent(Spent::States(_))) {
        return (answer, first);
    }
    let rest = budget.clone().with_states(budget.states - first);
    let (answer, second) = search_from(ops, spec, roots, Unknown::Freely, &rest);
    if let Answer::Illegal(_) | Answer::Spent(Spent::Time) = answer {
        return (answer, first + second);
    }
    let rest = budget
        .clone()
        .with_states((budget.states - first).saturating_sub(second));
    let (answer, third) = search_from(ops, spec, roots, Unknown::Once, &rest);
    (answer, first + second + third)
}

/// Searches from any of the roots, without what is useless.
pub(crate) fn search_from<S: Spec>(
    ops: &[Op],
    spec: &mut S,
    roots: &[u32],
    unknown: Unknown,
    budget: &Budget,
) -> (Answer, u64) {
    let Some((indexes, kept)) = without_useless(ops, spec) else {
        return search(ops, spec, roots, unknown, budget);
    };
    match search(&kept, spec, roots, unknown, budget) {
        (Answer::Illegal(stuck), states) => (Answer::Illegal(indexes[stuck]), states),
        other => other,
    }
}

/// A legal order, without what is useless.
fn order_by_search<S: Spec>(ops: &[Op], spec: &mut S, budget: &Budget) -> Option<Vec<usize>> {
    let initial = spec.init();
    let Some((indexes, kept)) = without_useless(ops, spec) else {
        return order(ops, spec, initial, budget);
    };
    let order = order(&kept, spec, initial, budget)?;
    Some(order.into_iter().map(|index| indexes[index]).collect())
}

/// The operations that are of use, with their indexes; none if all are.
fn without_useless<S: Spec>(ops: &[Op], spec: &S) -> Option<(Vec<usize>, Vec<Op>)> {
    let useless = spec.useless(ops).filter(|useless| useless.contains(&true))?;
    let useful = ops
        .iter()
        .copied()
        .enumerate()
        .filter(|(index, _)| !useless[*index]);
    Some(useful.unzip())
}
