//! What can go wrong with a store: always the path, what was tried, and what would mend it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A store that could not do what was asked.
#[derive(Debug)]
pub struct StoreError {
    path: PathBuf,
    problem: String,
    mend: &'static str,
    source: Option<io::Error>,
}

impl StoreError {
    pub(crate) fn new(path: &Path, problem: impl Into<String>, mend: &'static str) -> Self {
        StoreError {
            path: path.to_path_buf(),
            problem: problem.into(),
            mend,
            source: None,
        }
    }

    /// For `map_err`: names the path and what was tried, and derives the mend from the kind of error.
    pub(crate) fn io(path: &Path, tried: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |error| {
            let mend = match error.kind() {
                io::ErrorKind::PermissionDenied => {
                    "give this user the right to, or name another folder with --store"
                }
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    "make room (`perjury prune` removes old runs), or name another folder with --store"
                }
                io::ErrorKind::NotFound => {
                    "`perjury list runs` shows what there is; --store names another folder"
                }
                io::ErrorKind::ReadOnlyFilesystem => "name a writable folder with --store",
                _ => "name another folder with --store, if this one cannot be mended",
            };
            StoreError {
                path,
                problem: format!("cannot {tried}: {error}"),
                mend,
                source: Some(error),
            }
        }
    }

    /// The file or folder in question.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file or folder does not exist.
    pub fn is_not_found(&self) -> bool {
        self.source
            .as_ref()
            .is_some_and(|error| error.kind() == io::ErrorKind::NotFound)
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.problem)?;
        if self.mend.is_empty() {
            Ok(())
        } else {
            write!(f, "; {}", self.mend)
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|error| error as _)
    }
}
