//! The decisions that the proof of Paxos rests on, each a pure function that cites its source.
//!
//! The protocol asks [`Rules`], which answers with the rule, unless a mutant has put a mistake in its place
//! ([`super::mutants`]).

use std::time::Duration;

use crate::paxos::Ballot;
use crate::replica::NodeId;
use crate::rules::rules;

pub mod acceptor;
pub mod learner;
pub mod proposer;

rules! {
    proposer::value_to_adopt = ValueToAdopt(reports: &[Option<Ballot>]) -> Option<usize>;
    proposer::ballot = OfBallot(round: u64, node: NodeId) -> Ballot;
    proposer::round_after_restart = RoundAfterRestart(durable: u64) -> u64;
    proposer::counts_promise = CountsPromise(promised: Ballot, mine: Ballot) -> bool;
    proposer::refusal_promises = RefusalPromises() -> bool;
    proposer::majority = Majority(acceptors: usize) -> usize;
    proposer::phase_one_needs = PhaseOneNeeds(majority: usize, acceptors: usize) -> usize;
    proposer::read_proposes = ReadProposes(found: bool) -> bool;
    proposer::may_be_chosen = MayBeChosen(sent: bool) -> bool;

    acceptor::may_promise = MayPromise(ballot: Ballot, promised: Ballot) -> bool;
    acceptor::may_accept = MayAccept(ballot: Ballot, promised: Ballot) -> bool;
    acceptor::promised_by_accepting = PromisedByAccepting(promised: Ballot, ballot: Ballot) -> Ballot;
    acceptor::prepare_accepts = PrepareAccepts(wished: bool) -> bool;
    acceptor::reports_vote = ReportsVote(voted: bool) -> bool;
    acceptor::promise_is_written = PromiseIsWritten() -> bool;
    acceptor::vote_is_written = VoteIsWritten() -> bool;
    acceptor::state_expires = StateExpires(idle: Duration) -> bool;
    acceptor::may_use_vote = MayUseVote(disk_is_known: bool) -> bool;

    learner::learner_needs = LearnerNeeds(majority: usize, acceptors: usize) -> usize;
    learner::count_together = CountTogether(one: Ballot, other: Ballot) -> bool;
}
