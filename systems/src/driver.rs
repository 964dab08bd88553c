//! What stands between a replica and its environment: gating on durability, and timers.
//!
//! Every environment drives replicas through this one type, so that the rule *transmit when durable ≥ after* is
//! written once. It does no I/O either: it turns events into [`Output`]s that can be carried out at once.

use std::collections::VecDeque;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;

use crate::api::Response;
use crate::replica::{Cluster, Context, Durable, Effect, Event, Lsn, NodeId, Replica, RequestId};

/// Something to carry out, in order.
#[derive(Clone, Debug)]
pub enum Output<R: Replica> {
    /// Write this at the end of the log; report it by [`Driver::durable`] once it is fsynced.
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

/// Drives one incarnation of one node.
#[derive(Clone, Debug)]
pub struct Driver<R: Replica> {
    replica: R,
    context: Context<R>,
    durable: Lsn,
    gated: VecDeque<(Lsn, Output<R>)>,
    /// The timers that run, and when they run out: few, in no order.
    timers: Vec<(R::Timer, Duration)>,
    /// When the first one runs out of those that were armed since somebody last asked.
    newly_armed: Option<Duration>,
}

impl<R: Replica> Clone for Context<R> {
    fn clone(&self) -> Self {
        let mut copy = Context::new(self.rng.clone(), self.written());
        copy.now = self.now;
        copy.wall = self.wall;
        copy.effects.clone_from(&self.effects);
        copy
    }
}

impl<R: Replica> Driver<R> {
    /// Starts a node from what was durable. `now` and `wall` are its own clocks; what it wants done at once is
    /// added to `out`.
    pub fn recover(
        cluster: &Cluster,
        me: NodeId,
        durable: Durable<R::Record>,
        rng: ChaCha8Rng,
        (now, wall): (Duration, Duration),
        out: &mut Vec<Output<R>>,
    ) -> Self {
        let end = durable.end;
        let mut context = Context::new(rng, end);
        context.now = now;
        context.wall = wall;
        let replica = R::recover(cluster, me, durable, &mut context);
        let mut driver = Driver {
            replica,
            context,
            durable: end,
            gated: VecDeque::new(),
            timers: Vec::new(),
            newly_armed: None,
        };
        driver.carry_out(out);
        driver
    }

    /// From now on the replica draws from another stream.
    pub fn reseed(&mut self, rng: ChaCha8Rng) {
        self.context.rng = rng;
    }

    /// The replica, for status pages, invariants and reports.
    pub fn replica(&self) -> &R {
        &self.replica
    }

    /// The last position known to be durable.
    pub fn durable_until(&self) -> Lsn {
        self.durable
    }

    /// How many sends and replies wait for the disk.
    pub fn gated(&self) -> usize {
        self.gated.len()
    }

    /// What waits for the disk, each with the position that it waits for, in order.
    pub fn waiting(&self) -> impl Iterator<Item = &(Lsn, Output<R>)> {
        self.gated.iter()
    }

    /// The timers that run, in no particular order.
    pub fn armed(&self) -> impl Iterator<Item = R::Timer> {
        self.timers.iter().map(|(timer, _)| *timer)
    }

    /// Hands the replica a message or a request.
    pub fn step(&mut self, event: Event<R>, (now, wall): (Duration, Duration), out: &mut Vec<Output<R>>) {
        self.context.now = now;
        self.context.wall = wall;
        self.replica.step(event, &mut self.context);
        self.carry_out(out);
    }

    /// Tells the replica that its connection with another node broke, and that there is a new one.
    pub fn disconnected(
        &mut self,
        peer: NodeId,
        (now, wall): (Duration, Duration),
        out: &mut Vec<Output<R>>,
    ) {
        self.context.now = now;
        self.context.wall = wall;
        self.replica.disconnected(peer, &mut self.context);
        self.carry_out(out);
    }

    /// Everything up to `lsn` is on disk: what waited for it leaves, then the replica is told.
    pub fn durable(&mut self, lsn: Lsn, clocks: (Duration, Duration), out: &mut Vec<Output<R>>) {
        if lsn <= self.durable {
            return;
        }
        self.durable = lsn;
        // A later effect may wait for less than an earlier one, but what one step sends to one node keeps its
        // order only if positions do not fall; they do not, since each is the end of the log at that time, or 0.
        while let Some((after, _)) = self.gated.front()
            && *after <= lsn
        {
            let (_, output) = self.gated.pop_front().expect("there is a front");
            out.push(output);
        }
        self.step(Event::Durable(lsn), clocks, out);
    }

    /// When the next timer runs out, on the node's own monotonic clock.
    pub fn next_timer(&self) -> Option<Duration> {
        self.timers.iter().map(|(_, due)| *due).min()
    }

    /// When the first one runs out of the timers that were armed since this was last asked.
    pub fn newly_armed(&mut self) -> Option<Duration> {
        self.newly_armed.take()
    }

    /// Lets every timer that has run out by `now` go off, earliest first.
    pub fn fire(&mut self, (now, wall): (Duration, Duration), out: &mut Vec<Output<R>>) {
        while let Some((_, timer)) = self
            .timers
            .iter()
            .filter(|(_, due)| *due <= now)
            .map(|(timer, due)| (*due, *timer))
            .min()
        {
            disarm::<R>(&mut self.timers, timer);
            self.step(Event::Timer(timer), (now, wall), out);
        }
    }

    /// Lets one timer go off, if it runs, whenever it is due: for an explorer, in whose world time stands still.
    pub fn fire_one(&mut self, timer: R::Timer, clocks: (Duration, Duration), out: &mut Vec<Output<R>>) {
        if self.armed().any(|armed| armed == timer) {
            disarm::<R>(&mut self.timers, timer);
            self.step(Event::Timer(timer), clocks, out);
        }
    }

    fn carry_out(&mut self, out: &mut Vec<Output<R>>) {
        let now = self.context.now;
        out.reserve(self.context.effects.len());
        for effect in self.context.effects.drain(..) {
            let (after, output) = match effect {
                // What waits for nothing, which is most of it, is put where it belongs at once.
                Effect::Trace(trace) => {
                    out.push(Output::Trace(trace));
                    continue;
                }
                Effect::Append { lsn, record } => {
                    let what = Written::Record(record);
                    out.push(Output::Write { lsn, what });
                    continue;
                }
                Effect::Snapshot { lsn, bytes } => {
                    let what = Written::Snapshot(bytes);
                    out.push(Output::Write { lsn, what });
                    continue;
                }
                Effect::Send { to, message, after } if after <= self.durable => {
                    out.push(Output::Send { to, message });
                    continue;
                }
                Effect::Arm { timer, after } => {
                    // A timer of no length would fire for ever without time passing.
                    let due = now + after.max(Duration::from_nanos(1));
                    self.newly_armed = Some(self.newly_armed.map_or(due, |first| first.min(due)));
                    match self.timers.iter_mut().find(|(armed, _)| *armed == timer) {
                        Some((_, known)) => *known = due,
                        None => self.timers.push((timer, due)),
                    }
                    continue;
                }
                Effect::Disarm(timer) => {
                    disarm::<R>(&mut self.timers, timer);
                    continue;
                }
                Effect::Release { before, after } => (after, Output::Release(before)),
                Effect::Send { to, message, after } => (after, Output::Send { to, message }),
                Effect::Reply { id, response, after } => (after, Output::Reply { id, response }),
            };
            if after <= self.durable {
                out.push(output);
            } else {
                // Kept in the order of the position, then of the step, so that the front is always the next.
                let place = self.gated.partition_point(|(waits, _)| *waits <= after);
                self.gated.insert(place, (after, output));
            }
        }
    }
}

fn disarm<R: Replica>(timers: &mut Vec<(R::Timer, Duration)>, timer: R::Timer) {
    if let Some(place) = timers.iter().position(|(armed, _)| *armed == timer) {
        timers.swap_remove(place);
    }
}
