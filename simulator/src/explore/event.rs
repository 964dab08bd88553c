//! What can happen to a node, by number.

/// An event that can happen to a node, in 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// This message arrives.
    Message(u32),
    /// This timer runs out.
    Timer(u32),
    /// This operation's request arrives; attempts are counted from 0.
    Request(u32, u8),
    /// An fsync.
    Sync,
    /// A crash that so many writes survive which were not durable.
    Crash(u32),
}

const KIND: u32 = 28;

impl What {
    pub(super) fn number(self) -> u32 {
        match self {
            What::Message(message) => message,
            What::Timer(timer) => 1 << KIND | timer,
            What::Request(operation, attempt) => 2 << KIND | operation << 8 | u32::from(attempt),
            What::Sync => 3 << KIND,
            What::Crash(kept) => 4 << KIND | kept,
        }
    }

    pub(super) fn of(number: u32) -> Self {
        let rest = number & ((1 << KIND) - 1);
        match number >> KIND {
            0 => What::Message(rest),
            1 => What::Timer(rest),
            2 => What::Request(rest >> 8, rest as u8),
            3 => What::Sync,
            _ => What::Crash(rest),
        }
    }
}
