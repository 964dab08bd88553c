//! `perjury explore`: everything that can happen to a tiny cluster.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use perjury_runner::exit;
use perjury_simulator::explore::{Bounds, Disk, Doing, Exploration, Limits, Seen, Walked, explore as walk};

use super::args::setting;
use super::interrupt::{Armed, interrupted};
use super::{Outcome, Trouble, spec};

/// The options of `explore`. Each bound is a total over all nodes.
#[derive(Debug, Args)]
pub struct ExploreArgs {
    /// The system; `perjury list systems` names them.
    #[arg(long, env = "PERJURY_SYSTEM", default_value = "raft")]
    pub system: String,
    /// Nodes.
    #[arg(long, env = "PERJURY_NODES", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=5))]
    pub nodes: u16,
    /// What clients do, by commas: each once, each another client's, all on one key.
    #[arg(
        long,
        env = "PERJURY_OPERATIONS",
        value_enum,
        value_delimiter = ',',
        default_value = "write,read"
    )]
    pub operations: Vec<OperationArg>,
    /// Election timeouts that run out, so that no term is higher.
    #[arg(long, env = "PERJURY_ELECTIONS", default_value_t = 1, value_parser = clap::value_parser!(u8).range(..=7))]
    pub elections: u8,
    /// Heartbeat timers that run out.
    #[arg(long, env = "PERJURY_HEARTBEATS", default_value_t = 0, value_parser = clap::value_parser!(u8).range(..=7))]
    pub heartbeats: u8,
    /// Crashes, each losing any suffix of what is not durable; the node starts again.
    #[arg(long, env = "PERJURY_CRASHES", default_value_t = 0, value_parser = clap::value_parser!(u8).range(..=7))]
    pub crashes: u8,
    /// Messages that are delivered once more than they were sent.
    #[arg(long, env = "PERJURY_DUPLICATES", default_value_t = 0, value_parser = clap::value_parser!(u8).range(..=7))]
    pub duplicates: u8,
    /// Requests that a client sends again, to any node, while it has no answer.
    #[arg(long, env = "PERJURY_RESENDS", default_value_t = 0, value_parser = clap::value_parser!(u8).range(..=7))]
    pub resends: u8,
    /// When writes are durable; if not given, later if nodes may crash, and otherwise at once.
    #[arg(long, env = "PERJURY_DISK", value_enum)]
    pub disk: Option<DiskArg>,
    /// A planted bug; `perjury list mutants` names them.
    #[arg(long, env = "PERJURY_MUTANT")]
    pub mutant: Option<String>,
    /// A setting of the system, as NAME=VALUE; may be repeated. `perjury list settings` names them.
    #[arg(long = "set", env = "PERJURY_SET", value_name = "NAME=VALUE", value_delimiter = ',', value_parser = setting)]
    pub settings: Vec<(String, String)>,
    /// Count states apart that differ only in the names of nodes.
    #[arg(long, env = "PERJURY_NO_SYMMETRY")]
    pub no_symmetry: bool,
    /// Look only at what clients see, not at the protocol's invariants.
    #[arg(long, env = "PERJURY_BLACK_BOX")]
    pub black_box: bool,
    /// Stop after so many states.
    #[arg(long, env = "PERJURY_MAX_STATES", default_value_t = 20_000_000, value_parser = clap::value_parser!(u64).range(1..=4_000_000_000))]
    pub max_states: u64,
    /// Stop when states and tables take so many MiB.
    #[arg(long, env = "PERJURY_MEMORY_MIB", default_value_t = 2048, value_parser = clap::value_parser!(u64).range(1..=1_048_576))]
    pub memory_mib: u64,
    /// Print one JSON object.
    #[arg(long, env = "PERJURY_JSON")]
    pub json: bool,
}

/// What a client of an exploration does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OperationArg {
    /// Nothing.
    None,
    /// Read the key.
    Read,
    /// Write the operation's number.
    Write,
    /// Set the key to the operation's number if it is absent.
    Cas,
    /// Append the operation's number to a list.
    Append,
}

/// When writes are durable in an exploration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DiskArg {
    /// At once.
    Instant,
    /// After an fsync, which may come late or never.
    Later,
}

/// Walks, and says what was seen and what was found.
pub fn explore(args: &ExploreArgs) -> Outcome {
    let exploration = exploration(args)?;
    let _armed = Armed::new(|| say!("interrupted: what was seen so far follows"))?;
    let began = Instant::now();
    let every = Duration::from_millis(if std::io::stderr().is_terminal() {
        500
    } else {
        2000
    });
    let mut told = began;
    let walked = walk(&exploration, &mut |seen| {
        if told.elapsed() >= every {
            told = Instant::now();
            say!("{}", line(seen, began.elapsed()));
        }
        !interrupted()
    })
    .map_err(|error| Trouble::Usage(error.to_string()))?;
    let took = began.elapsed();
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", json(&exploration, &walked, took))?;
    } else {
        tell(&mut out, &walked, took)?;
    }
    Ok(if walked.violation.is_some() {
        exit::VIOLATION
    } else if walked.exhausted {
        exit::VALID
    } else if interrupted() {
        exit::INTERRUPTED
    } else {
        exit::UNKNOWN
    })
}

fn exploration(args: &ExploreArgs) -> Result<Exploration, Trouble> {
    let (mutant, settings) = spec::planted(&args.system, args.mutant.as_deref(), &args.settings)?;
    let disk = match args.disk {
        Some(DiskArg::Instant) => Disk::Instant,
        Some(DiskArg::Later) => Disk::Later,
        None if args.crashes > 0 => Disk::Later,
        None => Disk::Instant,
    };
    let operations = args.operations.iter().map(|operation| match operation {
        OperationArg::None => None,
        OperationArg::Read => Some(Doing::Read),
        OperationArg::Write => Some(Doing::Write),
        OperationArg::Cas => Some(Doing::Cas),
        OperationArg::Append => Some(Doing::Append),
    });
    let prefix = format!("{}/", args.system);
    Ok(Exploration {
        system: args.system.clone(),
        mutant: mutant.map(|name| name.strip_prefix(&prefix).unwrap_or(&name).to_owned()),
        settings,
        bounds: Bounds {
            nodes: args.nodes,
            operations: operations.flatten().collect(),
            elections: args.elections,
            heartbeats: args.heartbeats,
            crashes: args.crashes,
            duplicates: args.duplicates,
            resends: args.resends,
            disk,
        },
        symmetry: !args.no_symmetry,
        black_box: args.black_box,
        memo: true,
        limits: Limits {
            states: args.max_states,
            bytes: args.memory_mib << 20,
        },
    })
}

fn line(seen: &Seen, took: Duration) -> String {
    format!(
        "{} states, {} steps, depth {}, in {:.1} s: {:.0} states a second, {:.0} bytes a state",
        seen.states,
        seen.steps,
        seen.depth,
        took.as_secs_f64(),
        seen.states as f64 / took.as_secs_f64().max(1e-9),
        seen.bytes as f64 / seen.states.max(1) as f64,
    )
}

fn tell(out: &mut impl Write, walked: &Walked, took: Duration) -> std::io::Result<()> {
    let seen = &walked.seen;
    writeln!(out, "{}", line(seen, took))?;
    writeln!(
        out,
        "made of {} states of one node, {} messages, {} sets of messages on their way to a node, {} histories of clients",
        seen.distinct.nodes, seen.distinct.messages, seen.distinct.inboxes, seen.distinct.histories,
    )?;
    if walked.unfolded > seen.states {
        writeln!(
            out,
            "{} states if those that differ only in the names of nodes are counted apart",
            walked.unfolded
        )?;
    }
    match &walked.violation {
        Some(violation) => {
            writeln!(out, "{}: {}", violation.property, violation.what)?;
            writeln!(
                out,
                "No path to it has fewer than these {} steps:",
                violation.steps.len()
            )?;
            for (number, step) in violation.steps.iter().enumerate() {
                writeln!(out, "{:>3}. {step}", number + 1)?;
            }
        }
        None if walked.exhausted => {
            writeln!(out, "everything within the bounds was seen; nothing is broken")?
        }
        None => writeln!(
            out,
            "not everything was seen: nothing is broken within {} steps; narrow the bounds or raise --max-states or \
             --memory-mib",
            seen.depth
        )?,
    }
    Ok(())
}

fn json(exploration: &Exploration, walked: &Walked, took: Duration) -> serde_json::Value {
    serde_json::json!({
        "exploration": exploration,
        "states": walked.seen.states,
        "unfolded": walked.unfolded,
        "steps": walked.seen.steps,
        "depth": walked.seen.depth,
        "exhausted": walked.exhausted,
        "seconds": took.as_secs_f64(),
        "bytes": walked.seen.bytes,
        "distinct": walked.seen.distinct,
        "violation": walked.violation,
    })
}
