//! Consistent hashing (Karger et al., STOC 1997) with virtual nodes, as Dynamo places replicas (DeCandia et al., SOSP
//! 2007, §4.2 and §4.3).
//!
//! ```text
//!            0 ──── n2 ──── n1 ──── n3 ──── n2 ──── n1 ──── n3 ──── 2⁶⁴
//!                        ▲ hash(key)
//!                          └▶ n1, n3, n2: the key's replicas, clockwise, each node once
//! ```
//!
//! Every node owns some tokens of the ring. A key belongs to the first token at or after its hash; its replicas are the
//! next distinct nodes from there, past the end to the beginning. A node that joins or leaves takes over, or hands on,
//! only what lies before its own tokens. The ring depends on the set of nodes alone, not on the order in which they came.

use crate::digest::digest;
use crate::replica::NodeId;

pub mod measure;
pub mod rules;

/// The decisions that placement rests on. The provided methods are the [`rules`]; a planted mistake is another answer.
pub trait Placement {
    /// See [`rules::virtual_nodes`].
    fn virtual_nodes(&self, configured: u16) -> u16 {
        rules::virtual_nodes(configured)
    }
    /// See [`rules::token`].
    fn token(&self, node: u16, place: u16, index: u16, process: u64) -> u64 {
        rules::token(node, place, index, process)
    }
    /// See [`rules::keeps_both`].
    fn keeps_both(&self, same_token: bool) -> bool {
        rules::keeps_both(same_token)
    }
    /// See [`rules::tie`].
    fn tie(&self, one: (u16, u64), other: (u16, u64)) -> bool {
        rules::tie(one, other)
    }
    /// See [`rules::owns`].
    fn owns(&self, token: u64, hash: u64) -> bool {
        rules::owns(token, hash)
    }
    /// See [`rules::start`].
    fn start(&self, hash: u64, successor: usize, tokens: usize) -> usize {
        rules::start(hash, successor, tokens)
    }
    /// See [`rules::next`].
    fn next(&self, at: usize, tokens: usize) -> usize {
        rules::next(at, tokens)
    }
    /// See [`rules::takes`].
    fn takes(&self, taken_before: bool, past_the_end: bool) -> bool {
        rules::takes(taken_before, past_the_end)
    }
}

/// Placement as it should be.
#[derive(Clone, Copy, Debug, Default)]
pub struct Correct;

impl Placement for Correct {}

/// What a ring is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The tokens of each node.
    pub virtual_nodes: u16,
    /// The bits of a token and of a key's hash: 64, but for tests in which tokens collide.
    pub bits: u32,
}

impl Default for Shape {
    fn default() -> Self {
        Shape {
            virtual_nodes: 32,
            bits: 64,
        }
    }
}

/// A token and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Token {
    at: u64,
    node: NodeId,
    /// When its node was added, counted.
    arrival: u64,
}

/// The ring.
#[derive(Clone, Debug)]
pub struct Ring {
    shape: Shape,
    /// What a process's own hasher would be keyed with; placement must not depend on it.
    process: u64,
    tokens: Vec<Token>,
    nodes: Vec<NodeId>,
    arrivals: u64,
}

impl Ring {
    /// A ring without nodes.
    pub fn new(shape: Shape, process: u64) -> Self {
        Ring {
            shape,
            process,
            tokens: Vec::new(),
            nodes: Vec::new(),
            arrivals: 0,
        }
    }

    /// The ring of these nodes, as it should be.
    pub fn of(nodes: &[NodeId], shape: Shape) -> Self {
        let mut ring = Ring::new(shape, 0);
        for node in nodes {
            ring.add(*node, &Correct);
        }
        ring
    }

    /// The nodes, in order.
    pub fn nodes(&self) -> &[NodeId] {
        &self.nodes
    }

    /// Adds a node, unless it is there.
    pub fn add(&mut self, node: NodeId, rules: &impl Placement) {
        let Err(place) = self.nodes.binary_search(&node) else {
            return;
        };
        self.nodes.insert(place, node);
        self.arrivals += 1;
        let mask = u64::MAX >> (64 - self.shape.bits.clamp(1, 64));
        for index in 0..rules.virtual_nodes(self.shape.virtual_nodes) {
            let at = rules.token(node.0, place as u16, index, self.process) & mask;
            let token = Token {
                at,
                node,
                arrival: self.arrivals,
            };
            self.insert(token, rules);
        }
    }

    fn insert(&mut self, token: Token, rules: &impl Placement) {
        let same = self.tokens.partition_point(|other| other.at < token.at);
        let same = (self.tokens.get(same).is_some_and(|other| other.at == token.at)).then_some(same);
        if let Some(same) = same
            && !rules.keeps_both(true)
        {
            self.tokens[same] = token;
            return;
        }
        let before = |other: &Token| {
            if other.at == token.at {
                rules.tie((other.node.0, other.arrival), (token.node.0, token.arrival))
            } else {
                other.at < token.at
            }
        };
        let place = self.tokens.partition_point(before);
        self.tokens.insert(place, token);
    }

    /// Removes a node.
    pub fn remove(&mut self, node: NodeId) {
        self.nodes.retain(|other| *other != node);
        self.tokens.retain(|token| token.node != node);
    }

    /// Changes the nodes to these, one after the other.
    pub fn become_of(&mut self, nodes: &[NodeId], rules: &impl Placement) {
        for gone in self.nodes.clone() {
            if !nodes.contains(&gone) {
                self.remove(gone);
            }
        }
        for node in nodes {
            self.add(*node, rules);
        }
    }

    /// The key's place on the ring.
    pub fn hash(&self, key: &str) -> u64 {
        digest(&key) & (u64::MAX >> (64 - self.shape.bits.clamp(1, 64)))
    }

    /// The first `n` distinct nodes clockwise from a key, its owner first; fewer if there are fewer.
    pub fn replicas(&self, key: &str, n: usize, rules: &impl Placement) -> Vec<NodeId> {
        let (count, hash) = (self.tokens.len(), self.hash(key));
        let mut replicas = Vec::with_capacity(n);
        if count == 0 {
            return replicas;
        }
        let successor = self.tokens.partition_point(|token| !rules.owns(token.at, hash));
        let first = rules.start(hash, successor, count);
        let mut at = first;
        for _ in 0..count {
            if replicas.len() == n {
                break;
            }
            let node = self.tokens[at].node;
            if rules.takes(replicas.contains(&node), at < first) {
                replicas.push(node);
            }
            at = rules.next(at, count);
        }
        replicas
    }
}
