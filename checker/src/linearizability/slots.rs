//! Values of a register, and when each was written and read.

/// Positions are shifted by one, so that 0 is before everything, and are less than this.
pub(super) const NEVER: u32 = (1 << 31) - 1;
pub(super) const NONE: u32 = u32::MAX;

/// What is kept of a value.
#[derive(Clone, Copy)]
pub(super) struct Slot {
    pub(super) value: i64,
    /// When its write was invoked; none if nobody wrote it.
    pub(super) written: u32,
    /// When its write completed.
    pub(super) acknowledged: u32,
    /// The earliest completion of a read.
    pub(super) first: u32,
    /// The earliest and the latest invocation of a read; none if nobody read it.
    pub(super) begun: u32,
    pub(super) last: u32,
}

pub(super) const EMPTY: Slot = Slot {
    value: 0,
    written: NONE,
    acknowledged: NONE,
    first: NONE,
    begun: NONE,
    last: NONE,
};

impl Slot {
    fn is_empty(&self) -> bool {
        self.written == NONE && self.begun == NONE
    }

    pub(super) fn read(&mut self, invoked: u32, returned: u32) {
        self.first = self.first.min(returned);
        self.begun = self.begun.min(invoked);
        self.last = if self.last == NONE {
            invoked
        } else {
            self.last.max(invoked)
        };
    }

    /// Adds reads that were kept elsewhere.
    pub(super) fn join(&mut self, other: &Slot) {
        if other.begun != NONE {
            self.read(other.last, other.first);
            self.begun = self.begun.min(other.begun);
        }
    }

    /// The ends of the zone: the earliest completion and the latest invocation.
    pub(super) fn zone(&self) -> (u32, u32) {
        let read = if self.last == NONE { 0 } else { self.last };
        (self.acknowledged.min(self.first), self.written.max(read))
    }
}

/// Values by open addressing. Values that follow each other have homes that follow each other, so that what was
/// written one after the other lies together; if that crowds, they are scattered.
#[derive(Default)]
pub(super) struct Table {
    pub(super) slots: Vec<Slot>,
    pub(super) used: usize,
    /// How many bits of a value say nothing, since the values of a key are that far apart.
    shift: u32,
    scattered: bool,
}

/// The longest way from a value's home before values are scattered.
const CROWD: usize = 32;

impl Table {
    fn home(&self, value: i64) -> usize {
        let value = value as u64;
        let hash = if self.scattered {
            (value ^ value >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 24
        } else {
            value >> self.shift
        };
        hash as usize & (self.slots.len() - 1)
    }

    /// The slot of a value, which may be empty.
    pub(super) fn find(&mut self, value: i64) -> usize {
        let fill = if self.scattered { 2 } else { 3 };
        if self.used * 4 >= self.slots.len() * fill {
            self.rebuild((self.slots.len() * 2).max(64));
        }
        loop {
            let mut place = self.home(value);
            let mut steps = 0;
            while self.scattered || steps < CROWD {
                let slot = &self.slots[place];
                if slot.is_empty() {
                    self.used += 1;
                    return place;
                }
                if slot.value == value {
                    return place;
                }
                place = (place + 1) & (self.slots.len() - 1);
                steps += 1;
            }
            self.scattered = true;
            self.rebuild(self.slots.len());
        }
    }

    /// Makes room for about so many values, of which some are there already.
    pub(super) fn expect(&mut self, values: usize) {
        let room = (values / 2 * 3).next_power_of_two();
        if room > self.slots.len() {
            self.rebuild(room);
        }
    }

    fn rebuild(&mut self, room: usize) {
        let (low, high) = self.values().fold((i64::MAX, i64::MIN), |(low, high), slot| {
            (low.min(slot.value), high.max(slot.value))
        });
        let apart = high.wrapping_sub(low) as u64 / (self.used as u64).max(1);
        self.shift = apart.max(1).ilog2();
        let old = std::mem::replace(&mut self.slots, vec![EMPTY; room]);
        self.used = 0;
        for slot in old.into_iter().filter(|slot| !slot.is_empty()) {
            let place = self.find(slot.value);
            self.slots[place] = slot;
        }
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().filter(|slot| !slot.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_again_however_they_crowd() {
        for step in [1, 64, 4096, 1 << 40, -7] {
            let mut table = Table::default();
            for round in 0..2 {
                for number in 0..5000i64 {
                    let place = table.find(number * step);
                    let slot = &mut table.slots[place];
                    assert_eq!(slot.is_empty(), round == 0, "{number} × {step}");
                    (slot.value, slot.written) = (number * step, number as u32);
                }
            }
            assert_eq!((table.used, table.values().count()), (5000, 5000));
            assert!(
                table.slots.len() <= 1 << 16,
                "{step} takes {} slots",
                table.slots.len()
            );
        }
    }
}
