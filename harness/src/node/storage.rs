//! A node's directory: segments of the log, and snapshots.
//!
//! ```text
//! wal-00000000000000000001.log         frames from position 1 on, as `perjury_systems::wal` lays them out
//! wal-00000000000000004711.log         the next segment; its name is the position of its first frame
//! snapshot-00000000000000004710.snap   one frame that holds the snapshot written at that position
//! ```
//!
//! A frame's payload begins with a tag: 0, then a record in postcard; or 1, the mark that a snapshot was written at
//! this position. Records and snapshots so share one order, and a gap in it shows that something is missing. The
//! mark is written once the snapshot's file is whole and in its place, so that a mark without the file is damage; a
//! file without the mark is a crash between the two, and the snapshot counts.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use perjury_systems::replica::{Durable, Lsn};
use perjury_systems::wal::{self, End};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(super) const RECORD: u8 = 0;
const SNAPSHOT_MARK: u8 = 1;

/// A segment that has grown this long is followed by a new one.
const SEGMENT_BYTES: u64 = 16 << 20;

/// Why a node cannot start from its directory.
#[derive(Debug)]
pub enum OpenError {
    /// The directory cannot be read or written.
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Something that had been durable is damaged or gone.
    Corrupt {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Io { path, error } => write!(f, "{}: {error}", path.display()),
            OpenError::Corrupt { path, what } => {
                write!(
                    f,
                    "{} is damaged: {what}; this node must not start from it",
                    path.display()
                )
            }
        }
    }
}

impl std::error::Error for OpenError {}

/// What was found in a directory.
#[derive(Debug)]
pub struct Opened<Record> {
    /// For the replica.
    pub durable: Durable<Record>,
    /// For what it writes from now on.
    pub store: Store,
    /// Bytes of a torn last write that were cut off.
    pub torn_bytes: u64,
    /// Whether the log was ended where a record was damaged.
    pub ended_at_damage: bool,
}

/// Writes to a node's directory. Nothing is durable before [`Store::sync`] returns.
#[derive(Debug)]
pub struct Store {
    directory: PathBuf,
    segment: File,
    length: u64,
    /// The first positions of all segments; the last is being written.
    firsts: Vec<Lsn>,
    end: Lsn,
}

/// Adds a record's frame to `out`; `scratch` is overwritten.
pub fn encode_record<Record: Serialize>(lsn: Lsn, record: &Record, scratch: &mut Vec<u8>, out: &mut Vec<u8>) {
    scratch.clear();
    scratch.push(RECORD);
    let buffer = std::mem::take(scratch);
    *scratch = postcard::to_extend(record, buffer).expect("a record can be encoded into memory");
    wal::encode(lsn, scratch, out);
}

pub(super) fn segment_path(directory: &Path, first: Lsn) -> PathBuf {
    directory.join(format!("wal-{:020}.log", first.0))
}

fn snapshot_path(directory: &Path, lsn: Lsn) -> PathBuf {
    directory.join(format!("snapshot-{:020}.snap", lsn.0))
}

fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Opens a directory, creating it if it is missing, and reads what is durable in it. Who is `careless` ends a log that is
/// damaged in the middle there, as only a planted mistake does.
///
/// # Errors
/// [`OpenError::Corrupt`] for anything that a crash cannot have caused.
pub fn open<Record: DeserializeOwned>(directory: &Path, careless: bool) -> Result<Opened<Record>, OpenError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |error| OpenError::Io { path, error }
    };
    fs::create_dir_all(directory).map_err(io(directory))?;
    let mut listing = Listing::read(directory).map_err(io(directory))?;
    let corrupt = |path: &Path, what: String| OpenError::Corrupt {
        path: path.to_owned(),
        what,
    };

    let snapshot = match listing.snapshots.last() {
        Some(&lsn) => {
            let path = snapshot_path(directory, lsn);
            let bytes = fs::read(&path).map_err(io(&path))?;
            match wal::scan(&bytes, false) {
                Ok((frames, End::Clean)) if frames.len() == 1 && frames[0].0 == lsn => {
                    Some((lsn, frames[0].1.to_vec()))
                }
                _ => {
                    return Err(corrupt(
                        &path,
                        "it is not the whole snapshot that its name promises".into(),
                    ));
                }
            }
        }
        None => None,
    };
    let newest = snapshot.as_ref().map_or(Lsn(0), |(lsn, _)| *lsn);

    let mut records = Vec::new();
    let mut end = Lsn(0);
    let mut torn_bytes = 0;
    let mut ended_at_damage = false;
    let mut index = 0;
    while let Some(&first) = listing.segments.get(index) {
        let path = segment_path(directory, first);
        let last = index + 1 == listing.segments.len();
        if index == 0 {
            if first > Lsn(1) && newest == Lsn(0) {
                return Err(corrupt(
                    &path,
                    "older segments are gone, and there is no snapshot".into(),
                ));
            }
            end = Lsn(first.0 - 1);
        } else if first.0 != end.0 + 1 {
            let what = format!("the segment before it ends at position {}", end.0);
            return Err(corrupt(&path, what));
        }
        let bytes = fs::read(&path).map_err(io(&path))?;
        let (frames, how) = match wal::scan(&bytes, last) {
            Err(damage) if careless => {
                ended_at_damage = true;
                for later in listing.segments.drain(index + 1..) {
                    let path = segment_path(directory, later);
                    fs::remove_file(&path).map_err(io(&path))?;
                }
                let whole = wal::scan(&bytes[..damage.offset], false);
                whole.map(|(frames, _)| (frames, End::Torn(damage.offset)))
            }
            read => read,
        }
        .map_err(|error| corrupt(&path, error.to_string()))?;
        for (lsn, payload) in frames {
            if lsn.0 != end.0 + 1 {
                return Err(corrupt(&path, format!("position {} follows {}", lsn.0, end.0)));
            }
            end = lsn;
            match payload.split_first() {
                Some((&RECORD, record)) => match postcard::from_bytes(record) {
                    Ok(record) => records.push((lsn, record)),
                    Err(error) => return Err(corrupt(&path, format!("record {}: {error}", lsn.0))),
                },
                Some((&SNAPSHOT_MARK, [])) if lsn <= newest => {}
                Some((&SNAPSHOT_MARK, [])) => {
                    return Err(corrupt(
                        &path,
                        format!("the snapshot of position {} is gone", lsn.0),
                    ));
                }
                _ => {
                    return Err(corrupt(
                        &path,
                        format!("position {} holds nothing that is known", lsn.0),
                    ));
                }
            }
        }
        if let End::Torn(offset) = how {
            torn_bytes = (bytes.len() - offset) as u64;
            let file = OpenOptions::new().write(true).open(&path).map_err(io(&path))?;
            file.set_len(offset as u64)
                .and_then(|()| file.sync_all())
                .map_err(io(&path))?;
        }
        index += 1;
    }
    if newest.0 > end.0 + 1 {
        let what = format!(
            "the log ends at position {}, before the snapshot of position {}",
            end.0, newest.0
        );
        return Err(corrupt(directory, what));
    }
    let unmarked = newest > end;
    let mut store = Store::create(directory, listing.segments, end).map_err(io(directory))?;
    if unmarked {
        store
            .mark_snapshot(newest)
            .and_then(|()| store.sync())
            .map_err(io(directory))?;
    }
    for &older in listing.snapshots.iter().filter(|lsn| **lsn < newest) {
        let path = snapshot_path(directory, older);
        fs::remove_file(&path).map_err(io(&path))?;
    }
    for path in listing.leftovers {
        fs::remove_file(&path).map_err(io(&path))?;
    }
    Ok(Opened {
        durable: Durable {
            snapshot,
            records,
            end: store.end,
        },
        store,
        torn_bytes,
        ended_at_damage,
    })
}

/// What a directory holds, in the order of positions.
#[derive(Default)]
pub(super) struct Listing {
    pub segments: Vec<Lsn>,
    pub snapshots: Vec<Lsn>,
    leftovers: Vec<PathBuf>,
}

impl Listing {
    pub fn read(directory: &Path) -> io::Result<Self> {
        let mut listing = Listing::default();
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                continue;
            };
            let position = |prefix: &str, suffix: &str| {
                name.strip_prefix(prefix)?
                    .strip_suffix(suffix)?
                    .parse()
                    .ok()
                    .map(Lsn)
            };
            if let Some(first) = position("wal-", ".log") {
                listing.segments.push(first);
            } else if let Some(lsn) = position("snapshot-", ".snap") {
                listing.snapshots.push(lsn);
            } else if name.ends_with(".tmp") {
                listing.leftovers.push(path);
            }
        }
        listing.segments.sort_unstable();
        listing.snapshots.sort_unstable();
        Ok(listing)
    }
}

impl Store {
    fn create(directory: &Path, mut firsts: Vec<Lsn>, end: Lsn) -> io::Result<Self> {
        let first = Lsn(end.0 + 1);
        // An incarnation begins its own segment, unless the one before wrote nothing into its last.
        if firsts.last() != Some(&first) {
            firsts.push(first);
        }
        let path = segment_path(directory, first);
        let segment = OpenOptions::new().create(true).append(true).open(path)?;
        sync_directory(directory)?;
        Ok(Store {
            directory: directory.to_owned(),
            segment,
            length: 0,
            firsts,
            end,
        })
    }

    /// The position of the last thing written.
    pub fn end(&self) -> Lsn {
        self.end
    }

    /// Writes frames, the last of which has position `last`.
    ///
    /// # Errors
    /// What the file system says; the node must stop.
    pub fn write(&mut self, frames: &[u8], last: Lsn) -> io::Result<()> {
        if self.length >= SEGMENT_BYTES {
            self.sync()?;
            self.firsts.push(Lsn(self.end.0 + 1));
            let path = segment_path(&self.directory, Lsn(self.end.0 + 1));
            self.segment = OpenOptions::new().create_new(true).append(true).open(path)?;
            sync_directory(&self.directory)?;
            self.length = 0;
        }
        self.segment.write_all(frames)?;
        self.length += frames.len() as u64;
        self.end = last;
        Ok(())
    }

    /// Makes everything written so far durable.
    ///
    /// # Errors
    /// What the file system says; what is on disk is then unknown, and the node must stop.
    pub fn sync(&mut self) -> io::Result<()> {
        self.segment.sync_data()
    }

    /// Writes a snapshot and makes it, and everything before it, durable.
    ///
    /// # Errors
    /// What the file system says, or a snapshot that is too long; the node must stop.
    pub fn snapshot(&mut self, lsn: Lsn, bytes: &[u8]) -> io::Result<()> {
        if bytes.len() > wal::MAX_PAYLOAD_BYTES {
            return Err(io::Error::other(format!(
                "a snapshot of {} bytes is too long",
                bytes.len()
            )));
        }
        self.sync()?;
        let path = snapshot_path(&self.directory, lsn);
        let temporary = path.with_extension("tmp");
        let mut frame = Vec::with_capacity(bytes.len() + wal::HEADER_BYTES);
        wal::encode(lsn, bytes, &mut frame);
        let mut file = File::create(&temporary)?;
        file.write_all(&frame)?;
        file.sync_all()?;
        fs::rename(&temporary, &path)?;
        sync_directory(&self.directory)?;
        self.mark_snapshot(lsn)?;
        self.sync()?;
        for older in Listing::read(&self.directory)?
            .snapshots
            .into_iter()
            .filter(|older| *older < lsn)
        {
            fs::remove_file(snapshot_path(&self.directory, older))?;
        }
        Ok(())
    }

    fn mark_snapshot(&mut self, lsn: Lsn) -> io::Result<()> {
        let mut mark = Vec::new();
        wal::encode(lsn, &[SNAPSHOT_MARK], &mut mark);
        self.write(&mark, lsn)
    }

    /// Deletes the segments that hold only positions below `before`.
    ///
    /// # Errors
    /// What the file system says.
    pub fn release(&mut self, before: Lsn) -> io::Result<()> {
        // A segment ends where the next begins; the last one is being written and stays.
        let gone = self
            .firsts
            .windows(2)
            .take_while(|pair| pair[1] <= before)
            .count();
        for first in self.firsts.drain(..gone) {
            fs::remove_file(segment_path(&self.directory, first))?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "storage_tests.rs"]
mod tests;
