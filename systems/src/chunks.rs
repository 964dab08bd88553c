//! A snapshot that arrives from another node piece by piece.

use crate::replica::NodeId;

/// The largest snapshot that is taken in from another node, in bytes.
const MAX_BYTES: usize = 1 << 30;

/// One piece of a snapshot, as a message carries it.
#[derive(Clone, Debug)]
pub(crate) struct Chunk {
    /// Where it begins, in bytes.
    pub(crate) offset: u64,
    pub(crate) data: Vec<u8>,
    /// Whether it is the last one.
    pub(crate) done: bool,
}

impl Chunk {
    /// At most `length` bytes of `bytes`, from `offset` on.
    pub(crate) fn of(bytes: &[u8], offset: u64, length: usize) -> Self {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let end = start.saturating_add(length).min(bytes.len());
        Chunk {
            offset: start as u64,
            data: bytes[start..end].to_vec(),
            done: end == bytes.len(),
        }
    }
}

/// A snapshot that is arriving; `L` is what tells it from others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Incoming<L> {
    from: NodeId,
    label: L,
    bytes: Vec<u8>,
}

/// What came of a chunk.
pub(crate) enum Taken {
    /// The byte that is wanted next.
    Wanted(u64),
    /// All bytes are there.
    Whole(Vec<u8>),
}

impl<L: PartialEq> Incoming<L> {
    /// What tells it from others.
    pub(crate) fn label(&self) -> &L {
        &self.label
    }

    /// The byte that is wanted next.
    pub(crate) fn wanted(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Adds a chunk to what is arriving. A chunk of another snapshot begins anew; one that does not follow is not
    /// taken.
    pub(crate) fn take(arriving: &mut Option<Self>, from: NodeId, label: L, chunk: &Chunk) -> Taken {
        let same = |incoming: &Self| incoming.from == from && incoming.label == label;
        let mut incoming = arriving.take().filter(same).unwrap_or(Incoming {
            from,
            label,
            bytes: Vec::new(),
        });
        let fits = incoming.bytes.len() + chunk.data.len() <= MAX_BYTES;
        if chunk.offset == incoming.bytes.len() as u64 && fits {
            incoming.bytes.extend_from_slice(&chunk.data);
            if chunk.done {
                return Taken::Whole(incoming.bytes);
            }
        }
        let wanted = incoming.wanted();
        *arriving = Some(incoming);
        Taken::Wanted(wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_that_are_lost_repeated_or_of_another_snapshot_make_no_mixture() {
        let (one, two) = (b"0123456789".to_vec(), b"abcdefghij".to_vec());
        let mut arriving = None;
        let mut wanted = 0;
        let mut give = |label: u8, bytes: &[u8], offset| match Incoming::take(
            &mut arriving,
            NodeId(1),
            label,
            &Chunk::of(bytes, offset, 4),
        ) {
            Taken::Wanted(next) => {
                wanted = next;
                None
            }
            Taken::Whole(bytes) => Some(bytes),
        };
        assert_eq!(give(1, &one, 0), None);
        assert_eq!(give(1, &one, 8), None, "the second was lost");
        assert_eq!(give(2, &two, 4), None, "another one begins at its beginning");
        assert_eq!(give(1, &one, 0), None);
        assert_eq!(give(1, &one, 0), None, "it came twice");
        assert_eq!(give(1, &one, 4), None);
        assert_eq!(give(1, &one, 8), Some(one.clone()));
        assert_eq!(wanted, 8);
    }
}
