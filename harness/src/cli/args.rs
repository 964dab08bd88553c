//! The command line, each option defined once: help, man page, completions, environment variables and
//! `perjury.toml` all come from here.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use perjury_simulator::Scheduler;

use super::again::{LikelihoodArgs, ReplayArgs, ShrinkArgs};
use super::explore::ExploreArgs;
use super::quorums::QuorumArgs;
use super::store::StoreArg;

/// It puts your cluster under oath: runs concurrent clients against a replicated system, breaks things while they
/// run, and proves from the recorded history whether the system kept its promises.
#[derive(Debug, Parser)]
#[command(
    name = "perjury",
    version,
    max_term_width = 110,
    after_help = "Exit codes: 0 all valid, 1 a proven violation, 2 unknown or too little coverage, 254 wrong usage, \
                  255 the harness failed, 130 interrupted.\n\
                  Example: perjury test --nemesis partition --time-limit 10s"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What there is to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a test: start a cluster, run clients, break things, check what the history proves.
    #[command(
        after_help = "Example: perjury test --nemesis partition,kill --time-limit 10s\n         \
                            perjury test --mutant raft/read-local-at-leader --workload register --nemesis partition"
    )]
    Test(Box<TestArgs>),
    /// Check a history that anything recorded.
    #[command(
        after_help = "Example: perjury check history.jsonl --model cas-register\n         \
                            perjury generate --seed 7 | perjury check - --model register"
    )]
    Check(CheckArgs),
    /// Make a history: a linearizable one, or one with a violation planted.
    #[command(
        after_help = "Example: perjury generate --operations 1000 --seed 7 > history.jsonl\n         \
                            perjury generate --model cas-register --plant lost-update --format edn --output bad.edn"
    )]
    Generate(GenerateArgs),
    /// List what there is.
    #[command(after_help = "Example: perjury list nemeses")]
    List(ListArgs),
    /// Show a run's verdict and what it rests on.
    #[command(after_help = "Example: perjury show latest")]
    Show(RunArg),
    /// Write a run's report anew and print where it is.
    #[command(after_help = "Example: perjury report latest")]
    Report(ReportArgs),
    /// Write a run into one zip (check, show and report read it as if it were the run's folder), or as a trace.
    #[command(after_help = "Example: perjury export latest --output run.zip\n         \
                            perjury export latest --trace")]
    Export(ExportArgs),
    /// Show the store as a page, on loopback: sort, filter and compare runs, open reports, download archives.
    #[command(after_help = "Example: perjury serve --open")]
    Serve(ServeArgs),
    /// Run the same test again: a stored run, a file with a run, or a seed of `hunt`.
    #[command(after_help = "Example: perjury replay latest")]
    Replay(ReplayArgs),
    /// Make a failing run in simulation as small as it can be, and tell what happens in it.
    #[command(after_help = "Example: perjury shrink latest --output small.json")]
    Shrink(ShrinkArgs),
    /// Show how probable the failure of a run in simulation had become over time, and what decided it.
    #[command(after_help = "Example: perjury likelihood latest")]
    Likelihood(LikelihoodArgs),
    /// Run many seeds in simulation, and stop at the first that fails.
    #[command(after_help = "Example: perjury hunt --runs 200 --mutant raft/double-vote")]
    Hunt(HuntArgs),
    /// Play a directed schedule: a few steps in one order that chance does not find.
    #[command(after_help = "Example: perjury play figure-8 --mutant raft/commit-old-term-by-count")]
    Play(PlayArgs),
    /// Try everything that can happen to a tiny cluster, and show the shortest way to what breaks.
    #[command(
        after_help = "Time stands still: a timer may run out at any moment, as often as the bounds allow. Messages come in \
                      any order, late or never. PreVote, leases and whatever else depends on the passing of time is \
                      off.\n\
                      Exit codes: 0 everything within the bounds was seen and nothing is broken, 1 a violation, \
                      2 not everything was seen.\n\
                      Example: perjury explore --nodes 2 --operations write,read --elections 1\n         \
                      perjury explore --mutant raft/vote-not-durable --crashes 1"
    )]
    Explore(ExploreArgs),
    /// Plant every bug in turn, run the test that its description names, and say which were found.
    #[command(after_help = "Example: perjury matrix --campaigns 1 --only read-local")]
    Matrix(MatrixArgs),
    /// Delete old runs.
    #[command(after_help = "Example: perjury prune --keep 20 --dry-run")]
    Prune(PruneArgs),
    /// Start a cluster of a bundled system and keep it up, to be poked with curl.
    #[command(after_help = "Example: perjury cluster --system raft --nodes 3")]
    Cluster(ClusterArgs),
    /// Say what this machine can do.
    #[command(after_help = "Example: perjury doctor")]
    Doctor,
    /// Print the completions of a shell.
    #[command(
        after_help = "Example: perjury completions bash > ~/.local/share/bash-completion/completions/perjury"
    )]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page, in roff.
    #[command(after_help = "Example: perjury man | man -l -")]
    Man,
}

/// Where nodes run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Environment {
    /// Real processes on loopback.
    Process,
    /// One thread, virtual time: bit-identical from the seed.
    Sim,
}

/// The options of a test.
#[derive(Clone, Debug, Args)]
pub struct TestArgs {
    /// The system under test; `perjury list systems` names them. `all` tests each of them in turn.
    #[arg(long, env = "PERJURY_SYSTEM", default_value = "raft")]
    pub system: String,
    /// What clients do; `perjury list workloads` names them. The system's usual one if not given: `cas` for raft.
    #[arg(long, short, env = "PERJURY_WORKLOAD")]
    pub workload: Option<String>,
    /// What is broken meanwhile, by commas; `perjury list nemeses` names them.
    #[arg(
        long,
        short,
        env = "PERJURY_NEMESIS",
        default_value = "none",
        value_delimiter = ','
    )]
    pub nemesis: Vec<String>,
    /// Nodes of the cluster.
    #[arg(long, env = "PERJURY_NODES", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=15))]
    pub nodes: u16,
    /// Clients that work at the same time.
    #[arg(long, short, env = "PERJURY_CONCURRENCY", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub concurrency: u32,
    /// Operations a second of all clients together; 0 for as many as the cluster takes.
    #[arg(long, env = "PERJURY_RATE", default_value_t = 200)]
    pub rate: u32,
    /// Keys that are in use at a time; the workload's own choice if not given.
    #[arg(long, env = "PERJURY_KEYS", value_parser = clap::value_parser!(u32).range(1..))]
    pub keys: Option<u32>,
    /// Draw written values from 0..N instead of making each unique.
    #[arg(long, env = "PERJURY_VALUES", value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub values: Option<u32>,
    /// How long clients work under faults.
    #[arg(long, short, env = "PERJURY_TIME_LIMIT", default_value = "30s", value_parser = duration)]
    pub time_limit: Duration,
    /// How long a client waits for an answer before the outcome is unknown.
    #[arg(long, env = "PERJURY_REQUEST_TIMEOUT", default_value = "1s", value_parser = duration)]
    pub request_timeout: Duration,
    /// How long every node may take to serve again after healing.
    #[arg(long, env = "PERJURY_RECOVERY_LIMIT", default_value = "20s", value_parser = duration)]
    pub recovery_limit: Duration,
    /// End the main phase at the first violation of linearizability that the history proves while it grows; the
    /// rest of the run and the verdict over the whole history are as ever.
    #[arg(long, env = "PERJURY_STOP_ON_VIOLATION")]
    pub stop_on_violation: bool,
    /// The mean time between the beginnings of faults; one that lets every kind come up, if not given.
    #[arg(long, env = "PERJURY_INTERVAL", value_parser = duration)]
    pub interval: Option<Duration>,
    /// Whom faults hit; drawn for each fault if not given.
    #[arg(long, env = "PERJURY_TARGET", value_enum)]
    pub target: Option<TargetArg>,
    /// The seed of everything that is drawn; drawn and printed if not given.
    #[arg(long, short, env = "PERJURY_SEED")]
    pub seed: Option<u64>,
    /// How many runs, with seeds that follow each other; stops at the first that fails.
    #[arg(long, env = "PERJURY_RUNS", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub runs: u32,
    /// Where nodes run.
    #[arg(long, env = "PERJURY_ENV", value_enum, default_value = "process")]
    pub env: Environment,
    /// A planted bug, with the settings that unmask it; `perjury list mutants` names them.
    #[arg(long, env = "PERJURY_MUTANT")]
    pub mutant: Option<String>,
    /// A setting of the system, as NAME=VALUE; may be repeated. `perjury list settings` names them.
    #[arg(long = "set", env = "PERJURY_SET", value_name = "NAME=VALUE", value_delimiter = ',', value_parser = setting)]
    pub settings: Vec<(String, String)>,
    /// Other words for settings of Quorum NWR.
    #[command(flatten)]
    pub quorums: QuorumArgs,
    /// A plan of faults to follow instead of drawing one: a plan, or the test.json of a run. Or a whole simulated run, such
    /// as `shrink` writes it: real processes are led through it in step.
    #[arg(long, env = "PERJURY_PLAN", value_name = "FILE")]
    pub plan: Option<PathBuf>,
    /// How long the checker may take.
    #[arg(long, env = "PERJURY_CHECK_LIMIT", default_value = "60s", value_parser = duration)]
    pub check_limit: Duration,
    /// The test's name: the folder that its runs go to.
    #[arg(long, env = "PERJURY_NAME")]
    pub name: Option<String>,
    /// Where runs are kept.
    #[command(flatten)]
    pub store: StoreArg,
    /// Print one JSON object a run to standard output, instead of text.
    #[arg(long, env = "PERJURY_JSON")]
    pub json: bool,
}

/// Whom faults hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TargetArg {
    /// One node.
    One,
    /// Less than half of the nodes.
    Minority,
    /// More than half.
    Majority,
    /// Who leads.
    Leader,
    /// Every node.
    All,
}

/// The options of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The history, or the folder or archive of a run; `-` for standard input.
    pub file: PathBuf,
    /// What the system promises to be; `perjury list models` names them. If not given, cas-register for a file, and for a
    /// run what was promised when it was made.
    #[arg(long, short, env = "PERJURY_MODEL")]
    pub model: Option<String>,
    /// The file's format; found out if not given.
    #[arg(long, short, env = "PERJURY_FORMAT")]
    pub format: Option<String>,
    /// The initial value, in JSON; a bare word is a text. The model's or the format's own if not given.
    #[arg(long, env = "PERJURY_INITIAL", value_name = "VALUE")]
    pub initial: Option<String>,
    /// What a read of nil says: that there was no value, or nothing at all. The format's own if not given.
    #[arg(long, env = "PERJURY_NIL_READ", value_enum)]
    pub nil_read: Option<NilReadArg>,
    /// How long the checker may take.
    #[arg(long, env = "PERJURY_CHECK_LIMIT", default_value = "60s", value_parser = duration)]
    pub check_limit: Duration,
    /// Show why: the order in which the operations of a valid history can have taken effect, key by key, verified by
    /// the definition. A violation is always explained.
    #[arg(long, env = "PERJURY_WITNESS")]
    pub witness: bool,
    /// Print each finding as a JSON object.
    #[arg(long, env = "PERJURY_JSON")]
    pub json: bool,
}

/// What a read of nil says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum NilReadArg {
    /// There was no value.
    Absent,
    /// Nothing: the value was not recorded.
    Unknown,
}

/// The options of `generate`.
#[derive(Debug, Args)]
pub struct GenerateArgs {
    /// What the clients use: any model that `perjury list models` names.
    #[arg(long, short, env = "PERJURY_MODEL", default_value = "register")]
    pub model: String,
    /// How many operations.
    #[arg(long, env = "PERJURY_OPERATIONS", default_value_t = 1000)]
    pub operations: u64,
    /// Clients that work at the same time.
    #[arg(long, short, visible_alias = "clients", env = "PERJURY_CONCURRENCY", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub concurrency: u32,
    /// Keys.
    #[arg(long, env = "PERJURY_KEYS", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub keys: u32,
    /// Draw written values from 0..N instead of making each unique.
    #[arg(long, env = "PERJURY_VALUES", value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub values: Option<u32>,
    /// The share of operations that never learn their outcome, as 0.05 or 5%.
    #[arg(long, env = "PERJURY_UNKNOWN", value_name = "SHARE", default_value = "0", value_parser = permille)]
    pub unknown: u64,
    /// Plant a violation: stale-read, lost-write, dirty-read, phantom, lost-update (where there is a compare-and-set),
    /// double-grant (locks and leases), stale-token (fenced-lock), doubled (queues, stack, unique-ids), out-of-order
    /// (fifo-queue, stack).
    #[arg(long, env = "PERJURY_PLANT", value_name = "VIOLATION")]
    pub plant: Option<String>,
    /// The seed; drawn if not given, and printed to standard error.
    #[arg(long, short, env = "PERJURY_SEED")]
    pub seed: Option<u64>,
    /// The format to write; `perjury list formats` names them.
    #[arg(long, short, env = "PERJURY_FORMAT", default_value = "jsonl")]
    pub format: String,
    /// The file to write; standard output if not given.
    #[arg(long, short, env = "PERJURY_OUTPUT", value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// The options of `list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// What to list.
    #[arg(value_enum)]
    pub what: Listed,
    /// The store, for `list runs`.
    #[command(flatten)]
    pub store: StoreArg,
    /// Print JSON.
    #[arg(long, env = "PERJURY_JSON")]
    pub json: bool,
}

/// What can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Listed {
    /// The bundled systems.
    Systems,
    /// The settings of the bundled systems.
    Settings,
    /// What clients can do.
    Workloads,
    /// What can be broken.
    Nemeses,
    /// The planted bugs.
    Mutants,
    /// What a history can be checked against.
    Models,
    /// The formats of histories that `check` reads.
    Formats,
    /// The runs in the store.
    Runs,
}

/// A run in the store.
#[derive(Debug, Args)]
pub struct RunArg {
    /// The run: its id or the beginning of it, its folder, or `latest`.
    #[arg(default_value = "latest")]
    pub run: String,
    /// The store.
    #[command(flatten)]
    pub store: StoreArg,
    /// Print JSON.
    #[arg(long, env = "PERJURY_JSON")]
    pub json: bool,
}

/// The options of `report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The run: its id or the beginning of it, its folder, or `latest`.
    #[arg(default_value = "latest")]
    pub run: String,
    /// The store.
    #[command(flatten)]
    pub store: StoreArg,
    /// Open it in the browser.
    #[arg(long, env = "PERJURY_OPEN")]
    pub open: bool,
}

/// The options of `export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The run: its id or the beginning of it, its folder, or `latest`.
    #[arg(default_value = "latest")]
    pub run: String,
    /// The store.
    #[command(flatten)]
    pub store: StoreArg,
    /// Where to write it; into this folder under the run's name, if not given.
    #[arg(long, short, env = "PERJURY_OUTPUT", value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Write a trace that Perfetto opens (ui.perfetto.dev): clients, nodes, faults and messages as tracks.
    #[arg(long, env = "PERJURY_TRACE")]
    pub trace: bool,
}

/// The options of `serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// The store.
    #[command(flatten)]
    pub store: StoreArg,
    /// The port on loopback; 0 for any that is free.
    #[arg(long, short, env = "PERJURY_PORT", default_value_t = 8737)]
    pub port: u16,
    /// Show this detection matrix as well: what `perjury matrix --json` printed.
    #[arg(long, env = "PERJURY_MATRIX", value_name = "FILE")]
    pub matrix: Option<PathBuf>,
    /// Open it in the browser.
    #[arg(long, env = "PERJURY_OPEN")]
    pub open: bool,
}

/// What runs in simulation are drawn from.
#[derive(Clone, Debug, Args)]
pub struct DrawArgs {
    /// The system; `perjury list systems` names them.
    #[arg(long, env = "PERJURY_SYSTEM", default_value = "raft")]
    pub system: String,
    /// What is broken, by commas; each run draws from it.
    #[arg(
        long,
        short,
        env = "PERJURY_NEMESIS",
        default_value = "swarm",
        value_delimiter = ','
    )]
    pub nemesis: Vec<String>,
    /// Always this workload, instead of drawing one.
    #[arg(long, short, env = "PERJURY_WORKLOAD")]
    pub workload: Option<String>,
    /// Always so many nodes, instead of drawing.
    #[arg(long, env = "PERJURY_NODES", value_parser = clap::value_parser!(u16).range(1..=15))]
    pub nodes: Option<u16>,
    /// A planted bug; `perjury list mutants` names them.
    #[arg(long, env = "PERJURY_MUTANT")]
    pub mutant: Option<String>,
    /// A setting of the system, as NAME=VALUE; may be repeated. What is not given is drawn.
    #[arg(long = "set", env = "PERJURY_SET", value_name = "NAME=VALUE", value_delimiter = ',', value_parser = setting)]
    pub settings: Vec<(String, String)>,
    /// In which order messages arrive: timed (by latencies), random, or pct (priorities of causal chains; pct:5 for five
    /// changes of priority).
    #[arg(long, env = "PERJURY_SCHEDULER", default_value_t = Scheduler::Timed)]
    pub scheduler: Scheduler,
    /// Look only at what clients see, not at the protocol's invariants.
    #[arg(long, env = "PERJURY_BLACK_BOX")]
    pub black_box: bool,
}

/// The options of `hunt`.
#[derive(Debug, Args)]
pub struct HuntArgs {
    /// What runs are drawn from.
    #[command(flatten)]
    pub drawn: DrawArgs,
    /// How many runs at most; 1000, unless --for says how long.
    #[arg(long, env = "PERJURY_RUNS", value_parser = clap::value_parser!(u64).range(1..))]
    pub runs: Option<u64>,
    /// For how long at most.
    #[arg(long = "for", env = "PERJURY_FOR", value_parser = duration)]
    pub limit: Option<Duration>,
    /// Threads.
    #[arg(long, short, env = "PERJURY_JOBS", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub jobs: u16,
    /// The first seed; drawn and printed if not given.
    #[arg(long, short, env = "PERJURY_SEED")]
    pub seed: Option<u64>,
    /// Go on after a failure, and collect the distinct ones: another property broken, or in another way.
    #[arg(long, env = "PERJURY_KEEP_GOING")]
    pub keep_going: bool,
    /// Where failures are kept.
    #[command(flatten)]
    pub store: StoreArg,
    /// Print one JSON object.
    #[arg(long, env = "PERJURY_JSON")]
    pub json: bool,
}

/// The options of `play`.
#[derive(Debug, Args)]
pub struct PlayArgs {
    /// The schedule: the name of a bundled one, or a file; without it, the bundled ones are listed.
    pub schedule: Option<String>,
    /// A planted bug; `perjury list mutants` names them.
    #[arg(long, env = "PERJURY_MUTANT")]
    pub mutant: Option<String>,
}

/// The options of `matrix`.
#[derive(Debug, Args)]
pub struct MatrixArgs {
    /// The system; `perjury list systems` names them. `all` for the planted bugs of all of them.
    #[arg(long, env = "PERJURY_SYSTEM", default_value = "raft")]
    pub system: String,
    /// Only the planted bugs whose names have one of these in them, by commas.
    #[arg(long, env = "PERJURY_ONLY", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Only the core set: the bugs that any harness should find.
    #[arg(long, env = "PERJURY_CORE")]
    pub core: bool,
    /// How often each is hunted, with other seeds each time.
    #[arg(long, env = "PERJURY_CAMPAIGNS", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub campaigns: u32,
    /// In simulation, how much processor time a hunt may take at most.
    #[arg(long, env = "PERJURY_BUDGET", default_value = "1m", value_parser = duration)]
    pub budget: Duration,
    /// In simulation, how many runs a hunt may take at most; on processes it is always one.
    #[arg(long, env = "PERJURY_RUNS", value_parser = clap::value_parser!(u64).range(1..))]
    pub runs: Option<u64>,
    /// The first seed; drawn and printed if not given.
    #[arg(long, short, env = "PERJURY_SEED")]
    pub seed: Option<u64>,
    /// On processes, how long clients work under faults in each run; in simulation it is drawn.
    #[arg(long, short, env = "PERJURY_TIME_LIMIT", default_value = "60s", value_parser = duration)]
    pub time_limit: Duration,
    /// On processes, the mean time between the beginnings of faults, which come in quick succession here.
    #[arg(long, env = "PERJURY_INTERVAL", default_value = "1s", value_parser = duration)]
    pub interval: Duration,
    /// Where nodes run: `sim` hunts through many short runs, `process` makes one run a campaign.
    #[arg(long, env = "PERJURY_ENV", value_enum, default_value = "sim")]
    pub env: Environment,
    /// Runs at the same time.
    #[arg(long, short, env = "PERJURY_JOBS", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub jobs: u16,
    /// In simulation, in which order messages arrive: timed, random or pct, as `hunt` has it.
    #[arg(long, env = "PERJURY_SCHEDULER", default_value_t = Scheduler::Timed)]
    pub scheduler: Scheduler,
    /// Write the table as a page to this file too.
    #[arg(long, value_name = "FILE")]
    pub page: Option<PathBuf>,
    /// Where runs are kept.
    #[command(flatten)]
    pub store: StoreArg,
    /// Print a JSON object a planted bug, instead of a table.
    #[arg(long, env = "PERJURY_JSON")]
    pub json: bool,
}

/// The options of `prune`.
#[derive(Debug, Args)]
pub struct PruneArgs {
    /// The store.
    #[command(flatten)]
    pub store: StoreArg,
    /// Keep this many of the newest runs.
    #[arg(long, env = "PERJURY_KEEP", default_value_t = 20)]
    pub keep: usize,
    /// Delete only what is older than this.
    #[arg(long, env = "PERJURY_OLDER_THAN", value_parser = duration)]
    pub older_than: Option<Duration>,
    /// Keep every run that found something.
    #[arg(long, env = "PERJURY_KEEP_FAILED")]
    pub keep_failed: bool,
    /// Only say what would be deleted.
    #[arg(long, env = "PERJURY_DRY_RUN")]
    pub dry_run: bool,
}

/// The options of `cluster`.
#[derive(Debug, Args)]
pub struct ClusterArgs {
    /// The system; `perjury list systems` names them.
    #[arg(long, env = "PERJURY_SYSTEM", default_value = "raft")]
    pub system: String,
    /// Nodes of the cluster.
    #[arg(long, env = "PERJURY_NODES", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=15))]
    pub nodes: u16,
    /// A planted bug; `perjury list mutants` names them.
    #[arg(long, env = "PERJURY_MUTANT")]
    pub mutant: Option<String>,
    /// A setting of the system, as NAME=VALUE; may be repeated. `perjury list settings` names them.
    #[arg(long = "set", env = "PERJURY_SET", value_name = "NAME=VALUE", value_delimiter = ',', value_parser = setting)]
    pub settings: Vec<(String, String)>,
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("{error}; write it as 500ms, 30s or 2m"))
}

/// A share, as thousandths.
fn permille(text: &str) -> Result<u64, String> {
    let number = text.strip_suffix('%').map(|percent| (percent, 10.0));
    let (number, scale) = number.unwrap_or((text, 1000.0));
    let share = number.trim().parse::<f64>().map(|share| share * scale);
    match share {
        Ok(share) if (0.0..=1000.0).contains(&share) => Ok(share.round() as u64),
        _ => Err("write a share as 0.05 or as 5%; it is at most 1 or 100%".to_owned()),
    }
}

pub(super) fn setting(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| format!("{text:?} is not NAME=VALUE"))
}
