//! The acceptor: promises and votes (Paxos Made Simple §2.2).

use std::time::Duration;

use super::marks::Place;
use super::rules::Rules;
use super::types::{Key, Message, Offer, Record, Trace, Vote};
use super::{BasicPaxos, Cx};
use crate::paxos::Ballot;
use crate::replica::NodeId;

/// What one acceptor must remember of one register.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acceptor {
    /// The highest ballot that it promised, by answering a Prepare or by accepting.
    pub promised: Ballot,
    /// What it accepted last.
    pub accepted: Option<Vote>,
    /// When it was asked last.
    touched: Duration,
}

impl Acceptor {
    /// Phase 1b: whether the ballot is promised.
    fn promise(&mut self, ballot: Ballot, rules: &Rules) -> bool {
        let may = rules.may_promise(ballot, self.promised);
        if may {
            self.promised = self.promised.max(ballot);
        }
        may
    }

    /// Phase 2b: whether the offer is accepted.
    fn accept(&mut self, ballot: Ballot, offer: &Offer, rules: &Rules) -> bool {
        let may = rules.may_accept(ballot, self.promised);
        if may {
            if self
                .accepted
                .as_ref()
                .is_some_and(|(earlier, _)| *earlier < ballot)
            {
                rules.reach(Place::VoteChanged as u8);
            }
            self.promised = rules.promised_by_accepting(self.promised, ballot);
            self.accepted = Some((ballot, offer.clone()));
        }
        may
    }

    fn touch(&mut self, now: Duration, rules: &Rules) {
        let idle = now.saturating_sub(self.touched);
        let new = self.touched.is_zero();
        self.touched = now.max(Duration::from_nanos(1));
        if !new && rules.state_expires(idle) {
            self.promised = Ballot::NONE;
            self.accepted = None;
        }
    }
}

impl BasicPaxos {
    /// Whether this node is an acceptor that may use its vote; one that may not stays silent.
    fn may_answer(&self) -> bool {
        let known = self.identity.registered;
        let may = self.rules.may_use_vote(known);
        if !may {
            self.rules.reach(Place::AmnesiacSilent as u8);
        }
        may && self.acceptors.contains(&self.me)
    }

    pub(super) fn on_prepare(
        &mut self,
        from: NodeId,
        key: Key,
        ballot: Ballot,
        wish: Option<Offer>,
        cx: &mut Cx,
    ) {
        if self.tell_chosen(from, &key, cx) || !self.may_answer() {
            return;
        }
        let acceptor = &mut self.instances.entry(key.clone()).or_default().acceptor;
        acceptor.touch(cx.now, &self.rules);
        let before = acceptor.promised;
        if !acceptor.promise(ballot, &self.rules) {
            self.rules.reach(Place::LowBallotRefused as u8);
            let promised = acceptor.promised;
            self.say(
                from,
                Message::Nack {
                    key,
                    ballot,
                    promised,
                },
                cx,
            );
            return;
        }
        if before == ballot {
            self.rules.reach(Place::RepeatedPromise as u8);
        } else {
            if self.rules.promise_is_written() {
                let key = key.clone();
                self.write(Record::Promised { key, ballot }, cx);
            }
            cx.trace(Trace::Promised {
                key: key.clone(),
                ballot,
                at: cx.written(),
            });
        }
        if self.rules.prepare_accepts(wish.is_some())
            && let Some(wish) = wish
        {
            self.vote(&key, ballot, &wish, cx);
        }
        let accepted = self
            .instances
            .get(&key)
            .and_then(|instance| instance.acceptor.accepted.clone());
        let accepted = accepted.filter(|_| self.rules.reports_vote(true));
        self.say(
            from,
            Message::Promise {
                key,
                ballot,
                accepted,
            },
            cx,
        );
    }

    pub(super) fn on_accept(&mut self, from: NodeId, key: Key, ballot: Ballot, offer: &Offer, cx: &mut Cx) {
        if self.tell_chosen(from, &key, cx) || !self.may_answer() {
            return;
        }
        let acceptor = &mut self.instances.entry(key.clone()).or_default().acceptor;
        acceptor.touch(cx.now, &self.rules);
        if self.vote(&key, ballot, offer, cx) {
            for node in self.nodes.clone().iter() {
                let (key, offer) = (key.clone(), offer.clone());
                self.say(*node, Message::Accepted { key, ballot, offer }, cx);
            }
        } else {
            self.rules.reach(Place::AcceptRefused as u8);
            let promised = self
                .instances
                .get(&key)
                .map_or(Ballot::NONE, |instance| instance.acceptor.promised);
            self.say(
                from,
                Message::Nack {
                    key,
                    ballot,
                    promised,
                },
                cx,
            );
        }
    }

    /// Accepts, if that is allowed.
    fn vote(&mut self, key: &Key, ballot: Ballot, offer: &Offer, cx: &mut Cx) -> bool {
        let acceptor = &mut self.instances.entry(key.clone()).or_default().acceptor;
        let same = acceptor
            .accepted
            .as_ref()
            .is_some_and(|(at, known)| *at == ballot && known == offer);
        if !acceptor.accept(ballot, offer, &self.rules) {
            return false;
        }
        if !same {
            if self.rules.vote_is_written() {
                let (key, offer) = (key.clone(), offer.clone());
                self.write(Record::Accepted { key, ballot, offer }, cx);
            }
            cx.trace(Trace::Accepted {
                key: key.clone(),
                ballot,
                value: offer.digest(),
                at: cx.written(),
            });
        }
        true
    }

    /// Tells a proposer what is chosen, if this node knows: its promises and votes are of no use any more.
    fn tell_chosen(&mut self, to: NodeId, key: &Key, cx: &mut Cx) -> bool {
        let chosen = self
            .instances
            .get(key)
            .and_then(|instance| instance.chosen.clone());
        let Some((ballot, offer)) = chosen else {
            return false;
        };
        self.rules.reach(Place::ChosenAnswersPrepare as u8);
        let key = key.clone();
        self.say(to, Message::Chosen { key, ballot, offer }, cx);
        true
    }
}
