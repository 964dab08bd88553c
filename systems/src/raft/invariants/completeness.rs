//! R-I4, leader completeness: "if a log entry is committed in a given term, then that entry will be present in the
//! logs of the leaders for all higher-numbered terms" (paper §5.4, figure 3).
//!
//! "Committed in a term" is the term of the leader that committed it, not that of the entry, and not the moment: a
//! candidate of an older term may win late, without what a newer leader has committed meanwhile. It can commit
//! nothing.

use super::{Oracle, Step};
use crate::raft::types::Trace;

pub(super) const NAME: (&str, &str) = ("R-I4", "leader completeness");

pub(super) fn check(step: &Step<'_>, oracle: &Oracle) -> Result<(), String> {
    for trace in step.traces {
        let Trace::BecameLeader { term } = trace else {
            continue;
        };
        let log = step.raft.log();
        for (index, committed) in oracle.after(log.base().index) {
            if committed.commit_term < *term && log.term_at(index) != Some(committed.term) {
                return Err(format!(
                    "it leads term {term} without the entry at {index} of term {}, committed in term {}",
                    committed.term, committed.commit_term
                ));
            }
        }
    }
    Ok(())
}
