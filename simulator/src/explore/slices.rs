//! Lists of numbers, each kept once and known by a number of its own.

use std::hash::Hasher;

use rustc_hash::FxHasher;

const EMPTY: u32 = u32::MAX;

/// Every distinct list that was asked for. List 0 is the empty one.
#[derive(Debug)]
pub(super) struct Slices {
    elements: Vec<u32>,
    /// The list without each of its elements, once that was asked for.
    shorter: Vec<u32>,
    /// Where each list begins; one more than there are lists.
    starts: Vec<u32>,
    /// Open addressing, at most half full.
    slots: Vec<u32>,
}

impl Slices {
    pub(super) fn new() -> Self {
        let mut slices = Slices {
            elements: Vec::new(),
            shorter: Vec::new(),
            starts: vec![0],
            slots: vec![EMPTY; 64],
        };
        slices.number(&[]);
        slices
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// A list by its number.
    #[inline]
    pub(super) fn get(&self, number: u32) -> &[u32] {
        let number = number as usize;
        &self.elements[self.starts[number] as usize..self.starts[number + 1] as usize]
    }

    /// The number of a list, a new one if it was never asked for.
    pub(super) fn number(&mut self, list: &[u32]) -> u32 {
        let mask = self.slots.len() - 1;
        let mut slot = hash(list) as usize & mask;
        while self.slots[slot] != EMPTY {
            if self.get(self.slots[slot]) == list {
                return self.slots[slot];
            }
            slot = (slot + 1) & mask;
        }
        let number = self.len() as u32;
        self.slots[slot] = number;
        self.elements.extend_from_slice(list);
        self.shorter.resize(self.elements.len(), EMPTY);
        self.starts.push(self.elements.len() as u32);
        if self.len() * 2 > self.slots.len() {
            self.grow();
        }
        number
    }

    /// The list without the element at a place.
    #[inline]
    pub(super) fn without(&mut self, number: u32, place: usize) -> u32 {
        let at = self.starts[number as usize] as usize + place;
        if self.shorter[at] == EMPTY {
            let mut list = self.get(number).to_vec();
            list.remove(place);
            self.shorter[at] = self.number(&list);
        }
        self.shorter[at]
    }

    /// Bytes that are allocated.
    pub(super) fn bytes(&self) -> usize {
        4 * (self.elements.capacity() + self.shorter.capacity() + self.starts.capacity() + self.slots.len())
    }

    fn grow(&mut self) {
        let size = self.slots.len() * 2;
        let mut slots = vec![EMPTY; size];
        for number in 0..self.len() as u32 {
            let mut slot = hash(self.get(number)) as usize & (size - 1);
            while slots[slot] != EMPTY {
                slot = (slot + 1) & (size - 1);
            }
            slots[slot] = number;
        }
        self.slots = slots;
    }
}

fn hash(list: &[u32]) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write_u64(list.len() as u64);
    for element in list {
        hasher.write_u32(*element);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_lists_have_one_number_and_different_ones_have_different_ones() {
        let mut slices = Slices::new();
        assert_eq!(slices.number(&[]), 0);
        let numbers: Vec<u32> = (0..5000)
            .map(|element| slices.number(&[element, element / 2]))
            .collect();
        for (element, number) in (0..5000).zip(numbers) {
            assert_eq!(slices.number(&[element, element / 2]), number);
            assert_eq!(slices.get(number), [element, element / 2]);
        }
        assert_eq!(slices.len(), 5001);
        let list = slices.number(&[7, 8, 9]);
        for _ in 0..2 {
            let shorter = slices.without(list, 1);
            assert_eq!(slices.get(shorter), [7, 9]);
        }
    }
}
