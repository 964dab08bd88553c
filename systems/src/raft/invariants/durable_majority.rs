//! R-I6: every committed entry is in the durable log, or snapshot, of a majority of the configuration that it was
//! committed under (paper §5.3, §5.4; figure 2: persistent state is "updated on stable storage before responding").
//!
//! Checked when an entry is committed, and again for what a node loses.

use std::collections::BTreeSet;

use super::{Oracle, Step, View};
use crate::raft::config::Config;
use crate::raft::log::Log;
use crate::raft::types::{Index, Position};
use crate::replica::NodeId;

pub(super) const NAME: (&str, &str) = ("R-I6", "durable majority");

pub(super) fn check(step: &Step<'_>, oracle: &Oracle, counted_to: Option<Index>) -> Result<(), String> {
    let commit_before = step
        .before
        .filter(|before| before.running)
        .map_or(0, |before| before.commit);
    if let Some(index) = counted_to {
        for place in commit_before + 1..=index {
            held_by_majority(step, oracle, place, "committed")?;
        }
    }
    // What this node held before and does not hold any more.
    if let Some(before) = step.before
        && lost_anything(step, before)
    {
        let from = step.raft.log().base().index;
        let until = before.log.durable();
        for place in (from + 1..=until).filter(|place| oracle.get(*place).is_some()) {
            held_by_majority(step, oracle, place, "still committed")?;
        }
    }
    Ok(())
}

fn lost_anything(step: &Step<'_>, before: &View) -> bool {
    let log = step.raft.log();
    log.durable() < before.log.durable()
        || step.traces.iter().any(|trace| {
            matches!(
                trace,
                crate::raft::Trace::Truncated { .. }
                    | crate::raft::Trace::SnapshotInstalled { .. }
                    | crate::raft::Trace::Recovered { .. }
            )
        })
}

/// Whether the node that stepped holds an entry, durably.
fn itself_holds(log: &Log, at: Position) -> bool {
    log.durable() >= at.index && (at.index <= log.base().index || log.term_at(at.index) == Some(at.term))
}

fn held_by_majority(step: &Step<'_>, oracle: &Oracle, index: Index, word: &str) -> Result<(), String> {
    let Some(committed) = oracle.get(index) else {
        return Ok(());
    };
    let at = Position {
        term: committed.term,
        index,
    };
    let holds = |node: NodeId| {
        // No protocol can help it that a disk is lost: what was on it counts as held.
        let lost = || step.lost.get(node).is_some_and(|log| log.holds(at));
        let there = if node == step.node {
            itself_holds(step.raft.log(), at)
        } else {
            step.views.get(node).is_some_and(|view| view.log.holds(at))
        };
        there || lost()
    };
    // Once more than half of them hold it, the others need not be asked.
    let majority = |voters: &BTreeSet<NodeId>| {
        let mut holders = voters.iter().filter(|node| holds(**node));
        holders.nth(voters.len() / 2).is_some()
    };
    let all = |config: &Config| majority(&config.voters) && config.outgoing.as_ref().is_none_or(majority);
    // Members may have changed since: then a majority of a later committed configuration is as good.
    let later = || {
        let after = oracle.after(index).map(|(_, later)| &*later.config);
        after
            .into_iter()
            .any(|config| *config != *committed.config && all(config))
    };
    if all(&committed.config) || later() {
        return Ok(());
    }
    let holders: Vec<String> = step
        .views
        .nodes()
        .into_iter()
        .filter(|node| holds(*node))
        .map(|node| node.to_string())
        .collect();
    Err(format!(
        "the entry at {index} of term {} is {word}, and durable only at [{}]",
        committed.term,
        holders.join(", ")
    ))
}
