//! How events pair up to operations, one at a time.

use std::collections::BTreeMap;
use std::fmt;

use super::{Completion, Event, EventKind, Function, History, Moment, Operation, Outcome, Process, Value};

/// Builds a history event by event, as a recorder or a reader of files does.
#[derive(Clone, Debug, Default)]
pub struct HistoryBuilder {
    history: History,
    open: BTreeMap<u64, usize>,
    last_index: Option<u64>,
}

impl HistoryBuilder {
    /// Takes the next event.
    ///
    /// # Errors
    /// If indexes do not rise, a process invokes while its operation is open, completes what it did not
    /// invoke, completes another function or key than it invoked, or completes at the greatest index that there is.
    pub fn push(&mut self, event: Event) -> Result<(), HistoryError> {
        let fault = |problem| HistoryError {
            index: event.index,
            process: event.process,
            problem,
        };
        if self.last_index.is_some_and(|last| event.index <= last) {
            return Err(fault(Problem::IndexDoesNotRise));
        }
        let moment = Moment {
            index: event.index,
            time: event.time,
        };
        let outcome = match event.kind {
            EventKind::Invoke => None,
            EventKind::Ok => Some(Outcome::Ok),
            EventKind::Fail => Some(Outcome::Fail),
            EventKind::Info => Some(Outcome::Info),
        };
        match (event.process, outcome) {
            (Process::Nemesis, _) => {
                self.last_index = Some(event.index);
                self.history.faults.push(event);
                return Ok(());
            }
            (Process::Client(process), None) => {
                let id = self.history.operations.len();
                if self.open.contains_key(&process) {
                    return Err(fault(Problem::AlreadyOpen));
                }
                self.open.insert(process, id);
                self.history.operations.push(Operation {
                    id,
                    process,
                    f: event.f,
                    key: event.key,
                    argument: event.value,
                    node: event.node,
                    invoked: moment,
                    completion: Completion::pending(),
                });
            }
            (Process::Client(process), Some(outcome)) => {
                let Some(&id) = self.open.get(&process) else {
                    return Err(fault(Problem::NothingOpen));
                };
                let operation = &mut self.history.operations[id];
                if operation.f != event.f {
                    return Err(fault(Problem::OtherFunction));
                }
                if event.key.is_some() && operation.key != event.key {
                    return Err(fault(Problem::OtherKey));
                }
                if event.index == u64::MAX {
                    return Err(fault(Problem::IndexTooGreat));
                }
                self.open.remove(&process);
                operation.completion = Completion {
                    outcome,
                    at: Some(moment),
                    value: event.value,
                    error: event.error,
                    observed: event.observed,
                    version: event.version,
                    quorum: event.quorum,
                    node: event.node,
                };
            }
        }
        self.last_index = Some(event.index);
        Ok(())
    }

    /// Records an invocation as the next event, for programs that keep no events of their own. `time` is in
    /// nanoseconds since the start.
    ///
    /// # Errors
    /// If the process has not completed what it invoked before.
    pub fn invoke(
        &mut self,
        process: u64,
        time: u64,
        f: &str,
        key: &str,
        argument: impl Into<Value>,
    ) -> Result<(), HistoryError> {
        let event = Event {
            index: self.next_index(),
            time,
            process: Process::Client(process),
            node: None,
            kind: EventKind::Invoke,
            f: Function::from(f),
            key: Some(key.into()),
            value: argument.into(),
            error: None,
            observed: None,
            version: None,
            quorum: None,
        };
        self.push(event)
    }

    /// Records as the next event how the process's operation ended, and with which result.
    ///
    /// # Errors
    /// If the process has nothing open.
    pub fn complete(
        &mut self,
        process: u64,
        time: u64,
        outcome: Outcome,
        result: impl Into<Value>,
    ) -> Result<(), HistoryError> {
        let open = self
            .open
            .get(&process)
            .map(|&id| self.history.operations[id].f.clone());
        let event = Event {
            index: self.next_index(),
            time,
            process: Process::Client(process),
            node: None,
            kind: match outcome {
                Outcome::Ok => EventKind::Ok,
                Outcome::Fail => EventKind::Fail,
                Outcome::Info => EventKind::Info,
            },
            // Without an open operation it is refused whatever it is.
            f: open.unwrap_or(Function::Read),
            key: None,
            value: result.into(),
            error: None,
            observed: None,
            version: None,
            quorum: None,
        };
        self.push(event)
    }

    fn next_index(&self) -> u64 {
        self.last_index.map_or(0, |last| last.saturating_add(1))
    }

    /// The history; an operation without a completion stays `info`.
    pub fn finish(self) -> History {
        self.history
    }
}

/// An event that cannot follow those before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryError {
    /// The event's index.
    pub index: u64,
    /// Its process.
    pub process: Process,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Its index is not above the one before.
    IndexDoesNotRise,
    /// It completes at the index that stands for never.
    IndexTooGreat,
    /// The process invoked while its previous operation had not completed.
    AlreadyOpen,
    /// The process completed an operation that it had not invoked.
    NothingOpen,
    /// The completion names another function than the invocation.
    OtherFunction,
    /// The completion names another key than the invocation.
    OtherKey,
}

impl fmt::Display for HistoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.problem {
            Problem::IndexDoesNotRise => "its index is not above the index of the event before it",
            Problem::IndexTooGreat => "it completes at the greatest index, which stands for never",
            Problem::AlreadyOpen => "it invokes while its previous operation is still open",
            Problem::NothingOpen => "it completes an operation that it never invoked",
            Problem::OtherFunction => "it completes another function than it invoked",
            Problem::OtherKey => "it completes an operation on another key than it invoked",
        };
        write!(f, "event {} of process {}: {what}", self.index, self.process)
    }
}

impl std::error::Error for HistoryError {}
