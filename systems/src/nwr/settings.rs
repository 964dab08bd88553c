//! The store's options, as `name=value`.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::replica::ConfigError;
use crate::ring::Shape;
use crate::settings::{Reader, Setting, setting};

/// How versions are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versions {
    /// By a counter greater than any that a read quorum knows, then by node.
    Counter,
    /// By the coordinator's wall clock, then by node: the last writer wins, as far as clocks agree.
    Clock,
    /// Not: by version vectors, which tell what overwrites what; concurrent versions stand side by side.
    Vector,
}

/// What a read does with what it found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadMode {
    /// Returns it: a regular register.
    Regular,
    /// Stores it at a write quorum first: an atomic register (Attiya, Bar-Noy and Dolev, 1995).
    Abd,
}

/// The store's options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Replicas of each key.
    pub n: usize,
    /// How many have to store a write.
    pub w: usize,
    /// How many have to answer a read.
    pub r: usize,
    /// How versions are ordered.
    pub versions: Versions,
    /// What a read does with what it found.
    pub reads: ReadMode,
    /// Stand-ins count as replicas.
    pub sloppy: bool,
    /// A reader brings replicas that lag up to date.
    pub read_repair: bool,
    /// What a replica missed is kept for it elsewhere.
    pub handoff: bool,
    /// How long a replica may be silent until something is kept for it.
    pub hint_after: Duration,
    /// Between two comparisons with another replica; zero for never.
    pub anti_entropy: Duration,
    /// Between two attempts at a replica that does not answer.
    pub retry: Duration,
    /// How long a request may wait.
    pub request_timeout: Duration,
    /// How long a removed key is remembered once all replicas know that it is removed.
    pub gc_grace: Duration,
    /// What the ring is made of.
    pub shape: Shape,
    /// A snapshot after so many records; 0 for never.
    pub snapshot_every: u64,
    /// Ask the other nodes whether an empty disk is this node's first one.
    pub register_disks: bool,
}

/// All options.
pub const SETTINGS: &[Setting] = &[
    setting!("n", "1 to 64, at most the nodes", "3", "Replicas of each key."),
    setting!("w", "1 to n", "2", "How many replicas have to store a write."),
    setting!("r", "1 to n", "2", "How many replicas have to answer a read."),
    setting!(
        "versions",
        "counter, clock, vector",
        "counter",
        "What orders versions: a counter above those of a read quorum; the coordinator's wall clock; or nothing but version \
         vectors, with concurrent versions side by side (for the workload set)."
    ),
    setting!(
        "reads",
        "regular, abd",
        "regular",
        "Return what was found, or store it at a write quorum first, which makes a register atomic."
    ),
    setting!(
        "sloppy",
        "on, off",
        "off",
        "Stand-ins outside the key's replicas count: available, and quorums need not meet."
    ),
    setting!(
        "read-repair",
        "on, off",
        "on",
        "Bring replicas that a reader finds behind up to date."
    ),
    setting!(
        "handoff",
        "on, off",
        "on",
        "Keep what a silent replica missed, durably, until it has it."
    ),
    setting!(
        "hint-after-ms",
        "1 to 60000",
        "100",
        "How long a replica may be silent until something is kept for it."
    ),
    setting!(
        "anti-entropy-ms",
        "0 to 3600000",
        "1000",
        "Between two comparisons with another node by Merkle trees; 0 for never."
    ),
    setting!(
        "retry-ms",
        "1 to 60000",
        "40",
        "Between two attempts at a replica that does not answer."
    ),
    setting!(
        "request-timeout-ms",
        "1 to 3600000",
        "900",
        "How long a request waits for its quorum."
    ),
    setting!(
        "gc-grace-ms",
        "1 to 2592000000",
        "864000000",
        "How long a removed key is remembered once all its replicas know it; for ever where versions are no counters, or \
         quorums sloppy."
    ),
    setting!(
        "virtual-nodes",
        "1 to 1024",
        "32",
        "Tokens of each node on the ring."
    ),
    setting!(
        "token-bits",
        "4 to 64",
        "64",
        "Bits of a token; few make tokens collide."
    ),
    setting!(
        "snapshot-every",
        "0 to 1000000000",
        "20000",
        "A snapshot after so many records; 0 for never."
    ),
    setting!(
        "identity",
        "register, trust",
        "register",
        "Whether an empty disk must be known to the other nodes as the first, or is trusted."
    ),
];

impl Settings {
    /// Reads options; those that are not given have their defaults.
    ///
    /// # Errors
    /// An unknown option, or a value that is out of range or does not go with the others.
    pub fn parse(given: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let reader = Reader::new("nwr", SETTINGS, given)?;
        let n = reader.number("n", 1, 64)?;
        Ok(Settings {
            n: n as usize,
            w: reader.number("w", 1, n)? as usize,
            r: reader.number("r", 1, n)? as usize,
            versions: reader.choice(
                "versions",
                &[
                    ("counter", Versions::Counter),
                    ("clock", Versions::Clock),
                    ("vector", Versions::Vector),
                ],
            )?,
            reads: reader.choice("reads", &[("regular", ReadMode::Regular), ("abd", ReadMode::Abd)])?,
            sloppy: reader.switch("sloppy")?,
            read_repair: reader.switch("read-repair")?,
            handoff: reader.switch("handoff")?,
            hint_after: reader.milliseconds("hint-after-ms", 1, 60_000)?,
            anti_entropy: reader.milliseconds("anti-entropy-ms", 0, 3_600_000)?,
            retry: reader.milliseconds("retry-ms", 1, 60_000)?,
            request_timeout: reader.milliseconds("request-timeout-ms", 1, 3_600_000)?,
            gc_grace: reader.milliseconds("gc-grace-ms", 1, 2_592_000_000)?,
            shape: Shape {
                virtual_nodes: reader.number("virtual-nodes", 1, 1024)? as u16,
                bits: reader.number("token-bits", 4, 64)? as u32,
            },
            snapshot_every: reader.number("snapshot-every", 0, 1_000_000_000)?,
            register_disks: reader.choice("identity", &[("register", true), ("trust", false)])?,
        })
    }

    /// Whether removals are ever forgotten.
    pub fn forgets_removals(&self) -> bool {
        self.versions == Versions::Counter && !self.sloppy
    }

    /// Whether any read quorum meets any write quorum.
    pub fn is_strict(&self) -> bool {
        self.w + self.r > self.n && !self.sloppy
    }
}

impl Default for Settings {
    fn default() -> Self {
        Settings::parse(&BTreeMap::new()).expect("the defaults are in range")
    }
}
