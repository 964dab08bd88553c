//! What a run's folder says of the run: `test.json` and `verdict.json`, versioned.

use std::collections::BTreeMap;

use jiff::Timestamp;
use perjury_checker::quorum::Visibility;
use perjury_checker::{Finding, Verdict};
use perjury_nemesis::{Node, Plan};
use perjury_workloads::Coverage;
use serde::{Deserialize, Serialize};

/// The newest schema of `test.json` and `verdict.json` that this version reads and writes. A field that is
/// added with a default needs no new number; one whose meaning changes does.
pub const SCHEMA: u32 = 1;

/// Everything that is needed to run a test again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TestRecord {
    /// The schema of this record: [`SCHEMA`].
    pub schema: u32,
    /// The run's short id; see [`run_id`].
    pub id: String,
    /// The test's name: `raft-cas-partition`.
    pub name: String,
    /// The system under test: `raft`.
    pub system: String,
    /// What clients do: `cas`.
    pub workload: String,
    /// The kinds of faults that were asked for: `partition`, `kill`; empty for none.
    pub nemesis: Vec<String>,
    /// Where the nodes run: `process`, `sim`.
    pub environment: String,
    /// How many nodes.
    pub nodes: u16,
    /// How many clients work at once.
    pub concurrency: usize,
    /// Operations a second, all clients together, that the workload aims at; 0 for as many as there can be.
    pub rate: f64,
    /// How many keys are in use at a time; 0 for the workload's own choice.
    pub keys: usize,
    /// The size of the set that values are drawn from; none for values that are unique.
    pub values: Option<u64>,
    /// How long the main phase lasts, in milliseconds.
    pub time_limit_ms: u64,
    /// How long a client waits for an answer, in milliseconds.
    pub request_timeout_ms: u64,
    /// How long the cluster may take to serve again after everything is healed, in milliseconds.
    pub recovery_limit_ms: u64,
    /// Whether the main phase ends at the first violation that the history proves.
    #[serde(default)]
    pub stop_on_violation: bool,
    /// The seed that everything is derived from.
    pub seed: u64,
    /// The planted bug: `raft/read-local-at-leader`.
    pub mutant: Option<String>,
    /// The system's settings that were given.
    pub settings: BTreeMap<String, String>,
    /// Which fault comes when.
    pub plan: Plan,
    /// The version of perjury that ran it.
    pub version: String,
    /// Where it ran.
    pub machine: Machine,
    /// When it began.
    pub started_at: Timestamp,
    /// The command that runs it again, as a line for a shell.
    pub command: String,
}

/// The machine that a test ran on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The operating system: `linux`.
    pub os: String,
    /// The kernel's release, where it tells.
    pub kernel: Option<String>,
    /// The processor's architecture: `x86_64`.
    pub arch: String,
    /// Processors that the control node may use.
    pub cores: usize,
    /// Main memory in bytes, where the system tells.
    pub memory_bytes: Option<u64>,
}

impl Machine {
    /// This machine.
    pub fn here() -> Self {
        let text = |path: &str| std::fs::read_to_string(path).ok();
        let memory = || {
            let line = text("/proc/meminfo")?
                .lines()
                .find(|line| line.starts_with("MemTotal:"))?
                .to_owned();
            line.split_whitespace()
                .nth(1)?
                .parse::<u64>()
                .ok()?
                .checked_mul(1024)
        };
        Machine {
            os: std::env::consts::OS.to_owned(),
            kernel: text("/proc/sys/kernel/osrelease").map(|release| release.trim().to_owned()),
            arch: std::env::consts::ARCH.to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: memory(),
        }
    }
}

/// The short id of a run: six letters and digits that a person can read aloud (Crockford's base 32), from the
/// seed and the time it started at.
pub fn run_id(seed: u64, started_at: Timestamp) -> String {
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    // SplitMix64's finalizer: every bit of the seed and the time reaches every letter.
    let mut mixed = seed ^ (started_at.as_nanosecond() as u64).rotate_left(32);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    (0..6)
        .map(|letter| char::from(ALPHABET[(mixed >> (letter * 5)) as usize & 31]))
        .collect()
}

/// How a run ended, in one word. Harness, coverage and history are told apart in [`VerdictRecord`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunOutcome {
    /// Every property holds, and enough was covered for that to mean something.
    Valid,
    /// A violation is proven.
    Invalid,
    /// Not decided, or too little was covered.
    Unknown,
    /// The harness, or the cluster's set-up, failed.
    HarnessFailed,
    /// Interrupted before anything was proven.
    Interrupted,
}

impl RunOutcome {
    /// The word in files and on the terminal.
    pub fn word(self) -> &'static str {
        match self {
            RunOutcome::Valid => "valid",
            RunOutcome::Invalid => "invalid",
            RunOutcome::Unknown => "unknown",
            RunOutcome::HarnessFailed => "harness failed",
            RunOutcome::Interrupted => "interrupted",
        }
    }
}

/// What a run came to: `verdict.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictRecord {
    /// The schema of this record: [`SCHEMA`].
    pub schema: u32,
    /// The run's id.
    pub id: String,
    /// How it ended.
    pub outcome: RunOutcome,
    /// The exit code that it ended with.
    pub exit_code: u8,
    /// Every property, judged.
    pub findings: Vec<Finding>,
    /// What the run covered, and what is missing.
    pub coverage: Coverage,
    /// How long the run took until the cluster was stopped, in nanoseconds.
    pub ran_ns: u64,
    /// How long the checkers took, in nanoseconds.
    pub checked_ns: u64,
    /// How the cluster came back after everything was healed; none if it never came to that.
    pub recovery: Option<Recovery>,
    /// What the system under test did that no system may do, besides lying: nodes that died by themselves.
    pub system_failures: Vec<SystemFailure>,
    /// What went wrong in the harness itself.
    pub troubles: Vec<String>,
    /// The planted bug at work, if there was one.
    pub mutant: Option<MutantSeen>,
    /// Of a simulated store of quorums: how soon after a write reads should see it, as WARS predicts it from the delays of
    /// the network, for a write that no other overlaps and without faults.
    #[serde(default)]
    pub predicted_visibility: Vec<Visibility>,
}

impl VerdictRecord {
    /// The merged verdict of all properties: `unknown` if none was judged.
    pub fn verdict(&self) -> Verdict {
        self.findings
            .iter()
            .map(|finding| finding.verdict)
            .max()
            .unwrap_or(Verdict::Unknown)
    }

    /// The first finding that proves a violation.
    pub fn violation(&self) -> Option<&Finding> {
        self.findings
            .iter()
            .find(|finding| finding.verdict == Verdict::Invalid)
    }
}

/// How the cluster came back after everything was healed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// How long it may take, in nanoseconds.
    pub limit_ns: u64,
    /// Each node with the time after which it served again, in nanoseconds; none for one that did not.
    pub nodes: BTreeMap<Node, Option<u64>>,
}

impl Recovery {
    /// Whether every node served again within the limit.
    pub fn complete(&self) -> bool {
        self.nodes
            .values()
            .all(|after| after.is_some_and(|after| after <= self.limit_ns))
    }

    /// The time after which the last node served again, in nanoseconds; none if one never did.
    pub fn slowest(&self) -> Option<u64> {
        self.nodes
            .values()
            .copied()
            .collect::<Option<Vec<_>>>()?
            .into_iter()
            .max()
    }
}

/// A node that died by itself, or anything else that the system under test must not do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemFailure {
    /// When, in nanoseconds since the start.
    pub at: u64,
    /// Which node; none for the cluster as a whole.
    pub node: Option<Node>,
    /// What happened, with the last lines that the node wrote.
    pub reason: String,
}

/// How often a planted bug was asked, and how often it decided otherwise than the correct rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MutantSeen {
    /// The rule was asked.
    pub reached: u64,
    /// The mistake changed the decision.
    pub differed: u64,
}
