//! How the members change.

use super::super::types::Index;

/// Do two majorities agree while the configuration is joint? Only together: "agreement (for elections and entry
/// commitment) requires separate majorities from both the old and new configurations" (paper §6).
pub fn joint_agrees(outgoing: bool, incoming: bool) -> bool {
    outgoing && incoming
}

/// May the voters change in one step? Only if one node is added or removed, so that old and new majorities overlap
/// (thesis §4.1), and where that way is chosen; otherwise through the joint configuration (paper §6).
pub fn may_switch_directly(one_node: bool, single_allowed: bool) -> bool {
    one_node && single_allowed
}

/// May a leader begin to change the members? Once an entry of its term is committed (Ongaro, raft-dev, 2015): only
/// then is it sure that no unfinished change of an earlier leader is still alive.
pub fn may_change_members(own_term_committed: bool) -> bool {
    own_term_committed
}

/// Does a configuration that was appended at `index` stay in force when the log is truncated from `from` on? If its
/// entry does (thesis §4.1: a server "must be prepared to fall back to the previous configuration in its log").
pub fn config_survives(index: Index, from: Index) -> bool {
    index < from
}

/// Does a leader that is not among the voters count itself? No: "it does not include itself in majorities" (paper §6).
pub fn absent_leader_counts() -> bool {
    false
}

/// May a learner become a voter? Once it has caught up, so that its vote is not needed for what it does not have
/// (paper §6, thesis §4.2.1).
pub fn may_promote(lag: u64, allowed: u64) -> bool {
    lag <= allowed
}
