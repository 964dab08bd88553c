//! What stands between a replica and its environment.
//!
//! Every environment drives replicas through this one type. It does no I/O: it turns events into [`Output`]s that can
//! be carried out at once.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;

use crate::context::{Context, Output};
use crate::replica::{Cluster, Durable, Event, Lsn, NodeId, Replica};

/// A node's monotonic and its wall clock, as they are now.
pub type Clocks = (Duration, Duration);

/// Drives one incarnation of one node.
#[derive(Clone, Debug)]
pub struct Driver<R: Replica> {
    replica: R,
    context: Context<R>,
}

impl<R: Replica> Driver<R> {
    /// Starts a node from what was durable, by its own clocks; what it wants done at once is added to `out`.
    pub fn recover(
        cluster: &Cluster,
        me: NodeId,
        durable: Durable<R::Record>,
        rng: ChaCha8Rng,
        clocks: Clocks,
        out: &mut Vec<Output<R>>,
    ) -> Self {
        let mut context = Context::new(rng, durable.end);
        (context.now, context.wall) = clocks;
        std::mem::swap(&mut context.out, out);
        let replica = R::recover(cluster, me, durable, &mut context);
        std::mem::swap(&mut context.out, out);
        Driver { replica, context }
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
        self.context.durable()
    }

    /// How many sends and replies wait for the disk.
    pub fn gated(&self) -> usize {
        self.context.gated().len()
    }

    /// What waits for the disk, each with the position that it waits for, in order.
    pub fn waiting(&self) -> impl Iterator<Item = &(Lsn, Output<R>)> {
        self.context.gated().iter()
    }

    /// The timers that run, in no particular order.
    pub fn armed(&self) -> impl Iterator<Item = R::Timer> {
        self.context.timers().iter().map(|(timer, _)| *timer)
    }

    /// Hands the replica a message or a request; what it wants done at once is added to `out`.
    pub fn step(&mut self, event: Event<R>, clocks: Clocks, out: &mut Vec<Output<R>>) {
        self.lets(clocks, out, |replica, context| replica.step(event, context));
    }

    /// Tells the replica that its connection with another node broke, and that there is a new one.
    pub fn disconnected(&mut self, peer: NodeId, clocks: Clocks, out: &mut Vec<Output<R>>) {
        self.lets(clocks, out, |replica, context| {
            replica.disconnected(peer, context)
        });
    }

    /// Everything up to `lsn` is on disk: what waited for it leaves, then the replica is told.
    pub fn durable(&mut self, lsn: Lsn, clocks: Clocks, out: &mut Vec<Output<R>>) {
        self.lets(clocks, out, |replica, context| {
            if context.synced(lsn) {
                replica.step(Event::Durable(lsn), context);
            }
        });
    }

    /// When the next timer runs out, on the node's own monotonic clock.
    pub fn next_timer(&self) -> Option<Duration> {
        self.context.timers().iter().map(|(_, due)| *due).min()
    }

    /// When the first one runs out of the timers that were armed since this was last asked.
    pub fn newly_armed(&mut self) -> Option<Duration> {
        self.context.newly_armed()
    }

    /// Lets every timer that has run out by `now` go off, earliest first.
    pub fn fire(&mut self, clocks: Clocks, out: &mut Vec<Output<R>>) {
        while let Some((_, timer)) = self
            .context
            .timers()
            .iter()
            .filter(|(_, due)| *due <= clocks.0)
            .map(|(timer, due)| (*due, *timer))
            .min()
        {
            self.context.disarm(timer);
            self.step(Event::Timer(timer), clocks, out);
        }
    }

    /// Lets one timer go off, if it runs, whenever it is due: for an explorer, in whose world time stands still.
    pub fn fire_one(&mut self, timer: R::Timer, clocks: Clocks, out: &mut Vec<Output<R>>) {
        if self.armed().any(|armed| armed == timer) {
            self.context.disarm(timer);
            self.step(Event::Timer(timer), clocks, out);
        }
    }

    /// Lets the replica do something, which collects what it wants done right where it is to be added.
    fn lets(&mut self, clocks: Clocks, out: &mut Vec<Output<R>>, what: impl FnOnce(&mut R, &mut Context<R>)) {
        (self.context.now, self.context.wall) = clocks;
        std::mem::swap(&mut self.context.out, out);
        what(&mut self.replica, &mut self.context);
        std::mem::swap(&mut self.context.out, out);
    }
}
