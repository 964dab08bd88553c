//! What a campaign against the store should reach.

use crate::marks::marks;

marks! {
    OlderIgnored = "older-ignored": "a replica held something newer than what it was told to store",
    AnswerRepeated = "answer-repeated": "a replica answered twice, and counted once",
    ReadRepaired = "read-repaired": "a reader brought a replica up to date",
    WrittenBack = "written-back": "a reader stored what it found before it returned it",
    PartialWrite = "partial-write": "a write was given up with an unknown outcome",
    Hinted = "hinted": "something was kept for a replica that was silent",
    StandIn = "stand-in": "a node outside the key's replicas kept something for one of them",
    HandedOver = "handed-over": "what was kept for a replica was handed over",
    TreesDiffer = "trees-differ": "two replicas found by their trees that they differ",
    OldEpochRefused = "old-epoch-refused": "a request of an earlier epoch was refused",
    NewEpochRefused = "new-epoch-refused": "a request of a later epoch was refused",
    NotReady = "not-ready": "a node without what it has to hold did not answer",
    Amnesiac = "amnesiac": "a node learned that it lost its disk",
    ChangeBegun = "change-begun": "a change of the ring began",
    ChangeEnded = "change-ended": "a change of the ring ended",
    ChangeWaits = "change-waits": "a change of the ring waited for another one",
    CaughtUp = "caught-up": "a member fetched what a new view demands",
    HandedOn = "handed-on": "a member let go of keys that others hold now",
    SiblingKept = "sibling-kept": "two versions stood side by side",
    SiblingsRead = "siblings-read": "a reader found several versions side by side",
    Forgotten = "forgotten": "a removed key was forgotten",
    AskedAnew = "asked-anew": "a reader asked again, since a removal may have been forgotten between two answers",
    Doubted = "doubted": "a replica was told to hold what may be older than a removal that it forgot",
}
