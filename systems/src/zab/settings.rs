//! ZAB's options, as `name=value`.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::replica::ConfigError;
use crate::settings::{Reader, Setting, setting};

/// Who says whom to elect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Election {
    /// Fast leader election.
    Fast,
    /// Chance: any server at any time, also several at once. Safety must not depend on it (paper, phase 0).
    Oracle,
}

/// What a read promises, if the request does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// It is linearizable: a sync comes before it.
    Sync,
    /// It is sequentially consistent: the server answers from its own state.
    Local,
}

/// ZAB's options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Between two heartbeats.
    pub tick: Duration,
    /// A leader and its followers part when they have not heard each other for so long.
    pub sync_limit: Duration,
    /// Discovery and synchronisation may take so long.
    pub init_limit: Duration,
    /// How long a node waits for a better vote when a quorum agrees.
    pub finalize_wait: Duration,
    /// How long a node that looks for a leader waits before it votes again; twice as long each time.
    pub notify: Duration,
    /// The longest such wait.
    pub notify_longest: Duration,
    /// Who says whom to elect.
    pub election: Election,
    /// How many of the members, the last ones, are observers.
    pub observers: usize,
    /// The last transaction of an epoch.
    pub counter_limit: u32,
    /// What a read promises, if the request does not say.
    pub reads: Reads,
    /// A snapshot after so many applied transactions; 0 for never.
    pub snapshot_every: usize,
    /// How many transactions before a snapshot stay in the log for learners that lag a little.
    pub snapshot_keep: usize,
    /// How many keys at a time are written to a snapshot, or sent.
    pub piece: usize,
    /// Between two pieces of a snapshot, during which the state changes.
    pub snapshot_pause: Duration,
    /// How long a request may wait.
    pub request_timeout: Duration,
    /// For how many clients the last answer is kept.
    pub session_capacity: usize,
    /// How long an apply step waits; zero applies at once.
    pub apply_delay: Duration,
}

/// All options.
pub const SETTINGS: &[Setting] = &[
    setting!(
        "tick-ms",
        "1 to 60000",
        "50",
        "Between two heartbeats of a leader."
    ),
    setting!(
        "sync-limit-ms",
        "2 to 600000, at least twice tick-ms",
        "300",
        "A leader without a quorum, and a follower without its leader, give up after so long."
    ),
    setting!(
        "init-limit-ms",
        "2 to 600000",
        "1000",
        "How long a new leader may take until a quorum has adopted its history."
    ),
    setting!(
        "finalize-wait-ms",
        "1 to 60000",
        "20",
        "How long a node waits for a better vote when a quorum agrees."
    ),
    setting!(
        "notify-ms",
        "1 to 60000",
        "50",
        "How long a node that looks for a leader waits before it votes again; twice as long each time."
    ),
    setting!(
        "notify-longest-ms",
        "1 to 600000, at least notify-ms",
        "800",
        "The longest such wait."
    ),
    setting!(
        "election",
        "fast, oracle",
        "fast",
        "Who says whom to elect: fast leader election, or chance, on which safety must not depend."
    ),
    setting!(
        "observers",
        "0 to 1000, fewer than there are members",
        "0",
        "How many of the members, the last ones, receive the log without a vote. Nodes that are no members do, too."
    ),
    setting!(
        "counter-limit",
        "1 to 4294967295",
        "4294967295",
        "The last transaction of an epoch: the next one needs another epoch."
    ),
    setting!(
        "reads",
        "sync, local",
        "sync",
        "What a read promises: linearizable, after a sync that a quorum confirms, or sequentially consistent, from the \
         server's own state. A request may ask for the one or the other."
    ),
    setting!(
        "snapshot-every",
        "0 to 1000000000",
        "10000",
        "A snapshot after so many applied transactions; 0 for never."
    ),
    setting!(
        "snapshot-keep",
        "0 to 1000000000",
        "1000",
        "How many transactions before a snapshot stay in the log for learners that lag a little."
    ),
    setting!(
        "piece-keys",
        "1 to 1000000",
        "1000",
        "How many keys at a time are written to a snapshot, or sent to a learner."
    ),
    setting!(
        "snapshot-pause-us",
        "1 to 10000000",
        "1000",
        "Between two pieces of a snapshot that is written, during which the state goes on changing."
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
        "How long every batch of committed transactions waits to be applied: a slow state machine."
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
        let reader = Reader::new("zab", SETTINGS, given)?;
        let ms = |name, min, max| reader.milliseconds(name, min, max);
        let us = |name, min, max| reader.number(name, min, max).map(Duration::from_micros);
        let settings = Settings {
            tick: ms("tick-ms", 1, 60_000)?,
            sync_limit: ms("sync-limit-ms", 2, 600_000)?,
            init_limit: ms("init-limit-ms", 2, 600_000)?,
            finalize_wait: ms("finalize-wait-ms", 1, 60_000)?,
            notify: ms("notify-ms", 1, 60_000)?,
            notify_longest: ms("notify-longest-ms", 1, 600_000)?,
            election: reader.choice(
                "election",
                &[("fast", Election::Fast), ("oracle", Election::Oracle)],
            )?,
            observers: reader.number("observers", 0, 1000)? as usize,
            counter_limit: reader.number("counter-limit", 1, u64::from(u32::MAX))? as u32,
            reads: reader.choice("reads", &[("sync", Reads::Sync), ("local", Reads::Local)])?,
            snapshot_every: reader.number("snapshot-every", 0, 1_000_000_000)? as usize,
            snapshot_keep: reader.number("snapshot-keep", 0, 1_000_000_000)? as usize,
            piece: reader.number("piece-keys", 1, 1_000_000)? as usize,
            snapshot_pause: us("snapshot-pause-us", 1, 10_000_000)?,
            request_timeout: ms("request-timeout-ms", 1, 3_600_000)?,
            session_capacity: reader.number("session-capacity", 1, 10_000_000)? as usize,
            apply_delay: us("apply-delay-us", 0, 10_000_000)?,
        };
        if settings.sync_limit < 2 * settings.tick {
            return Err(ConfigError(format!(
                "sync-limit-ms={} is less than twice tick-ms={}: a follower would leave a live leader; raise the one \
                 or lower the other",
                settings.sync_limit.as_millis(),
                settings.tick.as_millis()
            )));
        }
        if settings.notify_longest < settings.notify {
            return Err(ConfigError(format!(
                "notify-longest-ms={} is less than notify-ms={}",
                settings.notify_longest.as_millis(),
                settings.notify.as_millis()
            )));
        }
        Ok(settings)
    }
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
            (&[("tik-ms", "5")], "tick-ms"),
            (&[("reads", "quorum")], "sync, local"),
            (&[("tick-ms", "200")], "twice tick-ms"),
            (&[("notify-longest-ms", "5")], "notify-ms"),
        ];
        for (options, mend) in cases {
            let ConfigError(text) = parse(options).expect_err("it is wrong");
            assert!(text.contains(mend), "{text:?} does not say {mend:?}");
        }
    }
}
