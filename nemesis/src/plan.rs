//! Plans: which fault comes when.

use serde::{Deserialize, Serialize};

use crate::fault::Fault;

/// A nemesis as data: steps in the order of time. Derived from a seed, stored with the run, and accepted back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The steps, `at_ms` never falling.
    pub steps: Vec<Step>,
}

/// One thing that a plan does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// When, in milliseconds since the main phase began.
    pub at_ms: u64,
    /// Names the fault; a heal carries the id of what it heals.
    pub id: u32,
    /// Break or mend.
    #[serde(flatten)]
    pub what: StepKind,
}

/// Break or mend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepKind {
    /// Inject the fault.
    Inject(Fault),
    /// Heal the fault that this step's id names.
    Heal,
}
