//! Starting from what was durable.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::Rng;

use super::election::Search;
use super::requests::Requests;
use super::settings::Settings;
use super::snapshots::Contents;
use super::types::{Epochs, Record, Shared, Trace, Vote, Zxid};
use super::{Cx, Log, Machine, State, Zab, mutants, voters};
use crate::digest::digest;
use crate::replica::{Cluster, Durable, Lsn, NodeId};

impl Zab {
    pub(super) fn start(cluster: &Cluster, me: NodeId, durable: Durable<Record>, cx: &mut Cx) -> Self {
        let settings = Settings::parse(&cluster.settings).unwrap_or_default();
        let nonce = digest(&(cx.rng.next_u64(), cx.now, cx.wall, durable.end));
        let nobody = Vote {
            leader: me,
            zxid: Zxid::default(),
            epoch: 0,
        };
        let mut zab = Zab {
            me,
            nodes: cluster.nodes.iter().copied().collect(),
            voters: voters(cluster, &settings).into(),
            rules: mutants::rules(cluster.mutant.as_deref()),
            epochs: Epochs::default(),
            epochs_at: Lsn(0),
            log: Log::default(),
            committed: Zxid::default(),
            machine: Machine::default(),
            since_snapshot: 0,
            shot: None,
            round: 0,
            vote: nobody,
            state: State::Looking(Search::new(nobody, settings.notify)),
            session: nonce,
            closed: BTreeMap::new(),
            applying: false,
            requests: Requests::new(nonce),
            halted: None,
            settings: settings.into(),
        };
        zab.replay(durable, cx);
        cx.trace(Trace::Recovered {
            last: zab.log.last(),
            epochs: zab.epochs,
            applied: zab.machine.applied(),
            hash: zab.machine.hash(),
            whole_from: zab.machine.whole_from(),
        });
        if zab.halted.is_none() {
            zab.look("it starts", cx);
        }
        zab
    }

    /// Replays the records over the snapshot.
    fn replay(&mut self, durable: Durable<Record>, cx: &mut Cx) {
        let mut snapshot_lsn = Lsn(0);
        let mut replaced = false;
        let mut txns: Vec<(Shared, Lsn)> = Vec::new();
        if let Some((lsn, bytes)) = durable.snapshot {
            snapshot_lsn = lsn;
            let Some(mut contents) = Contents::decode(&bytes) else {
                self.halt("the snapshot cannot be read", cx);
                return;
            };
            self.epochs = contents.epochs;
            if let Some(follow) = contents.replaces.take() {
                replaced = true;
                txns.extend(follow.into_iter().map(|txn| (txn, lsn)));
            }
            self.committed = contents.last;
            self.log = Log::starting_after(contents.last);
            self.machine = contents.restore();
        }
        for (lsn, record) in durable.records {
            let void = replaced && lsn < snapshot_lsn;
            match record {
                Record::Epochs(epochs) => self.epochs = epochs,
                _ if void => {}
                Record::Txn(txn) => txns.push((txn, lsn)),
                Record::Remove { after } => txns.retain(|(txn, _)| txn.zxid <= after),
                Record::Restart { txns: follow, .. } => {
                    txns.clear();
                    txns.extend(follow.into_iter().map(|txn| (txn, lsn)));
                }
            }
        }
        let covered = self.log.base();
        for (txn, lsn) in txns.into_iter().filter(|(txn, _)| txn.zxid > covered) {
            // One that the log has already was written twice, with a state that came from a leader.
            let _ = self.log.push(txn, lsn, true);
        }
        self.log.synced(durable.end);
        if replaced {
            // What is void must stay so when another snapshot takes this one's place.
            let base = self.log.base();
            let txns = self.log.after(base).cloned().collect();
            cx.append(Record::Restart { base, txns });
        }
    }

    fn halt(&mut self, reason: &str, cx: &mut Cx) {
        self.halted = Some(Arc::from(reason));
        cx.trace(Trace::Halted {
            reason: reason.to_owned(),
        });
    }
}
