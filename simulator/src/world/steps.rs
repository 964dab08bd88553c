//! Steps of nodes: what brings them about, and how what they want done is carried out.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use perjury_nemesis::{Node, stream};
use perjury_systems::api::Request;
use perjury_systems::breach::Breach;
use perjury_systems::context::Output;
use perjury_systems::driver::{Clocks, Driver};
use perjury_systems::replica::{Event, Lsn, NodeId, Replica, RequestId};

use super::chance::{MILLION, below, heavy_tailed_of, mixed};
use super::network::Broken;
use super::node::Machine;
use super::{Happened, Keep, MICROSECOND, MILLISECOND, Note, Planned, Strike, Topic, World, variant};
use crate::score::{Cue, Score, Turn, What, effect};
use crate::script::Blow;

impl<R: Replica, A> World<R, A> {
    pub(super) fn look_at_timers(&mut self, place: usize) -> Happened<A> {
        let now = self.now;
        let machine = &mut self.machines[place];
        // A look that was planned for an earlier incarnation, or that a nearer one replaced.
        if machine.looks_at != now || machine.driver.is_none() {
            return Happened::Nothing;
        }
        machine.looks_at = u64::MAX;
        let due = machine.driver.as_ref().and_then(Driver::next_timer);
        if due.is_none_or(|due| machine.clock.when(due) > now) {
            self.plan_look(place);
            return Happened::Nothing;
        }
        if self.play.as_ref().is_some_and(|play| !play.permits(place)) {
            return Happened::Nothing;
        }
        self.describe(place, Topic::Work, |_| "a timer runs out".to_owned());
        if let Some(play) = &mut self.play {
            play.fired(place);
        }
        if let Some(recording) = &mut self.recording {
            recording.timers.push((now, Node(place as u16 + 1)));
        }
        self.cue(place, What::Timers);
        self.step(place, Driver::fire)
    }

    /// The connection of two nodes breaks.
    pub(super) fn disconnect(&mut self, one: usize, other: usize) {
        self.network.disconnect(self.now, one, other);
        self.plan_disconnected();
    }

    fn plan_disconnected(&mut self) {
        for Broken { at, node, peer } in self.network.broken.drain(..) {
            let (node, peer) = (node as u16, peer as u16);
            self.agenda.plan(at, Planned::Disconnected { node, peer });
        }
    }

    pub(super) fn disconnected(&mut self, place: usize, peer: usize) -> Happened<A> {
        self.network.told(self.now, place, peer);
        if self.machines[place].driver.is_none() {
            return Happened::Nothing;
        }
        let peer = NodeId(peer as u16 + 1);
        self.describe(place, Topic::Work, |_| {
            format!("loses its connection with {peer}")
        });
        self.cue(place, What::Disconnected { peer });
        self.step(place, |driver, clocks, out| {
            driver.disconnected(peer, clocks, out)
        })
    }

    pub(super) fn synced(&mut self, place: usize, incarnation: u32, lsn: Lsn) -> Happened<A> {
        let now = self.now;
        let machine = &mut self.machines[place];
        if machine.incarnation != incarnation || machine.driver.is_none() {
            return Happened::Nothing;
        }
        if machine.disk.stalled_until > now {
            let node = place as u16;
            let at = machine.disk.stalled_until;
            self.agenda.plan(
                at,
                Planned::Synced {
                    node,
                    incarnation,
                    lsn,
                },
            );
            return Happened::Nothing;
        }
        if std::mem::take(&mut machine.disk.fails_sync) {
            // What it said is not to be trusted any more, so it stops and is not asked again (Rebello et al., ATC 2020).
            self.describe(place, Topic::Fault, |_| "has an fsync that fails".to_owned());
            self.kill_at(place, Keep::Prefix);
            return Happened::Nothing;
        }
        machine.disk.end_sync(lsn);
        self.describe(place, Topic::Work, |_| {
            format!("its log is durable up to {}", lsn.0)
        });
        self.cue(place, What::Durable { lsn });
        self.step(place, |driver, clocks, out| driver.durable(lsn, clocks, out))
    }

    pub(super) fn asked(&mut self, place: usize, ticket: u64, request: Request) -> Happened<A> {
        let machine = &mut self.machines[place];
        if machine.driver.is_none() {
            self.notes.push(Note::Refused { ticket });
            return Happened::Nothing;
        }
        let id = RequestId(machine.next_request);
        machine.next_request += 1;
        machine.waiting.insert(id.0, ticket);
        self.describe(place, Topic::Work, |_| format!("is asked: {:?}", request.command));
        if self.score.is_some() {
            let request = request.clone();
            self.cue(place, What::Request { ticket, request });
        }
        self.step(place, |driver, clocks, out| {
            driver.step(Event::Request { id, request }, clocks, out);
        })
    }

    pub(super) fn boot<B>(&mut self, place: usize, incarnation: u32) -> Happened<B> {
        let now = self.now;
        let machine = &mut self.machines[place];
        if machine.driver.is_some() || machine.dead || machine.barred || machine.incarnation != incarnation {
            return Happened::Nothing;
        }
        machine.clock.restart(now, incarnation);
        machine.incarnation += 1;
        let me = NodeId(place as u16 + 1);
        let rng = stream(self.seed, &format!("node/{}/{incarnation}", place + 1));
        let clocks = machine.clock.read(now);
        if machine.disk.is_rotten() {
            if !R::starts_from_damaged_log(&self.cluster) {
                // It refuses to start, as it should, until the record is restored.
                return Happened::Nothing;
            }
            machine.disk.end_at_damage();
            // The replica itself cannot count this: there is none yet.
            machine.counts.reached += 1;
            machine.counts.differed += 1;
        }
        let durable = machine.disk.read();
        if incarnation > 0
            && let Some(recording) = &mut self.recording
        {
            recording.mishaps.push((now, Node(me.0), Blow::Start));
        }
        self.describe(place, Topic::Fault, |_| {
            format!("starts with {} durable writes", durable.end.0)
        });
        self.cue(place, What::Boot);
        let cluster = &self.cluster;
        let mut out = std::mem::take(&mut self.out);
        out.clear();
        let recovered = catch_unwind(AssertUnwindSafe(|| {
            Driver::recover(cluster, me, durable, rng, clocks, &mut out)
        }));
        self.out = out;
        self.view_changed = true;
        match recovered {
            Ok(driver) => {
                self.machines[place].driver = Some(driver);
                self.notes.push(Note::Booted { node: Node(me.0) });
                self.after_step(place)
            }
            Err(_) => self.died(place, "panicked when it started".to_owned()),
        }
    }

    pub(super) fn step(
        &mut self,
        place: usize,
        what: impl FnOnce(&mut Driver<R>, Clocks, &mut Vec<Output<R>>),
    ) -> Happened<A> {
        self.out.clear();
        match self.machines[place].drive(self.now, &mut self.out, what) {
            Ok(()) => self.after_step(place),
            Err(reason) => self.died(place, reason),
        }
    }

    pub(super) fn died<B>(&mut self, place: usize, reason: String) -> Happened<B> {
        self.out.clear();
        if let Some(turn) = self.score.as_mut().and_then(Score::last_turn) {
            turn.dies = true;
        }
        self.kill_at(place, Keep::Prefix);
        if let Some(recording) = &mut self.recording {
            recording.mishaps.pop();
        }
        self.machines[place].dead = true;
        let node = Node(place as u16 + 1);
        self.notes.push(Note::Died { node, reason });
        Happened::Nothing
    }

    /// Carries out what a step wants done, unless the node is struck in the middle of it.
    pub(super) fn after_step<B>(&mut self, place: usize) -> Happened<B> {
        let node = Node(place as u16 + 1);
        self.observe(place);
        self.cued(place);
        let mut out = std::mem::take(&mut self.out);
        let mut carried_out = 0u64;
        let mut doom = None;
        if self.machines[place].doomed && !out.is_empty() {
            let machine = &mut self.machines[place];
            doom = Some(below(&mut machine.rng, out.len() as u64 + 1));
        }
        let mut alive = true;
        let mut damage = None;
        let mut keep = if doom.is_some() {
            Keep::Nothing
        } else {
            Keep::Prefix
        };
        let watched = self.watches();
        for output in &mut out {
            if doom == Some(carried_out) {
                alive = false;
            }
            let strike = if watched { self.strikes(node, output) } else { None };
            if let Some((_, Strike::KillBefore)) = strike {
                alive = false;
                keep = Keep::Nothing;
            }
            if let Some((trigger, Strike::CutOff | Strike::CutOffLeader)) = strike {
                self.cut_off(trigger);
            }
            if matches!(output, Output::Write { .. }) && self.machines[place].disk.full {
                self.describe(place, Topic::Fault, |_| "has no room left on its disk".to_owned());
                alive = false;
            }
            if !alive {
                break;
            }
            self.carry_out(place, output);
            carried_out += 1;
            match strike {
                Some((_, Strike::FailSync)) => self.machines[place].disk.fails_sync = true,
                Some((_, Strike::FillDisk)) => self.machines[place].disk.full = true,
                Some((_, Strike::KillAfter)) => {
                    alive = false;
                    break;
                }
                Some((_, Strike::Rot | Strike::Wipe)) => {
                    alive = false;
                    damage = strike.map(|(_, strike)| strike);
                    break;
                }
                Some((_, Strike::Pause)) => {
                    self.machines[place].paused = true;
                    self.view_changed = true;
                }
                _ => {}
            }
        }
        out.clear();
        self.out = out;
        if doom.is_some() {
            alive = false;
        }
        if !alive {
            if let Some(turn) = self.score.as_mut().and_then(Score::last_turn) {
                turn.done = Some(carried_out);
            }
            self.kill_at(place, keep);
            if doom.is_none()
                && let Some(recording) = &mut self.recording
            {
                // The trigger strikes again.
                recording.mishaps.pop();
            }
            if let Some(damage) = damage {
                self.damage(place, damage);
                if self.machines[place].disk.is_rotten() {
                    // Whoever reads a damaged log carelessly starts all the same.
                    self.start(node, 0);
                }
            }
            return Happened::Stepped(node);
        }
        self.begin_sync(place);
        if !self.traces.is_empty() && self.machines[place].look() {
            self.view_changed = true;
        }
        self.plan_look_if_armed(place);
        Happened::Stepped(node)
    }

    /// Takes down that a node is about to do something, if somebody wants to know.
    pub(super) fn cue(&mut self, place: usize, what: What) {
        if let Some(score) = &mut self.score {
            let turn = Turn {
                node: Node(place as u16 + 1),
                clocks: self.machines[place].clock.read(self.now),
                what,
                done: None,
                effect: 0,
                dies: false,
            };
            score.cues.push((self.now, Cue::Turn(turn)));
        }
    }

    /// Takes down what it wants done.
    fn cued(&mut self, place: usize) {
        if let Some(turn) = self.score.as_mut().and_then(Score::last_turn)
            && let Some(driver) = &self.machines[place].driver
        {
            turn.effect = effect(&self.out, driver.replica());
        }
    }

    /// Has the invariants checked: before anything that the step wants done is done, since a node that is killed
    /// in the middle has made the step all the same.
    pub(super) fn observe(&mut self, place: usize) {
        for output in &self.out {
            if let Output::Trace(trace) = output {
                self.traces.push(trace.clone());
            }
        }
        if let Some(driver) = &self.machines[place].driver
            && self.breach.is_none()
        {
            let me = NodeId(place as u16 + 1);
            let seen = self
                .watch
                .observe(me, driver.replica(), &self.traces, driver.durable_until());
            if let Err(breach) = seen {
                self.breach = Some(breach);
            }
        }
    }

    /// Has the invariants checked in full, which is slow.
    pub(crate) fn checkpoint(&mut self) {
        let replicas = replicas(&self.machines);
        if self.breach.is_none() {
            self.breach = self.watch.full(&replicas).err();
        }
    }

    /// Within which time a cluster of which nothing is asked has to be at rest, if anything is promised of it then.
    pub(crate) fn rests_within(&self) -> Option<Duration> {
        self.watch.rests_within()
    }

    /// Whether it is.
    pub(crate) fn at_rest(&mut self) -> Result<(), Breach> {
        self.watch.at_rest(&replicas(&self.machines))
    }

    fn carry_out(&mut self, place: usize, output: &mut Output<R>) {
        // Whatever it is, all of it is moved out, so that it can go straight to where it is kept.
        match std::mem::replace(output, Output::Release(Lsn(0))) {
            Output::Write { lsn, what } => {
                self.hash.word(lsn.0);
                self.machines[place].disk.write(lsn, what);
            }
            Output::Release(before) => self.machines[place].disk.release(before),
            Output::Send { to, message } => self.send(place, to, message),
            Output::Reply { id, response } => {
                self.hash.mix(&response);
                self.describe(place, Topic::Work, |_| format!("answers: {:?}", response.result));
                if let Some(ticket) = self.machines[place].waiting.remove(&id.0) {
                    self.notes.push(Note::Reply { ticket, response });
                }
            }
            Output::Trace(trace) => {
                self.hash.mix(&trace);
                self.describe(place, Topic::Step, |_| format!("{trace:?}"));
            }
        }
    }

    fn send(&mut self, place: usize, to: NodeId, message: R::Message) {
        self.hash.word(u64::from(to.0));
        self.hash.mix(&message);
        let target = usize::from(to.0).wrapping_sub(1);
        if target >= self.machines.len() || target == place {
            return;
        }
        let arrivals = match &mut self.play {
            Some(play) => play.send(self.now, place, target, variant(&message)),
            None => self.network.send(self.now, place, target),
        };
        let nth = match &mut self.recording {
            Some(recording) => recording.sent(place, target, variant(&message), arrivals),
            None => 0,
        };
        self.describe(place, Topic::Message, |_| {
            let lost = if arrivals == [None, None] { " (lost)" } else { "" };
            format!("sends to {to}{lost}: {message:?}")
        });
        let (from, to) = (place as u16, target as u16);
        if let Some(post) = &mut self.post {
            post.sent(self.now, from, to, &message, arrivals, self.network.held_back);
        }
        self.plan_disconnected();
        let life = self.machines[target].incarnation;
        let mut deliver = |at, message| {
            let letter = self.letters.put(message);
            let planned = Planned::Deliver {
                from,
                to,
                life,
                nth,
                letter,
            };
            self.agenda.plan(at, planned);
        };
        match arrivals {
            [Some(at), None] => deliver(at, message),
            [Some(at), Some(again)] => {
                let copy = message.clone();
                deliver(at, message);
                deliver(again, copy);
            }
            [None, _] => {}
        }
    }

    pub(super) fn begin_sync(&mut self, place: usize) {
        let machine = &mut self.machines[place];
        let Some(lsn) = machine.disk.begin_sync() else {
            return;
        };
        if let Some(post) = &mut self.post {
            post.syncs.push((self.now, Node(place as u16 + 1)));
        }
        let weather = if self.calm { &self.calmed } else { &self.weather };
        // How long it takes depends on nothing but which fsync it is.
        machine.syncs += 1;
        let which = (u64::from(machine.incarnation) << 32) + machine.syncs;
        let drawn = |what| mixed([self.seed, place as u64, which, what]);
        let mut takes =
            weather.fsync_us * MICROSECOND + heavy_tailed_of(drawn(0), weather.fsync_jitter_us * MICROSECOND);
        if !self.calm && weather.stall_ppm > 0 && drawn(1) % MILLION < u64::from(weather.stall_ppm) {
            takes += drawn(2) % (u64::from(weather.stall_ms) * MILLISECOND).max(1);
        }
        if machine.disk.slowed_by > 0 {
            machine.disk.slow_syncs += 1;
            takes += machine.disk.slowed_by / 2 + drawn(3) % machine.disk.slowed_by;
        }
        let at = (self.now + takes.max(1)).max(machine.disk.stalled_until);
        let (node, incarnation) = (place as u16, machine.incarnation);
        self.agenda.plan(
            at,
            Planned::Synced {
                node,
                incarnation,
                lsn,
            },
        );
    }

    /// After a step: only what it armed can run out before the look that is planned.
    fn plan_look_if_armed(&mut self, place: usize) {
        let machine = &mut self.machines[place];
        let Some(driver) = &mut machine.driver else {
            return;
        };
        let armed = driver.newly_armed();
        let none_planned = machine.looks_at == u64::MAX;
        if none_planned || armed.is_some_and(|due| machine.clock.when(due) < machine.looks_at) {
            self.plan_look(place);
        }
    }

    /// Makes sure that somebody looks when the node's next timer runs out. A look that comes too early is planned
    /// anew, so that a timer that is put off over and over again costs one look a period.
    pub(super) fn plan_look(&mut self, place: usize) {
        if self.play.as_ref().is_some_and(|play| !play.permits(place)) {
            return;
        }
        let machine = &mut self.machines[place];
        let Some(due) = machine.driver.as_ref().and_then(Driver::next_timer) else {
            return;
        };
        let at = machine.clock.when(due).max(self.now + 1);
        if at < machine.looks_at {
            machine.looks_at = at;
            self.agenda.plan(at, Planned::Look { node: place as u16 });
        }
    }
}

/// The nodes that run.
fn replicas<R: Replica>(machines: &[Machine<R>]) -> BTreeMap<NodeId, &R> {
    let numbered = (1..).map(NodeId).zip(machines);
    numbered
        .filter_map(|(node, machine)| Some((node, machine.driver.as_ref()?.replica())))
        .collect()
}
