//! The decisions that placement rests on, each a pure function that cites its source.
//!
//! "Dynamo" is DeCandia et al., Dynamo: Amazon's highly available key-value store, SOSP 2007.

use crate::digest::digest;

/// How many tokens does a node own? As many as are configured: with one each, the load is uneven (Dynamo §4.2).
pub fn virtual_nodes(configured: u16) -> u16 {
    configured
}

/// Where is the token of this index? A hash of the node's id and the index, two numbers apart: the same in every process
/// (`process` is what a hasher of its own would be keyed with) and wherever the node stands among the others (`place`).
pub fn token(node: u16, place: u16, index: u16, process: u64) -> u64 {
    let _ = (place, process);
    digest(&(0x6e6f_6465_u32, node, index))
}

/// Are two tokens at the same place both kept? Yes: each goes only when its own node goes.
pub fn keeps_both(same_token: bool) -> bool {
    let _ = same_token;
    true
}

/// Which of two tokens at the same place comes first? That of the smaller node, whichever came first.
pub fn tie(one: (u16, u64), other: (u16, u64)) -> bool {
    one.0 < other.0
}

/// Does a token own this hash, or does one before it? A token owns what lies at it and before it (Dynamo §4.2: "the first
/// node with a position larger than the item's position"; equal ones belong to the token, everywhere).
pub fn owns(token: u64, hash: u64) -> bool {
    token >= hash
}

/// Where does the walk for a key begin? At the first token that owns it, or at the first of all if none does.
pub fn start(hash: u64, successor: usize, tokens: usize) -> usize {
    let _ = hash;
    successor % tokens
}

/// Which token follows? The next one clockwise, past the end to the beginning.
pub fn next(at: usize, tokens: usize) -> usize {
    (at + 1) % tokens
}

/// Does the walk take this token's node as a replica? Only if it has not yet: "the preference list … is constructed by
/// skipping positions in the ring to ensure that the list contains only distinct physical nodes" (Dynamo §4.3).
pub fn takes(taken_before: bool, past_the_end: bool) -> bool {
    let _ = past_the_end;
    !taken_before
}
