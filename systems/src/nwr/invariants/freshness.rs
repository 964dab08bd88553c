//! Q-I4 in real time: an operation that begins when another one is over sees what that one did.
//!
//! With W + R > N a read returns nothing older than the newest write that was over when it began, and a write is newer than
//! that; where reads are atomic, the same goes for what reads returned.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::super::Settings;
use super::super::settings::{ReadMode, Versions};
use super::super::types::{Kind, Trace};
use super::facts::told;
use crate::api::Tag;
use crate::replica::{NodeId, RequestId};

/// What was over when.
#[derive(Clone, Debug)]
pub(super) struct Freshness {
    judged: bool,
    atomic: bool,
    w: usize,
    r: usize,
    /// The newest version of each key of which an operation is over.
    done: FxHashMap<Arc<str>, Tag>,
    /// The newest removal of each key that a replica has forgotten: what a read found that returns nothing.
    forgotten: FxHashMap<Arc<str>, Tag>,
    /// For each operation that is not over, that version when it began.
    floor: FxHashMap<(NodeId, RequestId), Option<Tag>>,
}

impl Freshness {
    pub(super) fn new(settings: &Settings) -> Self {
        Freshness {
            judged: settings.is_strict() && settings.versions == Versions::Counter,
            atomic: settings.reads == ReadMode::Abd,
            w: settings.w,
            r: settings.r,
            done: FxHashMap::default(),
            forgotten: FxHashMap::default(),
            floor: FxHashMap::default(),
        }
    }

    pub(super) fn stopped(&mut self, node: NodeId) {
        self.floor.retain(|(at, _), _| *at != node);
    }

    pub(super) fn check(&mut self, node: NodeId, trace: &Trace) -> Result<(), String> {
        if !self.judged {
            return Ok(());
        }
        match trace {
            Trace::Began { id, key, .. } => {
                self.floor.insert((node, *id), self.done.get(key).copied());
                Ok(())
            }
            Trace::GaveUp { id, .. } => {
                self.floor.remove(&(node, *id));
                Ok(())
            }
            Trace::Forgot { key, tag } => {
                let known = self.forgotten.entry(Arc::clone(key)).or_insert(*tag);
                *known = (*known).max(*tag);
                Ok(())
            }
            Trace::Done {
                id,
                key,
                kind,
                need,
                tag,
                ..
            } => {
                let floor = self.floor.remove(&(node, *id)).flatten();
                let nothing = self.forgotten.get(key).filter(|_| *kind == Kind::Read);
                let tag = tag.or(nothing.copied());
                let usual = if *kind == Kind::Read { self.r } else { self.w };
                // Who wishes for less gets less.
                if usize::from(*need) < usual {
                    return Ok(());
                }
                let behind = match (kind, floor, tag) {
                    (_, None, _) => false,
                    (_, Some(_), None) => true,
                    (Kind::Read, Some(floor), Some(tag)) => tag < floor,
                    (_, Some(floor), Some(tag)) => tag <= floor,
                };
                if let (true, Some(floor)) = (behind, floor) {
                    let did = if *kind == Kind::Read {
                        "returned"
                    } else {
                        "was given"
                    };
                    return Err(format!(
                        "an operation on {key} {did} {}, though {} was done before it began",
                        tag.map_or("nothing".to_owned(), told),
                        told(floor)
                    ));
                }
                if let Some(tag) = tag
                    && (*kind != Kind::Read || self.atomic)
                {
                    let known = self.done.entry(Arc::clone(key)).or_insert(tag);
                    *known = (*known).max(tag);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
