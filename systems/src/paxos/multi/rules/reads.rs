//! When a read may be answered.

use std::time::Duration;

/// May any replica answer from its state without asking? No: it may lag behind.
pub fn may_read_anywhere() -> bool {
    false
}

/// May a leader answer reads? Once everything that an earlier leader may have got chosen is chosen again in its ballot,
/// and executed (Paxos Made Live §5.2: the master must have "caught up").
pub fn may_read(recovered: bool) -> bool {
    recovered
}

/// How long does a lease last? The time for which those who gave it keep their word, less what two clocks may differ in
/// rate (Paxos Made Live §5.2: "the master has a shorter timeout for the lease than the replicas").
pub fn lease_length(timeout: Duration, drift_ppm: u32) -> Duration {
    const MILLION: u128 = 1_000_000;
    let drift = u128::from(drift_ppm).min(MILLION);
    let nanos = timeout.as_nanos() * (MILLION - drift) / (MILLION + drift);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}
