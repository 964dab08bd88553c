//! Phases: what each begins with, and what ends it. A violation that the history proves ends the main phase as an
//! interrupt does, if the options say so.
//!
//! ```text
//! start ──all serve──▶ main ──time is up──▶ heal ──all mended──▶ recover ──all serve──▶ final ──all read──▶ done
//!   │                   │ interrupted,       │ interrupted,       │ too late: a failure    │ too late: a failure
//!   │                   ▼ trouble, a death   ▼ trouble            ▼ of the system          ▼ of the system
//!   └─too late───────▶ heal                 done                 final, or done           done
//! ```

use std::collections::VecDeque;

use perjury_nemesis::Node;
use perjury_workloads::Call;

use crate::step::{Action, Answer, Notice, Phase};
use crate::summary::{Failure, Recovery};
use crate::test::{MS, Runner};
use crate::timers::Timer;

/// Pause before a node that does not serve is probed again, in thousandths of clients' patience, which is a second at
/// least.
const START_PAUSE: u64 = 10;
const RECOVER_PAUSE: u64 = 20;

/// So many of the final calls are carried out at every node.
const READ_EVERYWHERE: usize = 8;

/// How long an environment may take to report an attempt beyond its time-out.
const GRACE_MS: u64 = 2_000;

impl Runner {
    /// All nodes were started.
    pub(crate) fn begin(&mut self, out: &mut Vec<Action>) {
        if self.started {
            return;
        }
        self.started = true;
        self.enter(Phase::Start, out);
        if self.scripted.is_none() {
            self.probe_all(out);
        }
    }

    fn enter(&mut self, phase: Phase, out: &mut Vec<Action>) {
        self.phase = phase;
        self.phase_began_ns = self.now_ns;
        self.phases.push((phase, self.now_ns));
        out.push(Action::Notice(Notice::Phase {
            phase,
            at: self.now_ns,
        }));
    }

    /// When the phase ends at the latest; `u64::MAX` for not at all.
    pub(crate) fn phase_ends_ns(&self) -> u64 {
        let options = &self.options;
        let lasts_ms = match self.phase {
            Phase::Start => options.start_limit_ms,
            Phase::Main => options.time_limit_ms,
            Phase::Heal | Phase::Final => options.recovery_limit_ms,
            // Once probing is over, clients' last operations are waited for.
            Phase::Recover if self.probes.all_serve(self.faults.dead()) => self.straggler_ms(),
            Phase::Recover => options.recovery_limit_ms,
            Phase::Done => return u64::MAX,
        };
        self.phase_began_ns.saturating_add(lasts_ms.saturating_mul(MS))
    }

    /// How long operations of the main phase may still be under way after it, if the environment keeps its word.
    fn straggler_ms(&self) -> u64 {
        let patience_ms = self
            .options
            .request_timeout_ms
            .saturating_mul(crate::options::RETRIED_TIMEOUTS + 1);
        self.options
            .recovery_limit_ms
            .max(patience_ms.saturating_add(GRACE_MS))
    }

    /// Does everything that is due, and goes from phase to phase as far as it can.
    pub(crate) fn advance(&mut self, out: &mut Vec<Action>) {
        while let Some(timer) = self.timers.due(self.now_ns) {
            match timer {
                Timer::Retry { client, operation } => self.retry(client, operation, out),
                Timer::Probe { node } => self.probe(node, out),
                Timer::Heal { id } => self.with_faults(out, |faults, out| faults.heal(id, out)),
                Timer::Final => {}
            }
        }
        loop {
            let before = self.phase;
            match before {
                Phase::Start => self.start(out),
                Phase::Main => self.main(out),
                Phase::Heal => self.heal(out),
                Phase::Recover => self.recover(out),
                Phase::Final => self.read_finally(out),
                Phase::Done => {}
            }
            if self.phase == before {
                return;
            }
        }
    }

    fn due(&self) -> bool {
        self.now_ns >= self.phase_ends_ns()
    }

    fn start(&mut self, out: &mut Vec<Action>) {
        if self.stopping {
            self.done(out);
        } else if !self.started {
            // Nothing to go by yet.
        } else if self.scripted.is_some() || self.probes.all_serve(self.faults.dead()) {
            self.enter(Phase::Main, out);
            self.restart_pace();
        } else if self.due() {
            let waiting = self.probes.waiting(self.faults.dead());
            let waiting: Vec<String> = waiting
                .iter()
                .map(|(node, error)| format!("{node} ({error})"))
                .collect();
            let problem = format!(
                "the cluster could not be set up: not serving after {} ms: {}",
                self.options.start_limit_ms,
                waiting.join(", ")
            );
            self.in_trouble(problem, out);
            self.done(out);
        }
    }

    fn main(&mut self, out: &mut Vec<Action>) {
        let elapsed_ms = (self.now_ns - self.phase_began_ns) / MS;
        self.stopping |= self.recorder.proves_a_violation();
        while !self.stopping && self.faults.next_ms().is_some_and(|at_ms| at_ms <= elapsed_ms) {
            self.with_faults(out, |faults, out| faults.step(out));
        }
        if self.stopping || self.due() {
            self.enter(Phase::Heal, out);
        } else {
            self.pump(out);
        }
    }

    fn heal(&mut self, out: &mut Vec<Action>) {
        let mut mended = self.with_faults(out, |faults, out| faults.heal_all(out));
        if !mended && self.due() {
            let (unmended, outside) = self.with_faults(out, |faults, out| faults.give_up(out));
            let limit_ms = self.options.recovery_limit_ms;
            for problem in unmended {
                self.in_trouble(problem, out);
            }
            if !outside.is_empty() {
                self.failures.push(Failure::DidNotRejoin {
                    nodes: outside,
                    limit_ms,
                });
            }
            mended = true;
        }
        if !mended {
            return;
        }
        let dead = self.faults.dead().len();
        let majority_left = usize::from(self.options.nodes) - dead > usize::from(self.options.nodes / 2);
        if self.interrupted || !self.trouble.is_empty() || !majority_left {
            self.done(out);
            return;
        }
        self.enter(Phase::Recover, out);
        self.probes.reset();
        self.probe_all(out);
    }

    fn recover(&mut self, out: &mut Vec<Action>) {
        for node in self.probes.newly_serving() {
            let after = self.now_ns - self.phase_began_ns;
            self.recovery.push(Recovery {
                node,
                after: Some(after),
            });
            out.push(Action::Notice(Notice::Recovered { node, after }));
        }
        if self.interrupted || !self.trouble.is_empty() {
            self.done(out);
            return;
        }
        let recovered = self.probes.all_serve(self.faults.dead());
        if (recovered && !self.busy()) || self.due() {
            if !recovered {
                self.did_not_recover();
                if self.recovery.is_empty() {
                    self.done(out);
                    return;
                }
            }
            // A final read is one that begins after the last acknowledgement.
            self.end_all("unanswered", out);
            self.enter(Phase::Final, out);
            self.final_calls = self.final_reads();
        }
    }

    fn did_not_recover(&mut self) {
        let nodes = self.probes.waiting(self.faults.dead());
        self.recovery.extend(nodes.iter().map(|(node, _)| Recovery {
            node: *node,
            after: None,
        }));
        let limit_ms = self.options.recovery_limit_ms;
        self.failures.push(Failure::DidNotRecover { nodes, limit_ms });
    }

    /// The workload's final calls, the newest of them at every node: where nodes came to differ, some answer shows it.
    /// The others go round.
    fn final_reads(&mut self) -> VecDeque<(Node, Call)> {
        let alive = self.alive();
        let calls = self.workload.final_calls();
        let old = calls.len().saturating_sub(READ_EVERYWHERE);
        let mut reads = VecDeque::new();
        for (place, call) in calls.into_iter().enumerate() {
            if place < old {
                reads.extend(alive.get(place % alive.len().max(1)).map(|node| (*node, call)));
            } else {
                reads.extend(alive.iter().map(|node| (*node, call.clone())));
            }
        }
        reads
    }

    fn read_finally(&mut self, out: &mut Vec<Action>) {
        if self.interrupted || !self.trouble.is_empty() {
            self.done(out);
            return;
        }
        if self.final_calls.is_empty() && !self.busy() {
            self.done(out);
        } else if self.due() {
            let open = self.clients.len() - self.idle.len();
            self.failures.push(Failure::FinalReadsFailed {
                reads: (self.final_calls.len() + open) as u64,
                limit_ms: self.options.recovery_limit_ms,
                error: if self.final_error.is_empty() {
                    "no answer".to_owned()
                } else {
                    self.final_error.clone()
                },
            });
            self.done(out);
        } else if self.now_ns >= self.final_pause_ns {
            for _ in 0..self.idle.len() {
                let Some((node, call)) = self.final_calls.pop_front() else {
                    return;
                };
                let Some(client) = self.idle.pop_front() else {
                    return;
                };
                self.invoke_at(client, call, node, true, out);
            }
        }
    }

    fn done(&mut self, out: &mut Vec<Action>) {
        self.end_all("unanswered", out);
        self.enter(Phase::Done, out);
        out.push(Action::Finish);
    }

    fn probe_all(&mut self, out: &mut Vec<Action>) {
        for place in 0..usize::from(self.options.nodes) {
            self.probe(place, out);
        }
    }

    /// Takes the answer to a probe.
    pub(crate) fn probed(&mut self, place: usize, attempt: u64, answer: Answer, _out: &mut Vec<Action>) {
        if self.probes.answered(place, attempt, answer) && self.probes.wants(place) {
            let pause = if self.phase == Phase::Start {
                START_PAUSE
            } else {
                RECOVER_PAUSE
            };
            let pause_ns = self
                .options
                .request_timeout_ms
                .max(1_000)
                .saturating_mul(pause * MS / 1_000);
            self.timers
                .set(self.now_ns + pause_ns, Timer::Probe { node: place });
        }
    }

    /// The nodes of the cluster that are not known to have died.
    pub fn alive(&self) -> Vec<Node> {
        (1..=self.options.nodes)
            .map(Node)
            .filter(|node| !self.faults.dead().contains(node))
            .collect()
    }
}
