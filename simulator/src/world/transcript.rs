//! What happened, in words.

use std::fmt;

use perjury_nemesis::Node;

/// Descriptions of some events.
#[derive(Clone, Debug, Default)]
pub(crate) struct Transcript {
    /// The events to be described, the last one not included.
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) lines: Vec<Line>,
}

/// One thing that happened at a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The event in which it happened, counted from 1.
    pub event: u64,
    /// When, in nanoseconds since the start.
    pub at_ns: u64,
    /// Where.
    pub node: Node,
    /// What it is about.
    pub topic: Topic,
    /// What.
    pub text: String,
}

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// A message was sent or received.
    Message,
    /// Timers, disks, requests and answers.
    Work,
    /// The protocol recorded a step.
    Step,
    /// Something broke, or came back.
    Fault,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Line {
            event, node, text, ..
        } = self;
        write!(f, "{event} {:.6} {node} {text}", self.at_ns as f64 / 1e9)
    }
}
