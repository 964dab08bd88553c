//! When a read may be answered.

use std::time::Duration;

use super::super::types::Index;

/// May a node answer from its state without asking anybody? No: it may lag, or have been deposed (paper §8).
pub fn may_read_locally(leader: bool) -> bool {
    let _ = leader;
    false
}

/// May a leader take its commit index as a read index? Once an entry of its own term is committed; before, it does
/// not know which entries are (paper §8, thesis §6.4).
pub fn may_take_read_index(own_term_committed: bool) -> bool {
    own_term_committed
}

/// Which round does an answer to a heartbeat confirm? The one that it answers, not one begun later: the leader
/// must hear from a majority *after* the read came (thesis §6.4).
pub fn confirmed_round(answered: u64, latest: u64) -> u64 {
    let _ = latest;
    answered
}

/// May a read with this read index be answered? Once the state includes it (thesis §6.4).
pub fn may_answer_read(applied: Index, read_index: Index) -> bool {
    applied >= read_index
}

/// How long after it began does a confirmed round keep other leaders away? For the shortest election timeout, less
/// what two clocks may differ in rate (thesis §6.4.1): a voter whose clock is fast by `drift_ppm` waits too short a
/// time, and a leader whose clock is slow by as much measures too short a one.
pub fn lease_length(election_timeout: Duration, drift_ppm: u32) -> Duration {
    const MILLION: u128 = 1_000_000;
    let drift = u128::from(drift_ppm).min(MILLION);
    let nanos = election_timeout.as_nanos() * (MILLION - drift) / (MILLION + drift);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// From when does a lease count? From when the round's heartbeats were *sent* (thesis §6.4.1).
pub fn lease_start(sent: Duration, answered: Duration) -> Duration {
    let _ = answered;
    sent
}

/// How much of a lease has passed? What the clock says, which runs while the process does not.
pub fn lease_elapsed(by_clock: Duration, by_ticks: Duration) -> Duration {
    let _ = by_ticks;
    by_clock
}

/// May a leader rely on its lease after it told another node to campaign? No: that election does not wait for the
/// lease to end (thesis §6.4.1).
pub fn lease_holds(handed_over: bool) -> bool {
    !handed_over
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_over_for_the_slowest_leader_before_the_fastest_voter_is_free() {
        let timeout = Duration::from_millis(300);
        for drift_ppm in [0, 1, 500, 40_000, 100_000, 500_000, 900_000] {
            let lease = lease_length(timeout, drift_ppm).as_secs_f64();
            let drift = f64::from(drift_ppm) / 1e6;
            let leader_waits = lease / (1.0 - drift);
            let voter_waits = timeout.as_secs_f64() / (1.0 + drift);
            assert!(leader_waits <= voter_waits + 1e-9, "{drift_ppm} ppm");
        }
        assert_eq!(lease_length(timeout, 1_000_000), Duration::ZERO);
    }
}
