//! What a leader knows of a follower.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::types::{Index, Position};
use crate::identity::Disk;

/// How a follower is being fed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Feed {
    /// Looking for the place where the logs agree, one append at a time.
    Probe {
        /// An append is unanswered.
        waiting: bool,
    },
    /// Several appends are in flight; each holds the place of its last entry.
    Stream {
        /// The unanswered appends, oldest first.
        in_flight: VecDeque<Index>,
    },
    /// Sending a snapshot, one chunk at a time.
    Snapshot {
        /// The snapshot.
        image: Image,
        /// The first byte that is not acknowledged.
        offset: u64,
        /// A chunk is unanswered.
        waiting: bool,
        /// The round in which the follower last asked for what it had acknowledged before.
        rewound: u64,
    },
}

/// A snapshot in a node's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The last entry that it covers.
    pub last: Position,
    /// Its encoding.
    pub bytes: Arc<[u8]>,
}

/// What a leader knows of a follower.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The highest place known to be replicated there (figure 2, matchIndex).
    pub matched: Index,
    /// The next place to send (figure 2, nextIndex).
    pub next: Index,
    /// How it is being fed.
    pub feed: Feed,
    /// The latest round of heartbeats that it answered.
    pub confirmed: u64,
    /// When it last answered.
    pub answered_at: Duration,
    /// Whether it answered since the leader last looked.
    pub active: bool,
    /// Its disk, once it has answered.
    pub disk: Option<Disk>,
    /// Whether what it holds counts in a majority: with a disk that may not vote it has forgotten in which term it
    /// promised to follow no earlier leader (paper §5.1), so it would confirm one that is deposed.
    pub counts: bool,
}

impl Progress {
    /// A follower of which nothing is known, to be tried at `next`.
    pub fn new(next: Index) -> Self {
        Progress {
            matched: 0,
            next,
            feed: Feed::Probe { waiting: false },
            confirmed: 0,
            answered_at: Duration::ZERO,
            active: false,
            disk: None,
            counts: false,
        }
    }

    /// The place of the last entry of the oldest unanswered append.
    pub fn oldest_in_flight(&self) -> Option<Index> {
        match &self.feed {
            Feed::Stream { in_flight } => in_flight.front().copied(),
            _ => None,
        }
    }

    /// The follower said that its log agrees up to `acked`, so what is matched may have risen: stream from there, once
    /// the probe is answered. A late answer to something else says nothing of it, and if each had a window full of
    /// appends sent anew, these would bring more of the same.
    pub fn agree(&mut self, acked: Index) {
        let answered = acked + 1 >= self.next;
        self.next = self.next.max(self.matched + 1);
        match &mut self.feed {
            Feed::Stream { in_flight } => {
                while in_flight.front().is_some_and(|last| *last <= self.matched) {
                    in_flight.pop_front();
                }
            }
            Feed::Probe { .. } if answered => self.stream(),
            Feed::Probe { .. } | Feed::Snapshot { .. } => {}
        }
    }

    /// The follower's log agrees up to what is matched: stream from there.
    pub fn stream(&mut self) {
        self.next = self.matched + 1;
        self.feed = Feed::Stream {
            in_flight: VecDeque::new(),
        };
    }

    /// The follower answered with this disk. What is known of it is known of the disk that it had: with another one
    /// it has lost everything.
    pub fn answers_with(&mut self, disk: Disk, votes: bool) {
        if self.disk.is_some_and(|known| known != disk) {
            self.matched = 0;
            self.probe(1);
        }
        self.disk = Some(disk);
        self.counts = votes;
    }

    /// The follower refused: look for the place where the logs agree, from `next` down.
    pub fn probe(&mut self, next: Index) {
        self.next = next.max(self.matched + 1);
        self.feed = Feed::Probe { waiting: false };
    }
}
