//! The recorder: events go out as they happen, and the history grows in memory.

use std::sync::Arc;

use perjury_checker::linearizability::Watch;
use perjury_checker::{
    Completion, Event, EventKind, Function, History, Moment, Operation, Outcome, Process, Quorum, Value,
};
use perjury_nemesis::Node;
use perjury_workloads::Call;

use crate::step::{Action, Notice};

/// How an operation ended, as it is to be recorded.
#[derive(Clone, Debug)]
pub(crate) struct End {
    pub(crate) outcome: Outcome,
    pub(crate) value: Value,
    pub(crate) error: Option<Arc<str>>,
    pub(crate) observed: Option<Value>,
    pub(crate) version: Option<u64>,
    pub(crate) quorum: Option<Arc<Quorum>>,
    pub(crate) node: Option<Node>,
}

/// Gives events their places and times.
#[derive(Debug)]
pub(crate) struct Recorder {
    history: History,
    next_index: u64,
    names: Vec<Arc<str>>,
    watch: Option<Box<dyn Watch>>,
    proven: bool,
}

impl Recorder {
    /// `watch` is shown every event of the clients.
    pub(crate) fn new(nodes: u16, watch: Option<Box<dyn Watch>>) -> Self {
        let names = (1..=nodes)
            .map(|number| Node(number).to_string().into())
            .collect();
        Recorder {
            history: History::default(),
            next_index: 0,
            names,
            watch,
            proven: false,
        }
    }

    /// Whether the history proves a violation by now, as far as anybody watches.
    pub(crate) fn proves_a_violation(&self) -> bool {
        self.proven
    }

    /// Hands out an event.
    fn tell(&mut self, event: Event, out: &mut Vec<Action>) {
        if let Some(watch) = &mut self.watch {
            self.proven |= watch.feed(&event).is_some();
        }
        out.push(Action::Notice(Notice::Event(event)));
    }

    fn name(&self, node: Node) -> Option<Arc<str>> {
        self.names.get(usize::from(node.0).checked_sub(1)?).cloned()
    }

    fn moment(&mut self, now_ns: u64) -> Moment {
        let moment = Moment {
            index: self.next_index,
            time: now_ns,
        };
        self.next_index += 1;
        moment
    }

    /// The position of the next event.
    pub(crate) fn next_index(&self) -> u64 {
        self.next_index
    }

    /// Records an invocation; gives the operation's place in the history.
    pub(crate) fn invoke(
        &mut self,
        now_ns: u64,
        process: u64,
        node: Node,
        call: &Call,
        out: &mut Vec<Action>,
    ) -> usize {
        let invoked = self.moment(now_ns);
        let node = self.name(node);
        let id = self.history.operations.len();
        self.history.operations.push(Operation {
            id,
            process,
            f: call.f.clone(),
            key: Some(call.key.clone()),
            argument: call.value.clone(),
            node: node.clone(),
            invoked,
            completion: Completion::pending(),
        });
        let event = Event {
            index: invoked.index,
            time: now_ns,
            process: Process::Client(process),
            node,
            kind: EventKind::Invoke,
            f: call.f.clone(),
            key: Some(call.key.clone()),
            value: call.value.clone(),
            error: None,
            observed: None,
            version: None,
            quorum: None,
        };
        self.tell(event, out);
        id
    }

    /// Records a completion.
    pub(crate) fn complete(&mut self, now_ns: u64, id: usize, end: End, out: &mut Vec<Action>) -> &Operation {
        let at = self.moment(now_ns);
        let node = end.node.and_then(|node| self.name(node));
        let operation = &mut self.history.operations[id];
        let event = Event {
            index: at.index,
            time: now_ns,
            process: Process::Client(operation.process),
            node: node.clone(),
            kind: match end.outcome {
                Outcome::Ok => EventKind::Ok,
                Outcome::Fail => EventKind::Fail,
                Outcome::Info => EventKind::Info,
            },
            f: operation.f.clone(),
            key: operation.key.clone(),
            value: end.value.clone(),
            error: end.error.clone(),
            observed: end.observed.clone(),
            version: end.version,
            quorum: end.quorum.clone(),
        };
        operation.completion = Completion {
            outcome: end.outcome,
            at: Some(at),
            value: end.value,
            error: end.error,
            observed: end.observed,
            version: end.version,
            quorum: end.quorum,
            node,
        };
        self.tell(event, out);
        &self.history.operations[id]
    }

    /// Records an event of the nemesis: `f` is the kind of a fault or `heal`, the value says what it does.
    pub(crate) fn nemesis(
        &mut self,
        now_ns: u64,
        kind: EventKind,
        f: &str,
        description: &str,
        error: Option<&str>,
        out: &mut Vec<Action>,
    ) {
        let at = self.moment(now_ns);
        let event = Event {
            index: at.index,
            time: now_ns,
            process: Process::Nemesis,
            node: None,
            kind,
            f: Function::from(Arc::<str>::from(f)),
            key: None,
            value: Value::from(description),
            error: error.map(Arc::from),
            observed: None,
            version: None,
            quorum: None,
        };
        self.history.faults.push(event.clone());
        out.push(Action::Notice(Notice::Event(event)));
    }

    /// How many operations were invoked.
    pub(crate) fn operations(&self) -> usize {
        self.history.operations.len()
    }

    pub(crate) fn into_history(self) -> History {
        self.history
    }
}
