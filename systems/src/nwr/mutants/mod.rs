//! Planted bugs: each puts one mistake in the place of one rule. Those of placement are called `ring-…`.

use super::rules::{Rules, Swap};
use crate::replica::{ConfigError, MutantInfo};
use crate::rules;

mod placement;
mod quorums;
mod repair;
mod versions;

type Mutant = rules::Mutant<Swap>;

const FILES: [&[Mutant]; 4] = [
    quorums::MUTANTS,
    versions::MUTANTS,
    repair::MUTANTS,
    placement::MUTANTS,
];

/// All planted bugs, as `list mutants` shows them.
pub const MUTANTS: &[MutantInfo] = &rules::infos::<Swap, { rules::count(&FILES) }>(&FILES);

/// All planted bugs, with their mistakes.
pub fn all() -> impl Iterator<Item = &'static Mutant> {
    FILES.into_iter().flatten()
}

/// A planted bug by its name, with or without `nwr/`; none for the correct build.
///
/// # Errors
/// If there is no such bug.
pub(crate) fn find(name: Option<&str>) -> Result<Option<Swap>, ConfigError> {
    rules::find("nwr", &FILES, name)
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
        let wanted = "Q01 Q02 Q03 Q05 Q06 Q07 Q08 Q09 Q10 Q11 Q13 Q16 Q18 Q20 Q21 Q22 Q24 Q25 \
                      H01 H02 H03 H05 H06 H08 H14 H15";
        let wanted: BTreeSet<&str> = wanted.split_whitespace().collect();
        assert_eq!(core.collect::<BTreeSet<&str>>(), wanted);
    }
}
