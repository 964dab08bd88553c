//! Random runs: clients, crashes, partitions, pauses, bent clocks, bad weather, changing members. After each step the
//! invariants must hold; after healing, the cluster must serve; and what clients saw must be linearizable.

use std::collections::BTreeMap;
use std::sync::Arc;

use perjury_systems::api::{Command, Failure, MicroOp, Reconfigure, Request, Response, Session, Value};
use perjury_systems::breach::Invariants as _;
use perjury_systems::raft::invariants::Invariants;
use perjury_systems::raft::{Raft, Trace};
use perjury_systems::replica::{MutantCounts, Replica};
use perjury_systems::{Cluster, Lsn, NodeId, RequestId};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::bed::{Bed, MS, Nanos, Watch, Weather};
use crate::history::{Operation, is_ok, judge};

/// What a run looks like.
#[derive(Clone, Debug)]
pub struct Plan {
    pub members: u16,
    pub spare: u16,
    pub settings: Vec<(&'static str, &'static str)>,
    pub mutant: Option<&'static str>,
    pub faults: Vec<Fault>,
    pub weather: Weather,
    pub clients: usize,
    pub length: Nanos,
    /// Between two faults.
    pub pace: Nanos,
    /// Between an answer and the client's next request.
    pub think: Nanos,
    /// Whether a timed-out request is sent again under its session.
    pub retry: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Two random sides.
    Halves,
    /// The leader and nobody, or one other.
    Leader,
    /// One node is deaf to another.
    OneWay,
    /// Crash, losing what was not durable; restart later.
    Crash,
    /// Crash the leader.
    CrashLeader,
    /// Crash everybody at once.
    Blackout,
    Pause,
    PauseLeader,
    /// Clocks run up to 4 % fast or slow.
    Clock,
    Members,
    Transfer,
}

pub const FAULTS: &[Fault] = &[
    Fault::Halves,
    Fault::Leader,
    Fault::OneWay,
    Fault::Crash,
    Fault::CrashLeader,
    Fault::Blackout,
    Fault::Pause,
    Fault::Clock,
    Fault::Members,
    Fault::Transfer,
];

impl Default for Plan {
    fn default() -> Self {
        Plan {
            members: 5,
            spare: 0,
            settings: vec![("snapshot-every", "40"), ("snapshot-keep", "5")],
            mutant: None,
            faults: vec![Fault::Halves, Fault::Leader, Fault::Crash, Fault::CrashLeader],
            weather: Weather::ROUGH,
            clients: 4,
            length: 8_000 * MS,
            pace: 500 * MS,
            think: 0,
            retry: true,
        }
    }
}

impl Plan {
    pub fn cluster(&self) -> Cluster {
        let nodes = self.members + self.spare;
        Cluster {
            nodes: (1..=nodes).map(NodeId).collect(),
            members: (1..=self.members).map(NodeId).collect(),
            settings: self
                .settings
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .collect(),
            mutant: self.mutant.map(str::to_owned),
        }
    }
}

/// What came of a run.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// An invariant that broke.
    pub breach: Option<String>,
    /// What clients could see.
    pub lie: Option<String>,
    /// The cluster did not serve again.
    pub stuck: Option<String>,
    pub hash: u64,
    pub counts: MutantCounts,
    pub acknowledged: usize,
    pub leaders: usize,
}

impl Outcome {
    pub fn finding(&self) -> Option<&String> {
        self.breach.as_ref().or(self.lie.as_ref()).or(self.stuck.as_ref())
    }
}

#[derive(Default)]
pub struct Judge {
    pub invariants: Invariants,
    answers: BTreeMap<RequestId, (Response, Nanos)>,
    counts: MutantCounts,
    leaders: usize,
    unchecked: bool,
}

impl Judge {
    pub fn new(members: &[NodeId]) -> Self {
        Judge {
            invariants: Invariants::new(members),
            ..Judge::default()
        }
    }
}

impl Watch for Judge {
    fn booted(&mut self, _: NodeId, _: &Raft, _: Nanos) {}

    fn crashed(&mut self, node: NodeId) {
        self.invariants.stopped(node);
    }

    fn stepped(&mut self, node: NodeId, raft: &Raft, durable: Lsn, traces: &[Trace]) -> Result<(), String> {
        let won = |trace: &&Trace| matches!(trace, Trace::BecameLeader { .. });
        self.leaders += traces.iter().filter(won).count();
        if self.unchecked {
            return Ok(());
        }
        self.invariants
            .observe(node, raft, traces, durable)
            .map_err(|breach| breach.to_string())
    }

    fn answered(&mut self, id: RequestId, response: &Response, time: Nanos) {
        self.answers.insert(id, (response.clone(), time));
    }
}

struct Client {
    id: u64,
    sequence: u64,
    /// The request under way, its operation, and since when.
    open: Option<(RequestId, usize, Nanos)>,
    aim: NodeId,
    pause_until: Nanos,
}

pub struct Run {
    pub bed: Bed<Judge>,
    plan: Plan,
    rng: ChaCha8Rng,
    clients: Vec<Client>,
    operations: Vec<Operation>,
    sessions: u64,
    values: i64,
    /// Crashed or paused, until then.
    down: BTreeMap<NodeId, Nanos>,
    heal_at: Nanos,
    next_fault: Nanos,
}

/// Runs a plan with a seed.
pub fn run(plan: &Plan, seed: u64) -> Outcome {
    Run::new(plan, seed, false).go()
}

/// Runs a plan with a seed, looking only at what clients see.
pub fn run_black_box(plan: &Plan, seed: u64) -> Outcome {
    Run::new(plan, seed, true).go()
}

impl Run {
    fn new(plan: &Plan, seed: u64, unchecked: bool) -> Self {
        let cluster = plan.cluster();
        let mut judge = Judge::new(&cluster.members);
        judge.unchecked = unchecked;
        Run {
            bed: Bed::new(cluster, seed, plan.weather, judge),
            plan: plan.clone(),
            rng: ChaCha8Rng::seed_from_u64(seed ^ 0x5eed),
            clients: Vec::new(),
            operations: Vec::new(),
            sessions: 0,
            values: 0,
            down: BTreeMap::new(),
            heal_at: 0,
            next_fault: 1_500 * MS,
        }
    }

    fn go(&mut self) -> Outcome {
        let ids = self.bed.ids();
        for index in 0..self.plan.clients {
            self.sessions += 1;
            self.clients.push(Client {
                id: self.sessions,
                sequence: 0,
                open: None,
                aim: ids[index % ids.len()],
                pause_until: 1_000 * MS,
            });
        }
        while self.bed.time < self.plan.length && self.bed.failure.is_none() {
            self.faults();
            self.clients_act();
            self.bed.run_for(4 * MS);
        }
        let mut stuck = None;
        if self.bed.failure.is_none() {
            stuck = self.recover();
        }
        let settled = (stuck.is_none() && self.bed.failure.is_none())
            .then(|| self.settled())
            .flatten();
        let lie = judge(&self.operations, settled);
        let counts = self.bed.nodes.values().filter_map(|node| node.driver.as_ref());
        let counts =
            counts
                .map(|driver| driver.replica().mutant_counts())
                .fold(self.bed.watch.counts, |sum, one| MutantCounts {
                    reached: sum.reached + one.reached,
                    differed: sum.differed + one.differed,
                });
        Outcome {
            breach: self.bed.failure.clone(),
            lie,
            stuck,
            hash: self.bed.hash,
            counts,
            acknowledged: self.operations.iter().filter(|op| is_ok(op)).count(),
            leaders: self.bed.watch.leaders,
        }
    }

    fn save_counts(&mut self, id: NodeId) {
        if let Some(driver) = &self.bed.nodes[&id].driver {
            let counts = driver.replica().mutant_counts();
            self.bed.watch.counts.reached += counts.reached;
            self.bed.watch.counts.differed += counts.differed;
        }
    }

    fn crash(&mut self, id: NodeId, span: Nanos) {
        if self.down.contains_key(&id) {
            return;
        }
        self.save_counts(id);
        self.bed.crash(id);
        self.down.insert(id, self.bed.time + span);
    }

    fn pause(&mut self, id: NodeId, span: Nanos) {
        if !self.down.contains_key(&id) {
            self.bed.pause(id);
            self.down.insert(id, self.bed.time + span);
        }
    }

    fn bring_back(&mut self, all: bool) {
        let due: Vec<NodeId> = self
            .down
            .iter()
            .filter(|(_, until)| all || **until <= self.bed.time)
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            self.down.remove(&id);
            if self.bed.nodes[&id].driver.is_some() {
                self.bed.resume(id);
            } else {
                self.bed.start(id);
            }
        }
    }

    fn faults(&mut self) {
        self.bring_back(false);
        if self.bed.time >= self.heal_at {
            self.bed.heal();
        }
        if self.bed.time < self.next_fault || self.plan.faults.is_empty() {
            return;
        }
        let pace = self.plan.pace;
        self.next_fault = self.bed.time + self.rng.random_range(pace / 4..=pace * 2);
        let fault = self.plan.faults[self.rng.random_range(0..self.plan.faults.len())];
        let mut ids = self.bed.ids();
        ids.shuffle(&mut self.rng);
        let span = self.rng.random_range(pace / 4..=pace * 3);
        let leader = self.bed.leader().unwrap_or(ids[0]);
        match fault {
            Fault::Halves => {
                let at = self.rng.random_range(1..ids.len());
                let (left, right) = ids.split_at(at);
                self.bed.heal();
                self.bed.cut_between(left, right);
                self.heal_at = self.bed.time + span;
            }
            Fault::Leader => {
                let with = self.rng.random_range(0..=1);
                ids.retain(|id| *id != leader);
                let right = ids.split_off(with.min(ids.len() - 1));
                ids.push(leader);
                self.bed.heal();
                self.bed.cut_between(&ids, &right);
                self.heal_at = self.bed.time + span;
            }
            Fault::OneWay => {
                let (a, b) = (ids[0], ids[1 % ids.len()]);
                self.bed.cut.insert((a, b));
                self.heal_at = self.bed.time + span;
            }
            Fault::Crash => self.crash(ids[0], span),
            Fault::CrashLeader => self.crash(leader, span),
            Fault::Blackout => {
                for id in ids {
                    self.crash(id, span / 4);
                }
            }
            Fault::Pause => self.pause(ids[0], span),
            Fault::PauseLeader => self.pause(leader, span),
            Fault::Clock => {
                let rate = self.rng.random_range(960_000..=1_040_000);
                self.bed.bend_clock(ids[0], rate);
            }
            Fault::Members => {
                let change = match self.rng.random_range(0..5) {
                    0 | 1 => Reconfigure::Join(ids[0]),
                    2 => Reconfigure::Leave(ids[0]),
                    3 => Reconfigure::Learn(ids[0]),
                    _ => Reconfigure::Replace {
                        leaves: ids[0],
                        joins: ids[1 % ids.len()],
                    },
                };
                let members = self.bed.nodes[&leader]
                    .driver
                    .as_ref()
                    .map_or(9, |d| d.replica().status().voters.len());
                if !(matches!(change, Reconfigure::Leave(_)) && members <= 3) {
                    self.bed.reconfigure(leader, change);
                }
            }
            Fault::Transfer => {
                let command = Command::Transfer { to: None };
                self.bed.invoke(leader, Request::new(None, command));
            }
        }
    }

    fn clients_act(&mut self) {
        for index in 0..self.clients.len() {
            let time = self.bed.time;
            if let Some((request, operation, since)) = self.clients[index].open {
                let answer = self.bed.watch.answers.remove(&request);
                match answer {
                    Some((response, at)) => self.completed(index, operation, response, at),
                    None if time > since + 1_000 * MS => self.gave_up(index, operation),
                    None => {}
                }
            }
            if self.clients[index].open.is_none() && time >= self.clients[index].pause_until {
                self.invoke(index);
            }
        }
    }

    fn invoke(&mut self, index: usize) {
        self.clients[index].sequence += 1;
        let key: Arc<str> = ["x", "y"][self.rng.random_range(0..2)].into();
        self.values += 1;
        let value = Value::Int(self.values);
        let command = match self.rng.random_range(0..10) {
            0..=3 => Command::Read { key },
            4..=6 => Command::Write { key, value },
            7 => Command::Txn(vec![MicroOp::Append {
                key: "list".into(),
                value,
            }]),
            8 => Command::Txn(vec![MicroOp::Read { key: "list".into() }]),
            _ => Command::Txn(vec![MicroOp::Add {
                key: "sum".into(),
                amount: 1,
            }]),
        };
        self.operations.push(Operation {
            invoked: self.bed.time,
            completed: None,
            command: command.clone(),
            response: None,
            uncertain: false,
        });
        self.send(index, self.operations.len() - 1);
    }

    fn send(&mut self, index: usize, operation: usize) {
        let client = &self.clients[index];
        let session = Some(Session {
            client: client.id,
            sequence: client.sequence,
        });
        let command = self.operations[operation].command.clone();
        let id = self.bed.invoke(client.aim, Request::new(session, command));
        self.clients[index].open = Some((id, operation, self.bed.time));
    }

    fn elsewhere(&mut self, index: usize, hint: Option<NodeId>) {
        let ids = self.bed.ids();
        let random = ids[self.rng.random_range(0..ids.len())];
        let stubborn = self.rng.random_range(0..3) == 0;
        if !stubborn {
            self.clients[index].aim = hint.unwrap_or(random);
        }
    }

    fn completed(&mut self, index: usize, operation: usize, response: Response, at: Nanos) {
        let hint = match &response.result {
            Err(Failure::Unavailable { leader, .. }) => Some(*leader),
            Err(Failure::Indefinite { .. }) => {
                self.gave_up(index, operation);
                return;
            }
            _ => None,
        };
        let op = &mut self.operations[operation];
        op.completed = Some(at);
        op.response = Some(response);
        self.clients[index].open = None;
        self.clients[index].pause_until = self.bed.time + self.plan.think;
        if let Some(hint) = hint {
            self.elsewhere(index, hint);
            self.clients[index].pause_until = self.bed.time + self.plan.think.max(10 * MS);
        }
    }

    /// The outcome is not known: try the same request elsewhere, or go on as somebody else.
    fn gave_up(&mut self, index: usize, operation: usize) {
        self.elsewhere(index, None);
        self.operations[operation].uncertain = true;
        if self.plan.retry && self.bed.time < self.operations[operation].invoked + 5_000 * MS {
            self.send(index, operation);
        } else {
            self.sessions += 1;
            self.clients[index].open = None;
            self.clients[index].id = self.sessions;
            self.clients[index].sequence = 0;
        }
    }

    /// Everything heals; then a write must succeed, and every member must agree.
    fn recover(&mut self) -> Option<String> {
        self.bed.heal();
        self.bring_back(true);
        for id in self.bed.ids() {
            self.bed.bend_clock(id, 1_000_000);
        }
        self.bed.weather = Weather::FAIR;
        let deadline = self.bed.time + 8_000 * MS;
        while self.bed.time < deadline && self.bed.failure.is_none() {
            self.bed.run_for(300 * MS);
            let Some(leader) = self.bed.leader() else {
                continue;
            };
            let id = self.bed.command(
                leader.0,
                Command::Write {
                    key: "z".into(),
                    value: Value::Int(1),
                },
            );
            self.bed.run_for(300 * MS);
            let served = self
                .bed
                .watch
                .answers
                .get(&id)
                .is_some_and(|(response, _)| response.result.is_ok());
            if served && self.caught_up(leader) {
                let rafts = self.bed.nodes.iter();
                let rafts: BTreeMap<NodeId, &Raft> = rafts
                    .filter_map(|(id, node)| Some((*id, node.driver.as_ref()?.replica())))
                    .collect();
                let full = self.bed.watch.invariants.full(&rafts);
                if let (Err(breach), false) = (full, self.bed.watch.unchecked) {
                    self.bed.failure = Some(breach.to_string());
                }
                return None;
            }
        }
        let statuses: Vec<String> = self
            .bed
            .nodes
            .values()
            .filter_map(|node| Some(format!("{:?}", node.driver.as_ref()?.replica().status())))
            .collect();
        Some(format!("no recovery:\n{}", statuses.join("\n")))
    }

    /// What the list and the sum hold in the end.
    fn settled(&mut self) -> Option<(Value, Value)> {
        let parts = ["list", "sum"].map(|key| MicroOp::Read { key: key.into() });
        let leader = self.bed.leader()?;
        let id = self.bed.command(leader.0, Command::Txn(parts.to_vec()));
        self.bed.run_for(500 * MS);
        let (response, _) = self.bed.watch.answers.get(&id)?;
        match response.result.clone().ok()?.value {
            Value::List(values) => Some((values.first()?.clone(), values.last()?.clone())),
            _ => None,
        }
    }

    fn caught_up(&self, leader: NodeId) -> bool {
        let status = |id: &NodeId| Some(self.bed.nodes[id].driver.as_ref()?.replica().status());
        let Some(led) = status(&leader) else {
            return false;
        };
        let mut members = led.voters.iter().chain(&led.learners);
        members.all(|id| status(id).is_some_and(|status| status.applied == led.applied))
    }
}

/// What every node traced in a run in which nobody looks, so that it goes to its end.
pub fn traces(plan: &Plan, seed: u64) -> Vec<(Nanos, NodeId, Trace)> {
    let mut run = Run::new(plan, seed, true);
    run.bed.keep_traces = true;
    run.go();
    run.bed.traces
}

/// Prints the last traces of a run, to look into a failure.
pub fn explain(plan: &Plan, seed: u64, last: usize) {
    let mut run = Run::new(plan, seed, false);
    run.bed.keep_traces = true;
    let outcome = run.go();
    let skip = run.bed.traces.len().saturating_sub(last);
    for (time, node, trace) in run.bed.traces.iter().skip(skip) {
        if !matches!(trace, Trace::ReadInvoked { .. } | Trace::ReadServed { .. }) {
            eprintln!("{:>9.3} ms {node} {trace:?}", *time as f64 / MS as f64);
        }
    }
    eprintln!("{:?}", outcome.finding());
}
