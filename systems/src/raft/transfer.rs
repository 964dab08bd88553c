//! Handing over leadership (thesis §3.10).

use std::time::Duration;

use super::marks::Place;
use super::types::{Message, Timer, Trace};
use super::{Cx, Raft, State};
use crate::api::{Failure, Reply};
use crate::replica::{NodeId, RequestId};

/// A handover under way: no proposals are taken meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Transfer {
    pub(crate) id: RequestId,
    pub(crate) to: NodeId,
    /// The target was told to campaign.
    pub(crate) sent: bool,
    began: Duration,
}

impl Raft {
    /// A client asks the leader to hand over, to `to` or to whoever is most up to date.
    pub(super) fn transfer(&mut self, id: RequestId, to: Option<NodeId>, cx: &mut Cx) {
        if let Some(refusal) = self.refusal() {
            self.answer(id, Err(refusal), cx);
            return;
        }
        let config = self.configs.latest();
        let State::Leader(leader) = &mut self.state else {
            return;
        };
        let voters = leader.progress.iter().filter(|(node, _)| config.is_voter(*node));
        let fittest = voters
            .max_by_key(|(_, progress)| progress.matched)
            .map(|(node, _)| node);
        let refusal = match to.or(fittest) {
            Some(to) if to == self.me => {
                self.answer(id, Ok(Reply::default()), cx);
                return;
            }
            Some(to) if config.is_voter(to) => {
                leader.transfer = Some(Transfer {
                    id,
                    to,
                    sent: false,
                    began: cx.now,
                });
                cx.arm(Timer::Transfer, self.settings.election_timeout);
                self.feed(to, cx);
                self.hand_over_when_ready(cx);
                return;
            }
            Some(to) => format!("{to} has no vote"),
            None => "there is nobody to hand over to".to_owned(),
        };
        self.answer(id, Err(Failure::Invalid { reason: refusal }), cx);
    }

    /// Tells the target to campaign once it has the whole log.
    pub(super) fn hand_over_when_ready(&mut self, cx: &mut Cx) {
        let last = self.log.last().index;
        let State::Leader(leader) = &mut self.state else {
            return;
        };
        let Some(transfer) = &mut leader.transfer else {
            return;
        };
        let matched = leader
            .progress
            .get(transfer.to)
            .map_or(0, |progress| progress.matched);
        if transfer.sent || matched < last {
            return;
        }
        transfer.sent = true;
        // From here on another leader may be elected at any moment, without waiting for this one's lease to end;
        // also when the message arrives late.
        leader.handed_over = true;
        let to = transfer.to;
        cx.trace(Trace::HandedOver { to });
        cx.send(to, Message::TimeoutNow { term: self.term });
    }

    /// The target did not take over within an election timeout: go on leading.
    pub(super) fn abort_transfer(&mut self, cx: &mut Cx) {
        let State::Leader(leader) = &mut self.state else {
            return;
        };
        if let Some(transfer) = leader.transfer.take() {
            let waited = cx.now.saturating_sub(transfer.began).as_millis();
            let reason = format!("{} did not take over within {waited} ms", transfer.to);
            let failure = if transfer.sent {
                Failure::Indefinite { reason }
            } else {
                self.unavailable(&reason)
            };
            self.answer(transfer.id, Err(failure), cx);
        }
    }

    /// The leader asks this node to campaign, without PreVote, at once.
    pub(super) fn on_timeout_now(&mut self, from: NodeId, cx: &mut Cx) {
        let config = self.configs.latest();
        let expected = config.disks.get(&self.me).copied();
        if self.leader == Some(from) && config.is_voter(self.me) && self.may_use_vote(expected) {
            self.rules.reach(Place::HandoverCampaign as u8);
            self.arm_election(cx);
            self.campaign(true, cx);
        }
    }
}
