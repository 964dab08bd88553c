//! Places in the protocol's code that a campaign should reach.

use crate::marks::marks;

marks! {
    LowBallotRefused = "low-ballot-refused": "an acceptor refuses a ballot below the one that it promised",
    AcceptRefused = "accept-refused": "an acceptor refuses to accept below the ballot that it promised",
    Preempted = "preempted": "a leader hears of a higher ballot and stops",
    SuffixRecovered = "suffix-recovered": "a new leader proposes again what promises reported",
    GapFilled = "gap-filled": "a new leader fills a gap with a no-op",
    LatePromise = "late-promise": "a promise comes for a ballot that is over",
    LateAccepted = "late-accepted": "a vote comes for a ballot that is over",
    WindowFull = "window-full": "a command waits since as many slots are open as may be",
    NoticeTrusted = "notice-trusted": "a node learns from a notice, since it accepted in that ballot",
    NoticeDistrusted = "notice-distrusted": "a node accepted in another ballot than the notice's, and asks what is chosen",
    ExecutionWaits = "execution-waits": "a chosen slot waits for one before it",
    DuplicateAnswered = "duplicate-answered": "a command that was executed before is answered and not executed again",
    LogTrimmed = "log-trimmed": "votes in front of a snapshot are forgotten",
    TrimReported = "trim-reported": "an acceptor tells a would-be leader that it has forgotten what is asked for",
    CaughtUpBehindTrim = "caught-up-behind-trim": "a new leader waits for what others have trimmed",
    SnapshotInstalled = "snapshot-installed": "another node's snapshot replaces the state",
    ReadByRound = "read-by-round": "a read is answered after a round of heartbeats",
    ReadByLease = "read-by-lease": "a leader answers a read by its lease",
    ReadByReplica = "read-by-replica": "a replica answers a read by its lease",
    ReadWaitsForRecovery = "read-waits-for-recovery": "a read waits for a new leader to have recovered",
    ChoiceWaitsForReaders = "choice-waits-for-readers": "a slot is not chosen yet, since a replica with a lease has not accepted it",
    LeaseRefuses = "lease-refuses": "an acceptor does not answer a would-be leader, since the leader has a lease",
    ConfigEffective = "config-effective": "a change of the members is in force",
    LeaderRemoved = "leader-removed": "a leader that is no member any more stops",
    AmnesiacSilent = "amnesiac-silent": "an acceptor whose disk is not known stays silent",
    HandedOver = "handed-over": "a leader hands over",
}
