//! What a client is told, and when an operation is over.

use std::sync::Arc;

use super::coordinator::elements;
use super::settings::{ReadMode, Versions};
use super::types::{Kind, Message, Ticket, Trace, Version, is_removed};
use super::{Cx, Nwr};
use crate::api::{Failure, Quorum, Reply, Response, Value};
use crate::replica::{NodeId, RequestId};

impl Nwr {
    /// Tells the client that it is done, and who took part.
    pub(super) fn succeed(&mut self, ticket: Ticket, cx: &mut Cx) {
        let (epoch, me) = (self.view.epoch, self.me);
        let Some(operation) = self.operations.get(&ticket) else {
            return;
        };
        if operation.replied {
            return;
        }
        let reads = operation.kind == Kind::Read;
        let (of, before) = self.holders(&operation.key);
        let of = if reads { self.readers(&operation.key) } else { of };
        let before = if reads { Vec::new() } else { before };
        let counted = if reads {
            &operation.answers
        } else {
            &operation.stored
        };
        let counted = counted.iter().filter(|one| one.epoch == epoch);
        let answers = counted.map(|one| (one.replica, one.tag)).collect();
        let need = if reads { operation.r } else { operation.w };
        let stored = if reads {
            operation.stored.iter().map(|one| one.replica).collect()
        } else {
            Vec::new()
        };
        let ordered = self.settings.versions != Versions::Vector;
        let quorum = Quorum {
            epoch,
            of,
            before,
            need: need as u16,
            tag: operation.tag().filter(|_| ordered),
            answers,
            stored,
        };
        let reply = Reply {
            value: if reads { shown(&operation.cell) } else { Value::Nil },
            version: operation.tag().filter(|_| ordered).map_or(0, |tag| tag.counter),
        };
        let id = operation.id;
        cx.trace(Trace::Done {
            id,
            key: Arc::clone(&operation.key),
            kind: operation.kind,
            epoch,
            of: quorum.of.clone(),
            before: quorum.before.clone(),
            need: quorum.need,
            answers: quorum.answers.clone(),
            tag: operation.tag(),
            stored: quorum.stored.clone(),
        });
        cx.reply_now(
            id,
            Response {
                node: me,
                term: 0,
                position: 0,
                result: Ok(reply),
                quorum: Some(Box::new(quorum)),
            },
        );
        if let Some(operation) = self.operations.get_mut(&ticket) {
            operation.replied = true;
        }
    }

    /// An operation whose client was answered is over when every replica answered; a write, when every replica has it, or
    /// it is kept for those that have not.
    pub(super) fn end_if_over(&mut self, ticket: Ticket, cx: &mut Cx) {
        let Some(operation) = self.operations.get(&ticket).filter(|operation| operation.replied) else {
            return;
        };
        let epoch = self.view.epoch;
        let (of, _) = self.holders(&operation.key);
        if operation.kind == Kind::Read {
            let all = of.iter().all(|node| operation.has_answered(*node, epoch));
            if all || self.settings.reads == ReadMode::Abd {
                self.operations.remove(&ticket);
            }
            return;
        }
        let has = |node: &NodeId| operation.has_stored(*node, epoch);
        if !of.iter().all(|node| has(node) || operation.hinted.contains(node)) {
            return;
        }
        if is_removed(&operation.cell)
            && of.iter().all(has)
            && let Some(tag) = operation.tag()
        {
            let key = Arc::clone(&operation.key);
            for node in of {
                let key = Arc::clone(&key);
                self.send_now(node, Message::Removed { key, tag }, cx);
            }
        }
        self.operations.remove(&ticket);
    }

    pub(super) fn fail(&self, id: RequestId, failure: Failure, cx: &mut Cx) {
        cx.reply_now(
            id,
            Response {
                node: self.me,
                term: 0,
                position: 0,
                result: Err(failure),
                quorum: None,
            },
        );
    }

    /// It makes no sense.
    pub(super) fn refuse(&self, id: RequestId, reason: &str, cx: &mut Cx) {
        let reason = reason.to_owned();
        self.fail(id, Failure::Invalid { reason }, cx);
    }

    /// Surely not applied; another node may do it.
    pub(super) fn away(&self, id: RequestId, reason: &str, cx: &mut Cx) {
        let failure = Failure::Unavailable {
            leader: None,
            reason: reason.to_owned(),
        };
        self.fail(id, failure, cx);
    }
}

/// What a reader is shown of what stands side by side: all elements of sets, or else the newest value.
fn shown(cell: &[Version]) -> Value {
    let set = |version: &Version| matches!(version.value, Value::List(_) | Value::Nil);
    match cell {
        [.., last] if cell.len() == 1 || !cell.iter().all(set) => last.value.clone(),
        [] => Value::Nil,
        removed if is_removed(removed) => Value::Nil,
        several => elements(several).into(),
    }
}
