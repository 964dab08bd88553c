//! The disk's thread: it writes and fsyncs what the protocol hands it, and says what is durable.
//!
//! What the protocol writes waits in the node's own memory until the thread is free, and then goes to disk with one
//! fsync, however many steps it came from. So a killed node really loses what it had not fsynced.

use std::io;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use perjury_systems::context::Written;
use perjury_systems::replica::{Lsn, Replica};
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use super::config::{Ailment, Report, Tail};
use super::crash;
use super::storage::{self, Store};

/// Something to carry out on disk, in order.
#[derive(Debug)]
pub(super) enum Piece {
    /// Frames of records.
    Frames {
        bytes: Vec<u8>,
        /// Where each frame begins.
        starts: Vec<usize>,
        /// The position of the last.
        last: Lsn,
    },
    /// A snapshot.
    Snapshot { lsn: Lsn, bytes: Vec<u8> },
    /// Positions below are no longer needed.
    Release(Lsn),
}

/// What the thread is told.
pub(super) enum Job {
    Write(Vec<Piece>),
    Ail(Ailment),
    Crash(Tail),
}

/// What the thread says.
pub(super) enum DiskEvent {
    Durable { lsn: Lsn, idle: bool },
    Failed(String),
}

/// The protocol's end.
pub(super) struct Disk {
    jobs: mpsc::Sender<Job>,
    pending: Vec<Piece>,
    busy: bool,
    crashing: bool,
    scratch: Vec<u8>,
}

impl Disk {
    /// Starts the thread; `tell` is called on it.
    pub fn start(
        store: Store,
        ailment: Ailment,
        rng: ChaCha8Rng,
        tell: impl Fn(DiskEvent) + Send + 'static,
    ) -> io::Result<Self> {
        let (jobs, inbox) = mpsc::channel();
        thread::Builder::new()
            .name("disk".into())
            .spawn(move || work(Ailing::new(store, ailment, rng), &inbox, &tell))?;
        Ok(Disk {
            jobs,
            pending: Vec::new(),
            busy: false,
            crashing: false,
            scratch: Vec::new(),
        })
    }

    /// Takes something to write.
    pub fn write<R: Replica>(&mut self, lsn: Lsn, what: Written<R>) {
        match what {
            Written::Record(record) => {
                if !matches!(self.pending.last(), Some(Piece::Frames { .. })) {
                    self.pending.push(Piece::Frames {
                        bytes: Vec::new(),
                        starts: Vec::new(),
                        last: lsn,
                    });
                }
                if let Some(Piece::Frames { bytes, starts, last }) = self.pending.last_mut() {
                    starts.push(bytes.len());
                    storage::encode_record(lsn, &record, &mut self.scratch, bytes);
                    *last = lsn;
                }
            }
            Written::Snapshot(bytes) => self.pending.push(Piece::Snapshot { lsn, bytes }),
        }
    }

    /// Takes leave of old records.
    pub fn release(&mut self, before: Lsn) {
        self.pending.push(Piece::Release(before));
    }

    /// Hands over what has gathered, if the thread is free.
    pub fn flush(&mut self) {
        if self.pending.is_empty() || (self.busy && !self.crashing) {
            return;
        }
        self.busy = true;
        // The thread ends only with the process.
        let _ = self.jobs.send(Job::Write(std::mem::take(&mut self.pending)));
    }

    /// The thread is free again.
    pub fn idle(&mut self) {
        self.busy = false;
    }

    /// This is wrong with the disk from now on.
    pub fn ail(&mut self, ailment: Ailment) {
        let _ = self.jobs.send(Job::Ail(ailment));
    }

    /// Writes nothing more, and dies in a moment.
    pub fn crash(&mut self, tail: Tail) {
        self.crashing = true;
        let _ = self.jobs.send(Job::Crash(tail));
        self.flush();
    }
}

fn work(mut disk: Ailing, inbox: &mpsc::Receiver<Job>, tell: &impl Fn(DiskEvent)) {
    while let Ok(job) = inbox.recv() {
        match job {
            Job::Write(pieces) => {
                if let Err(error) = disk.carry_out(pieces, tell) {
                    tell(DiskEvent::Failed(error.to_string()));
                    return;
                }
            }
            Job::Ail(ailment) => {
                disk.ailment = ailment;
                disk.slowed = false;
            }
            Job::Crash(tail) => crash::crash(&mut disk.store, tail, inbox, disk.rng),
        }
    }
}

/// What is written to, and what is wrong with it.
struct Ailing {
    store: Store,
    ailment: Ailment,
    /// Whether an fsync took longer since it is slow.
    slowed: bool,
    rng: ChaCha8Rng,
}

impl Ailing {
    fn new(store: Store, ailment: Ailment, rng: ChaCha8Rng) -> Self {
        Ailing {
            store,
            ailment,
            slowed: false,
            rng,
        }
    }

    fn carry_out(&mut self, pieces: Vec<Piece>, tell: &impl Fn(DiskEvent)) -> io::Result<()> {
        let count = pieces.len();
        for (index, piece) in pieces.into_iter().enumerate() {
            match piece {
                Piece::Frames { bytes, last, .. } => {
                    if self.ailment.full {
                        // What there is room for is written.
                        let room = self.rng.random_range(0..bytes.len());
                        self.store.write(&bytes[..room], last)?;
                        return Err(io::ErrorKind::StorageFull.into());
                    }
                    self.store.write(&bytes, last)?;
                    self.wait();
                    self.store.sync()?;
                }
                Piece::Snapshot { .. } if self.ailment.full => return Err(io::ErrorKind::StorageFull.into()),
                Piece::Snapshot { lsn, bytes } => {
                    self.wait();
                    self.store.snapshot(lsn, &bytes)?;
                }
                Piece::Release(before) => self.store.release(before)?,
            }
            tell(DiskEvent::Durable {
                lsn: self.store.end(),
                idle: index + 1 == count,
            });
        }
        Ok(())
    }

    /// An fsync takes so much longer.
    fn wait(&mut self) {
        let mean_ms = self.ailment.slow_ms;
        if mean_ms == 0 {
            return;
        }
        let drawn_ms = mean_ms / 2 + self.rng.random_range(0..mean_ms);
        thread::sleep(Duration::from_millis(drawn_ms));
        if !self.slowed {
            self.slowed = true;
            Report::Slowed.say();
        }
    }
}
