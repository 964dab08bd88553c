//! The store that all the consensus systems replicate: deterministic, versioned, cheap to clone.

use std::sync::Arc;

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use crate::api::{Command, Failure, MicroOp, Reply, Value};
use crate::digest::digest;

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
    keys: OrdMap<Arc<str>, Versioned>,
    hash: u64,
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
            value: found.value.clone(),
            version: found.version,
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
                    value: Value::List(values),
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
                self.put(position, key, value.clone());
                Ok(written(position))
            }
            Command::Cas { key, expected, new } => {
                let found = self.get(key);
                if found.value != *expected {
                    return Err(Failure::Precondition {
                        observed: found.value,
                        version: found.version,
                    });
                }
                self.put(position, key, new.clone());
                Ok(written(position))
            }
            Command::Delete { key } => {
                self.put(position, key, Value::Nil);
                Ok(written(position))
            }
            Command::Txn(parts) => {
                let mut after = self.clone();
                let mut values = Vec::with_capacity(parts.len());
                let mut changed = false;
                for part in parts {
                    changed |= !matches!(part, MicroOp::Read { .. });
                    values.push(after.apply_part(position, part, place)?);
                }
                *self = after;
                Ok(Reply {
                    value: Value::List(values),
                    version: if changed { position } else { 0 },
                })
            }
            Command::Reconfigure(_) | Command::Transfer { .. } => {
                Err(invalid("it is not a command of the store"))
            }
        }
    }

    fn apply_part(&mut self, position: u64, part: &MicroOp, place: Place<'_>) -> Result<Value, Failure> {
        match part {
            MicroOp::Read { key } => Ok(self.get(key).value),
            MicroOp::Write { key, value } => {
                self.put(position, key, value.clone());
                Ok(Value::Nil)
            }
            MicroOp::Append { key, value } => {
                let mut list = match self.get(key).value {
                    Value::Nil => Vec::new(),
                    Value::List(list) => list,
                    Value::Int(_) | Value::Text(_) => return Err(invalid("only a list can be appended to")),
                };
                list.insert(place(list.len()).min(list.len()), value.clone());
                self.put(position, key, Value::List(list));
                Ok(Value::Nil)
            }
            MicroOp::Add { key, amount } => {
                let sum = match self.get(key).value {
                    Value::Nil => Some(*amount),
                    Value::Int(number) => number.checked_add(*amount),
                    Value::Text(_) | Value::List(_) => {
                        return Err(invalid("only an integer can be added to"));
                    }
                };
                let sum = sum.ok_or_else(|| invalid("the sum does not fit in 64 bits"))?;
                self.put(position, key, Value::Int(sum));
                Ok(Value::Nil)
            }
        }
    }

    fn put(&mut self, version: u64, key: &Arc<str>, value: Value) {
        let new = Versioned { value, version };
        let gained = digest(&(key, &new));
        let lost = self
            .keys
            .insert(key.clone(), new)
            .map_or(0, |old| digest(&(key, &old)));
        self.hash = self.hash.wrapping_sub(lost).wrapping_add(gained);
    }

    /// Every key that was ever written, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Versioned)> {
        self.keys.iter()
    }
}

impl FromIterator<(Arc<str>, Versioned)> for Store {
    fn from_iter<I: IntoIterator<Item = (Arc<str>, Versioned)>>(keys: I) -> Self {
        let mut store = Store::default();
        for (key, Versioned { value, version }) in keys {
            store.put(version, &key, value);
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
        let before = store.clone();
        let parts = vec![
            MicroOp::Add {
                key: key("n"),
                amount: 1,
            },
            MicroOp::Append {
                key: key("x"),
                value: Value::Int(1),
            },
        ];
        assert!(matches!(
            apply(&mut store, 2, Command::Txn(parts)),
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
        let list = Value::List(vec![Value::Int(1)]);
        assert_eq!(
            reply.value,
            Value::List(vec![Value::Nil, list, Value::Nil, Value::Int(5)])
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
        }
        let short: Store = long
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        assert_eq!(long, short);
        assert_eq!(long.hash(), short.hash());
    }
}
