//! Planted bugs: each puts one mistake in the place of one rule.
//!
//! The mistakes are realistic: most were found in ZooKeeper. Each description names its source and the configuration
//! that unmasks it, since a complete implementation often hides one bug behind another mechanism.

use super::rules::{Rules, Swap};
use crate::replica::{ConfigError, MutantInfo};
use crate::rules;

mod broadcast;
mod clients;
mod discovery;
mod election;
mod synchronisation;

type Mutant = rules::Mutant<Swap>;

const FILES: [&[Mutant]; 5] = [
    election::MUTANTS,
    discovery::MUTANTS,
    synchronisation::MUTANTS,
    broadcast::MUTANTS,
    clients::MUTANTS,
];

/// All planted bugs, as `list mutants` shows them.
pub const MUTANTS: &[MutantInfo] = &rules::infos::<Swap, { rules::count(&FILES) }>(&FILES);

/// All planted bugs, with their mistakes.
pub fn all() -> impl Iterator<Item = &'static Mutant> {
    FILES.into_iter().flatten()
}

/// A planted bug by its name, with or without `zab/`; none for the correct build.
///
/// # Errors
/// If there is no such bug.
pub(crate) fn find(name: Option<&str>) -> Result<Option<Swap>, ConfigError> {
    rules::find("zab", &FILES, name)
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
    fn every_mutant_has_its_own_name_and_id_and_settings_that_are_accepted() {
        let names: BTreeSet<&str> = MUTANTS.iter().map(|info| info.name).collect();
        let ids: BTreeSet<&str> = MUTANTS.iter().map(|info| info.id).collect();
        assert_eq!((names.len(), ids.len()), (MUTANTS.len(), MUTANTS.len()));
        for info in MUTANTS {
            let split = |text: &&str| {
                text.split_once('=')
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
            };
            let given: BTreeMap<_, _> = info.settings.iter().filter_map(split).collect();
            assert_eq!(given.len(), info.settings.len(), "{}", info.name);
            assert_eq!(Settings::parse(&given).err(), None, "{}", info.name);
        }
    }

    #[test]
    fn the_core_set_of_the_catalogue_is_there() {
        let core = MUTANTS.iter().filter(|info| info.core).map(|info| info.id);
        let wanted = "Z01 Z02 Z06 Z07 Z08 Z11 Z12 Z14 Z15 Z17 Z19 Z20 Z21 Z22 Z23 Z26 Z28 Z29 Z30 Z32 Z33 Z34 Z36 Z38 \
                      Z39 Z42";
        let wanted: BTreeSet<&str> = wanted.split_whitespace().collect();
        assert_eq!(core.collect::<BTreeSet<&str>>(), wanted);
    }
}
