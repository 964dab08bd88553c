//! The store that all the consensus systems replicate: deterministic and versioned.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::api::{Command, Failure, MicroOp, Reply, Value};
use crate::digest::{digest, scatter};

/// A value and the position of its last change in the system's order.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Versioned {
    /// The value; `Nil` for a key that was deleted.
    pub value: Value,
    /// The position of the command that last changed it.
    pub version: u64,
}

/// Where an element goes in a list of this length. Appending puts it at the end; only a planted mistake differs.
pub type Place<'a> = &'a mut dyn FnMut(usize) -> usize;

/// Puts an element at the end.
pub fn at_the_end(length: usize) -> usize {
    length
}

/// The key-value store. A deleted key keeps the version of its deletion, so that versions never fall.
#[derive(Clone, Debug, Default)]
pub struct Store {
    keys: BTreeMap<Arc<str>, Held>,
    /// The sum of the keys' shares.
    hash: u64,
}

/// What is held under a key, with hashes of it that are brought up to date rather than computed anew.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Held {
    is: Versioned,
    /// A hash of the value.
    content: u64,
    /// What key, value and version add to the store's hash.
    share: u64,
}

/// How to take back a change of a key.
enum Undo {
    /// Put this back, or nothing.
    Put(Option<Held>),
    /// Take this element out of the list; version and hashes were these.
    Shorten {
        place: usize,
        version: u64,
        content: u64,
        share: u64,
    },
}

/// The changes of a transaction, to be taken back if it fails half-way.
type Log = Vec<(Arc<str>, Undo)>;

fn content_of(value: &Value) -> u64 {
    match value {
        Value::List(elements) => elements.iter().fold(0, extended),
        single => digest(single),
    }
}

/// The hash of a list that grew by an element.
fn extended(content: u64, element: &Value) -> u64 {
    scatter(
        content
            .rotate_left(1)
            .wrapping_add(digest(element))
            .wrapping_add(1),
    )
}

fn share_of(key: &str, content: u64, version: u64) -> u64 {
    scatter(digest(&key) ^ content.rotate_left(32) ^ scatter(version))
}

impl PartialEq for Store {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.keys == other.keys
    }
}

impl Eq for Store {}

impl Store {
    /// A hash of keys, values and versions, kept up to date with every change.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// What a key holds.
    pub fn get(&self, key: &str) -> Reply {
        self.keys.get(key).map_or_else(Reply::default, |found| Reply {
            value: found.is.value.clone(),
            version: found.is.version,
        })
    }

    /// Answers a command that reads only; none if it does not.
    pub fn read(&self, command: &Command) -> Option<Reply> {
        match command {
            Command::Read { key } => Some(self.get(key)),
            Command::Txn(parts) => {
                let values = parts
                    .iter()
                    .map(|part| match part {
                        MicroOp::Read { key } => Some(self.get(key).value),
                        _ => None,
                    })
                    .collect::<Option<Vec<Value>>>()?;
                Some(Reply {
                    value: values.into(),
                    version: 0,
                })
            }
            _ => None,
        }
    }

    /// Applies the command at `position` of the system's order.
    ///
    /// # Errors
    /// [`Failure::Precondition`] and [`Failure::Invalid`], both of which leave the store as it was.
    pub fn apply(&mut self, position: u64, command: &Command, place: Place<'_>) -> Result<Reply, Failure> {
        match command {
            Command::Read { key } => Ok(self.get(key)),
            Command::Write { key, value } => {
                self.put(position, key, value.clone(), None);
                Ok(written(position))
            }
            Command::Cas { key, expected, new } => {
                let found = self.keys.get(key);
                if *found.map_or(&Value::Nil, |found| &found.is.value) != *expected {
                    let found = self.get(key);
                    return Err(Failure::Precondition {
                        observed: found.value,
                        version: found.version,
                    });
                }
                self.put(position, key, new.clone(), None);
                Ok(written(position))
            }
            Command::Delete { key } => {
                self.put(position, key, Value::Nil, None);
                Ok(written(position))
            }
            Command::Txn(parts) => self.transact(position, parts, place),
            Command::Reconfigure(_) | Command::Transfer { .. } => {
                Err(invalid("it is not a command of the store"))
            }
        }
    }

    fn transact(&mut self, position: u64, parts: &[MicroOp], place: Place<'_>) -> Result<Reply, Failure> {
        let mut values = Vec::with_capacity(parts.len());
        let mut log = Log::new();
        let mut changed = false;
        for (number, part) in parts.iter().enumerate() {
            changed |= !matches!(part, MicroOp::Read { .. });
            // What fails changes nothing, so the last part need not be taken back.
            let undo = (number + 1 < parts.len()).then_some(&mut log);
            match self.apply_part(position, part, place, undo) {
                Ok(value) => values.push(value),
                Err(failure) => {
                    self.take_back(log);
                    return Err(failure);
                }
            }
        }
        Ok(Reply {
            value: values.into(),
            version: if changed { position } else { 0 },
        })
    }

    fn apply_part(
        &mut self,
        position: u64,
        part: &MicroOp,
        place: Place<'_>,
        undo: Option<&mut Log>,
    ) -> Result<Value, Failure> {
        match part {
            MicroOp::Read { key } => return Ok(self.get(key).value),
            MicroOp::Write { key, value } => self.put(position, key, value.clone(), undo),
            MicroOp::Append { key, value } => self.append(position, key, value, place, undo)?,
            MicroOp::Add { key, amount } => {
                let sum = match self.keys.get(key).map_or(&Value::Nil, |found| &found.is.value) {
                    Value::Nil => Some(*amount),
                    Value::Int(number) => number.checked_add(*amount),
                    Value::Text(_) | Value::List(_) => {
                        return Err(invalid("only an integer can be added to"));
                    }
                };
                let sum = sum.ok_or_else(|| invalid("the sum does not fit in 64 bits"))?;
                self.put(position, key, Value::Int(sum), undo);
            }
        }
        Ok(Value::Nil)
    }

    fn append(
        &mut self,
        version: u64,
        key: &Arc<str>,
        element: &Value,
        place: Place<'_>,
        undo: Option<&mut Log>,
    ) -> Result<(), Failure> {
        let held = match self.keys.get_mut(key) {
            Some(held) if held.is.value != Value::Nil => held,
            _ => {
                place(0);
                self.put(version, key, vec![element.clone()].into(), undo);
                return Ok(());
            }
        };
        let Value::List(list) = &mut held.is.value else {
            return Err(invalid("only a list can be appended to"));
        };
        let place = place(list.len()).min(list.len());
        if let Some(log) = undo {
            let undo = Undo::Shorten {
                place,
                version: held.is.version,
                content: held.content,
                share: held.share,
            };
            log.push((key.clone(), undo));
        }
        let at_the_end = place == list.len();
        Arc::make_mut(list).insert(place, element.clone());
        held.content = if at_the_end {
            extended(held.content, element)
        } else {
            content_of(&held.is.value)
        };
        held.is.version = version;
        let share = share_of(key, held.content, version);
        self.hash = self.hash.wrapping_sub(held.share).wrapping_add(share);
        held.share = share;
        Ok(())
    }

    fn put(&mut self, version: u64, key: &Arc<str>, value: Value, undo: Option<&mut Log>) {
        let content = content_of(&value);
        let share = share_of(key, content, version);
        let is = Versioned { value, version };
        let held = Held { is, content, share };
        let old = match self.keys.get_mut(key) {
            Some(there) => Some(std::mem::replace(there, held)),
            None => self.keys.insert(key.clone(), held),
        };
        let lost = old.as_ref().map_or(0, |old| old.share);
        self.hash = self.hash.wrapping_sub(lost).wrapping_add(share);
        if let Some(log) = undo {
            log.push((key.clone(), Undo::Put(old)));
        }
    }

    fn take_back(&mut self, log: Log) {
        for (key, undo) in log.into_iter().rev() {
            let Some(held) = self.keys.get_mut(&key) else {
                continue;
            };
            self.hash = self.hash.wrapping_sub(held.share);
            match undo {
                Undo::Put(Some(old)) => *held = old,
                Undo::Put(None) => {
                    self.keys.remove(&key);
                    continue;
                }
                Undo::Shorten {
                    place,
                    version,
                    content,
                    share,
                } => {
                    if let Value::List(list) = &mut held.is.value {
                        Arc::make_mut(list).remove(place);
                    }
                    (held.is.version, held.content, held.share) = (version, content, share);
                }
            }
            self.hash = self.hash.wrapping_add(held.share);
        }
    }

    /// Sets a key, as the change at `position` of the system's order, whatever it held.
    pub(crate) fn put_at(&mut self, position: u64, key: &Arc<str>, value: Value) {
        self.put(position, key, value, None);
    }

    /// Every key after this one that was ever written, in order; all of them after none.
    pub fn after(&self, key: Option<&Arc<str>>) -> impl Iterator<Item = (&Arc<str>, &Versioned)> {
        let from = key.map_or(Bound::Unbounded, Bound::Excluded);
        self.keys
            .range::<Arc<str>, _>((from, Bound::Unbounded))
            .map(|(key, held)| (key, &held.is))
    }

    /// Every key that was ever written, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Versioned)> {
        self.keys.iter().map(|(key, held)| (key, &held.is))
    }
}

impl FromIterator<(Arc<str>, Versioned)> for Store {
    fn from_iter<I: IntoIterator<Item = (Arc<str>, Versioned)>>(keys: I) -> Self {
        let mut store = Store::default();
        for (key, Versioned { value, version }) in keys {
            store.put(version, &key, value, None);
        }
        store
    }
}

fn written(version: u64) -> Reply {
    Reply {
        value: Value::Nil,
        version,
    }
}

fn invalid(reason: &str) -> Failure {
    Failure::Invalid {
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Arc<str> {
        name.into()
    }

    fn apply(store: &mut Store, position: u64, command: Command) -> Result<Reply, Failure> {
        store.apply(position, &command, &mut at_the_end)
    }

    #[test]
    fn a_transaction_that_fails_half_way_leaves_nothing_behind() {
        let mut store = Store::default();
        let write = |value| Command::Write { key: key("x"), value };
        apply(&mut store, 1, write(Value::Text("t".into()))).expect("written");
        let append = |name: &str| MicroOp::Append {
            key: key(name),
            value: Value::Int(1),
        };
        apply(&mut store, 2, Command::Txn(vec![append("l")])).expect("appended");
        let before = store.clone();
        let parts = vec![
            MicroOp::Add {
                key: key("n"),
                amount: 1,
            },
            append("l"),
            append("l"),
            append("new"),
            MicroOp::Write {
                key: key("l"),
                value: Value::Int(7),
            },
            append("x"),
        ];
        assert!(matches!(
            apply(&mut store, 3, Command::Txn(parts)),
            Err(Failure::Invalid { .. })
        ));
        assert_eq!(store, before);
        assert_eq!(store.get("n"), Reply::default());
    }

    #[test]
    fn a_transaction_sees_its_own_writes() {
        let mut store = Store::default();
        let parts = vec![
            MicroOp::Append {
                key: key("l"),
                value: Value::Int(1),
            },
            MicroOp::Read { key: key("l") },
            MicroOp::Add {
                key: key("n"),
                amount: 5,
            },
            MicroOp::Read { key: key("n") },
        ];
        let reply = apply(&mut store, 9, Command::Txn(parts)).expect("applied");
        let list = Value::from(vec![Value::Int(1)]);
        assert_eq!(
            reply.value,
            Value::from(vec![Value::Nil, list, Value::Nil, Value::Int(5)])
        );
        assert_eq!(reply.version, 9);
    }

    #[test]
    fn an_overflowing_sum_is_refused_rather_than_wrapped() {
        let mut store = Store::default();
        let add = |amount| {
            Command::Txn(vec![MicroOp::Add {
                key: key("n"),
                amount,
            }])
        };
        apply(&mut store, 1, add(i64::MAX)).expect("added");
        assert!(matches!(
            apply(&mut store, 2, add(1)),
            Err(Failure::Invalid { .. })
        ));
        assert_eq!(store.get("n").value, Value::Int(i64::MAX));
    }

    #[test]
    fn a_failed_comparison_tells_what_was_there() {
        let mut store = Store::default();
        let cas = |expected, new| Command::Cas {
            key: key("x"),
            expected,
            new,
        };
        apply(&mut store, 3, cas(Value::Nil, Value::Int(1))).expect("an absent key is nil");
        let refused = apply(&mut store, 4, cas(Value::Int(7), Value::Int(2)));
        let observed = Failure::Precondition {
            observed: Value::Int(1),
            version: 3,
        };
        assert_eq!(refused, Err(observed));
    }

    #[test]
    fn a_deleted_key_keeps_its_version_so_that_versions_never_fall() {
        let mut store = Store::default();
        apply(
            &mut store,
            1,
            Command::Write {
                key: key("x"),
                value: Value::Int(1),
            },
        )
        .expect("written");
        apply(&mut store, 2, Command::Delete { key: key("x") }).expect("deleted");
        assert_eq!(
            store.get("x"),
            Reply {
                value: Value::Nil,
                version: 2
            }
        );
    }

    #[test]
    fn the_hash_depends_on_the_state_and_not_on_the_way_to_it() {
        let mut long = Store::default();
        for position in 1..50 {
            let name = format!("k{}", position % 5);
            apply(
                &mut long,
                position,
                Command::Write {
                    key: key(&name),
                    value: Value::Int(position as i64),
                },
            )
            .expect("written");
            let element = MicroOp::Append {
                key: key("list"),
                value: Value::Int(position as i64),
            };
            apply(&mut long, position, Command::Txn(vec![element])).expect("appended");
        }
        let short: Store = long
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        assert_eq!(long, short);
        assert_eq!(long.hash(), short.hash());
    }
}
