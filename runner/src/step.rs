//! The runner's vocabulary: inputs in, actions out.

use std::sync::Arc;

use perjury_checker::{Event, Quorum, Value};
use perjury_nemesis::{Node, Resolved};
use perjury_workloads::Call;
use serde::{Deserialize, Serialize};

/// One request to one node, to be carried out by the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Names it in the answer; unique in the test.
    pub id: u64,
    /// The client connection to use: attempts of one client never overlap, and may share a connection. Clients
    /// are counted from 0 to the concurrency; those after them (one for each node) only probe.
    pub client: usize,
    /// The node to ask.
    pub node: Node,
    /// What to ask.
    pub call: Call,
    /// (client, sequence) of the session, unique in the cluster's life; none for a request outside sessions.
    /// Reads and probes change nothing and have none. A request that was refused for sure is sent again under a
    /// higher sequence; one of unknown outcome under its own.
    pub session: Option<(u64, u64)>,
    /// How long the environment waits for an answer before it reports [`Answer::Unknown`], in milliseconds.
    pub timeout_ms: u64,
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It happened.
    Ok {
        /// The result.
        value: Value,
        /// The value's version.
        version: Option<u64>,
        /// The term, ballot or epoch under which it was answered.
        term: u64,
        /// Which replicas took part, where the system tells.
        quorum: Option<Arc<Quorum>>,
    },
    /// It surely did not happen, and another node would say the same.
    Failed {
        /// Why, as a short stable word: `precondition-failed`, `invalid`.
        error: Arc<str>,
        /// What a failed compare-and-set saw.
        observed: Option<Value>,
        /// The observed value's version.
        version: Option<u64>,
    },
    /// This attempt surely did nothing; another node, or the same one later, may do it.
    Unavailable {
        /// Why, as a short stable word: `no-leader`, `not-leader`, `connection-refused`.
        error: Arc<str>,
        /// Who may lead.
        leader: Option<Node>,
    },
    /// Nobody knows: a time-out or a reset after the request had left.
    Unknown {
        /// Why, as a short stable word: `timeout`, `connection-reset`, `gave-up`.
        error: Arc<str>,
    },
}

/// What the environment sees of the cluster from outside; sent when it changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// The leader of the highest term that a node claims to lead, with the term.
    pub leader: Option<(Node, u64)>,
    /// The nodes whose processes run.
    pub up: Vec<Node>,
}

/// How an injected or healed fault is known to have had an effect.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bite {
    /// Whether it did.
    pub bit: bool,
    /// For cuts and packet faults: directed links with the packets dropped or mistreated on each.
    pub links: Vec<(perjury_nemesis::Link, u64)>,
    /// What was seen, for a person: `dropped 312 packets on 6 links`, `lost 14 records`.
    pub evidence: String,
}

/// What the runner is told.
#[derive(Clone, Debug)]
pub enum Input {
    /// All node processes were started: the runner may begin to probe. The first input.
    Started,
    /// An attempt came to its end.
    Answer {
        /// The attempt.
        attempt: u64,
        /// What came of it.
        answer: Answer,
    },
    /// The time of the last [`Action::Wake`] has come.
    Woke,
    /// The cluster looks different.
    View(View),
    /// A fault was carried out, or could not be.
    Injected {
        /// The fault.
        id: u32,
        /// What is known of its effect so far, or why it could not be carried out.
        result: Result<Bite, String>,
    },
    /// A fault was healed, or could not be.
    Healed {
        /// The fault.
        id: u32,
        /// What is known of its effect in the end, or why healing failed: a harness failure.
        result: Result<Bite, String>,
    },
    /// A node's process ended though nobody asked it to: a failure of the system under test. The main phase ends
    /// at once; the node is expected to stay down.
    NodeDied {
        /// The node.
        node: Node,
        /// How, with the last lines that it wrote.
        reason: String,
    },
    /// The harness itself is in trouble; the test ends as it can.
    Trouble(String),
    /// The user wants it to end: heal, stop, check what there is.
    Interrupt,
}

/// What the runner wants done. The environment carries actions out in order.
#[derive(Clone, Debug)]
pub enum Action {
    /// Send a request; answer with [`Input::Answer`], whatever happens.
    Send(Attempt),
    /// Break something; answer with [`Input::Injected`].
    Inject {
        /// Names it.
        id: u32,
        /// What, with targets resolved.
        fault: Resolved,
    },
    /// Mend it; answer with [`Input::Healed`]. It may come before the injection was answered, also for one that
    /// failed (whatever part of it took hold is to be mended), and again after it failed itself.
    Heal {
        /// What to mend.
        id: u32,
    },
    /// Call back with [`Input::Woke`] at this time (nanoseconds since the start); replaces the one before.
    Wake(u64),
    /// Tell whoever listens. Nothing depends on it.
    Notice(Notice),
    /// The test is over: stop the cluster. The last action.
    Finish,
}

/// One stream for the terminal, the history file, the report and all other listeners.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "notice")]
pub enum Notice {
    /// A phase begins.
    Phase {
        /// Which.
        phase: Phase,
        /// When, in nanoseconds since the start.
        at: u64,
    },
    /// The next event of the history.
    Event(Event),
    /// A fault's record changed.
    Fault(FaultRecord),
    /// The cluster looks different.
    View {
        /// When, in nanoseconds since the start.
        at: u64,
        /// How.
        view: View,
    },
    /// A node serves again after healing.
    Recovered {
        /// The node.
        node: Node,
        /// How long after everything was healed, in nanoseconds.
        after: u64,
    },
    /// A node's process ended though nobody asked it to.
    NodeDied {
        /// When, in nanoseconds since the start.
        at: u64,
        /// The node.
        node: Node,
        /// How.
        reason: String,
    },
    /// The harness itself is in trouble.
    Trouble {
        /// When, in nanoseconds since the start.
        at: u64,
        /// What.
        problem: String,
    },
}

/// Where a test is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Waiting until the cluster serves.
    Start,
    /// Clients work, the nemesis breaks things.
    Main,
    /// Everything is being healed.
    Heal,
    /// Waiting until every node serves again.
    Recover,
    /// Final reads.
    Final,
    /// Over.
    Done,
}

/// What became of a fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultRecord {
    /// The id in the plan.
    pub id: u32,
    /// The kind, as coverage counts it: `partition`, `kill`, `pause`, `clock`, `packets`, `disk`, `membership`.
    pub kind: String,
    /// For a person: `{n1,n2}|{n3,n4,n5}`, `kill n3 (leader)`.
    pub description: String,
    /// The fault with its targets.
    pub fault: Resolved,
    /// When it took hold, in nanoseconds since the start.
    pub injected_at: Option<u64>,
    /// When it was healed.
    pub healed_at: Option<u64>,
    /// What is known of its effect.
    pub bite: Bite,
    /// Why it could not be injected or healed.
    pub error: Option<String>,
}
