//! `perjury cluster`: starts a bundled cluster and keeps it up, to be poked by hand.

use std::io::Write;

use perjury_runner::{Input, exit};

use super::args::ClusterArgs;
use super::{Outcome, Trouble};
use crate::cluster::RunningCluster;
use crate::environment::ClusterConfig;

/// Starts a cluster, prints where it is, and keeps it up until Ctrl-C.
pub fn cluster(args: &ClusterArgs) -> Outcome {
    let logs = tempfile::Builder::new().prefix("perjury-logs-").tempdir()?;
    let mut config = ClusterConfig::new(&args.system, args.nodes, logs.path().to_owned());
    config.settings = args.settings.iter().cloned().collect();
    let prefix = format!("{}/", args.system);
    config.mutant = args
        .mutant
        .as_deref()
        .map(|name| name.strip_prefix(&prefix).unwrap_or(name).to_owned());
    config.seed = super::spec::draw_seed();
    config
        .validate()
        .map_err(|error| Trouble::Usage(error.to_string()))?;
    let cluster = RunningCluster::start(config).map_err(|error| Trouble::Harness(error.to_string()))?;
    let interrupter = cluster.interrupter();
    ctrlc::set_handler(move || interrupter.interrupt())
        .map_err(|error| Trouble::Harness(format!("cannot watch for Ctrl-C: {error}")))?;

    let addresses = cluster.addresses();
    let mut out = std::io::stdout().lock();
    for (node, address) in &addresses {
        writeln!(out, "{node} http://{address}")?;
    }
    out.flush()?;
    drop(out);
    if let Some((_, address)) = addresses.first() {
        say!("\nlogs are in {}; try", logs.path().display());
        say!("  curl -L -X PUT http://{address}/kv/x -d 1");
        say!("  curl http://{address}/kv/x");
        say!("  curl http://{address}/status");
        say!("\nCtrl-C stops it and removes its data");
    }
    let mut led = None;
    cluster.keep(&mut |input| match input {
        Input::View(view) if view.leader != led => {
            led = view.leader;
            if let Some((node, term)) = led {
                say!("{node} leads in term {term}");
            }
        }
        Input::NodeDied { node, reason } => say!("{node} died by itself: {reason}"),
        Input::Trouble(problem) => say!("trouble: {problem}"),
        _ => {}
    });
    Ok(exit::VALID)
}
