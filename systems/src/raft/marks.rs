//! What a campaign against Raft should reach.

use crate::marks::marks;

marks! {
    SplitVote = "split-vote": "a candidate's election ended without a leader, and it campaigned again",
    StaleLogRefused = "stale-log-refused": "a vote was refused because the candidate's log was behind",
    SecondVoteRefused = "second-vote-refused": "a vote was refused because another candidate had it",
    LiveLeaderProtected = "live-leader-protected": "a vote was refused because a leader was heard lately",
    LateVoteIgnored = "late-vote-ignored": "a grant of an earlier term came too late to count",
    QuorumLost = "quorum-lost": "a leader stepped down because no majority answered",
    OldLeaderRefused = "old-leader-refused": "an append of an earlier term was refused",
    PrevMissing = "prev-missing": "an append was refused because the log ended before it",
    PrevDiffers = "prev-differs": "an append was refused because the entry before it was another leader's",
    SuffixRemoved = "conflicting-suffix-removed": "entries that a new leader does not have were removed",
    AppendRepeated = "append-repeated": "an append held nothing new",
    LateAnswerIgnored = "late-answer-ignored": "an answer to an append of an earlier leadership was ignored",
    OldTermWaits = "old-term-waits": "a majority held an entry of an earlier term, and it was not committed by counting",
    SnapshotInstalled = "snapshot-installed": "a leader's snapshot replaced the state",
    SuffixKept = "suffix-kept": "entries after an installed snapshot were kept",
    OldSnapshotRefused = "old-snapshot-refused": "a snapshot of what was committed already was not installed",
    ReadByLease = "read-by-lease": "a read was answered from a lease",
    ReadByRound = "read-by-round": "a read was confirmed by a round of heartbeats",
    ReadWaitsForTerm = "read-waits-for-term": "a read waited for an entry of the leader's term to be committed",
    ReadWaitsForApply = "read-waits-for-apply": "a read waited until its index was applied",
    DuplicateAnswered = "duplicate-answered": "a retried request was answered from its session, and not applied again",
    JointEntered = "joint-entered": "a joint configuration was appended",
    JointLeft = "joint-left": "a joint configuration was left",
    SingleChange = "single-change": "one voter changed without a joint configuration",
    ChangeTooEarly = "change-too-early": "a change of members waited for a committed entry of the term",
    ChangeRolledBack = "change-rolled-back": "a configuration went with the entries that a new leader does not have",
    LeaderRemoved = "leader-removed": "a leader that was removed stepped down",
    HandoverCampaign = "handover-campaign": "a node campaigned because the leader told it to",
}
