//! A bit that flips in a log at rest.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use perjury_systems::replica::Lsn;
use perjury_systems::wal;
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use super::storage::{Listing, RECORD, segment_path};

/// A bit that was flipped.
#[derive(Debug)]
pub struct Flip {
    path: PathBuf,
    offset: u64,
    mask: u8,
}

/// Flips a bit of a record in the log of a node that does not run: one that the node needs, and not the last, which would
/// look as if a crash had torn it. None if there is no such record.
///
/// # Errors
/// If the log cannot be read or written.
pub fn flip(directory: &Path, rng: &mut ChaCha8Rng) -> io::Result<Option<Flip>> {
    let mut records = needed_records(directory)?;
    records.pop();
    if records.is_empty() {
        return Ok(None);
    }
    let (path, begin, length) = records.swap_remove(rng.random_range(0..records.len()));
    let flip = Flip {
        path,
        offset: begin + rng.random_range(0..length),
        mask: 1 << rng.random_range(0..8),
    };
    flip.turn()?;
    Ok(Some(flip))
}

impl Flip {
    /// Flips the bit back.
    ///
    /// # Errors
    /// If the log cannot be read or written.
    pub fn undo(self) -> io::Result<()> {
        self.turn()
    }

    fn turn(&self) -> io::Result<()> {
        let file = OpenOptions::new().read(true).write(true).open(&self.path)?;
        let mut byte = [0];
        file.read_exact_at(&mut byte, self.offset)?;
        file.write_all_at(&[byte[0] ^ self.mask], self.offset)?;
        file.sync_all()
    }
}

/// The frames of records above the newest snapshot, in order: where they begin, and how long they are. What cannot be
/// read ends the log.
fn needed_records(directory: &Path) -> io::Result<Vec<(PathBuf, u64, u64)>> {
    let listing = Listing::read(directory)?;
    let snapshot = listing.snapshots.last().copied().unwrap_or(Lsn(0));
    let mut records = Vec::new();
    for (index, first) in listing.segments.iter().enumerate() {
        let path = segment_path(directory, *first);
        let bytes = fs::read(&path)?;
        let Ok((frames, _)) = wal::scan(&bytes, index + 1 == listing.segments.len()) else {
            break;
        };
        let mut offset = 0;
        for (lsn, payload) in frames {
            let length = (wal::HEADER_BYTES + payload.len()) as u64;
            if lsn > snapshot && payload.first() == Some(&RECORD) {
                records.push((path.clone(), offset, length));
            }
            offset += length;
        }
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::super::storage::{OpenError, encode_record, open};
    use super::*;

    /// A log of so many records, written by two incarnations.
    fn log(directory: &Path, count: u64) {
        for half in [1..=count / 2, count / 2 + 1..=count] {
            let mut store = open::<u64>(directory, false).expect("no damage").store;
            let (mut bytes, mut scratch) = (Vec::new(), Vec::new());
            for position in half {
                encode_record(Lsn(position), &(position * 10), &mut scratch, &mut bytes);
            }
            store
                .write(&bytes, Lsn(store.end().0 + count / 2))
                .expect("written");
            store.sync().expect("synced");
        }
    }

    #[test]
    fn a_log_with_a_flipped_bit_is_refused_until_it_is_flipped_back() {
        for seed in 0..100 {
            let folder = tempfile::tempdir().expect("a directory");
            log(folder.path(), 8);
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let flip = flip(folder.path(), &mut rng)
                .expect("flipped")
                .expect("there is a record");
            assert!(matches!(
                open::<u64>(folder.path(), false),
                Err(OpenError::Corrupt { .. })
            ));
            flip.undo().expect("flipped back");
            let opened = open::<u64>(folder.path(), false).expect("no damage");
            assert_eq!(opened.durable.end, Lsn(8));
        }
    }

    #[test]
    fn who_is_careless_ends_the_log_at_the_damage_and_goes_on_from_there() {
        for seed in 0..100 {
            let folder = tempfile::tempdir().expect("a directory");
            log(folder.path(), 8);
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            flip(folder.path(), &mut rng).expect("flipped");
            let opened = open::<u64>(folder.path(), true).expect("it starts");
            assert!(opened.ended_at_damage);
            let end = opened.durable.end;
            assert!(end < Lsn(7), "{end:?}");
            let expected: Vec<(Lsn, u64)> = (1..=end.0).map(|lsn| (Lsn(lsn), lsn * 10)).collect();
            assert_eq!(opened.durable.records, expected);
            drop(opened.store);
            let again = open::<u64>(folder.path(), false).expect("nothing is damaged any more");
            assert_eq!(again.durable.records, expected);
        }
    }

    #[test]
    fn the_last_record_is_left_alone() {
        let folder = tempfile::tempdir().expect("a directory");
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        assert!(flip(folder.path(), &mut rng).expect("nothing to read").is_none());
        let mut store = open::<u64>(folder.path(), false).expect("empty").store;
        let (mut bytes, mut scratch) = (Vec::new(), Vec::new());
        encode_record(Lsn(1), &7_u64, &mut scratch, &mut bytes);
        store.write(&bytes, Lsn(1)).expect("written");
        assert!(flip(folder.path(), &mut rng).expect("read").is_none());
    }
}
