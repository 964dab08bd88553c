//! Disks that break, and their repair.

use std::collections::BTreeSet;
use std::time::Instant;

use perjury_nemesis::{Crash, Defect, Node};
use perjury_runner::Bite;

use super::{Active, CRASH_LIMIT, RESTART_LIMIT, Stage, bite, list, stopped_bite};
use crate::node::Ailment;
use crate::process::ProcessEnvironment;

impl ProcessEnvironment {
    /// Breaks disks. Says what that did, unless it is not known yet.
    pub(super) fn break_disks(
        &mut self,
        active: &mut Active,
        id: u32,
        nodes: BTreeSet<Node>,
        defect: Defect,
    ) -> Option<Bite> {
        let (slow_ms, word) = match defect {
            Defect::Slow { fsync_ms } => (fsync_ms, "slowed down"),
            Defect::Full => (0, "filled"),
            Defect::FlippedBit => {
                self.begin_kill(active, id, nodes, Crash::Kill);
                return None;
            }
        };
        let full = defect == Defect::Full;
        for &node in &nodes {
            self.nodes.ail(node, Ailment { slow_ms, full });
        }
        let told = format!("{word} the disks of {}", list(&nodes));
        active.hit = nodes;
        Some(bite(false, told))
    }

    /// Flips a bit in the logs of nodes that have been killed, and starts them.
    pub(super) fn damage_logs(&mut self, id: u32, now: Instant) {
        let Some(active) = self.faults.active.get_mut(&id) else {
            return;
        };
        let hit = active.hit.clone();
        active.stage = Stage::Reading {
            waiting: hit.clone(),
            deadline: now + RESTART_LIMIT,
        };
        let mut felt = BTreeSet::new();
        for node in hit {
            let damaged = self.nodes.flip_bit(node).map(|flipped| {
                if flipped {
                    felt.insert(node);
                }
            });
            if let Err(error) = damaged.and_then(|()| self.start_node(node)) {
                if let Some(active) = self.faults.active.get_mut(&id) {
                    active.stage = Stage::Injected;
                }
                let problem = format!("cannot damage the log of {node}: {error}");
                self.faults.injected(id, Err(problem));
                return;
            }
        }
        if let Some(active) = self.faults.active.get_mut(&id) {
            active.felt = felt;
        }
    }

    /// Repairs disks, and starts again the nodes that stopped for them.
    pub(super) fn mend_disks(&mut self, id: u32, nodes: BTreeSet<Node>, defect: Defect, now: Instant) {
        for &node in &nodes {
            match defect {
                Defect::Slow { .. } | Defect::Full => self.nodes.ail(node, Ailment::default()),
                Defect::FlippedBit => {
                    if let Err(error) = self.nodes.flip_back(node) {
                        let problem = format!("cannot repair the log of {node}: {error}");
                        self.faults.healed(id, Err(problem));
                        return;
                    }
                }
            }
        }
        let Some(active) = self.faults.active.get_mut(&id) else {
            return;
        };
        match defect {
            Defect::Slow { .. } => {
                let result = stopped_bite(active);
                self.faults.healed(id, Ok(result));
            }
            Defect::Full => {
                // One that had nothing to write may be about to stop all the same.
                let waiting: BTreeSet<Node> = self
                    .nodes
                    .up()
                    .into_iter()
                    .filter(|up| nodes.contains(up))
                    .collect();
                active.stage = Stage::Stopping {
                    waiting: waiting.clone(),
                    deadline: now + CRASH_LIMIT,
                };
                for node in waiting {
                    self.nodes.kill(node);
                }
                self.tick(now);
            }
            Defect::FlippedBit => self.restart(id, nodes, now),
        }
    }
}

/// What a broken disk did.
pub(super) fn bite_of(active: &Active, defect: Defect) -> Bite {
    let who = list(&active.felt);
    let evidence = match defect {
        Defect::Slow { fsync_ms } => format!("fsyncs of {who} took about {fsync_ms} ms longer"),
        Defect::Full => format!("{who} stopped, since the disk was full"),
        Defect::FlippedBit if active.felt.is_empty() => {
            format!("{} had no record that could be damaged", list(&active.hit))
        }
        Defect::FlippedBit => format!(
            "a bit flipped in the log of {who}; {} refused to start from it",
            list(&active.refused)
        ),
    };
    bite(!active.felt.is_empty(), evidence)
}
