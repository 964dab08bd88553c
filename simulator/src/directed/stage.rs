//! A cluster that moves only when it is told to.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use perjury_checker::{Event as Recorded, EventKind, Function, History, HistoryBuilder, Process, Value};
use perjury_nemesis::stream;
use perjury_runner::Answer;
use perjury_systems::api::{Command, Reconfigure, Request, Response};
use perjury_systems::breach::Breach;
use perjury_systems::context::{Output, Written};
use perjury_systems::driver::{Clocks, Driver};
use perjury_systems::replica::{
    Cluster, ConfigError, Durable, Event, Lsn, MutantCounts, NodeId, Replica, RequestId, Role,
};
use perjury_workloads::Call;

use super::Step;
use crate::environment::calls;
use crate::run::Violation;
use crate::systems::Simulated;
use crate::world::{Invariants, variant};

/// What comes to rest does so within so many messages.
const RESTLESS: usize = 10_000;

/// A healthy majority serves within so many rounds of everybody's timers.
const ROUNDS: usize = 60;

/// A node that serves answers a read within so many rounds.
const FINAL_ROUNDS: usize = 10;

/// Between two rounds of timers, so that requests, handovers and leases run out.
const ROUND: Duration = Duration::from_millis(200);

struct Machine<R: Replica> {
    driver: Option<Driver<R>>,
    boots: u64,
    durable: Durable<R::Record>,
    unsynced: Vec<(Lsn, Written<R>)>,
    /// Whether everything written is durable at once.
    prompt: bool,
    counts: MutantCounts,
}

struct Packet<R: Replica> {
    from: NodeId,
    to: NodeId,
    message: R::Message,
}

/// A request that was not answered.
struct Open {
    call: Option<Call>,
    node: NodeId,
    process: u64,
}

/// The cluster, and what its clients saw.
pub(super) struct Stage<R: Simulated> {
    cluster: Cluster,
    machines: BTreeMap<NodeId, Machine<R>>,
    /// On the way, oldest first.
    net: Vec<Packet<R>>,
    held: Vec<Packet<R>>,
    watch: Box<dyn Invariants<R>>,
    breach: Option<Breach>,
    unserved: Option<Vec<NodeId>>,
    now: Duration,
    requests: u64,
    open: BTreeMap<RequestId, Open>,
    answered: Vec<RequestId>,
    events: Vec<Recorded>,
    keys: Vec<Arc<str>>,
    told: Vec<String>,
}

impl<R: Simulated> Stage<R> {
    /// All nodes run. `cluster` has passed [`Replica::validate`].
    pub(super) fn new(cluster: Cluster) -> Self {
        let machine = || Machine {
            driver: None,
            boots: 0,
            durable: Durable::default(),
            unsynced: Vec::new(),
            prompt: true,
            counts: MutantCounts::default(),
        };
        let mut stage = Stage {
            machines: cluster.nodes.iter().map(|node| (*node, machine())).collect(),
            watch: R::invariants(&cluster),
            cluster,
            net: Vec::new(),
            held: Vec::new(),
            breach: None,
            unserved: None,
            now: Duration::ZERO,
            requests: 0,
            open: BTreeMap::new(),
            answered: Vec::new(),
            events: Vec::new(),
            keys: Vec::new(),
            told: Vec::new(),
        };
        for node in stage.cluster.nodes.clone() {
            stage.start(node);
        }
        stage
    }

    /// Takes a step.
    ///
    /// # Errors
    /// Why it cannot be taken.
    pub(super) fn take(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Timer(node, name) => {
                let timer =
                    R::timer(name).ok_or_else(|| format!("{} has no timer called {name:?}", R::NAME))?;
                self.fire(*node, timer);
            }
            Step::Elect(node, voters) => {
                self.net.clear();
                self.campaign(*node)?;
                for voter in voters {
                    self.deliver(*node, *voter, None);
                    self.deliver(*voter, *node, None);
                }
                self.net.clear();
            }
            Step::Beat(node, others) => {
                let heartbeat = R::timer("heartbeat")
                    .ok_or_else(|| format!("{} has no timer called \"heartbeat\"", R::NAME))?;
                self.fire(*node, heartbeat);
                let mut all = others.clone();
                all.push(*node);
                self.settle(&all);
            }
            Step::Deliver(from, to, count) => self.deliver(*from, *to, *count),
            Step::Hold(from, to) => {
                let taken = self.off(*from, *to, None);
                self.held.extend(taken);
            }
            Step::Release(from, to) => {
                let (released, held) = std::mem::take(&mut self.held)
                    .into_iter()
                    .partition(|packet| (packet.from, packet.to) == (*from, *to));
                self.held = held;
                self.hand(released);
            }
            Step::Lose(None) => self.net.clear(),
            Step::Lose(Some((from, to))) => drop(self.off(*from, *to, None)),
            Step::Write(node, key, value) => {
                self.call(*node, Function::Write, key, Value::Int(*value))?;
            }
            Step::Read(node, key) => {
                self.call(*node, Function::Read, key, Value::Nil)?;
            }
            Step::Join(node, who) => self.reconfigure(*node, Reconfigure::Join(*who)),
            Step::Leave(node, who) => self.reconfigure(*node, Reconfigure::Leave(*who)),
            Step::Replace(node, leaves, joins) => {
                let (leaves, joins) = (*leaves, *joins);
                self.reconfigure(*node, Reconfigure::Replace { leaves, joins });
            }
            Step::Kill(node, keeps) => self.kill(*node, *keeps),
            Step::Start(node) => self.start(*node),
            Step::Wipe(node) => {
                self.kill(*node, 0);
                self.watch.wiped(*node);
                self.machine(*node).durable = Durable::default();
            }
            Step::HoldDisk(node) => self.machine(*node).prompt = false,
            Step::Sync(node) => self.sync(*node),
            Step::ExpectLeader(node) => {
                if !self.leads(*node) {
                    let last = self.told.len().saturating_sub(12);
                    let told = self.told[last..].join("\n  ");
                    return Err(format!("{node} does not lead; before that:\n  {told}"));
                }
            }
            Step::Serve(nodes) => {
                if !self.serves(nodes)? {
                    self.unserved.get_or_insert_with(|| nodes.clone());
                }
            }
            Step::Repeat(..) => return Err("a repetition is no single step".to_owned()),
        }
        Ok(())
    }

    /// Everything is well from now on: every node runs, everything arrives, somebody is elected, every key is read at
    /// every node.
    pub(super) fn heal(&mut self) {
        let nodes = self.cluster.nodes.clone();
        let held = std::mem::take(&mut self.held);
        self.hand(held);
        for node in &nodes {
            self.machine(*node).prompt = true;
            self.start(*node);
            self.sync(*node);
        }
        self.settle(&nodes);
        let served = self.serves(&nodes);
        if served == Ok(false) {
            self.unserved.get_or_insert(nodes.clone());
        }
        for key in self.keys.clone() {
            for node in &nodes {
                self.read_in_the_end(*node, &key, &nodes);
            }
        }
    }

    /// Reads a key at a node, again and again until it is answered; in vain where the node does not serve.
    fn read_in_the_end(&mut self, node: NodeId, key: &str, nodes: &[NodeId]) {
        for _ in 0..FINAL_ROUNDS {
            let Ok(id) = self.call(node, Function::Read, key, Value::Nil) else {
                return;
            };
            self.settle(nodes);
            self.round(nodes);
            if self.answered.contains(&id) {
                return;
            }
        }
    }

    /// What clients saw, what became of the mistake, what happened in words, what was seen to be broken.
    pub(super) fn finish(
        mut self,
    ) -> Result<(History, MutantCounts, Vec<String>, Vec<Violation>), ConfigError> {
        let mut history = HistoryBuilder::default();
        for event in std::mem::take(&mut self.events) {
            history
                .push(event)
                .map_err(|error| ConfigError(error.to_string()))?;
        }
        let mut counts = MutantCounts::default();
        for machine in self.machines.values_mut() {
            machine.stop();
            counts.reached += machine.counts.reached;
            counts.differed += machine.counts.differed;
        }
        let breach = self.breach.map(Violation::Invariant);
        let unserved = self.unserved.map(|nodes| Violation::Stalled {
            quorum: nodes.iter().map(|node| perjury_nemesis::Node(node.0)).collect(),
            limit_ms: (ROUND * ROUNDS as u32).as_millis() as u64,
        });
        Ok((
            history.finish(),
            counts,
            self.told,
            breach.into_iter().chain(unserved).collect(),
        ))
    }

    fn machine(&mut self, node: NodeId) -> &mut Machine<R> {
        self.machines.get_mut(&node).expect("a node of the cluster")
    }

    fn leads(&self, node: NodeId) -> bool {
        let driver = self
            .machines
            .get(&node)
            .and_then(|machine| machine.driver.as_ref());
        driver.is_some_and(|driver| driver.replica().status().role == Role::Leader)
    }

    /// Whether clients turn to this node.
    fn may_serve(&self, node: NodeId) -> bool {
        R::LEADERLESS || self.leads(node)
    }

    fn campaign(&mut self, node: NodeId) -> Result<(), String> {
        let election =
            R::timer("election").ok_or_else(|| format!("{} has no timer called \"election\"", R::NAME))?;
        self.fire(node, election);
        Ok(())
    }

    fn fire(&mut self, node: NodeId, timer: R::Timer) {
        self.drive(node, |driver, clocks, out| {
            driver.step(Event::Timer(timer), clocks, out);
        });
    }

    fn drive(&mut self, node: NodeId, act: impl FnOnce(&mut Driver<R>, Clocks, &mut Vec<Output<R>>)) {
        let clocks = (self.now, self.now);
        let mut out = Vec::new();
        if let Some(driver) = &mut self.machine(node).driver {
            act(driver, clocks, &mut out);
            self.carry_out(node, out);
        }
    }

    fn start(&mut self, node: NodeId) {
        if self.machine(node).driver.is_some() {
            return;
        }
        let clocks = (self.now, self.now);
        let cluster = self.cluster.clone();
        let machine = self.machine(node);
        machine.boots += 1;
        let rng = stream(machine.boots, &format!("node/{}", node.0));
        let mut out = Vec::new();
        let durable = machine.durable.clone();
        machine.driver = Some(Driver::recover(&cluster, node, durable, rng, clocks, &mut out));
        self.carry_out(node, out);
    }

    fn kill(&mut self, node: NodeId, keeps: usize) {
        let machine = self.machine(node);
        if machine.driver.is_none() {
            return;
        }
        machine.stop();
        let kept: Vec<_> = machine.unsynced.drain(..).take(keeps).collect();
        kept.into_iter()
            .for_each(|(lsn, what)| harden(&mut machine.durable, lsn, what));
        self.watch.stopped(node);
        self.tell(node, "is killed".to_owned());
        let lost: Vec<RequestId> = self
            .open
            .iter()
            .filter(|(_, open)| open.node == node)
            .map(|(id, _)| *id)
            .collect();
        for id in lost {
            let error = "connection-reset".into();
            self.answer(id, Answer::Unknown { error });
        }
    }

    fn sync(&mut self, node: NodeId) {
        let machine = self.machine(node);
        if machine.driver.is_none() {
            return;
        }
        let Some(until) = machine.unsynced.last().map(|(lsn, _)| *lsn) else {
            return;
        };
        for (lsn, what) in machine.unsynced.drain(..) {
            harden(&mut machine.durable, lsn, what);
        }
        self.drive(node, |driver, clocks, out| driver.durable(until, clocks, out));
    }

    fn carry_out(&mut self, node: NodeId, out: Vec<Output<R>>) {
        let mut traces = Vec::new();
        for output in out {
            match output {
                Output::Write { lsn, what } => self.machine(node).unsynced.push((lsn, what)),
                Output::Release(before) => {
                    self.machine(node)
                        .durable
                        .records
                        .retain(|(lsn, _)| *lsn >= before);
                }
                Output::Send { to, message } => self.net.push(Packet {
                    from: node,
                    to,
                    message,
                }),
                Output::Reply { id, response } => self.reply(id, response),
                Output::Trace(trace) => traces.push(trace),
            }
        }
        for trace in &traces {
            self.tell(node, format!("{trace:?}"));
        }
        let Some(driver) = &self.machines[&node].driver else {
            return;
        };
        let durable = driver.durable_until();
        let seen = self.watch.observe(node, driver.replica(), &traces, durable);
        self.breach = self.breach.take().or(seen.err());
        if self.machines[&node].prompt {
            self.sync(node);
        }
    }

    /// Takes messages off the net, the oldest first.
    fn off(&mut self, from: NodeId, to: NodeId, count: Option<usize>) -> Vec<Packet<R>> {
        let mut left = count.unwrap_or(usize::MAX);
        let (taken, rest) = std::mem::take(&mut self.net).into_iter().partition(|packet| {
            let takes = (packet.from, packet.to) == (from, to) && left > 0;
            left -= usize::from(takes);
            takes
        });
        self.net = rest;
        taken
    }

    fn deliver(&mut self, from: NodeId, to: NodeId, count: Option<usize>) {
        let packets = self.off(from, to, count);
        self.hand(packets);
    }

    fn hand(&mut self, packets: Vec<Packet<R>>) {
        for Packet { from, to, message } in packets {
            self.tell(to, format!("receives from {from}: {}", brief(&message)));
            self.drive(to, |driver, clocks, out| {
                driver.step(Event::Message { from, message }, clocks, out);
            });
        }
    }

    /// Delivers among these nodes until nothing is on the way between them; the rest is lost.
    fn settle(&mut self, nodes: &[NodeId]) {
        for _ in 0..RESTLESS {
            self.net
                .retain(|packet| nodes.contains(&packet.from) && nodes.contains(&packet.to));
            if self.net.is_empty() {
                return;
            }
            let next = self.net.remove(0);
            self.hand(vec![next]);
        }
    }

    /// Time passes at everybody, and everybody's timers that are due run out.
    fn round(&mut self, nodes: &[NodeId]) {
        self.now += ROUND;
        for node in nodes {
            self.drive(*node, Driver::fire);
            self.settle(nodes);
        }
    }

    /// Whether these nodes, of which everybody is healthy, carry out a write.
    fn serves(&mut self, nodes: &[NodeId]) -> Result<bool, String> {
        for _ in 0..ROUNDS {
            if let Some(leader) = nodes.iter().copied().find(|node| self.may_serve(*node)) {
                let id = self.call(
                    leader,
                    Function::Write,
                    "serves",
                    Value::Int(self.requests as i64),
                )?;
                self.settle(nodes);
                self.round(nodes);
                if self.answered.contains(&id) {
                    return Ok(true);
                }
            }
            self.round(nodes);
        }
        Ok(false)
    }

    fn call(&mut self, node: NodeId, f: Function, key: &str, value: Value) -> Result<RequestId, String> {
        let key: Arc<str> = key.into();
        if !self.keys.contains(&key) {
            self.keys.push(Arc::clone(&key));
        }
        let call = Call { f, key, value };
        let request = calls::request(&call, None, 0)?;
        Ok(self.ask(node, request, Some(call)))
    }

    fn reconfigure(&mut self, node: NodeId, change: Reconfigure) {
        let command = Command::Reconfigure(change);
        let session = None;
        self.ask(node, Request::new(session, command), None);
    }

    fn ask(&mut self, node: NodeId, request: Request, call: Option<Call>) -> RequestId {
        self.requests += 1;
        let id = RequestId(self.requests);
        self.tell(node, format!("is asked: {:?}", request.command));
        let process = self.requests;
        if let Some(call) = &call {
            self.record(process, node, EventKind::Invoke, call, call.value.clone(), None);
        }
        let down = self.machine(node).driver.is_none();
        self.open.insert(id, Open { call, node, process });
        if down {
            let error = "connection-refused".into();
            self.answer(id, Answer::Unavailable { error, leader: None });
        } else {
            self.drive(node, |driver, clocks, out| {
                driver.step(Event::Request { id, request }, clocks, out);
            });
        }
        id
    }

    fn reply(&mut self, id: RequestId, response: Response) {
        let Some(call) = self.open.get(&id).and_then(|open| open.call.clone()) else {
            self.open.remove(&id);
            return;
        };
        let answer = calls::conclude(&call, response);
        self.answer(id, answer);
    }

    fn answer(&mut self, id: RequestId, answer: Answer) {
        let Some(Open {
            call: Some(call),
            node,
            process,
        }) = self.open.remove(&id)
        else {
            return;
        };
        let (kind, value, error) = match answer {
            Answer::Ok { value, .. } => {
                self.answered.push(id);
                (EventKind::Ok, value, None)
            }
            Answer::Failed { error, .. } | Answer::Unavailable { error, .. } => {
                (EventKind::Fail, Value::Nil, Some(error))
            }
            Answer::Unknown { error } => (EventKind::Info, Value::Nil, Some(error)),
        };
        let value = match (&call.f, kind) {
            (Function::Read, EventKind::Ok) => value,
            _ => call.value.clone(),
        };
        self.record(process, node, kind, &call, value, error);
    }

    fn record(
        &mut self,
        process: u64,
        node: NodeId,
        kind: EventKind,
        call: &Call,
        value: Value,
        error: Option<Arc<str>>,
    ) {
        let index = self.events.len() as u64;
        self.tell(
            node,
            format!("{kind:?} {} {} {value}", call.f, call.key).to_lowercase(),
        );
        self.events.push(Recorded {
            index,
            time: index,
            process: Process::Client(process),
            node: Some(node.to_string().into()),
            kind,
            f: call.f.clone(),
            key: Some(Arc::clone(&call.key)),
            value,
            error,
            observed: None,
            version: None,
            quorum: None,
        });
    }

    fn tell(&mut self, node: NodeId, what: String) {
        self.told.push(format!("{node} {what}"));
    }
}

impl<R: Replica> Machine<R> {
    /// The process ends.
    fn stop(&mut self) {
        if let Some(driver) = self.driver.take() {
            let counts = driver.replica().mutant_counts();
            self.counts.reached += counts.reached;
            self.counts.differed += counts.differed;
        }
    }
}

fn harden<R: Replica>(durable: &mut Durable<R::Record>, lsn: Lsn, what: Written<R>) {
    durable.end = lsn;
    match what {
        Written::Record(record) => durable.records.push((lsn, record)),
        Written::Snapshot(bytes) => durable.snapshot = Some((lsn, bytes)),
    }
}

/// A message in one line that is not too long.
fn brief(message: &(impl Debug + serde::Serialize)) -> String {
    const LONGEST: usize = 200;
    let text = format!("{message:?}");
    match text.char_indices().nth(LONGEST) {
        Some(_) => variant(message).to_owned(),
        None => text,
    }
}
