//! The shapes of partitions, from an order of the nodes that was drawn.
//!
//! ```text
//! halves      {a,b} | {c,d,e}        one       {a} | {b,c,d,e}
//! bridge      {a,b} | {d,e}, c talks to both sides
//! ring        each node hears a majority, and no two hear the same one
//! ```

use std::collections::BTreeSet;

use crate::fault::{Grudge, Link, Node};

/// The order cut in two: the smaller half first. Needs two nodes.
pub fn halves(order: &[Node]) -> Vec<BTreeSet<Node>> {
    let (small, large) = order.split_at(order.len() / 2);
    vec![small.iter().copied().collect(), large.iter().copied().collect()]
}

/// The first node alone against the rest. Needs two nodes.
pub fn one(order: &[Node]) -> Vec<BTreeSet<Node>> {
    let (alone, rest) = order.split_at(1.min(order.len()));
    vec![alone.iter().copied().collect(), rest.iter().copied().collect()]
}

/// Two sides that do not hear each other, and one node in the middle that talks to both. Needs three nodes.
pub fn bridge(order: &[Node]) -> Grudge {
    let middle = order.len() / 2;
    let (left, right) = (&order[..middle], order.get(middle + 1..).unwrap_or(&[]));
    let mut grudge = Grudge::default();
    for (side, other) in [(left, right), (right, left)] {
        for node in side {
            grudge.0.insert(*node, other.iter().copied().collect());
        }
    }
    grudge
}

/// A majorities ring: the nodes stand in a circle, and each hears only the window of a bare majority around
/// itself. No two nodes hear the same majority, so no majority agrees on who belongs to it. With an even
/// majority (three or seven nodes) a window cannot be symmetric, and some links are cut in one direction only.
/// Needs three nodes.
pub fn majorities_ring(order: &[Node]) -> Grudge {
    let count = order.len();
    let majority = count / 2 + 1;
    let mut grudge = Grudge::default();
    for start in 0..count {
        let heard: BTreeSet<Node> = (start..start + majority)
            .map(|place| order[place % count])
            .collect();
        let middle = order[(start + majority / 2) % count];
        grudge.0.insert(
            middle,
            order
                .iter()
                .filter(|node| !heard.contains(node))
                .copied()
                .collect(),
        );
    }
    grudge
}

/// The directed links on which a grudge drops packets.
pub fn links(grudge: &Grudge) -> BTreeSet<Link> {
    let mut links = BTreeSet::new();
    for (to, from) in &grudge.0 {
        links.extend(
            from.iter()
                .filter(|from| *from != to)
                .map(|from| Link { from: *from, to: *to }),
        );
    }
    links
}

/// The links between nodes of different groups, in both directions.
pub fn links_between(groups: &[BTreeSet<Node>]) -> BTreeSet<Link> {
    let mut links = BTreeSet::new();
    for (position, left) in groups.iter().enumerate() {
        for right in &groups[position + 1..] {
            for a in left {
                for b in right {
                    links.insert(Link { from: *a, to: *b });
                    links.insert(Link { from: *b, to: *a });
                }
            }
        }
    }
    links
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(count: u16) -> Vec<Node> {
        (1..=count).map(Node).collect()
    }

    /// Who hears whom, itself included, once these links are cut.
    fn heard(count: u16, cut: &BTreeSet<Link>, to: Node) -> BTreeSet<Node> {
        order(count)
            .into_iter()
            .filter(|from| !cut.contains(&Link { from: *from, to }))
            .collect()
    }

    #[test]
    fn two_groups_cannot_talk_in_either_direction() {
        for count in 2..=9 {
            for groups in [halves(&order(count)), one(&order(count))] {
                assert_eq!(
                    groups.iter().map(BTreeSet::len).sum::<usize>(),
                    usize::from(count)
                );
                assert!(groups[0].len() <= groups[1].len() && !groups[0].is_empty());
                let cut = links_between(&groups);
                assert_eq!(cut.len(), 2 * groups[0].len() * groups[1].len());
            }
        }
    }

    #[test]
    fn in_a_majorities_ring_each_node_hears_a_majority_and_none_the_same() {
        for count in 3..=9 {
            let cut = links(&majorities_ring(&order(count)));
            let mut seen = BTreeSet::new();
            for node in order(count) {
                let heard = heard(count, &cut, node);
                assert!(heard.contains(&node), "{count} nodes: {node} hears itself");
                assert_eq!(
                    heard.len(),
                    usize::from(count / 2 + 1),
                    "{count} nodes: {node} hears a majority"
                );
                assert!(
                    seen.insert(heard),
                    "{count} nodes: {node} hears what another hears"
                );
            }
        }
    }

    #[test]
    fn a_majorities_ring_of_five_is_symmetric() {
        let cut = links(&majorities_ring(&order(5)));
        assert!(cut.iter().all(|link| cut.contains(&Link {
            from: link.to,
            to: link.from
        })));
    }

    #[test]
    fn a_bridge_leaves_one_node_that_talks_to_both_sides() {
        for count in 3..=9 {
            let cut = links(&bridge(&order(count)));
            let free: Vec<Node> = order(count)
                .into_iter()
                .filter(|node| cut.iter().all(|l| l.from != *node && l.to != *node))
                .collect();
            assert_eq!(free, [Node(count / 2 + 1)], "{count} nodes");
            let (left, right) = (usize::from(count / 2), usize::from(count - count / 2 - 1));
            assert_eq!(cut.len(), 2 * left * right, "{count} nodes");
        }
    }
}
