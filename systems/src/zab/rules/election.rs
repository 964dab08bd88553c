//! Whom to elect (fast leader election: Medeiros §3.3; ZooKeeper's `FastLeaderElection`).

use super::super::types::Vote;

/// Is the offered vote better? The later epoch, then the later transaction, then the greater name: one order of all
/// votes (Medeiros §3.3; `totalOrderPredicate`).
pub fn beats(offered: Vote, had: Vote) -> bool {
    (offered.epoch, offered.zxid, offered.leader) > (had.epoch, had.zxid, had.leader)
}

/// Does a vote count that was cast in another round of election? Only in the same one (Medeiros §3.3).
pub fn counts_round(theirs: u64, mine: u64) -> bool {
    theirs == mine
}

/// How many of the votes of the round before does a node keep when it takes on a later one? None: they may have been
/// changed since.
pub fn keeps_votes(earlier: usize) -> usize {
    let _ = earlier;
    0
}

/// Whom does a node vote for in a round that it has just taken on? The better one of the offered vote and its own, not
/// the one that it had in the round before.
pub fn vote_in_round(offered: Vote, own: Vote) -> Vote {
    if beats(offered, own) { offered } else { own }
}

/// May a node join those who say that they follow or lead already? If a quorum says so of one leader, and the leader
/// itself does (`checkLeader`): what the others say may be long over.
pub fn may_join(quorum: bool, confirmed: bool) -> bool {
    quorum && confirmed
}

/// Does a node that follows or leads answer one that looks for a leader? Yes, with its vote: else the other one never
/// learns of the leader.
pub fn answers_looking() -> bool {
    true
}
