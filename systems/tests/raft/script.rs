//! Schedules told step by step: nothing is delivered, synced or timed out unless the test says so.

use std::collections::BTreeMap;
use std::time::Duration;

use perjury_systems::api::{Command, Reconfigure, Request, Response, Value};
use perjury_systems::breach::Breach;
use perjury_systems::breach::Invariants as _;
use perjury_systems::raft::invariants::Invariants;
use perjury_systems::raft::{Message, Raft, Record, Timer, Trace};
use perjury_systems::{Cluster, Driver, Durable, Event, Lsn, NodeId, Output, RequestId, Written};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

struct Node {
    driver: Option<Driver<Raft>>,
    boots: u64,
    durable: Durable<Record>,
    unsynced: Vec<(Lsn, Written<Raft>)>,
    /// Whether everything written is durable at once.
    prompt: bool,
}

/// A cluster that moves only when told to.
pub struct Script {
    cluster: Cluster,
    nodes: BTreeMap<NodeId, Node>,
    pub invariants: Invariants,
    /// Messages on the way, oldest first.
    pub net: Vec<(u16, u16, Message)>,
    pub answers: BTreeMap<RequestId, Response>,
    pub traces: Vec<(u16, Trace)>,
    pub breach: Option<Breach>,
    /// Each node's clock in milliseconds.
    pub clocks: BTreeMap<u16, u64>,
    requests: u64,
}

impl Script {
    pub fn new(members: u16, spare: u16, settings: &[(&str, &str)], mutant: Option<&str>) -> Self {
        let mut given: BTreeMap<String, String> = settings
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect();
        given.entry("identity".into()).or_insert("trust".into());
        let cluster = Cluster {
            nodes: (1..=members + spare).map(NodeId).collect(),
            members: (1..=members).map(NodeId).collect(),
            settings: given,
            mutant: mutant.map(str::to_owned),
        };
        <Raft as perjury_systems::Replica>::validate(&cluster).expect("a good configuration");
        let node = || Node {
            driver: None,
            boots: 0,
            durable: Durable::default(),
            unsynced: Vec::new(),
            prompt: true,
        };
        let mut script = Script {
            nodes: cluster.nodes.iter().map(|id| (*id, node())).collect(),
            invariants: Invariants::new(&cluster.members),
            cluster,
            net: Vec::new(),
            answers: BTreeMap::new(),
            traces: Vec::new(),
            breach: None,
            clocks: BTreeMap::new(),
            requests: 0,
        };
        for id in script.cluster.nodes.clone() {
            script.start(id.0);
        }
        script
    }

    pub fn raft(&self, id: u16) -> &Raft {
        self.nodes[&NodeId(id)]
            .driver
            .as_ref()
            .expect("it runs")
            .replica()
    }

    fn node(&mut self, id: u16) -> &mut Node {
        self.nodes.get_mut(&NodeId(id)).expect("a node")
    }

    fn times(&self, id: u16) -> (Duration, Duration) {
        let now = Duration::from_millis(self.clocks.get(&id).copied().unwrap_or(0));
        (now, now)
    }

    pub fn start(&mut self, id: u16) {
        let (cluster, times) = (self.cluster.clone(), self.times(id));
        let node = self.node(id);
        node.boots += 1;
        let rng = ChaCha8Rng::seed_from_u64(u64::from(id) * 1000 + node.boots);
        let mut out = Vec::new();
        let durable = node.durable.clone();
        node.driver = Some(Driver::recover(
            &cluster,
            NodeId(id),
            durable,
            rng,
            times,
            &mut out,
        ));
        self.carry_out(id, out);
    }

    /// Stops a node that keeps so many of the writes that were not durable.
    pub fn crash_keeping(&mut self, id: u16, keep: usize) {
        let node = self.node(id);
        node.driver = None;
        let kept: Vec<_> = node.unsynced.drain(..).take(keep).collect();
        for (lsn, what) in kept {
            harden(&mut node.durable, lsn, what);
        }
        self.invariants.stopped(NodeId(id));
    }

    pub fn crash(&mut self, id: u16) {
        self.crash_keeping(id, 0);
    }

    pub fn restart(&mut self, id: u16) {
        self.crash(id);
        self.start(id);
    }

    /// Stops a node, takes its disk away, and starts it again.
    pub fn wipe(&mut self, id: u16) {
        self.crash(id);
        self.invariants.wiped(NodeId(id));
        self.node(id).durable = Durable::default();
        self.start(id);
    }

    /// From now on the node's writes wait for [`Script::sync`].
    pub fn hold_disk(&mut self, id: u16) {
        self.node(id).prompt = false;
    }

    /// Everything that the node wrote is durable now.
    pub fn sync(&mut self, id: u16) {
        let node = self.node(id);
        let Some((until, _)) = node.unsynced.last() else {
            return;
        };
        let until = *until;
        for (lsn, what) in node.unsynced.drain(..) {
            harden(&mut node.durable, lsn, what);
        }
        self.drive(id, |driver, times, out| driver.durable(until, times, out));
    }

    pub fn unsynced(&self, id: u16) -> usize {
        self.nodes[&NodeId(id)].unsynced.len()
    }

    fn drive(
        &mut self,
        id: u16,
        act: impl FnOnce(&mut Driver<Raft>, (Duration, Duration), &mut Vec<Output<Raft>>),
    ) {
        let times = self.times(id);
        let mut out = Vec::new();
        if let Some(driver) = &mut self.node(id).driver {
            act(driver, times, &mut out);
            self.carry_out(id, out);
        }
    }

    fn carry_out(&mut self, id: u16, out: Vec<Output<Raft>>) {
        let mut traces = Vec::new();
        for output in out {
            match output {
                Output::Write { lsn, what } => self.node(id).unsynced.push((lsn, what)),
                Output::Release(before) => self.node(id).durable.records.retain(|(lsn, _)| *lsn >= before),
                Output::Send { to, message } => self.net.push((id, to.0, message)),
                Output::Reply { id, response } => {
                    self.answers.insert(id, response);
                }
                Output::Trace(trace) => traces.push(trace),
            }
        }
        let driver = self.nodes[&NodeId(id)].driver.as_ref().expect("it runs");
        let seen = self
            .invariants
            .observe(NodeId(id), driver.replica(), &traces, driver.durable_until());
        self.breach = self.breach.take().or(seen.err());
        self.traces.extend(traces.into_iter().map(|trace| (id, trace)));
        if self.nodes[&NodeId(id)].prompt {
            self.sync(id);
        }
    }

    pub fn tick(&mut self, id: u16, timer: Timer) {
        self.drive(id, |driver, times, out| {
            driver.step(Event::Timer(timer), times, out)
        });
    }

    pub fn request(&mut self, id: u16, command: Command) -> RequestId {
        self.requests += 1;
        let name = RequestId(self.requests);
        let request = Request::new(None, command);
        self.drive(id, |driver, times, out| {
            driver.step(Event::Request { id: name, request }, times, out)
        });
        name
    }

    pub fn write(&mut self, id: u16, value: i64) -> RequestId {
        let value = Value::Int(value);
        self.request(
            id,
            Command::Write {
                key: "x".into(),
                value,
            },
        )
    }

    pub fn read(&mut self, id: u16) -> RequestId {
        self.request(id, Command::Read { key: "x".into() })
    }

    pub fn reconfigure(&mut self, id: u16, change: Reconfigure) -> RequestId {
        self.request(id, Command::Reconfigure(change))
    }

    /// Delivers one message.
    pub fn hand(&mut self, from: u16, to: u16, message: Message) {
        let event = Event::Message {
            from: NodeId(from),
            message,
        };
        self.drive(to, |driver, times, out| driver.step(event, times, out));
    }

    /// Takes the messages from one node to another off the net, oldest first.
    pub fn take(&mut self, from: u16, to: u16) -> Vec<Message> {
        let (taken, left): (Vec<_>, Vec<_>) = self
            .net
            .drain(..)
            .partition(|(sender, receiver, _)| (*sender, *receiver) == (from, to));
        self.net = left;
        taken.into_iter().map(|(_, _, message)| message).collect()
    }

    /// Delivers what is on the way from one node to another.
    pub fn deliver(&mut self, from: u16, to: u16) {
        for message in self.take(from, to) {
            self.hand(from, to, message);
        }
    }

    /// Loses everything that is on the way.
    pub fn lose(&mut self) {
        self.net.clear();
    }

    /// Delivers among these nodes until nothing is on the way between them; the rest is lost.
    pub fn settle(&mut self, nodes: &[u16]) {
        for _ in 0..10_000 {
            self.net
                .retain(|(from, to, _)| nodes.contains(from) && nodes.contains(to));
            if self.net.is_empty() {
                return;
            }
            let (from, to, message) = self.net.remove(0);
            self.hand(from, to, message);
        }
        panic!("the cluster does not come to rest");
    }

    /// The node campaigns, and asks only these, who answer; everything else is lost, the new leader's first messages
    /// included.
    pub fn elect(&mut self, id: u16, voters: &[u16]) {
        self.lose();
        self.tick(id, Timer::Election);
        for voter in voters {
            self.deliver(id, *voter);
            self.deliver(*voter, id);
        }
        self.lose();
    }

    /// As [`Script::elect`], with PreVote: two rounds of questions.
    pub fn elect_politely(&mut self, id: u16, voters: &[u16]) {
        self.lose();
        self.tick(id, Timer::Election);
        for _ in 0..2 {
            for voter in voters {
                self.deliver(id, *voter);
                self.deliver(*voter, id);
            }
        }
        self.lose();
    }

    /// Time passes at every node, as its clock sees it: so many milliseconds times the rate, in hundredths.
    pub fn pass(&mut self, ms: u64, rates: &[(u16, u64)]) {
        for id in self.cluster.nodes.clone() {
            let rate = rates
                .iter()
                .find(|(node, _)| *node == id.0)
                .map_or(100, |(_, rate)| *rate);
            *self.clocks.entry(id.0).or_default() += ms * rate / 100;
        }
    }

    /// The leader's heartbeat, answered by these nodes until all is quiet.
    pub fn beat(&mut self, id: u16, nodes: &[u16]) {
        self.tick(id, Timer::Heartbeat);
        let mut all = nodes.to_vec();
        all.push(id);
        self.settle(&all);
    }

    pub fn leads(&self, id: u16) -> bool {
        self.raft(id).is_leader()
    }

    /// The invariant that broke.
    pub fn broken(&self) -> Option<&str> {
        self.breach.as_ref().map(|breach| breach.invariant.as_str())
    }
}

fn harden(durable: &mut Durable<Record>, lsn: Lsn, what: Written<Raft>) {
    durable.end = lsn;
    match what {
        Written::Record(record) => durable.records.push((lsn, record)),
        Written::Snapshot(bytes) => durable.snapshot = Some((lsn, bytes)),
    }
}
