//! Z-I11: a session's requests take effect once, in the order in which it sent them, a server answers a write when it
//! has applied it and reads its own state for a client only if that holds what the client has seen and what it has sent
//! before. Z-I13: a read after a sync sees everything that was committed when it was asked for (Hunt et al., ZooKeeper,
//! ATC 2010, §2.3 and §4.4; the latter is stronger than ZooKeeper's own promise).

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use crate::api::Session;
use crate::breach::Breach;
use crate::replica::{NodeId, RequestId};
use crate::zab::types::{Trace, Zxid};

const NAME: (&str, &str) = ("Z-I11", "session order");
pub(super) const BARRIER: (&str, &str) = ("Z-I13", "sync is a barrier");

#[derive(Clone, Debug, Default)]
pub(super) struct SessionOrder {
    effects: FxHashMap<Session, Zxid>,
    last: FxHashMap<u64, (Zxid, u64)>,
    /// Writes that are not answered yet.
    open: BTreeMap<(NodeId, RequestId), Option<Session>>,
}

impl SessionOrder {
    pub(super) fn stopped(&mut self, node: NodeId) {
        self.open.retain(|(at, _), _| *at != node);
    }

    pub(super) fn check(&mut self, node: NodeId, trace: &Trace) -> Result<(), Breach> {
        let judged = match trace {
            Trace::Recovered { .. } => {
                self.stopped(node);
                Ok(())
            }
            Trace::Applied {
                zxid,
                effect: Some(session),
                ..
            } => self.effect(*zxid, *session),
            Trace::Submitted { id, session } => {
                self.open.insert((node, *id), *session);
                Ok(())
            }
            Trace::Settled { id, zxid, applied } => {
                self.open.remove(&(node, *id));
                match zxid {
                    Some(zxid) if zxid > applied => {
                        Err(format!("it answered {zxid} and had applied {applied}"))
                    }
                    _ => Ok(()),
                }
            }
            Trace::ReadServed {
                id,
                applied,
                local: Some((session, seen)),
            } => self.read(node, *id, *applied, *session, *seen),
            _ => Ok(()),
        };
        judged.map_err(|what| Breach::new(NAME, node, what))
    }

    fn effect(&mut self, zxid: Zxid, session: Session) -> Result<(), String> {
        let Session { client, sequence } = session;
        let first = *self.effects.entry(session).or_insert(zxid);
        if first != zxid {
            return Err(format!(
                "request {sequence} of client {client} took effect at {first} and at {zxid}"
            ));
        }
        let (at, last) = *self.last.entry(client).or_insert((zxid, sequence));
        if zxid > at {
            if sequence < last {
                return Err(format!(
                    "request {sequence} of client {client} took effect at {zxid}, after request {last}"
                ));
            }
            self.last.insert(client, (zxid, sequence));
        }
        Ok(())
    }

    fn read(
        &self,
        node: NodeId,
        id: RequestId,
        applied: Zxid,
        session: Option<Session>,
        seen: Zxid,
    ) -> Result<(), String> {
        if applied < seen {
            return Err(format!(
                "it read its state as of {applied} for a client that had seen {seen}"
            ));
        }
        let of_client = |other: &Option<Session>| matches!((other, session), (Some(other), Some(session)) if other.client == session.client);
        let mut earlier = self.open.range((node, RequestId(0))..(node, id));
        match earlier.find(|(_, other)| of_client(other)) {
            Some(_) => Err("a read overtook an earlier write of its session".to_owned()),
            None => Ok(()),
        }
    }
}

/// What was committed when reads were asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Barriers {
    asked: BTreeMap<(NodeId, RequestId), Zxid>,
}

impl Barriers {
    pub(super) fn stopped(&mut self, node: NodeId) {
        self.asked.retain(|(at, _), _| *at != node);
    }

    /// `committed` is the last transaction that is.
    pub(super) fn check(&mut self, node: NodeId, traces: &[Trace], committed: Zxid) -> Result<(), String> {
        for trace in traces {
            match trace {
                Trace::ReadInvoked { id } => {
                    self.asked.insert((node, *id), committed);
                }
                Trace::ReadServed {
                    id,
                    applied,
                    local: None,
                } => {
                    if let Some(committed) = self.asked.remove(&(node, *id))
                        && *applied < committed
                    {
                        return Err(format!(
                            "a read was answered as of {applied}, and {committed} was committed when it was asked for"
                        ));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}
