//! What does not change any more, with its hash: nodes share it and compare it often.

use std::fmt;
use std::hash::Hash;
use std::ops::Deref;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::digest::digest;

/// A value with its hash. Encoded, it is the value alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed<T> {
    digest: u64,
    value: T,
}

impl<T> Sealed<T> {
    /// The value's hash.
    pub fn digest(&self) -> u64 {
        self.digest
    }
}

impl<T: Hash> From<T> for Sealed<T> {
    fn from(value: T) -> Self {
        Sealed {
            digest: digest(&value),
            value,
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Sealed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

impl<T> Deref for Sealed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Serialize> Serialize for Sealed<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de> + Hash> Deserialize<'de> for Sealed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Sealed::from)
    }
}
