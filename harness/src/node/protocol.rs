//! The protocol's loop: mailbox in, one turn of the driver, effects out.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use perjury_systems::api::{Failure, Request, Response};
use perjury_systems::context::Output;
use perjury_systems::driver::{Clocks, Driver};
use perjury_systems::replica::{Event, MutantCounts, NodeId, Replica, RequestId, Status};
use rand_chacha::ChaCha8Rng;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use super::channel::{Arrival, Channel};
use super::clock::NodeClock;
use super::config::{Command, NodeConfig, Report};
use super::disk::{Disk, DiskEvent};
use super::in_step::InStep;
use super::peers::{self, Frame, Peers};
use super::trace::TraceFile;
use super::{EXIT_CORRUPT, EXIT_DISK, EXIT_START, fail, log, storage};
use crate::http::server::{self, Ask};

/// What one turn takes from the mailbox at most, so that timers are not kept waiting.
const MAILS_PER_TURN: usize = 256;

/// A request that the replica has not answered by then is answered with "unknown".
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// How often requests that waited too long, or whose client is gone, are looked for.
const SWEEP: Duration = Duration::from_secs(1);

/// What `GET /status` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusPage {
    /// The system's name.
    pub system: String,
    /// What the replica says of itself.
    #[serde(flatten)]
    pub status: Status,
    /// How many times the node was started before.
    pub incarnation: u64,
    /// The last durable position of its log.
    pub durable: u64,
    /// Sends and replies that wait for the disk.
    pub gated: usize,
    /// How far the node's wall clock is ahead of the machine's, in milliseconds: it is bent.
    pub wall_ahead_ms: i64,
    /// What became of the planted mistake, if there is one.
    pub mutant: MutantCounts,
}

/// What the protocol is told.
pub(super) enum Mail<R: Replica> {
    Frame(Frame<R::Message>),
    Ask(Ask),
    Disk(DiskEvent),
    Command(Command),
}

/// Runs a node of system `R` until it is killed.
pub(super) fn run<R: Replica>(config: NodeConfig) -> ExitCode {
    if let Err(error) = R::validate(&config.cluster) {
        return fail(EXIT_START, &error.0);
    }
    let careless = R::starts_from_damaged_log(&config.cluster);
    let opened = match storage::open::<R::Record>(&config.data, careless) {
        Ok(opened) => opened,
        Err(error @ storage::OpenError::Corrupt { .. }) => return fail(EXIT_CORRUPT, &error.to_string()),
        Err(error) => return fail(EXIT_START, &error.to_string()),
    };
    log(&format!(
        "{} starts, incarnation {}: {} records up to position {}, snapshot at {}, {} torn bytes cut off",
        config.me,
        config.incarnation,
        opened.durable.records.len(),
        opened.durable.end.0,
        opened.durable.snapshot.as_ref().map_or(0, |(lsn, _)| lsn.0),
        opened.torn_bytes,
    ));
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(EXIT_START, &format!("cannot start: {error}")),
    };
    match runtime.block_on(serve::<R>(config, opened)) {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, message)) => fail(code, &message),
    }
}

/// A stream of this incarnation's own, as the simulator names it; `purpose` keeps streams apart.
fn stream(config: &NodeConfig, purpose: &str) -> ChaCha8Rng {
    perjury_nemesis::stream(
        config.seed,
        &format!("{purpose}/{}/{}", config.me.0, config.incarnation),
    )
}

async fn serve<R: Replica>(
    config: NodeConfig,
    opened: storage::Opened<R::Record>,
) -> Result<(), (u8, String)> {
    let cannot = |what: &'static str| move |error: std::io::Error| (EXIT_START, format!("{what}: {error}"));
    let (post, inbox) = mpsc::unbounded_channel::<Mail<R>>();

    let tell_disk = post.clone();
    let disk = Disk::start(opened.store, config.disk, stream(&config, "disk"), move |event| {
        let _ = tell_disk.send(Mail::Disk(event));
    })
    .map_err(cannot("cannot start the disk's thread"))?;

    let for_peers = TcpListener::bind(("127.0.0.1", 0))
        .await
        .map_err(cannot("cannot listen for nodes"))?;
    let for_clients = TcpListener::bind(("127.0.0.1", 0))
        .await
        .map_err(cannot("cannot listen for clients"))?;
    let report = Report::Ready {
        http: for_clients.local_addr().map_err(cannot("no address"))?.port(),
        peers: for_peers.local_addr().map_err(cannot("no address"))?.port(),
    };
    let tell = post.clone();
    tokio::spawn(peers::listen(for_peers, move |frame: Frame<R::Message>| {
        tell.send(Mail::Frame(frame)).is_ok()
    }));
    let ask = post.clone();
    tokio::spawn(server::serve(
        for_clients,
        config.me,
        Arc::new(move |question| {
            let _ = ask.send(Mail::Ask(question));
        }),
    ));
    let obey = post.clone();
    std::thread::Builder::new()
        .name("control".into())
        .spawn(move || listen_to_control(&|command| drop(obey.send(Mail::Command(command)))))
        .map_err(cannot("cannot start the control's thread"))?;

    let trace = config
        .trace
        .as_deref()
        .map(TraceFile::open)
        .transpose()
        .map_err(cannot("the trace file"))?;
    let started = Instant::now();
    // The zero of a monotonic clock is arbitrary: a protocol that compares it between incarnations shall be caught.
    let zero = Duration::from_secs(1_000 * (config.incarnation + 1));
    let clock = NodeClock::new(Duration::ZERO, zero, config.clock);
    let clocks = match &config.in_step {
        Some(turn) => (turn.clocks.monotonic, turn.clocks.wall),
        None => (
            clock.monotonic(Duration::ZERO),
            clock.wall(Duration::ZERO, machine_wall()),
        ),
    };
    let mut out = Vec::new();
    let rng = stream(&config, "node");
    let driver = Driver::<R>::recover(&config.cluster, config.me, opened.durable, rng, clocks, &mut out);
    let peers = Peers::start(config.me, &config.peers);
    report.say();
    if let Some(starts) = config.in_step {
        let parts = (peers, disk, trace);
        let mut node = InStep::new(driver, out, parts, config.incarnation);
        return node.run(starts, inbox).await;
    }
    let channels = config.peers.keys().filter(|_| R::FIFO);
    let channels = channels.map(|peer| (*peer, Channel::new(config.incarnation)));
    let mut node = Protocol {
        channels: channels.collect(),
        driver,
        clock,
        started,
        out,
        peers,
        disk,
        trace,
        waiting: FxHashMap::default(),
        next_request: 0,
        swept: started,
        incarnation: config.incarnation,
        ended_at_damage: opened.ended_at_damage,
    };
    node.carry_out()?;
    node.run(inbox).await
}

fn machine_wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Reads commands until the input ends: then the control node is gone, and so is this process.
fn listen_to_control(obey: &dyn Fn(Command)) {
    for line in std::io::stdin().lines() {
        let Ok(line) = line else { break };
        match serde_json::from_str(&line) {
            Ok(command) => obey(command),
            Err(error) => log(&format!("a command that makes no sense: {error}: {line}")),
        }
    }
    std::process::exit(0);
}

/// What a node shows of itself.
pub(super) fn status_page<R: Replica>(
    driver: &Driver<R>,
    incarnation: u64,
    wall_ahead_ms: i64,
) -> StatusPage {
    StatusPage {
        system: R::NAME.to_owned(),
        status: driver.replica().status(),
        incarnation,
        durable: driver.durable_until().0,
        gated: driver.gated(),
        wall_ahead_ms,
        mutant: driver.replica().mutant_counts(),
    }
}

struct Protocol<R: Replica> {
    driver: Driver<R>,
    clock: NodeClock,
    started: Instant,
    out: Vec<Output<R>>,
    peers: Peers,
    /// For a system that needs them.
    channels: BTreeMap<NodeId, Channel<R::Message>>,
    disk: Disk,
    trace: Option<TraceFile>,
    waiting: FxHashMap<u64, (oneshot::Sender<Response>, Instant)>,
    next_request: u64,
    swept: Instant,
    incarnation: u64,
    /// It started from a damaged log, by a planted mistake.
    ended_at_damage: bool,
}

impl<R: Replica> Protocol<R> {
    async fn run(&mut self, mut inbox: mpsc::UnboundedReceiver<Mail<R>>) -> Result<(), (u8, String)> {
        let mut mails = Vec::with_capacity(MAILS_PER_TURN);
        loop {
            let real = self.started.elapsed();
            let wait = self
                .driver
                .next_timer()
                .map_or(SWEEP, |due| self.clock.until(real, due).min(SWEEP));
            if !wait.is_zero() {
                // A time-out is as good as a mail: the timers are looked at below.
                let _ = tokio::time::timeout(wait, inbox.recv_many(&mut mails, MAILS_PER_TURN)).await;
            }
            for mail in mails.drain(..) {
                match mail {
                    Mail::Frame(frame) => self.receive(frame),
                    Mail::Ask(Ask::Request { request, answer }) => self.request(request, answer),
                    Mail::Ask(Ask::Status { answer }) => drop(answer.send(self.status())),
                    Mail::Disk(DiskEvent::Durable { lsn, idle }) => {
                        if idle {
                            self.disk.idle();
                        }
                        let clocks = self.clocks();
                        self.driver.durable(lsn, clocks, &mut self.out);
                    }
                    Mail::Disk(DiskEvent::Failed(error)) => {
                        return Err((EXIT_DISK, format!("the disk failed, so this node stops: {error}")));
                    }
                    Mail::Command(Command::Clock(bends)) => self.clock.bend(self.started.elapsed(), bends),
                    Mail::Command(Command::Disk(ailment)) => self.disk.ail(ailment),
                    Mail::Command(Command::Crash(tail)) => self.disk.crash(tail),
                    Mail::Command(Command::Turn(_)) => log("a node that goes its own way takes no turns"),
                    Mail::Command(Command::Stop) => return self.carry_out(),
                }
            }
            let clocks = self.clocks();
            self.driver.fire(clocks, &mut self.out);
            self.carry_out()?;
            if self.swept.elapsed() >= SWEEP {
                self.sweep();
            }
        }
    }

    fn clocks(&self) -> Clocks {
        let real = self.started.elapsed();
        (self.clock.monotonic(real), self.clock.wall(real, machine_wall()))
    }

    fn step(&mut self, event: Event<R>) {
        let clocks = self.clocks();
        self.driver.step(event, clocks, &mut self.out);
    }

    /// A frame arrives: one of a channel when all before it have.
    fn receive(&mut self, frame: Frame<R::Message>) {
        let Frame { from, message, stamp } = frame;
        let (Some(channel), Some(stamp)) = (self.channels.get_mut(&from), stamp) else {
            if let Some(message) = message.filter(|_| !R::FIFO) {
                self.step(Event::Message { from, message });
            }
            return;
        };
        let mut arrivals = Vec::new();
        if channel.take(stamp, message, self.started.elapsed(), &mut arrivals) {
            self.peers.greet(from, channel.greeting());
        }
        for arrival in arrivals {
            match arrival {
                Arrival::Message(message) => self.step(Event::Message { from, message }),
                Arrival::Broken => {
                    // What it has sent until now is lost with the connection.
                    self.out
                        .retain(|output| !matches!(output, Output::Send { to, .. } if *to == from));
                    let clocks = self.clocks();
                    self.driver.disconnected(from, clocks, &mut self.out);
                }
            }
        }
    }

    fn request(&mut self, request: Request, answer: oneshot::Sender<Response>) {
        let id = self.next_request;
        self.next_request += 1;
        self.waiting.insert(id, (answer, Instant::now()));
        self.step(Event::Request {
            id: RequestId(id),
            request,
        });
    }

    fn status(&self) -> StatusPage {
        let machine = machine_wall();
        let shown = self.clock.wall(self.started.elapsed(), machine);
        let ahead_ms = shown.as_millis() as i64 - machine.as_millis() as i64;
        let mut page = status_page(&self.driver, self.incarnation, ahead_ms);
        // The replica cannot count this: there was none yet.
        page.mutant.reached += u64::from(self.ended_at_damage);
        page.mutant.differed += u64::from(self.ended_at_damage);
        page
    }

    fn carry_out(&mut self) -> Result<(), (u8, String)> {
        if self.out.is_empty() {
            // The disk may have become free for what was written while it was busy.
            self.disk.flush();
            return Ok(());
        }
        if let Some(trace) = &mut self.trace {
            let at = machine_wall();
            for output in &self.out {
                if let Output::Trace(what) = output {
                    trace.record(at, what);
                }
            }
            trace
                .flush()
                .map_err(|error| (EXIT_DISK, format!("cannot write the trace: {error}")))?;
        }
        for output in self.out.drain(..) {
            match output {
                Output::Write { lsn, what } => self.disk.write::<R>(lsn, what),
                Output::Release(before) => self.disk.release(before),
                Output::Send { to, message } => {
                    let stamp = self.channels.get_mut(&to).map(Channel::stamp);
                    self.peers.send(to, &message, stamp);
                }
                Output::Reply { id, response } => {
                    if let Some((answer, _)) = self.waiting.remove(&id.0) {
                        // The client may have gone.
                        let _ = answer.send(response);
                    }
                }
                Output::Trace(_) => {}
            }
        }
        self.disk.flush();
        self.peers.flush();
        Ok(())
    }

    /// Forgets requests whose clients are gone, and answers those that waited too long.
    fn sweep(&mut self) {
        self.swept = Instant::now();
        let now = self.swept;
        let old: Vec<u64> = self
            .waiting
            .iter()
            .filter(|(_, (answer, since))| answer.is_closed() || now - *since > LONGEST_WAIT)
            .map(|(id, _)| *id)
            .collect();
        let Status { node, term, .. } = self.driver.replica().status();
        for id in old {
            if let Some((answer, _)) = self.waiting.remove(&id) {
                let reason = format!("no answer within {} s", LONGEST_WAIT.as_secs());
                let _ = answer.send(Response {
                    node,
                    term,
                    position: 0,
                    result: Err(Failure::Indefinite { reason }),
                    quorum: None,
                });
            }
        }
    }
}
