//! Exit codes of every command that comes to a verdict.

/// Every property valid, coverage sufficient.
pub const VALID: u8 = 0;
/// A proven violation: of the history, or a node that died by itself, or a cluster that did not recover. Wins
/// over everything else.
pub const VIOLATION: u8 = 1;
/// Not decided, or too little coverage to say anything.
pub const UNKNOWN: u8 = 2;
/// Wrong usage.
pub const USAGE: u8 = 254;
/// The harness or the cluster's set-up failed.
pub const HARNESS: u8 = 255;
/// Interrupted, and nothing proven.
pub const INTERRUPTED: u8 = 130;
