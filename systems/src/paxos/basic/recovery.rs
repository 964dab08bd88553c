//! Starting from what was durable, and keeping the log short.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::settings::Settings;
use super::types::{Key, Message, Record, Timer, Trace, Vote};
use super::{BasicPaxos, Cx, mutants};
use crate::identity::{Disk, Identity, Registers, Standing};
use crate::paxos::Ballot;
use crate::replica::{Cluster, Durable, NodeId};

/// The whole state, as a snapshot holds it.
#[derive(Serialize, Deserialize)]
struct Contents {
    identity: Identity,
    registers: Vec<Register>,
}

/// A register, as a snapshot holds it: of one that is decided nothing but that.
#[derive(Serialize, Deserialize)]
struct Register {
    key: Key,
    round: u64,
    promised: Ballot,
    accepted: Option<Vote>,
    chosen: Option<Vote>,
}

impl BasicPaxos {
    pub(super) fn start(cluster: &Cluster, me: NodeId, durable: Durable<Record>, cx: &mut Cx) -> Self {
        let settings = Settings::parse(&cluster.settings).expect("the settings were validated");
        let mut paxos = BasicPaxos {
            me,
            nodes: cluster.nodes.iter().copied().collect(),
            acceptors: Arc::new(cluster.members.iter().copied().collect()),
            rules: mutants::rules(cluster.mutant.as_deref()),
            settings: settings.into(),
            identity: Identity::default(),
            registration: Default::default(),
            instances: BTreeMap::new(),
            busy: Default::default(),
            waiting: 0,
            decided: 0,
            records: 0,
            loopback: Default::default(),
            durable: durable.end,
            halted: None,
        };
        let found = paxos.replay(durable);
        let keys = paxos.instances.len() as u64;
        cx.trace(Trace::Recovered { keys });
        match found {
            Ok(identity) => paxos.start_identity(identity, cx),
            Err(reason) => {
                paxos.halted = Some(reason.into());
                cx.trace(Trace::Halted {
                    reason: reason.to_owned(),
                });
            }
        }
        paxos
    }

    fn replay(&mut self, durable: Durable<Record>) -> Result<Option<Identity>, &'static str> {
        let mut identity = None;
        if let Some((_, bytes)) = durable.snapshot {
            let contents: Contents =
                postcard::from_bytes(&bytes).map_err(|_| "the snapshot cannot be read")?;
            identity = Some(contents.identity);
            for register in contents.registers {
                let instance = self.instances.entry(register.key).or_default();
                instance.round = register.round;
                instance.acceptor.promised = register.promised;
                instance.acceptor.accepted = register.accepted;
                instance.chosen = register.chosen;
            }
        }
        for (_, record) in durable.records {
            let instances = &mut self.instances;
            match record {
                Record::Began { key, round } => {
                    let instance = instances.entry(key).or_default();
                    instance.round = instance.round.max(round);
                }
                Record::Promised { key, ballot } => {
                    let acceptor = &mut instances.entry(key).or_default().acceptor;
                    acceptor.promised = acceptor.promised.max(ballot);
                }
                Record::Accepted { key, ballot, offer } => {
                    let acceptor = &mut instances.entry(key).or_default().acceptor;
                    acceptor.promised = acceptor.promised.max(ballot);
                    acceptor.accepted = Some((ballot, offer));
                }
                Record::Chosen { key, ballot, offer } => {
                    instances.entry(key).or_default().chosen = Some((ballot, offer));
                }
                Record::Identity(found) => identity = Some(found),
            }
        }
        for instance in self.instances.values_mut() {
            instance.round = self.rules.round_after_restart(instance.round);
            self.decided += u64::from(instance.chosen.is_some());
        }
        Ok(identity)
    }

    /// Writes a record; after many, the whole state, which makes them superfluous.
    pub(super) fn write(&mut self, record: Record, cx: &mut Cx) {
        cx.append(record);
        self.records += 1;
    }

    /// Writes the whole state anew once enough records were written since the last time.
    pub(super) fn snapshot_when_due(&mut self, cx: &mut Cx) {
        let every = self.settings.snapshot_every;
        if every == 0 || self.records < every {
            return;
        }
        let registers = self.instances.iter().map(|(key, instance)| {
            let open = instance.chosen.is_none();
            Register {
                key: key.clone(),
                round: instance.round,
                promised: if open {
                    instance.acceptor.promised
                } else {
                    Ballot::NONE
                },
                accepted: instance.acceptor.accepted.clone().filter(|_| open),
                chosen: instance.chosen.clone(),
            }
        });
        let contents = Contents {
            identity: self.identity.clone(),
            registers: registers.collect(),
        };
        let Ok(bytes) = postcard::to_allocvec(&contents) else {
            return;
        };
        self.records = 0;
        let at = cx.snapshot(bytes);
        cx.release(at, at);
        let keys = self.instances.len() as u64;
        cx.trace(Trace::SnapshotTaken { keys });
    }
}

impl Registers for BasicPaxos {
    const RETRY: Timer = Timer::Register;
    const AMNESIAC: Trace = Trace::Amnesiac;

    fn standing(&mut self) -> Standing<'_> {
        Standing {
            identity: &mut self.identity,
            registration: &mut self.registration,
            me: self.me,
            members: &self.acceptors,
            required: self.settings.register_disks,
            retry: self.settings.ballot_timeout,
        }
    }

    fn register(disk: Disk) -> Message {
        Message::Register { disk }
    }

    fn register_reply(disk: Disk, first: bool) -> Message {
        Message::RegisterReply { disk, first }
    }

    fn write_identity(&mut self, cx: &mut Cx) {
        self.write(Record::Identity(self.identity.clone()), cx);
    }
}
