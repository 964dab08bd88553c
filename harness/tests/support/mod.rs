//! A runner as small as can be: clients that ask the next thing as soon as they have an answer.
#![allow(dead_code)] // Each test uses what it needs of it.

use std::path::{Path, PathBuf};

use perjury::{ClusterConfig, ProcessEnvironment, Summary};
use perjury_checker::{Function, Value};
use perjury_nemesis::{Node, Resolved};
use perjury_runner::{Action, Answer, Attempt, Input, Notice, Phase};
use perjury_workloads::Call;

/// A cluster of the program under test.
pub fn config(system: &str, nodes: u16, folder: &Path) -> ClusterConfig {
    let mut config = ClusterConfig::new(system, nodes, folder.join("nodes"));
    config.program = Some(PathBuf::from(env!("CARGO_BIN_EXE_perjury")));
    config.data = Some(folder.to_owned());
    config
}

/// What a run of [`Closed`] saw.
#[derive(Debug, Default)]
pub struct Tally {
    pub ok: u64,
    pub failed: u64,
    pub unavailable: u64,
    pub unknown: u64,
    pub errors: Vec<String>,
    pub inputs: Vec<String>,
    pub first_ok_ns: Option<u64>,
    pub injected: Vec<(u32, Result<perjury_runner::Bite, String>)>,
    pub healed: Vec<(u32, Result<perjury_runner::Bite, String>)>,
    pub died: Vec<(Node, String)>,
}

/// Something to do at a time.
#[derive(Clone, Debug)]
pub enum Todo {
    Inject(u32, Resolved),
    Heal(u32),
    /// Flip a bit in the first record of every log of n2 below this folder.
    Damage(PathBuf),
    /// Every node is to serve from now on.
    Recover,
    Finish,
}

/// Is told of every answer.
pub type Listener = Box<dyn FnMut(&Answer)>;

/// Clients in a closed loop, with faults at fixed times.
pub struct Closed {
    pub clients: usize,
    pub nodes: u16,
    pub todo: Vec<(u64, Todo)>,
    pub timeout_ms: u64,
    /// The node that each client asks next.
    pub targets: Vec<Node>,
    pub next_id: u64,
    pub tally: Tally,
    /// Finish once so many faults were healed; 0 for never.
    pub finish_when_healed: usize,
    pub listener: Option<Listener>,
    owners: Vec<(u64, usize)>,
    stopping: bool,
    waiting: Vec<(u64, usize)>,
}

impl Closed {
    pub fn new(clients: usize, nodes: u16, todo: Vec<(u64, Todo)>) -> Self {
        Closed {
            clients,
            nodes,
            todo,
            timeout_ms: 1000,
            targets: (0..clients)
                .map(|client| Node(client as u16 % nodes + 1))
                .collect(),
            next_id: 0,
            tally: Tally::default(),
            finish_when_healed: 0,
            listener: None,
            owners: vec![(0, 0); clients],
            stopping: false,
            waiting: Vec::new(),
        }
    }

    /// Runs it.
    pub fn run(&mut self, environment: ProcessEnvironment) -> Summary {
        environment.run(
            &mut |now, input, actions| self.step(now, input, actions),
            &mut |_| {},
        )
    }

    fn ask(&mut self, client: usize, actions: &mut Vec<Action>) {
        self.next_id += 1;
        let id = self.next_id;
        self.owners[client] = (id, client);
        let key = format!("k{}", id % 5);
        let (f, value) = match id % 3 {
            0 => (Function::Read, Value::Nil),
            1 => (Function::Write, Value::Int(id as i64)),
            _ => (
                Function::Cas,
                Value::from(vec![Value::Int(id as i64 - 5), Value::Int(id as i64)]),
            ),
        };
        actions.push(Action::Send(Attempt {
            id,
            client,
            node: self.targets[client],
            call: Call {
                f,
                key: key.into(),
                value,
            },
            session: None,
            timeout_ms: self.timeout_ms,
        }));
    }

    fn step(&mut self, now: u64, input: Input, actions: &mut Vec<Action>) {
        match input {
            Input::Started => {
                for client in 0..self.clients {
                    self.ask(client, actions);
                }
            }
            Input::Answer { attempt, answer } => {
                if let Some(listener) = &mut self.listener {
                    listener(&answer);
                }
                let client = self
                    .owners
                    .iter()
                    .find(|(id, _)| *id == attempt)
                    .expect("it was asked")
                    .1;
                match &answer {
                    Answer::Ok { .. } => {
                        self.tally.ok += 1;
                        self.tally.first_ok_ns.get_or_insert(now);
                    }
                    Answer::Failed { error, .. } => {
                        self.tally.failed += 1;
                        if &**error != "precondition-failed" {
                            self.tally.errors.push(error.to_string());
                        }
                    }
                    Answer::Unavailable { leader, .. } => {
                        self.tally.unavailable += 1;
                        let next = Node(self.targets[client].0 % self.nodes + 1);
                        self.targets[client] = leader.unwrap_or(next);
                    }
                    Answer::Unknown { error } => {
                        self.tally.unknown += 1;
                        self.tally.errors.push(error.to_string());
                        self.targets[client] = Node(self.targets[client].0 % self.nodes + 1);
                    }
                }
                let refused = matches!(answer, Answer::Unavailable { .. });
                if refused {
                    self.waiting.push((now + 10_000_000, client));
                } else if !self.stopping {
                    self.ask(client, actions);
                }
            }
            Input::Woke => {}
            Input::Injected { id, result } => self.tally.injected.push((id, result)),
            Input::Healed { id, result } => {
                self.tally.healed.push((id, result));
                if self.tally.healed.len() == self.finish_when_healed {
                    // A moment for what may still come of it.
                    self.todo = vec![(now / 1_000_000 + 300, Todo::Finish)];
                }
            }
            Input::NodeDied { node, reason } => self.tally.died.push((node, reason)),
            other => self.tally.inputs.push(format!("{other:?}")),
        }
        let due: Vec<usize> = self
            .waiting
            .iter()
            .filter(|(at, _)| *at <= now)
            .map(|(_, client)| *client)
            .collect();
        self.waiting.retain(|(at, _)| *at > now);
        for client in due {
            self.ask(client, actions);
        }
        let next = self.todo.first().map(|(at, _)| at * 1_000_000);
        if let Some(at) = self.waiting.iter().map(|(at, _)| *at).chain(next).min() {
            actions.push(Action::Wake(at.max(now)));
        }
        while let Some((at, todo)) = self.todo.first().cloned() {
            if at > now / 1_000_000 {
                break;
            }
            self.todo.remove(0);
            match todo {
                Todo::Inject(id, fault) => actions.push(Action::Inject { id, fault }),
                Todo::Heal(id) => actions.push(Action::Heal { id }),
                Todo::Damage(folder) => damage(&folder),
                Todo::Recover => actions.push(Action::Notice(Notice::Phase {
                    phase: Phase::Recover,
                    at: now,
                })),
                Todo::Finish => {
                    self.stopping = true;
                    actions.push(Action::Finish);
                }
            }
        }
    }
}

fn damage(folder: &Path) {
    let data = std::fs::read_dir(folder)
        .expect("listed")
        .flatten()
        .map(|entry| entry.path().join("n2"))
        .find(|path| path.is_dir())
        .expect("a data directory");
    let log = std::fs::read_dir(data)
        .expect("listed")
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "log"))
        .expect("a log");
    let mut bytes = std::fs::read(&log).expect("read");
    bytes[20] ^= 1;
    std::fs::write(&log, bytes).expect("written");
}

/// Runs a closed loop against a fresh cluster.
pub fn run(config: ClusterConfig, closed: &mut Closed) -> Summary {
    closed.run(ProcessEnvironment::start(config).expect("the cluster starts"))
}
