//! A clock that can be bent. The machine's own is never touched: a node reads this one instead.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How a clock is wrong; the default is not at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bends {
    /// The wall clock is ahead by this much (behind, if negative).
    pub offset_ms: i64,
    /// Both clocks run this much too fast, in parts per million.
    pub rate_ppm: i64,
    /// The wall clock flips between right and wrong.
    pub strobe: Option<Strobe>,
}

/// A wall clock that flips.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Strobe {
    /// How far ahead it is every other half period.
    pub offset_ms: i64,
    /// Half the period.
    pub every_ms: u64,
}

/// The slowest that a clock may run: a hundredth of real time. Time that stands still is a pause, not a drift.
const SLOWEST_PPM: i64 = -990_000;

/// A node's clock, as a function of the machine's.
#[derive(Clone, Debug)]
pub struct NodeClock {
    bends: Bends,
    /// Real monotonic time when it was last bent.
    anchor: Duration,
    /// What the monotonic clock showed then.
    shown: Duration,
}

impl NodeClock {
    /// A clock that shows `start` at the real monotonic time `real`.
    pub fn new(real: Duration, start: Duration, bends: Bends) -> Self {
        NodeClock {
            bends,
            anchor: real,
            shown: start,
        }
    }

    /// Bends it anew. The monotonic clock never jumps; the wall clock may, that is the point.
    pub fn bend(&mut self, real: Duration, bends: Bends) {
        self.shown = self.monotonic(real);
        self.anchor = real;
        self.bends = bends;
    }

    /// The monotonic clock at the real monotonic time `real`.
    pub fn monotonic(&self, real: Duration) -> Duration {
        let elapsed = real.saturating_sub(self.anchor);
        if self.bends.rate_ppm == 0 {
            return self.shown + elapsed;
        }
        self.shown + elapsed.mul_f64(self.rate())
    }

    /// The wall clock, given the machine's. Drift counts from the moment when the clock was bent.
    pub fn wall(&self, real: Duration, machine: Duration) -> Duration {
        let drift = nanos(self.monotonic(real)) - nanos(self.shown) - nanos(real.saturating_sub(self.anchor));
        let strobe = match self.bends.strobe {
            Some(strobe) => {
                let half = u128::from(strobe.every_ms.max(1)) * 1_000_000;
                let wrong = (real.saturating_sub(self.anchor).as_nanos() / half).is_multiple_of(2);
                if wrong { strobe.offset_ms } else { 0 }
            }
            None => 0,
        };
        let offset = i128::from(self.bends.offset_ms) + i128::from(strobe);
        let shown = nanos(machine) + drift + offset * 1_000_000;
        Duration::from_nanos(shown.clamp(0, i128::from(u64::MAX)) as u64)
    }

    /// How long in real time until the monotonic clock shows `due`.
    pub fn until(&self, real: Duration, due: Duration) -> Duration {
        let left = due.saturating_sub(self.monotonic(real));
        if self.bends.rate_ppm == 0 {
            left
        } else {
            left.div_f64(self.rate())
        }
    }

    fn rate(&self) -> f64 {
        1.0 + self.bends.rate_ppm.max(SLOWEST_PPM) as f64 / 1e6
    }
}

fn nanos(duration: Duration) -> i128 {
    duration.as_nanos() as i128
}

/// Hours, minutes and seconds of the day, UTC.
pub(crate) fn time_of_day(since_epoch: Duration) -> String {
    let seconds = since_epoch.as_secs() % 86_400;
    format!(
        "{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn the_monotonic_clock_never_goes_back_however_it_is_bent() {
        let mut clock = NodeClock::new(S(0), S(100), Bends::default());
        let mut last = Duration::ZERO;
        for (second, rate_ppm) in [1_000_000, -500_000, 0, -2_000_000, 40].into_iter().enumerate() {
            clock.bend(
                S(second as u64),
                Bends {
                    rate_ppm,
                    offset_ms: -60_000,
                    ..Bends::default()
                },
            );
            for tenth in 0..10 {
                let shown = clock.monotonic(S(second as u64) + Duration::from_millis(tenth * 100));
                assert!(shown >= last, "{shown:?} after {last:?}");
                last = shown;
            }
        }
    }

    #[test]
    fn a_timer_on_a_fast_clock_goes_off_early_in_real_time() {
        let fast = NodeClock::new(
            S(0),
            S(0),
            Bends {
                rate_ppm: 1_000_000,
                ..Bends::default()
            },
        );
        assert_eq!(fast.until(S(0), S(10)), S(5));
        assert_eq!(fast.monotonic(S(5)), S(10));
    }

    #[test]
    fn healing_sets_the_wall_clock_right() {
        let mut clock = NodeClock::new(
            S(0),
            S(0),
            Bends {
                rate_ppm: 500_000,
                offset_ms: 7_000,
                strobe: None,
            },
        );
        assert_eq!(clock.wall(S(10), S(1_000)), S(1_012));
        clock.bend(S(10), Bends::default());
        assert_eq!(clock.wall(S(11), S(1_001)), S(1_001));
    }

    #[test]
    fn a_strobe_flips_with_its_half_period() {
        let strobe = Strobe {
            offset_ms: 5_000,
            every_ms: 1_000,
        };
        let clock = NodeClock::new(
            S(0),
            S(0),
            Bends {
                strobe: Some(strobe),
                ..Bends::default()
            },
        );
        let shown: Vec<u64> = (0..4).map(|s| clock.wall(S(s), S(100)).as_secs()).collect();
        assert_eq!(shown, [105, 100, 105, 100]);
    }
}
