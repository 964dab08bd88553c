//! Who may become leader.

use super::super::types::{Position, Term};
use crate::replica::NodeId;

/// May a node vote for this candidate? If `votedFor` is null or the candidate (paper, figure 2, RequestVote 2).
pub fn may_vote_for(voted_for: Option<NodeId>, candidate: NodeId) -> bool {
    voted_for.is_none_or(|earlier| earlier == candidate)
}

/// Is the candidate's log at least as up to date as the voter's? "If the logs have last entries with different
/// terms, then the log with the later term is more up to date. If the logs end with the same term, then
/// whichever log is longer" (paper §5.4.1).
pub fn log_up_to_date(candidate: Position, voter: Position) -> bool {
    (candidate.term, candidate.index) >= (voter.term, voter.index)
}

/// Which of its last entries does a voter compare with? The one of this moment (paper §5.4.1).
pub fn voters_last_entry(now: Position, at_last_tick: Position) -> Position {
    let _ = at_last_tick;
    now
}

/// Does an answer to a vote request count? Only in the term that it answers (paper §5.1, figure 2).
pub fn counts_vote_reply(reply_term: Term, term: Term) -> bool {
    reply_term == term
}

/// How many votes are a voter's answers? One, however often it arrives (paper §5.2: "at most one").
pub fn votes_of(answers: usize) -> usize {
    answers.min(1)
}

/// A node's term after it was asked for a pre-vote: as before; asking changes nothing (thesis §9.6).
pub fn term_after_pre_vote(term: Term, asked: Term) -> Term {
    let _ = asked;
    term
}

/// Should a node refuse to elect another leader? While it heard from one within the shortest election timeout
/// (paper §6, thesis §4.2.3 and §9.6).
pub fn leader_is_alive(heard_within_timeout: bool) -> bool {
    heard_within_timeout
}

/// How many of so many voters elect a leader? More than half (paper §5.2).
pub fn election_quorum(voters: usize) -> usize {
    voters / 2 + 1
}

/// Whom has a node voted for in a term that it has just taken on? Nobody yet (paper §5.1).
pub fn vote_in_new_term(earlier: Option<NodeId>) -> Option<NodeId> {
    let _ = earlier;
    None
}

/// Does a node that led the durable term lead it again after a restart? No: "they start up as followers"
/// (paper §5.2), for what it had told others in that term is forgotten.
pub fn leads_after_restart(led_durable_term: bool) -> bool {
    let _ = led_durable_term;
    false
}

/// May a node without a vote of its own count in a majority? No: "non-voting members … are not considered for
/// majorities" (paper §6).
pub fn counts_in_majority(voter: bool) -> bool {
    voter
}

/// Does a node that believes it has no vote answer a candidate? Yes: its promotion may be committed without its
/// knowledge (thesis §4.2.2: "servers process incoming RPC requests without consulting their current
/// configurations").
pub fn answers_candidates(voter: bool) -> bool {
    let _ = voter;
    true
}

/// May a node campaign? Only a voter: of its latest configuration, or of the one before, as long as it does not know
/// that the latest is committed; "it might still be needed until the C_new entry is committed" (thesis §4.2.2).
pub fn may_campaign(voter: bool) -> bool {
    voter
}

/// Must a leader step down? If an election timeout passed "without a successful round of heartbeats to a majority
/// of its cluster" (thesis §6.2).
pub fn must_step_down(heard_from_majority: bool) -> bool {
    !heard_from_majority
}

/// May a node vote or campaign with this disk? Only if no promise of that node stands on another one: state that
/// was to be "updated on stable storage before responding" (figure 2) is gone with the disk that held it.
pub fn may_use_vote(disk_is_known: bool) -> bool {
    disk_is_known
}
