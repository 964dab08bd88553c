//! Planted bugs.
use super::rules::{Rules, Swap};
use crate::replica::{ConfigError, MutantInfo};

/// A planted bug: what `list mutants` shows, and the mistake.
#[derive(Clone, Copy, Debug)]
pub struct Mutant {
    /// Its description.
    pub info: MutantInfo,
    /// The mistake.
    pub swap: Swap,
}

/// All planted bugs.
pub const MUTANTS: &[MutantInfo] = &[];

pub(crate) fn find(name: Option<&str>) -> Result<Option<Swap>, ConfigError> {
    let _ = name;
    Ok(None)
}

pub(crate) fn rules(name: Option<&str>) -> Rules {
    find(name).ok().flatten().map_or_else(Rules::default, Rules::with)
}
