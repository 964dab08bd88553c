//! What becomes of one packet under the faults of its link.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use perjury_nemesis::Packets;
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use super::Mistreatment;
use super::state::Active;

/// A packet that others overtake is held back for this long when the fault itself has no delay.
const OVERTAKEN_AFTER: Duration = Duration::from_millis(5);

/// The shape of the delays' distribution (Pareto): at 2.5 one in a hundred is four times the mean or more.
const TAIL: f64 = 2.5;

/// No delay is longer than so many means.
const LONGEST_DELAY_MEANS: f64 = 20.0;

/// What is to be done with a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fate {
    pub dropped: bool,
    /// How long it is held back. It keeps its place among the packets of the link.
    pub delay: Duration,
    /// How long it is held back besides, while others pass.
    pub overtaken: Duration,
    pub copies: u32,
}

fn bump(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

/// Draws a packet's fate and counts what is done to it. Every fault draws the same number of times for every
/// packet, so that the fate of one packet does not shift the fates of all that follow.
pub(super) fn fate(faults: &[Active], rng: &mut ChaCha8Rng) -> Fate {
    let mut fate = Fate {
        copies: 1,
        ..Fate::default()
    };
    for Active { how, counts, .. } in faults {
        match how {
            Mistreatment::Cut => {
                bump(&counts.dropped);
                fate.dropped = true;
            }
            Mistreatment::Packets(packets) => {
                let percent = |rng: &mut ChaCha8Rng, chance: u8| rng.random_range(0..100) < u32::from(chance);
                let lost = percent(rng, packets.loss_percent);
                let doubled = percent(rng, packets.duplicate_percent);
                let overtaken = percent(rng, packets.reorder_percent);
                let delay = delay(packets, rng.random());
                if lost {
                    bump(&counts.dropped);
                    fate.dropped = true;
                    continue;
                }
                if doubled {
                    bump(&counts.duplicated);
                    fate.copies += 1;
                }
                if overtaken {
                    bump(&counts.reordered);
                    fate.overtaken += OVERTAKEN_AFTER + delay;
                }
                if !delay.is_zero() {
                    bump(&counts.delayed);
                    fate.delay += delay;
                }
            }
        }
    }
    fate
}

/// A heavy-tailed delay around the mean, for a uniform number in [0, 1).
fn delay(packets: &Packets, uniform: f64) -> Duration {
    if packets.delay_ms == 0 {
        return Duration::ZERO;
    }
    let mean = packets.delay_ms as f64 / 1e3;
    let least = mean * (TAIL - 1.0) / TAIL;
    let drawn = least / (1.0 - uniform).powf(1.0 / TAIL);
    Duration::from_secs_f64(drawn.min(mean * LONGEST_DELAY_MEANS))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rand::SeedableRng as _;

    use super::*;

    fn active(how: Mistreatment) -> Active {
        Active {
            id: 1,
            how,
            counts: Arc::default(),
        }
    }

    #[test]
    fn delays_have_the_mean_that_was_asked_for() {
        let packets = Packets {
            delay_ms: 40,
            ..Packets::default()
        };
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let drawn = 200_000;
        let sum: f64 = (0..drawn)
            .map(|_| delay(&packets, rng.random()).as_secs_f64())
            .sum();
        let mean_ms = sum / f64::from(drawn) * 1e3;
        assert!((mean_ms - 40.0).abs() < 2.0, "{mean_ms} ms");
    }

    #[test]
    fn a_lost_packet_does_not_shift_what_happens_to_those_after_it() {
        let fates = |loss_percent| {
            let packets = Packets {
                loss_percent,
                duplicate_percent: 50,
                reorder_percent: 50,
                delay_ms: 3,
            };
            let faults = [active(Mistreatment::Packets(packets))];
            let mut rng = ChaCha8Rng::seed_from_u64(7);
            (0..1000).map(|_| fate(&faults, &mut rng)).collect::<Vec<_>>()
        };
        for (without, with) in fates(0).into_iter().zip(fates(30)) {
            assert!(with.dropped || with == without);
        }
    }

    #[test]
    fn what_is_done_is_counted() {
        let packets = Packets {
            loss_percent: 100,
            duplicate_percent: 0,
            reorder_percent: 0,
            delay_ms: 0,
        };
        let faults = [active(Mistreatment::Cut), active(Mistreatment::Packets(packets))];
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        assert!((0..10).all(|_| fate(&faults, &mut rng).dropped));
        assert!(
            faults
                .iter()
                .all(|fault| fault.counts.dropped.load(Ordering::Relaxed) == 10)
        );
    }
}
