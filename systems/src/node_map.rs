//! A map from a cluster's nodes to what is known of each: few keys, looked up in every step.

use std::fmt;

use crate::replica::NodeId;

/// A map by node, in the order of nodes. A cluster has a handful of them, and looking through a handful side by side
/// in memory is faster than descending a tree.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct NodeMap<T>(Vec<(NodeId, T)>);

impl<T> Default for NodeMap<T> {
    fn default() -> Self {
        NodeMap(Vec::new())
    }
}

impl<T: fmt::Debug> fmt::Debug for NodeMap<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<T> NodeMap<T> {
    /// Where a node is; otherwise where it would be.
    fn place(&self, node: NodeId) -> Result<usize, usize> {
        // Nodes are counted from 1, so with all of them there this is the place, and without one the place before.
        let usual = usize::from(node.0).wrapping_sub(1);
        for place in [usual, usual.wrapping_sub(1)] {
            if self.0.get(place).is_some_and(|(other, _)| *other == node) {
                return Ok(place);
            }
        }
        for (place, (other, _)) in self.0.iter().enumerate() {
            if *other >= node {
                return if *other == node { Ok(place) } else { Err(place) };
            }
        }
        Err(self.0.len())
    }

    /// What is known of a node.
    pub fn get(&self, node: NodeId) -> Option<&T> {
        let place = self.place(node).ok()?;
        Some(&self.0[place].1)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, node: NodeId) -> Option<&mut T> {
        let place = self.place(node).ok()?;
        Some(&mut self.0[place].1)
    }

    /// What is known of a node; `value` from now on, if nothing was.
    pub fn get_or_insert_with(&mut self, node: NodeId, value: impl FnOnce() -> T) -> &mut T {
        let place = self.place(node).unwrap_or_else(|place| {
            self.0.insert(place, (node, value()));
            place
        });
        &mut self.0[place].1
    }

    /// Sets what is known of a node; gives back what was.
    pub fn insert(&mut self, node: NodeId, value: T) -> Option<T> {
        match self.place(node) {
            Ok(place) => Some(std::mem::replace(&mut self.0[place].1, value)),
            Err(place) => {
                self.0.insert(place, (node, value));
                None
            }
        }
    }

    /// Forgets a node; gives back what was known of it.
    pub fn remove(&mut self, node: NodeId) -> Option<T> {
        let place = self.place(node).ok()?;
        Some(self.0.remove(place).1)
    }

    /// Forgets the nodes for which this does not hold.
    pub fn retain(&mut self, mut keeps: impl FnMut(NodeId) -> bool) {
        self.0.retain(|(node, _)| keeps(*node));
    }

    /// The first node after this one; the first of all for none.
    pub fn after(&self, node: Option<NodeId>) -> Option<NodeId> {
        let mut nodes = self.0.iter().map(|(other, _)| *other);
        nodes.find(|other| node.is_none_or(|node| *other > node))
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The nodes with what is known of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, &T)> {
        self.0.iter().map(|(node, value)| (*node, value))
    }

    /// What is known of the nodes, in their order.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|(_, value)| value)
    }

    /// The same, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.0.iter_mut().map(|(_, value)| value)
    }
}

impl<T> FromIterator<(NodeId, T)> for NodeMap<T> {
    fn from_iter<I: IntoIterator<Item = (NodeId, T)>>(nodes: I) -> Self {
        let mut map = NodeMap::default();
        for (node, value) in nodes {
            map.insert(node, value);
        }
        map
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn it_does_what_a_tree_does() {
        let mut map = NodeMap::default();
        let mut tree = BTreeMap::new();
        let mut drawn = 7_u64;
        for turn in 0..2_000 {
            drawn = drawn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let node = NodeId((drawn >> 33) as u16 % 9);
            match drawn >> 62 {
                0 => assert_eq!(map.insert(node, turn), tree.insert(node, turn)),
                1 => assert_eq!(map.remove(node), tree.remove(&node)),
                2 => assert_eq!(
                    map.get_or_insert_with(node, || turn),
                    tree.entry(node).or_insert(turn)
                ),
                _ => assert_eq!(map.get(node), tree.get(&node)),
            }
            let next = tree.range(NodeId(node.0 + 1)..).next().map(|(next, _)| *next);
            assert_eq!(map.after(Some(node)), next);
            assert_eq!(map.len(), tree.len());
            assert!(map.iter().eq(tree.iter().map(|(node, value)| (*node, value))));
        }
        assert_eq!(map.after(None), tree.keys().next().copied());
    }
}
