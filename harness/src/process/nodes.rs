//! The nodes' processes: starting, freezing, killing, and hearing from them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ExitStatus, Stdio};

use mio::unix::pipe;
use mio::{Interest, Registry, Token};
use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use perjury_nemesis::{Bend, Node, kinds};
use perjury_systems::registry;
use perjury_systems::replica::NodeId;

use super::guard::Guard;
use super::link::Links;
use super::spawn;
use crate::environment::ClusterConfig;
use crate::node::clock::{Bends, Strobe};
use crate::node::rot::{self, Flip};
use crate::node::{Ailment, Command, EXIT_CORRUPT, EXIT_DISK, NodeConfig, Report, Turn};
use crate::subprocess;

/// The tokens of the nodes' standard outputs begin here.
pub(super) const FIRST_TOKEN: usize = 1;

/// How much of a dead node's log is quoted.
const LAST_LINES: usize = 8;
const LAST_BYTES: u64 = 2048;

/// What was heard of a node.
#[derive(Debug)]
pub(super) enum Heard {
    /// It serves.
    Ready,
    /// It has taken its turn, as a node that is led in step.
    Turned { effect: u64, sent: u64, answered: u64 },
    /// An fsync of it took longer, as it was told to.
    Slowed,
    /// It is about to die as it was told to.
    Crashing { lost_records: u64, torn_bytes: u64 },
    /// Its process is gone.
    Exited { asked: bool, reason: String },
}

/// All nodes.
#[derive(Debug)]
pub(super) struct Nodes {
    config: ClusterConfig,
    data: PathBuf,
    slots: BTreeMap<Node, Slot>,
}

/// A node, running or not.
#[derive(Debug)]
struct Slot {
    running: Option<Running>,
    starts: u64,
    peers: BTreeMap<NodeId, SocketAddr>,
    /// The faults because of which it is down, frozen, or its clock wrong.
    downs: BTreeSet<u32>,
    pauses: BTreeSet<u32>,
    bends: BTreeMap<u32, Bend>,
    /// What is wrong with its disk, and what with its log.
    ailment: Ailment,
    flip: Option<Flip>,
    /// Its first turn, if it is led in step.
    first_turn: Option<Turn>,
}

/// A node's process.
#[derive(Debug)]
struct Running {
    child: Child,
    input: ChildStdin,
    output: pipe::Receiver,
    partial: Vec<u8>,
    http: Option<SocketAddr>,
    /// Whether its end was asked for.
    asked: bool,
}

impl Nodes {
    pub fn new(config: ClusterConfig, data: PathBuf, links: &Links) -> io::Result<Self> {
        std::fs::create_dir_all(&config.folder)?;
        let slots = (1..=config.nodes)
            .map(Node)
            .map(|node| {
                let peers = links
                    .addresses(node)
                    .into_iter()
                    .map(|(to, at)| (NodeId(to.0), at))
                    .collect();
                let slot = Slot {
                    running: None,
                    starts: 0,
                    peers,
                    downs: BTreeSet::new(),
                    pauses: BTreeSet::new(),
                    bends: BTreeMap::new(),
                    ailment: Ailment::default(),
                    flip: None,
                    first_turn: None,
                };
                (node, slot)
            })
            .collect();
        Ok(Nodes { config, data, slots })
    }

    /// All nodes, running or not.
    pub fn all(&self) -> Vec<Node> {
        self.slots.keys().copied().collect()
    }

    /// Those that are members from the start, if the system lets members go and come; nobody otherwise.
    pub fn members(&self) -> Vec<Node> {
        let system = registry::system(&self.config.system);
        if system.is_none_or(|system| system.cannot.contains(&kinds::MEMBERSHIP)) {
            return Vec::new();
        }
        let members = self.config.cluster().members;
        members.into_iter().map(|member| Node(member.0)).collect()
    }

    /// Those whose processes run, frozen or not.
    pub fn up(&self) -> Vec<Node> {
        self.slots
            .iter()
            .filter(|(_, slot)| slot.running.is_some())
            .map(|(node, _)| *node)
            .collect()
    }

    /// Where a node serves clients, if it does.
    pub fn http(&self, node: Node) -> Option<SocketAddr> {
        self.slots.get(&node)?.running.as_ref()?.http
    }

    /// How many times each node was started again.
    pub fn restarts(&self) -> BTreeMap<Node, u64> {
        self.slots
            .iter()
            .map(|(node, slot)| (*node, slot.starts.saturating_sub(1)))
            .collect()
    }

    fn log_path(&self, node: Node) -> PathBuf {
        self.config.folder.join(format!("{node}.log"))
    }

    /// Starts a node's process unless it runs.
    pub fn start(&mut self, node: Node, registry: &Registry, guard: &mut Guard) -> io::Result<()> {
        let log = self.log_path(node);
        let Some(slot) = self.slots.get_mut(&node) else {
            return Ok(());
        };
        if slot.running.is_some() {
            return Ok(());
        }
        let config = NodeConfig {
            system: self.config.system.clone(),
            me: NodeId(node.0),
            cluster: self.config.cluster(),
            seed: self.config.seed,
            incarnation: slot.starts,
            data: self.data.join(node.to_string()),
            trace: self
                .config
                .traces
                .then(|| self.config.folder.join(format!("{node}.trace.jsonl"))),
            peers: slot.peers.clone(),
            clock: combined(slot.bends.values()),
            disk: slot.ailment,
            in_step: slot.first_turn.take(),
        };
        let mut log = OpenOptions::new().create(true).append(true).open(log)?;
        writeln!(log, "---- start {} of {node} ----", slot.starts + 1)?;
        let mut command = spawn::this_program(self.config.program.as_deref())?;
        command.arg(subprocess::NODE).arg(node.to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let mut child = spawn::spawn(command)?;
        guard.watch(child.id());
        slot.starts += 1;
        let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("a node's process has no pipes"));
        };
        let mut line = serde_json::to_string(&config)?;
        line.push('\n');
        let mut output = pipe::Receiver::from(output);
        let wired = input
            .write_all(line.as_bytes())
            .and_then(|()| output.set_nonblocking(true))
            .and_then(|()| registry.register(&mut output, token(node), Interest::READABLE));
        slot.running = Some(Running {
            child,
            input,
            output,
            partial: Vec::new(),
            http: None,
            asked: false,
        });
        wired
    }

    /// Which node an event's token belongs to.
    pub fn of_token(&self, token: Token) -> Option<Node> {
        let node = Node(u16::try_from(token.0.checked_sub(FIRST_TOKEN)?).ok()?);
        self.slots.contains_key(&node).then_some(node)
    }

    /// Reads what a node says.
    pub fn listen(&mut self, node: Node, links: &Links, guard: &mut Guard) -> Vec<Heard> {
        let mut heard = Vec::new();
        let log = self.log_path(node);
        let Some(slot) = self.slots.get_mut(&node) else {
            return heard;
        };
        let Some(running) = &mut slot.running else {
            return heard;
        };
        let mut buffer = [0; 4096];
        let ended = loop {
            match running.output.read(&mut buffer) {
                Ok(0) => break true,
                Ok(count) => running.partial.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break true,
            }
        };
        while let Some(end) = running.partial.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = running.partial.drain(..=end).collect();
            match serde_json::from_slice(&line) {
                Ok(Report::Ready { http, peers }) => {
                    running.http = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, http)));
                    links.target(node, Some(SocketAddr::from((Ipv4Addr::LOCALHOST, peers))));
                    if !slot.pauses.is_empty() {
                        send_signal(running, Signal::SIGSTOP);
                    }
                    heard.push(Heard::Ready);
                }
                Ok(Report::Crashing {
                    lost_records,
                    torn_bytes,
                }) => {
                    heard.push(Heard::Crashing {
                        lost_records,
                        torn_bytes,
                    });
                }
                Ok(Report::Slowed) => heard.push(Heard::Slowed),
                Ok(Report::Turned {
                    effect,
                    sent,
                    answered,
                }) => heard.push(Heard::Turned {
                    effect,
                    sent,
                    answered,
                }),
                // A system under test may print what it likes.
                Err(_) => {}
            }
        }
        if ended && let Some(mut running) = slot.running.take() {
            links.target(node, None);
            // Its output has ended, so it has too; if it only closed it, it has no business living on.
            send_signal(&running, Signal::SIGKILL);
            let status = running.child.wait();
            guard.forget(running.child.id());
            let code = status.as_ref().ok().and_then(ExitStatus::code);
            // Its disk is such that it has to stop.
            let has_to = (slot.ailment.full && code == Some(EXIT_DISK.into()))
                || (slot.flip.is_some() && code == Some(EXIT_CORRUPT.into()));
            let reason = match status {
                Ok(status) => describe_exit(status, &log),
                Err(error) => format!("nobody knows how: {error}"),
            };
            heard.push(Heard::Exited {
                asked: running.asked || has_to,
                reason,
            });
        }
        heard
    }

    /// Notes that a fault keeps a node down; true if it runs.
    pub fn mark_down(&mut self, node: Node, fault: u32) -> bool {
        let Some(slot) = self.slots.get_mut(&node) else {
            return false;
        };
        slot.downs.insert(fault);
        slot.running.is_some()
    }

    /// Notes that a fault keeps a node down no longer; true if nothing does any more.
    pub fn unmark_down(&mut self, node: Node, fault: u32) -> bool {
        let Some(slot) = self.slots.get_mut(&node) else {
            return false;
        };
        slot.downs.remove(&fault);
        slot.downs.is_empty()
    }

    /// Kills a node's process; [`Heard::Exited`] follows.
    pub fn kill(&mut self, node: Node) {
        if let Some(running) = self.running(node) {
            running.asked = true;
            send_signal(running, Signal::SIGKILL);
        }
    }

    /// Tells a node to die in a moment; [`Heard::Crashing`] and [`Heard::Exited`] follow, unless it is frozen.
    pub fn crash(&mut self, node: Node, command: Command) {
        if let Some(running) = self.running(node) {
            running.asked = true;
            tell(running, command);
        }
    }

    /// Has a node start with this turn, and do nothing that it is not told.
    pub fn starts_in_step(&mut self, node: Node, turn: Turn) {
        if let Some(slot) = self.slots.get_mut(&node) {
            slot.first_turn = Some(turn);
        }
    }

    /// Tells a node what to do next; [`Heard::Turned`] follows.
    pub fn take_turn(&mut self, node: Node, turn: Turn) {
        if let Some(running) = self.running(node) {
            tell(running, Command::Turn(turn));
        }
    }

    /// Empties the disk of a node that does not run.
    pub fn wipe(&self, node: Node) -> io::Result<()> {
        std::fs::remove_dir_all(self.data.join(node.to_string()))
    }

    /// Tells a node to end by itself; [`Heard::Exited`] follows, unless it is frozen.
    pub fn ask_to_stop(&mut self, node: Node) {
        self.crash(node, Command::Stop);
    }

    /// Freezes a node's process; false if there is none.
    pub fn pause(&mut self, node: Node, fault: u32) -> bool {
        let Some(slot) = self.slots.get_mut(&node) else {
            return false;
        };
        slot.pauses.insert(fault);
        slot.running
            .as_ref()
            .is_some_and(|running| send_signal(running, Signal::SIGSTOP))
    }

    /// Lets a node's process go on, unless another fault keeps it frozen; false if the signal cannot be sent.
    pub fn resume(&mut self, node: Node, fault: u32) -> bool {
        let Some(slot) = self.slots.get_mut(&node) else {
            return false;
        };
        slot.pauses.remove(&fault);
        match &slot.running {
            Some(running) if slot.pauses.is_empty() => send_signal(running, Signal::SIGCONT),
            _ => true,
        }
    }

    /// Bends a node's clock, or (none) sets right what this fault bent; false if it has no process.
    pub fn bend(&mut self, node: Node, fault: u32, bend: Option<Bend>) -> bool {
        let Some(slot) = self.slots.get_mut(&node) else {
            return false;
        };
        match bend {
            Some(bend) => drop(slot.bends.insert(fault, bend)),
            None => drop(slot.bends.remove(&fault)),
        }
        let bends = combined(slot.bends.values());
        slot.running
            .as_mut()
            .is_some_and(|running| tell(running, Command::Clock(bends)))
    }

    /// This is wrong with a node's disk from now on.
    pub fn ail(&mut self, node: Node, ailment: Ailment) {
        let Some(slot) = self.slots.get_mut(&node) else {
            return;
        };
        slot.ailment = ailment;
        if let Some(running) = &mut slot.running {
            tell(running, Command::Disk(ailment));
        }
    }

    /// Flips a bit in the log of a node that does not run; false if there is none that it would have to notice.
    pub fn flip_bit(&mut self, node: Node) -> io::Result<bool> {
        let directory = self.data.join(node.to_string());
        let Some(slot) = self.slots.get_mut(&node) else {
            return Ok(false);
        };
        let name = format!("disk/{}/{}", node.0, slot.starts);
        slot.flip = rot::flip(&directory, &mut perjury_nemesis::stream(self.config.seed, &name))?;
        Ok(slot.flip.is_some())
    }

    /// Flips it back. A node that started all the same has cut it off.
    pub fn flip_back(&mut self, node: Node) -> io::Result<()> {
        match self.slots.get_mut(&node) {
            Some(slot) if slot.running.is_none() => slot.flip.take().map_or(Ok(()), Flip::undo),
            Some(slot) => {
                slot.flip = None;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn running(&mut self, node: Node) -> Option<&mut Running> {
        self.slots.get_mut(&node)?.running.as_mut()
    }

    /// Kills everything and waits for it.
    pub fn kill_all(&mut self, guard: &mut Guard) {
        for running in self.slots.values().filter_map(|slot| slot.running.as_ref()) {
            send_signal(running, Signal::SIGKILL);
        }
        for mut running in self.slots.values_mut().filter_map(|slot| slot.running.take()) {
            let _ = running.child.wait();
            guard.forget(running.child.id());
        }
    }

    /// The last lines of a node's log.
    pub fn last_words(&self, node: Node) -> String {
        last_lines(&self.log_path(node))
    }
}

fn token(node: Node) -> Token {
    Token(FIRST_TOKEN + usize::from(node.0))
}

fn send_signal(running: &Running, signal: Signal) -> bool {
    // The process is not reaped before its slot is emptied, so that its number still means it.
    i32::try_from(running.child.id()).is_ok_and(|pid| signal::kill(Pid::from_raw(pid), signal).is_ok())
}

fn tell(running: &mut Running, command: Command) -> bool {
    let Ok(mut line) = serde_json::to_string(&command) else {
        return false;
    };
    line.push('\n');
    // A process that just died will be heard of.
    running.input.write_all(line.as_bytes()).is_ok()
}

/// Several bends at once: offsets and rates add up, the last strobe counts.
fn combined<'a>(bends: impl Iterator<Item = &'a Bend>) -> Bends {
    bends.fold(Bends::default(), |mut all, bend| {
        match *bend {
            Bend::Jump { offset_ms } => all.offset_ms = all.offset_ms.saturating_add(offset_ms),
            Bend::Drift { rate_ppm } => all.rate_ppm = all.rate_ppm.saturating_add(rate_ppm),
            Bend::Strobe { offset_ms, every_ms } => all.strobe = Some(Strobe { offset_ms, every_ms }),
        }
        all
    })
}

fn describe_exit(status: ExitStatus, log: &Path) -> String {
    let how = match (status.code(), status.signal()) {
        (Some(code), _) if code == i32::from(EXIT_CORRUPT) => {
            format!("exited with code {code}: its log is damaged")
        }
        (Some(code), _) if code == i32::from(EXIT_DISK) => {
            format!("exited with code {code}: its disk failed")
        }
        (Some(101), _) => "panicked".to_owned(),
        (Some(code), _) => format!("exited with code {code}"),
        (None, Some(number)) => match Signal::try_from(number) {
            Ok(signal) => format!("was killed by {signal}"),
            Err(_) => format!("was killed by signal {number}"),
        },
        (None, None) => "ended".to_owned(),
    };
    let last = last_lines(log);
    if last.is_empty() {
        how
    } else {
        format!("{how}; its last lines:\n{last}")
    }
}

fn last_lines(log: &Path) -> String {
    let read = || -> io::Result<String> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LAST_BYTES)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = read().unwrap_or_default();
    let mut lines: Vec<&str> = text.lines().rev().take(LAST_LINES).collect();
    lines.reverse();
    lines.join("\n")
}
