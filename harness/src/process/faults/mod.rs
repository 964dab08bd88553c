//! Carrying faults out, mending them, and saying honestly what they did.

mod disks;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use perjury_nemesis::{Bend, Crash, Link, Node, Resolved, kinds};
use perjury_runner::{Bite, Input};

use super::ProcessEnvironment;
use super::link::{Hits, Mistreatment};
use super::members::{Change, Progress, Repair};
use super::nodes::Heard;
use crate::http::client::End;
use crate::node::Command;
use crate::node::config::Tail;

/// A node that was told to crash and is still there after this is killed.
const CRASH_LIMIT: Duration = Duration::from_millis(1500);

/// How long a node that is started again may take until it listens.
const RESTART_LIMIT: Duration = Duration::from_secs(20);

/// The faults that are active, and what is being done about them.
#[derive(Debug, Default)]
pub(super) struct Faults {
    active: BTreeMap<u32, Active>,
    done: Vec<Input>,
    /// While every node is to serve again.
    repair: Option<Repair>,
}

/// A fault between its injection and the end of its healing.
#[derive(Debug)]
struct Active {
    fault: Resolved,
    since: Instant,
    stage: Stage,
    lost_records: u64,
    torn_bytes: u64,
    /// The nodes that it really hit.
    hit: BTreeSet<Node>,
    /// For faults of disks: the nodes that felt it.
    felt: BTreeSet<Node>,
    /// For flipped bits: the nodes that refused to start.
    refused: BTreeSet<Node>,
    change: Option<Change>,
    /// It is to be healed as soon as it stands.
    heal: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Stage {
    /// Waiting until these are down; then it is injected.
    Killing {
        waiting: BTreeSet<Node>,
        deadline: Instant,
    },
    /// Waiting until these listen or refuse to start; then it is injected.
    Reading {
        waiting: BTreeSet<Node>,
        deadline: Instant,
    },
    /// Waiting until these are down; then they are started again.
    Stopping {
        waiting: BTreeSet<Node>,
        deadline: Instant,
    },
    /// Waiting until these listen; then it is healed.
    Restarting {
        waiting: BTreeSet<Node>,
        deadline: Instant,
    },
    /// Waiting for the cluster to change its members.
    Changing { healing: bool },
    /// It stands.
    Injected,
}

impl Faults {
    /// What came to its end since the last call.
    pub fn done(&mut self) -> std::vec::Drain<'_, Input> {
        self.done.drain(..)
    }

    /// When [`ProcessEnvironment::tick`] has something to do for a fault.
    pub fn next(&self) -> Option<Instant> {
        let repair = self.repair.as_ref().filter(|_| self.active.is_empty());
        let active = self.active.values().filter_map(|active| match &active.stage {
            Stage::Killing { deadline, .. }
            | Stage::Reading { deadline, .. }
            | Stage::Stopping { deadline, .. }
            | Stage::Restarting { deadline, .. } => Some(*deadline),
            Stage::Changing { .. } => active.change.as_ref().map(Change::next),
            Stage::Injected => None,
        });
        active.chain(repair.map(Repair::next)).min()
    }

    /// Every node is to serve from now on, or need not any more.
    pub fn recovers(&mut self, recovers: bool, now: Instant) {
        self.repair = recovers.then(|| Repair::new(now));
    }

    /// Takes in what a node said about a change of the members.
    pub fn member_answered(&mut self, fault: u32, end: &End, now: Instant) {
        if let Some(change) = self
            .active
            .get_mut(&fault)
            .and_then(|active| active.change.as_mut())
        {
            change.answered(end, now);
        }
    }

    fn injected(&mut self, id: u32, result: Result<Bite, String>) {
        self.done.push(Input::Injected { id, result });
    }

    fn healed(&mut self, id: u32, result: Result<Bite, String>) {
        self.active.remove(&id);
        self.done.push(Input::Healed { id, result });
    }
}

fn list(nodes: &BTreeSet<Node>) -> String {
    if nodes.is_empty() {
        return "nobody".to_owned();
    }
    nodes.iter().map(Node::to_string).collect::<Vec<_>>().join(", ")
}

fn bite(bit: bool, evidence: String) -> Bite {
    Bite {
        bit,
        links: Vec::new(),
        evidence,
    }
}

impl ProcessEnvironment {
    /// Carries a fault out; that it is done, or why not, is among [`Faults::done`] then or later.
    pub(super) fn inject(&mut self, id: u32, fault: Resolved, now: Instant) {
        let mut active = Active {
            fault: fault.clone(),
            since: now,
            stage: Stage::Injected,
            lost_records: 0,
            torn_bytes: 0,
            hit: BTreeSet::new(),
            felt: BTreeSet::new(),
            refused: BTreeSet::new(),
            change: None,
            heal: false,
        };
        let mut result = None;
        match fault {
            Resolved::Cut { links } => {
                result = Some(self.mistreat(id, &links, Mistreatment::Cut, "cut"));
            }
            Resolved::Packets { links, packets } => {
                result = Some(self.mistreat(id, &links, Mistreatment::Packets(packets), "mistreated"));
            }
            Resolved::Pause { nodes } => {
                active.hit = nodes
                    .into_iter()
                    .filter(|node| self.nodes.pause(*node, id))
                    .collect();
                result = Some(bite(
                    !active.hit.is_empty(),
                    format!("froze {}", list(&active.hit)),
                ));
            }
            Resolved::Clock { nodes, bend } => {
                for node in &nodes {
                    self.watch.forget_clock(*node);
                }
                active.hit = nodes
                    .into_iter()
                    .filter(|node| self.nodes.bend(*node, id, Some(bend)))
                    .collect();
                result = Some(bite(false, format!("bent the clocks of {}", list(&active.hit))));
            }
            Resolved::Disk { nodes, defect } => result = self.break_disks(&mut active, id, nodes, defect),
            Resolved::Kill { nodes, crash } => self.begin_kill(&mut active, id, nodes, crash),
            Resolved::Leave { nodes } => {
                active.change = Some(Change::new(id, &nodes, true, now));
                active.hit = nodes;
                active.stage = Stage::Changing { healing: false };
            }
        }
        self.faults.active.insert(id, active);
        match result {
            Some(bite) => self.faults.injected(id, Ok(bite)),
            None => self.tick(now),
        }
    }

    fn begin_kill(&mut self, active: &mut Active, id: u32, nodes: BTreeSet<Node>, crash: Crash) {
        active.hit = nodes
            .into_iter()
            .filter(|node| self.nodes.mark_down(*node, id))
            .collect();
        for &node in &active.hit {
            match crash {
                Crash::Kill => self.nodes.kill(node),
                Crash::LoseUnsynced => self.nodes.crash(node, Command::Crash(Tail::Lost)),
                Crash::TornWrite => self.nodes.crash(node, Command::Crash(Tail::Torn)),
            }
        }
        active.stage = Stage::Killing {
            waiting: active.hit.clone(),
            deadline: active.since + CRASH_LIMIT,
        };
    }

    fn mistreat(&self, id: u32, links: &BTreeSet<Link>, how: Mistreatment, word: &str) -> Bite {
        for &link in links {
            self.links.mistreat(id, link, how);
        }
        bite(false, format!("{word} {} links", links.len()))
    }

    /// Mends a fault; that it is done, or why not, is among [`Faults::done`] then or later.
    pub(super) fn heal(&mut self, id: u32, now: Instant) {
        let Some(active) = self.faults.active.get_mut(&id) else {
            self.faults.healed(id, Err("there is no such fault".to_owned()));
            return;
        };
        if active.stage != Stage::Injected {
            active.heal = true;
            return;
        }
        let (since, hit) = (active.since, active.hit.clone());
        match active.fault.clone() {
            Resolved::Cut { links } | Resolved::Packets { links, .. } => {
                let hits: Vec<(Link, Hits)> = links
                    .into_iter()
                    .map(|link| (link, self.links.heal(id, link)))
                    .collect();
                self.faults.healed(id, Ok(packets_bite(&hits)));
            }
            Resolved::Pause { nodes } => {
                let stuck: BTreeSet<Node> = nodes
                    .into_iter()
                    .filter(|node| !self.nodes.resume(*node, id))
                    .collect();
                if stuck.is_empty() {
                    let result = bite(!hit.is_empty(), self.silence(&hit, since, now));
                    self.faults.healed(id, Ok(result));
                } else {
                    self.faults
                        .healed(id, Err(format!("cannot let {} go on", list(&stuck))));
                }
            }
            Resolved::Clock { nodes, bend } => {
                for &node in &nodes {
                    // A node that is down reads a right clock when it starts.
                    self.nodes.bend(node, id, None);
                }
                let result = self.clock_bite(&hit, bend);
                self.faults.healed(id, Ok(result));
            }
            Resolved::Kill { nodes, .. } => self.restart(id, nodes, now),
            Resolved::Disk { nodes, defect } => self.mend_disks(id, nodes, defect, now),
            Resolved::Leave { nodes } => {
                if let Some(active) = self.faults.active.get_mut(&id) {
                    active.change = Some(Change::new(id, &nodes, false, now));
                    active.stage = Stage::Changing { healing: true };
                }
                self.tick(now);
            }
        }
    }

    fn restart(&mut self, id: u32, nodes: BTreeSet<Node>, now: Instant) {
        let mut waiting = BTreeSet::new();
        for node in nodes {
            if !self.nodes.unmark_down(node, id) {
                // Another fault keeps it down; its healing starts it.
                continue;
            }
            if let Err(error) = self.start_node(node) {
                self.faults
                    .healed(id, Err(format!("cannot start {node} again: {error}")));
                return;
            }
            if self.nodes.http(node).is_none() {
                waiting.insert(node);
            }
        }
        if let Some(active) = self.faults.active.get_mut(&id) {
            active.stage = Stage::Restarting {
                waiting,
                deadline: now + RESTART_LIMIT,
            };
        }
        self.tick(now);
    }

    /// Says how long frozen nodes were silent.
    fn silence(&self, hit: &BTreeSet<Node>, since: Instant, now: Instant) -> String {
        let silent = |node: &Node| {
            let last = self
                .watch
                .answered(*node)
                .map_or(since, |answered| answered.max(since));
            format!("{node} was silent for {:.1} s", (now - last).as_secs_f64())
        };
        if hit.is_empty() {
            return "nobody was there to be frozen".to_owned();
        }
        hit.iter().map(silent).collect::<Vec<_>>().join(", ")
    }

    /// Says how far the clocks were seen to be off.
    fn clock_bite(&self, hit: &BTreeSet<Node>, bend: Bend) -> Bite {
        let ahead: Vec<(Node, i64)> = hit
            .iter()
            .map(|node| (*node, self.watch.wall_ahead_ms(*node)))
            .collect();
        // A drift of a few parts per million may not show in milliseconds; the node was told all the same.
        let subtle = matches!(bend, Bend::Drift { rate_ppm } if rate_ppm.abs() < 10_000);
        let bit = ahead.iter().any(|(_, ahead)| ahead.abs() > 1) || (subtle && !hit.is_empty());
        let words = ahead
            .iter()
            .map(|(node, ahead)| format!("{node}'s clock was off by up to {ahead} ms"));
        bite(bit, words.collect::<Vec<_>>().join(", "))
    }

    /// Takes in what a node said, for the faults that wait for it.
    pub(super) fn fault_heard(&mut self, node: Node, heard: &Heard) {
        for active in self.faults.active.values_mut() {
            if let (Stage::Reading { waiting, .. }, Heard::Exited { asked: true, .. }) =
                (&active.stage, heard)
                && waiting.contains(&node)
            {
                active.refused.insert(node);
            }
            match (&mut active.stage, heard) {
                (
                    Stage::Killing { .. },
                    Heard::Crashing {
                        lost_records,
                        torn_bytes,
                    },
                ) if active.hit.contains(&node) => {
                    active.lost_records += lost_records;
                    active.torn_bytes += torn_bytes;
                }
                // A node that dies again while it starts was started: what it died of is reported as its death.
                (Stage::Killing { waiting, .. } | Stage::Stopping { waiting, .. }, Heard::Exited { .. })
                | (
                    Stage::Reading { waiting, .. } | Stage::Restarting { waiting, .. },
                    Heard::Ready | Heard::Exited { .. },
                ) => {
                    waiting.remove(&node);
                }
                (Stage::Injected, Heard::Slowed | Heard::Exited { asked: true, .. })
                    if active.hit.contains(&node) && active.fault.kind() == kinds::DISK =>
                {
                    active.felt.insert(node);
                }
                _ => {}
            }
        }
    }

    /// Does what it is time to do.
    pub(super) fn tick(&mut self, now: Instant) {
        self.watch.look(now, &self.nodes, &mut self.connections);
        let ids: Vec<u32> = self.faults.active.keys().copied().collect();
        for id in ids {
            self.tick_fault(id, now);
            let stands = |active: &&mut Active| active.heal && active.stage == Stage::Injected;
            if let Some(active) = self.faults.active.get_mut(&id).filter(stands) {
                active.heal = false;
                self.heal(id, now);
            }
        }
        if let Some(repair) = self.faults.repair.as_mut()
            && self.faults.active.is_empty()
        {
            repair.go_on(now, &self.nodes, &self.watch, &mut self.connections);
        }
    }

    fn tick_fault(&mut self, id: u32, now: Instant) {
        let Some(active) = self.faults.active.get_mut(&id) else {
            return;
        };
        match &mut active.stage {
            Stage::Killing { waiting, deadline } | Stage::Stopping { waiting, deadline }
                if !waiting.is_empty() =>
            {
                if now >= *deadline {
                    // Frozen by another fault, perhaps: it cannot crash as it was told to, but it can be killed.
                    *deadline = now + CRASH_LIMIT;
                    for node in waiting.clone() {
                        self.nodes.kill(node);
                    }
                }
            }
            Stage::Killing { .. } if matches!(active.fault, Resolved::Disk { .. }) => {
                self.damage_logs(id, now)
            }
            Stage::Killing { .. } => {
                let result = stopped_bite(active);
                active.stage = Stage::Injected;
                self.faults.injected(id, Ok(result));
            }
            Stage::Stopping { .. } => {
                let nodes = active.hit.clone();
                self.restart(id, nodes, now);
            }
            Stage::Reading { waiting, deadline } => {
                if waiting.is_empty() {
                    let result = stopped_bite(active);
                    active.stage = Stage::Injected;
                    self.faults.injected(id, Ok(result));
                } else if now >= *deadline {
                    let late = list(waiting);
                    let limit = RESTART_LIMIT.as_secs();
                    active.stage = Stage::Injected;
                    self.faults.injected(
                        id,
                        Err(format!(
                            "{late} neither serves nor refuses its log after {limit} s"
                        )),
                    );
                }
            }
            Stage::Restarting { waiting, deadline } => {
                if waiting.is_empty() {
                    let result = stopped_bite(active);
                    self.faults.healed(id, Ok(result));
                } else if now >= *deadline {
                    let late = list(waiting);
                    let limit = RESTART_LIMIT.as_secs();
                    self.faults.healed(
                        id,
                        Err(format!(
                            "{late} started again but does not listen after {limit} s"
                        )),
                    );
                }
            }
            Stage::Changing { healing } => {
                let healing = *healing;
                let Some(change) = &mut active.change else { return };
                let progress = change.go_on(now, &self.nodes, &self.watch, &mut self.connections);
                let result = match progress {
                    Progress::Waiting => return,
                    Progress::Done(evidence) => Ok(bite(true, evidence)),
                    Progress::Failed(why) => Err(why),
                };
                active.change = None;
                active.stage = Stage::Injected;
                if healing {
                    self.faults.healed(id, result);
                } else {
                    self.faults.injected(id, result);
                }
            }
            Stage::Injected => {}
        }
    }
}

fn packets_bite(hits: &[(Link, Hits)]) -> Bite {
    let links: Vec<(Link, u64)> = hits
        .iter()
        .map(|(link, hits)| (*link, hits.total()))
        .filter(|(_, total)| *total > 0)
        .collect();
    let sum = |part: fn(&Hits) -> u64| hits.iter().map(|(_, hits)| part(hits)).sum::<u64>();
    let parts = [
        ("dropped", sum(|hits| hits.dropped)),
        ("delayed", sum(|hits| hits.delayed)),
        ("doubled", sum(|hits| hits.duplicated)),
        ("overtook", sum(|hits| hits.reordered)),
    ];
    let words: Vec<String> = parts
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(word, count)| format!("{word} {count}"))
        .collect();
    let evidence = if words.is_empty() {
        format!("no packet passed on {} links", hits.len())
    } else {
        format!(
            "{} packets on {} of {} links",
            words.join(", "),
            links.len(),
            hits.len()
        )
    };
    Bite {
        bit: !links.is_empty(),
        links,
        evidence,
    }
}

/// What a fault did that kills nodes or breaks their disks.
fn stopped_bite(active: &Active) -> Bite {
    let crash = match &active.fault {
        Resolved::Kill { crash, .. } => crash,
        Resolved::Disk { defect, .. } => return disks::bite_of(active, *defect),
        _ => return Bite::default(),
    };
    let who = list(&active.hit);
    let (lost, torn) = (active.lost_records, active.torn_bytes);
    match crash {
        Crash::Kill => bite(!active.hit.is_empty(), format!("killed {who}")),
        Crash::LoseUnsynced => bite(lost > 0, format!("killed {who}: lost {lost} records")),
        Crash::TornWrite => bite(
            torn > 0,
            format!("killed {who}: lost {lost} records, of which {torn} bytes were left"),
        ),
    }
}
