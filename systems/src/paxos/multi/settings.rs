//! Multi-Paxos' options, as `name=value`.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::replica::ConfigError;
use crate::settings::{Reader, Setting, setting};

/// How linearizable reads are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadMode {
    /// The leader asks a quorum whether it still leads.
    Quorum,
    /// A read takes a slot, as a write does.
    Slot,
    /// The leader reads alone, as long as a quorum of acceptors keeps others from leading (Paxos Made Live §5.2).
    Lease,
    /// Every replica reads alone; a write waits for all that may (as Ceph's monitors do).
    Replicas,
}

impl ReadMode {
    /// Whether it rests on clocks.
    pub fn has_leases(self) -> bool {
        matches!(self, ReadMode::Lease | ReadMode::Replicas)
    }
}

/// The options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Between two heartbeats of a leader.
    pub heartbeat: Duration,
    /// The shortest election timeout, and the length of a lease; each timeout is drawn between this and twice this.
    pub election_timeout: Duration,
    /// How reads are served.
    pub reads: ReadMode,
    /// By how much a clock's rate may be off for leases to be safe, in parts per million.
    pub lease_drift_ppm: u32,
    /// How many slots may be open at a time, and how many after its own a configuration takes effect: α.
    pub alpha: Slot,
    /// The most decrees that one Accept carries.
    pub max_batch: usize,
    /// A snapshot after so many executed slots; 0 for never.
    pub snapshot_every: u64,
    /// How many slots before a snapshot are kept for nodes that lag a little.
    pub snapshot_keep: u64,
    /// The bytes of one piece of a snapshot.
    pub chunk_bytes: usize,
    /// How many slots a learner may lack when it becomes an acceptor.
    pub catch_up_lag: u64,
    /// How long a learner may take to catch up before its promotion is given up.
    pub catch_up_timeout: Duration,
    /// How long a request may wait.
    pub request_timeout: Duration,
    /// For how many clients the last answer is kept.
    pub session_capacity: usize,
    /// Register an empty disk with the other members before it may vote.
    pub register_disks: bool,
}

use super::types::Slot;

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
        "The shortest election timeout, and the length of a lease; each timeout is drawn between this and twice this."
    ),
    setting!(
        "reads",
        "quorum, slot, lease, replicas",
        "quorum",
        "How reads are served: the leader asks a quorum; a read takes a slot; the leader has a lease; every replica \
         has a lease, and writes wait for all that do."
    ),
    setting!(
        "lease-drift-ppm",
        "0 to 900000",
        "100000",
        "By how much a clock's rate may be off for leases to be safe, in parts per million."
    ),
    setting!(
        "alpha",
        "1 to 10000",
        "64",
        "How many slots may be open at a time, and how many after its own a configuration takes effect."
    ),
    setting!(
        "max-batch",
        "1 to 10000",
        "64",
        "The most decrees that one Accept carries."
    ),
    setting!(
        "snapshot-every",
        "0 to 1000000000",
        "10000",
        "A snapshot after so many executed slots; 0 for never."
    ),
    setting!(
        "snapshot-keep",
        "0 to 1000000000",
        "1000",
        "How many slots before a snapshot are kept for nodes that lag a little."
    ),
    setting!(
        "chunk-bytes",
        "1 to 16777216",
        "65536",
        "The bytes of one piece of a snapshot."
    ),
    setting!(
        "catch-up-lag",
        "0 to 1000000",
        "16",
        "How many slots a learner may lack when it becomes an acceptor."
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
        "identity",
        "register, trust",
        "register",
        "Whether an empty disk must be registered with the other members before it may vote, or is trusted."
    ),
];

/// By how much clocks may drift from each other: as far as leases bear it, where reads rest on leases.
pub fn drift_limit_ppm(given: &BTreeMap<String, String>) -> Option<u32> {
    let settings = Settings::parse(given).ok()?;
    settings.reads.has_leases().then_some(settings.lease_drift_ppm)
}

impl Settings {
    /// Reads the options that were given; those that were not have their defaults.
    ///
    /// # Errors
    /// An unknown option, a value out of range, or options that contradict each other, with what would be right.
    pub fn parse(given: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let reader = Reader::new("paxos", SETTINGS, given)?;
        let ms = |name, min, max| reader.milliseconds(name, min, max);
        let reads = [
            ("quorum", ReadMode::Quorum),
            ("slot", ReadMode::Slot),
            ("lease", ReadMode::Lease),
            ("replicas", ReadMode::Replicas),
        ];
        let settings = Settings {
            heartbeat: ms("heartbeat-ms", 1, 60_000)?,
            election_timeout: ms("election-timeout-ms", 2, 600_000)?,
            reads: reader.choice("reads", &reads)?,
            lease_drift_ppm: reader.number("lease-drift-ppm", 0, 900_000)? as u32,
            alpha: reader.number("alpha", 1, 10_000)?,
            max_batch: reader.number("max-batch", 1, 10_000)? as usize,
            snapshot_every: reader.number("snapshot-every", 0, 1_000_000_000)?,
            snapshot_keep: reader.number("snapshot-keep", 0, 1_000_000_000)?,
            chunk_bytes: reader.number("chunk-bytes", 1, 16_777_216)? as usize,
            catch_up_lag: reader.number("catch-up-lag", 0, 1_000_000)?,
            catch_up_timeout: ms("catch-up-timeout-ms", 1, 3_600_000)?,
            request_timeout: ms("request-timeout-ms", 1, 3_600_000)?,
            session_capacity: reader.number("session-capacity", 1, 10_000_000)? as usize,
            register_disks: reader.choice("identity", &[("register", true), ("trust", false)])?,
        };
        if settings.election_timeout < 2 * settings.heartbeat {
            return Err(ConfigError(format!(
                "election-timeout-ms={} is less than twice heartbeat-ms={}: others would try to lead beside a live \
                 leader; raise the one or lower the other",
                settings.election_timeout.as_millis(),
                settings.heartbeat.as_millis()
            )));
        }
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_accepted_and_wrong_options_are_refused_with_what_would_be_right() {
        assert!(Settings::parse(&BTreeMap::new()).is_ok());
        for (name, value, mend) in [
            ("hartbeat-ms", "5", "heartbeat-ms"),
            ("alpha", "0", "1 to 10000"),
            ("reads", "local", "quorum, slot, lease, replicas"),
            ("heartbeat-ms", "200", "twice heartbeat-ms"),
        ] {
            let given = BTreeMap::from([(name.to_owned(), value.to_owned())]);
            let ConfigError(text) = Settings::parse(&given).expect_err("it is wrong");
            assert!(text.contains(mend), "{text:?} does not say {mend:?}");
        }
    }
}
