//! What is newer than what.

use super::super::types::Clock;
use crate::api::Tag;

/// How two versions stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The first is included in the second.
    Before,
    /// The second is included in the first.
    After,
    /// They are the same.
    Same,
    /// Neither knows of the other.
    Concurrent,
}

/// Which of so many answers does a read return? The newest of them, wherever it stands (ABD).
pub fn selects(newest: usize, answers: usize) -> usize {
    let _ = answers;
    newest
}

/// Does a version take the place of the one held? Only a newer one; the tag's node and life decide between equal counters
/// (ABD with several writers: tags are totally ordered).
pub fn applies(new: Tag, held: Tag) -> bool {
    new > held
}

/// Does a writer ask a read quorum for the newest version first? Yes: its own must be newer than every write that completed
/// before (ABD with several writers).
pub fn asks_before_writing() -> bool {
    true
}

/// The counter of a new version, if `greatest` is the greatest that a read quorum knows: one more.
pub fn counter(greatest: u64, wall_us: u64) -> u64 {
    let _ = wall_us;
    greatest + 1
}

/// Which life does an actor of version vectors bear? The node's present one: it counts from the beginning, since it may have
/// forgotten what it counted before.
pub fn actor_life(life: u32) -> u32 {
    life
}

/// How do two versions stand to each other? One includes the other if it includes every actor's writes as far (Parker et
/// al., Detection of mutual inconsistency in distributed systems, 1983).
pub fn order(one: &Clock, other: &Clock) -> Order {
    let within = |a: &Clock, b: &Clock| a.iter().all(|(actor, count)| b.get(actor) >= Some(count));
    match (within(one, other), within(other, one)) {
        (true, true) => Order::Same,
        (true, false) => Order::Before,
        (false, true) => Order::After,
        (false, false) => Order::Concurrent,
    }
}

/// Does a version stay beside one that does not know of it? Yes: both were acknowledged, and neither was meant to take the
/// other's place (Dynamo §4.4).
pub fn keeps_sibling(newer: bool) -> bool {
    let _ = newer;
    true
}
