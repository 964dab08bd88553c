//! Synchronisation, the leader's side: every learner gets the leader's history, then adopts it (paper, phase 2).

use super::leading::{Phase, Stage};
use super::marks::Place;
use super::rules::discovery::Progress;
use super::rules::synchronisation::{Behind, Place as When};
use super::types::{Epoch, How, Message, Timer, Trace, Zxid};
use super::{Cx, State, Zab};
use crate::replica::NodeId;

impl Zab {
    /// Sends a learner what it needs to have the leader's history.
    pub(super) fn synchronise(&mut self, node: NodeId, cx: &mut Cx) {
        let voter = self.is_voter(node);
        let counts = self.rules.has_a_say(voter);
        let participates = self.rules.participates(voter);
        let State::Leading(leading) = &mut self.state else {
            return;
        };
        let (phase, epoch) = (leading.phase, leading.epoch);
        // An observer gets what is committed, so it has to wait.
        if phase == Phase::Discovery || (phase == Phase::Synchronisation && !counts) {
            return;
        }
        let Some(learner) = leading
            .learners
            .get_mut(&node)
            .filter(|learner| learner.stage == Stage::Agreed)
        else {
            return;
        };
        learner.stage = Stage::Synchronising;
        let session = learner.session;
        let (theirs, their_base) = learner.had;
        let common = self.log.at_or_before(theirs);
        let how = self.rules.how(Behind {
            theirs,
            common,
            their_base,
        });
        cx.trace(Trace::SyncBegun { with: node, how });
        let new_leader = Message::NewLeader { session, epoch };
        let when = self.rules.new_leader_place();
        if when == When::BeforeHistory {
            cx.send_now(node, new_leader.clone());
        }
        let from = match how {
            How::Diff => {
                self.rules.reach(Place::SyncedByDiff as u8);
                cx.send_now(node, Message::Diff { session });
                common.unwrap_or(self.log.base())
            }
            How::Trunc(last) => {
                self.rules.reach(Place::SyncedByTrunc as u8);
                cx.send_now(node, Message::Trunc { session, last });
                last
            }
            How::Snap => {
                self.rules.reach(Place::SyncedBySnap as u8);
                if common.is_some() {
                    self.rules.reach(Place::SnapAcrossEpochs as u8);
                }
                self.send_state(node, session, cx);
                self.machine.applied()
            }
        };
        if phase == Phase::Broadcast && self.log.last() > self.committed {
            self.rules.reach(Place::SyncedWithOutstanding as u8);
        }
        let until = if participates || phase == Phase::Synchronisation {
            self.log.last()
        } else {
            self.committed
        };
        for txn in self.log.listed_after(from).take_while(|txn| txn.zxid <= until) {
            let txn = txn.clone();
            cx.send_now(node, Message::Propose { session, txn });
        }
        if phase == Phase::Broadcast {
            let zxid = self.committed;
            cx.send_now(node, Message::Commit { session, zxid });
        }
        if when == When::AfterHistory {
            cx.send_now(node, new_leader);
        }
    }

    /// A learner has adopted the history.
    pub(super) fn on_ack_new_leader(&mut self, from: NodeId, epoch: Epoch, last: Zxid, cx: &mut Cx) {
        let State::Leading(leading) = &mut self.state else {
            return;
        };
        let Some(learner) = leading.learners.get_mut(&from) else {
            return;
        };
        if epoch != leading.epoch || learner.stage != Stage::Synchronising {
            return;
        }
        learner.stage = Stage::Adopted;
        learner.acked = learner.acked.max(last);
        if leading.phase == Phase::Broadcast {
            self.bring_up_to_date(from, cx);
        }
        self.count_adoption(from, cx);
        self.advance_commit(cx);
    }

    /// A server's adoption counts.
    pub(super) fn count_adoption(&mut self, from: NodeId, cx: &mut Cx) {
        let counts = self.rules.has_a_say(self.is_voter(from));
        let quorum = self.rules.quorum(self.voters.len());
        let State::Leading(leading) = &mut self.state else {
            return;
        };
        if !counts || leading.phase != Phase::Synchronisation {
            return;
        }
        leading.adopted.insert(from);
        let (epoch, adopted) = (leading.epoch, leading.adopted.len());
        cx.trace(Trace::NewLeaderAckCounted { epoch, from });
        if adopted >= quorum && self.rules.may_serve(Progress::Established) {
            self.establish(cx);
        }
    }

    /// The epoch is established: its history is committed, and it is broadcast from now on.
    pub(super) fn establish(&mut self, cx: &mut Cx) {
        let last = self.log.last();
        let State::Leading(leading) = &mut self.state else {
            return;
        };
        leading.phase = Phase::Broadcast;
        cx.disarm(Timer::Init);
        cx.trace(Trace::Established { epoch: leading.epoch });
        for learner in leading.learners.values_mut() {
            // So far nobody was asked for a sign of life.
            learner.heard_at = cx.now;
        }
        self.commit_to(last, true, cx);
        self.apply_all(cx);
        let ahead = self.machine.clone();
        let State::Leading(leading) = &mut self.state else {
            return;
        };
        leading.ahead = ahead;
        let learners: Vec<_> = leading
            .learners
            .iter()
            .map(|(node, learner)| (*node, learner.stage))
            .collect();
        for (node, stage) in learners {
            match stage {
                Stage::Adopted => self.bring_up_to_date(node, cx),
                Stage::Agreed => self.synchronise(node, cx),
                _ => {}
            }
        }
    }

    /// Tells a learner to serve.
    fn bring_up_to_date(&mut self, node: NodeId, cx: &mut Cx) {
        let State::Leading(leading) = &mut self.state else {
            return;
        };
        if let Some(learner) = leading.learners.get_mut(&node) {
            learner.stage = Stage::UpToDate;
            let session = learner.session;
            let zxid = self.committed;
            cx.send_now(node, Message::Commit { session, zxid });
            cx.send_now(node, Message::UpToDate { session });
        }
    }
}
