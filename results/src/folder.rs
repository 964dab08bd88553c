//! A run's folder, read.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use perjury_nemesis::Node;
use perjury_runner::{FaultRecord, Notice};

use crate::error::StoreError;
use crate::evidence::{Evidence, NodeLog};
use crate::files::{read_json, read_versioned, write_atomically};
use crate::history::read_history;
use crate::record::{RunOutcome, SCHEMA, TestRecord, VerdictRecord};
use crate::run::RunLock;

pub(crate) const TEST: &str = "test.json";
pub(crate) const HISTORY: &str = "history.jsonl";
pub(crate) const CLUSTER: &str = "cluster.jsonl";
pub(crate) const FAULTS: &str = "faults.json";
pub(crate) const MESSAGES: &str = "messages.jsonl";
pub(crate) const VERDICT: &str = "verdict.json";
pub(crate) const REPORT: &str = "report.html";
pub(crate) const JUNIT: &str = "junit.xml";
pub(crate) const NODES: &str = "nodes";
pub(crate) const LOCK: &str = ".lock";

/// Bytes of each node's log that a report looks at, from its end.
const LOG_TAIL_BYTES: u64 = 256 * 1024;

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// It ended and has its verdict.
    Finished(RunOutcome),
    /// It is going on.
    Running,
    /// Its control node died before it came to a verdict. The history is there and can be checked.
    Killed,
}

impl RunState {
    /// One word for a table.
    pub fn word(self) -> &'static str {
        match self {
            RunState::Finished(outcome) => outcome.word(),
            RunState::Running => "running",
            RunState::Killed => "killed",
        }
    }

    /// Whether it is worth keeping when room is made: everything but a clean pass.
    pub fn is_failure(self) -> bool {
        self != RunState::Finished(RunOutcome::Valid)
    }
}

/// A run's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// The folder at a path; whether it holds a run shows when it is read.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        RunFolder { path: path.into() }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The report, if it was written.
    pub fn report(&self) -> PathBuf {
        self.path.join(REPORT)
    }

    /// The JUnit file, if it was written.
    pub fn junit(&self) -> PathBuf {
        self.path.join(JUNIT)
    }

    /// The history.
    pub fn history(&self) -> PathBuf {
        self.path.join(HISTORY)
    }

    /// A node's log.
    pub fn node_log(&self, node: Node) -> PathBuf {
        self.path.join(NODES).join(format!("{node}.log"))
    }

    /// The folder's name, `20261121T070153.123Z-k3f9qa`, cut into time and id.
    pub fn time_and_id(&self) -> Option<(&str, &str)> {
        self.path.file_name()?.to_str()?.rsplit_once('-')
    }

    /// What the test was.
    ///
    /// # Errors
    /// If it is not there, damaged, or of a newer schema.
    pub fn test(&self) -> Result<TestRecord, StoreError> {
        read_versioned(&self.path.join(TEST), SCHEMA)
    }

    /// What it came to; none while it goes on, or if its control node was killed.
    ///
    /// # Errors
    /// If it is there, but damaged or of a newer schema.
    pub fn verdict(&self) -> Result<Option<VerdictRecord>, StoreError> {
        match read_versioned(&self.path.join(VERDICT), SCHEMA) {
            Ok(verdict) => Ok(Some(verdict)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Where it stands.
    ///
    /// # Errors
    /// If its verdict is there but cannot be read, or its lock cannot be looked at.
    pub fn state(&self) -> Result<RunState, StoreError> {
        if let Some(verdict) = self.verdict()? {
            return Ok(RunState::Finished(verdict.outcome));
        }
        Ok(if self.is_live()? {
            RunState::Running
        } else {
            RunState::Killed
        })
    }

    /// Whether a control node is writing to it right now.
    pub(crate) fn is_live(&self) -> Result<bool, StoreError> {
        RunLock::is_held(&self.path)
    }

    /// Everything that is left of the run, for a report. Also of a run that was killed.
    ///
    /// # Errors
    /// If the test's record or the history cannot be read at all.
    pub fn evidence(&self) -> Result<Evidence, StoreError> {
        let test = self.test()?;
        let verdict = self.verdict()?;
        let read = read_history(&self.history())?;
        let (notices, told) = self.notices()?;
        let faults = match read_json(&self.path.join(FAULTS)) {
            Ok(faults) => faults,
            Err(error) if error.is_not_found() => told,
            Err(error) => return Err(error),
        };
        Ok(Evidence {
            test,
            verdict,
            history: read.history,
            history_problem: read.problem,
            faults,
            notices,
            logs: self.logs()?,
            messages: crate::messages::read(&self.path.join(MESSAGES))?,
            likelihood: self.likelihood()?,
        })
    }

    /// Writes `report.html` and `junit.xml` from what is left of the run, anew if they are there.
    ///
    /// # Errors
    /// If one of them cannot be written.
    pub fn write_reports(&self, evidence: &Evidence) -> Result<(), StoreError> {
        let path = self.report();
        let page = crate::report::render(evidence).map_err(|error| {
            StoreError::new(&path, format!("cannot be made: {error}"), "please report this")
        })?;
        write_atomically(&path, page.as_bytes())?;
        write_atomically(&self.junit(), crate::junit::render(evidence).as_bytes())
    }

    /// The notices of `cluster.jsonl`, and the faults that they tell of. A torn or unreadable line ends them.
    fn notices(&self) -> Result<(Vec<Notice>, Vec<FaultRecord>), StoreError> {
        let path = self.path.join(CLUSTER);
        let mut notices = Vec::new();
        let mut faults: Vec<FaultRecord> = Vec::new();
        let file = match File::open(&path).map_err(StoreError::io(&path, "read it")) {
            Ok(file) => file,
            Err(error) if error.is_not_found() => return Ok((notices, faults)),
            Err(error) => return Err(error),
        };
        for line in BufReader::new(file).split(b'\n') {
            let line = line.map_err(StoreError::io(&path, "read it"))?;
            match serde_json::from_slice::<Notice>(&line) {
                Ok(Notice::Fault(record)) => match faults.iter_mut().find(|known| known.id == record.id) {
                    Some(known) => *known = record,
                    None => faults.push(record),
                },
                Ok(notice) => notices.push(notice),
                Err(_) => break,
            }
        }
        Ok((notices, faults))
    }

    /// The ends of the nodes' logs, in the order of their names. What is not UTF-8 is shown as U+FFFD.
    fn logs(&self) -> Result<Vec<NodeLog>, StoreError> {
        let dir = self.path.join(NODES);
        let mut paths = match fs::read_dir(&dir).map_err(StoreError::io(&dir, "list it")) {
            Ok(entries) => entries
                .filter_map(|entry| Some(entry.ok()?.path()))
                .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
                .collect::<Vec<_>>(),
            Err(error) if error.is_not_found() => Vec::new(),
            Err(error) => return Err(error),
        };
        // n2 before n10.
        paths.sort_by_key(|path| (path.as_os_str().len(), path.clone()));
        paths.iter().map(|path| tail(path)).collect()
    }
}

fn tail(path: &Path) -> Result<NodeLog, StoreError> {
    let read = || {
        let mut file = File::open(path)?;
        let bytes = file.metadata()?.len();
        let skipped = bytes.saturating_sub(LOG_TAIL_BYTES);
        file.seek(SeekFrom::Start(skipped))?;
        let mut tail = Vec::new();
        file.take(LOG_TAIL_BYTES).read_to_end(&mut tail)?;
        Ok((tail, skipped))
    };
    let (mut tail, skipped) = read().map_err(StoreError::io(path, "read it"))?;
    if skipped > 0
        && let Some(end) = tail.iter().position(|&byte| byte == b'\n')
    {
        tail.drain(..=end);
    }
    Ok(NodeLog {
        node: path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
        lines: String::from_utf8_lossy(&tail)
            .lines()
            .map(str::to_owned)
            .collect(),
        bytes_before: skipped,
    })
}
