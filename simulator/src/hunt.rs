//! Campaigns: many seeds, on all cores.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;

use perjury_systems::replica::{ConfigError, MutantCounts};

use crate::run::{Outcome, Violation, Wanted, run, validate};
use crate::setup::Setup;
use crate::swarm::Swarm;

/// So many failed runs of each property are kept, to be told apart by what is left of them when they are shrunk.
const KEPT: usize = 8;

/// A campaign.
#[derive(Clone, Debug, PartialEq)]
pub struct Campaign {
    /// What runs are drawn from.
    pub swarm: Swarm,
    /// The first seed; the others follow.
    pub first_seed: u64,
    /// How many runs at most.
    pub runs: u64,
    /// Threads.
    pub jobs: usize,
    /// Go on after a failure, and collect those that break another property.
    pub keep_going: bool,
    /// Check invariants too, not only what clients see.
    pub invariants: bool,
}

/// A run that failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Its seed.
    pub seed: u64,
    /// Everything that is needed to run it again.
    pub setup: Setup,
    /// What was violated, what the history proves first.
    pub violations: Vec<Violation>,
    /// How many events there were.
    pub events: u64,
    /// Virtual time at its end, in nanoseconds.
    pub virtual_ns: u64,
    /// The hash of everything that happened.
    pub hash: u64,
}

impl Found {
    /// The property that it is counted under.
    pub fn property(&self) -> String {
        self.violations
            .first()
            .map(Violation::property)
            .unwrap_or_default()
    }
}

/// How far a campaign is, or what it came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// Runs that ended.
    pub runs: u64,
    /// Of these, how many failed.
    pub failed: u64,
    /// Events in all of them.
    pub events: u64,
    /// Virtual time in all of them, in nanoseconds.
    pub virtual_ns: u64,
    /// Clients' operations in all of them.
    pub operations: u64,
    /// Runs whose verdict stayed open: the checker's budget was spent.
    pub undecided: u64,
    /// Runs in which the harness itself was in trouble, with what the first of them said.
    pub trouble: u64,
    /// What the first of these said.
    pub first_trouble: Option<(u64, String)>,
    /// Fault kind → how many were injected and bit.
    pub faults: BTreeMap<String, u64>,
    /// How many triggers struck.
    pub struck: u64,
    /// Steps that nodes recorded → in how many runs.
    pub marks: BTreeMap<&'static str, u64>,
    /// How often the planted mistake was asked and decided otherwise.
    pub mutant: MutantCounts,
    /// In how many runs it was asked, and in how many it decided otherwise.
    pub mutant_runs: (u64, u64),
    /// Property → how many runs broke it.
    pub properties: BTreeMap<String, u64>,
    /// The failed runs that are kept: the first few of each property, by seed.
    pub found: Vec<Found>,
}

impl Tally {
    fn count(&mut self, seed: u64, setup: Setup, outcome: Outcome) {
        self.runs += 1;
        self.events += outcome.events;
        self.virtual_ns += outcome.virtual_ns;
        self.operations += outcome.summary.operations;
        for (kind, bites) in &outcome.summary.coverage.faults {
            *self.faults.entry(kind.clone()).or_default() += bites.bit;
        }
        self.struck += outcome.struck.len() as u64;
        for mark in outcome.marks.keys() {
            *self.marks.entry(mark).or_default() += 1;
        }
        self.mutant.reached += outcome.mutant.reached;
        self.mutant.differed += outcome.mutant.differed;
        self.mutant_runs.0 += u64::from(outcome.mutant.reached > 0);
        self.mutant_runs.1 += u64::from(outcome.mutant.differed > 0);
        let findings = &outcome.summary.findings;
        self.undecided += u64::from(
            findings
                .iter()
                .any(|one| one.verdict == perjury_checker::Verdict::Unknown),
        );
        if let Some(problem) = outcome.summary.trouble.first() {
            self.trouble += 1;
            if self.first_trouble.as_ref().is_none_or(|(known, _)| seed < *known) {
                self.first_trouble = Some((seed, problem.clone()));
            }
        }
        if outcome.is_clean() {
            return;
        }
        self.failed += 1;
        let found = Found {
            seed,
            setup,
            violations: outcome.violations,
            events: outcome.events,
            virtual_ns: outcome.virtual_ns,
            hash: outcome.hash,
        };
        let property = found.property();
        *self.properties.entry(property.clone()).or_default() += 1;
        let alike = self.found.iter().filter(|known| known.property() == property);
        if alike.count() < KEPT {
            self.found.push(found);
        }
    }

    /// Of these marks, those that no run reached: what was never tried.
    pub fn unreached<'a>(&self, all: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
        all.into_iter()
            .filter(|mark| !self.marks.contains_key(mark))
            .collect()
    }
}

/// Runs a campaign. `progress` is told after every run that counts; `stop` is asked before every run whether to go on.
///
/// Runs count in the order of their seeds, up to the first failure if the campaign is to stop there; so what it comes
/// to does not depend on the number of threads.
///
/// # Errors
/// If a run that was drawn cannot be run: a setting, a mutant, a workload or a nemesis that there is not.
pub fn hunt(
    campaign: &Campaign,
    stop: &(dyn Fn() -> bool + Sync),
    progress: &mut dyn FnMut(&Tally),
) -> Result<Tally, ConfigError> {
    // What is wrong with the base is wrong with every run.
    let first = draw(&campaign.swarm, campaign.first_seed)?;
    validate(&first)?;
    let wanted = Wanted {
        invariants: campaign.invariants,
        ..Wanted::default()
    };
    let next = AtomicU64::new(0);
    // Runs from this number on do not count any more.
    let end = AtomicU64::new(campaign.runs);
    let mut tally = Tally::default();
    let mut error = None;
    thread::scope(|scope| {
        let (tell, told) = mpsc::channel();
        for _ in 0..campaign.jobs.max(1) {
            let tell = tell.clone();
            let (next, end, wanted) = (&next, &end, &wanted);
            scope.spawn(move || {
                while !stop() {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= end.load(Ordering::Relaxed) {
                        return;
                    }
                    let seed = campaign.first_seed.wrapping_add(number);
                    let came =
                        draw(&campaign.swarm, seed).and_then(|setup| Ok((run(&setup, wanted)?, setup)));
                    let last = match &came {
                        Ok((outcome, _)) => !outcome.is_clean() && !campaign.keep_going,
                        Err(_) => true,
                    };
                    if last {
                        end.fetch_min(number + 1, Ordering::Relaxed);
                    }
                    if tell.send((number, seed, came)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(tell);
        // What came before an earlier run was over.
        let mut early = BTreeMap::new();
        let mut counted = 0;
        for (number, seed, came) in told {
            early.insert(number, (seed, came));
            while counted < end.load(Ordering::Relaxed)
                && let Some((seed, came)) = early.remove(&counted)
            {
                counted += 1;
                match came {
                    Ok((outcome, setup)) => {
                        tally.count(seed, setup, outcome);
                        progress(&tally);
                    }
                    Err(problem) => {
                        error = Some(ConfigError(format!("the run of seed {seed}: {}", problem.0)));
                    }
                }
            }
        }
    });
    error.map_or(Ok(tally), Err)
}

fn draw(swarm: &Swarm, seed: u64) -> Result<Setup, ConfigError> {
    swarm.setup(seed).map_err(|error| ConfigError(error.to_string()))
}
