//! R-I2, leader append-only: "a leader never overwrites or deletes entries in its log; it only appends new entries"
//! (paper §5.3, figure 3).

use super::Step;
use crate::raft::types::Trace;

pub(super) const NAME: (&str, &str) = ("R-I2", "leader append-only");

pub(super) fn check(step: &Step<'_>) -> Result<(), String> {
    let Some(before) = step.before.filter(|before| before.running) else {
        return Ok(());
    };
    if before.leads.is_none() || before.leads != step.raft.is_leader().then(|| step.raft.term()) {
        return Ok(());
    }
    let cut = step.traces.iter().find_map(|trace| match trace {
        Trace::Truncated { from } => Some(*from),
        _ => None,
    });
    if let Some(from) = cut {
        return Err(format!(
            "as leader of term {} it removed its entries from {from} on",
            step.raft.term()
        ));
    }
    let (was, is) = (before.log.last().index, step.raft.log().last().index);
    if is < was {
        return Err(format!(
            "as leader of term {} its log shrank from {was} to {is}",
            step.raft.term()
        ));
    }
    Ok(())
}
