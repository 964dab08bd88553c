//! A node that is led through a run: it does one thing at a time, when the control node says so and with the clocks
//! that it says. Its messages, its answers and its disk are real; only when anything happens is not its own affair.

use std::collections::{BTreeMap, VecDeque};

use perjury_simulator::score::effect;
use perjury_systems::api::{Request, Response};
use perjury_systems::context::Output;
use perjury_systems::driver::{self, Driver};
use perjury_systems::replica::{Event, Lsn, NodeId, Replica, RequestId};
use rustc_hash::FxHashMap;
use tokio::sync::{mpsc, oneshot};

use super::config::{Clocks, Command, Do, Report, Turn};
use super::disk::{Disk, DiskEvent};
use super::peers::Peers;
use super::protocol::{Mail, status_page};
use super::trace::TraceFile;
use super::{EXIT_DISK, log};
use crate::http::server::Ask;

/// Why a node ends: its exit code and the reason.
type Ends = (u8, String);

/// What a node is made of, and what came for it or from it and waits for its turn.
pub(super) struct InStep<R: Replica> {
    pub driver: Driver<R>,
    /// What it wants done.
    pub out: Vec<Output<R>>,
    pub peers: Peers,
    pub disk: Disk,
    pub trace: Option<TraceFile>,
    pub incarnation: u64,
    messages: BTreeMap<NodeId, VecDeque<R::Message>>,
    requests: VecDeque<(Request, oneshot::Sender<Response>)>,
    waiting: FxHashMap<u64, oneshot::Sender<Response>>,
    next_request: u64,
    /// What is written to its own memory, and what of its log it does not need any more, in order.
    unsynced: VecDeque<Output<R>>,
    /// Messages that left and requests that were answered since it started.
    sent: u64,
    answered: u64,
}

impl<R: Replica> InStep<R> {
    /// A node that has started: `out` is what it wants done then.
    pub fn new(
        driver: Driver<R>,
        out: Vec<Output<R>>,
        (peers, disk, trace): (Peers, Disk, Option<TraceFile>),
        incarnation: u64,
    ) -> Self {
        InStep {
            driver,
            out,
            peers,
            disk,
            trace,
            incarnation,
            messages: BTreeMap::new(),
            requests: VecDeque::new(),
            waiting: FxHashMap::default(),
            next_request: 0,
            unsynced: VecDeque::new(),
            sent: 0,
            answered: 0,
        }
    }

    /// Takes its turns until it is told to stop, the first one being the one in which it `starts`.
    pub async fn run(
        &mut self,
        starts: Turn,
        mut inbox: mpsc::UnboundedReceiver<Mail<R>>,
    ) -> Result<(), Ends> {
        self.end_turn(starts)?;
        let mut next = None;
        while let Some(mail) = inbox.recv().await {
            match mail {
                Mail::Command(Command::Turn(turn)) => next = Some(turn),
                Mail::Command(Command::Stop) => break,
                Mail::Command(_) => log("a node that is led in step only takes turns"),
                other => {
                    self.take_in(other)?;
                }
            }
            if let Some(turn) = next.take_if(|turn| self.can_take(turn.what)) {
                self.take(turn, &mut inbox).await?;
            }
        }
        Ok(())
    }

    /// Lets what comes wait for its turn. Says up to where the log is durable, if that is news.
    fn take_in(&mut self, mail: Mail<R>) -> Result<Option<Lsn>, Ends> {
        match mail {
            Mail::Frame(frame) => {
                let from = self.messages.entry(frame.from).or_default();
                from.extend(frame.message);
            }
            Mail::Ask(Ask::Request { request, answer }) => self.requests.push_back((request, answer)),
            Mail::Ask(Ask::Status { answer }) => {
                drop(answer.send(status_page(&self.driver, self.incarnation, 0)));
            }
            Mail::Disk(DiskEvent::Failed(error)) => {
                return Err((EXIT_DISK, format!("the disk failed, so this node stops: {error}")));
            }
            Mail::Disk(DiskEvent::Durable { lsn, idle }) => {
                if idle {
                    self.disk.idle();
                }
                return Ok(idle.then_some(lsn));
            }
            Mail::Command(_) => {}
        }
        Ok(None)
    }

    fn can_take(&self, what: Do) -> bool {
        match what {
            Do::Message { from } => self
                .messages
                .get(&from)
                .is_some_and(|waiting| !waiting.is_empty()),
            Do::Request => !self.requests.is_empty(),
            _ => true,
        }
    }

    async fn take(&mut self, turn: Turn, inbox: &mut mpsc::UnboundedReceiver<Mail<R>>) -> Result<(), Ends> {
        let Clocks { monotonic, wall } = turn.clocks;
        let clocks = (monotonic, wall);
        match turn.what {
            Do::Start => {}
            Do::Message { from } => {
                if let Some(message) = self.messages.get_mut(&from).and_then(VecDeque::pop_front) {
                    self.step(Event::Message { from, message }, clocks);
                }
            }
            Do::Request => {
                if let Some((request, answer)) = self.requests.pop_front() {
                    let id = RequestId(self.next_request);
                    self.next_request += 1;
                    self.waiting.insert(id.0, answer);
                    self.step(Event::Request { id, request }, clocks);
                }
            }
            Do::Timers => self.driver.fire(clocks, &mut self.out),
            Do::Disconnected { peer } => self.driver.disconnected(peer, clocks, &mut self.out),
            Do::Durable { lsn } => {
                self.sync(lsn, inbox).await?;
                self.driver.durable(lsn, clocks, &mut self.out);
            }
            Do::Keep { writes } => {
                let written = self.unsynced.iter().filter_map(|output| match output {
                    Output::Write { lsn, .. } => Some(*lsn),
                    _ => None,
                });
                if let Some(lsn) = written.take(writes as usize).last() {
                    self.sync(lsn, inbox).await?;
                }
            }
        }
        self.end_turn(turn)
    }

    fn step(&mut self, event: Event<R>, clocks: driver::Clocks) {
        self.driver.step(event, clocks, &mut self.out);
    }

    /// Makes what was written durable, up to `until`.
    async fn sync(&mut self, until: Lsn, inbox: &mut mpsc::UnboundedReceiver<Mail<R>>) -> Result<(), Ends> {
        let mut any = false;
        let later = |output: &Output<R>| matches!(output, Output::Write { lsn, .. } if *lsn > until);
        while let Some(output) = self.unsynced.front()
            && !later(output)
            && let Some(output) = self.unsynced.pop_front()
        {
            any = true;
            match output {
                Output::Write { lsn, what } => self.disk.write::<R>(lsn, what),
                Output::Release(before) => self.disk.release(before),
                Output::Send { .. } | Output::Reply { .. } | Output::Trace(_) => {}
            }
        }
        self.disk.flush();
        while any && let Some(mail) = inbox.recv().await {
            if self.take_in(mail)?.is_some() {
                break;
            }
        }
        Ok(())
    }

    /// Does what it wants done, as far as it gets, and says that it did.
    fn end_turn(&mut self, turn: Turn) -> Result<(), Ends> {
        let effect = effect(&self.out, self.driver.replica());
        if let Some(trace) = &mut self.trace {
            for output in &self.out {
                if let Output::Trace(what) = output {
                    trace.record(turn.at, what);
                }
            }
            trace
                .flush()
                .map_err(|error| (EXIT_DISK, format!("cannot write the trace: {error}")))?;
        }
        let done = turn.done.map_or(usize::MAX, |done| done as usize);
        for output in self.out.drain(..).take(done) {
            match output {
                Output::Write { .. } | Output::Release(_) => self.unsynced.push_back(output),
                Output::Send { to, message } => {
                    self.sent += u64::from(self.peers.knows(to));
                    self.peers.send(to, &message, None);
                }
                Output::Reply { id, response } => {
                    if let Some(answer) = self.waiting.remove(&id.0) {
                        // The control node waits for every answer, however long it takes.
                        self.answered += u64::from(answer.send(response).is_ok());
                    }
                }
                Output::Trace(_) => {}
            }
        }
        self.peers.flush();
        Report::Turned {
            effect,
            sent: self.sent,
            answered: self.answered,
        }
        .say();
        Ok(())
    }
}
