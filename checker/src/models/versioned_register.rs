//! A register whose store numbers its versions and tells them.

use super::{Decision, Model, Unsupported};
use crate::budget::Budget;
use crate::history::{Operation, Value};
use crate::models::{Cell, CellAction};
use crate::versions;

/// A register with compare-and-set and delete, as [`Cell::cas_register`], whose completions may carry the store's
/// own `version`: of a read the version of what it saw, of a write the version that it made. Versions rise with
/// every effective write, not necessarily by one.
///
/// ```text
///  process 0   [─ write 1, version 4 ─]
///  process 1        [─ write 2, version 3 ─]
///  process 2                                  [─ read → 2, version 3 ─]     illegal: 4 was there already
/// ```
///
/// A failed compare-and-set tells the version that it saw.
///
/// Versions put the writes in order. Where every acknowledged write tells its version, one pass decides; elsewhere
/// those that are known prune the search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionedRegister {
    cell: Cell,
}

impl VersionedRegister {
    /// A register that begins with `initial`, in a version below all that are told.
    pub fn new(initial: Value) -> Self {
        VersionedRegister {
            cell: Cell::versioned().initial(initial),
        }
    }

    /// The same register without its versions.
    pub(crate) fn cell(&self) -> &Cell {
        &self.cell
    }
}

impl Default for VersionedRegister {
    fn default() -> Self {
        Self::new(Value::Nil)
    }
}

/// What an operation does to the value, and the version that it told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VersionedAction {
    /// What it does to the value.
    pub action: CellAction,
    /// The version that it saw or made.
    pub version: Option<u64>,
}

impl VersionedAction {
    pub(crate) fn reads(&self) -> bool {
        matches!(
            self.action,
            CellAction::Read(_) | CellAction::Differs(_) | CellAction::Contradiction(_)
        )
    }
}

/// A value, and what is known of its version.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VersionedState {
    /// The value.
    pub value: Value,
    /// The version, or the least that it can be; below 0 before the first write.
    pub version: i128,
    /// Whether it is exactly that.
    pub exact: bool,
}

impl Model for VersionedRegister {
    type State = VersionedState;
    type Action = VersionedAction;

    fn name(&self) -> &str {
        "versioned-register"
    }

    fn init(&self) -> VersionedState {
        VersionedState {
            value: self.cell.init(),
            version: -1,
            exact: false,
        }
    }

    fn action(&self, operation: &Operation) -> Result<Option<VersionedAction>, Unsupported> {
        let action = self.cell.action(operation)?;
        let version = operation.completion.version;
        Ok(action.map(|action| VersionedAction { action, version }))
    }

    fn step(&self, state: &VersionedState, step: &VersionedAction) -> Option<VersionedState> {
        let value = self.cell.step(&state.value, &step.action)?;
        Some(match (step.reads(), step.version.map(i128::from)) {
            (true, None) => state.clone(),
            (true, Some(version)) => {
                let fits = if state.exact {
                    version == state.version
                } else {
                    version >= state.version
                };
                fits.then_some(VersionedState {
                    value,
                    version,
                    exact: true,
                })?
            }
            (false, Some(version)) => (version > state.version).then_some(VersionedState {
                value,
                version,
                exact: true,
            })?,
            (false, None) => VersionedState {
                value,
                version: state.version + 1,
                exact: false,
            },
        })
    }

    fn describe(&self, state: &VersionedState) -> Value {
        let at_least = if state.exact { "" } else { "at least " };
        Value::from(&*format!(
            "{} in version {at_least}{}",
            state.value, state.version
        ))
    }

    fn explain(&self, state: &VersionedState, step: &VersionedAction) -> String {
        if self.cell.step(&state.value, &step.action).is_none() {
            return self.cell.explain(&state.value, &step.action);
        }
        let version = step.version.unwrap_or_default();
        match (step.reads(), state.exact) {
            (true, true) => format!("it saw version {version}, but the version is {}", state.version),
            (true, false) => format!(
                "it saw version {version}, but the version is at least {}",
                state.version
            ),
            (false, _) => format!(
                "it made version {version}, but the version is already {}",
                state.version
            ),
        }
    }

    fn pure(&self, step: &VersionedAction) -> bool {
        // A read that tells its version may settle which one it is.
        step.version.is_none() && step.reads()
    }

    fn bytes(&self, state: &VersionedState) -> usize {
        size_of_val(state) + self.cell.bytes(&state.value)
    }

    fn decide(&self, operations: &[&Operation], budget: &Budget) -> Option<Decision> {
        versions::decide(self, operations, budget)
    }
}
