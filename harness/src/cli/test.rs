//! `perjury test` and `perjury replay`: runs a test, judges it, and leaves the run behind.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use perjury_checker::Options as CheckOptions;
use perjury_results::{RunFolder, RunWriter, Store, StoreError, TestRecord, Timestamp, console, run_id};
use perjury_runner::{Notice, Options, Runner, exit};

use super::args::{ReplayArgs, StoreArg, TestArgs};
use super::runs::{find, summary_json};
use super::{Outcome, Trouble, check, spec, verdict};
use crate::environment::ClusterConfig;
use crate::process::{Interrupter, ProcessEnvironment};
use crate::progress::Progress;
use crate::traces;

/// How often the history reaches the disk.
const FLUSH_EVERY: Duration = Duration::from_millis(100);

/// What a run is to be done with, besides the test itself.
struct How<'a> {
    store: &'a StoreArg,
    check_limit: Duration,
    json: bool,
}

/// Runs a test as often as it was asked for; stops at the first run that is not a clean pass.
pub fn test(args: &TestArgs) -> Outcome {
    let first = args.seed.unwrap_or_else(spec::draw_seed);
    let how = How {
        store: &args.store,
        check_limit: args.check_limit,
        json: args.json,
    };
    for run in 0..args.runs {
        let seed = first.wrapping_add(u64::from(run));
        let record = spec::record(args, seed)?;
        if args.runs > 1 {
            eprintln!("run {} of {}", run + 1, args.runs);
        }
        let code = run_once(&record, &how)?;
        if code != exit::VALID {
            return Ok(code);
        }
    }
    Ok(exit::VALID)
}

/// Runs the test of an earlier run again.
pub fn replay(args: &ReplayArgs) -> Outcome {
    let mut record = find(&args.store, &args.run)?.test()?;
    record.started_at = Timestamp::now();
    record.id = run_id(record.seed, record.started_at);
    record.version = env!("CARGO_PKG_VERSION").to_owned();
    run_once(
        &record,
        &How {
            store: &args.store,
            check_limit: args.check_limit,
            json: args.json,
        },
    )
}

fn run_once(record: &TestRecord, how: &How<'_>) -> Outcome {
    let usage = |problem: String| Trouble::Usage(problem);
    let workload = perjury_workloads::Options {
        keys: Some(record.keys).filter(|keys| *keys > 0),
        values: record.values.map(|values| values.min(u64::from(u32::MAX)) as u32),
        ops_per_key: None,
    };
    let workload =
        perjury_workloads::build(&record.workload, &workload).map_err(|error| usage(error.to_string()))?;
    let mut runner = Runner::new(options(record), workload, record.plan.clone())
        .map_err(|error| usage(error.to_string()))?;
    let store = Store::at(&how.store.dir);
    let mut config = ClusterConfig::new(&record.system, record.nodes, std::path::PathBuf::new());
    config.settings = record.settings.clone();
    config.mutant = record
        .mutant
        .as_deref()
        .and_then(|name| name.split_once('/'))
        .map(|(_, name)| name.to_owned());
    config.seed = record.seed;
    config.validate().map_err(|error| usage(error.to_string()))?;

    let mut writer = store.create(record)?;
    config.folder = writer.folder().path().join("nodes");
    config.traces = true;
    let nodes_folder = config.folder.clone();
    let started = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    eprintln!("run {}, seed {}", record.id, record.seed);
    let began = Instant::now();
    let mut progress = Progress::new(Duration::from_millis(record.time_limit_ms), how.json);
    let mut seen = None;
    let mut trouble = None;
    match ProcessEnvironment::start(config) {
        Ok(environment) => {
            let _armed = Armed::new(environment.interrupter())?;
            let mut recorder = Recorder::new(&mut writer);
            let mut step = |now, input, out: &mut Vec<_>| runner.step(now, input, out);
            let summary = environment.run(&mut step, &mut |notice| {
                recorder.notice(notice);
                progress.notice(notice);
            });
            trouble = recorder.failed.map(|error| error.to_string());
            seen = record.mutant.is_some().then_some(summary);
        }
        Err(error) => trouble = Some(format!("the cluster did not start: {error}")),
    }
    progress.finish();
    let ran = began.elapsed();

    let checking = Instant::now();
    let mut finished = runner.finish();
    finished.trouble.extend(trouble);
    let options = CheckOptions {
        budget: check::budget(how.check_limit),
        ..CheckOptions::default()
    };
    let invariants = match traces::judge(&record.system, record.nodes, &nodes_folder, started) {
        Ok(finding) => finding,
        Err(error) => {
            finished
                .trouble
                .push(format!("cannot read the nodes' traces: {error}"));
            None
        }
    };
    let summary = finished.judge_with(&options, invariants.into_iter().collect());
    let verdict = verdict::record(record, &summary, seen.as_ref(), ran, checking.elapsed());
    let folder = writer.finish(&verdict)?;
    conclude(&folder, how.json)?;
    Ok(summary.exit_code)
}

fn options(record: &TestRecord) -> Options {
    Options {
        nodes: record.nodes,
        concurrency: record.concurrency,
        rate: record.rate,
        time_limit_ms: record.time_limit_ms,
        request_timeout_ms: record.request_timeout_ms,
        recovery_limit_ms: record.recovery_limit_ms,
        seed: record.seed,
        ..Options::default()
    }
}

/// Writes the reports, and tells the verdict.
fn conclude(folder: &RunFolder, json: bool) -> Result<(), Trouble> {
    let evidence = folder.evidence()?;
    folder.write_reports(&evidence)?;
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{}", summary_json(folder)?)?;
    } else {
        let colour = out.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        out.write_all(console::summary(&evidence, Some(folder), colour).as_bytes())?;
    }
    Ok(())
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

/// What Ctrl-C interrupts at the moment.
static RUNNING: Mutex<Option<Interrupter>> = Mutex::new(None);
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// While it lives, Ctrl-C ends the run in good order; a second one ends this process at once, and the guard takes
/// the nodes away.
struct Armed;

impl Armed {
    fn new(interrupter: Interrupter) -> Result<Self, Trouble> {
        static INSTALLED: std::sync::Once = std::sync::Once::new();
        let mut installed = Ok(());
        INSTALLED.call_once(|| installed = ctrlc::set_handler(on_interrupt));
        installed.map_err(|error| Trouble::Harness(format!("cannot watch for Ctrl-C: {error}")))?;
        *running() = Some(interrupter);
        Ok(Armed)
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        *running() = None;
    }
}

fn running() -> std::sync::MutexGuard<'static, Option<Interrupter>> {
    RUNNING.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn on_interrupt() {
    let first = !INTERRUPTED.swap(true, Ordering::SeqCst);
    match &*running() {
        Some(interrupter) if first => {
            eprintln!("interrupted: healing, stopping, checking what there is; once more to end at once");
            interrupter.interrupt();
        }
        _ => std::process::exit(i32::from(exit::INTERRUPTED)),
    }
}
