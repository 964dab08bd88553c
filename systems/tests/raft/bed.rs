//! A small deterministic bed for a cluster: virtual time, a network and disks that misbehave, clients.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use perjury_systems::api::{Command, Reconfigure, Request, Response};
use perjury_systems::raft::{Message, Raft, Record, Trace};
use perjury_systems::replica::Replica;
use perjury_systems::{Cluster, Driver, Durable, Event, Lsn, NodeId, Output, RequestId, Written};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub type Nanos = u64;
pub const MS: Nanos = 1_000_000;

/// A node's disk: what is durable, and what is written but not yet.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    pub snapshot: Option<(Lsn, Vec<u8>)>,
    pub records: Vec<(Lsn, Record)>,
    pub end: Lsn,
    pub unsynced: Vec<(Lsn, Written<Raft>)>,
    syncing: Option<Lsn>,
}

impl Disk {
    fn harden(&mut self, until: Lsn) {
        let count = self.unsynced.iter().take_while(|(lsn, _)| *lsn <= until).count();
        for (lsn, what) in self.unsynced.drain(..count) {
            self.end = lsn;
            match what {
                Written::Record(record) => self.records.push((lsn, record)),
                Written::Snapshot(bytes) => self.snapshot = Some((lsn, bytes)),
            }
        }
    }

    fn durable(&self) -> Durable<Record> {
        Durable {
            snapshot: self.snapshot.clone(),
            records: self.records.clone(),
            end: self.end,
        }
    }
}

pub struct Node {
    pub driver: Option<Driver<Raft>>,
    pub disk: Disk,
    pub boots: u64,
    /// Messages and timers wait.
    pub paused: bool,
    /// The clock runs at this rate, in parts per million of true time.
    rate_ppm: u64,
    base: (Nanos, Nanos),
    held: Vec<Happening>,
}

impl Node {
    pub fn local(&self, time: Nanos) -> Nanos {
        let passed = u128::from(time - self.base.0) * u128::from(self.rate_ppm) / 1_000_000;
        self.base.1 + passed as u64
    }

    fn global(&self, local: Nanos) -> Nanos {
        let left = u128::from(local.saturating_sub(self.base.1));
        self.base.0 + (left * 1_000_000).div_ceil(u128::from(self.rate_ppm)) as u64
    }
}

#[derive(Clone, Debug)]
pub enum Happening {
    Deliver {
        from: NodeId,
        to: NodeId,
        message: Message,
    },
    Synced {
        node: NodeId,
        boot: u64,
        until: Lsn,
    },
    Invoke {
        node: NodeId,
        id: RequestId,
        request: Request,
    },
}

/// How the network and the disks behave.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    pub delay: (Nanos, Nanos),
    pub loss_percent: u32,
    pub duplicate_percent: u32,
    /// One in a hundred messages takes up to so much longer.
    pub tail: Nanos,
    pub sync: (Nanos, Nanos),
}

impl Weather {
    pub const FAIR: Weather = Weather {
        delay: (MS / 5, MS),
        loss_percent: 0,
        duplicate_percent: 0,
        tail: 0,
        sync: (MS / 5, MS),
    };

    pub const ROUGH: Weather = Weather {
        delay: (MS / 5, 8 * MS),
        loss_percent: 3,
        duplicate_percent: 3,
        tail: 150 * MS,
        sync: (MS / 5, 10 * MS),
    };
}

/// What the bed lets its owner see of each step.
pub trait Watch {
    fn booted(&mut self, node: NodeId, raft: &Raft, bed_time: Nanos);
    fn crashed(&mut self, node: NodeId);
    fn stepped(&mut self, node: NodeId, raft: &Raft, durable: Lsn, traces: &[Trace]) -> Result<(), String>;
    fn answered(&mut self, id: RequestId, response: &Response, time: Nanos);
}

pub struct Bed<W> {
    pub cluster: Cluster,
    pub nodes: BTreeMap<NodeId, Node>,
    pub time: Nanos,
    pub rng: ChaCha8Rng,
    pub weather: Weather,
    pub cut: BTreeSet<(NodeId, NodeId)>,
    pub watch: W,
    /// A hash of everything that happened, in order.
    pub hash: u64,
    pub failure: Option<String>,
    pub traces: Vec<(Nanos, NodeId, Trace)>,
    pub keep_traces: bool,
    queue: BTreeMap<(Nanos, u64), Happening>,
    count: u64,
    requests: u64,
    seed: u64,
}

impl<W: Watch> Bed<W> {
    pub fn new(cluster: Cluster, seed: u64, weather: Weather, watch: W) -> Self {
        Raft::validate(&cluster).expect("a good configuration");
        let node = || Node {
            driver: None,
            disk: Disk::default(),
            boots: 0,
            paused: false,
            rate_ppm: 1_000_000,
            base: (0, 0),
            held: Vec::new(),
        };
        let mut bed = Bed {
            nodes: cluster.nodes.iter().map(|id| (*id, node())).collect(),
            cluster,
            time: 0,
            rng: ChaCha8Rng::seed_from_u64(seed),
            weather,
            cut: BTreeSet::new(),
            watch,
            hash: 0,
            failure: None,
            traces: Vec::new(),
            keep_traces: false,
            queue: BTreeMap::new(),
            count: 0,
            requests: 0,
            seed,
        };
        for id in bed.ids() {
            bed.start(id);
        }
        bed
    }

    pub fn ids(&self) -> Vec<NodeId> {
        self.cluster.nodes.clone()
    }

    fn clocks(&self, id: NodeId) -> (Duration, Duration) {
        let local = self.nodes[&id].local(self.time);
        (
            Duration::from_nanos(local),
            Duration::from_nanos(local + 1_700_000_000_000_000_000),
        )
    }

    pub fn start(&mut self, id: NodeId) {
        let clocks = self.clocks(id);
        let node = self.nodes.get_mut(&id).expect("a node");
        if node.driver.is_some() {
            return;
        }
        node.boots += 1;
        let mixed = self.seed ^ (u64::from(id.0) << 48) ^ (node.boots << 32);
        let rng = ChaCha8Rng::seed_from_u64(mixed);
        let mut out = Vec::new();
        let driver: Driver<Raft> =
            Driver::recover(&self.cluster, id, node.disk.durable(), rng, clocks, &mut out);
        self.watch.booted(id, driver.replica(), self.time);
        node.driver = Some(driver);
        self.carry_out(id, out);
    }

    /// Stops a node at once; of what was not durable, a random part stays.
    pub fn crash(&mut self, id: NodeId) {
        let unsynced = self.nodes[&id].disk.unsynced.len();
        let keep = self.rng.random_range(0..=unsynced);
        self.crash_keeping(id, keep);
    }

    pub fn crash_keeping(&mut self, id: NodeId, keep: usize) {
        let node = self.nodes.get_mut(&id).expect("a node");
        if node.driver.take().is_none() {
            return;
        }
        if let Some((until, _)) = keep.checked_sub(1).and_then(|last| node.disk.unsynced.get(last)) {
            let until = *until;
            node.disk.harden(until);
        }
        node.disk.unsynced.clear();
        node.disk.syncing = None;
        node.paused = false;
        node.held.clear();
        self.watch.crashed(id);
    }

    pub fn pause(&mut self, id: NodeId) {
        self.nodes.get_mut(&id).expect("a node").paused = true;
    }

    pub fn resume(&mut self, id: NodeId) {
        let time = self.time;
        let node = self.nodes.get_mut(&id).expect("a node");
        node.paused = false;
        for held in std::mem::take(&mut node.held) {
            self.schedule(time, held);
        }
    }

    /// From now on the node's clock runs at this rate.
    pub fn bend_clock(&mut self, id: NodeId, rate_ppm: u64) {
        let time = self.time;
        let node = self.nodes.get_mut(&id).expect("a node");
        node.base = (time, node.local(time));
        node.rate_ppm = rate_ppm;
    }

    pub fn cut_between(&mut self, left: &[NodeId], right: &[NodeId]) {
        for a in left {
            for b in right.iter().filter(|b| *b != a) {
                self.cut.insert((*a, *b));
                self.cut.insert((*b, *a));
            }
        }
    }

    pub fn heal(&mut self) {
        self.cut.clear();
    }

    fn schedule(&mut self, at: Nanos, what: Happening) {
        self.count += 1;
        self.queue.insert((at, self.count), what);
    }

    pub fn invoke(&mut self, node: NodeId, request: Request) -> RequestId {
        self.requests += 1;
        let id = RequestId(self.requests);
        self.schedule(self.time + MS / 10, Happening::Invoke { node, id, request });
        id
    }

    pub fn command(&mut self, node: u16, command: Command) -> RequestId {
        let session = None;
        self.invoke(NodeId(node), Request::new(session, command))
    }

    pub fn reconfigure(&mut self, node: NodeId, change: Reconfigure) -> RequestId {
        let command = Command::Reconfigure(change);
        self.invoke(node, Request::new(None, command))
    }

    /// When something happens next.
    fn next(&self) -> Option<(Nanos, Option<NodeId>)> {
        let queued = self.queue.keys().next().map(|(at, _)| (*at, None));
        let timers = self
            .nodes
            .iter()
            .filter(|(_, node)| !node.paused)
            .filter_map(|(id, node)| {
                let due = node.driver.as_ref()?.next_timer()?;
                Some((node.global(due.as_nanos() as u64).max(self.time), Some(*id)))
            });
        queued.into_iter().chain(timers).min()
    }

    /// Lets time pass until `end`, or until an invariant breaks.
    pub fn run_until(&mut self, end: Nanos) {
        while self.failure.is_none()
            && let Some((at, timer)) = self.next()
            && at <= end
        {
            self.time = at;
            match timer {
                Some(id) => self.with_driver(id, |driver, clocks, out| driver.fire(clocks, out)),
                None => {
                    let (_, what) = self.queue.pop_first().expect("something is queued");
                    self.happen(what);
                }
            }
        }
        self.time = self.time.max(end);
    }

    pub fn run_for(&mut self, span: Nanos) {
        self.run_until(self.time + span);
    }

    fn happen(&mut self, what: Happening) {
        let id = match &what {
            Happening::Deliver { to, .. } => *to,
            Happening::Synced { node, .. } | Happening::Invoke { node, .. } => *node,
        };
        if self.nodes[&id].paused {
            self.nodes.get_mut(&id).expect("a node").held.push(what);
            return;
        }
        match what {
            Happening::Deliver { from, to, message } => {
                if !self.cut.contains(&(from, to)) {
                    let event = Event::Message { from, message };
                    self.with_driver(to, |driver, clocks, out| driver.step(event, clocks, out));
                }
            }
            Happening::Synced { node, boot, until } => self.synced(node, boot, until),
            Happening::Invoke { node, id, request } => {
                let event = Event::Request { id, request };
                self.with_driver(node, |driver, clocks, out| driver.step(event, clocks, out));
            }
        }
    }

    fn synced(&mut self, id: NodeId, boot: u64, until: Lsn) {
        let node = self.nodes.get_mut(&id).expect("a node");
        if node.boots != boot || node.driver.is_none() {
            return;
        }
        node.disk.harden(until);
        node.disk.syncing = None;
        self.with_driver(id, |driver, clocks, out| driver.durable(until, clocks, out));
        self.begin_sync(id);
    }

    fn begin_sync(&mut self, id: NodeId) {
        let (low, high) = self.weather.sync;
        let span = self.rng.random_range(low..=high);
        let node = self.nodes.get_mut(&id).expect("a node");
        if node.disk.syncing.is_some() {
            return;
        }
        if let Some((until, _)) = node.disk.unsynced.last() {
            let until = *until;
            let boot = node.boots;
            node.disk.syncing = Some(until);
            self.schedule(
                self.time + span,
                Happening::Synced {
                    node: id,
                    boot,
                    until,
                },
            );
        }
    }

    /// Hands a running node something directly.
    pub fn with_driver(
        &mut self,
        id: NodeId,
        act: impl FnOnce(&mut Driver<Raft>, (Duration, Duration), &mut Vec<Output<Raft>>),
    ) {
        let clocks = self.clocks(id);
        let mut out = Vec::new();
        if let Some(driver) = &mut self.nodes.get_mut(&id).expect("a node").driver {
            act(driver, clocks, &mut out);
            self.carry_out(id, out);
        }
    }

    fn carry_out(&mut self, id: NodeId, out: Vec<Output<Raft>>) {
        let mut traces = Vec::new();
        for output in out {
            match output {
                Output::Write { lsn, what } => {
                    self.nodes
                        .get_mut(&id)
                        .expect("a node")
                        .disk
                        .unsynced
                        .push((lsn, what));
                }
                Output::Release(before) => {
                    let disk = &mut self.nodes.get_mut(&id).expect("a node").disk;
                    disk.records.retain(|(lsn, _)| *lsn >= before);
                }
                Output::Send { to, message } => self.send(id, to, message),
                Output::Reply { id, response } => self.watch.answered(id, &response, self.time),
                Output::Trace(trace) => traces.push(trace),
            }
        }
        for trace in &traces {
            let line = format!("{} {id} {trace:?}", self.time);
            for byte in line.bytes() {
                self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
            if self.keep_traces {
                self.traces.push((self.time, id, trace.clone()));
            }
        }
        if let Some(driver) = &self.nodes[&id].driver
            && let Err(breach) = self
                .watch
                .stepped(id, driver.replica(), driver.durable_until(), &traces)
        {
            self.failure.get_or_insert(breach);
        }
        self.begin_sync(id);
    }

    fn send(&mut self, from: NodeId, to: NodeId, message: Message) {
        let Weather {
            delay: (low, high),
            loss_percent,
            duplicate_percent,
            tail,
            ..
        } = self.weather;
        if self.rng.random_range(0..100) < loss_percent {
            return;
        }
        let copies = if self.rng.random_range(0..100) < duplicate_percent {
            2
        } else {
            1
        };
        for _ in 0..copies {
            let mut delay = self.rng.random_range(low..=high);
            if tail > 0 && self.rng.random_range(0..100) == 0 {
                delay += self.rng.next_u64() % tail;
            }
            let message = message.clone();
            self.schedule(self.time + delay, Happening::Deliver { from, to, message });
        }
    }

    pub fn leader(&self) -> Option<NodeId> {
        let running = self
            .nodes
            .iter()
            .filter_map(|(id, node)| Some((*id, node.driver.as_ref()?.replica())));
        running
            .filter(|(_, raft)| raft.is_leader())
            .max_by_key(|(_, raft)| raft.term())
            .map(|(id, _)| id)
    }
}
