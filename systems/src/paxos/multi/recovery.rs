//! Starting from what was durable, and registering the disk.

use std::collections::{BTreeMap, VecDeque};

use rand::Rng;

use super::acceptor::Vote;
use super::config::{Config, Configs};
use super::settings::Settings;
use super::snapshots::{Contents, Image};
use super::types::{Message, Record, Timer, Trace};
use super::{Cx, Paxos, State, mutants};
use crate::identity::{Disk, Identity, Registers, Standing};
use crate::paxos::Ballot;
use crate::replica::{Cluster, Durable, NodeId};

impl Paxos {
    pub(super) fn start(cluster: &Cluster, me: NodeId, durable: Durable<Record>, cx: &mut Cx) -> Self {
        let settings = Settings::parse(&cluster.settings).expect("the settings were validated");
        let initial = Config::initial(&cluster.members);
        let mut paxos = Paxos {
            me,
            nodes: cluster.nodes.iter().copied().collect(),
            settings: settings.into(),
            rules: mutants::rules(cluster.mutant.as_deref()),
            configs: Configs::new(initial.clone()),
            initial: initial.into(),
            identity: Identity::default(),
            registration: Default::default(),
            promised: Ballot::NONE,
            covered: 0,
            accepted: BTreeMap::new(),
            trimmed: 0,
            chosen: BTreeMap::new(),
            wanted: 0,
            machine: Default::default(),
            image: None,
            incoming: None,
            fetching: None,
            round: 0,
            state: State::Follower,
            leader: None,
            heard_at: None,
            incarnation: cx.rng.next_u64(),
            read_lease: None,
            reads_ready: false,
            requests: Default::default(),
            loopback: VecDeque::new(),
            durable: durable.end,
            halted: None,
        };
        let found = paxos.replay(durable);
        cx.trace(Trace::Recovered {
            executed: paxos.executed(),
            hash: paxos.machine.hash(),
        });
        match found {
            Ok(identity) => paxos.start_identity(identity, cx),
            Err(reason) => {
                paxos.halted = Some(reason.into());
                cx.trace(Trace::Halted {
                    reason: reason.to_owned(),
                });
                return paxos;
            }
        }
        // A leader may have a lease of what this node promised before it stopped: it heard one just now, for all it
        // knows.
        paxos.heard_at = (paxos.promised > Ballot::NONE).then_some(cx.now);
        paxos.arm_election(cx);
        paxos
    }

    fn replay(&mut self, durable: Durable<Record>) -> Result<Option<Identity>, &'static str> {
        if let Some((_, bytes)) = durable.snapshot {
            let contents = Contents::decode(&bytes).ok_or("the snapshot cannot be read")?;
            (self.machine, self.configs) = contents.restore();
            self.trimmed = self.executed();
            self.image = Some(Image {
                last: self.trimmed,
                bytes: bytes.into(),
            });
        }
        let mut identity = None;
        for (at, record) in durable.records {
            match record {
                Record::Promised(ballot) => self.promised = self.promised.max(ballot),
                Record::Accepted { ballot, slot, value } => {
                    self.promised = self.promised.max(ballot);
                    if slot > self.trimmed {
                        self.accepted.insert(slot, Vote { ballot, value, at });
                    }
                }
                Record::Identity(found) => identity = Some(found),
            }
        }
        self.covered = self.highest_accepted();
        self.round = self.promised.round;
        Ok(identity)
    }
}

impl Registers for Paxos {
    const RETRY: Timer = Timer::Register;
    const AMNESIAC: Trace = Trace::Amnesiac;

    fn standing(&mut self) -> Standing<'_> {
        Standing {
            identity: &mut self.identity,
            registration: &mut self.registration,
            me: self.me,
            members: &self.initial.voters,
            required: self.settings.register_disks,
            retry: self.settings.heartbeat,
        }
    }

    fn register(disk: Disk) -> Message {
        Message::Register { disk }
    }

    fn register_reply(disk: Disk, first: bool) -> Message {
        Message::RegisterReply { disk, first }
    }

    fn write_identity(&mut self, cx: &mut Cx) {
        cx.append(Record::Identity(self.identity.clone()));
    }
}
