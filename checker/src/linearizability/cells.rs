//! Cells with numbers for values, so that every method compares and hashes integers.

use std::mem::size_of;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::pieces::Pieces;
use super::problem::{Op, Spec, op};
use crate::history::{Function, Operation, Outcome, Value};
use crate::models::{Cell, CellAction, Model, Unsupported};

/// How many values are few: those whose actions fit into a table.
pub(crate) const FEW: usize = 64;

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

    /// Whether it never changes the value.
    pub(crate) fn pure(self) -> bool {
        match self {
            Act::Read(_) | Act::Differs(_) | Act::Contradiction => true,
            Act::Cas(expected, new) => expected == new,
            Act::Write(_) | Act::Append(_) => false,
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
    pub(crate) pieces: Vec<Value>,
}

impl CellSpec {
    /// Compiles a key's operations. Each gets a class of its own; see [`CellSpec::share_classes`].
    pub(crate) fn compile<'a>(
        cell: &Cell,
        operations: impl Iterator<Item = &'a Operation> + Clone,
    ) -> Result<(Vec<Op>, Self), Unsupported> {
        let appends = |operation: &Operation| operation.f == Function::Append;
        let grows = cell.allows(&Function::Append) && operations.clone().any(appends);
        let mut values = Values::new(grows, operations.clone().count() / 2);
        let pieces = grows
            .then(|| Pieces::new(&cell.init(), operations.clone()))
            .flatten();
        let plain = |value: Value| match &pieces {
            Some(pieces) => pieces.list(value),
            None => value,
        };
        let initial = values.number(&plain(cell.init()));
        let mut spec = CellSpec {
            acts: Vec::new(),
            initial,
            values,
            pieces: Vec::new(),
        };
        let mut appended: FxHashMap<Value, u32> = FxHashMap::default();
        let mut ops = Vec::with_capacity(operations.size_hint().0);
        for operation in operations {
            let required = operation.completion.outcome != Outcome::Info;
            if let Some(act) = spec.simple(cell, operation) {
                if required || !act.pure() {
                    let class = spec.acts.len() as u32;
                    spec.acts.push(act);
                    ops.push(op(operation, class, required));
                }
                continue;
            }
            let Some(action) = cell.action(operation)? else {
                continue;
            };
            if !required && cell.pure(&action) {
                continue;
            }
            let act = match action {
                CellAction::Read(value) => Act::Read(spec.values.number(&plain(value))),
                CellAction::Write(value) => Act::Write(spec.values.number(&value)),
                CellAction::Cas(expected, new) => {
                    Act::Cas(spec.values.number(&expected), spec.values.number(&new))
                }
                CellAction::Differs(value) => Act::Differs(spec.values.number(&value)),
                CellAction::Contradiction(_) => Act::Contradiction,
                CellAction::Append(value) => {
                    Act::Append(*appended.entry(value).or_insert_with_key(|value| {
                        spec.pieces.push(value.clone());
                        spec.pieces.len() as u32 - 1
                    }))
                }
            };
            let class = spec.acts.len() as u32;
            spec.acts.push(act);
            ops.push(op(operation, class, required));
        }
        Ok((ops, spec))
    }

    /// The commonest operations, without copying their values: integers that were read, written, or compared by a
    /// register.
    fn simple(&mut self, cell: &Cell, operation: &Operation) -> Option<Act> {
        use Function::{Cas, Read, Write};
        let outcome = operation.completion.outcome;
        match (&operation.f, &operation.argument, &operation.completion.value) {
            (Read, _, &Value::Int(value)) if outcome == Outcome::Ok => {
                Some(Act::Read(self.values.integer(value)))
            }
            (Write, &Value::Int(value), _) if outcome != Outcome::Fail && cell.allows(&Write) => {
                Some(Act::Write(self.values.integer(value)))
            }
            (Cas, Value::List(pair), _) if cell.allows(&Cas) => {
                let [Value::Int(expected), Value::Int(new)] = **pair else {
                    return None;
                };
                if outcome != Outcome::Fail {
                    return Some(Act::Cas(self.values.integer(expected), self.values.integer(new)));
                }
                if !operation.precondition_failed() {
                    return None;
                }
                match operation.completion.observed {
                    None => Some(Act::Differs(self.values.integer(expected))),
                    Some(Value::Int(seen)) if seen != expected => Some(Act::Read(self.values.integer(seen))),
                    Some(_) => None,
                }
            }
            _ => None,
        }
    }

    /// Gives operations with equal acts the same class. Only the search needs that.
    pub(crate) fn share_classes(&self, ops: &mut [Op]) {
        // Where there are few values, a table is faster.
        let count = self.values.len();
        let mut table = vec![u32::MAX; if count <= FEW { count * (count + 3) } else { 0 }];
        let mut classes: FxHashMap<Act, u32> = FxHashMap::default();
        for op in ops {
            let act = self.act(op);
            let place = match act {
                Act::Read(value) => value as usize,
                Act::Write(value) => count + value as usize,
                Act::Differs(value) => 2 * count + value as usize,
                Act::Cas(expected, new) => (3 + expected as usize) * count + new as usize,
                Act::Contradiction | Act::Append(_) => usize::MAX,
            };
            let class = match table.get_mut(place) {
                Some(class) => class,
                None => classes.entry(act).or_insert(u32::MAX),
            };
            if *class == u32::MAX {
                *class = op.class;
            }
            op.class = *class;
        }
    }

    pub(crate) fn act(&self, op: &Op) -> Act {
        self.acts[op.class as usize]
    }

    /// Which operations may be left out: optional writes and compare-and-sets of values that nothing required
    /// finds, neither itself nor by way of other optional ones. Leaving them out of a legal order keeps it
    /// legal, since what follows there is another write. Not so where appends take up whatever they find (then
    /// the answer is none), nor where something must find the value *not* to be another.
    pub(crate) fn unread(&self, ops: &[Op]) -> Option<Vec<bool>> {
        let mut found = vec![false; self.values.len()];
        let mut todo = Vec::new();
        let mut optional = Vec::new();
        let mut find = |value: u32, todo: &mut Vec<u32>| {
            if !std::mem::replace(&mut found[value as usize], true) {
                todo.push(value);
            }
        };
        for (index, op) in ops.iter().enumerate() {
            match self.act(op) {
                Act::Append(_) => return None,
                act if op.required => {
                    if let Some(value) = act.observes() {
                        find(value, &mut todo);
                    }
                }
                act => optional.extend(act.installs().map(|value| (value, index))),
            }
        }
        optional.sort_unstable();
        let mut useless = vec![false; ops.len()];
        for &(_, index) in &optional {
            useless[index] = true;
        }
        while let Some(value) = todo.pop() {
            let from = optional.partition_point(|&(other, _)| other < value);
            for &(_, index) in optional[from..].iter().take_while(|&&(other, _)| other == value) {
                useless[index] = false;
                if let Some(expected) = self.act(&ops[index]).observes() {
                    find(expected, &mut todo);
                }
            }
        }
        Some(useless)
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
        self.acts[class as usize].pure()
    }

    fn settles(&mut self, state: u32, class: u32) -> bool {
        match self.acts[class as usize] {
            Act::Read(value) => value == state,
            Act::Differs(value) => value != state,
            Act::Cas(expected, new) => expected == new && expected == state,
            Act::Write(_) | Act::Contradiction | Act::Append(_) => false,
        }
    }

    fn blind(&self, class: u32) -> bool {
        matches!(self.acts[class as usize], Act::Write(_))
    }

    fn repeatable(&self, class: u32) -> bool {
        !matches!(self.acts[class as usize], Act::Append(_))
    }

    fn anything(&self) -> Option<Vec<u32>> {
        let count = self.values.len();
        (!self.values.grows && count <= FEW).then(|| (0..count as u32).collect())
    }

    fn bytes(&self) -> u64 {
        (self.values.nodes.capacity() * (size_of::<Node>() + size_of::<Path>())
            + self.values.children.capacity() * 13) as u64
    }

    fn useless(&self, ops: &[Op]) -> Option<Vec<bool>> {
        let negative = ops.iter().any(|op| matches!(self.act(op), Act::Differs(_)));
        if negative { None } else { self.unread(ops) }
    }
}

/// Values and their numbers. Where values grow by appends, a list is the path to it from the empty list, so
/// that appending costs the same however long the list is.
pub(crate) struct Values {
    grows: bool,
    nodes: Vec<Node>,
    /// For each value, where it is a list: the value before its last append, that element, and its length.
    paths: Vec<Path>,
    /// Those of small integers lie in a table.
    small: Vec<u32>,
    integers: FxHashMap<i64, u32>,
    others: FxHashMap<Value, u32>,
    children: FxHashMap<(u32, u32), u32>,
    elements: FxHashMap<Value, u32>,
    /// About how many values there may be.
    room: usize,
    nil: u32,
    empty_list: u32,
    empty_text: u32,
}

/// How a growing value came about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path {
    pub before: u32,
    pub element: u32,
    pub length: u32,
}

const ROOT: Path = Path {
    before: u32::MAX,
    element: u32::MAX,
    length: 0,
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Node {
    Plain,
    Nil,
    List,
    Text,
}

impl Values {
    fn new(grows: bool, room: usize) -> Self {
        Values {
            grows,
            nodes: vec![Node::Nil, Node::List, Node::Text],
            paths: if grows { vec![ROOT; 3] } else { Vec::new() },
            small: Vec::new(),
            room,
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
        if self.grows {
            self.paths.push(ROOT);
        }
        self.nodes.len() as u32 - 1
    }

    /// The number of a value.
    pub(crate) fn number(&mut self, value: &Value) -> u32 {
        match value {
            Value::Nil => self.nil,
            Value::Int(integer) => self.integer(*integer),
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

    fn integer(&mut self, integer: i64) -> u32 {
        // The table is never much larger than what it is for.
        if let Some(place) = usize::try_from(integer)
            .ok()
            .filter(|&place| place < 4 * self.room.max(64))
        {
            if place >= self.small.len() {
                self.small.resize((place + 1).next_power_of_two(), u32::MAX);
            }
            if self.small[place] == u32::MAX {
                self.small[place] = self.plain();
            }
            return self.small[place];
        }
        if let Some(&number) = self.integers.get(&integer) {
            return number;
        }
        if self.integers.is_empty() {
            self.integers.reserve(self.room);
        }
        let number = self.plain();
        self.integers.insert(integer, number);
        number
    }

    fn child(&mut self, parent: u32, edge: u32, kind: Node) -> u32 {
        *self.children.entry((parent, edge)).or_insert_with(|| {
            self.nodes.push(kind);
            let length = self.paths[parent as usize].length + 1;
            self.paths.push(Path {
                before: parent,
                element: edge,
                length,
            });
            self.nodes.len() as u32 - 1
        })
    }

    /// How a list came about; none for other values.
    pub(crate) fn list(&self, value: u32) -> Option<Path> {
        (self.grows && self.nodes[value as usize] == Node::List).then(|| self.paths[value as usize])
    }

    /// The number of an element of lists, if it is in any.
    pub(crate) fn element(&self, value: &Value) -> Option<u32> {
        self.elements.get(value).copied()
    }

    /// How many different elements lists have.
    pub(crate) fn elements(&self) -> usize {
        self.elements.len()
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
