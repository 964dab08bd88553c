//! One node: the code that ships, its disk, and what it did before. A step is one event handled to its end.

use std::fmt::Write;
use std::time::Duration;

use perjury_systems::breach::Breach;
use perjury_systems::context::{Output, Written};
use perjury_systems::driver::{Clocks, Driver};
use perjury_systems::replica::{Cluster, Durable, Event, Lsn, NodeId, RequestId};
use perjury_systems::{Request, Response};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::bounds::{Bounds, Disk};
use super::system::{Explored, Observed, Pace};

/// Time stands still, at a moment that is not the beginning of time.
const CLOCKS: Clocks = (Duration::from_secs(1000), Duration::from_secs(1000));

/// What is the same for all nodes and states.
#[derive(Debug)]
pub(super) struct World {
    pub(super) cluster: Cluster,
    pub(super) bounds: Bounds,
}

/// What happens to a node.
#[derive(Clone, Debug)]
pub(super) enum Happens<R: Explored> {
    /// A message arrives.
    Message(NodeId, R::Message),
    /// A timer runs out.
    Timer(R::Timer),
    /// A client's request arrives.
    Request(RequestId, Request),
    /// An fsync makes everything durable.
    Sync,
    /// The process ends; so many of the writes that were not durable survive. It starts again at once, since a node
    /// that is down is one to which nothing happens.
    Crash(usize),
}

/// A node.
#[derive(Clone, Debug)]
pub(super) struct Machine<R: Explored> {
    driver: Driver<R>,
    disk: Durable<R::Record>,
    tail: Vec<(Lsn, Written<R>)>,
    pub(super) own: R::Own,
    /// How often it crashed: what a node draws differs from one incarnation to the next.
    incarnation: u8,
}

/// What a step did.
#[derive(Debug)]
pub(super) struct Stepped<R: Explored> {
    pub(super) machine: Machine<R>,
    pub(super) sent: Vec<(NodeId, R::Message)>,
    pub(super) answers: Vec<(RequestId, Response)>,
    /// The replica each time it was called, with what it recorded, and how far its log was durable.
    pub(super) glimpses: Vec<Glimpse<R>>,
    /// What the node's own past says against it.
    pub(super) breach: Option<Breach>,
}

/// A replica right after it was called.
#[derive(Debug)]
pub(super) struct Glimpse<R: Explored> {
    /// What was known of the node before.
    pub(super) before: R::Own,
    pub(super) replica: R,
    pub(super) traces: Vec<R::Trace>,
    pub(super) durable: Lsn,
    /// The node's process had ended before.
    pub(super) restarted: bool,
}

impl<R: Explored> Machine<R> {
    /// A node that starts for the first time.
    pub(super) fn boot(world: &World, me: NodeId) -> Stepped<R> {
        let disk = Durable::default();
        Self::start(world, me, disk, R::own(), 0)
    }

    fn start(
        world: &World,
        me: NodeId,
        disk: Durable<R::Record>,
        own: R::Own,
        incarnation: u8,
    ) -> Stepped<R> {
        let rng = ChaCha8Rng::seed_from_u64(u64::from(incarnation));
        let mut out = Vec::new();
        let driver = Driver::recover(&world.cluster, me, disk.clone(), rng, CLOCKS, &mut out);
        let machine = Machine {
            driver,
            disk,
            tail: Vec::new(),
            own,
            incarnation,
        };
        let mut stepped = Stepped::nothing(machine);
        stepped.carry_out(me, out, true);
        stepped.settle(world, me);
        stepped
    }

    /// Lets something happen to a copy of this node.
    pub(super) fn step(&self, world: &World, me: NodeId, happens: Happens<R>) -> Stepped<R> {
        let mut machine = self.clone();
        let mut out = Vec::new();
        match happens {
            Happens::Message(from, message) => {
                machine
                    .driver
                    .step(Event::Message { from, message }, CLOCKS, &mut out);
            }
            Happens::Timer(timer) => machine.driver.fire_one(timer, CLOCKS, &mut out),
            Happens::Request(id, request) => {
                machine
                    .driver
                    .step(Event::Request { id, request }, CLOCKS, &mut out);
            }
            Happens::Sync => {
                let all = machine.tail.len();
                machine.persist(all);
                let end = machine.disk.end;
                machine.driver.durable(end, CLOCKS, &mut out);
            }
            Happens::Crash(kept) => {
                machine.persist(kept);
                let Machine {
                    mut disk,
                    mut own,
                    incarnation,
                    ..
                } = machine;
                renumber(&mut disk);
                R::stop(&mut own, me);
                return Self::start(world, me, disk, own, incarnation + 1);
            }
        }
        let mut stepped = Stepped::nothing(machine);
        stepped.carry_out(me, out, false);
        stepped.settle(world, me);
        stepped
    }

    /// The first writes of the tail become durable.
    fn persist(&mut self, count: usize) {
        for (lsn, what) in self.tail.drain(..count) {
            self.disk.end = lsn;
            match what {
                Written::Record(record) => self.disk.records.push((lsn, record)),
                Written::Snapshot(bytes) => self.disk.snapshot = Some((lsn, bytes)),
            }
        }
        R::compact(&mut self.disk);
    }

    /// How many writes are not durable.
    pub(super) fn unsynced(&self) -> usize {
        self.tail.len()
    }

    /// The timers that run and may run out, in order.
    pub(super) fn timers(&self) -> Vec<(R::Timer, Pace)> {
        let armed = self.driver.armed();
        let mut timers: Vec<_> = armed
            .filter_map(|timer| R::pace(timer).map(|pace| (timer, pace)))
            .collect();
        timers.sort_unstable_by_key(|(timer, _)| *timer);
        timers
    }

    /// Writes everything that tells this node from others.
    pub(super) fn write_state(&self, bounds: &Bounds, out: &mut String) -> std::fmt::Result {
        let durable = self.driver.durable_until();
        self.driver.replica().write_state(durable, out)?;
        R::write_own(&self.own, out)?;
        for (timer, _) in self.timers() {
            write!(out, "|{timer:?}")?;
        }
        for (after, output) in self.driver.waiting() {
            write!(out, "|{} {output:?}", after.0.saturating_sub(durable.0))?;
        }
        for (_, written) in &self.tail {
            write!(out, "|{written:?}")?;
        }
        // What is on the disk matters to those that read it again.
        if bounds.crashes > 0 {
            let snapshot = self.disk.snapshot.as_ref().map(|(_, bytes)| bytes);
            write!(out, "|{} {snapshot:?}", self.incarnation)?;
            for (_, record) in &self.disk.records {
                write!(out, "|{record:?}")?;
            }
        }
        Ok(())
    }
}

/// Positions begin anew: what matters of them is their order.
fn renumber<Record>(disk: &mut Durable<Record>) {
    let mut positions: Vec<&mut Lsn> = disk.records.iter_mut().map(|(lsn, _)| lsn).collect();
    positions.extend(disk.snapshot.iter_mut().map(|(lsn, _)| lsn));
    positions.sort_unstable();
    disk.end = Lsn(positions.len() as u64);
    for (place, position) in positions.into_iter().enumerate() {
        *position = Lsn(place as u64 + 1);
    }
}

impl<R: Explored> Stepped<R> {
    fn nothing(machine: Machine<R>) -> Self {
        Stepped {
            machine,
            sent: Vec::new(),
            answers: Vec::new(),
            glimpses: Vec::new(),
            breach: None,
        }
    }

    /// Where the disk is instant, what was written is durable before anything else happens.
    fn settle(&mut self, world: &World, me: NodeId) {
        while world.bounds.disk == Disk::Instant && !self.machine.tail.is_empty() {
            let all = self.machine.tail.len();
            self.machine.persist(all);
            let mut out = Vec::new();
            let end = self.machine.disk.end;
            self.machine.driver.durable(end, CLOCKS, &mut out);
            self.carry_out(me, out, false);
        }
    }

    fn carry_out(&mut self, node: NodeId, out: Vec<Output<R>>, restarted: bool) {
        let mut traces = Vec::new();
        for output in out {
            match output {
                Output::Write { lsn, what } => self.machine.tail.push((lsn, what)),
                Output::Release(before) => {
                    let end = self.machine.disk.end;
                    let kept = |lsn: Lsn| lsn >= before || lsn > end;
                    self.machine.disk.records.retain(|(lsn, _)| kept(*lsn));
                }
                Output::Send { to, message } => self.sent.push((to, message)),
                Output::Reply { id, response } => self.answers.push((id, response)),
                Output::Trace(trace) => traces.push(trace),
            }
        }
        let before = self.machine.own.clone();
        let (replica, durable) = (self.machine.driver.replica(), self.machine.driver.durable_until());
        let observed = Observed {
            node,
            replica,
            traces: &traces,
            durable,
        };
        let judged = R::judge_own(&mut self.machine.own, observed);
        if let Err(breach) = judged {
            self.breach.get_or_insert(breach);
        }
        if !traces.is_empty() {
            self.glimpses.push(Glimpse {
                before,
                replica: self.machine.driver.replica().clone(),
                traces,
                durable,
                restarted,
            });
        }
    }
}
