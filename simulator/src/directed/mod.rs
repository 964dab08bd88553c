//! Directed schedules: nothing is delivered, synced or timed out unless the schedule says so.
//!
//! Some mistakes need half a dozen messages to be late in one order out of millions; chance does not find them within
//! any sensible budget. Such an order is written down as a schedule, a text with one step a line, and played to the
//! system: with the mistake planted it has to convict, and the correct system has to walk through it unharmed.
//!
//! ```text
//! # What it is about.
//! nodes 3
//! set prevote=off
//! convicts raft/double-vote
//! elect n1 n2
//! write n1 x 1
//! deliver n1 n2
//! ```
//!
//! Whatever the schedule leaves of the cluster is healed in the end: everything is delivered, somebody is elected, and
//! every key is read, so that the history has the chance to convict too.

mod parse;
mod stage;

use std::collections::BTreeMap;

use perjury_systems::replica::{Cluster, ConfigError, MutantCounts, NodeId};

use crate::run::{Violation, checking};
use crate::systems::{self, Drawn, Simulated, Visitor};
pub use parse::ScheduleError;
use perjury_checker::Verdict;
use stage::Stage;

/// A schedule, and the cluster that it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// What it is about: the comment that it begins with.
    pub about: String,
    /// The system.
    pub system: String,
    /// Nodes.
    pub nodes: u16,
    /// How many of them, the first ones, are members from the start.
    pub members: u16,
    /// The system's settings.
    pub settings: BTreeMap<String, String>,
    /// The planted bugs that it convicts, by their whole names; none for a control, which nobody must fail.
    pub convicts: Vec<String>,
    steps: Vec<(usize, Step)>,
}

/// One step. Nodes are named n1, n2, ….
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// A timer runs out: `timer n1 election`.
    Timer(NodeId, String),
    /// Everything on the way is lost, the node campaigns, the others are asked and answer once, and what else was sent
    /// is lost, a new leader's first messages included: `elect n1 n2 n3`.
    Elect(NodeId, Vec<NodeId>),
    /// The heartbeat's timer runs out, and what follows from it among these nodes comes to rest; what is sent to
    /// others is lost: `beat n1 n2 n3`.
    Beat(NodeId, Vec<NodeId>),
    /// Messages are delivered, the oldest first, all or so many: `deliver n1 n2 1`.
    Deliver(NodeId, NodeId, Option<usize>),
    /// Messages are set aside: `hold n1 n2`.
    Hold(NodeId, NodeId),
    /// Messages that were set aside are delivered: `release n1 n2`.
    Release(NodeId, NodeId),
    /// Messages are lost: `lose n1 n2`, or everything on the way: `lose`.
    Lose(Option<(NodeId, NodeId)>),
    /// A client writes: `write n1 x 7`.
    Write(NodeId, String, i64),
    /// A client reads: `read n1 x`.
    Read(NodeId, String),
    /// An operator adds a node: `join n1 n4`.
    Join(NodeId, NodeId),
    /// An operator removes a node: `leave n1 n3`.
    Leave(NodeId, NodeId),
    /// An operator puts a node in another's place: `replace n1 n3 n4`.
    Replace(NodeId, NodeId, NodeId),
    /// The process ends; so many of the writes that were not durable survive: `kill n1 2`.
    Kill(NodeId, usize),
    /// The process starts: `start n1`.
    Start(NodeId),
    /// The process ends and the disk is emptied: `wipe n1`.
    Wipe(NodeId),
    /// Nothing becomes durable by itself from now on: `hold-disk n1`.
    HoldDisk(NodeId),
    /// Everything written is durable: `sync n1`.
    Sync(NodeId),
    /// The schedule makes sense only if the node leads now: `expect n1 leads`.
    ExpectLeader(NodeId),
    /// Healthy and connected, these nodes are a majority, and have to serve: `serve n2 n3`.
    Serve(Vec<NodeId>),
    /// Steps that are repeated: `repeat 3`, …, `end`.
    Repeat(usize, Vec<(usize, Step)>),
}

/// What came of playing a schedule.
#[derive(Clone, Debug)]
pub struct Played {
    /// Everything that is wrong, what the history proves first.
    pub violations: Vec<Violation>,
    /// What became of the planted mistake.
    pub mutant: MutantCounts,
    /// What happened, a sentence each.
    pub told: Vec<String>,
}

macro_rules! schedules {
    ($($name:literal),* $(,)?) => {
        /// The schedules that come with the bundled systems: name and text.
        pub const SCHEDULES: &[(&str, &str)] = &[
            $(($name, include_str!(concat!("schedules/", $name, ".txt"))),)*
        ];
    };
}

schedules![
    "figure-8",
    "stale-append-reply",
    "old-heartbeat-replies",
    "single-server-change",
    "vote-lost-by-restart",
    "vote-before-fsync",
    "learner-must-vote",
    "late-winner",
    "direct-switch",
    "truncated-config",
    "older-snapshot",
    "snapshot-before-suffix",
    "old-accept-overwrites",
    "votes-of-two-ballots",
    "late-vote",
];

/// The bundled schedule of this name.
///
/// # Errors
/// If there is none; the error lists those that there are.
pub fn bundled(name: &str) -> Result<Schedule, ScheduleError> {
    match SCHEDULES.iter().find(|(known, _)| *known == name) {
        Some((_, text)) => text.parse(),
        None => {
            let names: Vec<&str> = SCHEDULES.iter().map(|(name, _)| *name).collect();
            Err(ScheduleError(format!(
                "there is no schedule {name:?}; there are: {}",
                names.join(", ")
            )))
        }
    }
}

impl Schedule {
    /// The cluster that it is for.
    fn cluster(&self, mutant: Option<&str>) -> Cluster {
        let short = mutant.map(|name| name.split_once('/').map_or(name, |(_, short)| short).to_owned());
        Cluster {
            nodes: (1..=self.nodes).map(NodeId).collect(),
            members: (1..=self.members).map(NodeId).collect(),
            settings: self.settings.clone(),
            mutant: short,
        }
    }

    /// Plays it to the correct system, or with a bug planted.
    ///
    /// # Errors
    /// If there is no such system, setting or bug, or if the schedule does not come to where it expects to be.
    pub fn play(&self, mutant: Option<&str>) -> Result<Played, ConfigError> {
        struct Play<'a>(&'a Schedule, Option<&'a str>);
        impl Visitor for Play<'_> {
            type Output = Result<Played, ConfigError>;
            fn visit<R: Drawn>(self) -> Self::Output {
                play::<R>(self.0, self.1)
            }
        }
        systems::visit(&self.system, Play(self, mutant))?
    }
}

fn play<R: Simulated>(schedule: &Schedule, mutant: Option<&str>) -> Result<Played, ConfigError> {
    let cluster = schedule.cluster(mutant);
    R::validate(&cluster)?;
    let mut stage = Stage::<R>::new(cluster);
    take(&mut stage, &schedule.steps)?;
    stage.heal();
    let workload = perjury_workloads::build("register", &perjury_workloads::Options::default())
        .map_err(|error| ConfigError(error.to_string()))?;
    let (history, mutant, told, watched) = stage.finish()?;
    let mut violations: Vec<Violation> = workload
        .judge(&history, &checking())
        .into_iter()
        .filter(|finding| finding.verdict == Verdict::Invalid)
        .map(Violation::History)
        .collect();
    violations.extend(watched);
    Ok(Played {
        violations,
        mutant,
        told,
    })
}

fn take<R: Simulated>(stage: &mut Stage<R>, steps: &[(usize, Step)]) -> Result<(), ConfigError> {
    for (line, step) in steps {
        match step {
            Step::Repeat(times, steps) => {
                for _ in 0..*times {
                    take(stage, steps)?;
                }
            }
            step => stage
                .take(step)
                .map_err(|problem| ConfigError(format!("line {line}: {problem}")))?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schedule_convicts_what_it_says_and_leaves_the_correct_system_alone() {
        for (name, text) in SCHEDULES {
            let schedule: Schedule = text.parse().expect("a schedule");
            let correct = schedule.play(None).expect("it can be played");
            assert_eq!(correct.violations, Vec::new(), "{name}");
            for mutant in &schedule.convicts {
                let played = schedule.play(Some(mutant)).expect("it can be played");
                assert!(
                    !played.violations.is_empty(),
                    "{name} {mutant}: {:#?}",
                    played.told
                );
                assert!(played.mutant.differed > 0, "{name} {mutant}");
                let seen = played.violations.iter().any(Violation::is_black_box);
                // Clients of a cluster that stands still see nothing that is wrong.
                let stalls = mutant == "raft/learner-refuses-vote";
                assert!(
                    seen || stalls || schedule.system != "raft",
                    "{name} {mutant}: {:#?}",
                    played.violations
                );
            }
        }
    }

    #[test]
    fn the_hard_schedules_of_the_literature_are_there() {
        let convicted: Vec<String> = SCHEDULES
            .iter()
            .flat_map(|(_, text)| text.parse::<Schedule>().expect("a schedule").convicts)
            .collect();
        for mutant in [
            "raft/commit-old-term-by-count",
            "raft/stale-append-reply-counted",
            "raft/readindex-reuses-old-acks",
            "raft/single-change-before-term-commit",
            "raft/vote-not-durable",
            "raft/learner-refuses-vote",
            "basic-paxos/accept-does-not-raise-promise",
            "basic-paxos/learner-counts-across-ballots",
            "paxos/accepted-replies-not-matched-to-ballot",
        ] {
            assert!(convicted.iter().any(|one| one == mutant), "{mutant}");
        }
        let control = bundled("late-winner").expect("it is there");
        assert_eq!(control.convicts, Vec::<String>::new());
    }
}
