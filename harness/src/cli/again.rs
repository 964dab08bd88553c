//! The options of what is done with a run that failed: `replay`, `shrink`, `likelihood`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::args::{DrawArgs, duration};
use super::store::StoreArg;

/// The options of `replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// The run: its id or the beginning of it, its folder, a file that `shrink` wrote, `latest`; or a seed of `hunt`.
    #[arg(default_value = "latest")]
    pub run: String,
    /// For a seed: what the run is drawn from, as `hunt` was told.
    #[command(flatten)]
    pub drawn: DrawArgs,
    /// For a seed: the trace hash that the run had, as `hunt` printed it.
    #[arg(long, value_name = "HASH", value_parser = hash)]
    pub hash: Option<String>,
    /// The store.
    #[command(flatten)]
    pub store: StoreArg,
    /// How long the checker may take.
    #[arg(long, env = "PERJURY_CHECK_LIMIT", default_value = "60s", value_parser = duration)]
    pub check_limit: Duration,
    /// Print one JSON object, instead of text.
    #[arg(long, env = "PERJURY_JSON")]
    pub json: bool,
}

/// The options of `shrink`.
#[derive(Debug, Args)]
pub struct ShrinkArgs {
    /// The run: its id or the beginning of it, its folder, a file, or `latest`.
    #[arg(default_value = "latest")]
    pub run: String,
    /// Where to write the small run; as shrunk.json beside the run, if not given.
    #[arg(long, short, env = "PERJURY_OUTPUT", value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// With how many other noises a removal is tried again that lost the failure.
    #[arg(long, env = "PERJURY_NOISES", default_value_t = 3)]
    pub noises: u64,
    /// The store.
    #[command(flatten)]
    pub store: StoreArg,
    /// Print one JSON object, instead of text.
    #[arg(long, env = "PERJURY_JSON")]
    pub json: bool,
}

/// The options of `likelihood`.
#[derive(Debug, Args)]
pub struct LikelihoodArgs {
    /// The run: its id or the beginning of it, its folder, a file, or `latest`.
    #[arg(default_value = "latest")]
    pub run: String,
    /// Moments to branch at: so many evenly over the run, and as many again where it gets likely.
    #[arg(long, env = "PERJURY_MOMENTS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub moments: u64,
    /// Branches from each moment.
    #[arg(long, env = "PERJURY_BRANCHES", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub branches: u64,
    /// The store.
    #[command(flatten)]
    pub store: StoreArg,
    /// Print one JSON object, instead of text.
    #[arg(long, env = "PERJURY_JSON")]
    pub json: bool,
}

fn hash(text: &str) -> Result<String, String> {
    match u64::from_str_radix(text, 16) {
        Ok(_) if text.len() == 16 => Ok(text.to_lowercase()),
        _ => Err(format!("{text:?} is not a trace hash: 16 hexadecimal digits")),
    }
}
