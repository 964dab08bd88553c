//! The decisions that ZAB's proof and its promises rest on, each a pure function that cites its source.
//!
//! The protocol asks [`Rules`], which answers with the rule, unless a mutant has put a mistake in its place
//! ([`super::mutants`]).
//!
//! "Paper" is Junqueira, Reed and Serafini, Zab: High-performance broadcast for primary-backup systems (DSN 2011);
//! "Medeiros" is ZooKeeper's atomic broadcast protocol: Theory and practice (2012), which describes the elections and
//! the epochs as ZooKeeper has them.

use super::types::{Epoch, Vote, Zxid};
use crate::rules::Gate;
use crate::rules::rules;

pub mod broadcast;
pub mod clients;
pub mod discovery;
pub mod election;
pub mod synchronisation;

use super::types::How;
use clients::Stage;
use discovery::Progress;
use synchronisation::{Behind, Moment, Place};

rules! {
    election::beats = Beats(offered: Vote, had: Vote) -> bool;
    election::counts_round = CountsRound(theirs: u64, mine: u64) -> bool;
    election::keeps_votes = KeepsVotes(earlier: usize) -> usize;
    election::vote_in_round = VoteInRound(offered: Vote, own: Vote) -> Vote;
    election::may_join = MayJoin(quorum: bool, confirmed: bool) -> bool;
    election::answers_looking = AnswersLooking() -> bool;

    discovery::has_a_say = HasASay(voter: bool) -> bool;
    discovery::quorum = Quorum(voters: usize) -> usize;
    discovery::is_new = IsNew(epoch: Epoch, accepted: Epoch) -> bool;
    discovery::ack_counts = AckCounts(fresh: bool) -> bool;
    discovery::writes_accepted = WritesAccepted() -> bool;
    discovery::must_abort = MustAbort(theirs: (Epoch, Zxid), mine: (Epoch, Zxid)) -> bool;
    discovery::may_serve = MayServe(progress: Progress) -> bool;

    synchronisation::how = HowTo(behind: Behind) -> How;
    synchronisation::kept = Kept(last: Zxid, before: Zxid) -> Zxid;
    synchronisation::adopts_at = AdoptsAt(moment: Moment) -> bool;
    synchronisation::new_leader_gate = NewLeaderGate() -> Gate;
    synchronisation::new_leader_place = NewLeaderPlace() -> Place;
    synchronisation::loaded = Loaded(applied: Zxid, last: Zxid) -> Zxid;
    synchronisation::half_a_state_stays = HalfAStateStays(half: bool) -> bool;
    synchronisation::is_listed = IsListed(during_sync: bool) -> bool;
    synchronisation::committed_after_sync = CommittedAfterSync(told: Zxid, last: Zxid) -> Zxid;
    synchronisation::hears_proposals = HearsProposals(up_to_date: bool) -> bool;

    broadcast::ack_gate = AckGate() -> Gate;
    broadcast::commit_quorum = CommitQuorum(voters: usize) -> usize;
    broadcast::participates = Participates(voter: bool) -> bool;
    broadcast::accepts = Accepts(message: u64, session: u64) -> bool;
    broadcast::next = Next(last: Zxid, epoch: Epoch, limit: u32) -> Option<Zxid>;
    broadcast::must_give_up = MustGiveUp(heard_from_quorum: bool) -> bool;
    broadcast::logs_operation = LogsOperation() -> bool;

    clients::sync_waits = SyncWaits() -> bool;
    clients::is_recent_enough = IsRecentEnough(applied: Zxid, seen: Zxid) -> bool;
    clients::waits_for_own_write = WaitsForOwnWrite(open: bool) -> bool;
    clients::may_answer = MayAnswer(stage: Stage) -> bool;
    clients::remembers_sessions = RemembersSessions(forwarded: bool) -> bool;
}
