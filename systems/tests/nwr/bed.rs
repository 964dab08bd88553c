//! A small deterministic bed for a cluster of the store: virtual time, a bad network, disks that lose what was not synced.

use std::collections::BTreeMap;
use std::time::Duration;

use perjury_systems::api::{Command, Request, Response};
use perjury_systems::breach::Breach;
use perjury_systems::breach::Invariants as _;
use perjury_systems::nwr::invariants::Invariants;
use perjury_systems::nwr::{Message, Nwr, Record, Trace};
use perjury_systems::replica::Replica;
use perjury_systems::{Cluster, Driver, Durable, Event, Lsn, NodeId, Output, RequestId, Written};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

#[derive(Clone, Debug)]
enum Happening {
    Deliver(NodeId, NodeId, Message),
    Synced(NodeId, u64, Lsn),
}

struct Node {
    driver: Option<Driver<Nwr>>,
    durable: Durable<Record>,
    unsynced: Vec<(Lsn, Written<Nwr>)>,
    boots: u64,
}

/// The bed. Times are in microseconds.
pub struct Bed {
    pub time: u64,
    cluster: Cluster,
    nodes: BTreeMap<NodeId, Node>,
    agenda: BTreeMap<(u64, u64), Happening>,
    rng: ChaCha8Rng,
    count: u64,
    requests: u64,
    pub answers: BTreeMap<RequestId, Response>,
    pub invariants: Invariants,
    pub breach: Option<Breach>,
    pub loss_percent: u32,
    pub cut: Vec<(NodeId, NodeId)>,
}

impl Bed {
    pub fn new(nodes: u16, settings: &[(&str, &str)], mutant: Option<&str>, seed: u64) -> Self {
        let all: Vec<NodeId> = (1..=nodes).map(NodeId).collect();
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let cluster = Cluster {
            nodes: all.clone(),
            members: all.clone(),
            settings: settings.iter().map(pair).collect(),
            mutant: mutant.map(str::to_owned),
        };
        Nwr::validate(&cluster).expect("a cluster that can be");
        let node = || Node {
            driver: None,
            durable: Durable::default(),
            unsynced: Vec::new(),
            boots: 0,
        };
        let mut bed = Bed {
            time: 0,
            invariants: Invariants::new(&cluster),
            cluster,
            nodes: all.iter().map(|id| (*id, node())).collect(),
            agenda: BTreeMap::new(),
            rng: ChaCha8Rng::seed_from_u64(seed),
            count: 0,
            requests: 0,
            answers: BTreeMap::new(),
            breach: None,
            loss_percent: 0,
            cut: Vec::new(),
        };
        for id in all {
            bed.boot(id);
        }
        bed
    }

    fn clocks(&self) -> (Duration, Duration) {
        let now = Duration::from_micros(self.time);
        (now, now + Duration::from_secs(1_700_000_000))
    }

    pub fn boot(&mut self, id: NodeId) {
        let clocks = self.clocks();
        let rng = ChaCha8Rng::seed_from_u64(self.rng.next_u64());
        let Some(node) = self.nodes.get_mut(&id).filter(|node| node.driver.is_none()) else {
            return;
        };
        node.boots += 1;
        let mut out = Vec::new();
        node.driver = Some(Driver::recover(
            &self.cluster,
            id,
            node.durable.clone(),
            rng,
            clocks,
            &mut out,
        ));
        self.carry_out(id, out);
    }

    /// Kills a node; some of what was not synced survives.
    pub fn kill(&mut self, id: NodeId, wipe: bool) {
        let kept = self.rng.random_range(0..3);
        let Some(node) = self.nodes.get_mut(&id).filter(|node| node.driver.is_some()) else {
            return;
        };
        node.driver = None;
        for (lsn, what) in std::mem::take(&mut node.unsynced).into_iter().take(kept) {
            harden(&mut node.durable, lsn, what);
        }
        self.invariants.stopped(id);
        if wipe {
            node.durable = Durable::default();
            self.invariants.wiped(id);
        }
    }

    pub fn invoke(&mut self, node: NodeId, command: Command) -> RequestId {
        self.requests += 1;
        let id = RequestId(self.requests);
        let request = Request::new(None, command);
        self.step(node, Event::Request { id, request });
        id
    }

    fn step(&mut self, id: NodeId, event: Event<Nwr>) {
        let clocks = self.clocks();
        let mut out = Vec::new();
        if let Some(driver) = self.nodes.get_mut(&id).and_then(|node| node.driver.as_mut()) {
            driver.step(event, clocks, &mut out);
            self.carry_out(id, out);
        }
    }

    fn carry_out(&mut self, id: NodeId, out: Vec<Output<Nwr>>) {
        let traces: Vec<Trace> = out
            .iter()
            .filter_map(|output| match output {
                Output::Trace(trace) => Some(trace.clone()),
                _ => None,
            })
            .collect();
        let driver = self.nodes[&id].driver.as_ref().expect("who made a step runs");
        let observed = self
            .invariants
            .observe(id, driver.replica(), &traces, driver.durable_until());
        if let Err(breach) = observed {
            self.breach.get_or_insert(breach);
        }
        let mut newest = None;
        for output in out {
            match output {
                Output::Write { lsn, what } => {
                    newest = Some(lsn);
                    self.nodes
                        .get_mut(&id)
                        .expect("a node")
                        .unsynced
                        .push((lsn, what));
                }
                Output::Release(before) => {
                    let durable = &mut self.nodes.get_mut(&id).expect("a node").durable;
                    durable.records.retain(|(lsn, _)| *lsn >= before);
                }
                Output::Send { to, message } => self.send(id, to, &message),
                Output::Reply { id, response } => drop(self.answers.insert(id, response)),
                Output::Trace(_) => {}
            }
        }
        if let Some(lsn) = newest {
            let (boot, delay) = (self.nodes[&id].boots, self.rng.random_range(200..3_000));
            self.plan(delay, Happening::Synced(id, boot, lsn));
        }
    }

    fn plan(&mut self, delay: u64, what: Happening) {
        self.count += 1;
        self.agenda.insert((self.time + delay, self.count), what);
    }

    fn send(&mut self, from: NodeId, to: NodeId, message: &Message) {
        let copies = 1 + u32::from(self.rng.random_range(0..100) < 3);
        for _ in 0..copies {
            if self.rng.random_range(0..100) >= self.loss_percent && !self.cut.contains(&(from, to)) {
                let slow = self.rng.random_range(0..100) < 5;
                let delay = self.rng.random_range(200..if slow { 60_000 } else { 4_000 });
                self.plan(delay, Happening::Deliver(from, to, message.clone()));
            }
        }
    }

    /// Goes on for so long.
    pub fn run(&mut self, micros: u64) {
        let until = self.time + micros;
        loop {
            let timers = self.nodes.iter().filter_map(|(id, node)| {
                let due = node.driver.as_ref()?.next_timer()?;
                Some((due.as_micros() as u64 + 1, *id))
            });
            let timer = timers.min();
            let next = self.agenda.first_key_value().map(|((at, _), _)| *at);
            let at = next.into_iter().chain(timer.map(|(at, _)| at)).min();
            let Some(at) = at.filter(|at| *at <= until) else {
                self.time = until;
                return;
            };
            self.time = self.time.max(at);
            if next.is_none_or(|next| timer.is_some_and(|(due, _)| due < next)) {
                let clocks = self.clocks();
                let mut out = Vec::new();
                if let Some((_, id)) = timer {
                    if let Some(driver) = self.nodes.get_mut(&id).and_then(|node| node.driver.as_mut()) {
                        driver.fire(clocks, &mut out);
                    }
                    self.carry_out(id, out);
                }
                continue;
            }
            match self.agenda.pop_first().map(|(_, what)| what) {
                Some(Happening::Deliver(from, to, message)) => {
                    self.step(to, Event::Message { from, message })
                }
                Some(Happening::Synced(id, boot, until)) => self.synced(id, boot, until),
                None => {}
            }
        }
    }

    fn synced(&mut self, id: NodeId, boot: u64, until: Lsn) {
        let clocks = self.clocks();
        let node = self.nodes.get_mut(&id).expect("a node");
        if node.boots != boot || node.driver.is_none() {
            return;
        }
        let count = node.unsynced.iter().take_while(|(lsn, _)| *lsn <= until).count();
        for (lsn, what) in node.unsynced.drain(..count).collect::<Vec<_>>() {
            harden(&mut node.durable, lsn, what);
        }
        let mut out = Vec::new();
        if let Some(driver) = &mut node.driver {
            driver.durable(until, clocks, &mut out);
        }
        self.carry_out(id, out);
    }

    pub fn is_up(&self, id: NodeId) -> bool {
        self.nodes[&id].driver.is_some()
    }

    /// Whether replicas of each key hold the same.
    pub fn settled(&mut self) -> Result<(), Breach> {
        let nodes = self
            .nodes
            .iter()
            .filter_map(|(id, node)| Some((*id, node.driver.as_ref()?.replica())))
            .collect();
        self.invariants.at_rest(&nodes)
    }

    pub fn replica(&self, id: NodeId) -> &Nwr {
        self.nodes[&id].driver.as_ref().expect("it is up").replica()
    }
}

fn harden(durable: &mut Durable<Record>, lsn: Lsn, what: Written<Nwr>) {
    durable.end = lsn;
    match what {
        Written::Record(record) => durable.records.push((lsn, record)),
        Written::Snapshot(bytes) => durable.snapshot = Some((lsn, bytes)),
    }
}
