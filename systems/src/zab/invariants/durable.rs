//! Z-I4: every committed transaction is in the durable log, or snapshot, of a quorum of voters; checked when it is
//! committed, and again for what a node loses. And no leader makes a learner drop what an earlier epoch committed (paper
//! §V).

use super::Step;
use super::oracle::{Committed, Oracle};
use crate::replica::NodeId;
use crate::zab::types::{Trace, Zxid};

pub(super) const NAME: (&str, &str) = ("Z-I4", "durable quorum");

/// `known` is how many were committed before this step.
pub(super) fn check(step: &Step<'_>, oracle: &Oracle, known: usize) -> Result<(), String> {
    for committed in oracle.since(known) {
        held_by_quorum(step, committed, "committed")?;
    }
    let loses = |trace: &Trace| {
        matches!(
            trace,
            Trace::Truncated { .. } | Trace::SnapshotInstalled { .. } | Trace::Recovered { .. }
        )
    };
    for trace in step.traces {
        if let Trace::Truncated { after } = trace {
            keeps_committed(step, oracle, *after)?;
        }
    }
    let Some(before) = step.before().filter(|_| step.traces.iter().any(loses)) else {
        return Ok(());
    };
    let mut had = before.log.durable_txns().peekable();
    let Some(first) = had.peek().copied() else {
        return Ok(());
    };
    let until = before.log.durable();
    let mut lost = oracle.after(first).iter().take_while(|txn| txn.zxid <= until);
    lost.try_for_each(|committed| held_by_quorum(step, committed, "still committed"))
}

/// A leader has everything that earlier epochs committed, so that nobody has to drop it for a later one.
fn keeps_committed(step: &Step<'_>, oracle: &Oracle, after: Zxid) -> Result<(), String> {
    let Some(before) = step.before() else {
        return Ok(());
    };
    let accepted = step.zab.epochs().accepted;
    let had = |txn: &&Committed| txn.epoch < accepted && before.log.holds(txn.zxid, txn.digest);
    match oracle.after(after).iter().find(had) {
        Some(Committed { zxid, epoch, .. }) => Err(format!(
            "it removed {zxid}, committed in epoch {epoch}, from its log for epoch {accepted}"
        )),
        None => Ok(()),
    }
}

fn held_by_quorum(step: &Step<'_>, committed: &Committed, word: &str) -> Result<(), String> {
    let Committed { zxid, digest, .. } = *committed;
    let log = step.zab.log();
    let itself = log.durable() >= zxid
        && (zxid <= log.base() || log.get(zxid).is_some_and(|txn| txn.digest() == digest));
    // A state that has just replaced the log is not durable yet, and then what was before still is.
    let replaced = step
        .traces
        .iter()
        .any(|trace| matches!(trace, Trace::SnapshotInstalled { .. }));
    let holds = |node: &NodeId| {
        let seen = step
            .views
            .get(*node)
            .is_some_and(|view| view.log.holds(zxid, digest));
        if *node == step.node {
            itself || (replaced && seen)
        } else {
            seen
        }
    };
    let voters = step.zab.voters();
    if voters.iter().filter(|node| holds(node)).count() > voters.len() / 2 {
        return Ok(());
    }
    let holders = voters.iter().filter(|node| holds(node));
    let holders: Vec<String> = holders.map(ToString::to_string).collect();
    Err(format!(
        "{zxid} is {word}, and durable only at [{}]",
        holders.join(", ")
    ))
}
