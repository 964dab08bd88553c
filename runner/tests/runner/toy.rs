//! A toy environment in virtual time: one store, in front of it nodes that faults can silence.
//!
//! The store is perfect unless a [`Bug`] is planted. What stands between it and the clients is not: requests
//! are delayed, turned away, or left without an answer, and then they were applied, or not, or will be later.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;

use perjury_checker::{Function, Value};
use perjury_nemesis::{Link, Nemesis, Node, Plan, Resolved, plan, stream};
use perjury_runner::{
    Action, Answer, Attempt, Bite, Finished, Input, Notice, Options, Runner, Summary, View,
};
use perjury_workloads::{Call, build};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

const MS: u64 = 1_000_000;

/// What is wrong with the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    None,
    /// One read in a hundred shows what was there two changes ago.
    StaleReads,
    /// One change in a hundred is acknowledged and forgotten.
    LostWrites,
    /// A request that is sent again is applied again.
    NoSessions,
    /// One change in a hundred is turned away and applied all the same.
    FailsButApplies,
}

/// How unreliable the way to the store is, in per cent of the requests.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    pub unavailable: u32,
    pub unknown: u32,
}

pub const FAIR: Weather = Weather {
    unavailable: 0,
    unknown: 0,
};
pub const FOUL: Weather = Weather {
    unavailable: 10,
    unknown: 4,
};

#[derive(Debug)]
enum Happening {
    /// A request reaches the store; its answer is sent if somebody still waits for it.
    Apply {
        attempt: Attempt,
        answered: bool,
    },
    Tell(Input),
    Woke(u64),
}

#[derive(Default)]
struct Store {
    /// All values that each key ever had.
    values: BTreeMap<Arc<str>, Vec<Value>>,
    sessions: BTreeMap<u64, (u64, Answer)>,
}

impl Store {
    fn apply(&mut self, attempt: &Attempt, bug: Bug, rng: &mut ChaCha8Rng) -> Answer {
        if let Some((client, sequence)) = attempt.session
            && bug != Bug::NoSessions
            && let Some((last, answer)) = self.sessions.get(&client)
            && *last >= sequence
        {
            return answer.clone();
        }
        let answer = self.execute(&attempt.call, bug, rng);
        if let Some((client, sequence)) = attempt.session {
            self.sessions.insert(client, (sequence, answer.clone()));
        }
        answer
    }

    fn execute(&mut self, call: &Call, bug: Bug, rng: &mut ChaCha8Rng) -> Answer {
        let unlucky = rng.random_range(0..100) == 0;
        let past = self
            .values
            .entry(call.key.clone())
            .or_insert_with(|| vec![Value::Nil]);
        let current = past.last().cloned().unwrap_or_default();
        let new = match (&call.f, &call.value) {
            (Function::Read, _) => {
                let stale = bug == Bug::StaleReads && unlucky && past.len() > 2;
                let value = if stale {
                    past[past.len() - 3].clone()
                } else {
                    current
                };
                return Answer::Ok {
                    value,
                    version: Some(past.len() as u64),
                    quorum: None,
                    term: 1,
                };
            }
            (Function::Write, value) => value.clone(),
            (Function::Cas, Value::List(pair)) if pair[0] != current => {
                let version = Some(past.len() as u64);
                return Answer::Failed {
                    error: "precondition-failed".into(),
                    observed: Some(current),
                    version,
                };
            }
            (Function::Cas, Value::List(pair)) => pair[1].clone(),
            (Function::Increment, Value::Int(amount)) => match current {
                Value::Int(sum) => Value::Int(sum + amount),
                _ => Value::Int(*amount),
            },
            (Function::Add | Function::Append, element) => {
                let mut list = match current {
                    Value::List(list) => list.to_vec(),
                    _ => Vec::new(),
                };
                list.push(element.clone());
                list.into()
            }
            _ => {
                return Answer::Failed {
                    error: "invalid".into(),
                    observed: None,
                    version: None,
                };
            }
        };
        if !(bug == Bug::LostWrites && unlucky) {
            // Only as much of the past as a bug may need.
            if past.len() > 4 {
                past.remove(0);
            }
            past.push(new);
        }
        if bug == Bug::FailsButApplies && unlucky {
            return Answer::Unavailable {
                error: "no-leader".into(),
                leader: None,
            };
        }
        Answer::Ok {
            value: Value::Nil,
            version: Some(past.len() as u64),
            quorum: None,
            term: 1,
        }
    }
}

/// The environment.
pub struct Toy {
    pub now_ns: u64,
    bug: Bug,
    weather: Weather,
    nodes: u16,
    rng: ChaCha8Rng,
    store: Store,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    happenings: BTreeMap<u64, Happening>,
    queued: u64,
    faults: BTreeMap<u32, Resolved>,
    wake_ns: u64,
    view: View,
    /// Everything that the runner wanted done, for comparison.
    pub trace: Vec<String>,
    pub notices: Vec<Notice>,
    pub traced: bool,
    /// Nodes that never serve.
    pub broken: BTreeSet<Node>,
    /// What is told at a time, besides what happens.
    pub script: Vec<(u64, Input)>,
}

impl Toy {
    pub fn new(nodes: u16, seed: u64, bug: Bug, weather: Weather) -> Self {
        Toy {
            now_ns: 0,
            bug,
            weather,
            nodes,
            rng: stream(seed, "toy"),
            store: Store::default(),
            queue: BinaryHeap::new(),
            happenings: BTreeMap::new(),
            queued: 0,
            faults: BTreeMap::new(),
            wake_ns: u64::MAX,
            view: View::default(),
            trace: Vec::new(),
            notices: Vec::new(),
            traced: false,
            broken: BTreeSet::new(),
            script: Vec::new(),
        }
    }

    fn at(&mut self, at_ns: u64, happening: Happening) {
        self.queued += 1;
        self.queue.push(Reverse((at_ns, self.queued)));
        self.happenings.insert(self.queued, happening);
    }

    fn hit(&self, node: Node, which: impl Fn(&Resolved) -> bool) -> bool {
        self.faults
            .values()
            .any(|fault| which(fault) && fault.nodes().is_some_and(|nodes| nodes.contains(&node)))
    }

    fn killed(&self, node: Node) -> bool {
        self.hit(node, |fault| {
            matches!(fault, Resolved::Kill { .. } | Resolved::Leave { .. })
        })
    }

    fn stopped(&self, node: Node) -> bool {
        self.killed(node) || self.hit(node, |fault| matches!(fault, Resolved::Pause { .. }))
    }

    /// Whether a node hears, and is heard by, a majority that runs.
    fn connected(&self, node: Node) -> bool {
        let cut = |from, to| {
            let link = Link { from, to };
            self.faults
                .values()
                .any(|f| matches!(f, Resolved::Cut { links } if links.contains(&link)))
        };
        let mut peers = (1..=self.nodes).map(Node).filter(|peer| !self.stopped(*peer));
        let near = peers
            .by_ref()
            .filter(|peer| *peer == node || (!cut(*peer, node) && !cut(node, *peer)))
            .count();
        !self.stopped(node) && near > usize::from(self.nodes / 2)
    }

    fn send(&mut self, attempt: Attempt) {
        let latency_ns = self.rng.random_range(MS / 5..2 * MS);
        let timeout_ns = self.now_ns + attempt.timeout_ms * MS;
        let (id, node) = (attempt.id, attempt.node);
        let tell = |answer| Happening::Tell(Input::Answer { attempt: id, answer });
        let turned_away = |error: &str, leader| {
            tell(Answer::Unavailable {
                error: error.into(),
                leader,
            })
        };
        if self.killed(node) || self.broken.contains(&node) {
            self.at(self.now_ns + latency_ns, turned_away("connection-refused", None));
        } else if !self.connected(node) || self.rng.random_range(0..100) < self.weather.unknown {
            // Applied now, later, long after it was given up, or never.
            if self.connected(node) && self.rng.random_bool(0.7) {
                let applied_ns = self.now_ns + self.rng.random_range(0..3 * attempt.timeout_ms * MS);
                self.at(
                    applied_ns,
                    Happening::Apply {
                        attempt,
                        answered: false,
                    },
                );
            }
            self.at(
                timeout_ns,
                tell(Answer::Unknown {
                    error: "timeout".into(),
                }),
            );
        } else if self.rng.random_range(0..100) < self.weather.unavailable {
            let leader = self
                .rng
                .random_bool(0.5)
                .then(|| Node(self.rng.random_range(1..=self.nodes)));
            self.at(self.now_ns + latency_ns, turned_away("not-leader", leader));
        } else {
            self.at(
                self.now_ns + latency_ns,
                Happening::Apply {
                    attempt,
                    answered: true,
                },
            );
        }
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::Send(attempt) => self.send(attempt),
            Action::Inject { id, fault } => {
                let bite = Bite {
                    bit: true,
                    links: Vec::new(),
                    evidence: "seen".to_owned(),
                };
                self.faults.insert(id, fault);
                self.at(
                    self.now_ns + MS,
                    Happening::Tell(Input::Injected { id, result: Ok(bite) }),
                );
                self.look();
            }
            Action::Heal { id } => {
                self.faults.remove(&id);
                let bite = Bite {
                    bit: true,
                    links: Vec::new(),
                    evidence: "seen".to_owned(),
                };
                self.at(
                    self.now_ns + MS,
                    Happening::Tell(Input::Healed { id, result: Ok(bite) }),
                );
                self.look();
            }
            Action::Wake(at_ns) => {
                self.wake_ns = at_ns;
                self.at(at_ns, Happening::Woke(at_ns));
            }
            Action::Notice(notice) => self.notices.push(notice),
            Action::Finish => {}
        }
    }

    /// Says what the cluster looks like, if that has changed.
    fn look(&mut self) {
        let up = (1..=self.nodes)
            .map(Node)
            .filter(|node| !self.killed(*node))
            .collect();
        let leader = (1..=self.nodes).map(Node).find(|node| self.connected(*node));
        let term = self.view.leader.map_or(0, |(_, term)| term);
        let same = self.view.leader.map(|(node, _)| node) == leader;
        let view = View {
            leader: leader.map(|node| (node, term + u64::from(!same))),
            up,
        };
        if view != self.view {
            self.view = view.clone();
            self.at(self.now_ns + 50 * MS, Happening::Tell(Input::View(view)));
        }
    }

    /// Runs a test to its end; panics if it does not come to one.
    pub fn run(&mut self, mut runner: Runner) -> Finished {
        let mut out = Vec::new();
        for (at_ns, input) in std::mem::take(&mut self.script) {
            self.at(at_ns, Happening::Tell(input));
        }
        self.look();
        self.at(0, Happening::Tell(Input::Started));
        while let Some(Reverse((at_ns, number))) = self.queue.pop() {
            self.now_ns = at_ns;
            let input = match self.happenings.remove(&number).expect("queued") {
                Happening::Tell(input) => input,
                Happening::Woke(at_ns) if at_ns == self.wake_ns => Input::Woke,
                Happening::Woke(_) => continue,
                Happening::Apply { attempt, answered } => {
                    let answer = self.store.apply(&attempt, self.bug, &mut self.rng);
                    if answered {
                        let latency_ns = self.rng.random_range(MS / 5..2 * MS);
                        let tell = Input::Answer {
                            attempt: attempt.id,
                            answer,
                        };
                        self.at(at_ns + latency_ns, Happening::Tell(tell));
                    }
                    continue;
                }
            };
            runner.step(at_ns, input, &mut out);
            let over = out.iter().any(|action| matches!(action, Action::Finish));
            assert_eq!(over, runner.is_done());
            for action in out.drain(..) {
                if self.traced {
                    self.trace.push(format!("{at_ns} {action:?}"));
                }
                self.carry_out(action);
            }
            if over {
                return runner.finish();
            }
        }
        panic!("the test waits for nothing and is not over: {runner:?}");
    }
}

/// A whole test.
pub struct Test {
    pub workload: &'static str,
    pub nemesis: &'static str,
    pub options: Options,
    pub bug: Bug,
    pub weather: Weather,
    pub values: Option<u32>,
}

impl Default for Test {
    fn default() -> Self {
        let options = Options {
            time_limit_ms: 8_000,
            request_timeout_ms: 300,
            recovery_limit_ms: 5_000,
            start_limit_ms: 5_000,
            rate: 250.0,
            ..Options::default()
        };
        Test {
            workload: "cas",
            nemesis: "none",
            options,
            bug: Bug::None,
            weather: FAIR,
            values: None,
        }
    }
}

impl Test {
    pub fn plan(&self) -> Plan {
        let nemesis: Nemesis = self.nemesis.parse().expect("a nemesis");
        let options = perjury_nemesis::Options::new(self.options.nodes, self.options.time_limit_ms);
        plan(&nemesis, &options, &mut stream(self.options.seed, "nemesis")).expect("a plan")
    }

    pub fn runner(&self) -> Runner {
        let options = perjury_workloads::Options {
            values: self.values,
            ..Default::default()
        };
        let workload = build(self.workload, &options).expect("a workload");
        Runner::new(self.options.clone(), workload, self.plan()).expect("valid options")
    }

    pub fn toy(&self) -> Toy {
        Toy::new(self.options.nodes, self.options.seed, self.bug, self.weather)
    }

    pub fn run(&self) -> (Finished, Summary) {
        let finished = self.toy().run(self.runner());
        let options = perjury_checker::Options {
            threads: std::num::NonZero::<usize>::MIN,
            ..Default::default()
        };
        let summary = finished.judge(&options);
        (finished, summary)
    }
}
