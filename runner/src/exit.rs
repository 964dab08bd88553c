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

/// The code of several runs together: the one that outweighs the others. A violation outweighs everything, a failed
/// harness or an interruption outweighs what is undecided, and anything outweighs a clean pass.
pub fn worst(codes: impl IntoIterator<Item = u8>) -> u8 {
    const BY_WEIGHT: [u8; 6] = [VIOLATION, HARNESS, USAGE, INTERRUPTED, UNKNOWN, VALID];
    let weight = |code: &u8| BY_WEIGHT.iter().position(|one| one == code);
    codes.into_iter().min_by_key(weight).unwrap_or(VALID)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_hides_a_violation_and_a_pass_hides_nothing() {
        assert_eq!(
            worst([VALID, UNKNOWN, HARNESS, VIOLATION, INTERRUPTED]),
            VIOLATION
        );
        assert_eq!(worst([UNKNOWN, VALID]), UNKNOWN);
        assert_eq!(worst([UNKNOWN, HARNESS]), HARNESS);
        assert_eq!(worst([VALID, VALID]), VALID);
        assert_eq!(worst([]), VALID);
    }
}
