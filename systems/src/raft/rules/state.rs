//! What applying a command may depend on.

use std::time::Duration;

/// Was a request applied before, if its client's last applied sequence is `last`? (thesis §6.3)
pub fn was_applied(last: Option<u64>, sequence: u64) -> bool {
    last.is_some_and(|last| sequence <= last)
}

/// Is the session table cleared of old clients by a node's own clock, `idle` after it last did so? Never: nodes
/// would disagree (thesis §6.3: "servers must agree on when to expire a client's session").
pub fn expires_sessions(idle: Duration) -> bool {
    let _ = idle;
    false
}

/// Where does an appended element go in a list? At its end, whatever a node's own chance says: the state machine
/// is deterministic (paper §2).
pub fn list_place(length: usize, chance: u32) -> usize {
    let _ = chance;
    length
}
