//! Reads and writes, as the node that a client asked carries them out.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::marks::Place;
use super::operations::{Counted, Operation, Stage};
use super::rules::quorums::{Heard, Met, Short};
use super::settings::{ReadMode, Versions};
use super::types::{Cell, Clock, Epoch, Kind, Message, Ticket, Trace, Version, View, newest};
use super::{Cx, Nwr};
use crate::api::{Command, Failure, MicroOp, Request, Tag, Value, Wish};
use crate::replica::{NodeId, RequestId};

/// The most operations that may wait; more are refused.
const MAX_OPERATIONS: usize = 20_000;

impl Nwr {
    pub(super) fn request(&mut self, id: RequestId, request: Request, cx: &mut Cx) {
        let (key, kind, value) = match request.command {
            Command::Read { key } => (key, Kind::Read, Value::Nil),
            Command::Write { key, value } => (key, Kind::Write, value),
            Command::Delete { key } => (key, Kind::Write, Value::Nil),
            Command::Txn(parts) => match added(parts) {
                Some((key, value)) if self.settings.versions == Versions::Vector => (key, Kind::Add, value),
                Some(_) => return self.refuse(id, "additions to a set need versions=vector", cx),
                None => return self.refuse(id, "a store of quorums has no transactions", cx),
            },
            Command::Cas { .. } => {
                return self.refuse(id, "comparing and setting needs consensus, not quorums", cx);
            }
            Command::Reconfigure(change) => return self.reconfigure(id, change, cx),
            Command::Transfer { .. } => return self.refuse(id, "there is no leader", cx),
        };
        let Some((w, r)) = self.quorums(request.wish) else {
            let n = self.settings.n;
            return self.refuse(id, &format!("w and r go from 1 to n, which is {n}"), cx);
        };
        if self.operations.len() >= MAX_OPERATIONS {
            return self.away(id, "too many requests are waiting", cx);
        }
        let ticket = self.next_ticket();
        cx.trace(Trace::Began {
            id,
            key: Arc::clone(&key),
            kind,
        });
        let operation = Operation {
            id,
            key,
            kind,
            value,
            r,
            w,
            stage: Stage::Asking,
            answers: Vec::new(),
            forgotten: Default::default(),
            forgotten_before: Default::default(),
            known_to_all: None,
            stored: Vec::new(),
            cell: Vec::new(),
            chosen: self.view.epoch,
            told: false,
            replied: false,
            hinted: BTreeSet::new(),
            since: cx.now,
            deadline: cx.now + self.settings.request_timeout,
        };
        self.operations.insert(ticket, operation);
        let blind = kind == Kind::Write
            && match self.settings.versions {
                Versions::Counter => !self.rules.asks_before_writing(),
                Versions::Clock => true,
                Versions::Vector => false,
            };
        if blind {
            self.write(ticket, cx);
        } else {
            self.ask(ticket, cx);
        }
    }

    /// How many replicas have to store, and to answer; none if there are not so many.
    fn quorums(&self, wish: Wish) -> Option<(usize, usize)> {
        let n = self.settings.n;
        let number = |wish: Option<u16>, usual: usize| {
            let number = wish.map_or(usual, usize::from);
            (1..=n).contains(&number).then_some(number)
        };
        Some((number(wish.w, self.settings.w)?, number(wish.r, self.settings.r)?))
    }

    /// The replicas that are asked for a key.
    pub(super) fn readers(&self, key: &str) -> Vec<NodeId> {
        let ring = match &self.old_ring {
            Some(old) if !self.view.settled && !self.rules.reads_from_new(true) => old,
            _ => &self.ring,
        };
        ring.replicas(key, self.settings.n, &self.rules)
    }

    /// The replicas that a key has, and those that it had before if the ring changes.
    pub(super) fn holders(&self, key: &str) -> (Vec<NodeId>, Vec<NodeId>) {
        let of = self.replicas(key);
        let old = self.old_ring.as_ref();
        let before = old.map(|old| old.replicas(key, self.settings.n, &self.rules));
        (of, before.unwrap_or_default())
    }

    /// Asks all again, whatever they said.
    fn ask_anew(&mut self, ticket: Ticket, cx: &mut Cx) {
        let Some(mut operation) = self.operations.remove(&ticket) else {
            return;
        };
        self.rules.reach(Place::AskedAnew as u8);
        operation.answers.clear();
        operation.forgotten_before = operation.forgotten.clone();
        let ticket = self.next_ticket();
        self.operations.insert(ticket, operation);
        self.ask(ticket, cx);
    }

    /// Asks those that have not answered.
    fn ask(&mut self, ticket: Ticket, cx: &mut Cx) {
        let Some(operation) = self.operations.get(&ticket) else {
            return;
        };
        let (key, epoch) = (Arc::clone(&operation.key), self.view.epoch);
        let silent: Vec<NodeId> = self
            .readers(&key)
            .into_iter()
            .filter(|node| !operation.has_answered(*node, epoch))
            .collect();
        for node in silent {
            let key = Arc::clone(&key);
            self.send_now(node, Message::Ask { ticket, epoch, key }, cx);
        }
    }

    /// Tells those to store that have not.
    fn store(&mut self, ticket: Ticket, cx: &mut Cx) {
        let epoch = self.view.epoch;
        let Some(operation) = self.operations.get_mut(&ticket) else {
            return;
        };
        operation.told = true;
        let (key, cell, chosen) = (
            Arc::clone(&operation.key),
            operation.cell.clone(),
            operation.chosen,
        );
        let Some(operation) = self.operations.get(&ticket) else {
            return;
        };
        let (mut nodes, before) = self.holders(&key);
        nodes.extend(before);
        nodes.retain(|node| !operation.has_stored(*node, epoch) && !operation.hinted.contains(node));
        nodes.sort_unstable();
        nodes.dedup();
        for node in nodes {
            let message = Message::Store {
                ticket,
                epoch,
                key: Arc::clone(&key),
                cell: cell.clone(),
                chosen,
                hint_for: None,
            };
            self.send_now(node, message, cx);
            if self.rules.counts_when_sent() {
                self.on_stored(node, (ticket, epoch), newest(&cell), None, cx);
            }
        }
    }

    /// Begins the second stage.
    fn begin_storing(&mut self, ticket: Ticket, cell: Cell, cx: &mut Cx) {
        if let Some(operation) = self.operations.get_mut(&ticket) {
            operation.stage = Stage::Storing;
            operation.cell = cell;
            operation.chosen = self.view.epoch;
            operation.since = cx.now;
        }
        self.store(ticket, cx);
    }

    pub(super) fn on_answer(&mut self, from: NodeId, ticket: Ticket, epoch: Epoch, cell: Cell, cx: &mut Cx) {
        let repeated = match self.operations.get(&ticket) {
            Some(operation) if operation.stage == Stage::Asking => operation.has_answered(from, epoch),
            Some(operation) if operation.replied && operation.kind == Kind::Read => {
                return self.answered_late(from, ticket, epoch, cell, cx);
            }
            _ => return,
        };
        if repeated {
            self.rules.reach(Place::AnswerRepeated as u8);
        }
        if !self.rules.counts_again(repeated) {
            return;
        }
        self.count_answer(ticket, from, epoch, cell, cx);
    }

    fn count_answer(&mut self, ticket: Ticket, replica: NodeId, epoch: Epoch, cell: Cell, cx: &mut Cx) {
        let Some(operation) = self.operations.get_mut(&ticket) else {
            return;
        };
        operation.answers.push(Counted::answer(replica, epoch, cell));
        if self.is_met(ticket, Stage::Asking) {
            self.answered(ticket, cx);
        }
    }

    /// Whether enough have answered, or stored.
    fn is_met(&self, ticket: Ticket, stage: Stage) -> bool {
        let Some(operation) = self.operations.get(&ticket) else {
            return false;
        };
        let epoch = self.view.epoch;
        let (counted, need, of, before) = match stage {
            Stage::Asking => {
                let readers = self.readers(&operation.key);
                (&operation.answers, operation.r, readers, Vec::new())
            }
            Stage::Storing => {
                let (of, before) = self.holders(&operation.key);
                (&operation.stored, operation.w, of, before)
            }
        };
        let among = |nodes: &[NodeId]| {
            let counts = |one: &&Counted| one.epoch == epoch && nodes.contains(&one.place());
            counted.iter().filter(counts).count()
        };
        let in_new = among(&of);
        self.rules.is_met(Met {
            of: in_new,
            before: if before.is_empty() { in_new } else { among(&before) },
            anybody: counted.len(),
            need,
        })
    }

    /// Enough replicas said what they hold.
    fn answered(&mut self, ticket: Ticket, cx: &mut Cx) {
        match self.operations.get(&ticket).map(|operation| operation.kind) {
            Some(Kind::Read) => self.read(ticket, cx),
            Some(Kind::Write | Kind::Add) => self.write(ticket, cx),
            None => {}
        }
    }

    fn read(&mut self, ticket: Ticket, cx: &mut Cx) {
        let Some(operation) = self.operations.get(&ticket) else {
            return;
        };
        let epoch = self.view.epoch;
        // What was answered under another view is not among what this read is to name.
        let current = || operation.answers.iter().filter(|one| one.epoch == epoch);
        let cells: Vec<Cell> = current().map(|one| one.cell.clone()).collect();
        let tags = || current().map(|one| one.tag).enumerate();
        let greatest = tags().map(|(_, tag)| tag).max().flatten();
        let newest_at = tags()
            .find(|(_, tag)| *tag == greatest)
            .map_or(0, |(place, _)| place);
        let cell = if self.settings.versions == Versions::Vector {
            self.merged(&cells)
        } else {
            let place = self.rules.selects(newest_at, cells.len());
            cells.get(place).cloned().unwrap_or_default()
        };
        let tag = newest(&cell);
        if self.rules.asks_anew(operation.may_be_outdated(tag)) {
            return self.ask_anew(ticket, cx);
        }
        if cell.len() > 1 {
            self.rules.reach(Place::SiblingsRead as u8);
        }
        let held: Vec<Counted> = if tag.is_some() && operation.known_to_all == tag {
            self.all_know(&operation.key, &cell)
        } else {
            current().filter(|one| one.cell == cell).cloned().collect()
        };
        let atomic = self.settings.reads == ReadMode::Abd;
        if self.rules.writes_back(atomic) && tag.is_some() {
            if let Some(operation) = self.operations.get_mut(&ticket) {
                operation.cell.clone_from(&cell);
                operation.stored = held;
            }
            if !self.is_met(ticket, Stage::Storing) {
                self.rules.reach(Place::WrittenBack as u8);
                if !self.rules.awaits_write_back() {
                    self.succeed(ticket, cx);
                }
                self.begin_storing(ticket, cell, cx);
                return;
            }
        }
        if let Some(operation) = self.operations.get_mut(&ticket) {
            operation.cell = cell;
            operation.stored = if atomic {
                operation.stored.clone()
            } else {
                Vec::new()
            };
        }
        self.succeed(ticket, cx);
        if let Some(operation) = self.operations.get_mut(&ticket) {
            // Late answers may show who lags.
            operation.stage = Stage::Storing;
            let answers = operation.answers.clone();
            for one in answers {
                self.repair_late(one.replica, ticket, &one.cell, cx);
            }
        }
        self.end_if_over(ticket, cx);
    }

    /// Chooses the version of a write, and has it stored.
    fn write(&mut self, ticket: Ticket, cx: &mut Cx) {
        let Some(operation) = self.operations.get(&ticket) else {
            return;
        };
        let (id, key, kind) = (operation.id, Arc::clone(&operation.key), operation.kind);
        let cells: Vec<Cell> = operation.answers.iter().map(|one| one.cell.clone()).collect();
        let value = operation.value.clone();
        let queried = operation
            .answers
            .iter()
            .filter_map(|one| one.tag)
            .map(|tag| tag.counter);
        let forgotten = operation.forgotten.values().map(|one| one.greatest);
        let forgotten = forgotten.fold(self.forgotten, u64::max);
        let floor = self.rules.floor(queried.max().unwrap_or(0), forgotten);
        let wall_us = u64::try_from(cx.wall.as_micros()).unwrap_or(u64::MAX);
        let given = self.given.get(&key).copied().unwrap_or(0);
        let counter = match self.settings.versions {
            Versions::Clock => wall_us,
            Versions::Counter | Versions::Vector => self.rules.counter(floor, wall_us),
        };
        let counter = counter.max(given + 1);
        self.given.insert(Arc::clone(&key), counter);
        let tag = Tag {
            counter,
            node: self.me,
            life: self.life,
        };
        let (mut clock, mut replaces) = (Clock::new(), Vec::new());
        let mut value = value;
        if self.settings.versions == Versions::Vector {
            let mut cells = cells;
            cells.push(self.own.get(&key).cloned().into_iter().collect());
            let merged = self.merged(&cells);
            for version in &merged {
                for (actor, count) in &*version.clock {
                    let known = clock.entry(*actor).or_insert(0);
                    *known = (*known).max(*count);
                }
            }
            replaces = merged.iter().map(|version| version.tag).collect();
            if kind == Kind::Add {
                value = elements_with(&merged, Some(&value)).into();
            }
            // Each node counts its own writes, all keys together, from the beginning of its life.
            let actor = (self.me, self.rules.actor_life(self.life));
            self.acted += 1;
            clock.insert(actor, self.acted);
        }
        let version = Version {
            tag,
            value,
            clock: Arc::new(clock),
        };
        if self.settings.versions == Versions::Vector {
            self.own.insert(Arc::clone(&key), version.clone());
        }
        cx.trace(Trace::Tagged {
            id,
            key,
            tag,
            replaces,
        });
        self.begin_storing(ticket, vec![version], cx);
    }

    pub(super) fn on_stored(
        &mut self,
        from: NodeId,
        (ticket, epoch): (Ticket, Epoch),
        tag: Option<Tag>,
        hint_for: Option<NodeId>,
        cx: &mut Cx,
    ) {
        let Some(operation) = self.operations.get_mut(&ticket) else {
            return;
        };
        if operation.stage != Stage::Storing {
            return;
        }
        if let Some(node) = hint_for {
            operation.hinted.insert(node);
            self.rules.reach(Place::StandIn as u8);
            if !self.rules.counts_stand_in(self.settings.sloppy) {
                self.end_if_over(ticket, cx);
                return;
            }
        }
        let Some(operation) = self.operations.get_mut(&ticket) else {
            return;
        };
        let again = operation.has_stored(from, epoch);
        if again {
            self.rules.reach(Place::AnswerRepeated as u8);
        }
        if !self.rules.counts_again(again) {
            return;
        }
        let Some(operation) = self.operations.get_mut(&ticket) else {
            return;
        };
        operation.stored.push(Counted {
            replica: from,
            stands_for: hint_for,
            epoch,
            cell: Vec::new(),
            tag,
        });
        let stored_itself = hint_for.is_none() && operation.kind != Kind::Read && !operation.replied;
        if let Some(written) = operation.tag().filter(|_| stored_itself) {
            cx.trace(Trace::Counted {
                id: operation.id,
                key: Arc::clone(&operation.key),
                tag: written,
                replica: from,
            });
        }
        let replied = operation.replied;
        if !replied && self.is_met(ticket, Stage::Storing) {
            self.succeed(ticket, cx);
        }
        self.end_if_over(ticket, cx);
    }

    pub(super) fn on_refused(&mut self, from: NodeId, ticket: Ticket, view: View, cx: &mut Cx) {
        if view.epoch < self.view.epoch {
            let mine = self.view.clone();
            self.send(from, Message::View(mine), cx);
        } else if view.epoch > self.view.epoch {
            self.on_view(view, cx);
        }
        self.heard_nothing(ticket, from, Heard::Refusal, cx);
    }

    fn heard_nothing(&mut self, ticket: Ticket, from: NodeId, heard: Heard, cx: &mut Cx) {
        let epoch = self.view.epoch;
        let asks = |operation: &Operation| {
            operation.stage == Stage::Asking
                && operation.kind == Kind::Read
                && !operation.has_answered(from, epoch)
        };
        if self.operations.get(&ticket).is_some_and(asks) && self.rules.counts_as_answer(heard) {
            self.count_answer(ticket, from, epoch, Vec::new(), cx);
        }
    }

    /// Asks again those that are silent, keeps for them what they miss, and gives up what takes too long.
    pub(super) fn retry(&mut self, cx: &mut Cx) {
        self.retrying = false;
        let tickets: Vec<Ticket> = self.operations.keys().copied().collect();
        for ticket in tickets {
            let Some(operation) = self.operations.get(&ticket) else {
                continue;
            };
            let (stage, replied) = (operation.stage, operation.replied);
            if operation.deadline <= cx.now {
                self.give_up(ticket, cx);
            } else if stage == Stage::Asking {
                let key = Arc::clone(&operation.key);
                for node in self.readers(&key) {
                    self.heard_nothing(ticket, node, Heard::Silence, cx);
                }
                self.ask(ticket, cx);
            } else if operation.kind != Kind::Read || !replied {
                self.store(ticket, cx);
                self.keep_for_the_silent(ticket, cx);
            }
        }
    }

    fn give_up(&mut self, ticket: Ticket, cx: &mut Cx) {
        let Some(operation) = self.operations.remove(&ticket) else {
            return;
        };
        if operation.replied {
            return;
        }
        let id = operation.id;
        if operation.kind == Kind::Read {
            cx.trace(Trace::GaveUp { id, stored: None });
            return self.away(id, "too few replicas answered in time", cx);
        }
        let stored = operation.stored.len() as u16;
        cx.trace(Trace::GaveUp {
            id,
            stored: operation.told.then_some(stored),
        });
        match self.rules.short_of_quorum(operation.told) {
            Short::Unknown => {
                self.rules.reach(Place::PartialWrite as u8);
                let reason = format!("{stored} of {} replicas are known to have stored it", operation.w);
                self.fail(id, Failure::Indefinite { reason }, cx);
            }
            Short::Refused => self.away(id, "too few replicas answered in time", cx),
            Short::Done => {
                self.operations.insert(ticket, operation);
                self.succeed(ticket, cx);
                self.operations.remove(&ticket);
            }
        }
    }

    /// The ring changed: what was counted under another view does not count, and is asked for again.
    pub(super) fn restart_operations(&mut self, cx: &mut Cx) {
        self.operations.retain(|_, operation| !operation.replied);
        // What a read found is asked for anew: who held it then says nothing of this view.
        for operation in self
            .operations
            .values_mut()
            .filter(|operation| operation.kind == Kind::Read)
        {
            operation.stage = Stage::Asking;
        }
        let tickets: Vec<Ticket> = self.operations.keys().copied().collect();
        for ticket in tickets {
            match self.operations.get(&ticket).map(|operation| operation.stage) {
                Some(Stage::Asking) => self.ask(ticket, cx),
                Some(Stage::Storing) => self.store(ticket, cx),
                None => {}
            }
        }
    }
}

/// The key and the element of a transaction that is nothing but one addition.
fn added(parts: Vec<MicroOp>) -> Option<(Arc<str>, Value)> {
    match <[MicroOp; 1]>::try_from(parts) {
        Ok([MicroOp::Append { key, value }]) => Some((key, value)),
        _ => None,
    }
}

/// The elements of all versions, in order, each once.
pub(super) fn elements(cell: &[Version]) -> Vec<Value> {
    elements_with(cell, None)
}

fn elements_with(cell: &[Version], another: Option<&Value>) -> Vec<Value> {
    let mut elements: Vec<&Value> = another.into_iter().collect();
    for version in cell {
        match &version.value {
            Value::List(list) => elements.extend(list.iter()),
            Value::Nil => {}
            single => elements.push(single),
        }
    }
    // A few lists, each in order: such a sort takes them as they are.
    elements.sort();
    elements.dedup();
    elements.into_iter().cloned().collect()
}
