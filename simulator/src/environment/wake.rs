//! When the runner is called back.

/// The one call that the runner has asked for, and the one alarm of the world that stands for it.
///
/// A call that is put off costs nothing at first: the alarm that comes too early is planned anew. So the world never
/// holds more than one alarm that counts; those that an earlier call has overtaken are told by their time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wake {
    wanted: Option<u64>,
    planned: Option<u64>,
}

/// What an alarm comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// The call is due.
    Due,
    /// The call was put off: plan an alarm for then.
    Early(u64),
    /// The alarm was overtaken.
    Overtaken,
}

impl Wake {
    pub(super) const NONE: Wake = Wake {
        wanted: None,
        planned: None,
    };

    /// The call is wanted at `at`, and at no other time. Says for when an alarm is to be planned, if it is.
    pub(super) fn want(&mut self, at: u64) -> Option<u64> {
        self.wanted = Some(at);
        if self.planned.is_some_and(|planned| planned <= at) {
            return None;
        }
        self.planned = Some(at);
        self.planned
    }

    /// An alarm came.
    pub(super) fn came(&mut self, now: u64) -> Came {
        if self.planned != Some(now) {
            return Came::Overtaken;
        }
        self.planned = None;
        match self.wanted {
            Some(at) if at > now => {
                self.planned = Some(at);
                Came::Early(at)
            }
            Some(_) => {
                self.wanted = None;
                Came::Due
            }
            None => Came::Overtaken,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_is_put_off_comes_at_its_new_time() {
        let mut wake = Wake::NONE;
        assert_eq!(wake.want(100), Some(100));
        assert_eq!(wake.want(200), None, "the alarm at 100 is as good");
        assert_eq!(wake.came(100), Came::Early(200));
        assert_eq!(wake.came(200), Came::Due);
    }

    #[test]
    fn a_call_that_is_brought_forward_comes_once() {
        let mut wake = Wake::NONE;
        assert_eq!(wake.want(200), Some(200));
        assert_eq!(wake.want(100), Some(100));
        assert_eq!(wake.came(100), Came::Due);
        assert_eq!(wake.want(300), Some(300));
        assert_eq!(wake.came(200), Came::Overtaken, "nobody wants it any more");
        assert_eq!(wake.came(300), Came::Due);
    }
}
