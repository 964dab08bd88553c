//! Is a run the same every time? And if it is not: which event is the first that differs?

use std::fmt;

use perjury_systems::replica::ConfigError;

use crate::run::{Wanted, run_as};
use crate::setup::Setup;
use crate::systems::{self, Drawn, Simulated, Visitor};
use crate::world::Line;

/// Two runs of one setup that were not the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The first event after which their hashes differ, counted from 1.
    pub event: u64,
    /// How many events the runs had.
    pub events: (u64, u64),
    /// That event, as each of two further runs describes it.
    pub descriptions: (Vec<String>, Vec<String>),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (one, other) = &self.descriptions;
        writeln!(f, "the runs differ from event {} on", self.event)?;
        writeln!(f, "once:\n{}", one.join("\n"))?;
        write!(f, "and then:\n{}", other.join("\n"))
    }
}

/// Runs a setup twice and compares every event. None if both runs were the same.
///
/// # Errors
/// If the setup cannot be run.
pub fn compare(setup: &Setup) -> Result<Option<Difference>, ConfigError> {
    struct Compare<'a>(&'a Setup);
    impl Visitor for Compare<'_> {
        type Output = Result<Option<Difference>, ConfigError>;
        fn visit<R: Drawn>(self) -> Self::Output {
            compare_as::<R>(self.0)
        }
    }
    systems::visit(&setup.system, Compare(setup))?
}

/// [`compare`], for a system that need not be among the bundled ones.
///
/// # Errors
/// If the setup cannot be run.
pub fn compare_as<R: Simulated>(setup: &Setup) -> Result<Option<Difference>, ConfigError> {
    let hashes = Wanted {
        hashes: true,
        judge: false,
        ..Wanted::default()
    };
    let one = run_as::<R>(setup, &hashes)?;
    let other = run_as::<R>(setup, &hashes)?;
    if one.hash == other.hash && one.events == other.events {
        return Ok(None);
    }
    let same = one
        .hashes
        .iter()
        .zip(&other.hashes)
        .take_while(|(one, other)| one == other)
        .count() as u64;
    let event = same + 1;
    let described = Wanted {
        transcript: Some((event, event + 1)),
        judge: false,
        ..Wanted::default()
    };
    let descriptions = (
        words(&run_as::<R>(setup, &described)?.transcript),
        words(&run_as::<R>(setup, &described)?.transcript),
    );
    Ok(Some(Difference {
        event,
        events: (one.events, other.events),
        descriptions,
    }))
}

fn words(lines: &[Line]) -> Vec<String> {
    lines.iter().map(Line::to_string).collect()
}
