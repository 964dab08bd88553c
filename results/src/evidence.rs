//! Everything that is left of a run: what a report is made from.

use perjury_checker::{History, Outcome};
use perjury_nemesis::{Node, Resolved};
use perjury_runner::{FaultRecord, Notice, Phase, View};

use crate::likelihood::LikelihoodRecord;
use crate::messages::Traffic;
use crate::record::{TestRecord, VerdictRecord};

/// Everything that is left of a run.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// What the test was.
    pub test: TestRecord,
    /// What it came to; none if the control node died before.
    pub verdict: Option<VerdictRecord>,
    /// What clients saw.
    pub history: History,
    /// Why the history could not be read to its end.
    pub history_problem: Option<String>,
    /// What was broken, when, and whether it bit.
    pub faults: Vec<FaultRecord>,
    /// What else the runner told: phases, views, recoveries, deaths, troubles. No events, no faults.
    pub notices: Vec<Notice>,
    /// The ends of the nodes' logs.
    pub logs: Vec<NodeLog>,
    /// The messages between nodes, if they were taken down.
    pub messages: Option<Traffic>,
    /// How probable its failure had become, if that was estimated.
    pub likelihood: Option<LikelihoodRecord>,
}

/// The end of a node's log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeLog {
    /// The node: `n1`.
    pub node: String,
    /// The last lines.
    pub lines: Vec<String>,
    /// Bytes of the log that come before these lines.
    pub bytes_before: u64,
}

impl Evidence {
    /// The last moment that anything is known of, in nanoseconds since the start; at least 1.
    pub fn end(&self) -> u64 {
        let operations = self
            .history
            .operations
            .iter()
            .map(|operation| {
                operation
                    .completion
                    .at
                    .map_or(operation.invoked.time, |moment| moment.time)
            })
            .max();
        let faults = self
            .faults
            .iter()
            .filter_map(|fault| fault.healed_at.max(fault.injected_at))
            .max();
        let notices = self.notices.iter().filter_map(notice_time).max();
        operations.max(faults).max(notices).unwrap_or(0).max(1)
    }

    /// The phases with their beginnings, in order.
    pub fn phases(&self) -> impl Iterator<Item = (Phase, u64)> + '_ {
        self.notices.iter().filter_map(|notice| match notice {
            Notice::Phase { phase, at } => Some((*phase, *at)),
            _ => None,
        })
    }

    /// What the cluster looked like, each from the time given.
    pub fn views(&self) -> impl Iterator<Item = (u64, &View)> + '_ {
        self.notices.iter().filter_map(|notice| match notice {
            Notice::View { at, view } => Some((*at, view)),
            _ => None,
        })
    }

    /// The stretches in which something holds, from what the cluster looked like, until `end`.
    pub(crate) fn stretches<T: PartialEq>(
        &self,
        end: u64,
        of: impl Fn(&View) -> Option<T>,
    ) -> Vec<(u64, u64, T)> {
        let mut stretches = Vec::new();
        let mut current: Option<(u64, T)> = None;
        for (at, view) in self.views() {
            let now = of(view);
            if current.as_ref().map(|(_, held)| held) == now.as_ref() {
                continue;
            }
            if let Some((from, held)) = current.take() {
                stretches.push((from, at, held));
            }
            current = now.map(|held| (at, held));
        }
        if let Some((from, held)) = current {
            stretches.push((from, end, held));
        }
        stretches
    }

    /// Who led, under which term, at a time.
    pub fn leader_at(&self, time: u64) -> Option<(Node, u64)> {
        self.views()
            .take_while(|(at, _)| *at <= time)
            .last()
            .and_then(|(_, view)| view.leader)
    }

    /// Whether anybody led at any time: some systems have no leaders.
    pub fn was_led(&self) -> bool {
        self.views().any(|(_, view)| view.leader.is_some())
    }

    /// The faults that were active at some time of a span.
    pub fn faults_during(&self, from: u64, to: u64) -> impl Iterator<Item = &FaultRecord> + '_ {
        self.faults.iter().filter(move |fault| {
            fault.injected_at.is_some_and(|at| at <= to) && fault.healed_at.is_none_or(|at| at >= from)
        })
    }

    /// Operations by outcome: ok, fail, info.
    pub fn outcomes(&self) -> [u64; 3] {
        let mut counts = [0; 3];
        for operation in &self.history.operations {
            counts[match operation.completion.outcome {
                Outcome::Ok => 0,
                Outcome::Fail => 1,
                Outcome::Info => 2,
            }] += 1;
        }
        counts
    }
}

/// Whether a fault hits a node, as a strip of the node's life shows it.
pub(crate) fn hits(fault: &FaultRecord, node: Node) -> bool {
    match &fault.fault {
        Resolved::Kill { nodes, .. }
        | Resolved::Pause { nodes }
        | Resolved::Clock { nodes, .. }
        | Resolved::Disk { nodes, .. }
        | Resolved::Leave { nodes } => nodes.contains(&node),
        // A node counts as hit if no other loses more links: not if it only cannot reach those cut off.
        Resolved::Cut { links } | Resolved::Packets { links, .. } => {
            let lost = |one: Node| {
                links
                    .iter()
                    .filter(|link| link.from == one || link.to == one)
                    .count()
            };
            let most = links
                .iter()
                .flat_map(|link| [link.from, link.to])
                .map(lost)
                .max()
                .unwrap_or(0);
            most > 0 && lost(node) == most
        }
    }
}

fn notice_time(notice: &Notice) -> Option<u64> {
    match notice {
        Notice::Phase { at, .. }
        | Notice::View { at, .. }
        | Notice::NodeDied { at, .. }
        | Notice::Trouble { at, .. } => Some(*at),
        Notice::Event(event) => Some(event.time),
        Notice::Fault(_) | Notice::Recovered { .. } => None,
    }
}
