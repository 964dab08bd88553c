//! What a leader keeps, what its learners tell it, and when it gives up.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::machine::Machine;
use super::marks::Place;
use super::reads::PendingSync;
use super::types::{Epoch, Message, Timer, Trace, Zxid};
use super::{Cx, State, Zab};
use crate::replica::{Lsn, NodeId};

/// How far a leader has got (paper, phases 1 to 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Discovery,
    Synchronisation,
    Broadcast,
}

/// How far a learner has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// It has asked to follow.
    Asked,
    /// It has agreed to the epoch.
    Agreed,
    /// It was sent the history.
    Synchronising,
    /// It has adopted it.
    Adopted,
    /// It was told to serve.
    UpToDate,
}

/// What a leader knows of a learner.
#[derive(Clone, Debug)]
pub(super) struct Learner {
    pub(super) session: u64,
    pub(super) stage: Stage,
    /// The last transaction in its log when it agreed to the epoch, and before which it does not reach back.
    pub(super) had: (Zxid, Zxid),
    /// Everything up to here is durable there.
    pub(super) acked: Zxid,
    pub(super) heard_at: Duration,
    /// The last round of heartbeats that it answered.
    pub(super) round: u64,
}

/// What only a leader keeps.
#[derive(Clone, Debug)]
pub(super) struct Leading {
    pub(super) phase: Phase,
    /// Its epoch; 0 while it has none.
    pub(super) epoch: Epoch,
    /// The epoch and the last transaction that it had when it began.
    pub(super) had: (Epoch, Zxid),
    /// The epochs that servers had agreed to, of those whose say counts.
    pub(super) accepted: BTreeMap<NodeId, Epoch>,
    /// The latest one that any learner had agreed to.
    pub(super) latest: Epoch,
    /// Who agreed to this one.
    pub(super) agreed: BTreeSet<NodeId>,
    /// Once this is durable, it has agreed itself.
    pub(super) own_agreement: Option<Lsn>,
    /// Who adopted its history.
    pub(super) adopted: BTreeSet<NodeId>,
    /// Once this is durable, it has adopted it itself.
    pub(super) own_adoption: Option<Lsn>,
    pub(super) learners: BTreeMap<NodeId, Learner>,
    /// The last round of heartbeats that was begun, and the last that a quorum answered.
    pub(super) round: u64,
    pub(super) confirmed: u64,
    pub(super) syncs: VecDeque<PendingSync>,
    /// The state with everything that was proposed.
    pub(super) ahead: Machine,
}

impl Leading {
    fn new(me: NodeId, accepted: Epoch, had: (Epoch, Zxid)) -> Self {
        Leading {
            phase: Phase::Discovery,
            epoch: 0,
            had,
            accepted: BTreeMap::from([(me, accepted)]),
            latest: accepted,
            agreed: BTreeSet::new(),
            own_agreement: None,
            adopted: BTreeSet::new(),
            own_adoption: None,
            learners: BTreeMap::new(),
            round: 0,
            confirmed: 0,
            syncs: VecDeque::new(),
            ahead: Machine::default(),
        }
    }
}

impl Zab {
    /// Begins to lead.
    pub(super) fn lead(&mut self, cx: &mut Cx) {
        let had = (self.epochs.current, self.log.last());
        self.state = State::Leading(Box::new(Leading::new(self.me, self.epochs.accepted, had)));
        cx.trace(Trace::Leading);
        cx.arm(Timer::Init, self.settings.init_limit);
        cx.arm(Timer::Tick, self.settings.tick);
        self.find_epoch(cx);
    }

    /// A learner says something.
    pub(super) fn lead_on(&mut self, from: NodeId, message: Message, cx: &mut Cx) {
        let now = cx.now;
        let leading = match &mut self.state {
            State::Leading(leading) => leading,
            State::Following(_) => {
                // It shall look elsewhere.
                if let Message::FollowerInfo { session, .. } = message {
                    cx.send_now(from, Message::Close { session });
                    self.closed.insert(from, session);
                }
                return;
            }
            // It may lead in a moment.
            State::Looking(_) => return,
        };
        if let Message::FollowerInfo { session, accepted } = message {
            if self.closed.get(&from) == Some(&session) {
                // The learner does not know yet. What it says was meant for an earlier leadership.
                return;
            }
            self.on_follower_info(from, session, accepted, cx);
            return;
        }
        let Some(learner) = leading.learners.get_mut(&from) else {
            return;
        };
        if message.session() != Some(learner.session) {
            return;
        }
        learner.heard_at = now;
        match message {
            Message::AckEpoch {
                current,
                last,
                base,
                fresh,
                ..
            } => self.on_ack_epoch(from, current, (last, base), fresh, cx),
            Message::AckNewLeader { epoch, last, .. } => self.on_ack_new_leader(from, epoch, last, cx),
            Message::Ack { zxid, .. } => self.on_ack(from, zxid, cx),
            Message::Pong { round, .. } => self.on_pong(from, round, cx),
            Message::Forward {
                session,
                ticket,
                request,
            } => self.on_forward(from, session, ticket, *request, cx),
            Message::Sync { ticket, .. } => self.on_sync(Some(from), ticket, cx),
            _ => {}
        }
    }

    /// Something is durable: what this leader has itself may count.
    pub(super) fn count_own(&mut self, lsn: Lsn, cx: &mut Cx) {
        let State::Leading(leading) = &mut self.state else {
            return;
        };
        let due = |mark: &mut Option<Lsn>| mark.take_if(|at| *at <= lsn).is_some();
        let (agreed, adopted) = (due(&mut leading.own_agreement), due(&mut leading.own_adoption));
        if agreed {
            self.count_agreement(self.me, cx);
        }
        if adopted {
            self.count_adoption(self.me, cx);
        }
        self.advance_commit(cx);
    }

    /// A tick of a leader's clock: a round of heartbeats, and a look at who answers.
    pub(super) fn look_after_learners(&mut self, cx: &mut Cx) {
        self.start_round(cx);
        let State::Leading(leading) = &self.state else {
            return;
        };
        if leading.phase != Phase::Broadcast {
            return;
        }
        let limit = self.settings.sync_limit;
        let heard = leading
            .learners
            .iter()
            .filter(|(node, learner)| self.is_voter(**node) && cx.now - learner.heard_at < limit);
        let heard = 1 + heard.count();
        if self
            .rules
            .must_give_up(heard >= self.rules.quorum(self.voters.len()))
        {
            self.rules.reach(Place::NoQuorum as u8);
            self.look("no quorum was heard", cx);
        }
    }

    /// Stops leading or following.
    pub(super) fn leave(&mut self, reason: &str, cx: &mut Cx) {
        match &self.state {
            State::Looking(_) => {}
            State::Leading(leading) => {
                for (node, learner) in &leading.learners {
                    let session = learner.session;
                    cx.send_now(*node, Message::Close { session });
                    self.closed.insert(*node, session);
                }
                cx.trace(Trace::SteppedDown {
                    epoch: leading.epoch,
                    reason: reason.to_owned(),
                });
            }
            State::Following(following) => {
                let (leader, session) = (following.leader, following.session);
                cx.send_now(leader, Message::Close { session });
                self.drop_half_state(cx);
                cx.trace(Trace::Left {
                    leader,
                    reason: reason.to_owned(),
                });
            }
        }
    }
}
