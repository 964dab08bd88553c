//! A small deterministic bed for a cluster: time in milliseconds, FIFO wires that break, disks that lose what was not
//! fsynced; the invariants watch every step.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use perjury_systems::api::{Command, Request, Response, Value};
use perjury_systems::breach::Invariants as _;
use perjury_systems::replica::Replica;
use perjury_systems::zab::invariants::Invariants;
use perjury_systems::zab::{Message, Record, Trace, Zab};
use perjury_systems::{Cluster, Driver, Durable, Event, Lsn, NodeId, Output, RequestId, Role, Written};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

#[derive(Default)]
struct Disk {
    durable: Durable<Record>,
    unsynced: Vec<(Lsn, Written<Zab>)>,
    /// It does not fsync.
    stuck: bool,
}

impl Disk {
    fn sync(&mut self) -> Option<Lsn> {
        let end = self.unsynced.last().map(|(lsn, _)| *lsn)?;
        for (lsn, what) in self.unsynced.drain(..) {
            match what {
                Written::Record(record) => self.durable.records.push((lsn, record)),
                Written::Snapshot(bytes) => self.durable.snapshot = Some((lsn, bytes)),
            }
        }
        self.durable.end = end;
        Some(end)
    }
}

pub struct Bed {
    cluster: Cluster,
    drivers: BTreeMap<NodeId, Driver<Zab>>,
    disks: BTreeMap<NodeId, Disk>,
    wires: BTreeMap<(NodeId, NodeId), VecDeque<Message>>,
    cut: BTreeSet<(NodeId, NodeId)>,
    now: u64,
    boots: u64,
    asked: u64,
    watch: Invariants,
    answers: BTreeMap<u64, Response>,
    pub traces: Vec<(NodeId, Trace)>,
    /// What the invariants found first.
    pub breach: Option<String>,
}

pub fn n(number: u16) -> NodeId {
    NodeId(number)
}

pub fn write(key: &str, value: i64) -> Command {
    Command::Write {
        key: key.into(),
        value: Value::Int(value),
    }
}

pub fn read(key: &str) -> Command {
    Command::Read { key: key.into() }
}

impl Bed {
    /// A cluster of so many nodes that runs.
    pub fn new(nodes: u16, settings: &[(&str, &str)], mutant: Option<&str>) -> Self {
        let all: Vec<NodeId> = (1..=nodes).map(NodeId).collect();
        let owned = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
        let cluster = Cluster {
            nodes: all.clone(),
            members: all.clone(),
            settings: settings.iter().map(owned).collect(),
            mutant: mutant.map(str::to_owned),
        };
        Zab::validate(&cluster).expect("a good configuration");
        let mut bed = Bed {
            cluster,
            drivers: BTreeMap::new(),
            disks: all.iter().map(|node| (*node, Disk::default())).collect(),
            wires: BTreeMap::new(),
            cut: BTreeSet::new(),
            now: 0,
            boots: 0,
            asked: 0,
            watch: Invariants::default(),
            answers: BTreeMap::new(),
            traces: Vec::new(),
            breach: None,
        };
        for node in all {
            bed.start(node);
        }
        bed
    }

    fn clocks(&self) -> (Duration, Duration) {
        let now = Duration::from_millis(self.now);
        (now, now + Duration::from_secs(1_700_000_000))
    }

    pub fn start(&mut self, node: NodeId) {
        self.boots += 1;
        let rng = ChaCha8Rng::seed_from_u64(u64::from(node.0) << 32 | self.boots);
        let durable = self.disks[&node].durable.clone();
        let mut out = Vec::new();
        let driver = Driver::recover(&self.cluster, node, durable, rng, self.clocks(), &mut out);
        self.drivers.insert(node, driver);
        self.carry_out(node, out);
    }

    /// Kills a node; what it had not fsynced is gone.
    pub fn kill(&mut self, node: NodeId) {
        self.drivers.remove(&node);
        if let Some(disk) = self.disks.get_mut(&node) {
            disk.unsynced.clear();
        }
        self.watch.stopped(node);
        for peer in self.cluster.nodes.clone() {
            self.disconnect(node, peer);
        }
    }

    /// Cuts a node off from all others.
    pub fn isolate(&mut self, node: NodeId) {
        for peer in self
            .cluster
            .nodes
            .clone()
            .into_iter()
            .filter(|peer| *peer != node)
        {
            self.cut.extend([(node, peer), (peer, node)]);
            self.disconnect(node, peer);
        }
    }

    pub fn heal(&mut self) {
        self.cut.clear();
    }

    /// From now on a node's disk does not fsync, or does again.
    pub fn stick(&mut self, node: NodeId, stuck: bool) {
        if let Some(disk) = self.disks.get_mut(&node) {
            disk.stuck = stuck;
        }
    }

    fn disconnect(&mut self, one: NodeId, other: NodeId) {
        for (node, peer) in [(one, other), (other, one)] {
            self.wires.remove(&(node, peer));
        }
        for (node, peer) in [(one, other), (other, one)] {
            self.step(node, |driver, clocks, out| driver.disconnected(peer, clocks, out));
        }
    }

    fn step(
        &mut self,
        node: NodeId,
        step: impl FnOnce(&mut Driver<Zab>, (Duration, Duration), &mut Vec<Output<Zab>>),
    ) {
        let clocks = self.clocks();
        let mut out = Vec::new();
        if let Some(driver) = self.drivers.get_mut(&node) {
            step(driver, clocks, &mut out);
            self.carry_out(node, out);
        }
    }

    fn carry_out(&mut self, node: NodeId, out: Vec<Output<Zab>>) {
        let is_trace = |output: &Output<Zab>| match output {
            Output::Trace(trace) => Some(trace.clone()),
            _ => None,
        };
        let traces: Vec<Trace> = out.iter().filter_map(is_trace).collect();
        let driver = &self.drivers[&node];
        let found = self
            .watch
            .observe(node, driver.replica(), &traces, driver.durable_until());
        if let (Err(breach), None) = (found, &self.breach) {
            self.breach = Some(breach.to_string());
        }
        self.traces.extend(traces.into_iter().map(|trace| (node, trace)));
        for output in out {
            match output {
                Output::Write { lsn, what } => {
                    if let Some(disk) = self.disks.get_mut(&node) {
                        disk.unsynced.push((lsn, what));
                    }
                }
                Output::Send { to, message } => {
                    if !self.cut.contains(&(node, to)) {
                        self.wires.entry((node, to)).or_default().push_back(message);
                    }
                }
                Output::Reply { id, response } => {
                    self.answers.insert(id.0, response);
                }
                Output::Release(_) | Output::Trace(_) => {}
            }
        }
    }

    /// Lets so many milliseconds pass. A message takes one.
    pub fn run(&mut self, ms: u64) {
        for _ in 0..ms {
            self.now += 1;
            for ((from, to), messages) in std::mem::take(&mut self.wires) {
                for message in messages {
                    self.step(to, |driver, clocks, out| {
                        driver.step(Event::Message { from, message }, clocks, out);
                    });
                }
            }
            for node in self.cluster.nodes.clone() {
                let synced = self
                    .disks
                    .get_mut(&node)
                    .filter(|disk| !disk.stuck)
                    .and_then(Disk::sync);
                if let Some(lsn) = synced {
                    self.step(node, |driver, clocks, out| driver.durable(lsn, clocks, out));
                }
                self.step(node, Driver::fire);
            }
        }
    }

    /// Asks a node; the answer comes later.
    pub fn ask_for(&mut self, node: NodeId, request: Request) -> u64 {
        self.asked += 1;
        let id = RequestId(self.asked);
        self.step(node, |driver, clocks, out| {
            driver.step(Event::Request { id, request }, clocks, out)
        });
        self.asked
    }

    pub fn ask(&mut self, node: NodeId, command: Command) -> u64 {
        let request = Request::new(None, command);
        self.ask_for(node, request)
    }

    pub fn answer(&self, id: u64) -> Option<&Response> {
        self.answers.get(&id)
    }

    /// Asks, waits and expects success.
    pub fn done(&mut self, node: NodeId, command: Command) -> Value {
        let id = self.ask(node, command);
        self.run(300);
        match self.answer(id).map(|response| &response.result) {
            Some(Ok(reply)) => reply.value.clone(),
            other => panic!("{node} answered {other:?}"),
        }
    }

    pub fn zab(&self, node: NodeId) -> &Zab {
        self.drivers[&node].replica()
    }

    /// The established leader, if there is one.
    pub fn leader(&self) -> Option<NodeId> {
        let leads = |(_, driver): &(&NodeId, &Driver<Zab>)| driver.replica().status().role == Role::Leader;
        self.drivers.iter().find(leads).map(|(node, _)| *node)
    }

    pub fn traced(&self, node: NodeId, wanted: impl Fn(&Trace) -> bool) -> usize {
        self.traces
            .iter()
            .filter(|(at, trace)| *at == node && wanted(trace))
            .count()
    }

    /// Nothing that must hold was broken, and all nodes that run are in the same state.
    pub fn is_sound(&self) {
        assert_eq!(self.breach, None);
        let states: BTreeSet<_> = self
            .drivers
            .values()
            .map(|driver| {
                (
                    driver.replica().machine().applied(),
                    driver.replica().machine().hash(),
                )
            })
            .collect();
        assert_eq!(states.len(), 1, "{states:?}");
    }
}
