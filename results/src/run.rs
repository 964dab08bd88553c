//! A run while it happens: its folder, its lock, and the files that grow with it.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use fs4::FileExt;
use perjury_checker::Event;
use perjury_checker::formats::write_event;
use perjury_nemesis::Node;
use perjury_runner::{FaultRecord, Messages, Notice};

use crate::error::StoreError;
use crate::files::{LineWriter, write_json};
use crate::folder::{CLUSTER, FAULTS, HISTORY, LOCK, MESSAGES, NODES, RunFolder, TEST, VERDICT};
use crate::record::{TestRecord, VerdictRecord};

/// Holds a run's lock as long as it lives: the system lets go of it when the process dies, however it dies.
#[derive(Debug)]
pub(crate) struct RunLock {
    _file: File,
}

impl RunLock {
    /// Takes the lock, or says that someone else holds it.
    pub(crate) fn try_take(dir: &Path) -> Result<Option<Self>, StoreError> {
        let path = dir.join(LOCK);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(StoreError::io(&path, "open it"))?;
        match FileExt::try_lock(&file) {
            Ok(()) => Ok(Some(RunLock { _file: file })),
            Err(fs4::TryLockError::WouldBlock) => Ok(None),
            Err(fs4::TryLockError::Error(error)) => Err(StoreError::io(&path, "lock it")(error)),
        }
    }

    /// Whether someone holds the lock. Whoever only asks takes it shared, so that two who ask do not take each
    /// other for a run that is going on.
    pub(crate) fn is_held(dir: &Path) -> Result<bool, StoreError> {
        let path = dir.join(LOCK);
        let file = match File::open(&path).map_err(StoreError::io(&path, "open it")) {
            Ok(file) => file,
            Err(error) if error.is_not_found() => return Ok(false),
            Err(error) => return Err(error),
        };
        match FileExt::try_lock_shared(&file) {
            Ok(()) => Ok(false),
            Err(fs4::TryLockError::WouldBlock) => Ok(true),
            Err(fs4::TryLockError::Error(error)) => Err(StoreError::io(&path, "look at its lock")(error)),
        }
    }
}

/// A run while it happens. It listens to the runner's notices and writes them down as they come, so that what
/// a killed control node leaves behind can still be checked.
#[derive(Debug)]
pub struct RunWriter {
    folder: RunFolder,
    history: LineWriter,
    cluster: LineWriter,
    faults: Vec<FaultRecord>,
    _lock: RunLock,
}

impl RunWriter {
    pub(crate) fn create(dir: PathBuf, test: &TestRecord) -> Result<Self, StoreError> {
        fs::create_dir_all(&dir).map_err(StoreError::io(&dir, "create it"))?;
        let Some(lock) = RunLock::try_take(&dir)? else {
            return Err(StoreError::new(
                &dir,
                "is in use by a run that is still going on",
                "wait for it to end",
            ));
        };
        let nodes = dir.join(NODES);
        fs::create_dir_all(&nodes).map_err(StoreError::io(&nodes, "create it"))?;
        write_json(&dir.join(TEST), test)?;
        Ok(RunWriter {
            history: LineWriter::create(&dir.join(HISTORY))?,
            cluster: LineWriter::create(&dir.join(CLUSTER))?,
            folder: RunFolder::at(dir),
            faults: Vec::new(),
            _lock: lock,
        })
    }

    /// The run's folder.
    pub fn folder(&self) -> &RunFolder {
        &self.folder
    }

    /// Where a node's standard error and log go: `nodes/n1.log`. The folder exists.
    pub fn node_log(&self, node: Node) -> PathBuf {
        self.folder.node_log(node)
    }

    /// Writes `test.json` anew, for what is known only after the run has begun.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_test(&self, test: &TestRecord) -> Result<(), StoreError> {
        write_json(&self.folder.path().join(TEST), test)
    }

    /// Writes the next event of the history. It reaches the file with the next [`RunWriter::flush`].
    ///
    /// # Errors
    /// If it cannot be written: the run cannot go on, since its evidence would be lost.
    pub fn event(&mut self, event: &Event) -> Result<(), StoreError> {
        self.history.push(|line| write_event(event, line))
    }

    /// Writes down a notice: events to the history, everything else to `cluster.jsonl`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn notice(&mut self, notice: &Notice) -> Result<(), StoreError> {
        match notice {
            Notice::Event(event) => return self.event(event),
            Notice::Fault(record) => match self.faults.iter_mut().find(|known| known.id == record.id) {
                Some(known) => known.clone_from(record),
                None => self.faults.push(record.clone()),
            },
            _ => {}
        }
        self.cluster.push_json(notice)
    }

    /// Hands what waits in memory to the system. Call it at least every 100 ms: what is lost when the control
    /// node is killed is what came since.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn flush(&mut self) -> Result<(), StoreError> {
        self.history.flush()?;
        self.cluster.flush()
    }

    /// The faults as last told.
    pub fn faults(&self) -> &[FaultRecord] {
        &self.faults
    }

    /// Writes the messages between nodes: all of them counted, and one by one those around what the verdict rests on.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn messages(&self, messages: &Messages, verdict: &VerdictRecord) -> Result<(), StoreError> {
        crate::messages::write(&self.folder.path().join(MESSAGES), messages, verdict)
    }

    /// Ends the run: writes `faults.json` and `verdict.json`, and lets go of the lock. The reports are written
    /// from the folder afterwards (or at any later time).
    ///
    /// # Errors
    /// If one of them cannot be written.
    pub fn finish(mut self, verdict: &VerdictRecord) -> Result<RunFolder, StoreError> {
        self.flush()?;
        write_json(&self.folder.path().join(FAULTS), &self.faults)?;
        write_json(&self.folder.path().join(VERDICT), verdict)?;
        Ok(self.folder.clone())
    }
}
