//! Basic Paxos' options, as `name=value`.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::replica::ConfigError;
use crate::settings::{Reader, Setting, setting};

/// The options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long a ballot may take before its proposer tries another.
    pub ballot_timeout: Duration,
    /// The shortest wait before another ballot; each is drawn, and the longest doubles with every ballot in vain.
    pub backoff: Duration,
    /// How long a request may wait.
    pub request_timeout: Duration,
    /// The whole state is written anew after so many records; 0 for never.
    pub snapshot_every: u64,
    /// Register an empty disk with the other members before it may vote.
    pub register_disks: bool,
}

/// All options.
pub const SETTINGS: &[Setting] = &[
    setting!(
        "ballot-timeout-ms",
        "1 to 60000",
        "100",
        "How long a ballot may take before its proposer tries another."
    ),
    setting!(
        "backoff-ms",
        "1 to 60000",
        "10",
        "The shortest wait before another ballot; the longest doubles with every ballot in vain."
    ),
    setting!(
        "request-timeout-ms",
        "1 to 3600000",
        "2000",
        "How long a request may wait for its outcome."
    ),
    setting!(
        "snapshot-every",
        "0 to 1000000000",
        "20000",
        "The whole state is written anew after so many records; 0 for never."
    ),
    setting!(
        "identity",
        "register, trust",
        "register",
        "Whether an empty disk must be registered with the other members before it may vote, or is trusted."
    ),
];

impl Settings {
    /// Reads the options that were given; those that were not have their defaults.
    ///
    /// # Errors
    /// An unknown option or a value out of range, with what would be right.
    pub fn parse(given: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let reader = Reader::new("basic-paxos", SETTINGS, given)?;
        Ok(Settings {
            ballot_timeout: reader.milliseconds("ballot-timeout-ms", 1, 60_000)?,
            backoff: reader.milliseconds("backoff-ms", 1, 60_000)?,
            request_timeout: reader.milliseconds("request-timeout-ms", 1, 3_600_000)?,
            snapshot_every: reader.number("snapshot-every", 0, 1_000_000_000)?,
            register_disks: reader.choice("identity", &[("register", true), ("trust", false)])?,
        })
    }
}
