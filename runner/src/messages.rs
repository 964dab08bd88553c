//! Messages between nodes, as an environment saw them pass: what a space-time diagram is drawn from.

use std::collections::VecDeque;

use perjury_nemesis::Node;
use serde::{Deserialize, Serialize};

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It arrived as usual.
    Delivered,
    /// It never arrived: a fault or the network took it, or nobody listened any more.
    Dropped,
    /// It was held back, and may have been overtaken by later ones.
    Delayed,
    /// It is the second copy of one that was sent once.
    Duplicated,
}

impl Fate {
    /// All of them, in the order in which they are counted.
    pub const ALL: [Fate; 4] = [Fate::Delivered, Fate::Dropped, Fate::Delayed, Fate::Duplicated];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Fate::Delivered => "delivered",
            Fate::Dropped => "dropped",
            Fate::Delayed => "delayed",
            Fate::Duplicated => "duplicated",
        }
    }
}

/// One message between two nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// When it was sent, in nanoseconds since the start.
    pub at: u64,
    /// When it arrived; none if it never did.
    pub arrived: Option<u64>,
    /// Who sent it.
    pub from: Node,
    /// To whom.
    pub to: Node,
    /// What kind of message, by its place in [`Messages::kinds`].
    pub kind: u8,
    /// What became of it.
    pub fate: Fate,
}

/// The messages of a run: all of them counted, the newest ones kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Messages {
    /// The names of the kinds.
    pub kinds: Vec<String>,
    /// How many messages of each kind met each fate, in the order of [`Fate::ALL`].
    pub counts: Vec<[u64; 4]>,
    kept: VecDeque<Message>,
    most: usize,
    forgotten: u64,
}

impl Messages {
    /// Nothing yet. At most `most` messages are kept, at 32 bytes each.
    pub fn new(most: usize) -> Self {
        Messages {
            most,
            ..Messages::default()
        }
    }

    /// The place of a kind among [`Messages::kinds`]; it is added if it is not there. A system with more than 255
    /// kinds of messages has the last ones share a place.
    pub fn kind(&mut self, name: &str) -> u8 {
        let place = self.kinds.iter().position(|known| known == name);
        let place = place.unwrap_or_else(|| {
            if self.kinds.len() <= usize::from(u8::MAX) {
                self.kinds.push(name.to_owned());
            }
            self.kinds.len() - 1
        });
        place as u8
    }

    /// Takes a message; gives its number, by which [`Messages::lose`] knows it.
    pub fn push(&mut self, message: Message) -> u64 {
        let kind = usize::from(message.kind);
        if self.counts.len() <= kind {
            self.counts.resize(kind + 1, [0; 4]);
        }
        self.counts[kind][message.fate as usize] += 1;
        self.kept.push_back(message);
        if self.kept.len() > self.most {
            self.kept.pop_front();
            self.forgotten += 1;
        }
        self.forgotten + self.kept.len() as u64 - 1
    }

    /// A message that was under way did not arrive after all: nobody listened.
    pub fn lose(&mut self, number: u64) {
        let Some(place) = number.checked_sub(self.forgotten) else {
            return;
        };
        if let Some(message) = self.kept.get_mut(place as usize) {
            let counts = &mut self.counts[usize::from(message.kind)];
            counts[message.fate as usize] -= 1;
            counts[Fate::Dropped as usize] += 1;
            message.fate = Fate::Dropped;
            message.arrived = None;
        }
    }

    /// Those that are kept, in the order in which they were sent.
    pub fn kept(&self) -> impl ExactSizeIterator<Item = &Message> + Clone + '_ {
        self.kept.iter()
    }

    /// How many came before those that are kept.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Counts times from `start`, in nanoseconds of the clock that they were taken from, instead of from its zero.
    pub fn since(&mut self, start: u64) {
        for message in &mut self.kept {
            message.at = message.at.saturating_sub(start);
            message.arrived = message.arrived.map(|at| at.saturating_sub(start));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(at: u64) -> Message {
        Message {
            at,
            arrived: Some(at + 5),
            from: Node(1),
            to: Node(2),
            kind: 0,
            fate: Fate::Delivered,
        }
    }

    #[test]
    fn the_newest_are_kept_and_all_are_counted() {
        let mut messages = Messages::new(2);
        assert_eq!(messages.kind("Append"), 0);
        let numbers: Vec<u64> = (0..4).map(|at| messages.push(message(at))).collect();
        assert_eq!(numbers, [0, 1, 2, 3]);
        assert_eq!(
            messages.kept().map(|message| message.at).collect::<Vec<_>>(),
            [2, 3]
        );
        messages.lose(0);
        messages.lose(3);
        assert_eq!(messages.counts, [[3, 1, 0, 0]]);
        let last = messages.kept().last().expect("a message");
        assert_eq!((last.fate, last.arrived), (Fate::Dropped, None));
    }
}
