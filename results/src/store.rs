//! The store: a folder of runs, `<test name>/<UTC time>-<id>`, newest first.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::StoreError;
use crate::folder::{RunFolder, RunState, TEST};
use crate::record::TestRecord;
use crate::run::RunWriter;

/// The name that always means the newest run; no test may be called so.
pub const LATEST: &str = "latest";

/// A folder of runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    root: PathBuf,
}

/// A run as a list shows it.
#[derive(Debug)]
pub struct Listed {
    /// Its folder.
    pub folder: RunFolder,
    /// Its id, from the folder's name.
    pub id: String,
    /// What the test was; the error if its record cannot be read.
    pub test: Result<TestRecord, StoreError>,
    /// Where it stands; the error if that cannot be told.
    pub state: Result<RunState, StoreError>,
}

impl Store {
    /// The store at a folder, which is created with its first run.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Store { root: root.into() }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Makes the folder of a new run, takes its lock, writes `test.json`, and lets `latest` point to it.
    ///
    /// # Errors
    /// If the run's folder exists already, or something cannot be written.
    pub fn create(&self, test: &TestRecord) -> Result<RunWriter, StoreError> {
        let name = safe_name(&test.name);
        let time = test.started_at.strftime("%Y%m%dT%H%M%S.%3fZ");
        let relative = PathBuf::from(name).join(format!("{time}-{}", safe_name(&test.id)));
        let dir = self.root.join(&relative);
        if dir.join(TEST).exists() {
            return Err(StoreError::new(
                &dir,
                "a run of this time and id is already there",
                "start it again",
            ));
        }
        let run = RunWriter::create(dir, test)?;
        self.point_latest(Some(&relative))?;
        Ok(run)
    }

    /// All runs' folders, newest first. A store that does not exist has none.
    ///
    /// # Errors
    /// If a folder cannot be listed.
    pub fn folders(&self) -> Result<Vec<RunFolder>, StoreError> {
        let mut folders = Vec::new();
        for test in subfolders(&self.root)? {
            for dir in subfolders(&test)? {
                let folder = RunFolder::at(dir);
                if folder.time_and_id().is_some() && folder.path().join(TEST).exists() {
                    folders.push(folder);
                }
            }
        }
        folders.sort_by(|a, b| b.path().file_name().cmp(&a.path().file_name()));
        Ok(folders)
    }

    /// All runs, newest first; one whose record is damaged is listed as such.
    ///
    /// # Errors
    /// If a folder cannot be listed.
    pub fn list(&self) -> Result<Vec<Listed>, StoreError> {
        Ok(self
            .folders()?
            .into_iter()
            .map(|folder| Listed {
                id: folder
                    .time_and_id()
                    .map_or_else(String::new, |(_, id)| id.to_owned()),
                test: folder.test(),
                state: folder.state(),
                folder,
            })
            .collect())
    }

    /// Finds a run by `latest`, its id or the beginning of it, its folder's name, its test's name (the newest
    /// such run), or a path to its folder, a file in it, or its archive, which is unpacked beside itself.
    ///
    /// # Errors
    /// If there is none, or several begin so.
    pub fn find(&self, wanted: &str) -> Result<RunFolder, StoreError> {
        let folders = self.folders()?;
        if wanted == LATEST {
            return folders.into_iter().next().ok_or_else(|| {
                StoreError::new(
                    &self.root,
                    "there is no run here yet",
                    "`perjury test` makes one; --store names another folder",
                )
            });
        }
        if let Some(exact) = folders.iter().find(|folder| {
            folder.time_and_id().is_some_and(|(_, id)| id == wanted)
                || folder.path().file_name().is_some_and(|name| name == wanted)
        }) {
            return Ok(exact.clone());
        }
        let path = Path::new(wanted);
        if RunFolder::is_archive(path) {
            return RunFolder::from_archive(path);
        }
        for dir in [Some(path), path.parent()].into_iter().flatten() {
            if !dir.as_os_str().is_empty() && dir.join(TEST).is_file() {
                return Ok(RunFolder::at(dir));
            }
        }
        if let Some(newest) = folders.iter().find(|folder| {
            folder
                .path()
                .parent()
                .and_then(Path::file_name)
                .is_some_and(|name| name == wanted)
        }) {
            return Ok(newest.clone());
        }
        let begin_so: Vec<_> = folders
            .iter()
            .filter_map(|folder| Some((folder, folder.time_and_id()?.1)))
            .filter(|(_, id)| !wanted.is_empty() && id.starts_with(wanted))
            .collect();
        match begin_so.as_slice() {
            [(folder, _)] => Ok((*folder).clone()),
            [] => Err(StoreError::new(
                &self.root,
                format!("there is no run {wanted:?}"),
                "`perjury list runs` shows what there is; --store names another folder",
            )),
            several => {
                let ids: Vec<_> = several.iter().map(|(_, id)| *id).collect();
                Err(StoreError::new(
                    &self.root,
                    format!("{wanted:?} could be {}", ids.join(", ")),
                    "give more of the id",
                ))
            }
        }
    }

    /// Lets `latest` point to a run, or removes it. A convenience for people: nothing here reads it.
    pub(crate) fn point_latest(&self, relative: Option<&Path>) -> Result<(), StoreError> {
        let link = self.root.join(LATEST);
        let Some(relative) = relative else {
            return match fs::remove_file(&link).map_err(StoreError::io(&link, "remove it")) {
                Err(error) if !error.is_not_found() => Err(error),
                _ => Ok(()),
            };
        };
        let temporary = self.root.join(format!(".{LATEST}-{}", std::process::id()));
        // Left behind by a process of the same number that was killed right here.
        let _ = fs::remove_file(&temporary);
        symlink(relative, &temporary)
            .and_then(|()| fs::rename(&temporary, &link))
            .map_err(StoreError::io(&link, "let it point to the newest run"))
    }
}

#[cfg(unix)]
fn symlink(target: &Path, link: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

#[cfg(not(unix))]
fn symlink(target: &Path, link: &Path) -> std::io::Result<()> {
    fs::write(link, target.to_string_lossy().as_bytes())
}

/// A name that can be a folder anywhere: letters, digits, `.`, `_`, `-`; not hidden, not `latest`.
fn safe_name(name: &str) -> String {
    let mut safe: String = name
        .chars()
        .take(100)
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') {
                c
            } else {
                '-'
            }
        })
        .collect();
    if safe.is_empty() || safe.starts_with('.') || safe == LATEST {
        safe.insert_str(0, "test-");
    }
    safe
}

/// The folders in a folder, links not followed; none if it does not exist.
fn subfolders(dir: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let entries = match fs::read_dir(dir).map_err(StoreError::io(dir, "list it")) {
        Ok(entries) => entries,
        Err(error) if error.is_not_found() => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut folders = Vec::new();
    for entry in entries {
        let entry = entry.map_err(StoreError::io(dir, "list it"))?;
        if entry
            .file_type()
            .map_err(StoreError::io(dir, "list it"))?
            .is_dir()
        {
            folders.push(entry.path());
        }
    }
    Ok(folders)
}
