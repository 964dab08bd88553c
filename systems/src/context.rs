//! What a step may use, and where what it wants done is collected: gating on durability, and timers.
//!
//! Every environment drives replicas through this one type, so that the rule *transmit when durable ≥ after* is
//! written once.

use std::collections::VecDeque;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;

use crate::api::Response;
use crate::replica::{Lsn, NodeId, Replica, RequestId};

/// Something to carry out, in order.
#[derive(Clone, Debug)]
pub enum Output<R: Replica> {
    /// Write this at the end of the log; report it by [`crate::driver::Driver::durable`] once it is fsynced.
    Write {
        /// Its position.
        lsn: Lsn,
        /// A record or a snapshot.
        what: Written<R>,
    },
    /// Records below this position may be deleted.
    Release(Lsn),
    /// Send this now.
    Send {
        /// To whom.
        to: NodeId,
        /// What.
        message: R::Message,
    },
    /// Answer this now.
    Reply {
        /// The request.
        id: RequestId,
        /// The answer.
        response: Response,
    },
    /// Record this.
    Trace(R::Trace),
}

/// What a log holds.
#[derive(Clone, Debug)]
pub enum Written<R: Replica> {
    /// A record.
    Record(R::Record),
    /// A snapshot in the replica's encoding.
    Snapshot(Vec<u8>),
}

/// What a step may use, and where what it wants done is collected. One concrete type in every environment.
#[derive(Debug)]
pub struct Context<R: Replica> {
    /// This node's own monotonic clock, read once a step. Its zero is arbitrary and differs after a restart.
    pub now: Duration,
    /// This node's own wall clock since the Unix epoch, read once a step. It can jump, also backwards.
    pub wall: Duration,
    /// This node's own random stream.
    pub rng: ChaCha8Rng,
    /// What the step wants done and may be, in order; the driver takes it after every step.
    pub(crate) out: Vec<Output<R>>,
    written: Lsn,
    durable: Lsn,
    /// What waits for the disk, each with the position that it waits for: in the order of that, then of the step.
    gated: VecDeque<(Lsn, Output<R>)>,
    /// The timers that run, and when they run out: few, in no order.
    timers: Vec<(R::Timer, Duration)>,
    /// When the first one runs out of those that were armed since somebody last asked.
    newly_armed: Option<Duration>,
}

impl<R: Replica> Clone for Context<R> {
    fn clone(&self) -> Self {
        Context {
            now: self.now,
            wall: self.wall,
            rng: self.rng.clone(),
            out: self.out.clone(),
            written: self.written,
            durable: self.durable,
            gated: self.gated.clone(),
            timers: self.timers.clone(),
            newly_armed: self.newly_armed,
        }
    }
}

impl<R: Replica> Context<R> {
    /// A context whose log ends at `end`, all of it durable.
    pub(crate) fn new(rng: ChaCha8Rng, end: Lsn) -> Self {
        Context {
            now: Duration::ZERO,
            wall: Duration::ZERO,
            rng,
            out: Vec::new(),
            written: end,
            durable: end,
            gated: VecDeque::new(),
            timers: Vec::new(),
            newly_armed: None,
        }
    }

    /// The position of the last write, durable or not.
    pub fn written(&self) -> Lsn {
        self.written
    }

    /// Writes a record at the end of the log and returns its position.
    pub fn append(&mut self, record: R::Record) -> Lsn {
        self.write(Written::Record(record))
    }

    /// Writes a snapshot in the replica's own encoding and returns its position; once durable it replaces the one
    /// before.
    pub fn snapshot(&mut self, bytes: Vec<u8>) -> Lsn {
        self.write(Written::Snapshot(bytes))
    }

    fn write(&mut self, what: Written<R>) -> Lsn {
        self.written.0 += 1;
        let lsn = self.written;
        self.out.push(Output::Write { lsn, what });
        lsn
    }

    /// Lets go of the records below `before` once `after` is durable.
    pub fn release(&mut self, before: Lsn, after: Lsn) {
        self.once(after, Output::Release(before));
    }

    /// Sends a message that may leave once everything written so far is durable.
    pub fn send(&mut self, to: NodeId, message: R::Message) {
        self.once(self.written, Output::Send { to, message });
    }

    /// Sends a message that depends on nothing durable.
    pub fn send_now(&mut self, to: NodeId, message: R::Message) {
        self.out.push(Output::Send { to, message });
    }

    /// Answers a client once everything written so far is durable.
    pub fn reply(&mut self, id: RequestId, response: Response) {
        self.once(self.written, Output::Reply { id, response });
    }

    /// Answers a client with what depends on nothing durable.
    pub fn reply_now(&mut self, id: RequestId, response: Response) {
        self.out.push(Output::Reply { id, response });
    }

    /// Starts a timer of this length, or starts it anew, on this node's own monotonic clock.
    pub fn arm(&mut self, timer: R::Timer, after: Duration) {
        // A timer of no length would fire for ever without time passing.
        let due = self.now + after.max(Duration::from_nanos(1));
        self.newly_armed = Some(self.newly_armed.map_or(due, |first| first.min(due)));
        match self.timers.iter_mut().find(|(armed, _)| *armed == timer) {
            Some((_, known)) => *known = due,
            None => self.timers.push((timer, due)),
        }
    }

    /// Stops a timer.
    pub fn disarm(&mut self, timer: R::Timer) {
        if let Some(place) = self.timers.iter().position(|(armed, _)| *armed == timer) {
            self.timers.swap_remove(place);
        }
    }

    /// Records something for logs, triggers, marks and invariants, never for the protocol.
    pub fn trace(&mut self, trace: R::Trace) {
        self.out.push(Output::Trace(trace));
    }

    /// Does it once `after` is durable.
    fn once(&mut self, after: Lsn, output: Output<R>) {
        if after <= self.durable {
            self.out.push(output);
        } else {
            // Kept in order, so that the front is always the next.
            let place = self.gated.partition_point(|(waits, _)| *waits <= after);
            self.gated.insert(place, (after, output));
        }
    }

    /// Everything up to `lsn` is durable: what waited for it may be done. Says whether that is news.
    pub(crate) fn synced(&mut self, lsn: Lsn) -> bool {
        if lsn <= self.durable {
            return false;
        }
        self.durable = lsn;
        // A later output may wait for less than an earlier one, but what one step sends to one node keeps its
        // order only if positions do not fall; they do not, since each is the end of the log at that time, or 0.
        while self.gated.front().is_some_and(|(after, _)| *after <= lsn) {
            self.out.extend(self.gated.pop_front().map(|(_, output)| output));
        }
        true
    }

    /// The last position known to be durable.
    pub(crate) fn durable(&self) -> Lsn {
        self.durable
    }

    /// What waits for the disk, each with the position that it waits for, in order.
    pub(crate) fn gated(&self) -> &VecDeque<(Lsn, Output<R>)> {
        &self.gated
    }

    /// The timers that run, and when they run out, in no particular order.
    pub(crate) fn timers(&self) -> &[(R::Timer, Duration)] {
        &self.timers
    }

    /// When the first one runs out of the timers that were armed since this was last asked.
    pub(crate) fn newly_armed(&mut self) -> Option<Duration> {
        self.newly_armed.take()
    }
}
