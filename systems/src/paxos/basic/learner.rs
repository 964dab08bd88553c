//! The learner: what is chosen, and who is told (Paxos Made Simple §2.3).

use std::collections::BTreeSet;

use super::marks::Place;
use super::types::{Key, Message, Offer, Record, Trace};
use super::{BasicPaxos, Cx};
use crate::paxos::Ballot;
use crate::replica::NodeId;

impl BasicPaxos {
    /// An acceptor told that it accepted.
    pub(super) fn on_accepted(&mut self, from: NodeId, key: Key, ballot: Ballot, offer: Offer, cx: &mut Cx) {
        if !self.acceptors.contains(&from) {
            return;
        }
        cx.trace(Trace::VoteCounted {
            key: key.clone(),
            ballot,
            value: offer.digest(),
            acceptor: from,
        });
        let instance = self.instances.entry(key.clone()).or_default();
        if instance.chosen.is_some() {
            return;
        }
        if !instance
            .votes
            .iter()
            .any(|(node, at, _)| *node == from && *at == ballot)
        {
            instance.votes.push((from, ballot, offer.clone()));
        }
        let together = instance
            .votes
            .iter()
            .filter(|(_, at, value)| *value == offer && self.rules.count_together(*at, ballot));
        let voters: BTreeSet<NodeId> = together.map(|(node, _, _)| *node).collect();
        let acceptors = self.acceptors.len();
        let majority = self.rules.majority(acceptors);
        if voters.len() >= self.rules.learner_needs(majority, acceptors) {
            self.rules.reach(Place::LearnedFromVotes as u8);
            self.learn(key, ballot, offer, cx);
        }
    }

    /// Another node told what is chosen.
    pub(super) fn on_chosen(&mut self, key: Key, ballot: Ballot, offer: Offer, cx: &mut Cx) {
        if self
            .instances
            .get(&key)
            .is_none_or(|instance| instance.chosen.is_none())
        {
            self.rules.reach(Place::LearnedFromOther as u8);
            self.learn(key, ballot, offer, cx);
        }
    }

    fn learn(&mut self, key: Key, ballot: Ballot, offer: Offer, cx: &mut Cx) {
        let instance = self.instances.entry(key.clone()).or_default();
        instance.chosen = Some((ballot, offer.clone()));
        instance.votes = Vec::new();
        let proposed = instance.attempt.take().is_some();
        self.decided += 1;
        cx.trace(Trace::Learned {
            key: key.clone(),
            value: offer.digest(),
        });
        self.write(
            Record::Chosen {
                key: key.clone(),
                ballot,
                offer: offer.clone(),
            },
            cx,
        );
        if proposed {
            // Who hears it need not count votes, which may be lost on the way.
            for node in self.nodes.clone().iter().filter(|node| **node != self.me) {
                let (key, offer) = (key.clone(), offer.clone());
                cx.send_now(*node, Message::Chosen { key, ballot, offer });
            }
        }
        self.answer_waiting(&key, cx);
    }
}
