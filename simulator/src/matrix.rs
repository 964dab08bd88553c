//! The detection matrix: is every planted bug found, by what, and how soon?
//!
//! Every mutant is hunted twice in each campaign. In the first hunt the invariants watch, and a run ends as soon as
//! one is broken. In the second nobody watches: it goes on until the history of some run convicts, past runs in which
//! the cluster merely stopped serving. "Not found" has three causes that are told apart: the rule was never asked (a
//! gap in the workload), it was asked and never decided otherwise (a gap in the faults), it decided otherwise and
//! nobody noticed (a gap in the checks, or a mistake without consequences).
//!
//! The correct system is hunted alike, and must not be accused.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use perjury_systems::replica::{ConfigError, MutantInfo};
use serde::Serialize;

use crate::directed::{SCHEDULES, Schedule};
use crate::run::{Kind, Outcome, Wanted, run};
use crate::setup::Setup;
use crate::swarm::Swarm;

/// How the matrix is made.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    /// What every run has in common: the system, its limits.
    pub base: Setup,
    /// What is hunted: planted bugs of the system, and for none the correct one.
    pub subjects: Vec<Option<&'static MutantInfo>>,
    /// Campaigns a mutant, each with its own seeds.
    pub campaigns: u64,
    /// The seed that all seeds are derived from.
    pub seed: u64,
    /// Runs of a hunt at most.
    pub runs: u64,
    /// What a hunt may take at most, by the caller's clock.
    pub budget: Duration,
    /// Threads; each carries out whole hunts.
    pub jobs: usize,
}

/// What a hunt took, up to some moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spent {
    /// Runs.
    pub runs: u64,
    /// Virtual seconds.
    pub virtual_s: f64,
    /// Seconds by the caller's clock, of the thread that hunts.
    pub cpu_s: f64,
}

/// The first run of a hunt that broke something of a kind.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sighting {
    /// What was broken.
    pub property: String,
    /// What convicts.
    pub kind: Kind,
    /// The seed of the run.
    pub seed: u64,
    /// What the hunt took until then, this run included.
    pub spent: Spent,
}

/// One hunt.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Hunted {
    /// The first sighting of each kind, in the order in which they came.
    pub sightings: Vec<Sighting>,
    /// What it took in all.
    pub spent: Spent,
    /// In how many runs the rule was asked.
    pub reached: u64,
    /// In how many it decided otherwise.
    pub differed: u64,
}

impl Hunted {
    /// The first sighting of this kind.
    pub fn of(&self, kind: Kind) -> Option<&Sighting> {
        self.sightings.iter().find(|sighting| sighting.kind == kind)
    }
}

/// One campaign: both hunts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Attempt {
    /// With invariants; ends with the first sighting.
    pub watched: Hunted,
    /// Without; ends when the history convicts.
    pub unwatched: Hunted,
}

/// What a directed schedule that is about a mutant came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Directed {
    /// The schedule's name.
    pub schedule: &'static str,
    /// What was broken, by what convicts; empty if the mutant got away with it.
    pub broken: Vec<(Kind, String)>,
}

/// One mutant, or the correct system.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The system.
    pub system: String,
    /// Its name, `raft/double-vote`; none for the correct system.
    pub mutant: Option<&'static str>,
    /// Its id in the catalogue.
    pub id: &'static str,
    /// Whether the catalogue counts it among those that any harness should find.
    pub core: bool,
    /// The campaigns.
    pub attempts: Vec<Attempt>,
    /// The directed schedules that are about it; for the correct system all of them.
    pub directed: Vec<Directed>,
}

impl Row {
    /// In how many campaigns something was found, by whatever means.
    pub fn found(&self) -> usize {
        let found = |attempt: &&Attempt| !attempt.watched.sightings.is_empty();
        self.attempts.iter().filter(found).count()
    }

    /// In how many campaigns the history alone convicted.
    pub fn convicted(&self) -> usize {
        let convicted = |attempt: &&Attempt| attempt.unwatched.of(Kind::History).is_some();
        self.attempts.iter().filter(convicted).count()
    }

    /// Whether a schedule that is about it shows it by this kind of evidence; by any, if none is named.
    pub fn directed(&self, kind: Option<Kind>) -> bool {
        let shows = |broken: &(Kind, String)| kind.is_none_or(|kind| broken.0 == kind);
        self.directed.iter().any(|played| played.broken.iter().any(shows))
    }

    /// Property → in how many campaigns it was the first that was found broken, with invariants watching.
    pub fn properties(&self) -> BTreeMap<&str, usize> {
        let mut properties = BTreeMap::new();
        for attempt in &self.attempts {
            if let Some(first) = attempt.watched.sightings.first() {
                *properties.entry(first.property.as_str()).or_default() += 1;
            }
        }
        properties
    }
}

/// One hunt to be carried out.
#[derive(Clone, Copy, Debug)]
struct Job {
    row: usize,
    campaign: u64,
    watched: bool,
}

/// Hunts each of its subjects. `clock` tells the time by which effort is counted, of the thread that asks; `each`
/// is told of every row once it is complete, in order; `stop` is asked before every run whether to go on.
///
/// # Errors
/// If its runs cannot be run.
pub fn matrix(
    matrix: &Matrix,
    clock: &(dyn Fn() -> Duration + Sync),
    stop: &(dyn Fn() -> bool + Sync),
    each: &mut dyn FnMut(&Row),
) -> Result<Vec<Row>, ConfigError> {
    let mutants = &matrix.subjects;
    let jobs: Vec<Job> = (0..mutants.len())
        .flat_map(|row| (0..matrix.campaigns).map(move |campaign| (row, campaign)))
        .flat_map(|(row, campaign)| {
            [true, false].map(|watched| Job {
                row,
                campaign,
                watched,
            })
        })
        .collect();
    let per_row = 2 * matrix.campaigns as usize;
    let mut hunts: Vec<Vec<Option<Hunted>>> = vec![vec![None; per_row]; mutants.len()];
    let mut rows = Vec::new();
    let mut error = None;
    let next = AtomicUsize::new(0);
    let halt = AtomicBool::new(false);
    thread::scope(|scope| {
        let (tell, told) = mpsc::channel();
        for _ in 0..matrix.jobs.max(1) {
            let (tell, next, halt) = (tell.clone(), &next, &halt);
            let jobs = &jobs;
            scope.spawn(move || {
                while !halt.load(Ordering::Relaxed) && !stop() {
                    let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) else {
                        return;
                    };
                    let hunted = hunt(matrix, mutants[job.row], *job, clock, stop);
                    if tell.send((*job, hunted)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(tell);
        for (job, hunted) in told {
            match hunted {
                Ok(hunted) => {
                    let place = 2 * job.campaign as usize + usize::from(!job.watched);
                    hunts[job.row][place] = Some(hunted);
                }
                Err(problem) => {
                    halt.store(true, Ordering::Relaxed);
                    error.get_or_insert(problem);
                }
            }
            while let Some(row) = complete(&matrix.base.system, &hunts, mutants, rows.len()) {
                let played = play(matrix, row.mutant);
                let row = Row {
                    directed: played.unwrap_or_else(|problem| {
                        error.get_or_insert(problem);
                        Vec::new()
                    }),
                    ..row
                };
                each(&row);
                rows.push(row);
            }
        }
    });
    error.map_or(Ok(rows), Err)
}

/// The row in this place, if all its hunts are over.
fn complete(
    system: &str,
    hunts: &[Vec<Option<Hunted>>],
    mutants: &[Option<&'static MutantInfo>],
    place: usize,
) -> Option<Row> {
    let hunts: Vec<Hunted> = hunts.get(place)?.iter().cloned().collect::<Option<_>>()?;
    let mutant = mutants[place];
    Some(Row {
        system: system.to_owned(),
        mutant: mutant.map(|mutant| mutant.name),
        id: mutant.map_or("", |mutant| mutant.id),
        core: mutant.is_some_and(|mutant| mutant.core),
        attempts: hunts
            .chunks_exact(2)
            .map(|pair| Attempt {
                watched: pair[0].clone(),
                unwatched: pair[1].clone(),
            })
            .collect(),
        directed: Vec::new(),
    })
}

/// Plays the schedules that are about a mutant; to the correct system all of them.
fn play(matrix: &Matrix, mutant: Option<&'static str>) -> Result<Vec<Directed>, ConfigError> {
    let mut directed = Vec::new();
    for (name, text) in SCHEDULES {
        let schedule: Schedule = text
            .parse()
            .map_err(|error| ConfigError(format!("the schedule {name}: {error}")))?;
        let about = mutant.is_none_or(|mutant| schedule.convicts.iter().any(|one| one == mutant));
        if schedule.system == matrix.base.system && about {
            let played = schedule
                .play(mutant)
                .map_err(|error| ConfigError(format!("the schedule {name}: {error}")))?;
            let broken = played.violations.iter();
            directed.push(Directed {
                schedule: name,
                broken: broken.map(|one| (one.kind(), one.property())).collect(),
            });
        }
    }
    Ok(directed)
}

fn hunt(
    matrix: &Matrix,
    mutant: Option<&'static MutantInfo>,
    job: Job,
    clock: &(dyn Fn() -> Duration + Sync),
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Hunted, ConfigError> {
    let swarm = match mutant {
        Some(mutant) => Swarm::for_mutant(matrix.base.clone(), mutant),
        None => Swarm::new(matrix.base.clone()),
    };
    let wanted = Wanted {
        invariants: job.watched,
        ..Wanted::default()
    };
    // Far apart, so that campaigns share no run.
    let first_seed = matrix.seed.wrapping_add(job.campaign << 32);
    let began = clock();
    let mut hunted = Hunted::default();
    for number in 0..matrix.runs {
        let cpu = clock().saturating_sub(began);
        if stop() || cpu >= matrix.budget {
            break;
        }
        let seed = first_seed.wrapping_add(number);
        let setup = swarm
            .setup(seed)
            .map_err(|error| ConfigError(format!("the run of seed {seed}: {error}")))?;
        let outcome = run(&setup, &wanted)?;
        hunted.spent = Spent {
            runs: hunted.spent.runs + 1,
            virtual_s: hunted.spent.virtual_s + outcome.virtual_ns as f64 / 1e9,
            cpu_s: clock().saturating_sub(began).as_secs_f64(),
        };
        hunted.reached += u64::from(outcome.mutant.reached > 0);
        hunted.differed += u64::from(outcome.mutant.differed > 0);
        see(&mut hunted, seed, &outcome);
        let over = match job.watched {
            true => !hunted.sightings.is_empty(),
            false => hunted.of(Kind::History).is_some(),
        };
        if over {
            break;
        }
    }
    Ok(hunted)
}

/// Takes note of the first of each kind.
fn see(hunted: &mut Hunted, seed: u64, outcome: &Outcome) {
    for violation in &outcome.violations {
        let kind = violation.kind();
        if hunted.of(kind).is_none() {
            hunted.sightings.push(Sighting {
                property: violation.property(),
                kind,
                seed,
                spent: hunted.spent,
            });
        }
    }
}
