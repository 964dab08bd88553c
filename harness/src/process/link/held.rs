//! A link on which only those messages arrive that are let through, one by one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use perjury_nemesis::Link;

use crate::node::FRAME_HEADER_BYTES;

/// A message of a link: its kind's number, and which one of its kind it is, counted from 1.
pub type Nth = (usize, u32);

/// When each message arrives that does, as often as it does.
pub type Arrivals = BTreeMap<Nth, Vec<Instant>>;

/// What all links are told that hold messages back.
#[derive(Debug)]
pub struct Holding {
    /// What arrives on each link.
    pub arrivals: BTreeMap<Link, Arrivals>,
    /// What time it is.
    now: Mutex<Instant>,
}

impl Holding {
    /// Links on which this arrives, at the time `now`.
    pub fn new(arrivals: BTreeMap<Link, Arrivals>, now: Instant) -> Arc<Self> {
        let now = Mutex::new(now);
        Arc::new(Holding { arrivals, now })
    }

    /// It is later.
    pub fn set_now(&self, now: Instant) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }
}

/// One link's end of it.
#[derive(Debug)]
pub(super) struct Held {
    holding: Arc<Holding>,
    link: Link,
    /// How many messages of each kind were sent.
    sent: BTreeMap<usize, u32>,
    /// Those that arrive some time.
    frames: BTreeMap<Nth, Vec<u8>>,
}

impl Held {
    pub fn new(holding: &Arc<Holding>, link: Link) -> Self {
        Held {
            holding: Arc::clone(holding),
            link,
            sent: BTreeMap::new(),
            frames: BTreeMap::new(),
        }
    }

    /// Takes in a frame. Says what time it is and when it arrives.
    pub fn take(&mut self, frame: &[u8]) -> (Instant, &[Instant]) {
        // Postcard numbers the variants of an enumeration; all systems have fewer than the 128 that fit a byte.
        let kind = frame
            .get(FRAME_HEADER_BYTES)
            .map_or(usize::MAX, |number| usize::from(*number));
        let count = self.sent.entry(kind).or_default();
        *count += 1;
        let nth = (kind, *count);
        let arrivals = self.holding.arrivals.get(&self.link);
        let arrivals = arrivals.and_then(|known| known.get(&nth));
        if arrivals.is_some() {
            self.frames.insert(nth, frame.to_vec());
        }
        let now = *self.holding.now.lock().unwrap_or_else(PoisonError::into_inner);
        (now, arrivals.map_or(&[], Vec::as_slice))
    }

    /// The frame of a message, if it was sent.
    pub fn frame(&self, nth: Nth) -> Option<&[u8]> {
        self.frames.get(&nth).map(Vec::as_slice)
    }
}
