//! What is remembered of removals, and what for.

use std::time::Duration;

/// Is a removed key still remembered? Until all replicas know that it is removed, and then for as long as is set: from then on
/// no replica takes anything older from anybody.
pub fn keeps_tombstone(known_to_all: bool, age: Duration, grace: Duration) -> bool {
    !(known_to_all && age >= grace)
}

/// Above which counter must a new version be, if a read quorum holds `held` at most and has forgotten removals up to `forgotten`?
/// Above both: where a removal is still remembered, what is below it is as good as not written.
pub fn floor(held: u64, forgotten: u64) -> u64 {
    held.max(forgotten)
}

/// May a node that holds nothing take a version that it is told of, if it has forgotten removals up to `forgotten`? Only one above
/// them: it cannot know whether an older one was removed.
pub fn may_take(told: u64, forgotten: u64) -> bool {
    told > forgotten
}

/// Must a reader ask all again? If one of the replicas may have forgotten a removal of what another one answered before: no
/// answer of theirs tells of it.
pub fn asks_anew(may_be_outdated: bool) -> bool {
    may_be_outdated
}
