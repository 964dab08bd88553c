//! The messages between nodes, for whoever wants to see them.

use std::collections::BTreeMap;

use perjury_nemesis::Node;
use perjury_runner::{Fate, Message, Messages};
use serde::Serialize;

use super::network::Arrivals;
use super::variant;

/// Messages that are kept of a run at most; at 32 bytes each this is 64 MB.
const MOST: usize = 2_000_000;

/// Takes down every message. Whoever does not want them has none of this, and pays nothing.
#[derive(Debug)]
pub(crate) struct Post {
    pub(crate) messages: Messages,
    /// When whose disk began to make writes durable, in nanoseconds.
    pub(crate) syncs: Vec<(u64, Node)>,
    /// When a message arrives, from whom and for whom: its number.
    under_way: BTreeMap<(u64, u16, u16), u64>,
}

impl Default for Post {
    fn default() -> Self {
        Post {
            messages: Messages::new(MOST),
            syncs: Vec::new(),
            under_way: BTreeMap::new(),
        }
    }
}

impl Post {
    /// A message leaves. Nodes are counted from 0.
    pub(super) fn sent(
        &mut self,
        now: u64,
        from: u16,
        to: u16,
        message: &impl Serialize,
        arrivals: Arrivals,
        held_back: bool,
    ) {
        let kind = self.messages.kind(variant(message));
        let one = |arrived, fate| Message {
            at: now,
            arrived,
            from: Node(from + 1),
            to: Node(to + 1),
            kind,
            fate,
        };
        let first = match arrivals[0] {
            None => Fate::Dropped,
            Some(_) if held_back => Fate::Delayed,
            Some(_) => Fate::Delivered,
        };
        let copies = [
            Some((arrivals[0], first)),
            arrivals[1].map(|at| (Some(at), Fate::Duplicated)),
        ];
        for (arrived, fate) in copies.into_iter().flatten() {
            let number = self.messages.push(one(arrived, fate));
            if let Some(at) = arrived {
                self.under_way.insert((at, from, to), number);
            }
        }
    }

    /// A message comes to a node, whether it runs or not. What waited for a frozen node counts from when it came.
    pub(super) fn arrived(&mut self, now: u64, from: u16, to: u16, listens: bool) {
        if let Some(number) = self.under_way.remove(&(now, from, to))
            && !listens
        {
            self.messages.lose(number);
        }
    }
}
