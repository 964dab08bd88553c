//! Breaks and mends what the runner says.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use perjury_nemesis::{Bend, Crash, Defect, Node, Resolved};
use perjury_runner::Bite;
use perjury_systems::replica::Replica;

use super::{Alarm, Environment};
use crate::world::{Keep, MILLISECOND, below};

/// How long a disk stands still before its node is killed, at least and at most.
const STALL: (u64, u64) = (200 * MILLISECOND, 600 * MILLISECOND);

/// How often it is looked whether there is something to lose by now.
const LOOK: u64 = 50 * MILLISECOND;

/// A node that is to be killed in the middle of a step is killed after this long even if it does nothing.
const DOOM: u64 = 30 * MILLISECOND;

/// A fault in force.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) fault: Resolved,
    /// For kills: nodes still to be killed, with when at the latest.
    pub(super) pending: BTreeMap<Node, u64>,
    /// For kills: nodes to be started again.
    pub(super) down: BTreeSet<Node>,
    pub(super) lost: u64,
    pub(super) told: bool,
    pub(super) healing: bool,
    /// For faults of membership: who really left.
    pub(super) left: BTreeSet<Node>,
    /// For faults of membership: who is still to join again.
    pub(super) outside: VecDeque<Node>,
    /// For faults of membership: somebody was given another's place.
    pub(super) replaced: bool,
    /// Nodes on which something was hit, and how hard.
    pub(super) hits: u64,
}

impl Active {
    fn new(fault: Resolved) -> Self {
        Active {
            fault,
            pending: BTreeMap::new(),
            down: BTreeSet::new(),
            lost: 0,
            told: false,
            healing: false,
            left: BTreeSet::new(),
            outside: VecDeque::new(),
            replaced: false,
            hits: 0,
        }
    }
}

impl<R: Replica> Environment<R> {
    pub(super) fn inject(&mut self, id: u32, fault: Resolved) {
        let mut active = Active::new(fault.clone());
        let mut told = Some(Bite::default());
        match fault {
            Resolved::Cut { links } => {
                for link in links {
                    self.world.afflict(id, link, None);
                }
            }
            Resolved::Packets { links, packets } => {
                for link in links {
                    self.world.afflict(id, link, Some(packets));
                }
            }
            Resolved::Pause { nodes } => {
                for node in nodes {
                    active.hits += u64::from(self.world.pause(node));
                }
                told = Some(bite(
                    active.hits > 0,
                    format!("froze {}", counted(active.hits, "process")),
                ));
            }
            Resolved::Clock { nodes, bend } => {
                for node in nodes {
                    self.world.mend(node);
                    self.world.bend(node, bend);
                }
            }
            Resolved::Disk { nodes, defect } => {
                for node in nodes {
                    match defect {
                        Defect::Slow { fsync_ms } => self.world.slow_disk(node, fsync_ms * MILLISECOND),
                        Defect::Full => self.world.fill_disk(node, true),
                        Defect::FlippedBit => active.hits += u64::from(self.world.rot_disk(node)),
                    }
                }
            }
            Resolved::Kill { nodes, crash } => {
                told = None;
                self.begin_kill(id, &nodes, crash, &mut active);
            }
            Resolved::Leave { .. } => told = None,
        }
        let leaves = matches!(active.fault, Resolved::Leave { .. });
        active.told = told.is_some();
        self.active.insert(id, active);
        if let Some(bite) = told {
            self.injected(id, Ok(bite));
        } else if leaves {
            self.begin_leave(id);
        } else {
            self.tell_killed(id);
        }
    }

    fn begin_kill(&mut self, id: u32, nodes: &BTreeSet<Node>, crash: Crash, active: &mut Active) {
        let now = self.world.now();
        for node in nodes.iter().copied() {
            active.down.insert(node);
            if !self.world.is_up(node) {
                continue;
            }
            match crash {
                Crash::Kill if below(&mut self.rng, 2) == 0 => {
                    active.lost += self.world.kill(node, Keep::Prefix).unwrap_or(0);
                    active.hits += 1;
                }
                Crash::Kill => {
                    self.world.doom(node);
                    let at = now + self.weather.slowed(DOOM);
                    active.pending.insert(node, at);
                    self.world.alarm(at, Alarm::Crash { fault: id, node });
                }
                Crash::LoseUnsynced | Crash::TornWrite => {
                    let (least, most) = (self.weather.slowed(STALL.0), self.weather.slowed(STALL.1));
                    self.world.stall(node, now + most);
                    active.pending.insert(node, now + most);
                    let first = now + self.weather.slowed(LOOK) + below(&mut self.rng, least);
                    self.world.alarm(first, Alarm::Crash { fault: id, node });
                }
            }
        }
    }

    /// A node that is to be killed may be killed now.
    pub(super) fn crash(&mut self, fault: u32, node: Node) {
        let now = self.world.now();
        let Some(active) = self.active.get(&fault) else {
            return;
        };
        let Some(latest) = active.pending.get(&node) else {
            return;
        };
        let Resolved::Kill { crash, .. } = &active.fault else {
            return;
        };
        let keep = match crash {
            // The record that was torn is as good as none.
            Crash::Kill | Crash::TornWrite => Keep::Prefix,
            Crash::LoseUnsynced => Keep::Nothing,
        };
        if *crash != Crash::Kill && now < *latest && self.world.unsynced(node) == 0 {
            self.world.alarm(
                (now + self.weather.slowed(LOOK)).min(*latest),
                Alarm::Crash { fault, node },
            );
            return;
        }
        let lost = self.world.kill(node, keep);
        self.killed_for(fault, node, lost);
    }

    /// A node was killed in the middle of a step.
    pub(super) fn killed(&mut self, node: Node, lost: u64) {
        let waits = self
            .active
            .iter()
            .find(|(_, active)| active.pending.contains_key(&node));
        if let Some(fault) = waits.map(|(id, _)| *id) {
            self.killed_for(fault, node, Some(lost));
        }
    }

    fn killed_for(&mut self, fault: u32, node: Node, lost: Option<u64>) {
        if let Some(active) = self.active.get_mut(&fault) {
            active.pending.remove(&node);
            active.hits += u64::from(lost.is_some());
            active.lost += lost.unwrap_or(0);
        }
        self.tell_killed(fault);
    }

    fn tell_killed(&mut self, fault: u32) {
        let Some(active) = self.active.get_mut(&fault) else {
            return;
        };
        if !active.pending.is_empty() || active.told {
            return;
        }
        active.told = true;
        let bite = kill_bite(active);
        self.injected(fault, Ok(bite));
        if self.active.get(&fault).is_some_and(|active| active.healing) {
            self.start_again(fault);
        }
    }

    pub(super) fn heal(&mut self, id: u32) {
        let Some(active) = self.active.get_mut(&id) else {
            self.healed(id, Ok(Bite::default()));
            return;
        };
        active.healing = true;
        let bite = match active.fault.clone() {
            Resolved::Cut { links } | Resolved::Packets { links, .. } => {
                let mut hit = Bite::default();
                let mut sum = 0;
                for link in links {
                    let count = self.world.hits(id, link);
                    self.world.relieve(id, link);
                    if count > 0 {
                        hit.links.push((link, count));
                        sum += count;
                    }
                }
                hit.bit = sum > 0;
                hit.evidence = format!(
                    "hit {} on {}",
                    counted(sum, "packet"),
                    counted(hit.links.len() as u64, "link")
                );
                hit
            }
            Resolved::Pause { nodes } => {
                let mut waited = 0;
                for node in nodes {
                    waited += self.world.held(node);
                    self.world.resume(node);
                }
                bite(
                    active.hits > 0,
                    format!("{waited} events waited for frozen processes"),
                )
            }
            Resolved::Clock { nodes, bend } => {
                let mut steps = 0;
                for node in &nodes {
                    steps += self.world.mend(*node);
                }
                let how = match bend {
                    Bend::Jump { .. } => "jumped",
                    Bend::Drift { .. } => "drifted",
                    Bend::Strobe { .. } => "flipped",
                };
                bite(steps > 0, format!("{steps} steps by clocks that had {how}"))
            }
            Resolved::Disk { nodes, defect } => return self.mend_disks(id, nodes, defect),
            Resolved::Kill { .. } => {
                if active.pending.is_empty() {
                    self.start_again(id);
                } else {
                    let now = self.world.now();
                    for node in active.pending.clone().into_keys() {
                        if let Some(active) = self.active.get_mut(&id) {
                            active.pending.insert(node, now);
                        }
                        self.crash(id, node);
                    }
                }
                return;
            }
            Resolved::Leave { .. } => return self.begin_join(id),
        };
        self.active.remove(&id);
        self.healed(id, Ok(bite));
    }

    fn mend_disks(&mut self, id: u32, nodes: BTreeSet<Node>, defect: Defect) {
        let mut slow = 0;
        let mut down = BTreeSet::new();
        for node in nodes {
            match defect {
                Defect::Slow { .. } => slow += self.world.hasten_disk(node),
                Defect::Full => self.world.fill_disk(node, false),
                Defect::FlippedBit => self.world.restore_disk(node),
            }
            if defect.stops() && !self.world.is_up(node) && !self.world.is_dead(node) {
                down.insert(node);
            }
        }
        let Some(active) = self.active.get_mut(&id) else {
            return;
        };
        match defect {
            Defect::Slow { .. } => active.hits = slow,
            Defect::Full => active.hits = down.len() as u64,
            // It was counted when it was damaged.
            Defect::FlippedBit => {}
        }
        active.down = down;
        self.start_again(id);
    }

    fn start_again(&mut self, id: u32) {
        let Some(active) = self.active.get_mut(&id) else {
            return;
        };
        active.down.retain(|node| !self.world.is_up(*node));
        for node in active.down.clone() {
            self.world.start(node, 0);
        }
        self.tell_started(id);
    }

    /// A node is up again, or will never be.
    pub(super) fn restarted(&mut self, node: Node) {
        let mut waiting = Vec::new();
        for (id, active) in &mut self.active {
            let stopped = matches!(active.fault, Resolved::Kill { .. } | Resolved::Disk { .. });
            if stopped && active.healing && active.down.remove(&node) {
                waiting.push(*id);
            }
        }
        for id in waiting {
            self.tell_started(id);
        }
    }

    fn tell_started(&mut self, id: u32) {
        if let Some(active) = self.active.get(&id)
            && active.down.is_empty()
            && active.pending.is_empty()
        {
            let bite = match active.fault {
                Resolved::Disk { defect, .. } => disk_bite(active.hits, defect),
                _ => kill_bite(active),
            };
            self.active.remove(&id);
            self.healed(id, Ok(bite));
        }
    }
}

fn bite(bit: bool, evidence: String) -> Bite {
    Bite {
        bit,
        links: Vec::new(),
        evidence,
    }
}

/// `1 process`, `3 processes`.
pub(super) fn counted(number: u64, one: &str) -> String {
    match (number, one.ends_with('s')) {
        (1, _) => format!("1 {one}"),
        (_, true) => format!("{number} {one}es"),
        (_, false) => format!("{number} {one}s"),
    }
}

fn disk_bite(hits: u64, defect: Defect) -> Bite {
    let evidence = match defect {
        Defect::Slow { .. } => format!("{} took longer", counted(hits, "fsync")),
        Defect::Full => format!("{} stopped for want of space on disk", counted(hits, "node")),
        Defect::FlippedBit => format!("a bit flipped in {}", counted(hits, "log")),
    };
    bite(hits > 0, evidence)
}

fn kill_bite(active: &Active) -> Bite {
    let has_to_lose = matches!(
        active.fault,
        Resolved::Kill {
            crash: Crash::LoseUnsynced | Crash::TornWrite,
            ..
        }
    );
    let bit = active.hits > 0 && (!has_to_lose || active.lost > 0);
    bite(
        bit,
        format!(
            "killed {}, which lost {}",
            counted(active.hits, "process"),
            counted(active.lost, "write")
        ),
    )
}
