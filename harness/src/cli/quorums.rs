//! The sizes of quorums on the command line, what they promise, and what is judged by it.

use std::collections::BTreeMap;

use clap::Args;
use perjury_checker::quorum::Promise;
use perjury_results::TestRecord;
use perjury_systems::nwr::settings::{ReadMode, Versions};
use perjury_systems::nwr::{Nwr, Settings};
use perjury_systems::replica::{Cluster, Replica};

use super::Trouble;

/// The sizes of Quorum NWR: other words for `--set n=3`, `--set w=2` and `--set r=2`.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct QuorumArgs {
    /// Replicas of each key (system nwr).
    #[arg(long, env = "PERJURY_N", value_name = "REPLICAS")]
    pub n: Option<u16>,
    /// How many replicas have to store a write (system nwr).
    #[arg(long, env = "PERJURY_W", value_name = "REPLICAS")]
    pub w: Option<u16>,
    /// How many replicas have to answer a read (system nwr).
    #[arg(long, env = "PERJURY_R", value_name = "REPLICAS")]
    pub r: Option<u16>,
}

impl QuorumArgs {
    /// As settings of the system; what was set there by name comes first.
    pub fn settings(self) -> impl Iterator<Item = (String, String)> {
        [("n", self.n), ("w", self.w), ("r", self.r)]
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?.to_string())))
    }
}

/// Refuses settings with which a store loses elements of sets without breaking a promise.
pub fn is_judged(system: &str, workload: &str, settings: &BTreeMap<String, String>) -> Result<(), Trouble> {
    if system != Nwr::NAME || workload != "set" {
        return Ok(());
    }
    // What cannot be parsed is refused elsewhere, with the reason.
    let Ok(parsed) = Settings::parse(settings) else {
        return Ok(());
    };
    if parsed.versions == Versions::Vector && parsed.reads == ReadMode::Abd && parsed.is_strict() {
        return Ok(());
    }
    Err(Trouble::Usage(
        "nwr keeps every element of a set only with --set versions=vector (concurrent additions stand side by side), --set \
         reads=abd (what was read stays) and a strict quorum, W + R > N: with less, a test would accuse a store that keeps its promise"
            .to_owned(),
    ))
}

/// What a run is judged by, and why, if that is not always linearizability; a warning if it is less than registers usually
/// promise.
pub fn told(record: &TestRecord, cluster: &Cluster) -> Option<String> {
    let promise = perjury_simulator::promised(&record.system, cluster);
    if promise == Promise::Sequential {
        let what = "judged: registers are sequentially consistent: a read may be old, but no client sees the store go back";
        return Some(what.to_owned());
    }
    if record.system != Nwr::NAME || record.workload != "register" {
        return None;
    }
    let settings = Settings::parse(&cluster.settings).ok()?;
    let (n, w, r) = (settings.n, settings.w, settings.r);
    let sign = if w + r > n { ">" } else { "≤" };
    let sizes = format!("W={w} + R={r} {sign} N={n}");
    Some(match promise {
        Promise::Sequential => return None,
        Promise::Linearizable => {
            format!("judged: {sizes}, and reads store what they return: registers are linearizable")
        }
        Promise::Regular => {
            format!("judged: {sizes}: registers are regular (not linearizable: that takes --set reads=abd)")
        }
        Promise::Eventual => {
            let why = if w + r <= n {
                "a read quorum may miss a write quorum"
            } else if settings.sloppy {
                "stand-ins count, whom a read quorum may miss"
            } else {
                "clocks that disagree order versions wrongly"
            };
            format!(
                "warning: {sizes}: {why}, so that reads may be stale; judged is only that what is read was written, and how \
                 stale it is is measured"
            )
        }
    })
}
