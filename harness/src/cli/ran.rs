//! Carries a test out, in either environment, and hands back what is to be judged.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use perjury_checker::{Finding, Verdict, Witness};
use perjury_results::{MutantSeen, RunWriter, StoreError, TestRecord};
use perjury_runner::{Finished, Messages, Notice, Options, Runner};
use perjury_simulator::{Case, Comparison, Expected, Score, Setup, Violation, Wanted, Weather, Work};
use perjury_systems::replica::{Cluster, ConfigError};
use perjury_workloads::Workload;

use super::interrupt::Armed;
use super::{Trouble, cases};
use crate::environment::{ClusterConfig, Led};
use crate::process::ProcessEnvironment;
use crate::progress::Progress;
use crate::traces;

/// What Ctrl-C is answered with.
const INTERRUPTED: &str = "interrupted: healing, stopping, checking what there is; once more to end at once";

/// How often the history reaches the disk.
const FLUSH_EVERY: Duration = Duration::from_millis(100);

/// What a test left behind.
pub struct Ran {
    /// What clients saw, and what became of everything.
    pub finished: Finished,
    /// What is known besides: the protocol's invariants.
    pub more: Vec<Finding>,
    /// The planted bug at work.
    pub mutant: Option<MutantSeen>,
    /// The messages between nodes.
    pub messages: Option<Messages>,
    /// In simulation: everything that the run depends on with what it came to, and how this compares with what was
    /// expected of it.
    pub case: Option<(Case, Comparison)>,
}

/// A test that is ready to run: everything that can be wrong with its options was found out.
pub enum Ready {
    /// On real processes.
    Processes(Box<(Runner, ClusterConfig)>),
    /// In one thread.
    Simulation(Box<Case>),
}

impl Ready {
    /// Checks a test before anything is started or written.
    pub fn new(record: &TestRecord) -> Result<Self, Trouble> {
        let usage = |problem: String| Trouble::Usage(problem);
        let options = Options {
            nodes: record.nodes,
            concurrency: record.concurrency,
            rate: record.rate,
            time_limit_ms: record.time_limit_ms,
            request_timeout_ms: record.request_timeout_ms,
            recovery_limit_ms: record.recovery_limit_ms,
            stop_on_violation: record.stop_on_violation,
            seed: record.seed,
            ..Options::default()
        };
        let mut config = config_of(record);
        if record.environment == "sim" {
            let mut setup = Setup::new(&record.system, &record.workload, options);
            setup.workload = work_of(record);
            setup.settings = record.settings.clone();
            setup.mutant = config.mutant;
            setup.plan = record.plan.clone();
            setup.weather = Weather::FAIR;
            perjury_simulator::validate(&setup).map_err(|error| usage(error.to_string()))?;
            return Ok(Ready::Simulation(Box::new(cases::new(setup, true))));
        }
        config.traces = true;
        config.messages = true;
        config.validate().map_err(|error| usage(error.to_string()))?;
        let workload = workload_of(record)?;
        let runner =
            Runner::new(options, workload, record.plan.clone()).map_err(|error| usage(error.to_string()))?;
        Ok(Ready::Processes(Box::new((runner, config))))
    }

    /// A run that was read from a file, where its record says. Processes are led through it in step, unless something
    /// happens in it that they cannot do: then they follow its faults with times.
    pub fn of(case: &Case, record: &TestRecord) -> Result<Self, Trouble> {
        if record.environment == "sim" {
            return Ok(Ready::Simulation(Box::new(case.clone())));
        }
        let mut ready = Self::new(record)?;
        if let Ready::Processes(parts) = &mut ready {
            let usage = |error: ConfigError| Trouble::Usage(error.to_string());
            let (runner, config) = &mut **parts;
            config.members = case.setup.members;
            say!("working out what each node does in this run, turn by turn; a long run takes a while");
            let (score, as_simulated) =
                perjury_simulator::score(&case.setup, case.invariants).map_err(usage)?;
            if let Some(obstacle) = score.obstacle {
                say!(
                    "in this run {obstacle}, which real processes cannot be led through: they follow only its \
                     settings and its faults with times (--env sim plays all of it)"
                );
            } else {
                *runner = as_simulated;
                config.seed = case.setup.noise();
                config.score = Some(Arc::new(score));
            }
            config.validate().map_err(usage)?;
        }
        Ok(ready)
    }

    /// What every node is told of the cluster.
    pub fn cluster(&self) -> Cluster {
        match self {
            Ready::Processes(parts) => parts.1.cluster(),
            Ready::Simulation(case) => case.setup.cluster(),
        }
    }

    /// Runs it. What goes wrong with the harness itself is in what comes back.
    pub fn run(self, record: &TestRecord, writer: &mut RunWriter, quiet: bool) -> Result<Ran, Trouble> {
        let folder = writer.folder().path().join("nodes");
        let mut recorder = Recorder::new(writer);
        let mut progress = Progress::new(Duration::from_millis(record.time_limit_ms), quiet);
        let mut listener = |notice: &Notice| {
            recorder.notice(notice);
            progress.notice(notice);
        };
        let mut ran = match self {
            Ready::Processes(ready) => on_processes(*ready, &folder, &mut listener)?,
            Ready::Simulation(case) => in_simulation(*case, &mut listener)?,
        };
        progress.finish();
        ran.finished
            .trouble
            .extend(recorder.failed.map(|error| error.to_string()));
        Ok(ran)
    }
}

/// What the record of a test says of its cluster.
fn config_of(record: &TestRecord) -> ClusterConfig {
    let mut config = ClusterConfig::new(&record.system, record.nodes, PathBuf::new());
    config.settings = record.settings.clone();
    let mutant = record.mutant.as_deref().and_then(|name| name.split_once('/'));
    config.mutant = mutant.map(|(_, name)| name.to_owned());
    config.seed = record.seed;
    config
}

/// What its clients do, which judges what its system promises them.
pub fn workload_of(record: &TestRecord) -> Result<Box<dyn Workload>, Trouble> {
    let promise = perjury_simulator::promised(&record.system, &config_of(record).cluster());
    perjury_workloads::build(&record.workload, &work_of(record).options(promise))
        .map_err(|error| Trouble::Usage(error.to_string()))
}

/// What it says of its workload.
fn work_of(record: &TestRecord) -> Work {
    Work {
        name: record.workload.clone(),
        keys: Some(record.keys).filter(|keys| *keys > 0),
        values: record.values.map(|values| values.min(u64::from(u32::MAX)) as u32),
        ops_per_key: None,
    }
}

fn on_processes(
    (mut runner, mut config): (Runner, ClusterConfig),
    folder: &Path,
    listener: &mut dyn FnMut(&Notice),
) -> Result<Ran, Trouble> {
    folder.clone_into(&mut config.folder);
    let score = config.score.clone();
    let (system, cluster, mutant) = (config.system.clone(), config.cluster(), config.mutant.is_some());
    let environment = match ProcessEnvironment::start(config) {
        Ok(environment) => environment,
        Err(error) => {
            let mut finished = runner.finish();
            finished
                .trouble
                .push(format!("the cluster did not start: {error}"));
            return Ok(Ran {
                finished,
                more: Vec::new(),
                mutant: None,
                messages: None,
                case: None,
            });
        }
    };
    let interrupter = environment.interrupter();
    let armed = Armed::new(move || {
        say!("{INTERRUPTED}");
        interrupter.interrupt();
    })?;
    let began = environment.began().unwrap_or_else(|| {
        SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
    });
    let mut step = |now, input, out: &mut Vec<_>| runner.step(now, input, out);
    let summary = environment.run(&mut step, listener);
    drop(armed);
    let mut finished = runner.finish();
    let mut more: Vec<Finding> = match traces::judge(&system, &cluster, folder, began) {
        Ok(finding) => finding.into_iter().collect(),
        Err(error) => {
            finished
                .trouble
                .push(format!("cannot read the nodes' traces: {error}"));
            Vec::new()
        }
    };
    if let (Some(score), Some(led)) = (score, &summary.led) {
        in_step(&score, led, &mut finished, &mut more);
    }
    let mutant = mutant.then_some(MutantSeen {
        reached: summary.mutant_reached,
        differed: summary.mutant_differed,
    });
    Ok(Ran {
        finished,
        more,
        mutant,
        messages: summary.messages,
        case: None,
    })
}

/// What is to be said of a run that processes were led through, besides what they left behind.
fn in_step(score: &Score, led: &Led, finished: &mut Finished, more: &mut Vec<Finding>) {
    if let Some(why) = &led.stopped {
        finished.trouble.push(format!(
            "the processes could not be led to the end of the run: {why}"
        ));
    }
    match &led.difference {
        Some(difference) => say!("the processes did not do what the simulated nodes did: {difference}"),
        None => say!("{} turns, all as in the simulation", led.turns),
    }
    if let Some((turns, unseen)) = &score.unseen
        && led.difference.is_none()
        && led.turns >= *turns
        && !more.iter().any(|finding| {
            finding.verdict == Verdict::Invalid && finding.sentence.contains(&unseen.property())
        })
    {
        // It is a property of the states, which no trace shows.
        let property = match unseen {
            Violation::Invariant(_) => traces::PROPERTY.to_owned(),
            other => other.property(),
        };
        more.retain(|finding| finding.property != property || finding.verdict == Verdict::Invalid);
        let sentence = format!(
            "After turn {turns}, with all nodes in the states of the simulation until then: {unseen}."
        );
        more.push(finding(&property, sentence, "states of the nodes, turn by turn"));
    }
}

/// Events before the breach of an invariant that are described in its story.
const DESCRIBED: u64 = 50_000;

fn in_simulation(mut case: Case, listener: &mut dyn FnMut(&Notice)) -> Result<Ran, Trouble> {
    let usage = |error: ConfigError| Trouble::Usage(error.to_string());
    let wanted = Wanted {
        notices: true,
        messages: true,
        ..case.wanted()
    };
    let stopped = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&stopped);
    let _armed = Armed::new(move || {
        say!("{INTERRUPTED}");
        stop.store(true, Ordering::SeqCst);
    })?;
    let stop = || stopped.load(Ordering::SeqCst);
    let mut outcome = perjury_simulator::run_until(&case.setup, &wanted, &stop).map_err(usage)?;
    let breached = outcome
        .violations
        .iter()
        .any(|violation| matches!(violation, Violation::Invariant(_)));
    let cut_short = outcome.finished.interrupted;
    let compared = match cut_short {
        true => Comparison::Nothing,
        false => case.compare(&outcome).map_err(usage)?,
    };
    // The whole run comes to something else.
    case.expected = (!cut_short).then(|| Expected::of(&outcome));
    case.version = env!("CARGO_PKG_VERSION").to_owned();
    say!(
        "{} events in {:.1} s of virtual time{}, trace hash {:016x}",
        outcome.events,
        outcome.virtual_ns as f64 / 1e9,
        if breached { " until an invariant broke" } else { "" },
        outcome.hash
    );
    let setup = &case.setup;
    let mut more: Vec<Finding> = outcome
        .violations
        .iter()
        .filter_map(|violation| match violation {
            // The history is judged with the budget that was asked for; failures are in what the test left behind.
            Violation::History(_) | Violation::System(_) => None,
            Violation::Invariant(breach) => Some((traces::PROPERTY.to_owned(), breach.to_string())),
            Violation::Stalled { .. } | Violation::Runaway | Violation::Stuck => {
                Some((violation.property(), violation.to_string()))
            }
        })
        .map(|(property, what)| broken(&property, &what, outcome.virtual_ns))
        .collect();
    if breached {
        // The breach ended the run before clients could see what comes of it. The same run again, without looking
        // inside, shows that; and this time with what the nodes did before.
        let at = outcome.events;
        let wanted = Wanted {
            invariants: false,
            transcript: Some((at.saturating_sub(DESCRIBED), at + 1)),
            ..wanted
        };
        outcome = perjury_simulator::run_until(setup, &wanted, &stop).map_err(usage)?;
        if let Some(finding) = more.first_mut()
            && let Some(witness) = finding.witnesses.first_mut()
        {
            let story = traces::retold(&setup.system, &outcome.transcript, &finding.sentence);
            witness.story.splice(0..0, story);
        }
    }
    for notice in &outcome.notices {
        listener(notice);
    }
    if more.is_empty() {
        more.push(Finding {
            property: traces::PROPERTY.to_owned(),
            verdict: Verdict::Valid,
            sentence: format!(
                "No invariant of the protocol was broken in {} events.",
                outcome.events
            ),
            method: "after every step".to_owned(),
            operations: 0,
            states: 0,
            witnesses: Vec::new(),
            linearizations: Vec::new(),
            levels: Vec::new(),
        });
    }
    let mutant = setup.mutant.is_some().then_some(MutantSeen {
        reached: outcome.mutant.reached,
        differed: outcome.mutant.differed,
    });
    Ok(Ran {
        finished: outcome.finished,
        more,
        mutant,
        messages: outcome.messages,
        case: Some((case, compared)),
    })
}

fn broken(property: &str, what: &str, virtual_ns: u64) -> Finding {
    let sentence = format!("At {:.3} s: {what}.", virtual_ns as f64 / 1e9);
    finding(property, sentence, "after every step")
}

fn finding(property: &str, sentence: String, method: &str) -> Finding {
    let witness = Witness {
        key: None,
        operations: Vec::new(),
        culprit: None,
        story: vec![sentence.clone()],
        orders: Vec::new(),
    };
    Finding {
        property: property.to_owned(),
        verdict: Verdict::Invalid,
        sentence,
        method: method.to_owned(),
        operations: 0,
        states: 0,
        witnesses: vec![witness],
        linearizations: Vec::new(),
        levels: Vec::new(),
    }
}

/// Writes notices down as they come. When that fails the run goes on, but the failure is the harness's.
struct Recorder<'a> {
    writer: &'a mut RunWriter,
    flushed: Instant,
    failed: Option<StoreError>,
}

impl<'a> Recorder<'a> {
    fn new(writer: &'a mut RunWriter) -> Self {
        Recorder {
            writer,
            flushed: Instant::now(),
            failed: None,
        }
    }

    fn notice(&mut self, notice: &Notice) {
        if self.failed.is_some() {
            return;
        }
        let mut done = self.writer.notice(notice);
        if self.flushed.elapsed() >= FLUSH_EVERY {
            done = done.and_then(|()| self.writer.flush());
            self.flushed = Instant::now();
        }
        self.failed = done.err();
    }
}
