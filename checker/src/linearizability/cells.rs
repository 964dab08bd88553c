//! Cells with numbers for values, so that every method compares and hashes integers.

use std::collections::BTreeMap;
use std::mem::size_of;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::problem::{Op, Spec, op};
use crate::history::{Operation, Outcome, Value};
use crate::models::{Cell, CellAction, Model, Unsupported};

/// What an operation does to a cell, in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Act {
    Read(u32),
    Write(u32),
    Cas(u32, u32),
    Differs(u32),
    Contradiction,
    /// Appends a piece; pieces are numbered apart from values.
    Append(u32),
}

impl Act {
    /// The value that it must find, if there is exactly one.
    pub(crate) fn observes(self) -> Option<u32> {
        match self {
            Act::Read(value) | Act::Cas(value, _) => Some(value),
            _ => None,
        }
    }

    /// The value that it leaves and that was not there before.
    pub(crate) fn installs(self) -> Option<u32> {
        match self {
            Act::Write(value) => Some(value),
            Act::Cas(expected, new) if expected != new => Some(new),
            _ => None,
        }
    }
}

/// A cell whose values are numbers.
pub(crate) struct CellSpec {
    pub(crate) acts: Vec<Act>,
    pub(crate) initial: u32,
    pub(crate) values: Values,
    pieces: Vec<Value>,
}

impl CellSpec {
    /// Compiles a key's operations.
    pub(crate) fn compile<'a>(
        cell: &Cell,
        operations: impl Iterator<Item = &'a Operation> + Clone,
    ) -> Result<(Vec<Op>, Self), Unsupported> {
        let grows = operations
            .clone()
            .any(|operation| operation.f == crate::history::Function::Append);
        let mut values = Values::new(grows);
        let initial = values.number(&cell.init());
        let mut spec = CellSpec {
            acts: Vec::new(),
            initial,
            values,
            pieces: Vec::new(),
        };
        let mut classes: FxHashMap<Act, u32> = FxHashMap::default();
        let mut pieces: FxHashMap<Value, u32> = FxHashMap::default();
        let mut ops = Vec::with_capacity(operations.size_hint().0);
        for operation in operations {
            let Some(action) = cell.action(operation)? else {
                continue;
            };
            let required = operation.completion.outcome != Outcome::Info;
            if !required && cell.pure(&action) {
                continue;
            }
            let act = match action {
                CellAction::Read(value) => Act::Read(spec.values.number(&value)),
                CellAction::Write(value) => Act::Write(spec.values.number(&value)),
                CellAction::Cas(expected, new) => {
                    Act::Cas(spec.values.number(&expected), spec.values.number(&new))
                }
                CellAction::Differs(value) => Act::Differs(spec.values.number(&value)),
                CellAction::Contradiction(_) => Act::Contradiction,
                CellAction::Append(value) => Act::Append(*pieces.entry(value).or_insert_with_key(|value| {
                    spec.pieces.push(value.clone());
                    spec.pieces.len() as u32 - 1
                })),
            };
            let class = *classes.entry(act).or_insert_with(|| {
                spec.acts.push(act);
                spec.acts.len() as u32 - 1
            });
            ops.push(op(operation, class, required));
        }
        Ok((ops, spec))
    }

    pub(crate) fn act(&self, op: &Op) -> Act {
        self.acts[op.class as usize]
    }
}

impl Spec for CellSpec {
    fn init(&self) -> u32 {
        self.initial
    }

    fn step(&mut self, state: u32, class: u32) -> Option<u32> {
        match self.acts[class as usize] {
            Act::Read(value) => (value == state).then_some(state),
            Act::Write(value) => Some(value),
            Act::Cas(expected, new) => (expected == state).then_some(new),
            Act::Differs(value) => (value != state).then_some(state),
            Act::Contradiction => None,
            Act::Append(piece) => self.values.append(state, &self.pieces[piece as usize]),
        }
    }

    fn pure(&self, class: u32) -> bool {
        match self.acts[class as usize] {
            Act::Read(_) | Act::Differs(_) | Act::Contradiction => true,
            Act::Cas(expected, new) => expected == new,
            Act::Write(_) | Act::Append(_) => false,
        }
    }

    fn bytes(&self) -> u64 {
        (self.values.nodes.capacity() * size_of::<Node>() + self.values.children.capacity() * 13) as u64
    }

    /// An optional write (or compare-and-set) of a value that nothing finds can be left out of any legal order:
    /// what follows it there is another write. Not so where something must find the value *not* to be another,
    /// or where appends take up whatever they find.
    fn useless(&self, ops: &[Op]) -> Option<Vec<bool>> {
        let mut found = vec![0u32; self.values.nodes.len()];
        for op in ops {
            match self.act(op) {
                Act::Differs(_) | Act::Append(_) => return None,
                act => {
                    if let Some(value) = act.observes() {
                        found[value as usize] += 1;
                    }
                }
            }
        }
        let mut by_value: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (index, op) in ops.iter().enumerate().filter(|(_, op)| !op.required) {
            if let Some(value) = self.act(op).installs() {
                by_value.entry(value).or_default().push(index);
            }
        }
        let mut useless = vec![false; ops.len()];
        let mut unfound: Vec<u32> = by_value
            .keys()
            .copied()
            .filter(|&value| found[value as usize] == 0)
            .collect();
        while let Some(value) = unfound.pop() {
            for index in by_value.remove(&value).unwrap_or_default() {
                useless[index] = true;
                if let Some(expected) = self.act(&ops[index]).observes() {
                    found[expected as usize] -= 1;
                    if found[expected as usize] == 0 {
                        unfound.push(expected);
                    }
                }
            }
        }
        Some(useless)
    }
}

/// Values and their numbers. Where values grow by appends, a list is the path to it from the empty list, so
/// that appending costs the same however long the list is.
pub(crate) struct Values {
    grows: bool,
    nodes: Vec<Node>,
    integers: FxHashMap<i64, u32>,
    others: FxHashMap<Value, u32>,
    children: FxHashMap<(u32, u32), u32>,
    elements: FxHashMap<Value, u32>,
    nil: u32,
    empty_list: u32,
    empty_text: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Node {
    Plain,
    Nil,
    List,
    Text,
}

impl Values {
    fn new(grows: bool) -> Self {
        Values {
            grows,
            nodes: vec![Node::Nil, Node::List, Node::Text],
            integers: FxHashMap::default(),
            others: FxHashMap::default(),
            children: FxHashMap::default(),
            elements: FxHashMap::default(),
            nil: 0,
            empty_list: 1,
            empty_text: 2,
        }
    }

    /// How many values there are.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    fn plain(&mut self) -> u32 {
        self.nodes.push(Node::Plain);
        self.nodes.len() as u32 - 1
    }

    /// The number of a value.
    pub(crate) fn number(&mut self, value: &Value) -> u32 {
        match value {
            Value::Nil => self.nil,
            Value::Int(integer) => {
                if let Some(&number) = self.integers.get(integer) {
                    return number;
                }
                let number = self.plain();
                self.integers.insert(*integer, number);
                number
            }
            Value::List(elements) if self.grows => elements
                .iter()
                .fold(self.empty_list, |list, element| self.push(list, element)),
            Value::Text(text) if self.grows => text.bytes().fold(self.empty_text, |text, byte| {
                self.child(text, u32::from(byte), Node::Text)
            }),
            other => {
                if let Some(&number) = self.others.get(other) {
                    return number;
                }
                let number = self.plain();
                self.others.insert(other.clone(), number);
                number
            }
        }
    }

    fn child(&mut self, parent: u32, edge: u32, kind: Node) -> u32 {
        *self.children.entry((parent, edge)).or_insert_with(|| {
            self.nodes.push(kind);
            self.nodes.len() as u32 - 1
        })
    }

    fn push(&mut self, list: u32, element: &Value) -> u32 {
        let edge = match self.elements.get(element) {
            Some(&edge) => edge,
            None => {
                let edge = self.elements.len() as u32;
                self.elements.insert(element.clone(), edge);
                edge
            }
        };
        self.child(list, edge, Node::List)
    }

    fn append(&mut self, state: u32, piece: &Value) -> Option<u32> {
        match (self.nodes[state as usize], piece) {
            (Node::Nil, _) => Some(self.push(self.empty_list, piece)),
            (Node::List, _) => Some(self.push(state, piece)),
            (Node::Text, Value::Text(more)) => {
                let more = Arc::clone(more);
                Some(
                    more.bytes()
                        .fold(state, |text, byte| self.child(text, u32::from(byte), Node::Text)),
                )
            }
            _ => None,
        }
    }
}
