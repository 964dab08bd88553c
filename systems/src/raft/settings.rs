//! Raft's options, as `name=value`.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::replica::ConfigError;
use crate::settings::{Reader, Setting, setting};

/// How linearizable reads are confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadMode {
    /// A round of heartbeats for every batch of reads (thesis §6.4).
    ReadIndex,
    /// From a lease, as long as clocks keep to the declared drift (thesis §6.4.1).
    Lease,
}

/// How the voters change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MembershipMode {
    /// Always through a joint configuration (paper §6).
    Joint,
    /// One node at a time in one step (thesis §4.1); more than one through a joint configuration.
    Single,
}

/// Raft's options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Between two heartbeats of a leader.
    pub heartbeat: Duration,
    /// The shortest election timeout; each is drawn anew between this and twice this.
    pub election_timeout: Duration,
    /// Ask before campaigning, and refuse to depose a leader that is alive.
    pub prevote: bool,
    /// A leader steps down when no majority answers.
    pub check_quorum: bool,
    /// How reads are confirmed.
    pub reads: ReadMode,
    /// By how much a clock's rate may be off for leases to be safe, in parts per million.
    pub lease_drift_ppm: u32,
    /// The most entries that one append carries.
    pub max_entries_per_append: usize,
    /// The most unanswered appends on the way to one follower.
    pub max_inflight: usize,
    /// A snapshot after so many applied entries; 0 for never.
    pub snapshot_every: u64,
    /// How many entries before a snapshot stay in the log for followers that lag a little.
    pub snapshot_keep: u64,
    /// The bytes of one chunk of a snapshot.
    pub chunk_bytes: usize,
    /// How the voters change.
    pub membership: MembershipMode,
    /// How many entries a learner may lack when it becomes a voter.
    pub catch_up_lag: u64,
    /// How long a learner may take to catch up before its promotion is given up.
    pub catch_up_timeout: Duration,
    /// How long a request may wait.
    pub request_timeout: Duration,
    /// For how many clients the last answer is kept.
    pub session_capacity: usize,
    /// How long an apply step waits; zero applies at once.
    pub apply_delay: Duration,
    /// Register an empty disk with the other members before it may vote.
    pub register_disks: bool,
}

/// All options.
pub const SETTINGS: &[Setting] = &[
    setting!(
        "heartbeat-ms",
        "1 to 60000",
        "50",
        "Between two heartbeats of a leader."
    ),
    setting!(
        "election-timeout-ms",
        "2 to 600000, at least twice heartbeat-ms",
        "300",
        "The shortest election timeout; each is drawn anew between this and twice this."
    ),
    setting!(
        "prevote",
        "on, off",
        "on",
        "Ask whether an election could be won before disturbing anybody, and refuse to depose a live leader."
    ),
    setting!(
        "check-quorum",
        "on, off",
        "on",
        "A leader steps down when no majority answers."
    ),
    setting!(
        "reads",
        "readindex, lease",
        "readindex",
        "How reads are confirmed: by a round of heartbeats, or by a lease that trusts the clocks' rates."
    ),
    setting!(
        "lease-drift-ppm",
        "0 to 900000",
        "100000",
        "By how much a clock's rate may be off for leases to be safe, in parts per million."
    ),
    setting!(
        "max-entries-per-append",
        "1 to 100000",
        "64",
        "The most entries that one append carries."
    ),
    setting!(
        "max-inflight",
        "1 to 1024",
        "8",
        "The most unanswered appends on the way to one follower."
    ),
    setting!(
        "snapshot-every",
        "0 to 1000000000",
        "10000",
        "A snapshot after so many applied entries; 0 for never."
    ),
    setting!(
        "snapshot-keep",
        "0 to 1000000000",
        "1000",
        "How many entries before a snapshot stay in the log for followers that lag a little."
    ),
    setting!(
        "chunk-bytes",
        "1 to 16777216",
        "65536",
        "The bytes of one chunk of a snapshot."
    ),
    setting!(
        "membership",
        "joint, single",
        "joint",
        "How the voters change: through a joint configuration, or one node at a time in one step."
    ),
    setting!(
        "catch-up-lag",
        "0 to 1000000",
        "16",
        "How many entries a learner may lack when it becomes a voter."
    ),
    setting!(
        "catch-up-timeout-ms",
        "1 to 3600000",
        "5000",
        "How long a learner may take to catch up before its promotion is given up."
    ),
    setting!(
        "request-timeout-ms",
        "1 to 3600000",
        "2000",
        "How long a request may wait for its outcome."
    ),
    setting!(
        "session-capacity",
        "1 to 10000000",
        "10000",
        "For how many clients the last answer is kept."
    ),
    setting!(
        "apply-delay-us",
        "0 to 10000000",
        "0",
        "How long every batch of committed entries waits to be applied: a slow state machine."
    ),
    setting!(
        "identity",
        "register, trust",
        "register",
        "Whether an empty disk must be registered with the other members before it may vote, or is trusted."
    ),
];

impl Default for Settings {
    fn default() -> Self {
        Settings::parse(&BTreeMap::new()).expect("the defaults are in range")
    }
}

impl Settings {
    /// Reads the options; those that are not given have their defaults.
    ///
    /// # Errors
    /// An unknown name, a value out of range, or two that do not go together, with what would be right.
    pub fn parse(given: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let reader = Reader::new("raft", SETTINGS, given)?;
        let ms = |name, min, max| reader.milliseconds(name, min, max);
        let settings = Settings {
            heartbeat: ms("heartbeat-ms", 1, 60_000)?,
            election_timeout: ms("election-timeout-ms", 2, 600_000)?,
            prevote: reader.switch("prevote")?,
            check_quorum: reader.switch("check-quorum")?,
            reads: reader.choice(
                "reads",
                &[("readindex", ReadMode::ReadIndex), ("lease", ReadMode::Lease)],
            )?,
            lease_drift_ppm: reader.number("lease-drift-ppm", 0, 900_000)? as u32,
            max_entries_per_append: reader.number("max-entries-per-append", 1, 100_000)? as usize,
            max_inflight: reader.number("max-inflight", 1, 1024)? as usize,
            snapshot_every: reader.number("snapshot-every", 0, 1_000_000_000)?,
            snapshot_keep: reader.number("snapshot-keep", 0, 1_000_000_000)?,
            chunk_bytes: reader.number("chunk-bytes", 1, 16 << 20)? as usize,
            membership: reader.choice(
                "membership",
                &[
                    ("joint", MembershipMode::Joint),
                    ("single", MembershipMode::Single),
                ],
            )?,
            catch_up_lag: reader.number("catch-up-lag", 0, 1_000_000)?,
            catch_up_timeout: ms("catch-up-timeout-ms", 1, 3_600_000)?,
            request_timeout: ms("request-timeout-ms", 1, 3_600_000)?,
            session_capacity: reader.number("session-capacity", 1, 10_000_000)? as usize,
            apply_delay: reader
                .number("apply-delay-us", 0, 10_000_000)
                .map(Duration::from_micros)?,
            register_disks: reader.choice("identity", &[("register", true), ("trust", false)])?,
        };
        if settings.election_timeout < 2 * settings.heartbeat {
            return Err(ConfigError(format!(
                "election-timeout-ms={} is less than twice heartbeat-ms={}: followers would campaign against a \
                 live leader; raise the one or lower the other",
                settings.election_timeout.as_millis(),
                settings.heartbeat.as_millis()
            )));
        }
        if settings.reads == ReadMode::Lease && !settings.prevote {
            return Err(ConfigError(
                "reads=lease needs prevote=on: a lease holds because voters refuse to depose a live leader"
                    .into(),
            ));
        }
        Ok(settings)
    }
}

/// By how much clocks may drift under these settings, in parts per million: only leases rest on clocks.
pub fn drift_limit_ppm(settings: &BTreeMap<String, String>) -> Option<u32> {
    let settings = Settings::parse(settings).ok()?;
    (settings.reads == ReadMode::Lease).then_some(settings.lease_drift_ppm)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(options: &[(&str, &str)]) -> Result<Settings, ConfigError> {
        let owned = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
        Settings::parse(&options.iter().map(owned).collect())
    }

    #[test]
    fn the_defaults_are_what_the_list_says() {
        let listed: Vec<(&str, &str)> = SETTINGS.iter().map(|s| (s.name, s.default)).collect();
        assert_eq!(parse(&listed), Ok(Settings::default()));
    }

    #[test]
    fn a_wrong_option_is_refused_with_what_would_be_right() {
        let cases: &[(&[(&str, &str)], &str)] = &[
            (&[("hartbeat-ms", "5")], "heartbeat-ms"),
            (&[("heartbeat-ms", "0")], "1 to 60000"),
            (&[("prevote", "yes")], "on, off"),
            (&[("heartbeat-ms", "200")], "twice heartbeat-ms"),
            (&[("reads", "lease"), ("prevote", "off")], "prevote=on"),
        ];
        for (options, mend) in cases {
            let ConfigError(text) = parse(options).expect_err("it is wrong");
            assert!(text.contains(mend), "{text:?} does not say {mend:?}");
        }
    }
}
