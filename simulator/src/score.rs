//! What every process did in a run, turn by turn, and what the runner was told: real processes can be led through the
//! same run in step.

use std::collections::BTreeSet;

use perjury_nemesis::Node;
use perjury_runner::{Input, Runner};
use perjury_systems::api::Request;
use perjury_systems::context::{Output, Written};
use perjury_systems::driver::Clocks;
use perjury_systems::replica::{ConfigError, Lsn, NodeId, Replica};

use crate::run::{Violation, Wanted, run, runner_of};
use crate::setup::Setup;
use crate::world::Rolling;

/// A run, to be done again by others. Times are in nanoseconds since the start.
#[derive(Debug, Default)]
pub struct Score {
    /// What happens, in order, and when.
    pub cues: Vec<(u64, Cue)>,
    /// What real processes cannot do of it.
    pub obstacle: Option<&'static str>,
    /// What is wrong with the run that neither its history nor its runner says, and after how many turns it was seen.
    pub unseen: Option<(usize, Violation)>,
    /// Attempts that a node has answered, and whose client was not told yet.
    replied: BTreeSet<u64>,
}

/// One thing that happens.
#[derive(Debug)]
pub enum Cue {
    /// A node does something.
    Turn(Turn),
    /// A node's process is killed, if it runs; of the writes that were not durable, the first so many survive.
    Kill {
        /// Whose.
        node: Node,
        /// How many writes.
        keeps: u64,
    },
    /// The disk of a node that does not run is emptied.
    Wipe {
        /// Whose.
        node: Node,
    },
    /// The runner is told something.
    Input {
        /// What.
        input: Input,
        /// Whether it is the answer of a node.
        replied: bool,
    },
}

/// What a node does at one time.
#[derive(Debug)]
pub struct Turn {
    /// Who.
    pub node: Node,
    /// What its monotonic and its wall clock show.
    pub clocks: Clocks,
    /// Why it does something.
    pub what: What,
    /// Of what it wants done only the first so many things are done, since it is killed in the middle; none for all.
    pub done: Option<u64>,
    /// A hash of all that it wants done and of the state that it is in then ([`effect`]).
    pub effect: u64,
    /// It panics.
    pub dies: bool,
}

/// Why a node does something.
#[derive(Debug)]
pub enum What {
    /// It starts.
    Boot,
    /// A message arrives.
    Message {
        /// Who sent it.
        from: Node,
        /// Its name.
        name: &'static str,
        /// Which message of this name from this sender to this receiver it is, counted from 1.
        nth: u32,
    },
    /// A timer runs out.
    Timers,
    /// What it wrote is durable up to here.
    Durable {
        /// The last position.
        lsn: Lsn,
    },
    /// It is asked something.
    Request {
        /// The runner's attempt, or a number that no attempt has.
        ticket: u64,
        /// What it is asked.
        request: Request,
    },
    /// Its connection with another node broke.
    Disconnected {
        /// Whom it was connected with.
        peer: NodeId,
    },
}

impl Score {
    /// How many turns there are.
    pub fn turns(&self) -> usize {
        let turns = self.cues.iter().filter(|(_, cue)| matches!(cue, Cue::Turn(_)));
        turns.count()
    }

    pub(crate) fn last_turn(&mut self) -> Option<&mut Turn> {
        self.cues.iter_mut().rev().find_map(|(_, cue)| match cue {
            Cue::Turn(turn) => Some(turn),
            _ => None,
        })
    }

    /// A node has answered an attempt.
    pub(crate) fn replied(&mut self, attempt: u64) {
        self.replied.insert(attempt);
    }

    /// A client does not wait for its answer any more.
    pub(crate) fn given_up(&mut self, attempt: u64) {
        self.replied.remove(&attempt);
    }

    pub(crate) fn told(&mut self, at: u64, input: &Input) {
        let replied = matches!(input, Input::Answer { attempt, .. } if self.replied.remove(attempt));
        let input = input.clone();
        self.cues.push((at, Cue::Input { input, replied }));
    }
}

/// A hash of all that a node wants done and of the state that it is in. The same in every environment.
pub fn effect<R: Replica>(outputs: &[Output<R>], replica: &R) -> u64 {
    let mut hash = Rolling::default();
    for output in outputs {
        match output {
            Output::Write { lsn, what } => {
                hash.word(lsn.0);
                match what {
                    Written::Record(record) => hash.mix(record),
                    Written::Snapshot(bytes) => hash.mix(bytes),
                }
            }
            Output::Release(before) => hash.word(before.0),
            Output::Send { to, message } => {
                hash.word(u64::from(to.0));
                hash.mix(message);
            }
            Output::Reply { id, response } => {
                hash.word(id.0);
                hash.mix(response);
            }
            Output::Trace(trace) => hash.mix(trace),
        }
    }
    hash.mix(&without_addresses(&format!("{replica:?}")));
    hash.value()
}

/// A planted mistake is a function, which is shown by its address: another one in every process.
fn without_addresses(state: &str) -> String {
    let mut parts = state.split("0x");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str(part.trim_start_matches(|c: char| c.is_ascii_hexdigit()));
    }
    text
}

/// The score of a run, and a runner that knows what its clients do.
///
/// # Errors
/// If the setup cannot be run.
pub fn score(setup: &Setup, invariants: bool) -> Result<(Score, Runner), ConfigError> {
    let wanted = Wanted {
        invariants,
        judge: false,
        recording: true,
        score: true,
        ..Wanted::default()
    };
    let mut outcome = run(setup, &wanted)?;
    let unseen = outcome
        .violations
        .drain(..)
        .find(|violation| !matches!(violation, Violation::History(_) | Violation::System(_)));
    let mut score = outcome.score.unwrap_or_default();
    let turns = score.turns();
    if let Some(Violation::Invariant(_)) = unseen {
        // It ended the run before clients could see what comes of it.
        let all = Wanted {
            invariants: false,
            ..wanted
        };
        score = run(setup, &all)?.score.unwrap_or_default();
    }
    score.unseen = unseen.map(|violation| (turns, violation));
    Ok((score, runner_of(setup)?))
}
