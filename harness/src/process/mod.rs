//! The environment of real processes: it starts a cluster, carries out what a runner decides, and tells it what
//! happens.
//!
//! One thread does all of it: it owns the runner, the clients' connections and the nodes' processes, and waits for
//! all of them in one poll. Only the links between nodes have their own thread ([`link`]), so that a busy client
//! does not hold up the protocol.

mod drive;
mod faults;
pub mod guard;
mod in_step;
pub mod link;
mod members;
mod nodes;
pub(crate) mod spawn;
mod sys;
mod watch;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token, Waker};
use perjury_nemesis::Node;
use perjury_systems::registry;
use perjury_workloads::Call;

use crate::environment::{ClusterConfig, StartError, Summary};
use crate::http::client::Connections;
use faults::Faults;
use guard::Guard;
use in_step::InStep;
use link::Links;
use nodes::{Heard, Nodes};
use watch::Watch;

const WAKER: Token = Token(0);

/// The tokens of clients' connections begin here; those of nodes are below.
const FIRST_CONNECTION: usize = 1 << 16;

/// More descriptors than this no run needs (and some systems refuse to grant "all").
const MAX_DESCRIPTORS: u64 = 1 << 16;

/// How long all nodes may take until they listen.
const START_LIMIT: Duration = Duration::from_secs(20);

/// How long nodes may take to write down their traces when it is over.
const STOP_LIMIT: Duration = Duration::from_millis(300);

/// What a request of this environment is for.
#[derive(Clone, Debug)]
enum Tag {
    /// A client's attempt.
    Attempt { id: u64, client: usize, call: Call },
    /// A look at a node's status page.
    Look { node: Node },
    /// A change of the members, for a fault.
    Member { fault: u32 },
    /// What an operator asks, without waiting for the answer.
    Operator,
}

/// A cluster of real processes. Dropping it kills them and removes their directories, also in a panic.
#[derive(Debug)]
pub struct ProcessEnvironment {
    poll: Poll,
    interrupter: Interrupter,
    connections: Connections<Tag>,
    links: Links,
    nodes: Nodes,
    watch: Watch,
    faults: Faults,
    guard: Option<Guard>,
    data: Option<PathBuf>,
    keep_data: bool,
    in_step: Option<InStep>,
}

/// Interrupts a run from another thread, such as one that waits for Ctrl-C.
#[derive(Clone, Debug)]
pub struct Interrupter {
    flag: Arc<AtomicBool>,
    waker: Arc<Waker>,
}

impl Interrupter {
    /// Asks the runner to heal, stop, and check what there is.
    pub fn interrupt(&self) {
        self.flag.store(true, Ordering::Release);
        // It fails only if nobody waits any more.
        let _ = self.waker.wake();
    }

    fn take(&self) -> bool {
        self.flag.swap(false, Ordering::AcqRel)
    }
}

impl ProcessEnvironment {
    /// Starts all nodes and waits until they listen.
    ///
    /// # Errors
    /// If the machine does not give what is needed, or a node does not come up: nothing is left running then.
    pub fn start(mut config: ClusterConfig) -> Result<Self, StartError> {
        let cannot = |what: &str, error: std::io::Error| StartError(format!("{what}: {error}"));
        config.validate().map_err(|error| StartError(error.0))?;
        raise_descriptor_limit();
        let all: Vec<Node> = (1..=config.nodes).map(Node).collect();
        let poll = Poll::new().map_err(|error| cannot("cannot wait for events", error))?;
        let waker =
            Waker::new(poll.registry(), WAKER).map_err(|error| cannot("cannot wait for events", error))?;
        let registry = poll
            .registry()
            .try_clone()
            .map_err(|error| cannot("cannot wait for events", error))?;
        let mut guard = Guard::start(config.program.as_deref())
            .map_err(|error| cannot("cannot start the guard", error))?;
        let root = config.data.clone().unwrap_or_else(std::env::temp_dir);
        let data = tempfile::Builder::new()
            .prefix("perjury-")
            .tempdir_in(&root)
            .map_err(|error| cannot(&format!("cannot make a directory in {}", root.display()), error))?
            .keep();
        if !config.keep_data {
            guard.remove(&data);
        }
        let kinds = config
            .messages
            .then(|| crate::node::message_kinds(&config.system));
        let leaderless = registry::system(&config.system).is_some_and(|system| system.leaderless);
        let in_step = config
            .score
            .take()
            .map(|score| InStep::new(score, crate::node::message_kinds(&config.system)));
        let holding = in_step.as_ref().map(|in_step| &in_step.holding);
        let links = Links::start(&all, config.seed, kinds, holding)
            .map_err(|error| cannot("cannot start the links", error))?;
        let folder = config.folder.display().to_string();
        let keep_data = config.keep_data;
        let nodes = Nodes::new(config, data.clone(), &links).map_err(|error| cannot(&folder, error))?;
        let mut environment = ProcessEnvironment {
            poll,
            interrupter: Interrupter {
                flag: Arc::default(),
                waker: Arc::new(waker),
            },
            connections: Connections::new(registry, FIRST_CONNECTION),
            links,
            nodes,
            watch: Watch::new(&all, leaderless),
            faults: Faults::default(),
            guard: Some(guard),
            data: Some(data),
            keep_data,
            in_step,
        };
        if environment.in_step.is_some() {
            // Its nodes start when it is their turn.
            return Ok(environment);
        }
        for node in all {
            environment
                .start_node(node)
                .map_err(|error| StartError(format!("cannot start {node}: {error}")))?;
        }
        environment.await_all_ready()?;
        Ok(environment)
    }

    /// When a run that is led in step began, since the Unix epoch.
    pub fn began(&self) -> Option<Duration> {
        self.in_step.as_ref().map(|in_step| in_step.began)
    }

    /// Where the nodes serve clients.
    pub fn addresses(&self) -> Vec<(Node, SocketAddr)> {
        self.nodes
            .all()
            .into_iter()
            .filter_map(|node| Some((node, self.nodes.http(node)?)))
            .collect()
    }

    /// The nodes' data directories are in here while it lasts.
    pub fn data(&self) -> Option<&std::path::Path> {
        self.data.as_deref()
    }

    /// A handle that interrupts the run.
    pub fn interrupter(&self) -> Interrupter {
        self.interrupter.clone()
    }

    fn start_node(&mut self, node: Node) -> std::io::Result<()> {
        match &mut self.guard {
            Some(guard) => self.nodes.start(node, self.poll.registry(), guard),
            None => Err(std::io::Error::other("the environment has stopped")),
        }
    }

    fn await_all_ready(&mut self) -> Result<(), StartError> {
        let deadline = Instant::now() + START_LIMIT;
        let mut events = Events::with_capacity(64);
        let mut waiting = self.nodes.all();
        while let Some(&first) = waiting.first() {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                let words = self.nodes.last_words(first);
                return Err(StartError(format!(
                    "{first} does not listen after {} s; its last lines:\n{words}",
                    START_LIMIT.as_secs()
                )));
            };
            self.wait(&mut events, Some(left))
                .map_err(|error| StartError(format!("cannot wait: {error}")))?;
            for event in &events {
                for (node, heard) in self.hear(event.token()) {
                    match heard {
                        Heard::Ready => waiting.retain(|other| *other != node),
                        Heard::Exited { reason, .. } => {
                            return Err(StartError(format!("{node} did not start: it {reason}")));
                        }
                        Heard::Slowed | Heard::Crashing { .. } | Heard::Turned { .. } => {}
                    }
                }
            }
        }
        Ok(())
    }

    fn wait(&mut self, events: &mut Events, limit: Option<Duration>) -> std::io::Result<()> {
        match self.poll.poll(events, limit) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {
                events.clear();
                Ok(())
            }
            other => other,
        }
    }

    /// What the node with this token says, if it is a node's.
    fn hear(&mut self, token: Token) -> Vec<(Node, Heard)> {
        let (Some(node), Some(guard)) = (self.nodes.of_token(token), &mut self.guard) else {
            return Vec::new();
        };
        self.nodes
            .listen(node, &self.links, guard)
            .into_iter()
            .map(|heard| (node, heard))
            .collect()
    }

    /// Lets a directory go when this process does, however it dies; whoever made it removes it otherwise.
    pub fn remove_with_us(&mut self, directory: &std::path::Path) {
        if let Some(guard) = &mut self.guard {
            guard.remove(directory);
        }
    }

    /// Stops everything and says what there is to say.
    pub fn stop(self) -> Summary {
        self.stop_since(Instant::now())
    }

    /// The same, of a run that began at `begin`.
    fn stop_since(mut self, begin: Instant) -> Summary {
        self.last_look();
        for node in self.nodes.up() {
            self.nodes.ask_to_stop(node);
        }
        let deadline = Instant::now() + STOP_LIMIT;
        let mut events = Events::with_capacity(64);
        while !self.nodes.up().is_empty()
            && let Some(left) = deadline.checked_duration_since(Instant::now())
            && self.wait(&mut events, Some(left)).is_ok()
        {
            for event in &events {
                self.hear(event.token());
            }
        }
        let mut summary = Summary {
            links: self.links.traffic(),
            restarts: self.nodes.restarts(),
            messages: self.links.messages(begin),
            ..Summary::default()
        };
        for counts in self.watch.mutant_counts() {
            summary.count(counts);
        }
        summary
    }

    /// Looks at all status pages once more, so that the summary is as late as can be.
    fn last_look(&mut self) {
        let now = Instant::now();
        let mut events = Events::with_capacity(256);
        self.watch.look_now(now, &self.nodes, &mut self.connections);
        while self.watch.looking()
            && let Some(deadline) = self.connections.next_deadline()
            && let Some(left) = (deadline + Duration::from_millis(1)).checked_duration_since(Instant::now())
            && self.wait(&mut events, Some(left)).is_ok()
        {
            for event in &events {
                self.connections.ready(event);
            }
            self.connections.expire(Instant::now());
            for ended in self.connections.ended() {
                if let Tag::Look { node } = ended.tag {
                    self.watch.looked(node, &ended.end, Instant::now());
                }
            }
        }
    }
}

/// Every client may have a connection to every node: asks for as many descriptors as this user may have.
fn raise_descriptor_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // If it is not granted, connections beyond the limit fail, and say so.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, most.min(MAX_DESCRIPTORS), most);
    }
}

impl Drop for ProcessEnvironment {
    fn drop(&mut self) {
        let Some(mut guard) = self.guard.take() else {
            return;
        };
        self.nodes.kill_all(&mut guard);
        if let Some(data) = self.data.take()
            && !self.keep_data
        {
            // The guard tries again if this fails, and both are in the machine's temporary directory.
            let _ = std::fs::remove_dir_all(data);
        }
        guard.dismiss();
    }
}
