//! Planted bugs: each replaces exactly one rule by a realistic mistake.
//!
//! The names are those of the catalogue for Multi-Paxos, under the system's.

use super::rules::{Rules, Swap};
use crate::replica::{ConfigError, MutantInfo};
use crate::rules;

mod acceptor;
mod leader;
mod learner;
mod reads;

type Mutant = rules::Mutant<Swap>;

const FILES: [&[Mutant]; 4] = [
    leader::MUTANTS,
    acceptor::MUTANTS,
    learner::MUTANTS,
    reads::MUTANTS,
];

/// All planted bugs, as `list mutants` shows them.
pub const MUTANTS: &[MutantInfo] = &rules::infos::<Swap, { rules::count(&FILES) }>(&FILES);

/// A planted bug by its name, with or without `paxos/`; none for the correct build.
///
/// # Errors
/// If there is no such bug.
pub(crate) fn find(name: Option<&str>) -> Result<Option<Swap>, ConfigError> {
    rules::find("paxos", &FILES, name)
}

/// The rules as a node follows them, with a mistake planted if there is one of that name.
pub(crate) fn rules(name: Option<&str>) -> Rules {
    find(name).ok().flatten().map_or_else(Rules::default, Rules::with)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::super::settings::Settings;
    use super::*;

    #[test]
    fn the_core_set_of_the_catalogue_is_there_and_asks_for_settings_that_are_accepted() {
        let core = MUTANTS.iter().filter(|info| info.core).map(|info| info.id);
        let wanted = "P24 P25 P27 P28 P29 P30 P31 P32 P33 P34 P37 P40";
        let wanted: BTreeSet<&str> = wanted.split_whitespace().collect();
        assert_eq!(core.collect::<BTreeSet<&str>>(), wanted);
        for info in MUTANTS {
            let pairs = info.settings.iter().filter_map(|setting| setting.split_once('='));
            let given: BTreeMap<String, String> = pairs
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
            assert_eq!(Settings::parse(&given).err(), None, "{}", info.name);
        }
    }
}
