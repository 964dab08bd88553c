//! How probable was the failure, moment by moment?
//!
//! From each moment of a failing run on, other noise is drawn: latencies, fsyncs, what nodes draw themselves. What
//! clients ask and which faults come stays. How many of these branches break the same property says how far the run was
//! already bound to fail, and where that rises most is the decisive moment.

use perjury_systems::replica::ConfigError;

use crate::run::{Outcome, Violation, Wanted, run};
use crate::setup::Setup;
use crate::world::Topic;

/// From where on a run is drawn anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Branch {
    /// After this many events.
    pub event: u64,
    /// From this.
    pub noise: u64,
}

/// How the likelihood is estimated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// Moments at first, evenly over the run; then as many again where it rises most.
    pub moments: u64,
    /// Branches from each.
    pub branches: u64,
}

impl Default for Estimate {
    fn default() -> Self {
        Estimate {
            moments: 10,
            branches: 20,
        }
    }
}

/// How many branches failed that begin at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// How many events there were until then.
    pub event: u64,
    /// When, in nanoseconds since the start.
    pub at_ns: u64,
    /// How many branches broke the same property.
    pub failed: u64,
    /// How many there were.
    pub branches: u64,
}

impl Moment {
    /// The share of branches that failed.
    pub fn likelihood(&self) -> f64 {
        self.failed as f64 / self.branches.max(1) as f64
    }
}

/// How probable the failure had become over time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Likelihood {
    /// The property that breaks.
    pub property: String,
    /// In the order of time; the last is that of the failure itself.
    pub moments: Vec<Moment>,
    /// Between which two moments it rose most, by their places; none if it rose nowhere by more than chance explains,
    /// as where the failure was certain from the start.
    pub decisive: Option<(usize, usize)>,
    /// What happened between these, one line each: the last ones, if there are many.
    pub happened: Vec<String>,
}

/// Lines that are told of the decisive moment.
const MOST_LINES: usize = 12;

/// Estimates it; `stop` is asked before every branch whether to be content with what there is. None if the run does not
/// fail.
///
/// # Errors
/// If the setup cannot be run.
pub fn likelihood(
    setup: &Setup,
    invariants: bool,
    estimate: Estimate,
    stop: &dyn Fn() -> bool,
) -> Result<Option<Likelihood>, ConfigError> {
    let wanted = Wanted {
        invariants,
        ..Wanted::default()
    };
    let outcome = run(setup, &wanted)?;
    let Some(property) = outcome.violations.first().map(Violation::property) else {
        return Ok(None);
    };
    let end = outcome.events;
    let fails = |outcome: &Outcome| {
        outcome.violations.first().map(Violation::property).as_deref() == Some(property.as_str())
    };
    let at = |event: u64| -> Result<Option<Moment>, ConfigError> {
        let (mut failed, mut branches, mut at_ns) = (0, 0, 0);
        for number in 0..estimate.branches {
            if stop() {
                break;
            }
            let branch = Branch {
                event,
                noise: setup.noise().wrapping_add(1 + number),
            };
            let wanted = Wanted {
                branch: Some(branch),
                ..wanted
            };
            let outcome = run(setup, &wanted)?;
            at_ns = outcome.branched_ns.unwrap_or(outcome.virtual_ns);
            failed += u64::from(fails(&outcome));
            branches += 1;
        }
        Ok((branches > 0).then_some(Moment {
            event,
            at_ns,
            failed,
            branches,
        }))
    };
    let mut moments = Vec::new();
    for number in 0..=estimate.moments {
        // The last one is the failure itself: what has happened is certain.
        moments.extend(at(end * number / estimate.moments.max(1))?);
    }
    for _ in 0..estimate.moments {
        let Some((from, to)) = steepest(&moments) else {
            break;
        };
        let middle = moments[from].event.midpoint(moments[to].event);
        if middle == moments[from].event {
            break;
        }
        match at(middle)? {
            Some(moment) => moments.insert(to, moment),
            None => break,
        }
    }
    let decisive = steepest(&moments).filter(|(from, to)| rises(&moments[*from], &moments[*to]));
    let happened = match decisive {
        Some((from, to)) => told(setup, wanted, moments[from].event + 1, moments[to].event + 1)?,
        None => Vec::new(),
    };
    Ok(Some(Likelihood {
        property,
        moments,
        decisive,
        happened,
    }))
}

/// What happened from one event up to another, but for clients' work; the last lines, if there are many.
fn told(setup: &Setup, wanted: Wanted, from: u64, to: u64) -> Result<Vec<String>, ConfigError> {
    let described = Wanted {
        transcript: Some((from, to)),
        judge: false,
        ..wanted
    };
    let lines = run(setup, &described)?.transcript;
    let told = lines.iter().filter(|line| line.topic != Topic::Work);
    let mut happened: Vec<String> = told
        .map(|line| format!("{:.6} s  {} {}", line.at_ns as f64 / 1e9, line.node, line.text))
        .collect();
    happened.drain(..happened.len().saturating_sub(MOST_LINES));
    Ok(happened)
}

/// Whether the likelihood rises from one moment to another by more than twice what chance explains: the standard error of
/// the difference of two shares, if both were drawn from what they have in common.
fn rises(from: &Moment, to: &Moment) -> bool {
    let branches = (from.branches + to.branches) as f64;
    let shared = (from.failed + to.failed) as f64 / branches.max(1.0);
    let inverse = 1.0 / from.branches.max(1) as f64 + 1.0 / to.branches.max(1) as f64;
    let error = (shared * (1.0 - shared) * inverse).sqrt();
    let rise = to.likelihood() - from.likelihood();
    rise > 0.0 && rise > 2.0 * error
}

/// Between which neighbours it rises most; the earlier ones, where several rise as much.
fn steepest(moments: &[Moment]) -> Option<(usize, usize)> {
    let mut best: Option<(usize, f64)> = None;
    for (place, pair) in moments.windows(2).enumerate() {
        let rise = pair[1].likelihood() - pair[0].likelihood();
        if best.is_none_or(|(_, most)| rise > most) {
            best = Some((place, rise));
        }
    }
    best.map(|(place, _)| (place, place + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(failed: u64) -> Moment {
        Moment {
            event: 0,
            at_ns: 0,
            failed,
            branches: 20,
        }
    }

    #[test]
    fn what_was_certain_from_the_start_has_no_decisive_moment() {
        assert!(!rises(&moment(20), &moment(20)));
        assert!(!rises(&moment(18), &moment(20)), "chance explains that");
        assert!(rises(&moment(2), &moment(12)) && rises(&moment(0), &moment(20)));
        assert!(!rises(&moment(12), &moment(2)));
    }
}
