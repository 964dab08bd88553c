//! Places in the protocol's code that a campaign should reach.

use crate::marks::marks;

marks! {
    LowBallotRefused = "low-ballot-refused": "an acceptor refuses a ballot below the one that it promised",
    AcceptRefused = "accept-refused": "an acceptor refuses to accept below the ballot that it promised",
    ValueAdopted = "value-adopted": "a proposer proposes what an acceptor reported, not what its client wants",
    ReportsDiffer = "reports-differ": "promises report different ballots, and the highest counts",
    VoteChanged = "vote-changed": "an acceptor accepts in a higher ballot than it had accepted in",
    LatePromise = "late-promise": "a promise comes for a ballot that is over",
    BallotGivenUp = "ballot-given-up": "a proposer gives a ballot up and backs off",
    ReadUnwritten = "read-unwritten": "a quorum of promises without a vote answers a read: unwritten",
    ReadFinishes = "read-finishes": "a read proposes what it found, so that it is chosen",
    LearnedFromVotes = "learned-from-votes": "a learner sees a quorum's votes in one ballot",
    LearnedFromOther = "learned-from-other": "a node is told what is chosen",
    ChosenAnswersPrepare = "chosen-answers-prepare": "a node that knows what is chosen says so to a proposer",
    RepeatedPromise = "repeated-promise": "an acceptor answers the same Prepare again",
    AmnesiacSilent = "amnesiac-silent": "an acceptor whose disk is not known stays silent",
}
