//! Making room: which runs go, and how.

use std::fs;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use crate::error::StoreError;
use crate::folder::{RunFolder, RunState};
use crate::run::RunLock;
use crate::store::Store;

/// Which runs go. A run that is going on never does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prune {
    /// Keep this many of the newest.
    pub keep: Option<usize>,
    /// Keep those younger than this.
    pub older_than: Option<Duration>,
    /// Keep every run that is not a clean pass.
    pub keep_failures: bool,
}

/// A run that goes, or went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pruned {
    /// Its folder.
    pub folder: RunFolder,
    /// The room that it takes, in bytes.
    pub bytes: u64,
}

impl Store {
    /// Which runs would go, newest first. Without `keep` and `older_than` none would.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn prunable(&self, prune: &Prune, now: Timestamp) -> Result<Vec<Pruned>, StoreError> {
        if prune.keep.is_none() && prune.older_than.is_none() {
            return Ok(Vec::new());
        }
        let mut doomed = Vec::new();
        for (position, listed) in self.list()?.into_iter().enumerate() {
            let newest = prune.keep.is_some_and(|keep| position < keep);
            // A run whose record is damaged has no age: only its position can keep it.
            let young = prune.older_than.is_some_and(|limit| {
                listed.test.as_ref().is_ok_and(|test| {
                    let age = now.duration_since(test.started_at);
                    Duration::try_from(age).is_ok_and(|age| age < limit) || age.is_negative()
                })
            });
            let failure =
                prune.keep_failures && listed.state.as_ref().map_or(true, |state| state.is_failure());
            let running = matches!(listed.state, Ok(RunState::Running)) || listed.folder.is_live()?;
            if !(newest || young || failure || running) {
                doomed.push(Pruned {
                    bytes: size(listed.folder.path())?,
                    folder: listed.folder,
                });
            }
        }
        Ok(doomed)
    }

    /// Removes the runs that [`Store::prunable`] names, and lets `latest` point to the newest that is left.
    /// Returns what was removed; a run that someone began to use meanwhile is left alone.
    ///
    /// # Errors
    /// If the store cannot be read, or a run cannot be removed.
    pub fn prune(&self, prune: &Prune, now: Timestamp) -> Result<Vec<Pruned>, StoreError> {
        let mut removed = Vec::new();
        for pruned in self.prunable(prune, now)? {
            let dir = pruned.folder.path();
            let Some(lock) = RunLock::try_take(dir)? else {
                continue;
            };
            fs::remove_dir_all(dir).map_err(StoreError::io(dir, "remove it"))?;
            drop(lock);
            if let Some(test) = dir.parent() {
                // Only an empty folder can be removed so; one with other runs stays.
                let _ = fs::remove_dir(test);
            }
            removed.push(pruned);
        }
        if !removed.is_empty() {
            let newest = self.folders()?.into_iter().next();
            let relative = newest
                .as_ref()
                .and_then(|folder| folder.path().strip_prefix(self.root()).ok());
            self.point_latest(relative)?;
        }
        Ok(removed)
    }
}

fn size(dir: &Path) -> Result<u64, StoreError> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir).map_err(StoreError::io(dir, "list it"))? {
        let entry = entry.map_err(StoreError::io(dir, "list it"))?;
        let path = entry.path();
        let metadata = entry.metadata().map_err(StoreError::io(&path, "look at it"))?;
        bytes += if metadata.is_dir() {
            size(&path)?
        } else {
            metadata.len()
        };
    }
    Ok(bytes)
}
