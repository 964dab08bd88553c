//! A node's clocks: virtual time, bent.

use std::time::Duration;

use perjury_nemesis::Bend;
use perjury_systems::driver::Clocks;

use super::chance::{MILLION, scaled};

/// What wall clocks show when a run starts, since the Unix epoch.
const WALL_AT_START: u64 = 1_700_000_000 * 1_000_000_000;

/// A monotonic and a wall clock that are off in their own ways. All times in nanoseconds.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    /// The rate's own error, and the one in force, in parts per million.
    usual_ppm: i64,
    rate_ppm: i64,
    /// Since when the rate has been what it is, and what both clocks showed then.
    since: u64,
    monotonic: u64,
    wall: u64,
    /// How far the wall clock is ahead besides.
    offset_ms: i64,
    strobe: Option<(i64, u64)>,
}

impl Clock {
    /// A clock whose rate is off by `usual_ppm`, and whose wall clock is ahead by `ahead_ms`.
    pub(crate) fn new(usual_ppm: i64, ahead_ms: i64) -> Self {
        Clock {
            usual_ppm,
            rate_ppm: usual_ppm,
            since: 0,
            monotonic: 0,
            wall: WALL_AT_START.saturating_add_signed(ahead_ms * 1_000_000),
            offset_ms: 0,
            strobe: None,
        }
    }

    /// The process starts anew: its monotonic clock has another zero.
    pub(crate) fn restart(&mut self, now: u64, incarnation: u32) {
        self.rebase(now);
        self.monotonic = 1_000_000_000_000 * (u64::from(incarnation) + 1);
    }

    /// Bends it.
    pub(crate) fn bend(&mut self, now: u64, bend: Bend) {
        match bend {
            Bend::Jump { offset_ms } => self.offset_ms = offset_ms,
            Bend::Drift { rate_ppm } => {
                self.rebase(now);
                // It never stands still.
                self.rate_ppm = rate_ppm.max(-999_000);
            }
            Bend::Strobe { offset_ms, every_ms } => self.strobe = Some((offset_ms, every_ms.max(1))),
        }
    }

    /// Sets it right: what a jump or a strobe added is gone, and the rate is its usual one.
    pub(crate) fn mend(&mut self, now: u64) {
        self.rebase(now);
        self.rate_ppm = self.usual_ppm;
        self.offset_ms = 0;
        self.strobe = None;
    }

    /// What both clocks show.
    pub(crate) fn read(&self, now: u64) -> Clocks {
        let run = self.run(now);
        let mut ahead_ms = self.offset_ms;
        if let Some((offset_ms, every_ms)) = self.strobe
            && (now / (every_ms * 1_000_000)) % 2 == 1
        {
            ahead_ms += offset_ms;
        }
        let wall = (self.wall + run).saturating_add_signed(ahead_ms.saturating_mul(1_000_000));
        (
            Duration::from_nanos(self.monotonic + run),
            Duration::from_nanos(wall),
        )
    }

    /// The first moment at which the monotonic clock shows `due` or more.
    pub(crate) fn when(&self, due: Duration) -> u64 {
        let due = due.as_nanos() as u64;
        let left = due.saturating_sub(self.monotonic);
        if self.rate_ppm == 0 {
            return self.since + left;
        }
        let rate = MILLION.saturating_add_signed(self.rate_ppm);
        let took = match left.checked_mul(MILLION) {
            Some(product) => product.div_ceil(rate),
            None => (u128::from(left) * u128::from(MILLION)).div_ceil(u128::from(rate)) as u64,
        };
        self.since + took
    }

    /// How far the clocks ran since the rate last changed.
    fn run(&self, now: u64) -> u64 {
        let real = now - self.since;
        if self.rate_ppm == 0 {
            return real;
        }
        scaled(real, MILLION.saturating_add_signed(self.rate_ppm), MILLION)
    }

    fn rebase(&mut self, now: u64) {
        let run = self.run(now);
        self.monotonic += run;
        self.wall += run;
        self.since = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_timer_runs_out_at_the_first_moment_at_which_the_clock_says_so() {
        for ppm in [-999_000, -300_000, -1, 0, 1, 77, 250_000, 3_000_000] {
            let mut clock = Clock::new(0, 0);
            clock.bend(3, Bend::Drift { rate_ppm: ppm });
            for due in [SECOND, 123_456_789, 10 * SECOND + 7] {
                let when = clock.when(Duration::from_nanos(due));
                assert!(clock.read(when).0.as_nanos() as u64 >= due, "{ppm} ppm");
                assert!((clock.read(when - 1).0.as_nanos() as u64) < due, "{ppm} ppm");
            }
        }
    }

    #[test]
    fn the_monotonic_clock_never_goes_back_whatever_is_bent() {
        let mut clock = Clock::new(40, -5);
        let mut last = Duration::ZERO;
        let bends = [
            Bend::Jump { offset_ms: -60_000 },
            Bend::Drift { rate_ppm: -500_000 },
            Bend::Strobe {
                offset_ms: -200,
                every_ms: 3,
            },
            Bend::Drift { rate_ppm: 900_000 },
        ];
        for (step, bend) in bends.into_iter().enumerate() {
            let now = (step as u64 + 1) * SECOND;
            clock.bend(now, bend);
            for later in [now, now + SECOND / 2] {
                assert!(clock.read(later).0 >= last);
                last = clock.read(later).0;
            }
            clock.mend(now + SECOND / 2);
        }
        let (_, before) = clock.read(9 * SECOND / 2);
        let (_, after) = clock.read(11 * SECOND / 2);
        assert_eq!(after - before, Duration::from_nanos(SECOND + 40_000));
    }
}
