//! The decisions that the proof of the log rests on, each a pure function that cites its source.
//!
//! The protocol asks [`Rules`], which answers with the rule, unless a mutant has put a mistake in its place
//! ([`super::mutants`]).

use std::time::Duration;

use super::types::Slot;
use crate::paxos::Ballot;
use crate::rules::rules;

pub mod acceptor;
pub mod leader;
pub mod learner;
pub mod reads;

use leader::Preempted;

rules! {
    leader::prepare_from = PrepareFrom(lowest_unchosen: Slot, highest_accepted: Slot) -> Slot;
    leader::counts_promise = CountsPromise(promised: Ballot, mine: Ballot) -> bool;
    leader::fills_with_noop = FillsWithNoop(reported: bool, accepted_here: bool) -> bool;
    leader::after_preemption = AfterPreemption() -> Preempted;
    leader::counts_accepted = CountsAccepted(accepted: Ballot, mine: Ballot) -> bool;
    leader::may_choose = MayChoose(readers: usize) -> bool;
    leader::effective_at = EffectiveAt(slot: Slot, alpha: Slot) -> Slot;

    acceptor::may_promise = MayPromise(ballot: Ballot, promised: Ballot) -> bool;
    acceptor::may_accept = MayAccept(ballot: Ballot, promised: Ballot) -> bool;
    acceptor::promise_for_new_slot = PromiseForNewSlot(promised: Ballot) -> Ballot;
    acceptor::reported_trim = ReportedTrim(trimmed: Slot) -> Slot;
    acceptor::lease_refuses = LeaseRefuses(leased: bool) -> bool;
    acceptor::may_use_vote = MayUseVote(disk_is_known: bool) -> bool;

    learner::own_vote_is_chosen = OwnVoteIsChosen(voted: Ballot, notice: Ballot) -> bool;
    learner::may_execute = MayExecute(slot: Slot, executed: Slot) -> bool;
    learner::was_applied = WasApplied(last: Option<u64>, sequence: u64) -> bool;

    reads::may_read_anywhere = MayReadAnywhere() -> bool;
    reads::may_read = MayRead(recovered: bool) -> bool;
    reads::lease_length = LeaseLength(timeout: Duration, drift_ppm: u32) -> Duration;
}
