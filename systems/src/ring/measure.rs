//! How even a ring is, and how much it moves, against the ideal.

use super::{Correct, Ring};

/// How evenly keys lie on the nodes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Balance {
    /// The keys of the node that owns most, by the keys that each would own.
    pub most: f64,
    /// The keys of the node that owns least, by the same.
    pub least: f64,
}

/// How evenly `keys` keys lie on the ring's nodes: 1 is ideal.
pub fn balance(ring: &Ring, keys: u32) -> Balance {
    let mut owned = vec![0_u32; ring.nodes().len()];
    for number in 0..keys {
        let owner = ring.replicas(&format!("key-{number}"), 1, &Correct);
        if let Some(place) = owner
            .first()
            .and_then(|owner| ring.nodes().binary_search(owner).ok())
        {
            owned[place] += 1;
        }
    }
    let ideal = f64::from(keys) / owned.len().max(1) as f64;
    let of = |count: Option<&u32>| f64::from(count.copied().unwrap_or(0)) / ideal;
    Balance {
        most: of(owned.iter().max()),
        least: of(owned.iter().min()),
    }
}

/// Which share of `keys` keys has another owner on another ring.
pub fn moved(before: &Ring, after: &Ring, keys: u32) -> f64 {
    let moved = (0..keys)
        .map(|number| format!("key-{number}"))
        .filter(|key| before.replicas(key, 1, &Correct) != after.replicas(key, 1, &Correct));
    moved.count() as f64 / f64::from(keys)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::replica::NodeId;
    use crate::ring::Shape;

    fn nodes(count: u16) -> Vec<NodeId> {
        (1..=count).map(NodeId).collect()
    }

    #[test]
    fn the_order_in_which_nodes_came_does_not_matter_even_where_tokens_collide() {
        let shape = Shape {
            virtual_nodes: 16,
            bits: 8,
        };
        let straight = Ring::of(&nodes(7), shape);
        let mut winding = Ring::new(shape, 99);
        for node in [5, 7, 1, 3, 2, 6, 4, 8] {
            winding.add(NodeId(node), &Correct);
        }
        winding.remove(NodeId(3));
        winding.become_of(&nodes(7), &Correct);
        for number in 0..2_000 {
            let key = format!("key-{number}");
            assert_eq!(
                straight.replicas(&key, 3, &Correct),
                winding.replicas(&key, 3, &Correct)
            );
        }
    }

    #[test]
    fn a_node_that_joins_only_takes_and_a_replica_set_changes_by_one() {
        for count in [3, 5, 10] {
            let before = Ring::of(&nodes(count), Shape::default());
            let after = Ring::of(&nodes(count + 1), Shape::default());
            let joined = NodeId(count + 1);
            for number in 0..5_000 {
                let key = format!("key-{number}");
                let old: BTreeSet<NodeId> = before.replicas(&key, 3, &Correct).into_iter().collect();
                let new = after.replicas(&key, 3, &Correct);
                assert_eq!(new.iter().collect::<BTreeSet<_>>().len(), 3, "distinct nodes");
                let fresh: Vec<NodeId> = new.iter().copied().filter(|node| !old.contains(node)).collect();
                assert!(fresh.is_empty() || fresh == [joined], "{key}: {old:?} to {new:?}");
                let owner = before.replicas(&key, 1, &Correct)[0];
                assert!(new[0] == owner || new[0] == joined, "{key}");
            }
        }
    }

    #[test]
    fn a_hash_at_a_token_belongs_to_it_and_one_past_the_last_to_the_first() {
        let shape = Shape {
            virtual_nodes: 2,
            bits: 6,
        };
        let ring = Ring::of(&nodes(3), shape);
        let (mut at, mut past) = (0, 0);
        for number in 0..1_000 {
            let key = format!("key-{number}");
            let hash = ring.hash(&key);
            let owner = ring.replicas(&key, 1, &Correct)[0];
            let expected = ring.tokens.iter().find(|token| token.at >= hash);
            at += u32::from(expected.is_some_and(|token| token.at == hash));
            past += u32::from(expected.is_none());
            assert_eq!(owner, expected.unwrap_or(&ring.tokens[0]).node);
        }
        assert!(at > 0 && past > 0, "{at} at a token, {past} past the last");
    }

    /// A single ring is one draw: that nine in ten lie within the bands is what hashing promises.
    #[test]
    fn load_and_moves_of_nine_in_ten_rings_are_within_the_bands() {
        const RINGS: u16 = 20;
        let shape = Shape {
            virtual_nodes: 128,
            bits: 64,
        };
        for count in [3, 5, 10] {
            let within = (0..RINGS).filter(|ring| {
                let first = ring * 20 + 1;
                let few: Vec<NodeId> = (first..first + count).map(NodeId).collect();
                let more: Vec<NodeId> = (first..=first + count).map(NodeId).collect();
                let (before, after) = (Ring::of(&few, shape), Ring::of(&more, shape));
                let Balance { most, least } = balance(&before, 10_000);
                let share = moved(&before, &after, 10_000) * f64::from(count + 1);
                most < 1.25 && least > 0.75 && (0.8..1.2).contains(&share)
            });
            let within = within.count();
            assert!(
                within * 10 >= usize::from(RINGS) * 9,
                "{count} nodes: {within} of {RINGS}"
            );
        }
    }
}
