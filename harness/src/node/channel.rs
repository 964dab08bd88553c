//! A FIFO channel to another node, over frames that may be lost, doubled and overtaken.
//!
//! Each end names its side of a connection by a number that rises; a connection is the pair of both. Frames of a
//! connection are numbered from 0. What arrives too early waits a little for what is missing; if that does not come, the
//! connection is broken: the end that noticed takes a new number, and the other end learns that from the next frame.
//! What was sent through the connection before is void on arrival.

use std::collections::BTreeMap;
use std::time::Duration;

/// How long what arrived too early waits for what is missing.
const PATIENCE: Duration = Duration::from_millis(100);

/// The most frames that wait.
const MOST_EARLY: usize = 4096;

/// What a frame says of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// The sender's name of its side.
    pub from: u64,
    /// The receiver's name of its side, as the sender knows it; 0 if it knows none.
    pub to: u64,
    /// The frame's number.
    pub number: u64,
}

/// Bytes of a stamp.
pub(super) const STAMP_BYTES: usize = 24;

impl Stamp {
    /// Its bytes.
    pub fn encode(self) -> [u8; STAMP_BYTES] {
        let mut bytes = [0; STAMP_BYTES];
        for (chunk, word) in bytes.chunks_exact_mut(8).zip([self.from, self.to, self.number]) {
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// A stamp from its bytes.
    pub fn decode(bytes: &[u8; STAMP_BYTES]) -> Self {
        let word = |place: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[8 * place..8 * place + 8]);
            u64::from_le_bytes(word)
        };
        Stamp {
            from: word(0),
            to: word(1),
            number: word(2),
        }
    }
}

/// What came of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Arrival<M> {
    /// The connection broke, and there is a new one.
    Broken,
    /// The next message.
    Message(M),
}

/// One end of the connections with one peer.
#[derive(Debug)]
pub(super) struct Channel<M> {
    mine: u64,
    theirs: u64,
    next_out: u64,
    next_in: u64,
    early: BTreeMap<u64, M>,
    missing_since: Option<Duration>,
}

impl<M> Channel<M> {
    /// A node that was started `incarnation` times before.
    pub fn new(incarnation: u64) -> Self {
        Channel {
            mine: (incarnation + 1) << 32,
            theirs: 0,
            next_out: 0,
            next_in: 0,
            early: BTreeMap::new(),
            missing_since: None,
        }
    }

    /// The stamp of the next message.
    pub fn stamp(&mut self) -> Stamp {
        let stamp = self.greeting();
        self.next_out += 1;
        stamp
    }

    /// The stamp of a frame without a message.
    pub fn greeting(&self) -> Stamp {
        Stamp {
            from: self.mine,
            to: self.theirs,
            number: self.next_out,
        }
    }

    fn begin(&mut self, out: &mut Vec<Arrival<M>>) {
        (self.next_out, self.next_in) = (0, 0);
        self.early.clear();
        self.missing_since = None;
        out.push(Arrival::Broken);
    }

    /// Takes in a frame, with its message if it has one, at `now`; adds what comes of it to `out`. Says whether the
    /// peer has to be greeted, since it does not know this end.
    pub fn take(
        &mut self,
        stamp: Stamp,
        message: Option<M>,
        now: Duration,
        out: &mut Vec<Arrival<M>>,
    ) -> bool {
        if stamp.from < self.theirs {
            return false;
        }
        if stamp.from > self.theirs {
            self.theirs = stamp.from;
            self.begin(out);
        }
        if stamp.to != self.mine {
            return true;
        }
        let Some(message) = message.filter(|_| stamp.number >= self.next_in) else {
            return false;
        };
        self.early.insert(stamp.number, message);
        let before = self.next_in;
        while let Some(message) = self.early.remove(&self.next_in) {
            out.push(Arrival::Message(message));
            self.next_in += 1;
        }
        if self.early.is_empty() {
            self.missing_since = None;
            return false;
        }
        let since = match self.missing_since {
            Some(since) if before == self.next_in => since,
            _ => now,
        };
        self.missing_since = Some(since);
        if now.saturating_sub(since) < PATIENCE && self.early.len() < MOST_EARLY {
            return false;
        }
        self.mine += 1;
        self.begin(out);
        true
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    type Arrived = Vec<Arrival<u64>>;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Two ends that know each other.
    fn pair() -> (Channel<u64>, Channel<u64>) {
        let (mut one, mut other) = (Channel::new(0), Channel::new(0));
        let mut out = Vec::new();
        assert!(
            other.take(one.greeting(), None, ms(0), &mut out),
            "it does not know it"
        );
        assert!(!one.take(other.greeting(), None, ms(0), &mut out));
        assert_eq!(out, [Arrival::Broken, Arrival::Broken]);
        (one, other)
    }

    #[test]
    fn what_is_overtaken_or_doubled_arrives_once_and_in_order() {
        let (mut one, mut other) = pair();
        let stamps: Vec<Stamp> = (0..4).map(|_| one.stamp()).collect();
        let mut out: Arrived = Vec::new();
        for place in [0, 2, 2, 3, 1, 0] {
            other.take(stamps[place], Some(place as u64), ms(place as u64), &mut out);
        }
        assert_eq!(out, [0, 1, 2, 3].map(Arrival::Message));
    }

    #[test]
    fn a_gap_that_does_not_close_breaks_the_connection_for_both() {
        let (mut one, mut other) = pair();
        let mut out: Arrived = Vec::new();
        let (_lost, second, third) = (one.stamp(), one.stamp(), one.stamp());
        assert!(!other.take(second, Some(2), ms(0), &mut out));
        assert!(other.take(third, Some(3), ms(101), &mut out), "it greets");
        assert_eq!(out, [Arrival::Broken]);
        // What was sent before the other end knows is void.
        assert!(other.take(one.stamp(), Some(4), ms(102), &mut out));
        out.clear();
        one.take(other.greeting(), None, ms(103), &mut out);
        assert_eq!(out, [Arrival::Broken]);
        other.take(one.stamp(), Some(5), ms(104), &mut out);
        assert_eq!(out, [Arrival::Broken, Arrival::Message(5)]);
    }

    #[test]
    fn a_peer_that_was_started_again_begins_a_new_connection() {
        let (mut one, _) = pair();
        let mut again: Channel<u64> = Channel::new(1);
        let mut out: Arrived = Vec::new();
        assert!(one.take(again.stamp(), Some(1), ms(5), &mut out), "it greets");
        again.take(one.stamp(), Some(7), ms(6), &mut out);
        assert_eq!(out, [Arrival::Broken, Arrival::Broken, Arrival::Message(7)]);
    }

    #[test]
    fn whatever_becomes_of_frames_there_is_no_gap_between_two_breaks() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let mut ends = [Channel::new(0), Channel::new(0)];
        // Frames under way, by when they arrive: to whom, the stamp, the message.
        let mut agenda: BTreeMap<(u64, u64), (usize, Stamp, Option<u64>)> = BTreeMap::new();
        let (mut count, mut sent, mut expects) = (0, [0; 2], [None; 2]);
        let (mut arrived, mut breaks) = (0, 0);
        for now in 0..60_000u64 {
            if now % 7 == 0 {
                let end = rng.random_range(0..2);
                let stamp = ends[end].stamp();
                for _ in 0..rng.random_range(1..3) {
                    let lost = rng.random_range(0..100) < 3;
                    let delay = rng.random_range(1..30);
                    count += 1;
                    if !lost {
                        agenda.insert((now + delay, count), (1 - end, stamp, Some(sent[end])));
                    }
                }
                sent[end] += 1;
            }
            while agenda.first_key_value().is_some_and(|((at, _), _)| *at <= now) {
                let Some((_, (end, stamp, message))) = agenda.pop_first() else {
                    break;
                };
                let mut out = Vec::new();
                if ends[end].take(stamp, message, ms(now), &mut out) {
                    count += 1;
                    agenda.insert((now + 1, count), (1 - end, ends[end].greeting(), None));
                }
                for arrival in out {
                    match arrival {
                        Arrival::Broken => {
                            expects[end] = None;
                            breaks += 1;
                        }
                        Arrival::Message(number) => {
                            assert!(expects[end].is_none_or(|next| next == number), "a gap");
                            expects[end] = Some(number + 1);
                            arrived += 1;
                        }
                    }
                }
            }
        }
        assert!(
            arrived > 2_000 && breaks > 20,
            "{arrived} arrived, {breaks} breaks"
        );
    }
}
