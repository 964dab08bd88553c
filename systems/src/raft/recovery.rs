//! Starting from what was durable.

use super::config::{Config, ConfigHistory};
use super::log::Log;
use super::progress::Image;
use super::requests::Requests;
use super::snapshots::Contents;
use super::types::{Entry, HardState, Record, Trace};
use super::{Cx, Raft, State, mutants};
use crate::digest::digest;
use crate::identity::{Identity, Registers};
use crate::replica::{Cluster, Durable, Lsn, NodeId};

use super::settings::Settings;

impl Raft {
    pub(super) fn start(cluster: &Cluster, me: NodeId, durable: Durable<Record>, cx: &mut Cx) -> Self {
        let settings = Settings::parse(&cluster.settings).unwrap_or_default();
        let initial = Config::initial(&cluster.members);
        let nonce = {
            use rand::Rng;
            digest(&(cx.rng.next_u64(), cx.now, cx.wall, durable.end))
        };
        let mut raft = Raft {
            me,
            nodes: cluster.nodes.iter().copied().collect(),
            rules: mutants::rules(cluster.mutant.as_deref()),
            settings: settings.into(),
            configs: ConfigHistory::new(0, initial.clone()),
            initial: initial.into(),
            identity: Identity::default(),
            registration: Default::default(),
            term: 0,
            vote: None,
            hard_state_at: Lsn(0),
            log: Log::default(),
            commit: 0,
            machine: Default::default(),
            image: None,
            incoming: None,
            state: State::Follower,
            leader: None,
            heard_at: None,
            last_at_tick: Default::default(),
            applying: false,
            requests: Requests::new(nonce),
            halted: None,
        };
        let found = raft.replay(durable, cx);
        raft.last_at_tick = raft.log.last();
        cx.trace(Trace::Recovered {
            last: raft.log.last(),
            term: raft.term,
            applied: raft.machine.applied(),
            hash: raft.machine.hash(),
        });
        if raft.halted.is_some() {
            return raft;
        }
        raft.start_identity(found, cx);
        // What this node promised a leader before it stopped may still hold: it heard one just now, for all it
        // knows (thesis §6.4.1 needs it for leases).
        let stopped = raft.log.last().index > 0 || raft.term > 0;
        raft.heard_at = stopped.then_some(cx.now);
        raft.arm_election(cx);
        let led = raft.term > 0 && raft.vote == Some(me) && raft.log.last().term == raft.term;
        if raft.rules.leads_after_restart(led) {
            raft.become_leader(cx);
        }
        raft
    }

    /// Replays the records over the snapshot.
    fn replay(&mut self, durable: Durable<Record>, cx: &mut Cx) -> Option<Identity> {
        let mut snapshot_lsn = Lsn(0);
        if let Some((lsn, bytes)) = durable.snapshot {
            snapshot_lsn = lsn;
            let Some(contents) = Contents::decode(&bytes) else {
                self.halt("the snapshot cannot be read", cx);
                return None;
            };
            let last = contents.last();
            let (machine, config) = contents.restore();
            self.machine = machine;
            self.commit = last.index;
            self.log = Log::starting_after(last);
            self.configs = ConfigHistory::new(last.index, config);
            self.image = Some(Image {
                last,
                bytes: bytes.into(),
            });
        }
        let mut hard_state = HardState::default();
        let mut identity = None;
        let covered = self.log.base();
        let mut disagrees = false;
        // In the order of places, which is that of most records.
        let mut entries: Vec<(Entry, Lsn)> = Vec::with_capacity(durable.records.len());
        for (lsn, record) in durable.records {
            // Where the snapshot was written, entries from before that do not follow from it went out of the log.
            if disagrees && snapshot_lsn < lsn {
                disagrees = false;
                entries.clear();
            }
            match record {
                Record::HardState(state) => hard_state = state,
                Record::Identity(found) => identity = Some(found),
                Record::Entry(entry) if entry.at.index <= covered.index => {
                    if entry.at.index == covered.index {
                        disagrees = entry.at.term != covered.term && lsn < snapshot_lsn;
                    }
                }
                Record::Entry(entry) => {
                    let index = entry.at.index;
                    match entries.binary_search_by_key(&index, |(known, _)| known.at.index) {
                        Ok(place) => entries[place] = (entry, lsn),
                        Err(place) => entries.insert(place, (entry, lsn)),
                    }
                }
                Record::Remove { first, last } => {
                    disagrees &= first > covered.index;
                    entries.retain(|(entry, _)| entry.at.index < first || entry.at.index > last);
                }
            }
        }
        if disagrees {
            entries.clear();
        }
        for (entry, lsn) in entries {
            let index = entry.at.index;
            let config = entry.config().cloned();
            if !self.log.put(entry, lsn) {
                self.halt(&format!("the log has a hole before entry {index}"), cx);
                break;
            }
            if let Some(config) = config {
                self.configs.push(index, config);
            }
        }
        self.log.synced(durable.end);
        let recovered = self.rules.recovered_hard_state(hard_state, self.log.last().term);
        self.term = recovered.term;
        self.vote = recovered.vote;
        identity
    }

    fn halt(&mut self, reason: &str, cx: &mut Cx) {
        self.halted = Some(reason.into());
        cx.trace(Trace::Halted {
            reason: reason.to_owned(),
        });
    }
}
