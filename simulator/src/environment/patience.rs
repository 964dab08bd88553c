//! Until when clients wait for answers.

use std::collections::VecDeque;

/// The attempts that were begun, by when their clients have waited long enough. One alarm of the world stands for all
/// of them: most attempts are answered, and cost it nothing.
#[derive(Debug, Default)]
pub(super) struct Patience {
    /// When, and which attempt; in this order.
    waits: VecDeque<(u64, u64)>,
    alarm: Option<u64>,
}

impl Patience {
    /// A client waits until `at`. Says for when an alarm is to be planned, if it is.
    pub(super) fn wait(&mut self, at: u64, attempt: u64) -> Option<u64> {
        let place = self.waits.partition_point(|(earlier, _)| *earlier <= at);
        self.waits.insert(place, (at, attempt));
        self.alarm_for(at)
    }

    fn alarm_for(&mut self, at: u64) -> Option<u64> {
        if self.alarm.is_some_and(|planned| planned <= at) {
            return None;
        }
        self.alarm = Some(at);
        self.alarm
    }

    /// An alarm came: the next attempt that is still open and has been waited for long enough; or, if there is none,
    /// for when the next alarm is to be planned.
    pub(super) fn came(&mut self, now: u64, is_open: impl Fn(u64) -> bool) -> Result<u64, Option<u64>> {
        if self.alarm.is_some_and(|planned| planned <= now) {
            self.alarm = None;
        }
        while let Some((at, attempt)) = self.waits.front().copied() {
            if is_open(attempt) {
                if at > now {
                    return Err(self.alarm_for(at));
                }
                self.waits.pop_front();
                return Ok(attempt);
            }
            self.waits.pop_front();
        }
        Err(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_still_open_runs_out_and_one_alarm_stands_for_all() {
        let mut patience = Patience::default();
        assert_eq!(patience.wait(100, 1), Some(100));
        assert_eq!(patience.wait(130, 2), None);
        assert_eq!(patience.wait(120, 3), None);
        assert_eq!(patience.wait(160, 4), None);
        let open = |attempt| attempt != 1 && attempt != 4;
        assert_eq!(patience.came(100, open), Err(Some(120)));
        assert_eq!(patience.came(130, open), Ok(3));
        assert_eq!(patience.came(130, open), Ok(2));
        assert_eq!(patience.came(130, open), Err(None));
        assert_eq!(patience.wait(150, 5), Some(150));
        assert_eq!(patience.wait(140, 6), Some(140), "it would be too late");
    }
}
