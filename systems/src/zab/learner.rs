//! A learner, follower or observer: how it joins a leader, gets its history, and follows its broadcasts (paper, the
//! follower's side of phases 1 to 3).

use std::sync::Arc;
use std::time::Duration;

use super::marks::Place;
use super::rules::synchronisation::Moment;
use super::snapshots::Incoming;
use super::types::{Epoch, Message, Record, Shared, Timer, Trace, Zxid};
use super::{Cx, State, Zab};
use crate::replica::NodeId;
use crate::rules::Gate;

/// How far a learner has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// It has asked to follow.
    Asking,
    /// It has agreed to the epoch and receives the history.
    Synchronising,
    /// It has adopted history and epoch.
    Complete,
    /// It answers clients.
    Serving,
}

/// What only a learner keeps.
#[derive(Clone, Debug)]
pub(super) struct Following {
    pub(super) leader: NodeId,
    pub(super) session: u64,
    pub(super) step: Step,
    epoch: Epoch,
    /// The last transaction that it was told to be committed, while it does not serve yet.
    told: Zxid,
    heard_at: Duration,
    /// A leader's state that is arriving.
    pub(super) incoming: Option<Incoming>,
}

impl Zab {
    /// Begins to follow.
    pub(super) fn follow(&mut self, leader: NodeId, cx: &mut Cx) {
        self.session = self.session.wrapping_add(1);
        self.state = State::Following(Box::new(Following {
            leader,
            session: self.session,
            step: Step::Asking,
            epoch: 0,
            told: Zxid::default(),
            heard_at: cx.now,
            incoming: None,
        }));
        cx.trace(Trace::Following { leader });
        cx.arm(Timer::Init, self.settings.init_limit);
        cx.arm(Timer::Tick, self.settings.tick);
        self.ask_to_follow(cx);
    }

    fn ask_to_follow(&self, cx: &mut Cx) {
        if let State::Following(following) = &self.state {
            let message = Message::FollowerInfo {
                session: following.session,
                accepted: self.epochs.accepted,
            };
            cx.send_now(following.leader, message);
        }
    }

    /// A tick of a learner's clock: whether the leader was heard.
    pub(super) fn look_after_leader(&mut self, cx: &mut Cx) {
        let State::Following(following) = &self.state else {
            return;
        };
        match following.step {
            Step::Asking => self.ask_to_follow(cx),
            Step::Serving if cx.now - following.heard_at >= self.settings.sync_limit => {
                self.look("the leader was not heard", cx);
            }
            _ => {}
        }
    }

    /// The leader says something.
    pub(super) fn learn(&mut self, from: NodeId, message: Message, cx: &mut Cx) {
        let now = cx.now;
        let State::Following(following) = &mut self.state else {
            return;
        };
        let Some(session) = message.session() else {
            return;
        };
        let broadcast = matches!(message, Message::Propose { .. } | Message::Commit { .. });
        if following.leader == from && session == following.session {
            following.heard_at = now;
        } else if !(broadcast && self.rules.accepts(session, following.session)) {
            return;
        }
        match message {
            Message::NewEpoch { epoch, .. } => self.on_new_epoch(epoch, cx),
            Message::Diff { .. } => self.begin_sync(cx),
            Message::Trunc { last, .. } => self.on_trunc(last, cx),
            Message::Snap {
                last,
                whole_from,
                keys,
                clients,
                done,
                ..
            } => {
                self.begin_sync(cx);
                self.on_snap((last, whole_from), keys, clients, done, cx);
            }
            Message::Propose { txn, .. } => self.on_propose(txn, cx),
            Message::Commit { zxid, .. } => self.on_commit(zxid, cx),
            Message::Inform { txn, .. } => self.on_inform(txn, cx),
            Message::NewLeader { epoch, .. } => self.on_new_leader(epoch, cx),
            Message::UpToDate { .. } => self.on_up_to_date(cx),
            Message::Ping { round, .. } => cx.send_now(from, Message::Pong { session, round }),
            Message::Refused { ticket, .. } => self.on_refused(ticket, cx),
            Message::Synced { ticket, zxid, .. } => self.on_synced(ticket, zxid),
            _ => {}
        }
    }

    /// The leader proposes an epoch (paper, step f.1.2).
    fn on_new_epoch(&mut self, epoch: Epoch, cx: &mut Cx) {
        let State::Following(following) = &mut self.state else {
            return;
        };
        if following.step != Step::Asking {
            return;
        }
        let fresh = self.rules.is_new(epoch, self.epochs.accepted);
        if !fresh && epoch != self.epochs.accepted {
            self.rules.reach(Place::OldEpochRefused as u8);
            self.look("the leader's epoch is older than one that it agreed to", cx);
            return;
        }
        following.epoch = epoch;
        following.step = Step::Synchronising;
        let message = Message::AckEpoch {
            session: following.session,
            current: self.epochs.current,
            last: self.log.last(),
            base: self.log.base(),
            fresh,
        };
        let leader = following.leader;
        if fresh {
            self.accept_epoch(epoch, cx);
        }
        cx.send(leader, message);
    }

    fn begin_sync(&mut self, cx: &mut Cx) {
        if let State::Following(following) = &self.state {
            let epoch = following.epoch;
            self.adopt_epoch_at(Moment::Begun, epoch, cx);
        }
    }

    /// What the leader does not have goes out of the log.
    fn on_trunc(&mut self, last: Zxid, cx: &mut Cx) {
        self.begin_sync(cx);
        let after = self.rules.kept(last, self.log.before(last));
        self.rules
            .ensure(after >= self.committed, "what is committed is not removed");
        cx.append(Record::Remove { after });
        self.log.truncate(after);
        cx.trace(Trace::Truncated { after });
    }

    fn on_propose(&mut self, txn: Shared, cx: &mut Cx) {
        let State::Following(following) = &mut self.state else {
            return;
        };
        let (leader, session, step) = (following.leader, following.session, following.step);
        if step == Step::Asking {
            return;
        }
        if let Some(incoming) = &mut following.incoming {
            // It follows the state that is arriving.
            incoming.txns.push(txn);
            return;
        }
        let zxid = txn.zxid;
        self.log_txn(txn, step < Step::Complete, cx);
        if step == Step::Complete {
            self.rules.reach(Place::HeardWhileSyncing as u8);
        }
        // Before that it acknowledges the history as a whole.
        if step >= Step::Complete {
            let ack = Message::Ack { session, zxid };
            match self.rules.ack_gate() {
                Gate::Durable => cx.send(leader, ack),
                Gate::Open => cx.send_now(leader, ack),
            }
        }
    }

    fn on_commit(&mut self, zxid: Zxid, cx: &mut Cx) {
        let State::Following(following) = &mut self.state else {
            return;
        };
        if following.step == Step::Serving {
            self.rules
                .ensure(zxid <= self.log.last(), "what is committed was proposed before");
            self.commit_to(zxid.min(self.log.last()), false, cx);
        } else {
            following.told = following.told.max(zxid);
        }
    }

    fn on_inform(&mut self, txn: Shared, cx: &mut Cx) {
        let State::Following(following) = &mut self.state else {
            return;
        };
        let zxid = txn.zxid;
        let (serving, complete) = (following.step == Step::Serving, following.step >= Step::Complete);
        following.told = following.told.max(zxid);
        self.log_txn(txn, !complete, cx);
        self.rules.reach(Place::Informed as u8);
        if serving {
            self.commit_to(zxid, false, cx);
        }
    }

    /// The history is complete (paper, step f.2.1): it is durable first, then the epoch is, then the leader is told.
    fn on_new_leader(&mut self, epoch: Epoch, cx: &mut Cx) {
        let State::Following(following) = &mut self.state else {
            return;
        };
        if following.step != Step::Synchronising || epoch != following.epoch {
            return;
        }
        following.step = Step::Complete;
        let (leader, session) = (following.leader, following.session);
        if following
            .incoming
            .as_ref()
            .is_some_and(|incoming| incoming.complete)
            && let Some(incoming) = following.incoming.take()
        {
            self.install(incoming, cx);
        }
        self.adopt_epoch_at(Moment::Complete, epoch, cx);
        self.vote.epoch = epoch;
        let ack = Message::AckNewLeader {
            session,
            epoch,
            last: self.log.last(),
        };
        match self.rules.new_leader_gate() {
            Gate::Durable => cx.send(leader, ack),
            Gate::Open => cx.send_now(leader, ack),
        }
    }

    /// The epoch is established: serve.
    fn on_up_to_date(&mut self, cx: &mut Cx) {
        let State::Following(following) = &mut self.state else {
            return;
        };
        if following.step != Step::Complete {
            return;
        }
        following.step = Step::Serving;
        let (epoch, told) = (following.epoch, following.told);
        cx.disarm(Timer::Init);
        self.adopt_epoch_at(Moment::UpToDate, epoch, cx);
        cx.trace(Trace::Serving { epoch });
        let last = self.log.last();
        let committed = self.rules.committed_after_sync(told, last);
        self.commit_to(committed.min(last), false, cx);
    }

    /// The session ends: what came of a state so far is dropped.
    pub(super) fn drop_half_state(&mut self, cx: &mut Cx) {
        let State::Following(following) = &mut self.state else {
            return;
        };
        if following.step == Step::Complete {
            self.rules.reach(Place::EpochBeforeServing as u8);
        }
        let Some(incoming) = following.incoming.take() else {
            return;
        };
        self.rules.reach(Place::HalfStateDropped as u8);
        let half = !incoming.keys.is_empty();
        if self.rules.half_a_state_stays(half) {
            self.install(
                Incoming {
                    txns: Vec::new(),
                    ..incoming
                },
                cx,
            );
        }
    }

    /// A part of a leader's state.
    fn on_snap(
        &mut self,
        (last, whole_from): (Zxid, Zxid),
        keys: Vec<(Arc<str>, crate::kv::Versioned)>,
        clients: Vec<(u64, crate::sessions::Known)>,
        done: bool,
        cx: &mut Cx,
    ) {
        let State::Following(following) = &mut self.state else {
            return;
        };
        let incoming = following
            .incoming
            .get_or_insert_with(|| Incoming::new(last, whole_from));
        incoming.keys.extend(keys);
        incoming.clients.extend(clients);
        incoming.complete |= done;
        // NEWLEADER was to come after it.
        if done
            && following.step >= Step::Complete
            && let Some(incoming) = following.incoming.take()
        {
            self.install(incoming, cx);
        }
    }
}
