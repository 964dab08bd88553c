//! Texts that grew by appends, taken apart into what was appended.
//!
//! Where a key is only read and appended to, beginning with the empty text, and every text that was read can be
//! put together from appended pieces in at most one way, the text is a list of pieces in another spelling:
//!
//! ```text
//!  append "x1y"   append "x2y"        read "x1yx2y"   is   read ["x1y" "x2y"]
//! ```
//!
//! The list of a text that cannot be put together at all is none, as no appends lead to it.

use rustc_hash::FxHashMap;

use crate::history::{Function, Operation, Value};

/// The pieces that anyone asked to append.
pub(crate) struct Pieces {
    numbers: FxHashMap<Box<[u8]>, Value>,
    /// The different lengths of pieces, in bytes.
    lengths: Vec<usize>,
}

/// How a text can be put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Parts {
    /// From these pieces, in this order, and in no other way.
    One(Vec<Value>),
    /// Not at all.
    None,
    /// In several ways.
    Several,
}

/// The most different lengths of pieces.
const LENGTHS: usize = 64;

impl Pieces {
    /// The pieces of a key; none if its texts are not lists in another spelling.
    pub(crate) fn new<'a>(
        initial: &Value,
        operations: impl Iterator<Item = &'a Operation> + Clone,
    ) -> Option<Self> {
        if !matches!(initial, Value::Text(text) if text.is_empty()) {
            return None;
        }
        let mut pieces = Pieces {
            numbers: FxHashMap::default(),
            lengths: Vec::new(),
        };
        for operation in operations.clone() {
            match (&operation.f, &operation.argument) {
                (Function::Append, Value::Text(text)) if !text.is_empty() => {
                    pieces
                        .numbers
                        .insert(text.as_bytes().into(), operation.argument.clone());
                    if let Err(place) = pieces.lengths.binary_search(&text.len()) {
                        pieces.lengths.insert(place, text.len());
                    }
                }
                (Function::Read, _) => {}
                _ => return None,
            }
        }
        let clear = |operation: &Operation| match &operation.completion.value {
            Value::List(_) => false,
            Value::Text(text) => pieces.parts(text) != Parts::Several,
            _ => true,
        };
        let mut reads = operations.filter(|operation| operation.f == Function::Read);
        (pieces.lengths.len() <= LENGTHS && reads.all(clear)).then_some(pieces)
    }

    /// Takes a text apart.
    pub(crate) fn parts(&self, text: &str) -> Parts {
        let text = text.as_bytes();
        // For each place, whether it can be reached in one way (and by a piece of which length) or in several.
        let mut reached = vec![(0u8, 0usize); text.len() + 1];
        reached[0].0 = 1;
        for place in 0..text.len() {
            let ways = reached[place].0;
            if ways == 0 {
                continue;
            }
            for &length in &self.lengths {
                let Some(piece) = text.get(place..place + length) else {
                    break;
                };
                if self.numbers.contains_key(piece) {
                    let next = &mut reached[place + length];
                    *next = ((next.0 + ways).min(2), length);
                }
            }
        }
        match reached[text.len()].0 {
            0 => return Parts::None,
            1 => {}
            _ => return Parts::Several,
        }
        let mut parts = Vec::new();
        let mut end = text.len();
        while end > 0 {
            let start = end - reached[end].1;
            parts.extend(self.numbers.get(&text[start..end]).cloned());
            end = start;
        }
        parts.reverse();
        Parts::One(parts)
    }

    /// A text as the list that it spells; any other value as it is.
    pub(crate) fn list(&self, value: Value) -> Value {
        match &value {
            Value::Text(text) => match self.parts(text) {
                Parts::One(parts) => Value::from(parts),
                Parts::None | Parts::Several => value,
            },
            _ => value,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_can_be_read_in_two_ways_is_not_taken_apart() {
        let texts = |texts: &[&str]| texts.iter().map(|text| Value::from(*text)).collect::<Vec<_>>();
        let pieces = |all: &[&str]| {
            let mut lengths: Vec<usize> = all.iter().map(|piece| piece.len()).collect();
            lengths.sort_unstable();
            lengths.dedup();
            let numbers = all
                .iter()
                .map(|piece| (piece.as_bytes().into(), Value::from(*piece)));
            Pieces {
                numbers: numbers.collect(),
                lengths,
            }
        };
        let clear = pieces(&["x1y", "x22y", "é"]);
        assert_eq!(clear.parts("x22yéx1y"), Parts::One(texts(&["x22y", "é", "x1y"])));
        assert_eq!(clear.parts(""), Parts::One(Vec::new()));
        assert_eq!(clear.parts("x1yx2y"), Parts::None);
        let unclear = pieces(&["a", "ab", "b", "c"]);
        assert_eq!(unclear.parts("cab"), Parts::Several);
        assert_eq!(unclear.parts("abc"), Parts::Several);
        assert_eq!(unclear.parts("ac"), Parts::One(texts(&["a", "c"])));
    }
}
