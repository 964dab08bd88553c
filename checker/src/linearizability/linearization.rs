//! Linearizations: legal orders that a valid history can show for itself, and the few lines that verify them.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::partition;
use crate::history::{History, Key, Operation, Outcome};
use crate::models::Model;
use crate::words;

/// A legal order of one key's operations. It holds every operation that constrains the model and happened, and
/// of those whose outcome is unknown the ones that took effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Linearization {
    /// The key; none where the model has a single object.
    pub key: Option<Key>,
    /// The operations' ids, in the order in which they take effect.
    pub order: Vec<usize>,
}

impl Linearization {
    /// The order in words, a line for each operation of the history that it is of.
    pub fn in_words<'a>(&'a self, history: &'a History) -> impl Iterator<Item = String> + 'a {
        let operations = self.order.iter().filter_map(|&id| history.operations.get(id));
        operations.map(words::did)
    }
}

/// Why an order is no linearization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// The keys of the orders are not the keys of the history, in the order of their names.
    Keys,
    /// The history has no such operation on this key, or it stands in the order twice, or it cannot have taken
    /// effect.
    Misplaced(usize),
    /// An operation that surely happened is missing.
    Missing(usize),
    /// The second operation stands behind the first, but had completed before the first was invoked.
    RealTime(usize, usize),
    /// The model does not allow the operation at its place.
    Illegal(usize),
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Flaw::Keys => f.write_str("the orders are not those of the history's keys"),
            Flaw::Misplaced(id) => write!(
                f,
                "operation {id} has no place in this order, or not a second one"
            ),
            Flaw::Missing(id) => write!(f, "operation {id} happened and is missing"),
            Flaw::RealTime(one, other) => {
                write!(
                    f,
                    "operation {other} had completed before operation {one} was invoked, but stands behind it"
                )
            }
            Flaw::Illegal(id) => write!(f, "operation {id} is not legal at its place"),
        }
    }
}

impl std::error::Error for Flaw {}

/// Verifies orders by the definition, without any of the methods that find them: each holds what happened on its
/// key, once; whatever completed before something else was invoked stands before it; and the model allows every
/// step.
///
/// # Errors
/// The first flaw.
pub fn verify<M: Model>(history: &History, model: &M, orders: &[Linearization]) -> Result<(), Flaw> {
    let keys = partition(history, model.partitioned());
    if !keys
        .iter()
        .map(|(key, _)| *key)
        .eq(orders.iter().map(|order| order.key.as_ref()))
    {
        return Err(Flaw::Keys);
    }
    for ((_, operations), Linearization { order, .. }) in keys.iter().zip(orders) {
        verify_key(operations, model, order)?;
    }
    Ok(())
}

/// The same for the operations of one key, which stand in the order of invocation.
pub(super) fn verify_key<M: Model>(
    operations: &[&Operation],
    model: &M,
    order: &[usize],
) -> Result<(), Flaw> {
    let mut placed = vec![false; operations.len()];
    let mut state = model.init();
    let mut latest: Option<&Operation> = None;
    for &id in order {
        let place = operations.binary_search_by_key(&id, |operation| operation.id);
        let place = place
            .ok()
            .filter(|&place| !std::mem::replace(&mut placed[place], true));
        let operation = operations[place.ok_or(Flaw::Misplaced(id))?];
        if let Some(before) = latest.filter(|before| operation.returned() < before.invoked.index) {
            return Err(Flaw::RealTime(before.id, id));
        }
        latest = latest
            .filter(|before| before.invoked >= operation.invoked)
            .or(Some(operation));
        let action = model
            .action(operation)
            .ok()
            .flatten()
            .ok_or(Flaw::Misplaced(id))?;
        state = model.step(&state, &action).ok_or(Flaw::Illegal(id))?;
    }
    let happened = |operation: &Operation| {
        operation.completion.outcome != Outcome::Info
            && model.action(operation).is_ok_and(|action| action.is_some())
    };
    let mut left_out = operations
        .iter()
        .zip(placed)
        .filter(|(operation, placed)| !placed && happened(operation));
    left_out
        .next()
        .map_or(Ok(()), |(operation, _)| Err(Flaw::Missing(operation.id)))
}
