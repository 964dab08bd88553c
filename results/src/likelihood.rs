//! How probable a failure had become, moment by moment, as it is kept with a run.

use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::files::{read_versioned, write_json};
use crate::folder::RunFolder;
use crate::record::SCHEMA;

const LIKELIHOOD: &str = "likelihood.json";

/// `likelihood.json`: from moments of a failing run on other noise was drawn, and so many of these branches failed alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LikelihoodRecord {
    /// The schema's number.
    pub schema: u32,
    /// The property that breaks.
    pub property: String,
    /// In the order of time; the last is that of the failure itself.
    pub moments: Vec<MomentRecord>,
    /// Where it rose most; none if it rose nowhere by more than chance explains.
    pub decisive: Option<DecisiveRecord>,
}

/// The branches that begin at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MomentRecord {
    /// How many events there were until then.
    pub event: u64,
    /// When, in nanoseconds since the start.
    pub at: u64,
    /// How many branches broke the same property.
    pub failed: u64,
    /// How many there were, at least 1.
    pub branches: u64,
}

/// Between which two moments the failure was decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisiveRecord {
    /// The moment before, by its place.
    pub from: usize,
    /// The moment after.
    pub to: usize,
    /// What happened in between, one line each: the last ones, if there are many.
    pub happened: Vec<String>,
}

impl MomentRecord {
    /// The share of branches that failed.
    pub fn share(&self) -> f64 {
        self.failed as f64 / self.branches.max(1) as f64
    }
}

impl RunFolder {
    /// How probable its failure had become, if that was estimated.
    ///
    /// # Errors
    /// If it is there, but damaged or of a newer schema.
    pub fn likelihood(&self) -> Result<Option<LikelihoodRecord>, StoreError> {
        match read_versioned(&self.path().join(LIKELIHOOD), SCHEMA) {
            Ok(record) => Ok(Some(record)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Keeps it, for the reports that are written from then on.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_likelihood(&self, record: &LikelihoodRecord) -> Result<(), StoreError> {
        write_json(&self.path().join(LIKELIHOOD), record)
    }
}
