//! A cluster in virtual time.
//!
//! The [`World`] knows machines, disks, clocks and the network, and nothing of clients, workloads or verdicts. It
//! moves from event to event; between two events no time passes and nothing happens, so an idle cluster costs nothing.
//! Everything that it draws comes from streams named after what draws (`network`, `machine/2`, `node/2/0`).

mod agenda;
mod chance;
mod clock;
mod digest;
mod disk;
mod network;
mod node;
mod triggers;
mod variant;
pub(crate) mod watch;
mod weather;

use perjury_nemesis::{Bend, Link, Node, Packets, stream};
use perjury_systems::api::{Request, Response};
use perjury_systems::driver::{Driver, Output};
use perjury_systems::replica::{Cluster, Event, Lsn, MutantCounts, NodeId, Replica, RequestId};
use rand_chacha::ChaCha8Rng;

use agenda::Agenda;
pub(crate) use chance::{below, between, exponential, happens};
use clock::Clock;
pub(crate) use digest::Rolling;
use network::Network;
use node::Machine;
use triggers::Armed;
pub use triggers::{On, Strike, Trigger};
pub(crate) use variant::variant;
pub use watch::{Breach, Invariants, Unwatched};
pub use weather::Weather;

pub(crate) const MILLISECOND: u64 = 1_000_000;
const MICROSECOND: u64 = 1_000;

/// Faults of triggers have numbers of their own, above those of plans.
const TRIGGER_FAULTS: u32 = 1 << 31;

/// Something that will happen.
#[derive(Debug)]
enum Planned<R: Replica, A> {
    Deliver {
        from: u16,
        to: u16,
        message: R::Message,
    },
    Look {
        node: u16,
    },
    Synced {
        node: u16,
        incarnation: u32,
        lsn: Lsn,
    },
    Ask {
        node: u16,
        ticket: u64,
        request: Request,
    },
    Boot {
        node: u16,
        incarnation: u32,
    },
    Clog,
    Unstrike {
        trigger: usize,
        node: u16,
    },
    Alarm(A),
}

/// What whoever watches has to know of an event, in order.
#[derive(Debug)]
pub(crate) enum Note {
    /// A node answered a request.
    Reply { ticket: u64, response: Response },
    /// A request's connection broke, with the node that held it.
    Reset { ticket: u64 },
    /// Nobody listened when a request came.
    Refused { ticket: u64 },
    /// A node was killed, as was wished; so many writes were lost.
    Killed { node: Node, lost: u64 },
    /// A node is up.
    Booted { node: Node },
    /// A node ended by itself.
    Died { node: Node, reason: String },
    /// A trigger struck.
    Struck { trigger: usize, node: Node },
}

/// How much of what was not durable survives a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    Nothing,
    Prefix,
}

/// What happened, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub(crate) sent: u64,
    pub(crate) lost: u64,
}

/// A cluster; `A` is what whoever watches plans besides.
#[derive(Debug)]
pub(crate) struct World<R: Replica, A> {
    now: u64,
    seed: u64,
    cluster: Cluster,
    weather: Weather,
    calm: bool,
    agenda: Agenda<Planned<R, A>>,
    machines: Vec<Machine<R>>,
    /// What came for a node while it was frozen.
    held: Vec<Vec<Planned<R, A>>>,
    network: Network,
    rng: ChaCha8Rng,
    out: Vec<Output<R>>,
    triggers: Vec<Armed>,
    /// Since the world was last asked.
    pub(crate) notes: Vec<Note>,
    /// What the node that stepped recorded, in this event.
    pub(crate) traces: Vec<R::Trace>,
    watch: Box<dyn Invariants<R>>,
    /// The first invariant that was found broken.
    pub(crate) breach: Option<Breach>,
    /// Whether who leads or who is up changed, until somebody takes note.
    pub(crate) view_changed: bool,
    /// Of everything that happened.
    pub(crate) hash: Rolling,
    /// How many events there were.
    pub(crate) events: u64,
    /// The events to be described in full, and their descriptions.
    pub(crate) transcript: Option<Transcript>,
}

/// Descriptions of some events.
#[derive(Clone, Debug, Default)]
pub(crate) struct Transcript {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) lines: Vec<String>,
}

/// What an event was.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Happened<A> {
    /// A node did something.
    Stepped(Node),
    /// Whoever watches is called.
    Alarm(A),
    /// Nothing that concerns anybody.
    Nothing,
}

impl<R: Replica, A> World<R, A> {
    /// A cluster with all nodes down. `cluster` has passed [`Replica::validate`], and its nodes are 1, 2, ….
    pub(crate) fn new(cluster: Cluster, weather: Weather, seed: u64, watch: Box<dyn Invariants<R>>) -> Self {
        let mut rng = stream(seed, "world");
        let count = cluster.nodes.len();
        let machines = (1..=count)
            .map(|number| {
                let mut own = stream(seed, &format!("machine/{number}"));
                let off = |rng: &mut ChaCha8Rng, most: u32| {
                    below(rng, 2 * u64::from(most) + 1) as i64 - i64::from(most)
                };
                let ppm = off(&mut own, weather.drift_ppm.min(500_000));
                let ahead_ms = off(&mut own, weather.offset_ms);
                let segment = 1 << below(&mut own, 8);
                Machine::new(Clock::new(ppm, ahead_ms), segment, own)
            })
            .collect();
        let mut world = World {
            now: 0,
            seed,
            weather,
            calm: false,
            agenda: Agenda::default(),
            machines,
            held: (0..count).map(|_| Vec::new()).collect(),
            network: Network::new(count, weather, R::FIFO, seed),
            out: Vec::new(),
            triggers: Vec::new(),
            notes: Vec::new(),
            traces: Vec::new(),
            watch,
            breach: None,
            view_changed: false,
            hash: Rolling::default(),
            events: 0,
            transcript: None,
            cluster,
            rng: stream(seed, "world"),
        };
        if weather.clog_every_ms > 0 {
            let first = exponential(&mut rng, u64::from(weather.clog_every_ms) * MILLISECOND);
            world.agenda.plan(first, Planned::Clog);
        }
        world.rng = rng;
        world
    }

    pub(crate) fn now(&self) -> u64 {
        self.now
    }

    pub(crate) fn traffic(&self) -> Traffic {
        Traffic {
            sent: self.network.sent,
            lost: self.network.lost,
        }
    }

    /// All nodes, in order.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = Node> + use<R, A> {
        (1..=self.machines.len() as u16).map(Node)
    }

    /// The replica of a node, if its process runs (or is frozen).
    pub(crate) fn replica(&self, node: Node) -> Option<&R> {
        self.machines
            .get(usize::from(node.0) - 1)?
            .driver
            .as_ref()
            .map(Driver::replica)
    }

    pub(crate) fn is_up(&self, node: Node) -> bool {
        self.replica(node).is_some()
    }

    pub(crate) fn is_paused(&self, node: Node) -> bool {
        self.machine(node).paused
    }

    /// Who claims to lead in the highest term in which somebody does; frozen nodes claim nothing.
    pub(crate) fn leader(&self) -> Option<(Node, u64)> {
        let claims = self
            .nodes()
            .zip(&self.machines)
            .filter(|(_, machine)| machine.claim.0 && !machine.paused);
        claims
            .map(|(node, machine)| (node, machine.claim.1))
            .max_by_key(|(_, term)| *term)
    }

    /// What became of the planted mistake, over all nodes and incarnations.
    pub(crate) fn mutant_counts(&self) -> MutantCounts {
        let mut sum = MutantCounts::default();
        for machine in &self.machines {
            let counts = machine.mutant_counts();
            sum.reached += counts.reached;
            sum.differed += counts.differed;
        }
        sum
    }

    fn machine(&self, node: Node) -> &Machine<R> {
        &self.machines[usize::from(node.0) - 1]
    }

    fn machine_mut(&mut self, node: Node) -> &mut Machine<R> {
        &mut self.machines[usize::from(node.0) - 1]
    }

    /// Calls whoever watches at `at`.
    pub(crate) fn alarm(&mut self, at: u64, alarm: A) {
        self.agenda.plan(at.max(self.now), Planned::Alarm(alarm));
    }

    /// A client's request reaches a node at `at`.
    pub(crate) fn ask(&mut self, at: u64, node: Node, ticket: u64, request: Request) {
        let node = node.0 - 1;
        self.agenda.plan(
            at,
            Planned::Ask {
                node,
                ticket,
                request,
            },
        );
    }

    /// Arms triggers; their times count from now.
    pub(crate) fn arm(&mut self, triggers: &[Trigger]) {
        let now = self.now;
        self.triggers.extend(
            triggers
                .iter()
                .map(|one| Armed::new(one.clone(), now + one.after_ms * MILLISECOND)),
        );
    }

    /// The weather is fair from now on, no trigger strikes any more, and what triggers broke is healed.
    pub(crate) fn calm(&mut self) {
        self.calm = true;
        self.network.calm();
        for trigger in 0..self.triggers.len() {
            let armed = &mut self.triggers[trigger];
            armed.struck = true;
            if let Some(node) = armed.struck_node {
                self.unstrike(trigger, node);
            }
        }
    }

    /// The next event, in full; none if nothing is planned any more.
    pub(crate) fn next(&mut self) -> Option<Happened<A>> {
        let (at, planned) = self.agenda.next()?;
        debug_assert!(at >= self.now, "time never goes back");
        self.now = at;
        self.events += 1;
        self.traces.clear();
        self.hash.word(at);
        Some(self.happen(planned))
    }

    fn happen(&mut self, planned: Planned<R, A>) -> Happened<A> {
        let node = match &planned {
            Planned::Deliver { to, .. } => *to,
            Planned::Look { node }
            | Planned::Synced { node, .. }
            | Planned::Ask { node, .. }
            | Planned::Boot { node, .. } => *node,
            Planned::Clog => {
                self.clog();
                return Happened::Nothing;
            }
            Planned::Unstrike { trigger, node } => {
                self.unstrike(*trigger, Node(*node + 1));
                return Happened::Nothing;
            }
            Planned::Alarm(_) => {
                let Planned::Alarm(alarm) = planned else {
                    return Happened::Nothing;
                };
                return Happened::Alarm(alarm);
            }
        };
        let place = usize::from(node);
        if self.machines[place].paused {
            self.held[place].push(planned);
            return Happened::Nothing;
        }
        self.hash.word(u64::from(node));
        match planned {
            Planned::Deliver { from, message, .. } => {
                if self.machines[place].driver.is_none() {
                    return Happened::Nothing;
                }
                if self.transcribes() {
                    self.describe(format!("n{} receives from n{}: {message:?}", node + 1, from + 1));
                }
                let from = NodeId(from + 1);
                self.step(place, |driver, clocks, out| {
                    driver.step(Event::Message { from, message }, clocks, out);
                })
            }
            Planned::Look { .. } => self.look_at_timers(place),
            Planned::Synced { incarnation, lsn, .. } => self.synced(place, incarnation, lsn),
            Planned::Ask { ticket, request, .. } => self.asked(place, ticket, request),
            Planned::Boot { incarnation, .. } => self.boot(place, incarnation),
            Planned::Clog | Planned::Unstrike { .. } | Planned::Alarm(_) => Happened::Nothing,
        }
    }

    fn look_at_timers(&mut self, place: usize) -> Happened<A> {
        let now = self.now;
        let machine = &mut self.machines[place];
        // A look that was planned for an earlier incarnation, or that a nearer one replaced.
        if machine.looks_at != now || machine.driver.is_none() {
            return Happened::Nothing;
        }
        machine.looks_at = u64::MAX;
        let due = machine.driver.as_ref().and_then(Driver::next_timer);
        if due.is_none_or(|due| machine.clock.when(due) > now) {
            self.plan_look(place);
            return Happened::Nothing;
        }
        if self.transcribes() {
            self.describe(format!("n{}: a timer runs out", place + 1));
        }
        self.step(place, Driver::fire)
    }

    fn synced(&mut self, place: usize, incarnation: u32, lsn: Lsn) -> Happened<A> {
        let now = self.now;
        let machine = &mut self.machines[place];
        if machine.incarnation != incarnation || machine.driver.is_none() {
            return Happened::Nothing;
        }
        if machine.disk.stalled_until > now {
            let node = place as u16;
            let at = machine.disk.stalled_until;
            self.agenda.plan(
                at,
                Planned::Synced {
                    node,
                    incarnation,
                    lsn,
                },
            );
            return Happened::Nothing;
        }
        machine.disk.end_sync(lsn);
        if self.transcribes() {
            self.describe(format!("n{}: its log is durable up to {}", place + 1, lsn.0));
        }
        self.step(place, |driver, clocks, out| driver.durable(lsn, clocks, out))
    }

    fn asked(&mut self, place: usize, ticket: u64, request: Request) -> Happened<A> {
        let machine = &mut self.machines[place];
        if machine.driver.is_none() {
            self.notes.push(Note::Refused { ticket });
            return Happened::Nothing;
        }
        let id = RequestId(machine.next_request);
        machine.next_request += 1;
        machine.waiting.insert(id.0, ticket);
        if self.transcribes() {
            self.describe(format!("n{} is asked: {:?}", place + 1, request.command));
        }
        self.step(place, |driver, clocks, out| {
            driver.step(Event::Request { id, request }, clocks, out);
        })
    }

    /// Starts a node's process, `after` nanoseconds from now besides the time that it takes.
    pub(crate) fn start(&mut self, node: Node, after: u64) {
        let boot = u64::from(self.weather.boot_ms) * MILLISECOND;
        let takes = boot / 2 + below(&mut self.machine_mut(node).rng, boot);
        let incarnation = self.machine(node).incarnation;
        let at = self.now + after + takes;
        self.agenda.plan(
            at,
            Planned::Boot {
                node: node.0 - 1,
                incarnation,
            },
        );
    }

    fn boot(&mut self, place: usize, incarnation: u32) -> Happened<A> {
        let now = self.now;
        let machine = &mut self.machines[place];
        if machine.driver.is_some() || machine.dead || machine.incarnation != incarnation {
            return Happened::Nothing;
        }
        machine.clock.restart(now, incarnation);
        machine.incarnation += 1;
        let me = NodeId(place as u16 + 1);
        let rng = stream(self.seed, &format!("node/{}/{incarnation}", place + 1));
        let clocks = machine.clock.read(now);
        let durable = machine.disk.read();
        if self.transcribes() {
            self.describe(format!("{me} starts with a log up to {}", durable.end.0));
        }
        let cluster = &self.cluster;
        let mut out = std::mem::take(&mut self.out);
        out.clear();
        let recovered = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            Driver::recover(cluster, me, durable, rng, clocks, &mut out)
        }));
        self.out = out;
        self.view_changed = true;
        match recovered {
            Ok(driver) => {
                self.machines[place].driver = Some(driver);
                self.notes.push(Note::Booted { node: Node(me.0) });
                self.after_step(place)
            }
            Err(_) => self.died(place, "panicked when it started".to_owned()),
        }
    }

    fn step(
        &mut self,
        place: usize,
        what: impl FnOnce(&mut Driver<R>, (std::time::Duration, std::time::Duration), &mut Vec<Output<R>>),
    ) -> Happened<A> {
        self.out.clear();
        match self.machines[place].drive(self.now, &mut self.out, what) {
            Ok(()) => self.after_step(place),
            Err(reason) => self.died(place, reason),
        }
    }

    fn died(&mut self, place: usize, reason: String) -> Happened<A> {
        self.out.clear();
        self.kill_at(place, Keep::Prefix);
        self.machines[place].dead = true;
        let node = Node(place as u16 + 1);
        self.notes.push(Note::Died { node, reason });
        Happened::Nothing
    }

    /// Carries out what a step wants done, unless the node is struck in the middle of it.
    fn after_step(&mut self, place: usize) -> Happened<A> {
        let node = Node(place as u16 + 1);
        self.observe(place);
        let mut out = std::mem::take(&mut self.out);
        let mut doom = None;
        if self.machines[place].doomed && !out.is_empty() {
            let machine = &mut self.machines[place];
            doom = Some(below(&mut machine.rng, out.len() as u64 + 1));
        }
        let mut alive = true;
        let mut keep = if doom.is_some() {
            Keep::Nothing
        } else {
            Keep::Prefix
        };
        for (position, output) in (0u64..).zip(out.drain(..)) {
            if doom == Some(position) {
                alive = false;
            }
            let strike = match self.triggers.is_empty() {
                true => None,
                false => self.strikes(node, &output),
            };
            if let Some((_, Strike::KillBefore)) = strike {
                alive = false;
                keep = Keep::Nothing;
            }
            if let Some((trigger, Strike::CutOff)) = strike {
                self.cut_off(trigger, node);
            }
            if !alive {
                break;
            }
            self.carry_out(place, output);
            match strike {
                Some((_, Strike::KillAfter)) => {
                    alive = false;
                    break;
                }
                Some((_, Strike::Pause)) => {
                    self.machines[place].paused = true;
                    self.view_changed = true;
                }
                _ => {}
            }
        }
        out.clear();
        self.out = out;
        if doom.is_some() {
            alive = false;
        }
        if !alive {
            self.kill_at(place, keep);
            return Happened::Stepped(node);
        }
        self.begin_sync(place);
        if !self.traces.is_empty() && self.machines[place].look() {
            self.view_changed = true;
        }
        self.plan_look(place);
        Happened::Stepped(node)
    }

    /// Has the invariants checked: before anything that the step wants done is done, since a node that is killed
    /// in the middle has made the step all the same.
    fn observe(&mut self, place: usize) {
        for output in &self.out {
            if let Output::Trace(trace) = output {
                self.traces.push(trace.clone());
            }
        }
        if let Some(driver) = &self.machines[place].driver
            && self.breach.is_none()
        {
            let me = NodeId(place as u16 + 1);
            let seen = self
                .watch
                .observe(me, driver.replica(), &self.traces, driver.durable_until());
            self.breach = seen.err();
        }
    }

    /// Has the invariants checked in full, which is slow.
    pub(crate) fn checkpoint(&mut self) {
        let running = (1..).map(NodeId).zip(&self.machines);
        let replicas = running
            .filter_map(|(node, machine)| Some((node, machine.driver.as_ref()?.replica())))
            .collect();
        if self.breach.is_none() {
            self.breach = self.watch.full(&replicas).err();
        }
    }

    fn carry_out(&mut self, place: usize, output: Output<R>) {
        match output {
            Output::Write { lsn, what } => {
                self.hash.word(lsn.0);
                self.machines[place].disk.write(lsn, what);
            }
            Output::Release(before) => self.machines[place].disk.release(before),
            Output::Send { to, message } => self.send(place, to, message),
            Output::Reply { id, response } => {
                self.hash.mix(&response);
                if self.transcribes() {
                    self.describe(format!("  n{} answers: {:?}", place + 1, response.result));
                }
                if let Some(ticket) = self.machines[place].waiting.remove(&id.0) {
                    self.notes.push(Note::Reply { ticket, response });
                }
            }
            Output::Trace(trace) => {
                self.hash.mix(&trace);
                if self.transcribes() {
                    self.describe(format!("  n{}: {trace:?}", place + 1));
                }
            }
        }
    }

    fn send(&mut self, place: usize, to: NodeId, message: R::Message) {
        self.hash.word(u64::from(to.0));
        self.hash.mix(&message);
        let target = usize::from(to.0).wrapping_sub(1);
        if target >= self.machines.len() || target == place {
            return;
        }
        let arrivals = self.network.send(self.now, place, target);
        if self.transcribes() {
            let lost = if arrivals == [None, None] { " (lost)" } else { "" };
            self.describe(format!("  n{} sends to {to}{lost}: {message:?}", place + 1));
        }
        let (from, to) = (place as u16, target as u16);
        match arrivals {
            [Some(at), None] => self.agenda.plan(at, Planned::Deliver { from, to, message }),
            [Some(at), Some(again)] => {
                let copy = message.clone();
                self.agenda.plan(at, Planned::Deliver { from, to, message });
                self.agenda.plan(
                    again,
                    Planned::Deliver {
                        from,
                        to,
                        message: copy,
                    },
                );
            }
            [None, _] => {}
        }
    }

    fn begin_sync(&mut self, place: usize) {
        let machine = &mut self.machines[place];
        let Some(lsn) = machine.disk.begin_sync() else {
            return;
        };
        let weather = &self.weather;
        let mut takes = weather.fsync_us * MICROSECOND
            + chance::heavy_tailed(&mut machine.rng, weather.fsync_jitter_us * MICROSECOND);
        if !self.calm && happens(&mut machine.rng, weather.stall_ppm) {
            takes += below(&mut machine.rng, u64::from(weather.stall_ms) * MILLISECOND);
        }
        let at = (self.now + takes.max(1)).max(machine.disk.stalled_until);
        let (node, incarnation) = (place as u16, machine.incarnation);
        self.agenda.plan(
            at,
            Planned::Synced {
                node,
                incarnation,
                lsn,
            },
        );
    }

    /// Makes sure that somebody looks when the node's next timer runs out. A look that comes too early is planned
    /// anew, so that a timer that is put off over and over again costs one look a period.
    fn plan_look(&mut self, place: usize) {
        let machine = &mut self.machines[place];
        let Some(due) = machine.driver.as_ref().and_then(Driver::next_timer) else {
            return;
        };
        let at = machine.clock.when(due).max(self.now + 1);
        if at < machine.looks_at {
            machine.looks_at = at;
            self.agenda.plan(at, Planned::Look { node: place as u16 });
        }
    }

    fn clog(&mut self) {
        if self.calm {
            return;
        }
        self.network.clog(self.now);
        let wait = exponential(&mut self.rng, u64::from(self.weather.clog_every_ms) * MILLISECOND);
        self.agenda.plan(self.now + wait, Planned::Clog);
    }

    /// Kills a node's process, if it runs. Says how many writes were lost.
    pub(crate) fn kill(&mut self, node: Node, keep: Keep) -> Option<u64> {
        let place = usize::from(node.0) - 1;
        self.machines[place].driver.as_ref()?;
        self.kill_at(place, keep);
        match self.notes.pop() {
            Some(Note::Killed { lost, .. }) => Some(lost),
            _ => None,
        }
    }

    fn kill_at(&mut self, place: usize, keep: Keep) {
        let machine = &mut self.machines[place];
        let kept = match keep {
            Keep::Nothing => 0,
            Keep::Prefix => {
                let unsynced = machine.disk.unsynced();
                below(&mut machine.rng, unsynced + 1)
            }
        };
        let lost = machine.disk.crash(kept);
        for ticket in machine.stop() {
            self.notes.push(Note::Reset { ticket });
        }
        machine.claim = (false, 0);
        self.watch.stopped(NodeId(place as u16 + 1));
        for held in std::mem::take(&mut self.held[place]) {
            match held {
                Planned::Ask { ticket, .. } => self.notes.push(Note::Reset { ticket }),
                Planned::Boot { .. } => self.agenda.plan(self.now, held),
                _ => {}
            }
        }
        self.view_changed = true;
        let node = Node(place as u16 + 1);
        if self.transcribes() {
            self.describe(format!("{node} is killed; {lost} writes are lost"));
        }
        self.notes.push(Note::Killed { node, lost });
    }

    /// Kills a node in the middle of its next step: some of what the step wants done is done. Nothing that was not
    /// durable survives.
    pub(crate) fn doom(&mut self, node: Node) {
        self.machine_mut(node).doomed = true;
    }

    /// How many writes of a node are not durable.
    pub(crate) fn unsynced(&self, node: Node) -> u64 {
        self.machine(node).disk.unsynced()
    }

    /// A node's disk stands still until `until`.
    pub(crate) fn stall(&mut self, node: Node, until: u64) {
        let disk = &mut self.machine_mut(node).disk;
        disk.stalled_until = disk.stalled_until.max(until);
    }

    /// Freezes a node's process. Its clocks go on, and what comes for it waits.
    pub(crate) fn pause(&mut self, node: Node) -> bool {
        let machine = self.machine_mut(node);
        let freezes = machine.driver.is_some() && !machine.paused;
        if freezes {
            machine.paused = true;
            self.view_changed = true;
        }
        freezes
    }

    /// A frozen node goes on: what waited for it comes at once, in order, timers among it at a random place.
    pub(crate) fn resume(&mut self, node: Node) {
        let place = usize::from(node.0) - 1;
        if !std::mem::take(&mut self.machines[place].paused) {
            return;
        }
        self.view_changed = true;
        let now = self.now;
        let held = std::mem::take(&mut self.held[place]);
        let timers = below(&mut self.machines[place].rng, held.len() as u64 + 1);
        let mut planned_look = false;
        for (position, waits) in (0u64..).zip(held) {
            if position == timers {
                planned_look = true;
                self.look_now(place);
            }
            if !matches!(waits, Planned::Look { .. }) {
                self.agenda.plan(now, waits);
            }
        }
        if !planned_look {
            self.look_now(place);
        }
    }

    fn look_now(&mut self, place: usize) {
        self.machines[place].looks_at = self.now;
        self.agenda.plan(self.now, Planned::Look { node: place as u16 });
    }

    /// How much came for a frozen node.
    pub(crate) fn held(&self, node: Node) -> usize {
        self.held[usize::from(node.0) - 1].len()
    }

    /// Bends a node's clocks.
    pub(crate) fn bend(&mut self, node: Node, bend: Bend) {
        let now = self.now;
        let machine = self.machine_mut(node);
        machine.clock.bend(now, bend);
        self.replan(node);
    }

    /// Sets a node's clocks right. Says how many steps it did with them bent.
    pub(crate) fn mend(&mut self, node: Node) -> u64 {
        let now = self.now;
        self.machine_mut(node).clock.mend(now);
        self.replan(node)
    }

    /// A clock's rate changed, so timers run out at other times.
    fn replan(&mut self, node: Node) -> u64 {
        let place = usize::from(node.0) - 1;
        self.machines[place].looks_at = u64::MAX;
        self.plan_look(place);
        std::mem::take(&mut self.machines[place].steps_on_clock)
    }

    /// Links suffer from a fault: a cut, or mistreated packets.
    pub(crate) fn afflict(&mut self, fault: u32, link: Link, packets: Option<Packets>) {
        let (from, to) = ends(link);
        self.network.afflict(fault, from, to, packets);
    }

    /// How many packets of a link a fault has hit.
    pub(crate) fn hits(&self, fault: u32, link: Link) -> u64 {
        let (from, to) = ends(link);
        self.network.hits(fault, from, to)
    }

    /// A link does not suffer from a fault any more.
    pub(crate) fn relieve(&mut self, fault: u32, link: Link) {
        let (from, to) = ends(link);
        self.network.relieve(fault, from, to);
    }

    fn strikes(&mut self, node: Node, output: &Output<R>) -> Option<(usize, Strike)> {
        let now = self.now;
        let struck = self
            .triggers
            .iter_mut()
            .position(|armed| armed.strikes(now, node, output))?;
        self.triggers[struck].struck_node = Some(node);
        let Trigger { strike, heal_ms, .. } = self.triggers[struck].trigger;
        if self.transcribes() {
            let words = self.triggers[struck].trigger.to_string();
            self.describe(format!("  strikes {node}: {words}"));
        }
        self.notes.push(Note::Struck {
            trigger: struck,
            node,
        });
        let at = now + heal_ms * MILLISECOND;
        self.agenda.plan(
            at,
            Planned::Unstrike {
                trigger: struck,
                node: node.0 - 1,
            },
        );
        Some((struck, strike))
    }

    fn cut_off(&mut self, trigger: usize, node: Node) {
        for link in around(node, self.nodes()) {
            self.afflict(TRIGGER_FAULTS + trigger as u32, link, None);
        }
    }

    fn unstrike(&mut self, trigger: usize, node: Node) {
        if self.triggers[trigger].struck_node.take().is_none() {
            return;
        }
        match self.triggers[trigger].trigger.strike {
            Strike::KillBefore | Strike::KillAfter => self.start(node, 0),
            Strike::Pause => self.resume(node),
            Strike::CutOff => {
                for link in around(node, self.nodes()) {
                    self.relieve(TRIGGER_FAULTS + trigger as u32, link);
                }
            }
        }
    }

    fn transcribes(&self) -> bool {
        self.transcript
            .as_ref()
            .is_some_and(|wanted| (wanted.from..wanted.to).contains(&self.events))
    }

    fn describe(&mut self, line: String) {
        let (now, event) = (self.now, self.events);
        if let Some(transcript) = &mut self.transcript {
            transcript
                .lines
                .push(format!("{event} {:.6} {line}", now as f64 / 1e9));
        }
    }

    /// How much is planned, as a measure of a cluster that floods itself.
    pub(crate) fn planned(&self) -> usize {
        self.agenda.len()
    }
}

fn ends(link: Link) -> (usize, usize) {
    (usize::from(link.from.0) - 1, usize::from(link.to.0) - 1)
}

/// All links from and to a node.
fn around(node: Node, nodes: impl Iterator<Item = Node>) -> Vec<Link> {
    nodes
        .filter(|other| *other != node)
        .flat_map(|other| {
            [
                Link {
                    from: node,
                    to: other,
                },
                Link {
                    from: other,
                    to: node,
                },
            ]
        })
        .collect()
}
