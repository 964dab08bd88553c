//! Leads real processes through a run that was simulated, in step: one of them does one thing at a time, with the
//! clocks that it had there, and the next thing happens when it has. So what the run shows does not depend on how fast
//! this machine is; whether the processes do the same as the simulated nodes is seen after every turn.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mio::Events;
use perjury_nemesis::{Link, Node};
use perjury_runner::{Action, Answer, Attempt, Input, Notice};
use perjury_simulator::score::{Cue, Score, Turn as Simulated, What};
use perjury_systems::replica::NodeId;

use super::drive::Step;
use super::link::{Arrivals, Holding};
use super::nodes::Heard;
use super::{ProcessEnvironment, Tag};
use crate::environment::{Led, Summary};
use crate::http::client::{End, Outgoing};
use crate::http::{answer, request};
use crate::node::{Clocks, Do, Turn};

/// How long a turn may take.
const TURN_LIMIT: Duration = Duration::from_secs(20);

/// How long to wait for frames that are on their way to the links.
const LOOK_EVERY: Duration = Duration::from_micros(50);

/// A run to be done again, and since when.
#[derive(Debug)]
pub(super) struct InStep {
    score: Arc<Score>,
    pub holding: Arc<Holding>,
    /// The names of the system's messages by their numbers.
    kinds: &'static [&'static str],
    pub begin: Instant,
    /// The same, since the Unix epoch.
    pub began: Duration,
}

impl InStep {
    pub fn new(score: Arc<Score>, kinds: &'static [&'static str]) -> Self {
        let begin = Instant::now();
        let mut arrivals: BTreeMap<Link, Arrivals> = BTreeMap::new();
        for (at, cue) in &score.cues {
            if let Cue::Turn(Simulated {
                node,
                what: What::Message { from, name, nth },
                ..
            }) = cue
                && let Some(kind) = kinds.iter().position(|kind| kind == name)
            {
                let link = Link {
                    from: *from,
                    to: *node,
                };
                let times = arrivals.entry(link).or_default().entry((kind, *nth)).or_default();
                times.push(begin + Duration::from_nanos(*at));
            }
        }
        InStep {
            score,
            holding: Holding::new(arrivals, begin),
            kinds,
            begin,
            began: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
        }
    }
}

/// What left a node.
#[derive(Debug, Default)]
struct Life {
    sent: Count,
    answered: Count,
}

/// Counted in earlier incarnations, and in this one.
#[derive(Debug, Default)]
struct Count {
    before: u64,
    now: u64,
}

impl Count {
    fn total(&self) -> u64 {
        self.before + self.now
    }

    fn ends(&mut self) {
        self.before += std::mem::take(&mut self.now);
    }
}

/// Why it goes on no more: in one sentence.
type Stopped = String;

struct Conductor<'a> {
    environment: ProcessEnvironment,
    in_step: InStep,
    step: Step<'a>,
    listener: &'a mut dyn FnMut(&Notice),
    actions: Vec<Action>,
    /// What the runner asked and no node was asked yet.
    attempts: BTreeMap<u64, Attempt>,
    /// What nodes answered and the runner was not told yet.
    answers: BTreeMap<u64, Answer>,
    /// How far in the system's order each client has seen it.
    seen: BTreeMap<usize, u64>,
    /// How many requests were sent: each has a connection of its own, since many are never answered.
    asked: u64,
    lives: BTreeMap<Node, Life>,
    /// How many answers have arrived.
    responses: u64,
    /// What was heard last.
    turned: Option<(Node, u64)>,
    exited: Option<(Node, String)>,
    /// How those died that died by themselves.
    died: BTreeMap<Node, String>,
    finished: bool,
    led: Led,
}

impl ProcessEnvironment {
    /// The same as [`ProcessEnvironment::run`], of a run that is led in step.
    pub(super) fn run_in_step(
        self,
        in_step: InStep,
        step: Step<'_>,
        listener: &mut dyn FnMut(&Notice),
    ) -> Summary {
        let begin = in_step.begin;
        let score = Arc::clone(&in_step.score);
        let mut conductor = Conductor {
            environment: self,
            in_step,
            step,
            listener,
            actions: Vec::new(),
            attempts: BTreeMap::new(),
            answers: BTreeMap::new(),
            seen: BTreeMap::new(),
            asked: 0,
            lives: BTreeMap::new(),
            responses: 0,
            turned: None,
            exited: None,
            died: BTreeMap::new(),
            finished: false,
            led: Led::default(),
        };
        for (number, (at, cue)) in score.cues.iter().enumerate() {
            if conductor.finished {
                break;
            }
            if conductor.environment.interrupter.take() {
                // The runner says so; there is nothing to heal.
                let _ = conductor.tell(*at, &Input::Interrupt, false);
                break;
            }
            if let Err(why) = conductor.follow(number, *at, cue) {
                let seconds = *at as f64 / 1e9;
                conductor.led.stopped = Some(format!("at {seconds:.6} s {why}"));
                break;
            }
        }
        let Conductor { environment, led, .. } = conductor;
        Summary {
            led: Some(led),
            ..environment.stop_since(begin)
        }
    }
}

impl Conductor<'_> {
    fn follow(&mut self, number: usize, at: u64, cue: &Cue) -> Result<(), Stopped> {
        let since = Duration::from_nanos(at);
        self.in_step.holding.set_now(self.in_step.begin + since);
        match cue {
            Cue::Turn(simulated) => self.take_turn(number, since, simulated),
            Cue::Kill { node, keeps } => self.kill(number, since, *node, *keeps),
            Cue::Wipe { node } => self
                .environment
                .nodes
                .wipe(*node)
                .map_err(|error| format!("the disk of {node} cannot be emptied: {error}")),
            Cue::Input { input, replied } => self.tell(at, input, *replied),
        }
    }

    fn turn(&self, number: usize, since: Duration, what: Do, simulated: Option<&Simulated>) -> Turn {
        let (monotonic, wall) = simulated.map_or_else(Default::default, |simulated| simulated.clocks);
        Turn {
            // Traces of several nodes are put in order by it.
            at: self.in_step.began + since + Duration::from_nanos(number as u64),
            clocks: Clocks { monotonic, wall },
            what,
            done: simulated.and_then(|simulated| simulated.done),
        }
    }

    fn take_turn(&mut self, number: usize, since: Duration, simulated: &Simulated) -> Result<(), Stopped> {
        let node = simulated.node;
        let what = match &simulated.what {
            What::Boot => Do::Start,
            What::Timers => Do::Timers,
            What::Durable { lsn } => Do::Durable { lsn: *lsn },
            What::Disconnected { peer } => Do::Disconnected { peer: *peer },
            What::Message { from, name, nth } => {
                let kind = self.in_step.kinds.iter().position(|kind| kind == name);
                let kind = kind.ok_or_else(|| format!("there is no message {name}"))?;
                let link = Link {
                    from: *from,
                    to: node,
                };
                self.environment.links.let_through(link, (kind, *nth));
                Do::Message { from: NodeId(from.0) }
            }
            What::Request { ticket, request } => {
                let attempt = self.attempts.remove(ticket);
                let (bytes, tag) = match attempt {
                    Some(Attempt {
                        id,
                        client,
                        call,
                        session,
                        ..
                    }) => {
                        let seen = self.seen.get(&client).copied().unwrap_or(0);
                        (
                            request::call(&call, session, seen),
                            Tag::Attempt { id, client, call },
                        )
                    }
                    None => (request::command(&request.command), Tag::Operator),
                };
                let bytes = bytes.map_err(|why| format!("{node} cannot be asked: {why}"))?;
                self.ask(node, bytes, tag)?;
                Do::Request
            }
        };
        let turn = self.turn(number, since, what, Some(simulated));
        if what == Do::Start {
            self.environment.nodes.starts_in_step(node, turn);
            self.environment
                .start_node(node)
                .map_err(|error| format!("{node} cannot be started: {error}"))?;
        } else {
            self.environment.nodes.take_turn(node, turn);
        }
        if simulated.dies {
            let how = self.await_exit(node)?;
            self.died.insert(node, how);
            return Ok(());
        }
        let effect = self.await_turn(node, &format!("{what:?}"))?;
        self.led.turns += 1;
        if effect != simulated.effect && self.led.difference.is_none() {
            self.led.difference = Some(format!(
                "turn {} ({node}, {:.6} s: {what:?}) came out otherwise than in the simulation",
                self.led.turns,
                since.as_secs_f64()
            ));
        }
        Ok(())
    }

    fn kill(&mut self, number: usize, since: Duration, node: Node, keeps: u64) -> Result<(), Stopped> {
        if self.environment.nodes.http(node).is_none() {
            return Ok(());
        }
        if keeps > 0 {
            let turn = self.turn(number, since, Do::Keep { writes: keeps }, None);
            self.environment.nodes.take_turn(node, turn);
            self.await_turn(node, "Keep")?;
        }
        self.environment.nodes.kill(node);
        self.await_exit(node)?;
        Ok(())
    }

    fn tell(&mut self, at: u64, input: &Input, replied: bool) -> Result<(), Stopped> {
        let mut input = input.clone();
        match &mut input {
            Input::Answer { attempt, answer } if replied => *answer = self.await_answer(*attempt)?,
            Input::NodeDied { node, reason } => {
                if let Some(how) = self.died.remove(node) {
                    *reason = how;
                }
            }
            _ => {}
        }
        (self.step)(at, input, &mut self.actions);
        for action in self.actions.drain(..) {
            match action {
                Action::Send(attempt) => drop(self.attempts.insert(attempt.id, attempt)),
                Action::Notice(notice) => (self.listener)(&notice),
                Action::Finish => self.finished = true,
                // What faults did is in the nodes' turns, and the runner is woken as it was.
                Action::Inject { .. } | Action::Heal { .. } | Action::Wake(_) => {}
            }
        }
        Ok(())
    }

    fn ask(&mut self, node: Node, bytes: Vec<u8>, tag: Tag) -> Result<(), Stopped> {
        let address = self.environment.nodes.http(node);
        let address = address.ok_or_else(|| format!("{node} serves nobody"))?;
        self.asked += 1;
        self.environment.connections.send(Outgoing {
            lane: self.asked,
            place: node.0,
            address,
            bytes,
            deadline: Instant::now() + Duration::from_secs(24 * 60 * 60),
            tag,
        });
        Ok(())
    }

    /// Waits until a node has taken its turn, and until what it sent and answered has left it: it may be killed next. Says
    /// what came of the turn.
    fn await_turn(&mut self, node: Node, what: &str) -> Result<u64, Stopped> {
        let deadline = Instant::now() + TURN_LIMIT;
        self.turned = None;
        let effect = loop {
            if let Some((_, effect)) = self.turned.filter(|(turned, _)| *turned == node) {
                break effect;
            }
            if let Some((_, how)) = self.exited.take_if(|(exited, _)| *exited == node) {
                return Err(format!("{node}, which was to take a turn ({what}), {how}"));
            }
            self.listen(deadline, || {
                format!(
                    "{node} was to take a turn ({what}) and did not within {} s",
                    TURN_LIMIT.as_secs()
                )
            })?;
        };
        let sent = self.lives.get(&node).map_or(0, |life| life.sent.total());
        while self.environment.links.arrived_from(node) < sent {
            if Instant::now() > deadline {
                return Err(format!("what {node} sent did not leave it"));
            }
            std::thread::sleep(LOOK_EVERY);
        }
        while self.responses < self.lives.values().map(|life| life.answered.total()).sum() {
            self.listen(deadline, || format!("what {node} answered did not leave it"))?;
        }
        Ok(effect)
    }

    /// Waits until a node is dead. Says how it died.
    fn await_exit(&mut self, node: Node) -> Result<String, Stopped> {
        let deadline = Instant::now() + TURN_LIMIT;
        loop {
            if let Some((_, how)) = self.exited.take_if(|(exited, _)| *exited == node) {
                let life = self.lives.entry(node).or_default();
                life.sent.ends();
                life.answered.ends();
                return Ok(how);
            }
            self.listen(deadline, || format!("{node} was to die and did not"))?;
        }
    }

    fn await_answer(&mut self, attempt: u64) -> Result<Answer, Stopped> {
        let deadline = Instant::now() + TURN_LIMIT;
        loop {
            if let Some(answer) = self.answers.remove(&attempt) {
                return Ok(answer);
            }
            self.listen(deadline, || {
                "a client was to have an answer and has none".to_owned()
            })?;
        }
    }

    /// Waits until something is heard.
    fn listen(&mut self, deadline: Instant, too_late: impl FnOnce() -> String) -> Result<(), Stopped> {
        let Some(left) = deadline.checked_duration_since(Instant::now()) else {
            return Err(too_late());
        };
        let mut events = Events::with_capacity(64);
        self.environment
            .wait(&mut events, Some(left))
            .map_err(|error| format!("nothing can be waited for: {error}"))?;
        for event in &events {
            if event.token().0 >= super::FIRST_CONNECTION {
                self.environment.connections.ready(event);
                continue;
            }
            for (node, heard) in self.environment.hear(event.token()) {
                match heard {
                    Heard::Ready | Heard::Slowed | Heard::Crashing { .. } => {}
                    Heard::Turned {
                        effect,
                        sent,
                        answered,
                    } => {
                        self.turned = Some((node, effect));
                        let life = self.lives.entry(node).or_default();
                        life.sent.now = sent;
                        life.answered.now = answered;
                    }
                    Heard::Exited { reason, .. } => self.exited = Some((node, reason)),
                }
            }
        }
        for ended in self.environment.connections.ended() {
            self.responses += u64::from(matches!(ended.end, End::Response { .. }));
            if let Tag::Attempt { id, client, call } = ended.tag {
                let (answer, position) = answer::conclude(&call, &ended.end);
                if let Some(position) = position {
                    let seen = self.seen.entry(client).or_default();
                    *seen = position.max(*seen);
                }
                self.answers.insert(id, answer);
            }
        }
        Ok(())
    }
}
