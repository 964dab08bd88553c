//! The detection matrix: is every planted bug found, by what, and how soon?
//!
//! Every mutant is hunted twice: once with the invariants watching, and once by what clients see alone. "Not found"
//! has three causes that are told apart: the rule was never asked (a gap in the workload), it was asked and never
//! decided otherwise (a gap in the faults), it decided otherwise and nobody noticed (a gap in the checks, or a mistake
//! without consequences).

use std::time::Duration;

use perjury_systems::registry;
use perjury_systems::replica::{ConfigError, MutantInfo};
use serde::Serialize;

use crate::hunt::{Campaign, Tally, hunt};
use crate::setup::Setup;
use crate::swarm::Swarm;

/// How the matrix is made.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    /// What every run has in common: the system, its limits.
    pub base: Setup,
    /// Only mutants whose names contain one of these; all, if there are none.
    pub only: Vec<String>,
    /// Campaigns a mutant and a way of finding, each with its own seeds.
    pub campaigns: u64,
    /// The seed that all seeds are derived from.
    pub seed: u64,
    /// Runs of a campaign at most.
    pub runs: u64,
    /// Threads.
    pub jobs: usize,
}

/// One campaign against one mutant.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Attempt {
    /// What broke first; none if it was not found.
    pub property: Option<String>,
    /// The seed of the run in which it was.
    pub seed: Option<u64>,
    /// Runs until then.
    pub runs: u64,
    /// In how many of these the rule was asked.
    pub reached: u64,
    /// In how many of these it decided otherwise.
    pub differed: u64,
    /// Virtual seconds until then.
    pub virtual_s: f64,
    /// What the caller's clock says that it took, in seconds.
    pub took_s: f64,
}

/// One mutant.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Its name: `raft/double-vote`.
    pub mutant: &'static str,
    /// Its id in the catalogue.
    pub id: &'static str,
    /// With invariants.
    pub watched: Vec<Attempt>,
    /// By what clients see alone, and whether the cluster recovers.
    pub unwatched: Vec<Attempt>,
}

impl Row {
    /// In how many campaigns it was found, with invariants and without.
    pub fn found(&self) -> (usize, usize) {
        let count = |attempts: &[Attempt]| attempts.iter().filter(|one| one.property.is_some()).count();
        (count(&self.watched), count(&self.unwatched))
    }
}

/// Hunts every mutant of a system. `clock` tells the time by which effort is counted (of the processor, or of the
/// wall); `each` is told of every row; `stop` is asked before every run whether to go on.
///
/// # Errors
/// If there is no such system or its runs cannot be run.
pub fn matrix(
    matrix: &Matrix,
    clock: &dyn Fn() -> Duration,
    stop: &(dyn Fn() -> bool + Sync),
    each: &mut dyn FnMut(&Row),
) -> Result<Vec<Row>, ConfigError> {
    let system = registry::SYSTEMS
        .iter()
        .find(|system| system.name == matrix.base.system);
    let Some(system) = system else {
        return Err(ConfigError(format!(
            "there is no system {:?}",
            matrix.base.system
        )));
    };
    let wanted = |mutant: &&MutantInfo| {
        matrix.only.is_empty() || matrix.only.iter().any(|part| mutant.name.contains(part.as_str()))
    };
    let mut rows = Vec::new();
    for mutant in system.mutants.iter().filter(wanted) {
        let mut row = Row {
            mutant: mutant.name,
            id: mutant.id,
            watched: Vec::new(),
            unwatched: Vec::new(),
        };
        for campaign in 0..matrix.campaigns {
            row.watched
                .push(attempt(matrix, mutant, campaign, true, clock, stop)?);
            row.unwatched
                .push(attempt(matrix, mutant, campaign, false, clock, stop)?);
        }
        each(&row);
        rows.push(row);
        if stop() {
            break;
        }
    }
    Ok(rows)
}

fn attempt(
    matrix: &Matrix,
    mutant: &MutantInfo,
    number: u64,
    invariants: bool,
    clock: &dyn Fn() -> Duration,
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Attempt, ConfigError> {
    let campaign = Campaign {
        swarm: Swarm::for_mutant(matrix.base.clone(), mutant),
        // Far apart, so that campaigns share no run.
        first_seed: matrix.seed.wrapping_add(number << 32),
        runs: matrix.runs,
        jobs: matrix.jobs,
        keep_going: false,
        invariants,
    };
    let began = clock();
    let tally = hunt(&campaign, stop, &mut |_| {})?;
    let took_s = clock().saturating_sub(began).as_secs_f64();
    let Tally {
        runs,
        virtual_ns,
        mutant_runs: (reached, differed),
        found,
        ..
    } = tally;
    Ok(Attempt {
        property: found.first().map(crate::hunt::Found::property),
        seed: found.first().map(|found| found.seed),
        runs,
        reached,
        differed,
        virtual_s: virtual_ns as f64 / 1e9,
        took_s,
    })
}
