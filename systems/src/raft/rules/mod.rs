//! The decisions that Raft's proof rests on, each a pure function that cites its source.
//!
//! The protocol asks [`Rules`], which answers with the rule, unless a mutant has put a mistake in its place
//! ([`super::mutants`]).
//!
//! "Paper" is Ongaro and Ousterhout, In Search of an Understandable Consensus Algorithm (extended version, 2014);
//! "thesis" is Ongaro, Consensus: Bridging Theory and Practice (2014); figures are the paper's.

use std::time::Duration;

use super::types::{HardState, Index, Position, Term};
use crate::replica::{Lsn, NodeId};
use crate::rules::rules;

pub mod durability;
pub mod elections;
pub mod membership;
pub mod reads;
pub mod replication;
pub mod snapshots;
pub mod state;

use durability::{Gate, Removal};
use replication::{Loss, Splice, Stage};

rules! {
    elections::may_vote_for = MayVoteFor(voted_for: Option<NodeId>, candidate: NodeId) -> bool;
    elections::log_up_to_date = LogUpToDate(candidate: Position, voter: Position) -> bool;
    elections::voters_last_entry = VotersLastEntry(now: Position, at_last_tick: Position) -> Position;
    elections::counts_vote_reply = CountsVoteReply(reply_term: Term, term: Term) -> bool;
    elections::votes_of = VotesOf(answers: usize) -> usize;
    elections::term_after_pre_vote = TermAfterPreVote(term: Term, asked: Term) -> Term;
    elections::leader_is_alive = LeaderIsAlive(heard_within_timeout: bool) -> bool;
    elections::election_quorum = ElectionQuorum(voters: usize) -> usize;
    elections::vote_in_new_term = VoteInNewTerm(earlier: Option<NodeId>) -> Option<NodeId>;
    elections::leads_after_restart = LeadsAfterRestart(led_durable_term: bool) -> bool;
    elections::counts_in_majority = CountsInMajority(voter: bool) -> bool;
    elections::answers_candidates = AnswersCandidates(voter: bool) -> bool;
    elections::may_campaign = MayCampaign(voter: bool) -> bool;
    elections::must_step_down = MustStepDown(heard_from_majority: bool) -> bool;
    elections::may_use_vote = MayUseVote(disk_is_known: bool) -> bool;

    replication::may_commit = MayCommit(term: Term, entry_term: Term, oldest: Term) -> bool;
    replication::commit_quorum = CommitQuorum(voters: usize) -> usize;
    replication::follower_commit = FollowerCommit(leader_commit: Index, last_new: Index, last: Index) -> Index;
    replication::place_for = PlaceFor(prev: Position, mine: Option<Term>, last: Index) -> Option<Index>;
    replication::splice = Splicing(conflict: Option<Index>, first: Index, last: Index) -> Splice;
    replication::acked_index = AckedIndex(last_new: Index, last: Index) -> Index;
    replication::accepts_leader = AcceptsLeader(message_term: Term, term: Term) -> bool;
    replication::counts_append_reply = CountsAppendReply(reply_term: Term, term: Term) -> bool;
    replication::match_after = MatchAfter(matched: Index, acked: Index) -> Index;
    replication::acked_by_reply = AckedByReply(acked: Index, oldest_in_flight: Option<Index>) -> Index;
    replication::may_answer = MayAnswer(stage: Stage) -> bool;
    replication::apply_limit = ApplyLimit(commit: Index, last: Index) -> Index;
    replication::answer_on_step_down = AnswerOnStepDown() -> Loss;
    replication::proposal_key = ProposalKey(index: Index, term: Term) -> (Index, Term);
    replication::cache_truncation = CacheTruncation(from: Index) -> Option<Index>;

    durability::durable_vote = DurableVote(vote: Option<NodeId>) -> Option<NodeId>;
    durability::recovered_hard_state = RecoveredHardState(stored: HardState, last_entry_term: Term) -> HardState;
    durability::vote_gate = VoteGate() -> Gate;
    durability::append_ack_gate = AppendAckGate() -> Gate;
    durability::leader_holds = LeaderHolds(durable: Index, last: Index) -> Index;
    durability::removal = Removing() -> Removal;
    durability::release_after = ReleaseAfter(written: Lsn) -> Lsn;
    durability::may_start_from_damaged_log = MayStartFromDamagedLog() -> bool;

    snapshots::keeps_sessions = KeepsSessions(any: bool) -> bool;
    snapshots::snapshot_label = SnapshotLabel(applied: Index, commit: Index) -> Index;
    snapshots::snapshot_label_term = SnapshotLabelTerm(entry_term: Term) -> Term;
    snapshots::installs_snapshot = InstallsSnapshot(last: Index, commit: Index) -> bool;
    snapshots::keeps_suffix = KeepsSuffix(has_last_included: bool) -> bool;
    snapshots::needs_snapshot = NeedsSnapshot(next: Index, base: Index) -> bool;
    snapshots::term_after_install = TermAfterInstall(term: Term, last_included_term: Term) -> Term;
    snapshots::snapshot_holds_config = SnapshotHoldsConfig(differs_from_initial: bool) -> bool;

    reads::may_read_locally = MayReadLocally(leader: bool) -> bool;
    reads::may_take_read_index = MayTakeReadIndex(own_term_committed: bool) -> bool;
    reads::confirmed_round = ConfirmedRound(answered: u64, latest: u64) -> u64;
    reads::may_answer_read = MayAnswerRead(applied: Index, read_index: Index) -> bool;
    reads::lease_length = LeaseLength(election_timeout: Duration, drift_ppm: u32) -> Duration;
    reads::lease_start = LeaseStart(sent: Duration, answered: Duration) -> Duration;
    reads::lease_elapsed = LeaseElapsed(by_clock: Duration, by_ticks: Duration) -> Duration;
    reads::lease_holds = LeaseHolds(handed_over: bool) -> bool;

    state::was_applied = WasApplied(last: Option<u64>, sequence: u64) -> bool;
    state::expires_sessions = ExpiresSessions(idle: Duration) -> bool;
    state::list_place = ListPlace(length: usize, chance: u32) -> usize;

    membership::joint_agrees = JointAgrees(outgoing: bool, incoming: bool) -> bool;
    membership::may_switch_directly = MaySwitchDirectly(one_node: bool, single_allowed: bool) -> bool;
    membership::may_change_members = MayChangeMembers(own_term_committed: bool) -> bool;
    membership::config_survives = ConfigSurvives(index: Index, from: Index) -> bool;
    membership::absent_leader_counts = AbsentLeaderCounts() -> bool;
    membership::may_promote = MayPromote(lag: u64, allowed: u64) -> bool;
}
