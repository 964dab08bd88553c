//! A run as one file: what is run, and what is expected of it. Whoever has the file can run it again, on any machine.

use perjury_systems::replica::ConfigError;
use serde::{Deserialize, Serialize};

use crate::run::{Outcome, Wanted, run};
use crate::setup::Setup;

/// More events than this are not compared one by one.
const MOST_COMPARED: u64 = 200_000;

/// A run that can be replayed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The version of the program that ran it.
    pub version: String,
    /// Whether the protocol's invariants were checked: a breach ends the run.
    pub invariants: bool,
    /// What is run.
    pub setup: Setup,
    /// What it came to; none if it was not run yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Expected>,
    /// What happens in it, sentence by sentence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub story: Vec<String>,
}

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// The property that it breaks; none for a clean run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub property: Option<String>,
    /// The rolling hash of everything that happened, as 16 hexadecimal digits.
    pub hash: String,
    /// How many events there were; none if only the hash is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<u64>,
    /// The last 16 bits of the rolling hash after every event, as 4 hexadecimal digits each; empty for long runs.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub steps: String,
}

/// How a run compares with what was expected of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Nothing was expected.
    Nothing,
    /// It is the same, bit for bit.
    Identical,
    /// It is another run.
    Different {
        /// The first event that differs, counted from 1; none if that was not kept.
        event: Option<u64>,
        /// What this event is now.
        now: Vec<String>,
    },
}

impl Expected {
    /// What a run came to; with every event, if its hashes were wanted and it is short enough.
    pub fn of(outcome: &Outcome) -> Self {
        let steps = if outcome.hashes.len() as u64 <= MOST_COMPARED {
            outcome.hashes.iter().map(digits).collect()
        } else {
            String::new()
        };
        Expected {
            property: outcome.violations.first().map(crate::Violation::property),
            hash: format!("{:016x}", outcome.hash),
            events: Some(outcome.events),
            steps,
        }
    }
}

fn digits(hash: &u64) -> String {
    format!("{:04x}", hash & 0xffff)
}

impl Case {
    /// What a case has to be run with so that it can be compared.
    pub fn wanted(&self) -> Wanted {
        Wanted {
            invariants: self.invariants,
            hashes: true,
            ..Wanted::default()
        }
    }

    /// Compares what it came to now with what was expected; `outcome` has its hashes.
    ///
    /// # Errors
    /// If the setup cannot be run.
    pub fn compare(&self, outcome: &Outcome) -> Result<Comparison, ConfigError> {
        let Some(expected) = &self.expected else {
            return Ok(Comparison::Nothing);
        };
        let same_length = expected.events.is_none_or(|events| events == outcome.events);
        if same_length && expected.hash == format!("{:016x}", outcome.hash) {
            return Ok(Comparison::Identical);
        }
        if expected.steps.is_empty() {
            return Ok(Comparison::Different {
                event: None,
                now: Vec::new(),
            });
        }
        let known = expected.steps.as_bytes().chunks(4);
        let same = known
            .zip(&outcome.hashes)
            .take_while(|(known, now)| *known == digits(now).as_bytes())
            .count() as u64;
        let event = same + 1;
        let described = Wanted {
            transcript: Some((event, event + 1)),
            judge: false,
            hashes: false,
            ..self.wanted()
        };
        let now = run(&self.setup, &described)?.transcript;
        Ok(Comparison::Different {
            event: Some(event),
            now: now.iter().map(ToString::to_string).collect(),
        })
    }
}
