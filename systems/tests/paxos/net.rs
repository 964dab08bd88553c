//! A cluster that moves only when told to; everything that is written is durable at once.

use std::collections::BTreeMap;
use std::time::Duration;

use perjury_systems::api::{Command, Failure, Reply, Request, Response, Value};
use perjury_systems::{Cluster, Driver, Durable, Event, Lsn, NodeId, Output, Replica, RequestId, Written};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

struct Node<R: Replica> {
    driver: Option<Driver<R>>,
    durable: Durable<R::Record>,
    boots: u64,
}

pub struct Net<R: Replica> {
    cluster: Cluster,
    nodes: BTreeMap<u16, Node<R>>,
    /// On the way, oldest first.
    pub packets: Vec<(u16, u16, R::Message)>,
    pub answers: BTreeMap<u64, Response>,
    pub traces: Vec<(u16, R::Trace)>,
    pub now: Duration,
    requests: u64,
}

impl<R: Replica> Net<R> {
    pub fn new(members: u16, spare: u16, settings: &[(&str, &str)]) -> Self {
        let given = settings
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()));
        let mut settings: BTreeMap<String, String> = given.collect();
        settings.entry("identity".into()).or_insert("trust".into());
        let cluster = Cluster {
            nodes: (1..=members + spare).map(NodeId).collect(),
            members: (1..=members).map(NodeId).collect(),
            settings,
            mutant: None,
        };
        R::validate(&cluster).expect("a good configuration");
        let mut net = Net {
            nodes: BTreeMap::new(),
            cluster,
            packets: Vec::new(),
            answers: BTreeMap::new(),
            traces: Vec::new(),
            now: Duration::from_secs(1),
            requests: 0,
        };
        for node in 1..=members + spare {
            net.nodes.insert(
                node,
                Node {
                    driver: None,
                    durable: Durable::default(),
                    boots: 0,
                },
            );
            net.start(node);
        }
        net
    }

    pub fn replica(&self, node: u16) -> &R {
        self.nodes[&node].driver.as_ref().expect("it runs").replica()
    }

    pub fn start(&mut self, node: u16) {
        let clocks = (self.now, self.now);
        let cluster = self.cluster.clone();
        let machine = self.nodes.get_mut(&node).expect("a node");
        machine.boots += 1;
        let rng = ChaCha8Rng::seed_from_u64(u64::from(node) * 1_000 + machine.boots);
        let mut out = Vec::new();
        let durable = machine.durable.clone();
        machine.driver = Some(Driver::recover(
            &cluster,
            NodeId(node),
            durable,
            rng,
            clocks,
            &mut out,
        ));
        self.carry_out(node, out);
    }

    pub fn restart(&mut self, node: u16) {
        self.nodes.get_mut(&node).expect("a node").driver = None;
        self.start(node);
    }

    /// Restarts a node with an empty disk.
    pub fn wipe(&mut self, node: u16) {
        let machine = self.nodes.get_mut(&node).expect("a node");
        machine.driver = None;
        machine.durable = Durable::default();
        self.start(node);
    }

    fn drive(
        &mut self,
        node: u16,
        act: impl FnOnce(&mut Driver<R>, (Duration, Duration), &mut Vec<Output<R>>),
    ) {
        let clocks = (self.now, self.now);
        let mut out = Vec::new();
        if let Some(driver) = &mut self.nodes.get_mut(&node).expect("a node").driver {
            act(driver, clocks, &mut out);
            self.carry_out(node, out);
        }
    }

    fn carry_out(&mut self, node: u16, out: Vec<Output<R>>) {
        let mut until = Lsn(0);
        for output in out {
            let durable = &mut self.nodes.get_mut(&node).expect("a node").durable;
            match output {
                Output::Write { lsn, what } => {
                    until = lsn;
                    durable.end = lsn;
                    match what {
                        Written::Record(record) => durable.records.push((lsn, record)),
                        Written::Snapshot(bytes) => durable.snapshot = Some((lsn, bytes)),
                    }
                }
                Output::Release(before) => durable.records.retain(|(lsn, _)| *lsn >= before),
                Output::Send { to, message } => self.packets.push((node, to.0, message)),
                Output::Reply { id, response } => {
                    self.answers.insert(id.0, response);
                }
                Output::Trace(trace) => self.traces.push((node, trace)),
            }
        }
        if until > Lsn(0) {
            self.drive(node, |driver, clocks, out| driver.durable(until, clocks, out));
        }
    }

    pub fn timer(&mut self, node: u16, timer: R::Timer) {
        self.drive(node, |driver, clocks, out| {
            driver.step(Event::Timer(timer), clocks, out)
        });
    }

    pub fn deliver(&mut self, from: u16, to: u16) {
        let (mine, rest) = std::mem::take(&mut self.packets)
            .into_iter()
            .partition(|(a, b, _)| (*a, *b) == (from, to));
        self.packets = rest;
        let mine: Vec<(u16, u16, R::Message)> = mine;
        for (_, _, message) in mine {
            let from = NodeId(from);
            self.drive(to, |driver, clocks, out| {
                driver.step(Event::Message { from, message }, clocks, out)
            });
        }
    }

    /// Delivers among these nodes until nothing is on the way between them; what goes elsewhere is lost.
    pub fn settle(&mut self, nodes: &[u16]) {
        loop {
            self.packets
                .retain(|(from, to, _)| nodes.contains(from) && nodes.contains(to));
            let Some((from, to, _)) = self.packets.first() else {
                return;
            };
            let (from, to) = (*from, *to);
            self.deliver(from, to);
        }
    }

    pub fn ask(&mut self, node: u16, command: Command) -> u64 {
        self.requests += 1;
        let id = RequestId(self.requests);
        let request = Request::new(None, command);
        self.drive(node, |driver, clocks, out| {
            driver.step(Event::Request { id, request }, clocks, out)
        });
        id.0
    }

    pub fn write(&mut self, node: u16, key: &str, value: i64) -> u64 {
        let (key, value) = (key.into(), Value::Int(value));
        self.ask(node, Command::Write { key, value })
    }

    pub fn read(&mut self, node: u16, key: &str) -> u64 {
        self.ask(node, Command::Read { key: key.into() })
    }

    pub fn answer(&self, id: u64) -> Option<&Result<Reply, Failure>> {
        self.answers.get(&id).map(|response| &response.result)
    }

    /// The value that a read was answered with.
    pub fn value(&self, id: u64) -> Option<Value> {
        Some(self.answer(id)?.as_ref().ok()?.value.clone())
    }
}
