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
pub(crate) fn longest<M: Model>(operations: &[&Operation], model: &M) -> Vec<Order> {
    if operations.len() > OPERATIONS {
        return Vec::new();
    }
    let actions = operations
        .iter()
        .map(|operation| model.action(operation).ok().flatten())
        .collect::<Vec<_>>();
    let mut walk = Walk {
        operations,
        actions,
        model,
        used: vec![false; operations.len()],
        path: Vec::new(),
        best: Vec::new(),
        steps: 0,
    };
    walk.from(&model.init());
    walk.best
}

struct Walk<'a, M: Model> {
    operations: &'a [&'a Operation],
    actions: Vec<Option<M::Action>>,
    model: &'a M,
    used: Vec<bool>,
    path: Vec<Placed>,
    best: Vec<Order>,
    steps: usize,
}

impl<M: Model> Walk<'_, M> {
    fn from(&mut self, state: &M::State) {
        self.steps += 1;
        if self.steps > STEPS {
            return;
        }
        let mut stuck = Vec::new();
        let mut moved = false;
        for index in self.candidates() {
            let Some(action) = self.actions[index].clone() else {
                continue;
            };
            let operation = self.operations[index];
            match self.model.step(state, &action) {
                Some(next) => {
                    // Whatever never completed only counts where it helps.
                    moved |= operation.completion.outcome != Outcome::Info;
                    self.used[index] = true;
                    self.path.push(Placed {
                        operation: operation.id,
                        state: self.model.describe(&next),
                    });
                    self.from(&next);
                    self.path.pop();
                    self.used[index] = false;
                }
                None => stuck.push(Stuck {
                    operation: operation.id,
                    reason: format!(
                        "{} cannot be next: {}",
                        words::brief(operation),
                        self.model.explain(state, &action)
                    ),
                }),
            }
        }
        if !moved && !stuck.is_empty() {
            self.record(stuck);
        }
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

    fn record(&mut self, stuck: Vec<Stuck>) {
        let longest = self.best.first().map_or(0, |order| order.steps.len());
        if self.path.len() > longest {
            self.best.clear();
        }
        if self.path.len() >= longest && self.best.len() < ORDERS {
            self.best.push(Order {
                steps: self.path.clone(),
                stuck,
            });
        }
    }
}
