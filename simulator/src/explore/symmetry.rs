//! Permutations of the nodes.

/// All permutations that an exploration treats as one, the identity first: a group.
#[derive(Clone, Debug)]
pub(super) struct Symmetry {
    permutations: Vec<Vec<u8>>,
    /// `composed[after * len + before]` is `after ∘ before`.
    composed: Vec<u8>,
}

impl Symmetry {
    /// All permutations of so many nodes, or only the identity.
    pub(super) fn new(nodes: usize, on: bool) -> Self {
        let mut permutations = vec![(0..nodes as u8).collect::<Vec<u8>>()];
        if on {
            let mut next = permutations[0].clone();
            while advance(&mut next) {
                permutations.push(next.clone());
            }
        }
        let compose = |after: &[u8], before: &[u8]| -> Vec<u8> {
            before.iter().map(|image| after[usize::from(*image)]).collect()
        };
        let mut composed = Vec::new();
        for after in &permutations {
            for before in &permutations {
                let both = compose(after, before);
                let place = permutations.iter().position(|one| *one == both);
                composed.push(place.expect("a group is closed") as u8);
            }
        }
        Symmetry {
            permutations,
            composed,
        }
    }

    /// How many permutations there are.
    pub(super) fn len(&self) -> usize {
        self.permutations.len()
    }

    /// Where a permutation takes each node.
    pub(super) fn images(&self, permutation: usize) -> &[u8] {
        &self.permutations[permutation]
    }

    /// Where a permutation takes a node.
    pub(super) fn image(&self, permutation: usize, node: usize) -> usize {
        usize::from(self.permutations[permutation][node])
    }

    /// The permutation that does first `before`, then `after`.
    pub(super) fn compose(&self, after: usize, before: usize) -> usize {
        usize::from(self.composed[after * self.permutations.len() + before])
    }
}

/// The next permutation in lexicographic order; false after the last.
fn advance(order: &mut [u8]) -> bool {
    let Some(pivot) = (1..order.len())
        .rev()
        .find(|place| order[place - 1] < order[*place])
    else {
        return false;
    };
    let swap = (pivot..order.len())
        .rev()
        .find(|place| order[*place] > order[pivot - 1])
        .expect("the pivot's successor is greater");
    order.swap(pivot - 1, swap);
    order[pivot..].reverse();
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permutations_are_all_there_and_compose_as_functions_do() {
        let symmetry = Symmetry::new(4, true);
        assert_eq!(symmetry.len(), 24);
        assert_eq!(symmetry.images(0), [0, 1, 2, 3]);
        for after in 0..24 {
            for before in 0..24 {
                let both = symmetry.compose(after, before);
                for node in 0..4 {
                    let image = symmetry.image(after, symmetry.image(before, node));
                    assert_eq!(symmetry.image(both, node), image);
                }
            }
        }
        assert_eq!(Symmetry::new(3, false).len(), 1);
    }
}
