//! Faults that strike at an event instead of at a time.

use std::fmt;

use perjury_nemesis::{Link, Node};
use perjury_systems::context::{Output, Written};
use perjury_systems::replica::Replica;
use serde::{Deserialize, Serialize};

use super::variant::variant;
use super::{MILLISECOND, Note, Planned, Topic, World, around};

/// Faults of triggers have numbers of their own, above those of plans.
const TRIGGER_FAULTS: u32 = 1 << 31;

/// A fault that strikes when a node does something: `kill n2 before its 3rd vote`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trigger {
    /// Whose doing counts; none for whoever does it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<Node>,
    /// What it has to do.
    pub on: On,
    /// How often it may do so first, counted from when the trigger is armed.
    #[serde(default)]
    pub skip: u32,
    /// When the trigger is armed, in milliseconds since the main phase began. It strikes once.
    #[serde(default)]
    pub after_ms: u64,
    /// What happens then.
    pub strike: Strike,
    /// Whom a cut leaves on the node's side.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<Node>,
    /// After how long it is healed, in milliseconds.
    pub heal_ms: u64,
}

/// What a node does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum On {
    /// It writes a record to its log.
    Append,
    /// It writes a snapshot.
    Snapshot,
    /// It sends a message, after everything that the message depends on is durable.
    Send,
    /// It sends a message of this name, such as `VoteReply` of Raft.
    Message(String),
    /// It answers a client.
    Reply,
    /// It records a step of this name, such as `Voted`, `BecameLeader` or `Committed` of Raft.
    Step(String),
}

impl On {
    fn is(&self, doing: Doing) -> bool {
        match (self, doing) {
            (On::Append, Doing::Append) | (On::Snapshot, Doing::Snapshot) | (On::Reply, Doing::Reply) => true,
            (On::Send, Doing::Send(_)) => true,
            (On::Message(name), Doing::Send(sent)) => name == sent,
            (On::Step(name), Doing::Step(recorded)) => name == recorded,
            _ => false,
        }
    }
}

/// What a trigger does to the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strike {
    /// Kill it before it is done; what was written but not durable is lost.
    KillBefore,
    /// Kill it right after it is done; of what was written but not durable, a random prefix survives.
    KillAfter,
    /// Kill it right after, and damage a durable record in the middle of its log. Healing restores the record. One
    /// node at a time: where another one's log is damaged, nothing more than a kill.
    Rot,
    /// Kill it right after, and empty its disk for good. One node a run: after that, nothing more than a kill.
    Wipe,
    /// Let its next fsync fail, which stops it: of what was written but not durable, a random prefix survives.
    FailSync,
    /// Let its disk be full: its next write stops it, and so does the first one after a restart, until that is healed.
    FillDisk,
    /// Freeze it right after.
    Pause,
    /// Cut it off before it is done, from all others or from all but those beside it: what it would send next is lost.
    CutOff,
    /// Cut off, in the same way, whoever leads at that moment; the node itself, if nobody does.
    CutOffLeader,
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whose = match self.node {
            Some(node) => node.to_string(),
            None => "whichever node".to_owned(),
        };
        let does = match &self.on {
            On::Append => "writes to its log".to_owned(),
            On::Snapshot => "writes a snapshot".to_owned(),
            On::Send => "sends a message".to_owned(),
            On::Message(name) => format!("sends a `{name}`"),
            On::Reply => "answers a client".to_owned(),
            On::Step(name) => format!("does `{name}`"),
        };
        let strike = match self.strike {
            Strike::KillBefore => "kill it before that is done",
            Strike::KillAfter => "kill it right after",
            Strike::Rot => "kill it right after and damage its log",
            Strike::Wipe => "kill it right after and empty its disk",
            Strike::FailSync => "let its next fsync fail",
            Strike::FillDisk => "let its disk be full",
            Strike::Pause => "freeze it right after",
            Strike::CutOff => "cut it off before that is done",
            Strike::CutOffLeader => "cut off whoever leads",
        };
        let beside: Vec<String> = self.beside.iter().map(Node::to_string).collect();
        let beside = match self.strike {
            Strike::CutOff | Strike::CutOffLeader if !beside.is_empty() => {
                format!(" together with {}", beside.join(", "))
            }
            _ => String::new(),
        };
        write!(
            f,
            "from {} ms on, when {whose} {does} (time {}): {strike}{beside}, for {} ms",
            self.after_ms,
            self.skip + 1,
            self.heal_ms
        )
    }
}

/// What a node is about to do, as triggers tell it apart.
#[derive(Clone, Copy, Debug)]
enum Doing {
    Append,
    Snapshot,
    Reply,
    /// The message's name.
    Send(&'static str),
    /// The step's name.
    Step(&'static str),
}

impl Doing {
    fn of<R: Replica>(output: &Output<R>) -> Option<Self> {
        Some(match output {
            Output::Write { what, .. } => match what {
                Written::Record(_) => Doing::Append,
                Written::Snapshot(_) => Doing::Snapshot,
            },
            Output::Reply { .. } => Doing::Reply,
            Output::Send { message, .. } => Doing::Send(variant(message)),
            Output::Trace(trace) => Doing::Step(variant(trace)),
            Output::Release(_) => return None,
        })
    }
}

/// A trigger with how often its event was seen.
#[derive(Clone, Debug)]
pub(crate) struct Armed {
    pub(crate) trigger: Trigger,
    pub(crate) armed_at: u64,
    seen: u32,
    pub(crate) struck: bool,
    /// Whom it struck, until it is healed.
    pub(crate) struck_node: Option<Node>,
}

impl Armed {
    pub(crate) fn new(trigger: Trigger, armed_at: u64) -> Self {
        Armed {
            trigger,
            armed_at,
            seen: 0,
            struck: false,
            struck_node: None,
        }
    }

    /// Whether the trigger strikes now, when a node does this.
    fn strikes(&mut self, now: u64, node: Node, doing: Doing) -> bool {
        if self.struck || now < self.armed_at || self.trigger.node.is_some_and(|whose| whose != node) {
            return false;
        }
        let matches = self.trigger.on.is(doing);
        self.seen += u32::from(matches);
        self.struck = matches && self.seen > self.trigger.skip;
        self.struck
    }
}

impl<R: Replica, A> World<R, A> {
    /// Arms triggers; their times count from now.
    pub(crate) fn arm(&mut self, triggers: &[Trigger]) {
        let now = self.now;
        let first = self.triggers.len();
        self.triggers.extend(
            triggers
                .iter()
                .map(|one| Armed::new(one.clone(), now + one.after_ms * MILLISECOND)),
        );
        self.sleeping.extend(first..self.triggers.len());
        // The first to be armed is the last, to be taken first.
        let armed_at = |place: &usize| std::cmp::Reverse((self.triggers[*place].armed_at, *place));
        self.sleeping.sort_by_key(armed_at);
    }

    /// Lets triggers whose time has come watch. Says whether any does.
    pub(super) fn watches(&mut self) -> bool {
        let before = self.watching.len();
        while let Some(place) = self
            .sleeping
            .pop_if(|place| self.triggers[*place].armed_at <= self.now)
        {
            self.watching.push(place);
        }
        if self.watching.len() != before {
            self.watching.sort_unstable();
            for place in &self.watching {
                let on = &self.triggers[*place].trigger.on;
                if !self.watched.contains(on) {
                    self.watched.push(on.clone());
                }
            }
        }
        !self.watching.is_empty()
    }

    pub(super) fn strikes(&mut self, node: Node, output: &Output<R>) -> Option<(usize, Strike)> {
        let now = self.now;
        let doing = Doing::of(output)?;
        // Most of what nodes do, nobody waits for.
        if !self.watched.iter().any(|on| on.is(doing)) {
            return None;
        }
        let triggers = &mut self.triggers;
        let first = self
            .watching
            .iter()
            .position(|place| triggers[*place].strikes(now, node, doing))?;
        let struck = self.watching.remove(first);
        let Trigger { strike, heal_ms, .. } = self.triggers[struck].trigger;
        let node = match strike {
            Strike::CutOffLeader => self.leader().map_or(node, |(leader, _)| leader),
            _ => node,
        };
        self.triggers[struck].struck_node = Some(node);
        self.describe(usize::from(node.0) - 1, Topic::Fault, |world| {
            format!("is struck: {}", world.triggers[struck].trigger)
        });
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

    /// The links that a trigger cuts when it strikes this node.
    fn links_cut_by(&self, trigger: usize, node: Node) -> Vec<Link> {
        let beside = &self.triggers[trigger].trigger.beside;
        let inside = |one: &Node| *one == node || beside.contains(one);
        let side: Vec<Node> = self.nodes().filter(inside).collect();
        let outside = |link: &Link| !(inside(&link.from) && inside(&link.to));
        side.into_iter()
            .flat_map(|one| around(one, self.nodes()))
            .filter(outside)
            .collect()
    }

    pub(super) fn cut_off(&mut self, trigger: usize) {
        let Some(node) = self.triggers[trigger].struck_node else {
            return;
        };
        for link in self.links_cut_by(trigger, node) {
            self.afflict(TRIGGER_FAULTS + trigger as u32, link, None);
        }
    }

    pub(super) fn unstrike(&mut self, trigger: usize, node: Node) {
        if self.triggers[trigger].struck_node.take().is_none() {
            return;
        }
        match self.triggers[trigger].trigger.strike {
            Strike::KillBefore | Strike::KillAfter | Strike::Wipe => self.start(node, 0),
            Strike::FailSync | Strike::FillDisk => {
                let disk = &mut self.machine_mut(node).disk;
                (disk.fails_sync, disk.full) = (false, false);
                self.start(node, 0);
            }
            Strike::Rot => {
                self.restore_disk(node);
                self.start(node, 0);
            }
            Strike::Pause => self.resume(node),
            Strike::CutOff | Strike::CutOffLeader => {
                for link in self.links_cut_by(trigger, node) {
                    self.relieve(TRIGGER_FAULTS + trigger as u32, link);
                }
            }
        }
    }
}
