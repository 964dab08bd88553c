//! Where runs are kept.

use std::path::PathBuf;

use clap::Args;

use super::spec::quoted;

/// The folder of runs.
#[derive(Clone, Debug, Args)]
pub struct StoreArg {
    /// Where runs are kept.
    #[arg(
        long = "store",
        env = "PERJURY_STORE",
        value_name = "DIR",
        default_value = USUAL_STORE
    )]
    pub dir: PathBuf,
}

/// Where runs are kept if nothing else is said.
const USUAL_STORE: &str = "results/runs";

impl StoreArg {
    /// What a command has to be given besides, to look there too.
    pub fn as_given(&self) -> String {
        match self.dir.to_str() {
            Some(USUAL_STORE) => String::new(),
            _ => format!(" --store {}", quoted(&self.dir.display().to_string())),
        }
    }
}
