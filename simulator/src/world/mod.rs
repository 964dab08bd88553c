//! A cluster in virtual time.
//!
//! The `World` knows machines, disks, clocks and the network, and nothing of clients, workloads or verdicts. It
//! moves from event to event; between two events no time passes and nothing happens, so an idle cluster costs nothing.
//! Everything that it draws comes from streams named after what draws (`network`, `machine/2`, `node/2/0`).

mod agenda;
mod chance;
mod clock;
mod digest;
mod disk;
mod events;
mod machines;
mod messages;
mod network;
mod node;
mod play;
mod scheduler;
mod slots;
mod steps;
mod transcript;
mod triggers;
mod variant;
pub(crate) mod watch;
mod weather;

use perjury_nemesis::{Link, Node, Packets, stream};
use perjury_systems::api::Request;
use perjury_systems::breach::Breach;
use perjury_systems::context::Output;
use perjury_systems::driver::Driver;
use perjury_systems::marks::Marks;
use perjury_systems::replica::{Cluster, Event, MutantCounts, NodeId, Replica};
use rand_chacha::ChaCha8Rng;

use crate::score::{Score, What};
use crate::script::Script;
use agenda::Agenda;
pub(crate) use chance::{MILLION, below, between, exponential, exponential_of, happens, heavy_tailed, mixed};
use clock::Clock;
pub(crate) use digest::Rolling;
use events::Planned;
pub(crate) use events::{Happened, Note};
pub(crate) use messages::Post;
use network::Network;
pub(crate) use network::usual_delay;
use node::Machine;
pub(crate) use play::Play;
pub use play::{Played, Recording};
pub use scheduler::Scheduler;
use slots::Slots;
pub(crate) use transcript::Transcript;
pub use transcript::{Line, Topic};
use triggers::Armed;
pub use triggers::{On, Strike, Trigger};
pub(crate) use variant::variant;
pub use watch::{Invariants, Unwatched};
pub use weather::Weather;

pub(crate) const MILLISECOND: u64 = 1_000_000;
const MICROSECOND: u64 = 1_000;

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
    /// What it is in peace.
    calmed: Weather,
    calm: bool,
    agenda: Agenda<Planned<A>>,
    machines: Vec<Machine<R>>,
    /// What came for a node while it was frozen.
    held: Vec<Vec<Planned<A>>>,
    network: Network,
    /// The messages under way.
    letters: Slots<R::Message>,
    rng: ChaCha8Rng,
    out: Vec<Output<R>>,
    triggers: Vec<Armed>,
    /// Triggers whose time has not come, the next one last; and those that may strike, in order.
    sleeping: Vec<usize>,
    watching: Vec<usize>,
    /// What any trigger waited for since it could strike, each once.
    watched: Vec<On>,
    /// Since the world was last asked.
    pub(crate) notes: Vec<Note>,
    /// What the node that stepped recorded, in this event.
    pub(crate) traces: Vec<R::Trace>,
    watch: Box<dyn Invariants<R>>,
    /// The first invariant that was found broken.
    pub(crate) breach: Option<Breach>,
    /// Whether the cluster claims to survive that a node loses what its disk held: no other cluster loses any.
    pub(crate) survives_a_lost_disk: bool,
    /// Whether who leads or who is up changed, until somebody takes note.
    pub(crate) view_changed: bool,
    /// Of everything that happened.
    pub(crate) hash: Rolling,
    /// How many events there were.
    pub(crate) events: u64,
    /// The events to be described in full, and their descriptions.
    pub(crate) transcript: Option<Transcript>,
    /// The messages between nodes, if somebody wants them.
    pub(crate) post: Option<Box<Post>>,
    /// The script that says which messages arrive and whose timers go off, if there is one.
    pub(crate) play: Option<Play>,
    /// What a script could be made of, if somebody wants it.
    pub(crate) recording: Option<Recording>,
    /// What processes can be led through, if somebody wants to.
    pub(crate) score: Option<Score>,
    /// How many messages reached a process.
    pub(crate) delivered: u64,
}

impl<R: Replica, A> World<R, A> {
    /// A cluster with all nodes down. `cluster` has passed [`Replica::validate`], and its nodes are 1, 2, ….
    pub(crate) fn new(cluster: Cluster, weather: Weather, seed: u64, watch: Box<dyn Invariants<R>>) -> Self {
        let count = cluster.nodes.len();
        let machines = (1..=count)
            .map(|number| {
                let mut own = stream(seed, &format!("machine/{number}"));
                let off = |rng: &mut ChaCha8Rng, most: u32| {
                    below(rng, 2 * u64::from(most) + 1) as i64 - i64::from(most)
                };
                // Most of the clocks are as fast or slow as they may be: there a missing margin shows.
                let most = weather.drift_ppm.min(500_000);
                let ppm = off(&mut own, 8 * most).clamp(-i64::from(most), i64::from(most));
                let ahead_ms = off(&mut own, weather.offset_ms);
                let segment = 1 << below(&mut own, 8);
                Machine::new(Clock::new(ppm, ahead_ms), segment, own)
            })
            .collect();
        World {
            now: 0,
            seed,
            weather,
            calmed: weather.calmed(),
            calm: true,
            agenda: Agenda::default(),
            machines,
            held: (0..count).map(|_| Vec::new()).collect(),
            network: Network::new(count, weather, R::FIFO || weather.connections, seed),
            letters: Slots::default(),
            out: Vec::new(),
            triggers: Vec::new(),
            sleeping: Vec::new(),
            watching: Vec::new(),
            watched: Vec::new(),
            notes: Vec::new(),
            traces: Vec::new(),
            watch,
            breach: None,
            survives_a_lost_disk: true,
            view_changed: false,
            hash: Rolling::default(),
            events: 0,
            transcript: None,
            post: None,
            play: None,
            recording: None,
            score: None,
            delivered: 0,
            cluster,
            rng: stream(seed, "world"),
        }
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

    /// Who claims to lead in the highest term in which somebody does; frozen nodes claim nothing.
    pub(crate) fn leader(&self) -> Option<(Node, u64)> {
        let claims = self
            .nodes()
            .zip(&self.machines)
            .filter(|(_, machine)| !machine.paused)
            .filter_map(|(node, machine)| Some((node, machine.claim?)));
        claims.max_by_key(|(_, term)| *term)
    }

    /// Everybody who claims to lead, in whatever term.
    pub(crate) fn claimants(&self) -> Vec<Node> {
        let claims = self
            .nodes()
            .zip(&self.machines)
            .filter(|(_, machine)| machine.claim.is_some());
        claims.map(|(node, _)| node).collect()
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

    /// The marks that were reached, over all nodes and incarnations.
    pub(crate) fn marks(&self) -> Marks {
        let reached = self.machines.iter().map(Machine::marks);
        reached.fold(Marks::default(), Marks::and)
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
                request: Box::new(request),
            },
        );
    }

    /// From now on the weather is as bad as it is. Until then a cluster may find its first leader in peace.
    pub(crate) fn storm(&mut self) {
        self.calm = false;
        self.network.calm = false;
        if self.weather.clog_every_ms > 0 {
            self.clog();
        }
    }

    /// The weather is fair from now on, no trigger strikes any more, and what triggers broke is healed.
    pub(crate) fn calm(&mut self) {
        self.calm = true;
        self.network.calm_down();
        self.sleeping.clear();
        self.watching.clear();
        for trigger in 0..self.triggers.len() {
            let armed = &mut self.triggers[trigger];
            armed.struck = true;
            if let Some(node) = armed.struck_node {
                self.unstrike(trigger, node);
            }
        }
    }

    /// Everything is drawn anew from now on.
    pub(crate) fn reseed(&mut self, seed: u64) {
        self.seed = seed;
        self.rng = stream(seed, "world");
        self.network.reseed(seed);
        for (number, machine) in (1..).zip(&mut self.machines) {
            machine.rng = stream(seed, &format!("machine/{number}"));
            let incarnation = machine.incarnation;
            if let Some(driver) = &mut machine.driver {
                driver.reseed(stream(seed, &format!("node/{number}/{incarnation}/anew")));
            }
        }
    }

    /// Follows a script from now on.
    pub(crate) fn follow(&mut self, script: &Script) {
        self.play = Some(Play::new(script, self.machines.len()));
        for (timer, firing) in script.timers.iter().enumerate() {
            let node = firing.node.0 - 1;
            // A timer that is due goes off a nanosecond after it may.
            let at = self.now + firing.at_ns.saturating_sub(1);
            self.agenda.plan(at, Planned::Permit { timer, node });
        }
        for mishap in &script.mishaps {
            let (node, what) = (mishap.node.0 - 1, mishap.what);
            let at = self.now + mishap.at_ns;
            self.agenda.plan(at, Planned::Befall { node, what });
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
        if let Some(node) = planned.concerns() {
            if self.machines[usize::from(node)].paused {
                self.held[usize::from(node)].push(planned);
                return Some(Happened::Nothing);
            }
            self.hash.word(u64::from(node));
        }
        Some(match planned {
            Planned::Deliver {
                from,
                to,
                life,
                nth,
                letter,
            } => self.deliver((from, to), (life, nth), letter),
            Planned::Look { node } => self.look_at_timers(usize::from(node)),
            Planned::Disconnected { node, peer } => self.disconnected(usize::from(node), usize::from(peer)),
            Planned::Synced {
                node,
                incarnation,
                lsn,
            } => self.synced(usize::from(node), incarnation, lsn),
            Planned::Ask {
                node,
                ticket,
                request,
            } => self.asked(usize::from(node), ticket, *request),
            Planned::Boot { node, incarnation } => self.boot(usize::from(node), incarnation),
            Planned::Clog => {
                self.clog();
                Happened::Nothing
            }
            Planned::Unstrike { trigger, node } => {
                self.unstrike(trigger, Node(node + 1));
                Happened::Nothing
            }
            Planned::Permit { timer, node } => {
                let place = usize::from(node);
                if let Some(play) = &mut self.play {
                    play.permit(place, timer);
                }
                self.plan_look(place);
                Happened::Nothing
            }
            Planned::Befall { node, what } => self.befall(usize::from(node), what),
            Planned::Alarm(alarm) => Happened::Alarm(alarm),
        })
    }

    fn deliver(&mut self, (from, to): (u16, u16), (life, nth): (u32, u32), letter: u32) -> Happened<A> {
        let Some(message) = self.letters.take(letter) else {
            return Happened::Nothing;
        };
        let place = usize::from(to);
        let machine = &self.machines[place];
        let same = machine.incarnation == life || !self.network.connected;
        let listens = machine.driver.is_some() && same;
        if let Some(post) = &mut self.post {
            post.arrived(self.now, from, to, listens);
        }
        if !listens {
            if self.network.connected {
                self.disconnect(usize::from(from), place);
            }
            return Happened::Nothing;
        }
        self.delivered += 1;
        if let Some(play) = &mut self.play {
            play.arrived(self.now, usize::from(from), place, variant(&message));
        }
        let from = NodeId(from + 1);
        self.describe(place, Topic::Message, |_| {
            format!("receives from {from}: {message:?}")
        });
        if self.score.is_some() {
            let (from, name) = (Node(from.0), variant(&message));
            self.cue(place, What::Message { from, name, nth });
        }
        self.step(place, |driver, clocks, out| {
            driver.step(Event::Message { from, message }, clocks, out);
        })
    }

    fn clog(&mut self) {
        if self.calm {
            return;
        }
        self.network.clog(self.now);
        let wait = exponential(&mut self.rng, u64::from(self.weather.clog_every_ms) * MILLISECOND);
        self.agenda.plan(self.now + wait, Planned::Clog);
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

    /// Describes what a node does in this event, if that is wanted.
    #[inline]
    fn describe(&mut self, place: usize, topic: Topic, text: impl FnOnce(&Self) -> String) {
        if self.transcript.is_some() {
            self.take_down(place, topic, text);
        }
    }

    /// Hardly anybody wants it, so that it is kept out of the way of what every event runs through.
    #[cold]
    #[inline(never)]
    fn take_down(&mut self, place: usize, topic: Topic, text: impl FnOnce(&Self) -> String) {
        let wanted = |transcript: &Transcript| (transcript.from..transcript.to).contains(&self.events);
        if !self.transcript.as_ref().is_some_and(wanted) {
            return;
        }
        let line = Line {
            event: self.events,
            at_ns: self.now,
            node: Node(place as u16 + 1),
            topic,
            text: text(self),
        };
        if let Some(transcript) = &mut self.transcript {
            transcript.lines.push(line);
        }
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
