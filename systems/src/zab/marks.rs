//! What a campaign against ZAB should reach.

use crate::marks::marks;

marks! {
    LaterRound = "later-round": "a node took on a later round of election and forgot the votes of its own",
    OldRoundAnswered = "old-round-answered": "a vote of an earlier round did not count, and its voter was told the later one",
    BetterVoteInTime = "better-vote-in-time": "a better vote came while a node waited for one before it finished",
    Joined = "joined": "a node joined a leader that a quorum follows already",
    ClaimNotConfirmed = "claim-not-confirmed": "a leader was not joined since it had not said itself that it leads",
    OldEpochRefused = "old-epoch-refused": "a learner left a leader whose epoch was older than one it had agreed to",
    SecondAckNotCounted = "second-ack-not-counted": "an agreement to an epoch did not count since it was the server's second one",
    Outdated = "outdated-leader": "a leader gave up since a follower had more",
    SyncedByDiff = "synced-by-diff": "a learner got what it lacked",
    SyncedByTrunc = "synced-by-trunc": "a learner dropped transactions that the leader does not have",
    SyncedBySnap = "synced-by-snap": "a learner got the whole state",
    SnapAcrossEpochs = "snap-across-epochs": "a learner got the whole state since its last transaction was of another epoch",
    SyncedWithOutstanding = "synced-with-outstanding": "a learner was synchronised while proposals were outstanding",
    HeardWhileSyncing = "heard-while-syncing": "a learner got a proposal between NEWLEADER and UPTODATE",
    HalfStateDropped = "half-state-dropped": "a part of a leader's state was dropped since the rest did not come",
    EpochBeforeServing = "epoch-before-serving": "a learner lost its leader after it had adopted the epoch and before it served",
    NoQuorum = "no-quorum": "a leader gave up since it had not heard from a quorum",
    CounterExhausted = "counter-exhausted": "the counter reached its limit, and the leader gave up for a new epoch",
    UncommittedHistory = "uncommitted-history": "a leader began with transactions that it did not know to be committed",
    Forwarded = "forwarded": "a follower passed a request on",
    Informed = "informed": "an observer was informed of a transaction",
    SyncConfirmed = "sync-confirmed": "a sync was confirmed by a quorum",
    ReadWaited = "read-waited": "a read waited until its transaction was applied",
    ReadLocally = "read-locally": "a read was answered from the server's own state",
    BehindClient = "behind-client": "a read was refused since the client had seen more than the server has",
    DuplicateAnswered = "duplicate-answered": "a retried request was answered from its session, and not carried out again",
    FuzzySnapshot = "fuzzy-snapshot": "a snapshot was written while the state went on changing",
    ReplayedFuzzy = "replayed-fuzzy": "a log was replayed over a snapshot that held some of it already",
}
