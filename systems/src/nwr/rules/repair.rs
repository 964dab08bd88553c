//! How replicas that lag are brought up to date.

use crate::api::Tag;

/// Does a read store what it found at a write quorum? Where registers are to be atomic: else the next read may miss it (ABD).
pub fn writes_back(atomic: bool) -> bool {
    atomic
}

/// Does the read wait until that is stored? Yes: only then is it sure that the next one sees it (ABD).
pub fn awaits_write_back() -> bool {
    true
}

/// Under which version is a replica brought up to date? That which was read: a fresh one would put an old value above writes
/// that came in between.
pub fn repair_tag(read: Tag, fresh: Tag) -> Tag {
    let _ = fresh;
    read
}

/// Must what is kept for another node outlive a restart? Yes (Dynamo §4.6: hinted replicas are kept in a local database).
pub fn hint_is_durable() -> bool {
    true
}

/// Does a replica take another one's version when they compare? Only if it is newer than its own.
pub fn takes_from_peer(theirs: Tag, mine: Option<Tag>) -> bool {
    mine.is_none_or(|mine| theirs > mine)
}
