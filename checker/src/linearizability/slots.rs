//! Values of a register, and when each was written and read.

/// Positions are shifted by one, so that 0 is before everything, and are less than this.
pub(super) const NEVER: u32 = (1 << 31) - 1;
pub(super) const NONE: u32 = u32::MAX;

/// What is kept of a value: its cluster, with the ends of its zone.
#[derive(Clone, Copy)]
pub(super) struct Slot {
    pub(super) value: i64,
    /// The earliest completion; none if nobody wrote or read it.
    pub(super) first: u32,
    /// The latest and the earliest invocation.
    pub(super) last: u32,
    pub(super) begun: u32,
    /// Whether somebody wrote it.
    pub(super) written: bool,
    /// Whether a read of it completed before its write was invoked.
    pub(super) broken: bool,
}

pub(super) const EMPTY: Slot = Slot {
    value: 0,
    first: NONE,
    last: 0,
    begun: NONE,
    written: false,
    broken: false,
};

impl Slot {
    pub(super) fn is_empty(&self) -> bool {
        self.first == NONE
    }

    /// Whether the value is here, or may come here. Nobody can predict which of the two it is; so there is one branch
    /// for both.
    fn suits(&self, value: i64) -> bool {
        let (differs, taken) = (self.value ^ value, i64::from(!self.first));
        // The sign of a number together with that of its opposite tells whether it is not zero.
        (differs | differs.wrapping_neg()) & taken.wrapping_neg() >= 0
    }

    /// Adds an operation. They come in the order of their invocations.
    pub(super) fn add(&mut self, invoked: u32, returned: u32, writes: bool) {
        self.broken |= writes & (self.first < invoked);
        self.written |= writes;
        self.first = self.first.min(returned);
        self.begun = self.begun.min(invoked);
        self.last = invoked;
    }

    /// Adds reads that were kept elsewhere.
    pub(super) fn join(&mut self, other: &Slot) {
        self.first = self.first.min(other.first);
        self.begun = self.begun.min(other.begun);
        self.last = self.last.max(other.last);
    }
}

/// Values by open addressing. Values that follow each other have homes that follow each other, so that what was
/// written one after the other lies together; if that crowds, they are scattered.
#[derive(Default)]
pub(super) struct Table {
    pub(super) slots: Vec<Slot>,
    pub(super) used: usize,
    /// How many values there may be before it grows.
    most: usize,
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

    /// The slot of a value, which is there from now on, even if the slot is still empty.
    pub(super) fn find(&mut self, value: i64) -> &mut Slot {
        let home = if self.used < self.most {
            self.home(value)
        } else {
            usize::MAX
        };
        let place = match self.slots.get(home) {
            Some(slot) if slot.suits(value) => home,
            _ => self.seek(value),
        };
        let slot = &mut self.slots[place];
        self.used += usize::from(slot.is_empty());
        slot.value = value;
        slot
    }

    /// Where a value is that is not at home, or may come.
    #[inline(never)]
    fn seek(&mut self, value: i64) -> usize {
        if self.used >= self.most {
            self.rebuild((self.slots.len() * 2).max(64));
        }
        loop {
            let mut place = self.home(value);
            let mut steps = 0;
            while self.scattered || steps < CROWD {
                if self.slots[place].suits(value) {
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
        self.most = room / 4 * if self.scattered { 2 } else { 3 };
        for slot in old.into_iter().filter(|slot| !slot.is_empty()) {
            *self.find(slot.value) = slot;
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
                    let slot = table.find(number * step);
                    assert_eq!(slot.is_empty(), round == 0, "{number} × {step}");
                    slot.add(2 * number as u32, 2 * number as u32 + 1, true);
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
