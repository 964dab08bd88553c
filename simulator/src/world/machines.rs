//! What befalls machines: they are started, killed, frozen; their disks stand still, their clocks are bent.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use perjury_nemesis::{Bend, Node};
use perjury_systems::driver::Driver;
use perjury_systems::replica::{NodeId, Replica};

use super::chance::below;
use super::{Happened, Keep, MILLISECOND, Note, Planned, Strike, Topic, World};
use crate::score::Cue;
use crate::script::Blow;

impl<R: Replica, A> World<R, A> {
    /// A disk is damaged while its node is down, within what the protocol claims to survive.
    pub(super) fn damage(&mut self, place: usize, damage: Strike) {
        let node = NodeId(place as u16 + 1);
        if !self.survives_a_lost_disk || !self.votes_without(Node(node.0)) {
            return;
        }
        let others = || {
            self.machines
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != place)
        };
        match damage {
            Strike::Rot if others().all(|(_, machine)| !machine.disk.is_rotten() && !machine.wiped) => {
                self.rot(place);
            }
            Strike::Wipe if self.machines.len() > 2 && self.machines.iter().all(|machine| !machine.wiped) => {
                if self.machines.iter().any(|machine| machine.disk.is_rotten()) {
                    return;
                }
                let machine = &mut self.machines[place];
                machine.wiped = true;
                machine.disk.wipe();
                self.watch.wiped(node);
                if let Some(score) = &mut self.score {
                    score.cues.push((self.now, Cue::Wipe { node: Node(node.0) }));
                }
                self.describe(place, Topic::Fault, |_| "loses its disk".to_owned());
            }
            _ => {}
        }
    }

    /// Whether in every configuration that any node knows a majority has a vote without this node.
    fn votes_without(&self, node: Node) -> bool {
        let votes = |voter: &&Node| **voter != node && self.has_a_vote(**voter);
        let configurations = self.configurations();
        let mut needed = configurations.iter().filter(|voters| voters.contains(&node));
        needed.all(|voters| 2 * voters.iter().filter(votes).count() > voters.len())
    }

    /// The node that lost its disk, and two voters of which it is one, if it never got its vote back: a change of the
    /// members that was under way made them the only ones, and no protocol decides anything without either.
    pub(crate) fn lost_and_needed(&self) -> Option<(Node, Vec<Node>)> {
        let wiped = |node: &Node| self.machine(*node).wiped;
        let lost = self.nodes().find(wiped)?;
        if self.seen_by(lost, R::may_vote).unwrap_or_default() {
            return None;
        }
        sparing_none(lost, self.configurations()).map(|voters| (lost, voters))
    }

    /// A node is not started until it is unbarred.
    pub(crate) fn bar(&mut self, node: Node) {
        self.machine_mut(node).barred = true;
    }

    /// A node may be started again.
    pub(crate) fn unbar(&mut self, node: Node) {
        self.machine_mut(node).barred = false;
    }

    /// Whether a node ended by itself.
    pub(crate) fn is_dead(&self, node: Node) -> bool {
        self.machine(node).dead
    }

    /// Who votes, in each configuration that any node knows of.
    pub(crate) fn configurations(&self) -> BTreeSet<Vec<Node>> {
        let known = |node| self.configurations_known_to(node);
        self.nodes().flat_map(known).collect()
    }

    /// Those who vote in each configuration that a node knows; if it does not run, as it would know if it were started.
    pub(crate) fn configurations_known_to(&self, node: Node) -> Vec<Vec<Node>> {
        let nodes = |voters: Vec<NodeId>| voters.into_iter().map(|voter| Node(voter.0)).collect();
        let configurations = self.seen_by(node, R::quorums_of).unwrap_or_default();
        configurations.into_iter().map(nodes).collect()
    }

    /// Whether a node has a vote in a majority that it is needed for: its disk is known, and was never lost.
    pub(crate) fn has_a_vote(&self, node: Node) -> bool {
        !self.machine(node).wiped && self.seen_by(node, R::may_vote).unwrap_or_default()
    }

    /// What a node knows; if it does not run, as it would know if it were started, and nothing if it would not start.
    fn seen_by<T>(&self, node: Node, see: impl Fn(&R) -> T) -> Option<T> {
        let machine = self.machine(node);
        if let Some(driver) = &machine.driver {
            return Some(see(driver.replica()));
        }
        let rng = machine.rng.clone();
        let clocks = machine.clock.read(self.now);
        let mut out = Vec::new();
        // What it would do does not happen.
        let recovered = catch_unwind(AssertUnwindSafe(|| {
            Driver::<R>::recover(
                &self.cluster,
                NodeId(node.0),
                machine.disk.read(),
                rng,
                clocks,
                &mut out,
            )
        }));
        recovered.ok().map(|driver| see(driver.replica()))
    }

    /// Starts a node's process, `after` nanoseconds from now besides the time that it takes.
    pub(crate) fn start(&mut self, node: Node, after: u64) {
        let boot = u64::from(self.weather.boot_ms) * MILLISECOND;
        let incarnation = self.machine(node).incarnation;
        let takes = boot / 2 + below(&mut self.machine_mut(node).rng, boot);
        let at = self.now + after + takes;
        self.agenda.plan(
            at,
            Planned::Boot {
                node: node.0 - 1,
                incarnation,
            },
        );
    }

    /// Kills a node's process, if it runs. Says how many writes were lost.
    pub(crate) fn kill(&mut self, node: Node, keep: Keep) -> Option<u64> {
        let place = usize::from(node.0) - 1;
        self.machines[place].driver.as_ref()?;
        self.kill_at(place, keep);
        match self.notes.pop() {
            Some(Note::Killed { lost, .. }) => Some(lost),
            _ => None,
        }
    }

    pub(super) fn kill_at(&mut self, place: usize, keep: Keep) {
        let machine = &mut self.machines[place];
        let kept = match keep {
            Keep::Nothing => 0,
            Keep::Prefix => {
                let unsynced = machine.disk.unsynced();
                below(&mut machine.rng, unsynced + 1)
            }
        };
        if let Some(recording) = &mut self.recording {
            let what = Blow::Crash { keeps: kept };
            recording
                .mishaps
                .push((self.now + 1, Node(place as u16 + 1), what));
        }
        self.end_process(place, kept);
    }

    /// What befalls a machine in a script.
    pub(super) fn befall<B>(&mut self, place: usize, what: Blow) -> Happened<B> {
        match what {
            Blow::Crash { keeps } if self.machines[place].driver.is_some() => self.end_process(place, keeps),
            Blow::Start => {
                let incarnation = self.machines[place].incarnation;
                return self.boot(place, incarnation);
            }
            Blow::Stall { for_ns } => {
                let until = self.now + for_ns;
                self.stall(Node(place as u16 + 1), until);
            }
            Blow::Crash { .. } => {}
        }
        Happened::Nothing
    }

    /// The process ends; of what was not durable, so many writes survive.
    fn end_process(&mut self, place: usize, kept: u64) {
        if let Some(score) = &mut self.score {
            let node = Node(place as u16 + 1);
            score.cues.push((self.now, Cue::Kill { node, keeps: kept }));
        }
        let machine = &mut self.machines[place];
        let lost = machine.disk.crash(kept);
        for ticket in machine.stop() {
            self.notes.push(Note::Reset { ticket });
        }
        machine.claim = None;
        if self.network.connected {
            for peer in (0..self.machines.len()).filter(|peer| *peer != place) {
                self.disconnect(place, peer);
            }
        }
        self.watch.stopped(NodeId(place as u16 + 1));
        for held in std::mem::take(&mut self.held[place]) {
            match held {
                Planned::Ask { ticket, .. } => self.notes.push(Note::Reset { ticket }),
                Planned::Boot { .. } | Planned::Disconnected { .. } => self.agenda.plan(self.now, held),
                Planned::Deliver { letter, .. } => drop(self.letters.take(letter)),
                _ => {}
            }
        }
        self.view_changed = true;
        let node = Node(place as u16 + 1);
        self.describe(place, Topic::Fault, |_| {
            format!("is killed and loses {lost} writes")
        });
        self.notes.push(Note::Killed { node, lost });
    }

    /// Kills a node in the middle of its next step: some of what the step wants done is done. Nothing that was not
    /// durable survives.
    pub(crate) fn doom(&mut self, node: Node) {
        self.machine_mut(node).doomed = true;
    }

    /// How many writes of a node are not durable.
    pub(crate) fn unsynced(&self, node: Node) -> u64 {
        self.machine(node).disk.unsynced()
    }

    /// A node's disk stands still until `until`.
    pub(crate) fn stall(&mut self, node: Node, until: u64) {
        if let Some(recording) = &mut self.recording {
            let for_ns = until - self.now;
            recording.mishaps.push((self.now, node, Blow::Stall { for_ns }));
        }
        let disk = &mut self.machine_mut(node).disk;
        disk.stalled_until = disk.stalled_until.max(until);
    }

    /// Each fsync of a node takes so much longer from now on, on average, in nanoseconds.
    pub(crate) fn slow_disk(&mut self, node: Node, by: u64) {
        self.machine_mut(node).disk.slowed_by = by;
    }

    /// A node's fsyncs take as long as usual. Says how many took longer.
    pub(crate) fn hasten_disk(&mut self, node: Node) -> u64 {
        let disk = &mut self.machine_mut(node).disk;
        disk.slowed_by = 0;
        std::mem::take(&mut disk.slow_syncs)
    }

    /// A node's disk is full, or has room again: while it is full, the next write stops the node.
    pub(crate) fn fill_disk(&mut self, node: Node, full: bool) {
        self.machine_mut(node).disk.full = full;
    }

    /// A node is killed, a record of its log rots, and it is started again. Says whether there was one that it needs.
    pub(crate) fn rot_disk(&mut self, node: Node) -> bool {
        let ran = self.kill(node, Keep::Prefix).is_some();
        if ran && let Some(recording) = &mut self.recording {
            // The fault is in the plan that goes with the script.
            recording.mishaps.pop();
        }
        let rots = !self.machine(node).disk.is_rotten() && self.rot(usize::from(node.0) - 1);
        if ran {
            self.start(node, 0);
        }
        rots
    }

    fn rot(&mut self, place: usize) -> bool {
        if let Some(score) = &mut self.score {
            score.obstacle = Some("a record of a log rots");
        }
        let machine = &mut self.machines[place];
        machine.disk.rot(&mut machine.rng)
    }

    /// What rotted on a node's disk can be read again.
    pub(crate) fn restore_disk(&mut self, node: Node) {
        self.machine_mut(node).disk.restore();
    }

    /// Freezes a node's process. Its clocks go on, and what comes for it waits.
    pub(crate) fn pause(&mut self, node: Node) -> bool {
        let machine = self.machine_mut(node);
        let freezes = machine.driver.is_some() && !machine.paused;
        if freezes {
            machine.paused = true;
            self.view_changed = true;
        }
        freezes
    }

    /// A frozen node goes on: what waited for it comes at once, in order, timers among it at a random place.
    pub(crate) fn resume(&mut self, node: Node) {
        let place = usize::from(node.0) - 1;
        if !std::mem::take(&mut self.machines[place].paused) {
            return;
        }
        self.view_changed = true;
        let now = self.now;
        let held = std::mem::take(&mut self.held[place]);
        let timers = below(&mut self.machines[place].rng, held.len() as u64 + 1);
        let mut planned_look = false;
        for (position, waits) in (0u64..).zip(held) {
            if position == timers {
                planned_look = true;
                self.look_now(place);
            }
            if !matches!(waits, Planned::Look { .. }) {
                self.agenda.plan(now, waits);
            }
        }
        if !planned_look {
            self.look_now(place);
        }
    }

    fn look_now(&mut self, place: usize) {
        self.machines[place].looks_at = self.now;
        self.agenda.plan(self.now, Planned::Look { node: place as u16 });
    }

    /// How much came for a frozen node.
    pub(crate) fn held(&self, node: Node) -> usize {
        self.held[usize::from(node.0) - 1].len()
    }

    /// Bends a node's clocks.
    pub(crate) fn bend(&mut self, node: Node, bend: Bend) {
        let now = self.now;
        let machine = self.machine_mut(node);
        machine.clock.bend(now, bend);
        self.replan(node);
    }

    /// Sets a node's clocks right. Says how many steps it did with them bent.
    pub(crate) fn mend(&mut self, node: Node) -> u64 {
        let now = self.now;
        self.machine_mut(node).clock.mend(now);
        self.replan(node)
    }

    /// A clock's rate changed, so timers run out at other times.
    fn replan(&mut self, node: Node) -> u64 {
        let place = usize::from(node.0) - 1;
        self.machines[place].looks_at = u64::MAX;
        self.plan_look(place);
        std::mem::take(&mut self.machines[place].steps_on_clock)
    }
}

/// The voters that decide nothing without this one, whatever the others do.
fn sparing_none(node: Node, configurations: BTreeSet<Vec<Node>>) -> Option<Vec<Node>> {
    let few = |voters: &Vec<Node>| voters.len() <= 2 && voters.contains(&node);
    configurations.into_iter().find(few)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_voters_can_spare_neither() {
        let configurations = |all: &[&[u16]]| -> BTreeSet<Vec<Node>> {
            let nodes = |voters: &&[u16]| voters.iter().map(|node| Node(*node)).collect();
            all.iter().map(nodes).collect()
        };
        let shrinking = configurations(&[&[1, 3, 4], &[3, 4]]);
        let two = vec![Node(3), Node(4)];
        assert_eq!(sparing_none(Node(3), shrinking.clone()), Some(two));
        assert_eq!(sparing_none(Node(1), shrinking), None);
        assert_eq!(sparing_none(Node(3), configurations(&[&[1, 3, 4]])), None);
    }
}
