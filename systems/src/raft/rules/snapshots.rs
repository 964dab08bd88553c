//! What a snapshot holds, and what installing one replaces.

use super::super::types::{Index, Term};

/// Does a snapshot hold the clients' sessions, if there are any? Yes: they are part of the state (thesis §6.3).
pub fn keeps_sessions(any: bool) -> bool {
    any
}

/// Does a snapshot hold "the latest configuration in the log as of last included index" (paper §7), where that is
/// not the one that the cluster began with? Yes: the entry that set it is dropped with the log.
pub fn snapshot_holds_config(differs_from_initial: bool) -> bool {
    differs_from_initial
}

/// By which index is a snapshot labelled? By that of the last entry applied to it (paper §7).
pub fn snapshot_label(applied: Index, commit: Index) -> Index {
    let _ = commit;
    applied
}

/// The term in a snapshot's label: that of the last entry that it covers (paper §7), for the next append's check.
pub fn snapshot_label_term(entry_term: Term) -> Term {
    entry_term
}

/// Is a snapshot that a leader sends installed? Only if it covers more than what is committed here: otherwise it is
/// a late or repeated message, and would take the state back (paper §7; thesis §5.3).
pub fn installs_snapshot(last: Index, commit: Index) -> bool {
    last > commit
}

/// Is the log behind a snapshot kept? If the entry that the snapshot ends with is there: "retain log entries
/// following it" (figure 13, rule 6); they may be acknowledged.
pub fn keeps_suffix(has_last_included: bool) -> bool {
    has_last_included
}

/// Does a follower that needs `next` need a snapshot from a leader whose log was compacted through `base`? If that
/// entry is gone (paper §7).
pub fn needs_snapshot(next: Index, base: Index) -> bool {
    next <= base
}

/// A node's term after a snapshot was installed: its own; the snapshot's last term is older (figure 13).
pub fn term_after_install(term: Term, last_included_term: Term) -> Term {
    let _ = last_included_term;
    term
}
