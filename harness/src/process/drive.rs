//! The loop that drives a test: inputs to the runner, its actions to the world.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use mio::Events;
use perjury_nemesis::Node;
use perjury_runner::{Action, Answer, Attempt, Input, Notice, Phase, View};

use super::nodes::Heard;
use super::{ProcessEnvironment, Tag};
use crate::environment::Summary;
use crate::http::client::Outgoing;
use crate::http::{answer, request};

/// Events taken from one poll.
const EVENTS: usize = 1024;

/// The error of an attempt at a node that is known not to run.
const REFUSED: &str = "connection-refused";

/// What decides: time in nanoseconds since the start, an input, and where to put the actions.
pub type Step<'a> = &'a mut dyn FnMut(u64, Input, &mut Vec<Action>);

struct Drive<'a> {
    environment: ProcessEnvironment,
    listener: &'a mut dyn FnMut(&Notice),
    begin: Instant,
    inputs: VecDeque<Input>,
    wake: Option<u64>,
    /// How far in the system's order each client has seen it.
    seen: BTreeMap<usize, u64>,
    view: Option<View>,
    finished: bool,
}

impl ProcessEnvironment {
    /// Runs a test to its end: feeds `step` with inputs, carries out its actions, tells `listener` what it is to be
    /// told, and stops the cluster.
    pub fn run(mut self, step: Step<'_>, listener: &mut dyn FnMut(&Notice)) -> Summary {
        if let Some(in_step) = self.in_step.take() {
            return self.run_in_step(in_step, step, listener);
        }
        let mut drive = Drive {
            environment: self,
            listener,
            begin: Instant::now(),
            inputs: VecDeque::from([Input::Started]),
            wake: None,
            seen: BTreeMap::new(),
            view: None,
            finished: false,
        };
        let mut events = Events::with_capacity(EVENTS);
        let mut actions = Vec::new();
        loop {
            // Only what is there now: an answer that is known at once may lead to another such, without end.
            for _ in 0..drive.inputs.len() {
                let Some(input) = drive.inputs.pop_front() else {
                    break;
                };
                step(drive.nanos(Instant::now()), input, &mut actions);
                for action in actions.drain(..) {
                    drive.carry_out(action);
                }
                if drive.finished {
                    return drive.environment.stop_since(drive.begin);
                }
                drive.collect();
            }
            drive.turn(&mut events);
        }
    }
}

impl Drive<'_> {
    fn nanos(&self, now: Instant) -> u64 {
        (now - self.begin).as_nanos() as u64
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::Send(attempt) => self.send(attempt),
            Action::Inject { id, fault } => self.environment.inject(id, fault, Instant::now()),
            Action::Heal { id } => self.environment.heal(id, Instant::now()),
            Action::Wake(at) => self.wake = Some(at),
            Action::Notice(notice) => {
                if let Notice::Phase { phase, .. } = notice {
                    let recovers = phase == Phase::Recover;
                    self.environment.faults.recovers(recovers, Instant::now());
                }
                (self.listener)(&notice);
            }
            Action::Finish => self.finished = true,
        }
    }

    fn send(&mut self, attempt: Attempt) {
        let Attempt {
            id,
            client,
            node,
            call,
            session,
            timeout_ms,
        } = attempt;
        let seen = self.seen.get(&client).copied().unwrap_or(0);
        let answer = match (
            self.environment.nodes.http(node),
            request::call(&call, session, seen),
        ) {
            (Some(address), Ok(bytes)) => {
                self.environment.connections.send(Outgoing {
                    lane: client as u64,
                    place: node.0,
                    address,
                    bytes,
                    deadline: Instant::now() + Duration::from_millis(timeout_ms),
                    tag: Tag::Attempt { id, client, call },
                });
                return;
            }
            (None, Ok(_)) => Answer::Unavailable {
                error: REFUSED.into(),
                leader: None,
            },
            (_, Err(_)) => Answer::Failed {
                error: crate::http::INVALID.into(),
                observed: None,
                version: None,
            },
        };
        self.inputs.push_back(Input::Answer { attempt: id, answer });
    }

    /// Waits until something happens, and turns it into inputs.
    fn turn(&mut self, events: &mut Events) {
        let now = Instant::now();
        self.environment.tick(now);
        self.collect();
        let limit = if self.inputs.is_empty() {
            self.next_deadline()
                .map(|at| at.saturating_duration_since(Instant::now()))
        } else {
            Some(Duration::ZERO)
        };
        if let Err(error) = self.environment.wait(events, limit) {
            self.inputs
                .push_back(Input::Trouble(format!("cannot wait for events: {error}")));
            return;
        }
        for event in &*events {
            match event.token().0 {
                token if token >= super::FIRST_CONNECTION => self.environment.connections.ready(event),
                _ => {
                    for (node, heard) in self.environment.hear(event.token()) {
                        self.heard(node, heard);
                    }
                }
            }
        }
        if self.environment.interrupter.take() {
            self.inputs.push_back(Input::Interrupt);
        }
        let now = Instant::now();
        self.environment.connections.expire(now);
        if self.wake.is_some_and(|at| self.nanos(now) >= at) {
            self.wake = None;
            self.inputs.push_back(Input::Woke);
        }
        self.collect();
    }

    fn next_deadline(&self) -> Option<Instant> {
        [
            self.wake.map(|at| self.begin + Duration::from_nanos(at)),
            self.environment.connections.next_deadline(),
            self.environment.watch.next(),
            self.environment.faults.next(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn heard(&mut self, node: Node, heard: Heard) {
        if let Heard::Exited { asked: false, reason } = &heard {
            self.inputs.push_back(Input::NodeDied {
                node,
                reason: reason.clone(),
            });
        }
        if let Heard::Exited { .. } = &heard {
            self.environment.watch.gone(node);
        }
        self.environment.fault_heard(node, &heard);
        self.look();
    }

    /// Turns what has come to its end into inputs.
    fn collect(&mut self) {
        let mut looked = false;
        for ended in self.environment.connections.ended() {
            match ended.tag {
                Tag::Attempt { id, client, call } => {
                    let (answer, position) = answer::conclude(&call, &ended.end);
                    if let Some(position) = position {
                        let seen = self.seen.entry(client).or_default();
                        *seen = position.max(*seen);
                    }
                    self.inputs.push_back(Input::Answer { attempt: id, answer });
                }
                Tag::Look { node } => {
                    self.environment.watch.looked(node, &ended.end, Instant::now());
                    looked = true;
                }
                Tag::Operator => {}
                Tag::Member { fault } => {
                    self.environment
                        .faults
                        .member_answered(fault, &ended.end, Instant::now());
                }
            }
        }
        self.inputs.extend(self.environment.faults.done());
        if looked {
            self.look();
        }
    }

    /// Tells the runner if the cluster looks different.
    fn look(&mut self) {
        let view = self.environment.watch.view(&self.environment.nodes);
        if self.view.as_ref() != Some(&view) {
            self.view = Some(view.clone());
            self.inputs.push_back(Input::View(view));
        }
    }
}
