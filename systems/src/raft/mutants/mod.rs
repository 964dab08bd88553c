//! Planted bugs: each puts one mistake in the place of one rule.
//!
//! The mistakes are realistic: most were found in real systems. Each description names its source and the
//! configuration that unmasks it, since a complete implementation often hides one bug behind another mechanism.

use super::rules::{Rules, Swap};
use crate::replica::{ConfigError, MutantInfo};
use crate::rules;

mod durability;
mod elections;
mod membership;
mod reads;
mod replication;
mod snapshots;
mod state;

type Mutant = rules::Mutant<Swap>;

const FILES: [&[Mutant]; 7] = [
    elections::MUTANTS,
    replication::MUTANTS,
    durability::MUTANTS,
    snapshots::MUTANTS,
    reads::MUTANTS,
    state::MUTANTS,
    membership::MUTANTS,
];

/// All planted bugs, as `list mutants` shows them.
pub const MUTANTS: &[MutantInfo] = &rules::infos::<Swap, { rules::count(&FILES) }>(&FILES);

/// All planted bugs, with their mistakes.
pub fn all() -> impl Iterator<Item = &'static Mutant> {
    FILES.into_iter().flatten()
}

/// A planted bug by its name, with or without `raft/`; none for the correct build.
///
/// # Errors
/// If there is no such bug.
pub(crate) fn find(name: Option<&str>) -> Result<Option<Swap>, ConfigError> {
    rules::find("raft", &FILES, name)
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
    fn every_mutant_names_a_workload_and_faults_that_there_are() {
        let workloads = ["register", "cas", "append", "counter", "set"];
        let faults = [
            "none",
            "partition",
            "kill",
            "pause",
            "clock",
            "packets",
            "disk",
            "membership",
            "all",
            "partition-leader",
            "partition-halves",
            "partition-one",
            "partition-majorities-ring",
            "partition-bridge",
            "partition-one-way",
            "partition-minority",
            "partition-flapping",
        ];
        for info in MUTANTS {
            assert!(workloads.contains(&info.workload), "{}", info.name);
            assert!(
                info.nemesis.split(',').all(|fault| faults.contains(&fault)),
                "{}",
                info.name
            );
        }
    }

    #[test]
    fn the_core_set_of_the_catalogue_is_there() {
        let core = MUTANTS.iter().filter(|info| info.core).map(|info| info.id);
        let wanted = "R01 R02 R03 R04 R05 R07 R10 R12 R14 R15 R17 R22 R24 R26 R27 R28 R30 R31 R32 R35 R37 R38 R39 R40 R43 \
                      R44 R45 R47 R49 R52 R54 R55 R58 R63 R64 R65 R66 R68 R69 R71 R73 R76 R78 R79 R80 R82";
        let wanted: BTreeSet<&str> = wanted.split_whitespace().collect();
        assert_eq!(core.collect::<BTreeSet<&str>>(), wanted);
    }
}
