//! R-I9: a leader commits by counting only when the entry at the new commit index is of its own term (paper §5.4.2,
//! figure 8).

use crate::raft::types::Trace;

pub(super) const NAME: (&str, &str) = ("R-I9", "commitment by own term");

pub(super) fn check(traces: &[Trace]) -> Result<(), String> {
    for trace in traces {
        if let Trace::Committed {
            index,
            entry_term,
            term,
            counted: true,
        } = trace
            && entry_term != term
        {
            return Err(format!(
                "as leader of term {term} it committed {index}, an entry of term {entry_term}, by counting"
            ));
        }
    }
    Ok(())
}
