//! Makes a failing run small, with the same property broken.
//!
//! First what the run is drawn from is made small; then the run is written out as a [`Script`](crate::Script), in
//! which every message, every timer and every request can be taken out alone, and what is left is brought nearer
//! together in time.

mod coarse;
pub(crate) mod ddmin;
mod written;

use perjury_systems::replica::ConfigError;

use crate::run::{Outcome, Violation, Wanted, run};
use crate::script::Blow;
use crate::setup::Setup;

/// How much may be spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Events of all runs at most, before the run is written out, and afterwards again.
    pub events: u64,
    /// With how many other noises a rejected change is tried again.
    pub noises: u64,
}

impl Default for Effort {
    fn default() -> Self {
        Effort {
            events: 3_000_000,
            noises: 3,
        }
    }
}

/// How small a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Faults, timed and triggered, and the operator's requests. What heals a fault is not counted.
    pub actions: usize,
    /// Messages that reached a process until the run ended.
    pub delivered: u64,
    /// Operations of clients.
    pub operations: u64,
    /// Nodes.
    pub nodes: u16,
    /// Virtual time until it ended, in nanoseconds.
    pub virtual_ns: u64,
}

impl Size {
    /// The size of a run.
    pub fn of(setup: &Setup, outcome: &Outcome) -> Self {
        let written = setup.script.as_ref().map_or(0, |script| {
            let starts = script.mishaps.iter().filter(|mishap| mishap.what == Blow::Start);
            script.requests.len() + script.mishaps.len() - starts.count()
        });
        Size {
            actions: coarse::faults(setup) + written,
            delivered: outcome.delivered,
            operations: outcome.summary.operations,
            nodes: setup.options.nodes,
            virtual_ns: outcome.virtual_ns,
        }
    }
}

/// A failing run, made small.
#[derive(Debug)]
pub struct Shrunk {
    /// The run.
    pub setup: Setup,
    /// What it came to.
    pub outcome: Outcome,
    /// The property that it breaks, as the one that it was made of.
    pub property: String,
    /// How small the run was that it was made of.
    pub before: Size,
    /// How small it is.
    pub size: Size,
    /// How many runs that took.
    pub runs: u64,
    /// How many events there were in them.
    pub events: u64,
}

/// Makes a failing run small; `stop` is asked before every run whether to be content with what there is, `progress` is
/// told whenever the run has become smaller. None if the run does not fail.
///
/// # Errors
/// If the setup cannot be run.
pub fn shrink(
    setup: &Setup,
    invariants: bool,
    effort: Effort,
    stop: &dyn Fn() -> bool,
    progress: &mut dyn FnMut(u64, &Size),
) -> Result<Option<Shrunk>, ConfigError> {
    let wanted = Wanted {
        invariants,
        ..Wanted::default()
    };
    let outcome = run(setup, &wanted)?;
    let Some(violation) = outcome.violations.first() else {
        return Ok(None);
    };
    let before = Size::of(setup, &outcome);
    let mut shrinker = Shrinker {
        property: violation.property(),
        setup: setup.clone(),
        outcome,
        wanted,
        effort,
        runs: 1,
        events: 0,
        until: effort.events,
        stop,
        progress,
    };
    if shrinker.setup.script.is_none() {
        shrinker.coarsely();
    }
    shrinker.until = shrinker.events + effort.events;
    shrinker.in_writing_often();
    let Shrinker {
        property,
        setup,
        outcome,
        runs,
        events,
        ..
    } = shrinker;
    Ok(Some(Shrunk {
        size: Size::of(&setup, &outcome),
        setup,
        outcome,
        property,
        before,
        runs,
        events,
    }))
}

struct Shrinker<'a> {
    property: String,
    setup: Setup,
    outcome: Outcome,
    wanted: Wanted,
    effort: Effort,
    runs: u64,
    events: u64,
    /// How many events there may be.
    until: u64,
    stop: &'a dyn Fn() -> bool,
    progress: &'a mut dyn FnMut(u64, &Size),
}

/// With how many other noises a run is drawn and written out again, in search of a smaller one.
const RESTARTS: u64 = 8;

/// A run with so few messages is small enough.
const FEW: u64 = 10;

impl Shrinker<'_> {
    /// Writes the run out and makes it small; then the same with runs of other noise, which may be smaller. Where
    /// things are taken out one by one, there are many smallest runs.
    fn in_writing_often(&mut self) {
        let drawn = self.setup.clone();
        self.in_writing();
        if drawn.script.is_some() {
            return;
        }
        let noise = drawn.noise();
        for restart in 1..=RESTARTS {
            let weight = |size: &Size| 5 * size.actions as u64 + size.delivered;
            let before = Size::of(&self.setup, &self.outcome);
            if self.setup.script.is_none() || before.delivered <= FEW || self.spent() {
                return;
            }
            let noise = Some(noise.wrapping_add(restart << 32));
            let Ok(outcome) = run(&self.setup, &self.wanted) else {
                return;
            };
            let best = (self.setup.clone(), outcome);
            let taken = self.take(Setup {
                noise,
                ..drawn.clone()
            });
            if taken {
                self.in_writing();
            }
            if weight(&Size::of(&self.setup, &self.outcome)) >= weight(&before) || self.setup.script.is_none()
            {
                (self.setup, self.outcome) = best;
            }
        }
    }

    fn spent(&self) -> bool {
        self.events >= self.until || (self.stop)()
    }

    /// Takes the candidate if it breaks the same property.
    fn take(&mut self, candidate: Setup) -> bool {
        if candidate == self.setup || self.spent() {
            return false;
        }
        self.runs += 1;
        // A candidate that cannot be run (too few nodes for the plan) is none.
        let Ok(outcome) = run(&candidate, &self.wanted) else {
            return false;
        };
        // What a run costs besides its events: it is set up, and judged.
        self.events += outcome.events + 100;
        let breaks = outcome.violations.first().map(Violation::property).as_ref() == Some(&self.property);
        if breaks {
            self.setup = candidate;
            self.outcome = outcome;
            (self.progress)(self.runs, &Size::of(&self.setup, &self.outcome));
        }
        breaks
    }

    /// Takes the candidate if it breaks the same property, with this noise or another.
    fn accept(&mut self, candidate: Setup) -> bool {
        self.accept_with(candidate, self.effort.noises)
    }

    fn accept_with(&mut self, candidate: Setup, noises: u64) -> bool {
        let noise = self.setup.noise();
        self.take(candidate.clone())
            || (candidate != self.setup
                && (1..=noises).any(|extra| {
                    let noise = Some(noise.wrapping_add(extra));
                    self.take(Setup {
                        noise,
                        ..candidate.clone()
                    })
                }))
    }

    fn change(&mut self, how: impl FnOnce(&mut Setup)) -> bool {
        let mut candidate = self.setup.clone();
        how(&mut candidate);
        self.accept(candidate)
    }
}
