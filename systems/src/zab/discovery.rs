//! Discovery: a leader finds an epoch that a quorum has not agreed to before, and makes sure that nobody in that quorum
//! has more than it has (paper, phase 1).

use super::leading::{Learner, Phase, Stage};
use super::marks::Place;
use super::rules::discovery::Progress;
use super::rules::synchronisation::Moment;
use super::types::{Epoch, Epochs, Message, Record, Trace, Zxid};
use super::{Cx, State, Zab};
use crate::replica::{Lsn, NodeId};

impl Zab {
    /// A learner asks to follow.
    pub(super) fn on_follower_info(&mut self, from: NodeId, session: u64, accepted: Epoch, cx: &mut Cx) {
        let counts = self.rules.has_a_say(self.is_voter(from));
        let State::Leading(leading) = &mut self.state else {
            return;
        };
        if leading
            .learners
            .get(&from)
            .is_some_and(|learner| learner.session == session)
        {
            // It asks again since it was not answered yet.
            return;
        }
        let learner = Learner {
            session,
            stage: Stage::Asked,
            had: Default::default(),
            acked: Zxid::default(),
            heard_at: cx.now,
            round: 0,
        };
        leading.learners.insert(from, learner);
        leading.latest = leading.latest.max(accepted);
        if counts {
            leading.accepted.insert(from, accepted);
        }
        match leading.epoch {
            0 => self.find_epoch(cx),
            // It has agreed to the epoch of somebody who came to nothing, and could never follow this one.
            epoch if epoch < accepted => {
                self.rules.reach(Place::LaterEpochHeard as u8);
                self.look("a learner has agreed to a later epoch", cx);
            }
            epoch => cx.send(from, Message::NewEpoch { session, epoch }),
        }
    }

    /// Chooses the epoch once a quorum has said what it agreed to.
    pub(super) fn find_epoch(&mut self, cx: &mut Cx) {
        let quorum = self.rules.quorum(self.voters.len());
        let State::Leading(leading) = &mut self.state else {
            return;
        };
        if leading.epoch != 0 || leading.accepted.len() < quorum {
            return;
        }
        let latest = leading.accepted.values().copied().max().unwrap_or_default();
        let latest = latest.max(leading.latest);
        let epoch = if latest > 0 && self.rules.is_new(latest, latest) {
            latest
        } else {
            latest.saturating_add(1)
        };
        leading.epoch = epoch;
        let learners: Vec<_> = leading
            .learners
            .iter()
            .map(|(node, learner)| (*node, learner.session))
            .collect();
        let at = self.accept_epoch(epoch, cx);
        if let State::Leading(leading) = &mut self.state {
            leading.own_agreement = Some(at);
        }
        for (node, session) in learners {
            cx.send(node, Message::NewEpoch { session, epoch });
        }
    }

    /// Agrees to an epoch; says when that is durable.
    pub(super) fn accept_epoch(&mut self, epoch: Epoch, cx: &mut Cx) -> Lsn {
        self.epochs.accepted = epoch;
        cx.trace(Trace::EpochAccepted { epoch });
        if self.rules.writes_accepted() {
            self.write_epochs(cx);
        }
        cx.written()
    }

    /// Adopts an epoch at this moment of synchronisation, if it is the right one.
    pub(super) fn adopt_epoch_at(&mut self, moment: Moment, epoch: Epoch, cx: &mut Cx) {
        if self.epochs.current != epoch && self.rules.adopts_at(moment) {
            self.adopt_epoch(epoch, cx);
        }
    }

    fn adopt_epoch(&mut self, epoch: Epoch, cx: &mut Cx) {
        self.epochs.current = epoch;
        self.write_epochs(cx);
        cx.trace(Trace::EpochAdopted { epoch });
    }

    pub(super) fn write_epochs(&mut self, cx: &mut Cx) {
        self.epochs_at = cx.append(Record::Epochs(self.durable_epochs()));
    }

    /// What is written of the epochs.
    pub(super) fn durable_epochs(&self) -> Epochs {
        let Epochs { accepted, current } = self.epochs;
        Epochs {
            accepted: if self.rules.writes_accepted() {
                accepted
            } else {
                current
            },
            current,
        }
    }

    /// A learner has agreed to the epoch, or had done so before.
    pub(super) fn on_ack_epoch(
        &mut self,
        from: NodeId,
        current: Epoch,
        had: (Zxid, Zxid),
        fresh: bool,
        cx: &mut Cx,
    ) {
        let counts = self.rules.has_a_say(self.is_voter(from));
        let State::Leading(leading) = &mut self.state else {
            return;
        };
        let Some(learner) = leading
            .learners
            .get_mut(&from)
            .filter(|learner| learner.stage == Stage::Asked)
        else {
            return;
        };
        learner.had = had;
        learner.stage = Stage::Agreed;
        let phase = leading.phase;
        if phase == Phase::Discovery && counts && self.rules.must_abort((current, had.0), leading.had) {
            self.rules.reach(Place::Outdated as u8);
            cx.trace(Trace::Outdated { by: from });
            self.look("a follower has more", cx);
            return;
        }
        if !fresh {
            self.rules.reach(Place::SecondAckNotCounted as u8);
        }
        if counts && self.rules.ack_counts(fresh) {
            self.count_agreement(from, cx);
        }
        // Whoever came too late to count is synchronised all the same.
        if phase != Phase::Discovery {
            self.synchronise(from, cx);
        }
    }

    /// A server's agreement counts.
    pub(super) fn count_agreement(&mut self, from: NodeId, cx: &mut Cx) {
        let quorum = self.rules.quorum(self.voters.len());
        let State::Leading(leading) = &mut self.state else {
            return;
        };
        if leading.phase != Phase::Discovery {
            return;
        }
        leading.agreed.insert(from);
        let epoch = leading.epoch;
        cx.trace(Trace::EpochAckCounted { epoch, from });
        if leading.agreed.len() < quorum {
            return;
        }
        leading.phase = Phase::Synchronisation;
        let last = self.log.last();
        if last > self.committed {
            self.rules.reach(Place::UncommittedHistory as u8);
        }
        let agreed: Vec<NodeId> = leading
            .learners
            .iter()
            .filter(|(_, learner)| learner.stage == Stage::Agreed)
            .map(|(node, _)| *node)
            .collect();
        cx.trace(Trace::Discovered { epoch, last });
        self.adopt_epoch(epoch, cx);
        self.vote.epoch = epoch;
        if let State::Leading(leading) = &mut self.state {
            leading.own_adoption = Some(cx.written());
        }
        for node in agreed {
            self.synchronise(node, cx);
        }
        if self.rules.may_serve(Progress::Discovered) {
            self.establish(cx);
        }
    }
}
