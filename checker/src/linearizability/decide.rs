//! Which method decides a key: the cheapest exact one that applies.

use super::Method;
use super::cells::{Act, CellSpec};
use super::problem::{Numbered, Op, Spec};
use super::race::{Raced, Rules, race};
use super::search::{Answer, WIDEST};
use super::{lists, zones};
use crate::budget::Budget;
use crate::models::{Model, Refutation};

/// What was found out about one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// There is a legal order.
    Legal,
    /// There is none.
    Illegal(Evidence),
    /// Not decided, and why.
    Unknown(String),
}

/// What shows that a key is illegal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Evidence {
    /// Operations (indexes) that are enough to see it, given that all others may have taken effect in their
    /// windows or not at all.
    pub operations: Vec<usize>,
    /// Whether it is known that the key was legal until the last of them completed.
    pub earliest: bool,
    /// What the model's own method found, where it did, which also explains it.
    pub own: Option<Refutation>,
}

impl From<Vec<usize>> for Evidence {
    fn from(operations: Vec<usize>) -> Self {
        Evidence {
            operations,
            earliest: false,
            own: None,
        }
    }
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
    /// Classes may be renumbered.
    fn decide(&mut self, ops: &mut [Op], method: Method, budget: &Budget) -> Decided;

    /// Looks for a legal order from any of the roots by search and frontier, without what is useless.
    fn race(&mut self, ops: &[Op], roots: &[u32], rules: Rules, budget: &Budget) -> Raced;

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
    fn decide(&mut self, ops: &mut [Op], method: Method, budget: &Budget) -> Decided {
        match method {
            Method::Zones | Method::Lists | Method::Own => not_applicable(method),
            Method::Cheapest | Method::Search | Method::Frontier => by_race(ops, self, method, budget),
        }
    }

    fn race(&mut self, ops: &[Op], roots: &[u32], rules: Rules, budget: &Budget) -> Raced {
        race_of_any_model(ops, self, roots, rules, budget)
    }

    fn linearize(&mut self, ops: &[Op], method: Method, budget: &Budget) -> Option<Vec<usize>> {
        order_by_race(ops, self, method, budget)
    }

    /// Every state that any actions can lead to, if these are few: so it is with locks.
    fn roots(&mut self, _: &[Op], _: &[Op]) -> Option<Vec<u32>> {
        self.reachable(STATES_TO_BEGIN_WITH)
    }
}

/// The most states with which the part of a history that is looked at may begin.
const STATES_TO_BEGIN_WITH: usize = 32;

impl Decide for CellSpec {
    fn decide(&mut self, ops: &mut [Op], method: Method, budget: &Budget) -> Decided {
        let fast = match method {
            Method::Search | Method::Frontier | Method::Own => None,
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
                self.share_classes(ops);
                by_race(ops, self, method, budget)
            }
        }
    }

    fn race(&mut self, ops: &[Op], roots: &[u32], rules: Rules, budget: &Budget) -> Raced {
        race_from(ops, self, roots, rules, budget)
    }

    fn linearize(&mut self, ops: &[Op], method: Method, budget: &Budget) -> Option<Vec<usize>> {
        match method {
            Method::Zones => zones::order(ops, self),
            Method::Lists => lists::order(ops, self),
            Method::Search | Method::Frontier | Method::Cheapest | Method::Own => {
                let mut ops = ops.to_vec();
                self.share_classes(&mut ops);
                order_by_race(&ops, self, method, budget)
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

/// Decides by the search, the frontier, or the two raced.
fn by_race<S: Decide>(ops: &[Op], spec: &mut S, method: Method, budget: &Budget) -> Decided {
    let initial = spec.init();
    let raced = spec.race(ops, &[initial], Rules::new(method), budget);
    let Raced {
        answer,
        states,
        winner,
        ..
    } = raced;
    let answer = match answer {
        Answer::Legal => Found::Legal,
        Answer::Illegal(stuck) => {
            let last = ops[stuck].returned;
            let evidence = ops
                .iter()
                .enumerate()
                .filter(|(_, op)| op.required && op.returned <= last);
            Found::Illegal(Evidence {
                operations: evidence.map(|(index, _)| index).collect(),
                earliest: raced.earliest,
                own: None,
            })
        }
        Answer::Spent(spent) => Found::Unknown(format!("{spent} after {states} configurations")),
        Answer::TooWide(width) => Found::Unknown(format!(
            "{width} operations are in flight at once, more than the {WIDEST} that the search is made for"
        )),
    };
    Decided {
        answer,
        method: winner,
        states,
    }
}

/// The race for whichever model. The search behind it is large; so it is compiled once, and not for each model.
fn race_of_any_model(ops: &[Op], spec: &mut dyn Spec, roots: &[u32], rules: Rules, budget: &Budget) -> Raced {
    race_from(ops, spec, roots, rules, budget)
}

/// Looks for a legal order from any of the roots, without what is useless.
fn race_from<S: Spec + ?Sized>(
    ops: &[Op],
    spec: &mut S,
    roots: &[u32],
    rules: Rules,
    budget: &Budget,
) -> Raced {
    let Some(useless) = spec.useless(ops).filter(|useless| useless.contains(&true)) else {
        return race(ops, spec, roots, rules, budget);
    };
    let useful = ops
        .iter()
        .copied()
        .enumerate()
        .filter(|(index, _)| !useless[*index]);
    let (indexes, kept): (Vec<usize>, Vec<Op>) = useful.unzip();
    let mut raced = race(&kept, spec, roots, rules, budget);
    if let Answer::Illegal(stuck) = &mut raced.answer {
        *stuck = indexes[*stuck];
    }
    raced
        .order
        .iter_mut()
        .flatten()
        .for_each(|index| *index = indexes[*index]);
    raced
}

fn order_by_race<S: Decide>(ops: &[Op], spec: &mut S, method: Method, budget: &Budget) -> Option<Vec<usize>> {
    let initial = spec.init();
    let rules = Rules {
        order: true,
        ..Rules::new(method)
    };
    spec.race(ops, &[initial], rules, budget).order
}
