//! Every message that passes a link, taken down.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use perjury_nemesis::Link;
use perjury_runner::{Fate, Message, Messages};
use serde::de::{self, Deserialize, Deserializer, Visitor};

use crate::node::FRAME_HEADER_BYTES;

/// Messages that are kept of a run at most; at 32 bytes each this is 64 MB.
const MOST: usize = 2_000_000;

/// The kind of a message whose number no kind has.
const UNKNOWN: &str = "unknown";

/// What passed all links of a cluster. The proxies' thread writes; another reads when it is over.
#[derive(Debug)]
pub(super) struct Log {
    epoch: Instant,
    messages: Mutex<Messages>,
    kinds: usize,
}

impl Log {
    pub fn new(kinds: &[&str]) -> Self {
        let mut messages = Messages::new(MOST);
        for kind in kinds {
            messages.kind(kind);
        }
        Log {
            epoch: Instant::now(),
            messages: Mutex::new(messages),
            kinds: kinds.len(),
        }
    }

    fn messages(&self) -> MutexGuard<'_, Messages> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn nanos(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.epoch).as_nanos() as u64
    }

    /// A frame passed, or did not.
    pub fn add(&self, link: Link, frame: &[u8], at: Instant, arrived: Option<Instant>, fate: Fate) {
        let mut messages = self.messages();
        // Postcard numbers the variants of an enumeration; all systems have fewer than the 128 that fit a byte.
        let kind = match frame.get(FRAME_HEADER_BYTES) {
            Some(&number) if usize::from(number) < self.kinds => number,
            _ => messages.kind(UNKNOWN),
        };
        messages.push(Message {
            at: self.nanos(at),
            arrived: arrived.map(|at| self.nanos(at)),
            from: link.from,
            to: link.to,
            kind,
            fate,
        });
    }

    pub fn take(&self, begin: Instant) -> Messages {
        let mut messages = std::mem::take(&mut *self.messages());
        messages.since(self.nanos(begin));
        messages
    }
}

/// The names of an enumeration's variants, in the order of their numbers, as its own deserialisation tells them.
pub fn kinds<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    match T::deserialize(Probe) {
        Err(Variants(names)) => names,
        Ok(_) => &[],
    }
}

struct Probe;

/// The probe ends with the names, as soon as they are known.
#[derive(Debug)]
struct Variants(&'static [&'static str]);

impl fmt::Display for Variants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(", "))
    }
}

impl std::error::Error for Variants {}

impl de::Error for Variants {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Variants(&[])
    }
}

impl<'de> Deserializer<'de> for Probe {
    type Error = Variants;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Variants> {
        Err(Variants(&[]))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Variants> {
        Err(Variants(variants))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use perjury_nemesis::Node;
    use perjury_systems::raft;

    use super::*;

    #[test]
    fn kinds_of_messages_are_known_by_their_numbers() {
        let kinds = kinds::<raft::Message>();
        assert_eq!(kinds[..3], ["PreVote", "PreVoteReply", "Vote"]);
        let message = raft::Message::VoteReply {
            term: 3,
            granted: true,
        };
        let bytes = postcard::to_allocvec(&message).expect("bytes");
        assert_eq!(kinds[usize::from(bytes[0])], "VoteReply");
    }

    #[test]
    fn what_came_before_the_beginning_counts_as_of_then() {
        let log = Log::new(&["A", "B"]);
        let link = Link {
            from: Node(1),
            to: Node(2),
        };
        let now = Instant::now();
        for number in [1, 9] {
            let mut frame = [0; FRAME_HEADER_BYTES + 1];
            frame[FRAME_HEADER_BYTES] = number;
            log.add(link, &frame, now, Some(now), Fate::Delivered);
        }
        let messages = log.take(now + std::time::Duration::from_secs(1));
        assert_eq!(messages.kinds, ["A", "B", UNKNOWN]);
        let kept: Vec<_> = messages
            .kept()
            .map(|message| (message.at, message.kind))
            .collect();
        assert_eq!(kept, [(0, 1), (0, 2)]);
    }
}
