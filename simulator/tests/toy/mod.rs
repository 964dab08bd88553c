//! A small replica, so that the simulator is tested apart from any real protocol: node 1 orders everything, others
//! say so.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use perjury_simulator::{Invariants, Simulated, Unwatched};
use perjury_systems::api::{Command, Failure, Reply, Request, Response, Value};
use perjury_systems::context::Context;
use perjury_systems::replica::{
    Cluster, ConfigError, Durable, Event, MutantCounts, NodeId, Replica, RequestId, Role, Status,
};
use serde::{Deserialize, Serialize};

/// The replica.
#[derive(Clone, Debug)]
pub struct Toy {
    me: NodeId,
    others: Vec<NodeId>,
    mutant: Option<String>,
    store: BTreeMap<Arc<str>, (Value, u64)>,
    restarted: bool,
    /// Asked by others, until the answer is there.
    forwarded: BTreeMap<u64, RequestId>,
    next: u64,
    beats: u64,
}

/// What nodes say.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Message {
    Beat(u64),
    Read { key: Arc<str>, ticket: u64 },
    Value { ticket: u64, value: Value, version: u64 },
}

/// What is worth recording.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Trace {
    Started { keys: usize },
    Wrote { version: u64 },
}

/// A write.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    key: Arc<str>,
    value: Value,
    version: u64,
}

/// What makes the replica depend on more than its inputs: for the test that such a thing is found.
static IMPURE: AtomicU64 = AtomicU64::new(0);

impl Toy {
    fn leads(&self) -> bool {
        self.me == NodeId(1)
    }

    fn answer(&self, id: RequestId, result: Result<Reply, Failure>, cx: &mut Context<Self>) {
        let response = Response {
            node: self.me,
            term: 1,
            position: 0,
            result,
            quorum: None,
        };
        if self.mutant.as_deref() == Some("answer-before-fsync") {
            cx.reply_now(id, response);
        } else {
            cx.reply(id, response);
        }
    }

    fn write(&mut self, key: Arc<str>, value: Value, cx: &mut Context<Self>) -> Reply {
        let version = self
            .store
            .values()
            .map(|(_, version)| *version)
            .max()
            .unwrap_or(0)
            + 1;
        self.store.insert(key.clone(), (value.clone(), version));
        cx.append(Record { key, value, version });
        cx.trace(Trace::Wrote { version });
        Reply {
            value: Value::Nil,
            version,
        }
    }

    fn read(&self, key: &str) -> Reply {
        let (value, version) = self.store.get(key).cloned().unwrap_or_default();
        Reply { value, version }
    }

    fn request(&mut self, id: RequestId, request: Request, cx: &mut Context<Self>) {
        if self.mutant.as_deref() == Some("mute-after-restart") && self.restarted {
            return;
        }
        if self.mutant.as_deref() == Some("panics") && self.store.len() > 2 {
            panic!("a planted panic");
        }
        if !self.leads() {
            if let Command::Read { key } = request.command {
                self.next += 1;
                self.forwarded.insert(self.next, id);
                let ticket = self.next;
                cx.send(NodeId(1), Message::Read { key, ticket });
                return;
            }
            let failure = Failure::Unavailable {
                leader: Some(NodeId(1)),
                reason: "not the first node".into(),
            };
            return self.answer(id, Err(failure), cx);
        }
        let result = match request.command {
            Command::Read { key } => Ok(self.read(&key)),
            Command::Write { key, value } => Ok(self.write(key, value, cx)),
            Command::Cas { key, expected, new } => {
                let Reply { value, version } = self.read(&key);
                if value == expected {
                    Ok(self.write(key, new, cx))
                } else {
                    Err(Failure::Precondition {
                        observed: value,
                        version,
                    })
                }
            }
            _ => Err(Failure::Invalid {
                reason: "a toy".into(),
            }),
        };
        self.answer(id, result, cx);
    }
}

impl Replica for Toy {
    type Message = Message;
    type Record = Record;
    type Timer = ();
    type Trace = Trace;

    const NAME: &'static str = "toy";
    const FIFO: bool = false;

    fn validate(_: &Cluster) -> Result<(), ConfigError> {
        Ok(())
    }

    fn recover(cluster: &Cluster, me: NodeId, durable: Durable<Record>, cx: &mut Context<Self>) -> Self {
        let mut toy = Toy {
            me,
            others: cluster.nodes.iter().copied().filter(|node| *node != me).collect(),
            mutant: cluster.mutant.clone(),
            store: BTreeMap::new(),
            restarted: !durable.records.is_empty(),
            forwarded: BTreeMap::new(),
            next: 0,
            beats: 0,
        };
        for (_, record) in durable.records {
            toy.store.insert(record.key, (record.value, record.version));
        }
        cx.trace(Trace::Started {
            keys: toy.store.len(),
        });
        cx.arm((), Duration::from_millis(100));
        toy
    }

    fn step(&mut self, event: Event<Self>, cx: &mut Context<Self>) {
        match event {
            Event::Request { id, request } => self.request(id, request, cx),
            Event::Timer(()) => {
                self.beats += 1;
                if self.mutant.as_deref() == Some("impure") && self.beats == 10 {
                    self.beats += IMPURE.fetch_add(1, Ordering::Relaxed);
                }
                for to in &self.others {
                    cx.send_now(*to, Message::Beat(self.beats));
                }
                cx.arm((), Duration::from_millis(100));
            }
            Event::Message { from, message } => match message {
                Message::Beat(_) => {}
                Message::Read { key, ticket } => {
                    let Reply { value, version } = self.read(&key);
                    cx.send(
                        from,
                        Message::Value {
                            ticket,
                            value,
                            version,
                        },
                    );
                }
                Message::Value {
                    ticket,
                    value,
                    version,
                } => {
                    if let Some(id) = self.forwarded.remove(&ticket) {
                        self.answer(id, Ok(Reply { value, version }), cx);
                    }
                }
            },
            Event::Durable(_) => {}
        }
    }

    fn status(&self) -> Status {
        Status {
            node: self.me,
            role: if self.leads() {
                Role::Leader
            } else {
                Role::Follower
            },
            term: 1,
            leader: Some(NodeId(1)),
            committed: 0,
            applied: 0,
            voters: vec![NodeId(1)],
            learners: Vec::new(),
        }
    }

    fn mutant_counts(&self) -> MutantCounts {
        MutantCounts::default()
    }
}

impl Simulated for Toy {
    fn invariants(_: &Cluster) -> Box<dyn Invariants<Self>> {
        Box::new(Unwatched)
    }

    fn timer(_: &str) -> Option<Self::Timer> {
        None
    }
}
