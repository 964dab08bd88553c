//! The states that were seen: exactly, not by a hash that may lie; packed, with the state that each came from.

/// States in one block of memory, so that nothing is copied or left half empty when there are more.
const BLOCK: usize = 1 << 15;

const EMPTY: u32 = u32::MAX;

/// All states that were seen, numbered in the order in which they were; each is as many words as the first.
#[derive(Debug)]
pub(super) struct Visited {
    words: usize,
    /// Each state with its parent's number behind it.
    blocks: Vec<Box<[u32]>>,
    len: usize,
    /// Open addressing: numbers of states, and a byte of each one's hash.
    slots: Vec<u32>,
    tags: Vec<u8>,
}

impl Visited {
    /// No states yet, of so many words each.
    pub(super) fn new(words: usize) -> Self {
        Visited {
            words,
            blocks: Vec::new(),
            len: 0,
            slots: vec![EMPTY; 1 << 10],
            tags: vec![0; 1 << 10],
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// A state.
    pub(super) fn state(&self, number: u32) -> &[u32] {
        let (block, place) = (number as usize / BLOCK, number as usize % BLOCK);
        let at = place * (self.words + 1);
        &self.blocks[block][at..at + self.words]
    }

    /// The state that it came from; itself for the first.
    pub(super) fn parent(&self, number: u32) -> u32 {
        let (block, place) = (number as usize / BLOCK, number as usize % BLOCK);
        self.blocks[block][place * (self.words + 1) + self.words]
    }

    /// The number of a state, if it was seen.
    #[cfg(test)]
    pub(super) fn find(&self, state: &[u32]) -> Option<u32> {
        let slot = self.slot(state, hash(state));
        (self.slots[slot] != EMPTY).then(|| self.slots[slot])
    }

    /// Adds a state unless it was seen before; says whether it is new.
    pub(super) fn insert(&mut self, state: &[u32], hash: u64, parent: u32) -> bool {
        let slot = self.slot(state, hash);
        if self.slots[slot] != EMPTY {
            return false;
        }
        self.slots[slot] = self.len as u32;
        self.tags[slot] = tag(hash);
        self.push(state, parent);
        // At most three quarters full.
        if self.len * 4 > self.slots.len() * 3 {
            self.grow();
        }
        true
    }

    /// Looks at the place where a state with this hash belongs.
    #[inline]
    pub(super) fn touch(&self, hash: u64) -> u32 {
        let slot = hash as usize & (self.slots.len() - 1);
        self.slots[slot] ^ u32::from(self.tags[slot])
    }

    /// Looks at the state that is probably the one with this hash, if there is one.
    #[inline]
    pub(super) fn touch_known(&self, hash: u64) -> u32 {
        let slot = hash as usize & (self.slots.len() - 1);
        let number = self.slots[slot];
        if number == EMPTY || self.tags[slot] != tag(hash) {
            return 0;
        }
        self.state(number)[0]
    }

    /// The hash of a state.
    #[inline]
    pub(super) fn hash(state: &[u32]) -> u64 {
        hash(state)
    }

    /// Bytes that are allocated.
    pub(super) fn bytes(&self) -> usize {
        self.blocks.len() * BLOCK * (self.words + 1) * 4 + self.slots.len() * 5
    }

    fn push(&mut self, state: &[u32], parent: u32) {
        if self.len.is_multiple_of(BLOCK) {
            self.blocks.push(vec![0; BLOCK * (self.words + 1)].into());
        }
        let at = (self.len % BLOCK) * (self.words + 1);
        let block = self.blocks.last_mut().expect("there is room");
        block[at..at + self.words].copy_from_slice(state);
        block[at + self.words] = parent;
        self.len += 1;
    }

    /// The slot that holds the state, or the empty one where it belongs.
    #[inline]
    fn slot(&self, state: &[u32], hash: u64) -> usize {
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        loop {
            let number = self.slots[slot];
            if number == EMPTY || self.tags[slot] == tag(hash) && self.state(number) == state {
                return slot;
            }
            slot = (slot + 1) & mask;
        }
    }

    fn grow(&mut self) {
        let size = self.slots.len() * 2;
        // The old tables go first: the new ones are made from the states.
        self.slots = Vec::new();
        self.tags = Vec::new();
        let (mut slots, mut tags) = (vec![EMPTY; size], vec![0; size]);
        for number in 0..self.len as u32 {
            let hash = hash(self.state(number));
            let mut slot = hash as usize & (size - 1);
            while slots[slot] != EMPTY {
                slot = (slot + 1) & (size - 1);
            }
            slots[slot] = number;
            tags[slot] = tag(hash);
        }
        (self.slots, self.tags) = (slots, tags);
    }
}

fn tag(hash: u64) -> u8 {
    (hash >> 56) as u8
}

/// Two words at a time, folded by a wide multiplication.
#[inline]
fn hash(state: &[u32]) -> u64 {
    let mut hash = 0x9e37_79b9_7f4a_7c15_u64;
    for pair in state.chunks(2) {
        let word = u64::from(pair[0]) | u64::from(pair.get(1).copied().unwrap_or(0)) << 32;
        let wide = u128::from(hash ^ word) * 0xa076_1d64_78bd_642f;
        hash = (wide as u64) ^ (wide >> 64) as u64;
        hash = hash.rotate_left(29).wrapping_add(0x2545_f491_4f6c_dd1d);
    }
    hash ^ hash >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insert(visited: &mut Visited, state: &[u32], parent: u32) -> bool {
        visited.insert(state, Visited::hash(state), parent)
    }

    #[test]
    fn every_state_is_there_once_with_its_parent_also_after_the_table_grew() {
        let mut visited = Visited::new(3);
        let state = |number: u32| [number, number / 7, 5];
        for number in 0..100_000 {
            assert!(insert(&mut visited, &state(number), number / 2));
            assert!(!insert(&mut visited, &state(number / 3), 0));
        }
        assert_eq!(visited.len(), 100_000);
        for number in (0..100_000).step_by(997) {
            assert_eq!(visited.find(&state(number)), Some(number));
            assert_eq!(
                (visited.state(number), visited.parent(number)),
                (&state(number)[..], number / 2)
            );
        }
        assert_eq!(visited.find(&[1, 1, 1]), None);
    }

    #[test]
    fn what_is_allocated_is_little_more_than_what_is_held() {
        let mut visited = Visited::new(8);
        for number in 0..1_000_000 {
            insert(&mut visited, &[number, 1, 2, 3, 4, 5, 6, 7], 0);
        }
        let bytes = visited.bytes() as f64 / 1e6;
        assert!(bytes < 36.0 + 5.0 * 8.0 / 3.0 + 1.0, "{bytes} bytes a state");
    }
}
