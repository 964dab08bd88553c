//! Values of the store as JSON, where they are themselves: `null`, `7`, `"x"`, `[1, 2]`.

use std::fmt;

use perjury_systems::api::{MicroOp, Value};
use serde::de::{self, SeqAccess, Visitor};
use serde::ser::SerializeSeq as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A value that stands in JSON as itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plain(pub Value);

/// What a value may be, for those who sent something else.
pub const VALUE_IS: &str = "a value is null, an integer of 64 bits, a text, or a list of values";

impl Serialize for Plain {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        PlainRef(&self.0).serialize(serializer)
    }
}

/// The same, borrowed.
pub(super) struct PlainRef<'a>(pub &'a Value);

impl Serialize for PlainRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Nil => serializer.serialize_unit(),
            Value::Int(number) => serializer.serialize_i64(*number),
            Value::Text(text) => serializer.serialize_str(text),
            Value::List(values) => {
                let mut list = serializer.serialize_seq(Some(values.len()))?;
                for value in &**values {
                    list.serialize_element(&PlainRef(value))?;
                }
                list.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor).map(Plain)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(VALUE_IS)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Nil)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Int(number))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Value, E> {
        i64::try_from(number)
            .map(Value::Int)
            .map_err(|_| E::custom(VALUE_IS))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Plain(value)) = list.next_element()? {
            values.push(value);
        }
        Ok(values.into())
    }
}

/// Reads the parts of a transaction.
///
/// # Errors
/// What is wrong, with what would be right.
pub fn transaction(parts: Vec<Plain>) -> Result<Vec<MicroOp>, String> {
    parts.into_iter().map(|Plain(part)| micro_op(part)).collect()
}

fn micro_op(part: Value) -> Result<MicroOp, String> {
    let wrong = || {
        "a part of a transaction is [\"read\",key], [\"write\",key,value], [\"append\",key,value] or \
         [\"add\",key,integer]"
            .to_owned()
    };
    let Value::List(words) = part else {
        return Err(wrong());
    };
    let mut words = words.iter().cloned();
    let (Some(Value::Text(name)), Some(Value::Text(key)), argument, None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(wrong());
    };
    match (&*name, argument) {
        ("read" | "r", None) => Ok(MicroOp::Read { key }),
        // As transactions stand in histories, where a read has a place for what was read.
        ("read" | "r", Some(Value::Nil)) => Ok(MicroOp::Read { key }),
        ("write" | "w", Some(value)) => Ok(MicroOp::Write { key, value }),
        ("append", Some(value)) => Ok(MicroOp::Append { key, value }),
        ("add", Some(Value::Int(amount))) => Ok(MicroOp::Add { key, amount }),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_itself() {
        for text in [
            "null",
            "7",
            "-9223372036854775808",
            "\"x\\n\"",
            "[1,[null,\"a\"],[]]",
        ] {
            let value: Plain = serde_json::from_str(text).expect(text);
            assert_eq!(serde_json::to_string(&value).expect("encodes"), text);
        }
    }

    #[test]
    fn what_the_store_cannot_hold_is_refused_rather_than_bent() {
        for text in ["1.5", "true", "9223372036854775808", "{\"a\":1}"] {
            let error = serde_json::from_str::<Plain>(text).expect_err(text);
            assert!(error.to_string().contains("a value is null"), "{text}: {error}");
        }
    }

    #[test]
    fn a_part_with_too_few_or_too_many_words_is_refused() {
        for text in [
            "[[\"read\"]]",
            "[[\"write\",\"x\"]]",
            "[[\"add\",\"x\",\"1\"]]",
            "[[\"read\",\"x\",1,2]]",
            "[7]",
        ] {
            let parts: Vec<Plain> = serde_json::from_str(text).expect(text);
            assert!(transaction(parts).is_err(), "{text}");
        }
    }
}
