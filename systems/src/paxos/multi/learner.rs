//! The replica: what is chosen, execution in order, and catching up (Paxos Made Simple §2.3, §3).

use std::time::Duration;

use super::config::Config;
use super::marks::Place;
use super::rules::Rules;
use super::types::{Decree, Message, Slot, Timer, Trace, Value};
use super::{Cx, Paxos, State};
use crate::api::Request;
use crate::chunks::{Chunk, Incoming, Taken};
use crate::machine::Conduct;
use crate::paxos::Ballot;
use crate::replica::NodeId;

/// The most slots that one notice is held against.
const MAX_NOTICED: Slot = 1_000;

/// A node that was asked so often in vain may have nothing to tell, or be gone.
const TRIES: u32 = 3;

/// Somebody was asked for what is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fetching {
    from: NodeId,
    /// When it is asked again.
    due: Duration,
    /// How often it was asked in vain.
    tries: u32,
}

struct Local<'a>(&'a Rules);

impl Conduct for Local<'_> {
    fn was_applied(&self, last: Option<u64>, sequence: u64) -> bool {
        self.0.was_applied(last, sequence)
    }

    fn answers_duplicate(&self) {
        self.0.reach(Place::DuplicateAnswered as u8);
    }
}

fn request(value: &Value) -> Option<&Request> {
    match &***value {
        Decree::Command { request, .. } => Some(request),
        Decree::Noop | Decree::Config { .. } => None,
    }
}

impl Paxos {
    /// This is chosen.
    pub(super) fn learn(&mut self, slot: Slot, value: Value, cx: &mut Cx) {
        if slot <= self.executed() || self.chosen.contains_key(&slot) {
            return;
        }
        cx.trace(Trace::Learned {
            slot,
            value: value.digest(),
        });
        self.chosen.insert(slot, value);
    }

    /// A leader says that everything up to `commit` is chosen: what this node accepted in that leader's ballot is what
    /// was chosen; for the rest it asks.
    pub(super) fn on_notice(&mut self, from: NodeId, ballot: Ballot, commit: Slot, cx: &mut Cx) {
        let executed = self.executed();
        if commit <= executed {
            return;
        }
        let mut known = Vec::new();
        let mut missing = false;
        let slots = executed + 1..=commit.min(executed + MAX_NOTICED);
        // Both hold most of these slots, so that going along with them is faster than looking each one up.
        let mut chosen = self.chosen.range(slots.clone()).map(|(slot, _)| *slot).peekable();
        let mut accepted = self.accepted.range(slots.clone()).peekable();
        for slot in slots {
            let vote = accepted.next_if(|(at, _)| **at == slot);
            if chosen.next_if_eq(&slot).is_some() {
                continue;
            }
            match vote.map(|(_, vote)| vote) {
                Some(vote) if self.rules.own_vote_is_chosen(vote.ballot, ballot) => {
                    self.rules.reach(Place::NoticeTrusted as u8);
                    known.push((slot, vote.value.clone()));
                }
                Some(_) => {
                    self.rules.reach(Place::NoticeDistrusted as u8);
                    missing = true;
                }
                None => missing = true,
            }
        }
        for (slot, value) in known {
            self.learn(slot, value, cx);
        }
        self.wanted = self.wanted.max(commit);
        if missing {
            self.fetch_from(from, cx);
        }
    }

    /// Executes what is chosen, in order.
    pub(super) fn execute(&mut self, cx: &mut Cx) {
        while let Some((slot, value)) = self.chosen.range(self.executed() + 1..).next() {
            let (slot, value) = (*slot, value.clone());
            if !self.rules.may_execute(slot, self.executed()) {
                self.rules.reach(Place::ExecutionWaits as u8);
                break;
            }
            let conduct = Local(&self.rules);
            let capacity = self.settings.session_capacity;
            let done = self
                .machine
                .apply(slot, request(&value), capacity, cx.wall, &conduct);
            cx.trace(Trace::Executed {
                slot,
                value: value.digest(),
                hash: self.machine.hash(),
                effect: done.effect,
            });
            if let Decree::Config { config, follows } = &**value
                && *follows == self.configs.latest().0
            {
                let effective = self.rules.effective_at(slot, self.settings.alpha);
                cx.trace(Trace::ConfigExecuted {
                    slot,
                    effective,
                    voters: config.voters.clone(),
                });
                self.forget_promises_of_other_disks(config);
                self.configs.push(effective, config.clone());
                self.confirm_anew();
            }
            self.close(slot, &value, cx);
            self.answer_proposal(slot, &value, done.outcome, cx);
            self.reads_ready = true;
        }
        self.snapshot_when_due(cx);
        self.configs.trim(self.executed());
    }

    /// A slot needs no votes any more. If it was decided otherwise than this leader proposed, then in a higher ballot:
    /// whoever accepted the proposal would take a notice in this ballot for that.
    fn close(&mut self, slot: Slot, value: &Value, cx: &mut Cx) {
        if let State::Leader(leader) = &mut self.state
            && let Some(open) = leader.open.remove(&slot)
            && open.value != *value
        {
            self.step_down(cx);
        }
    }

    /// A node that comes back with another disk has not promised anything yet.
    fn forget_promises_of_other_disks(&mut self, next: &Config) {
        let known = &self.configs.latest().1.disks;
        let changed = next
            .disks
            .iter()
            .filter(|(node, disk)| known.get(node) != Some(disk));
        // What it has promised itself stands on the disk that it has: nobody asks it again.
        let mine = (self.me, self.identity.disk);
        let changed: Vec<NodeId> = changed
            .filter(|(node, disk)| (**node, **disk) != mine)
            .map(|(node, _)| *node)
            .collect();
        if let State::Leader(leader) = &mut self.state {
            for node in changed {
                leader.reports.from.remove(&node);
            }
        }
    }

    /// Asks a node for what is missing, unless somebody was asked a moment ago.
    pub(super) fn fetch_from(&mut self, from: NodeId, cx: &mut Cx) {
        if self.fetching.is_none_or(|fetching| fetching.due <= cx.now) {
            self.ask(from, 0, cx);
        }
    }

    fn ask(&mut self, from: NodeId, tries: u32, cx: &mut Cx) {
        if from == self.me {
            return;
        }
        self.fetching = Some(Fetching {
            from,
            due: cx.now + self.settings.heartbeat,
            tries,
        });
        let snapshot = self
            .incoming
            .as_ref()
            .map(|incoming| (*incoming.label(), incoming.wanted()));
        let message = Message::Fetch {
            from: self.executed() + 1,
            snapshot,
        };
        cx.send_now(from, message);
        cx.arm(Timer::Fetch, self.settings.heartbeat);
    }

    /// Still waiting: asks again, the leader if there is one; who leads asks one after the other, since few may have what
    /// others have forgotten.
    pub(super) fn fetch_again(&mut self, cx: &mut Cx) {
        let Some(Fetching { from, tries, .. }) = self.fetching.take() else {
            return;
        };
        if self.wanted <= self.executed() {
            return;
        }
        match self.leader.filter(|leader| *leader != self.me) {
            Some(leader) => self.ask(leader, 0, cx),
            None if tries + 1 < TRIES => self.ask(from, tries + 1, cx),
            None => self.ask(self.after(from), 0, cx),
        }
    }

    /// The node behind this one, going round, itself apart.
    fn after(&self, node: NodeId) -> NodeId {
        let count = self.nodes.len();
        let place = self.nodes.iter().position(|one| *one == node).unwrap_or(0);
        let behind = (1..=count).map(|step| self.nodes[(place + step) % count]);
        behind.into_iter().find(|one| *one != self.me).unwrap_or(node)
    }

    pub(super) fn on_fetch(&mut self, from: NodeId, first: Slot, snapshot: Option<(Slot, u64)>, cx: &mut Cx) {
        if first > self.executed() {
            return;
        }
        if first > self.trimmed {
            let known = self
                .chosen
                .range(first..=self.executed())
                .take(self.settings.max_batch);
            let values: Vec<Value> = known.map(|(_, value)| value.clone()).collect();
            cx.send_now(from, Message::Decided { first, values });
            return;
        }
        let Some(image) = &self.image else {
            return;
        };
        let wanted = snapshot
            .filter(|(last, _)| *last == image.last)
            .map_or(0, |(_, offset)| offset);
        let Chunk { offset, data, done } = Chunk::of(&image.bytes, wanted, self.settings.chunk_bytes);
        let message = Message::Snapshot {
            last: image.last,
            offset,
            data,
            done,
        };
        cx.send_now(from, message);
    }

    pub(super) fn on_decided(&mut self, from: NodeId, first: Slot, values: Vec<Value>, cx: &mut Cx) {
        let before = self.executed();
        for (slot, value) in (first..).zip(values) {
            self.learn(slot, value, cx);
        }
        self.execute(cx);
        // An answer that says nothing new asks nothing: else each copy of an answer would ask, which is answered in turn.
        if self.executed() > before {
            self.fetching = None;
            if self.wanted > self.executed() {
                self.ask(from, 0, cx);
            }
        }
    }

    pub(super) fn on_snapshot(&mut self, from: NodeId, last: Slot, chunk: &Chunk, cx: &mut Cx) {
        if last <= self.executed() {
            self.incoming = None;
            return;
        }
        let wanted = |incoming: &Option<Incoming<Slot>>| incoming.as_ref().map_or(0, Incoming::wanted);
        let before = wanted(&self.incoming);
        match Incoming::take(&mut self.incoming, from, last, chunk) {
            Taken::Whole(bytes) => {
                self.install(last, bytes, cx);
                self.fetching = None;
                if self.wanted > self.executed() {
                    self.ask(from, 0, cx);
                }
            }
            // As above: a piece that brings nothing asks for nothing.
            Taken::Wanted(wanted) if wanted > before => self.ask(from, 0, cx),
            Taken::Wanted(_) => {}
        }
    }
}
