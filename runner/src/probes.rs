//! Asks every node whether it serves: before the test, and after everything was healed.

use std::collections::BTreeSet;
use std::sync::Arc;

use perjury_checker::{Function, Key, Value};
use perjury_nemesis::Node;
use perjury_workloads::Call;

use crate::step::Answer;

/// The key that probes read. No workload uses it, and probes are not part of the history.
pub const PROBE_KEY: &str = "probe";

/// What is known of one node.
#[derive(Clone, Debug, Default)]
struct Probe {
    attempt: Option<u64>,
    answered: bool,
    hint: Option<Node>,
    error: Option<Arc<str>>,
    reported: bool,
}

/// One round of probing, until every node serves.
#[derive(Clone, Debug)]
pub(crate) struct Probes {
    probes: Vec<Probe>,
    call: Call,
}

impl Probes {
    pub(crate) fn new(nodes: u16) -> Self {
        Probes {
            probes: vec![Probe::default(); usize::from(nodes)],
            call: Call {
                f: Function::Read,
                key: Key::from(PROBE_KEY),
                value: Value::Nil,
            },
        }
    }

    pub(crate) fn call(&self) -> Call {
        self.call.clone()
    }

    /// Starts over.
    pub(crate) fn reset(&mut self) {
        self.probes.fill(Probe::default());
    }

    pub(crate) fn sent(&mut self, place: usize, attempt: u64) {
        if let Some(probe) = self.probes.get_mut(place) {
            probe.attempt = Some(attempt);
        }
    }

    /// Takes an answer; says whether it was waited for.
    pub(crate) fn answered(&mut self, place: usize, attempt: u64, answer: Answer) -> bool {
        let Some(probe) = self.probes.get_mut(place) else {
            return false;
        };
        if probe.attempt != Some(attempt) {
            return false;
        }
        probe.attempt = None;
        match answer {
            Answer::Ok { .. } => probe.answered = true,
            Answer::Unavailable { error, leader } => {
                probe.hint = leader;
                probe.error = Some(error);
            }
            Answer::Failed { error, .. } | Answer::Unknown { error } => {
                probe.hint = None;
                probe.error = Some(error);
            }
        }
        true
    }

    /// Whether a node has to be asked (again).
    pub(crate) fn wants(&self, place: usize) -> bool {
        self.probes
            .get(place)
            .is_some_and(|probe| !probe.answered && probe.attempt.is_none())
    }

    /// A node serves if it answered, or sends its clients to one that did.
    fn serves(&self, place: usize) -> bool {
        let answered = |place: usize| self.probes.get(place).is_some_and(|probe| probe.answered);
        let hinted = |hint: Node| usize::from(hint.0).checked_sub(1).is_some_and(answered);
        answered(place)
            || self
                .probes
                .get(place)
                .and_then(|probe| probe.hint)
                .is_some_and(hinted)
    }

    /// The nodes that serve now and did not when this was last asked.
    pub(crate) fn newly_serving(&mut self) -> Vec<Node> {
        let mut nodes = Vec::new();
        for place in 0..self.probes.len() {
            if !self.probes[place].reported && self.serves(place) {
                self.probes[place].reported = true;
                nodes.push(Node(place as u16 + 1));
            }
        }
        nodes
    }

    /// The nodes that do not serve, each with the last thing that was heard of it.
    pub(crate) fn waiting(&self, without: &BTreeSet<Node>) -> Vec<(Node, String)> {
        let places = (0..self.probes.len()).filter(|place| !self.serves(*place));
        places
            .map(|place| {
                let error = self.probes[place].error.as_deref().unwrap_or("no answer");
                (Node(place as u16 + 1), error.to_owned())
            })
            .filter(|(node, _)| !without.contains(node))
            .collect()
    }

    /// Whether every node serves, but for these.
    pub(crate) fn all_serve(&self, without: &BTreeSet<Node>) -> bool {
        (0..self.probes.len()).all(|place| without.contains(&Node(place as u16 + 1)) || self.serves(place))
    }
}
