//! One run, from its setup to its outcome.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZero;

use perjury_checker::budget::Budget;
use perjury_checker::{Finding, Options as Checking, Verdict};
use perjury_nemesis::Node;
use perjury_runner::{Failure, Finished, Messages, Notice, Runner, Summary};
use perjury_systems::api::Command;
use perjury_systems::breach::Breach;
use perjury_systems::marks::Mark;
use perjury_systems::registry;
use perjury_systems::replica::{ConfigError, MutantCounts};
use serde::{Deserialize, Serialize};

use crate::environment::{End, Environment};
use crate::likelihood::Branch;
use crate::score::Score;
use crate::setup::Setup;
use crate::systems::{self, Drawn, Simulated, Visitor, promise_of};
use crate::world::{Line, Played, Post, Recording, Transcript, Unwatched};

/// What is wanted of a run besides its outcome. Nothing here changes what happens in it, but for `invariants` (a
/// breach ends the run) and `branch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Check the system's invariants after every step.
    pub invariants: bool,
    /// Keep everything that the runner tells its listeners.
    pub notices: bool,
    /// Keep the hash after every event.
    pub hashes: bool,
    /// Describe the events from this one up to that one in full.
    pub transcript: Option<(u64, u64)>,
    /// Keep the messages between nodes.
    pub messages: bool,
    /// Have the history judged.
    pub judge: bool,
    /// Keep what a script could be made of.
    pub recording: bool,
    /// Keep what processes can be led through; together with `recording`.
    pub score: bool,
    /// Draw the noise anew from some event on.
    pub branch: Option<Branch>,
}

impl Default for Wanted {
    fn default() -> Self {
        Wanted {
            invariants: true,
            notices: false,
            hashes: false,
            transcript: None,
            messages: false,
            judge: true,
            recording: false,
            score: false,
            branch: None,
        }
    }
}

/// What convicts a system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// What clients saw, and nothing else.
    History,
    /// What only somebody sees who looks into the nodes.
    Invariant,
    /// A node died, or a healthy cluster did not serve or did not come to rest.
    Liveness,
}

/// Why a run failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// The history proves it.
    History(Finding),
    /// An invariant of the protocol broke.
    Invariant(Breach),
    /// A node died, or the cluster did not recover.
    System(Failure),
    /// A majority of healthy nodes did not serve while the others were down.
    Stalled {
        /// The majority.
        quorum: Vec<Node>,
        /// How long it had, in milliseconds.
        limit_ms: u64,
    },
    /// There were more events than any run needs.
    Runaway,
    /// Nothing was planned any more, though the test was not over.
    Stuck,
}

impl Violation {
    /// What was violated, as one word: the same word is the same property.
    pub fn property(&self) -> String {
        match self {
            Violation::History(finding) => finding.property.clone(),
            Violation::Invariant(breach) => breach.invariant.clone(),
            Violation::System(Failure::NodeDied { .. }) => "node-died".to_owned(),
            Violation::System(Failure::DidNotRecover { .. }) => "does-not-recover".to_owned(),
            Violation::System(Failure::DidNotRejoin { .. }) => "does-not-rejoin".to_owned(),
            Violation::System(Failure::FinalReadsFailed { .. }) => "final-reads-failed".to_owned(),
            Violation::Stalled { .. } => "majority-does-not-serve".to_owned(),
            Violation::Runaway => "runaway".to_owned(),
            Violation::Stuck => "stuck".to_owned(),
        }
    }

    /// What convicts.
    pub fn kind(&self) -> Kind {
        match self {
            Violation::History(_) => Kind::History,
            Violation::Invariant(_) => Kind::Invariant,
            _ => Kind::Liveness,
        }
    }

    /// Whether clients' history alone proves it.
    pub fn is_black_box(&self) -> bool {
        self.kind() == Kind::History
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Violation::History(finding) => write!(f, "{}: {}", finding.property, finding.sentence),
            Violation::Invariant(breach) => breach.fmt(f),
            Violation::System(failure) => failure.fmt(f),
            Violation::Stalled { quorum, limit_ms } => {
                let nodes: Vec<String> = quorum.iter().map(Node::to_string).collect();
                let nodes = nodes.join(", ");
                write!(
                    f,
                    "{nodes} are a majority, healthy and connected, and did not serve within {limit_ms} ms"
                )
            }
            Violation::Runaway => f.write_str("there were more events than any run needs"),
            Violation::Stuck => f.write_str("nothing was planned any more, though the test was not over"),
        }
    }
}

/// What the operator asked of a node, and when, in nanoseconds.
pub type Asked = (u64, Node, Command);

/// What a run came to.
#[derive(Debug)]
pub struct Outcome {
    /// Everything that the test left behind.
    pub finished: Finished,
    /// What it came to, judged; without findings, if no judgement was wanted.
    pub summary: Summary,
    /// Everything that is wrong, what the history proves first; empty for a clean run.
    pub violations: Vec<Violation>,
    /// How many events there were.
    pub events: u64,
    /// Virtual time at the end, in nanoseconds.
    pub virtual_ns: u64,
    /// A hash of everything that happened: the same on every machine and in every build.
    pub hash: u64,
    /// How often the planted mistake was asked and decided otherwise, over all nodes and incarnations.
    pub mutant: MutantCounts,
    /// Which steps nodes recorded, and how often; and which of [`all_marks`] were reached, each as 1.
    pub marks: BTreeMap<&'static str, u64>,
    /// Which triggers struck whom, and when, in nanoseconds since the start.
    pub struck: Vec<(usize, Node, u64)>,
    /// Packets sent, and of these lost.
    pub packets: (u64, u64),
    /// How many messages reached a process.
    pub delivered: u64,
    /// When the noise was drawn anew, if it was, in nanoseconds.
    pub branched_ns: Option<u64>,
    /// What of the script took effect, if there was one.
    pub played: Played,
    /// What a script could be made of, if it was wanted; with what the operator asked, and when.
    pub recording: Option<(Recording, Vec<Asked>)>,
    /// What processes can be led through, if it was wanted.
    pub score: Option<Score>,
    /// What the runner told, if it was wanted.
    pub notices: Vec<Notice>,
    /// The hash after every event, if it was wanted.
    pub hashes: Vec<u64>,
    /// Descriptions of events, if they were wanted.
    pub transcript: Vec<Line>,
    /// The messages between nodes, if they were wanted.
    pub messages: Option<Messages>,
    /// When whose disk began to make writes durable, in nanoseconds, if messages were wanted.
    pub syncs: Vec<(u64, Node)>,
}

impl Outcome {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }
}

/// The mark of the cluster as a whole, which no node can see.
const TWO_LEADERS: Mark = Mark {
    name: "two-leaders-at-once",
    about: "two nodes claimed to lead at the same time",
};

fn declared_marks(system: &str) -> &'static [Mark] {
    registry::system(system).map_or(&[], |known| known.marks)
}

/// Everything that runs of this system should reach.
pub fn all_marks(system: &str) -> impl Iterator<Item = &'static Mark> {
    let leads = registry::system(system).is_none_or(|known| !known.leaderless);
    declared_marks(system).iter().chain(leads.then_some(&TWO_LEADERS))
}

/// Checks a setup before it is run.
///
/// # Errors
/// What cannot be, and what would be right.
pub fn validate(setup: &Setup) -> Result<(), ConfigError> {
    struct Check<'a>(&'a Setup);
    impl Visitor for Check<'_> {
        type Output = Result<(), ConfigError>;
        fn visit<R: Drawn>(self) -> Self::Output {
            validate_as::<R>(self.0)
        }
    }
    systems::visit(&setup.system, Check(setup))?
}

fn validate_as<R: Simulated>(setup: &Setup) -> Result<(), ConfigError> {
    setup
        .options
        .validate(&setup.plan)
        .map_err(|error| ConfigError(error.0))?;
    perjury_workloads::build(
        &setup.workload.name,
        &setup.workload.options(promise_of::<R>(&setup.cluster())),
    )
    .map_err(|error| ConfigError(error.to_string()))?;
    if let Some(script) = &setup.script {
        script.validate(setup.options.nodes).map_err(ConfigError)?;
    }
    R::validate(&setup.cluster())
}

/// The runner of a setup that is valid.
fn runner_as<R: Simulated>(setup: &Setup) -> Result<Runner, ConfigError> {
    validate_as::<R>(setup)?;
    let workload = perjury_workloads::build(
        &setup.workload.name,
        &setup.workload.options(promise_of::<R>(&setup.cluster())),
    )
    .map_err(|error| ConfigError(error.to_string()))?;
    let runner = Runner::new(setup.options.clone(), workload, setup.plan.clone())
        .map_err(|error| ConfigError(error.0))?;
    match &setup.script {
        Some(script) => runner
            .with_operations(&script.operations)
            .map_err(|error| ConfigError(error.0)),
        None => Ok(runner),
    }
}

/// The same, of a bundled system.
pub(crate) fn runner_of(setup: &Setup) -> Result<Runner, ConfigError> {
    struct Make<'a>(&'a Setup);
    impl Visitor for Make<'_> {
        type Output = Result<Runner, ConfigError>;
        fn visit<R: Drawn>(self) -> Self::Output {
            runner_as::<R>(self.0)
        }
    }
    systems::visit(&setup.system, Make(setup))?
}

/// Runs a test.
///
/// # Errors
/// If the setup cannot be run.
pub fn run(setup: &Setup, wanted: &Wanted) -> Result<Outcome, ConfigError> {
    run_until(setup, wanted, &|| false)
}

/// The same, until the user has had enough, which `stop` says: then everything is healed, and what there is is judged.
///
/// # Errors
/// If the setup cannot be run.
pub fn run_until(setup: &Setup, wanted: &Wanted, stop: &dyn Fn() -> bool) -> Result<Outcome, ConfigError> {
    struct Run<'a>(&'a Setup, &'a Wanted, &'a dyn Fn() -> bool);
    impl Visitor for Run<'_> {
        type Output = Result<Outcome, ConfigError>;
        fn visit<R: Drawn>(self) -> Self::Output {
            run_as_until::<R>(self.0, self.1, self.2)
        }
    }
    systems::visit(&setup.system, Run(setup, wanted, stop))?
}

/// The user is asked once in so many events.
const EVENTS_BETWEEN_QUESTIONS: u64 = 1 << 10;

/// Runs a test of a system that need not be among the bundled ones; the setup's name of the system is not looked at.
///
/// # Errors
/// If the setup cannot be run.
pub fn run_as<R: Simulated>(setup: &Setup, wanted: &Wanted) -> Result<Outcome, ConfigError> {
    run_as_until::<R>(setup, wanted, &|| false)
}

fn run_as_until<R: Simulated>(
    setup: &Setup,
    wanted: &Wanted,
    stop: &dyn Fn() -> bool,
) -> Result<Outcome, ConfigError> {
    let runner = runner_as::<R>(setup)?;
    let watch = if wanted.invariants {
        R::invariants(&setup.cluster())
    } else {
        Box::new(Unwatched)
    };
    let mut environment = Environment::<R>::new(setup, runner, watch, wanted.notices);
    environment.has_trial &= R::majority_serves(&setup.cluster());
    environment.world.survives_a_lost_disk = R::survives_a_lost_disk(&setup.cluster());
    environment.world.transcript = wanted.transcript.map(|(from, to)| Transcript {
        from,
        to,
        lines: Vec::new(),
    });
    environment.world.post = wanted.messages.then(Box::default);
    environment.world.score = wanted.score.then(Score::default);
    if wanted.recording {
        environment.world.recording = Some(Recording::default());
        environment.asked = Some(Vec::new());
    }
    let mut hashes = Vec::new();
    environment.branch = wanted.branch;
    let end = environment.run(setup.max_events, |world| {
        if wanted.hashes {
            hashes.push(world.hash.value());
        }
        world.events.is_multiple_of(EVENTS_BETWEEN_QUESTIONS) && stop()
    });
    let trial_limit_ms = environment.trial_limit_ms();
    let Environment {
        mut world,
        runner,
        marks,
        two_leaders,
        struck,
        notices,
        asked,
        branched_ns,
        ..
    } = environment;
    let steps = marks.into_iter().map(|(_, name, count)| (name, count));
    let mut marks: BTreeMap<&'static str, u64> = steps.collect();
    marks.extend(two_leaders.then_some((TWO_LEADERS.name, 1)));
    let declared = declared_marks(R::NAME);
    marks.extend(world.marks().of(declared).map(|mark| (mark.name, 1)));
    let mut finished = runner.finish();
    let died = |failure: &Failure| matches!(failure, Failure::NodeDied { .. });
    if !finished.failures.iter().all(died)
        && let Some((lost, voters)) = world.lost_and_needed()
    {
        finished.failures.retain(died);
        let voters: Vec<String> = voters.iter().map(Node::to_string).collect();
        finished.coverage.missing.push(format!(
            "whether it recovers: {lost} lost its disk while the members became {}, none of whom can be spared",
            voters.join(" and ")
        ));
    }
    let summary = if wanted.judge {
        finished.judge(&checking())
    } else {
        finished.sum_up(Vec::new())
    };
    let mut violations: Vec<Violation> = summary
        .findings
        .iter()
        .filter(|finding| finding.verdict == Verdict::Invalid)
        .cloned()
        .map(Violation::History)
        .collect();
    match end {
        End::Finished => {}
        End::Broken(breach) => violations.push(Violation::Invariant(breach)),
        End::Stalled(quorum) => violations.push(Violation::Stalled {
            quorum,
            limit_ms: trial_limit_ms,
        }),
        End::Runaway => violations.push(Violation::Runaway),
        End::Stuck => violations.push(Violation::Stuck),
    }
    violations.extend(finished.failures.iter().cloned().map(Violation::System));
    let traffic = world.traffic();
    let (messages, syncs) = world.post.take().map_or((None, Vec::new()), |post| {
        let Post { messages, syncs, .. } = *post;
        (Some(messages), syncs)
    });
    Ok(Outcome {
        finished,
        summary,
        violations,
        events: world.events,
        virtual_ns: world.now(),
        hash: world.hash.value(),
        mutant: world.mutant_counts(),
        marks,
        struck,
        packets: (traffic.sent, traffic.lost),
        delivered: world.delivered,
        branched_ns,
        played: world.play.map(|play| play.played).unwrap_or_default(),
        recording: world.recording.zip(asked),
        score: world.score,
        notices,
        hashes,
        transcript: world
            .transcript
            .map(|transcript| transcript.lines)
            .unwrap_or_default(),
        messages,
        syncs,
    })
}

/// One thread, since campaigns run on all of them, and a budget that no single run may exceed.
pub(crate) fn checking() -> Checking {
    Checking {
        budget: Budget::default().with_states(2_000_000).with_bytes(256 << 20),
        threads: NonZero::<usize>::MIN,
        witnesses: 1,
        ..Checking::default()
    }
}
