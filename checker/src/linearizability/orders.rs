//! The longest legal orders of a few operations, and why they cannot go on.

use crate::history::{Operation, Outcome};
use crate::models::Model;
use crate::verdict::{Order, Placed, Stuck};
use crate::words;

/// The most operations whose orders are enumerated.
const OPERATIONS: usize = 24;
/// The most steps that the enumeration takes.
const STEPS: usize = 50_000;
/// The most orders that are shown.
const ORDERS: usize = 3;

/// The longest legal orders of some operations of a key; none for too many operations.
///
/// A witness shows few of the operations before its own, so the model's initial state may not be the one that these
/// found: where none of them can be first, or hardly any, it begins with a compare-and-set or a long list. Then the
/// orders begin with a state in which one of the operations is legal ([`Model::precondition`]), and say so. States
/// from which everything would be legal are passed over: since the witness is illegal whatever came before, the
/// object cannot have been in such a state.
pub(crate) fn longest<M: Model>(operations: &[&Operation], model: &M) -> Vec<Order> {
    if operations.len() > OPERATIONS {
        return Vec::new();
    }
    let actions = operations
        .iter()
        .map(|operation| model.action(operation).ok().flatten())
        .collect::<Vec<_>>();
    let walk = |start: &M::State| {
        let mut walk = Walk {
            operations,
            actions: &actions,
            model,
            used: vec![false; operations.len()],
            path: Vec::new(),
            best: Vec::new(),
            steps: 0,
            complete: false,
        };
        walk.from(start);
        (walk.best, walk.complete)
    };
    let mut starts = vec![model.init()];
    let (mut best, _) = walk(&starts[0]);
    let length = |orders: &[Order]| orders.first().map_or(0, |order| order.steps.len());
    for start in actions
        .iter()
        .flatten()
        .filter_map(|action| model.precondition(action))
    {
        if starts.contains(&start) {
            continue;
        }
        let (mut orders, complete) = walk(&start);
        if !complete && length(&orders) > length(&best) {
            let state = model.describe(&start);
            orders
                .iter_mut()
                .for_each(|order| order.start = Some(state.clone()));
            best = orders;
        }
        starts.push(start);
    }
    best
}

struct Walk<'a, M: Model> {
    operations: &'a [&'a Operation],
    actions: &'a [Option<M::Action>],
    model: &'a M,
    used: Vec<bool>,
    path: Vec<(usize, M::State)>,
    best: Vec<Order>,
    steps: usize,
    /// Whether everything that has to have a place can have one.
    complete: bool,
}

impl<M: Model> Walk<'_, M> {
    fn from(&mut self, state: &M::State) {
        self.steps += 1;
        if self.steps > STEPS || self.complete {
            return;
        }
        let mut stuck = Vec::new();
        let mut moved = false;
        for index in self.candidates() {
            let Some(action) = &self.actions[index] else {
                continue;
            };
            match self.model.step(state, action) {
                Some(next) => {
                    // Whatever never completed only counts where it helps.
                    moved |= self.required(index);
                    self.used[index] = true;
                    self.path.push((index, next.clone()));
                    self.from(&next);
                    self.path.pop();
                    self.used[index] = false;
                }
                None => stuck.push(index),
            }
        }
        self.complete |= (0..self.operations.len()).all(|index| self.used[index] || !self.required(index));
        if !moved && !stuck.is_empty() {
            self.record(state, &stuck);
        }
    }

    fn required(&self, index: usize) -> bool {
        self.actions[index].is_some() && self.operations[index].completion.outcome != Outcome::Info
    }

    /// Operations before which no other has to come: none that is left had completed when they were invoked.
    fn candidates(&self) -> Vec<usize> {
        let left =
            || (0..self.operations.len()).filter(|&index| !self.used[index] && self.actions[index].is_some());
        let first = left()
            .map(|index| self.operations[index].returned())
            .min()
            .unwrap_or(u64::MAX);
        left()
            .filter(|&index| self.operations[index].invoked.index < first)
            .collect()
    }

    fn record(&mut self, state: &M::State, stuck: &[usize]) {
        let longest = self.best.first().map_or(0, |order| order.steps.len());
        if self.path.len() > longest {
            self.best.clear();
        }
        if self.path.len() < longest || self.best.len() >= ORDERS {
            return;
        }
        let placed = |(index, state): &(usize, M::State)| Placed {
            operation: self.operations[*index].id,
            state: self.model.describe(state),
        };
        let refused = |&index: &usize| {
            let brief = words::brief(self.operations[index]);
            let why = self.actions[index]
                .as_ref()
                .map(|action| self.model.explain(state, action));
            Stuck {
                operation: self.operations[index].id,
                reason: format!("{brief} cannot be next: {}", why.unwrap_or_default()),
            }
        };
        let order = Order {
            start: None,
            steps: self.path.iter().map(placed).collect(),
            stuck: stuck.iter().map(refused).collect(),
        };
        self.best.push(order);
    }
}
