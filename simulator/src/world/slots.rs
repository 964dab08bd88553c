//! Things that are kept until they are wanted.

/// So many things may be kept at a time.
const MOST: usize = 1 << 24;

/// Things, each in a slot of its own until it is taken out: it is moved in and out, and nothing else moves it about.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    things: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Slots {
            things: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> Slots<T> {
    /// Keeps a thing; says in which slot.
    ///
    /// # Panics
    /// If more than sixteen million things are kept at a time: the budget of events is to prevent that.
    pub(crate) fn put(&mut self, thing: T) -> u32 {
        match self.free.pop() {
            Some(slot) => {
                self.things[slot as usize] = Some(thing);
                slot
            }
            None => {
                assert!(self.things.len() < MOST, "too much is kept at a time");
                self.things.push(Some(thing));
                (self.things.len() - 1) as u32
            }
        }
    }

    /// Takes out what is kept in a slot, which is free then.
    pub(crate) fn take(&mut self, slot: u32) -> Option<T> {
        let thing = self.things[slot as usize].take()?;
        self.free.push(slot);
        Some(thing)
    }
}
