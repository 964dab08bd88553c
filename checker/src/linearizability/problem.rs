//! One key's history in the form that the methods work on: numbers instead of values.

use rustc_hash::FxHashMap;

use crate::history::{Operation, Outcome};
use crate::models::{Model, Unsupported};

/// The `returned` of an operation that may take effect at any later time.
pub(crate) const NEVER: u64 = u64::MAX;

/// One operation of a problem.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Op {
    /// Position of its invocation among all events.
    pub invoked: u64,
    /// Position of its completion, or [`NEVER`].
    pub returned: u64,
    /// Position among the history's operations.
    pub id: usize,
    /// Its action; equal numbers mean that the operations cannot be told apart.
    pub class: u32,
    /// Whether every legal order must contain it. Others may be left out.
    pub required: bool,
}

/// A model whose states and actions are numbers.
pub(crate) trait Spec {
    fn init(&self) -> u32;
    fn step(&mut self, state: u32, class: u32) -> Option<u32>;
    fn pure(&self, class: u32) -> bool;
    /// Whether it can take effect now without changing the state, so that putting it off gains nothing.
    fn settles(&mut self, state: u32, class: u32) -> bool {
        self.pure(class) && self.step(state, class) == Some(state)
    }
    /// Whether the action is legal in every state and always leaves the same one.
    fn blind(&self, class: u32) -> bool;
    /// Whether it makes sense to pretend that the action could take effect as often as it helps: not if each
    /// time leads to a state of its own, as appends do.
    fn repeatable(&self, _class: u32) -> bool {
        true
    }
    /// All states that there can be, if they are known beforehand and few.
    fn anything(&self) -> Option<Vec<u32>> {
        None
    }
    /// Memory held, in bytes.
    fn bytes(&self) -> u64;
    /// Whether a step may take long, since it is not one of ours.
    fn foreign(&self) -> bool {
        false
    }
    /// Which of the operations, all of them optional ones, may be left out without changing the answer; none if
    /// that cannot be told.
    fn useless(&self, _ops: &[Op]) -> Option<Vec<bool>> {
        None
    }
}

/// Any model, its states and actions numbered as they turn up and its transitions remembered.
pub(crate) struct Numbered<'m, M: Model> {
    model: &'m M,
    actions: Vec<M::Action>,
    states: Vec<M::State>,
    numbers: FxHashMap<M::State, u32>,
    transitions: FxHashMap<(u32, u32), Option<u32>>,
    /// What the states hold, in bytes.
    held: usize,
}

impl<'m, M: Model> Numbered<'m, M> {
    /// Compiles a key's operations.
    pub(crate) fn compile<'a>(
        model: &'m M,
        operations: impl IntoIterator<Item = &'a Operation>,
    ) -> Result<(Vec<Op>, Self), Unsupported> {
        let mut classes: FxHashMap<M::Action, u32> = FxHashMap::default();
        let mut actions = Vec::new();
        let mut ops = Vec::new();
        for operation in operations {
            let Some(action) = model.action(operation)? else {
                continue;
            };
            let required = operation.completion.outcome != Outcome::Info;
            if !required && model.pure(&action) {
                continue;
            }
            let class = *classes.entry(action).or_insert_with_key(|action| {
                actions.push(action.clone());
                actions.len() as u32 - 1
            });
            ops.push(op(operation, class, required));
        }
        let initial = model.init();
        let held = model.bytes(&initial);
        let numbers = FxHashMap::from_iter([(initial.clone(), 0)]);
        let spec = Numbered {
            model,
            actions,
            states: vec![initial],
            numbers,
            transitions: FxHashMap::default(),
            held,
        };
        Ok((ops, spec))
    }

    /// All states that the actions lead to from the initial one in any order, if there are no more than that.
    pub(crate) fn reachable(&mut self, most: usize) -> Option<Vec<u32>> {
        let mut reached = vec![0];
        let mut next = 0;
        while let Some(&state) = reached.get(next) {
            for class in 0..self.actions.len() as u32 {
                if let Some(after) = self.step(state, class).filter(|after| !reached.contains(after)) {
                    reached.push(after);
                }
            }
            if reached.len() > most {
                return None;
            }
            next += 1;
        }
        Some(reached)
    }
}

impl<M: Model> Spec for Numbered<'_, M> {
    fn init(&self) -> u32 {
        0
    }

    fn step(&mut self, state: u32, class: u32) -> Option<u32> {
        if let Some(&next) = self.transitions.get(&(state, class)) {
            return next;
        }
        let next = self
            .model
            .step(&self.states[state as usize], &self.actions[class as usize])
            .map(|next| {
                *self.numbers.entry(next).or_insert_with_key(|next| {
                    self.held += self.model.bytes(next);
                    self.states.push(next.clone());
                    self.states.len() as u32 - 1
                })
            });
        self.transitions.insert((state, class), next);
        next
    }

    fn pure(&self, class: u32) -> bool {
        self.model.pure(&self.actions[class as usize])
    }

    fn blind(&self, class: u32) -> bool {
        self.model.blind(&self.actions[class as usize])
    }

    fn foreign(&self) -> bool {
        true
    }

    fn bytes(&self) -> u64 {
        (2 * self.held + 8 * self.states.len() + 24 * self.transitions.capacity()) as u64
    }
}

/// The operation's window and identity.
pub(crate) fn op(operation: &Operation, class: u32, required: bool) -> Op {
    let returned = if required { operation.returned() } else { NEVER };
    Op {
        invoked: operation.invoked.index,
        returned,
        id: operation.id,
        class,
        required,
    }
}
