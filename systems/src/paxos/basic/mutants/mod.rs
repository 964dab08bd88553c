//! Planted bugs: each replaces exactly one rule by a realistic mistake.
//!
//! The names are those of the catalogue, under the system's: the mistakes about one instance are here, those about the
//! log under `paxos/`.

use super::rules::{Rules, Swap};
use crate::replica::{ConfigError, MutantInfo};
use crate::rules;

mod acceptor;
mod learner;
mod proposer;

type Mutant = rules::Mutant<Swap>;

const FILES: [&[Mutant]; 3] = [proposer::MUTANTS, acceptor::MUTANTS, learner::MUTANTS];

/// All planted bugs, as `list mutants` shows them.
pub const MUTANTS: &[MutantInfo] = &rules::infos::<Swap, { rules::count(&FILES) }>(&FILES);

/// A planted bug by its name, with or without `basic-paxos/`; none for the correct build.
///
/// # Errors
/// If there is no such bug.
pub(crate) fn find(name: Option<&str>) -> Result<Option<Swap>, ConfigError> {
    rules::find("basic-paxos", &FILES, name)
}

/// The rules as a node follows them, with a mistake planted if there is one of that name.
pub(crate) fn rules(name: Option<&str>) -> Rules {
    find(name).ok().flatten().map_or_else(Rules::default, Rules::with)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_core_set_of_the_catalogue_is_there() {
        let core = MUTANTS.iter().filter(|info| info.core).map(|info| info.id);
        let wanted = "P01 P02 P05 P06 P07 P08 P09 P10 P11 P12 P14 P15 P16 P17 P20 P21";
        let wanted: BTreeSet<&str> = wanted.split_whitespace().collect();
        assert_eq!(core.collect::<BTreeSet<&str>>(), wanted);
    }
}
