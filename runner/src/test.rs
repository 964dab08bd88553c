//! The runner: one state machine that is fed with inputs and time, and says what is to be done.

use std::collections::VecDeque;
use std::fmt;

use perjury_nemesis::{Node, Plan, stream};
use perjury_workloads::{Call, Workload};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::clients::Client;
use crate::coverage::Counter;
use crate::faults::{Faults, Healed, Out};
use crate::options::{Options, OptionsError};
use crate::probes::Probes;
use crate::record::Recorder;
use crate::script::Scripted;
use crate::step::{Action, Answer, Input, Notice, Phase, View};
use crate::summary::{Failure, Finished, Recovery};
use crate::timers::{Timer, Timers};

pub(crate) const MS: u64 = 1_000_000;

/// How late an operation may come and still be made up for, when a rate is kept; a tenth of clients' patience if that
/// is more.
const LATENESS_MS: u64 = 100;

/// Pause before a heal that failed is tried again.
const HEAL_PAUSE_NS: u64 = 250 * MS;

/// A test as a deterministic state machine: the same inputs at the same times give the same actions.
///
/// Feed it [`Input::Started`] once all nodes were started, and then whatever happens; carry out its actions in
/// order, until [`Action::Finish`].
pub struct Runner {
    pub(crate) options: Options,
    pub(crate) workload: Box<dyn Workload>,
    pub(crate) retries: bool,
    pub(crate) now_ns: u64,
    pub(crate) phase: Phase,
    pub(crate) started: bool,
    pub(crate) phase_began_ns: u64,
    pub(crate) phases: Vec<(Phase, u64)>,
    /// Why the main phase ends before its time.
    pub(crate) stopping: bool,
    pub(crate) interrupted: bool,
    pub(crate) trouble: Vec<String>,
    pub(crate) failures: Vec<Failure>,
    pub(crate) clients: Vec<Client>,
    pub(crate) idle: VecDeque<usize>,
    /// What clients still do, if that is written down.
    pub(crate) scripted: Option<VecDeque<Scripted>>,
    pub(crate) probes: Probes,
    pub(crate) recovery: Vec<Recovery>,
    pub(crate) faults: Faults,
    pub(crate) recorder: Recorder,
    pub(crate) counter: Counter,
    pub(crate) timers: Timers,
    /// What is still to be read in the end, and at which node.
    pub(crate) final_calls: VecDeque<(Node, Call)>,
    pub(crate) final_error: String,
    /// Final calls wait until then.
    pub(crate) final_pause_ns: u64,
    next_attempt: u64,
    next_due_ns: u64,
    pace: ChaCha8Rng,
    view: View,
    leader: Option<(Node, u64)>,
    wake_ns: Option<u64>,
}

impl fmt::Debug for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner")
            .field("phase", &self.phase)
            .field("now_ns", &self.now_ns)
            .field("operations", &self.recorder.operations())
            .finish_non_exhaustive()
    }
}

impl Runner {
    /// A test of this workload under this plan.
    ///
    /// # Errors
    /// Options or a plan that cannot be.
    pub fn new(options: Options, workload: Box<dyn Workload>, plan: Plan) -> Result<Self, OptionsError> {
        options.validate(&plan)?;
        let client = |number| Client::new(number, &options);
        let watch = if options.stop_on_violation {
            workload.watch()
        } else {
            None
        };
        let recorder = Recorder::new(options.nodes, watch);
        Ok(Runner {
            retries: workload.retries(),
            workload,
            now_ns: 0,
            phase: Phase::Start,
            started: false,
            phase_began_ns: 0,
            phases: Vec::new(),
            stopping: false,
            interrupted: false,
            trouble: Vec::new(),
            failures: Vec::new(),
            clients: (0..options.concurrency).map(client).collect(),
            idle: (0..options.concurrency).collect(),
            scripted: None,
            probes: Probes::new(options.nodes),
            recovery: Vec::new(),
            faults: Faults::new(plan, options.nodes),
            recorder,
            counter: Counter::default(),
            timers: Timers::default(),
            final_calls: VecDeque::new(),
            final_error: String::new(),
            final_pause_ns: 0,
            next_attempt: 0,
            next_due_ns: 0,
            pace: stream(options.seed, "pace"),
            view: View::default(),
            leader: None,
            wake_ns: None,
            options,
        })
    }

    /// Where the test is.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Whether the test is over: [`Action::Finish`] was given.
    pub fn is_done(&self) -> bool {
        self.phase == Phase::Done
    }

    /// Takes an input at a time (nanoseconds since the start, never falling), and adds what is to be done to
    /// `out`. After the end, inputs change nothing.
    pub fn step(&mut self, now_ns: u64, input: Input, out: &mut Vec<Action>) {
        if self.is_done() {
            return;
        }
        self.now_ns = self.now_ns.max(now_ns);
        self.take(input, out);
        self.advance(out);
        self.wake(out);
    }

    fn take(&mut self, input: Input, out: &mut Vec<Action>) {
        match input {
            Input::Started => self.begin(out),
            Input::Answer { attempt, answer } => self.answer(attempt, answer, out),
            Input::Woke => self.wake_ns = None,
            Input::View(view) => self.see(view, out),
            Input::Injected { id, result } => {
                self.with_faults(out, |faults, out| faults.injected(id, result, out))
            }
            Input::Healed { id, result } => {
                match self.with_faults(out, |faults, out| faults.healed(id, result, out)) {
                    Healed::Fine => {}
                    Healed::Again => self.timers.set(self.now_ns + HEAL_PAUSE_NS, Timer::Heal { id }),
                    Healed::Failed(problem) => self.in_trouble(problem, out),
                }
            }
            Input::NodeDied { node, reason } => self.died(node, reason, out),
            Input::Trouble(problem) => self.in_trouble(problem, out),
            Input::Interrupt => {
                self.interrupted = true;
                self.stopping = true;
            }
        }
    }

    pub(crate) fn with_faults<T>(
        &mut self,
        actions: &mut Vec<Action>,
        act: impl FnOnce(&mut Faults, &mut Out<'_>) -> T,
    ) -> T {
        let Runner {
            faults,
            recorder,
            counter,
            now_ns,
            ..
        } = self;
        act(
            faults,
            &mut Out {
                now_ns: *now_ns,
                recorder,
                counter,
                actions,
            },
        )
    }

    fn see(&mut self, view: View, out: &mut Vec<Action>) {
        if view == self.view {
            return;
        }
        self.counter.seen(&view, self.phase == Phase::Main);
        match view.leader {
            Some((node, term)) if self.leader.is_none_or(|(_, known)| term >= known) => {
                self.leader = Some((node, term));
                self.faults
                    .see_leader(Some(node).filter(|node| view.up.is_empty() || view.up.contains(node)));
            }
            Some(_) => {}
            None => self.faults.see_leader(None),
        }
        out.push(Action::Notice(Notice::View {
            at: self.now_ns,
            view: view.clone(),
        }));
        self.view = view;
    }

    /// A node carried out a change under a term: it leads, if nobody leads a higher one. Where nobody leads others,
    /// answers have no term.
    fn leads(&mut self, node: Node, term: u64) {
        if term > 0 && self.leader.is_none_or(|(_, known)| term > known) {
            self.leader = Some((node, term));
            self.faults.see_leader(Some(node));
        }
    }

    fn died(&mut self, node: Node, reason: String, out: &mut Vec<Action>) {
        if node.0 == 0 || node.0 > self.options.nodes || self.faults.dead().contains(&node) {
            return;
        }
        self.faults.see_death(node);
        out.push(Action::Notice(Notice::NodeDied {
            at: self.now_ns,
            node,
            reason: reason.clone(),
        }));
        if self.phase == Phase::Start {
            self.trouble
                .push(format!("the cluster could not be set up: {node} died: {reason}"));
        } else {
            self.failures.push(Failure::NodeDied {
                node,
                at: self.now_ns,
                reason,
            });
        }
        // What could be proven is proven.
        self.stopping = true;
    }

    pub(crate) fn in_trouble(&mut self, problem: String, out: &mut Vec<Action>) {
        out.push(Action::Notice(Notice::Trouble {
            at: self.now_ns,
            problem: problem.clone(),
        }));
        self.trouble.push(problem);
        self.stopping = true;
    }

    /// An attempt's name says whose it is: a client's, or, after these, the probe's of a node.
    fn slots(&self) -> u64 {
        self.clients.len() as u64 + u64::from(self.options.nodes)
    }

    pub(crate) fn name_attempt(&mut self, slot: usize) -> u64 {
        self.next_attempt += 1;
        self.next_attempt * self.slots() + slot as u64
    }

    fn answer(&mut self, attempt: u64, answer: Answer, out: &mut Vec<Action>) {
        let slot = (attempt % self.slots()) as usize;
        if slot >= self.clients.len() {
            self.probed(slot - self.clients.len(), attempt, answer, out);
            return;
        }
        let Some(open) = self.clients[slot]
            .open
            .as_ref()
            .filter(|open| open.attempt == Some(attempt))
        else {
            return;
        };
        if let Answer::Ok { term, .. } = &answer
            && crate::clients::changes(&open.call.f)
        {
            let (node, term) = (open.node, *term);
            self.leads(node, term);
        }
        self.answered(slot, answer, out);
    }

    /// Starts as many operations as are due.
    pub(crate) fn pump(&mut self, out: &mut Vec<Action>) {
        if self.scripted.is_some() {
            return self.follow_script(out);
        }
        let interval_ns = if self.options.rate > 0.0 {
            (1e9 / self.options.rate) as u64
        } else {
            0
        };
        let lateness_ns = LATENESS_MS
            .max(self.options.request_timeout_ms / 10)
            .saturating_mul(MS);
        // An instant answer must not keep this going for ever: each client gets one turn.
        for _ in 0..self.idle.len() {
            if interval_ns > 0 {
                if self.next_due_ns > self.now_ns {
                    return;
                }
                let jittered_ns = interval_ns * self.pace.random_range(50..=150) / 100;
                let earliest_ns = self.now_ns.saturating_sub(lateness_ns);
                self.next_due_ns = self.next_due_ns.max(earliest_ns) + jittered_ns.max(1);
            }
            let Some(client) = self.idle.pop_front() else {
                return;
            };
            let call = self.workload.next(client, &mut self.clients[client].workload_rng);
            self.invoke(client, call, false, out);
        }
    }

    /// Says when to call back, if that has changed.
    fn wake(&mut self, out: &mut Vec<Action>) {
        if self.is_done() || !self.started {
            return;
        }
        let mut next_ns = self.timers.next().unwrap_or(u64::MAX).min(self.phase_ends_ns());
        if self.phase == Phase::Main {
            if let Some(at_ms) = self.faults.next_ms() {
                next_ns = next_ns.min(self.phase_began_ns.saturating_add(at_ms.saturating_mul(MS)));
            }
            if self.scripted.is_some() {
                next_ns = next_ns.min(self.script_due_ns().unwrap_or(u64::MAX));
            } else if self.options.rate > 0.0 && !self.idle.is_empty() {
                next_ns = next_ns.min(self.next_due_ns);
            }
        }
        let next_ns = next_ns.max(self.now_ns);
        if next_ns != u64::MAX && self.wake_ns != Some(next_ns) {
            self.wake_ns = Some(next_ns);
            out.push(Action::Wake(next_ns));
        }
    }

    pub(crate) fn restart_pace(&mut self) {
        self.next_due_ns = self.now_ns;
    }

    /// Everything that the test left behind. May be asked for at any time, also when an environment has failed
    /// before the end.
    pub fn finish(self) -> Finished {
        let asked = self.faults.asked();
        let coverage = self.counter.finish(
            self.faults.records(),
            &asked,
            &self.workload.minimum(),
            self.options.nodes,
        );
        Finished {
            history: self.recorder.into_history(),
            faults: self.faults.into_records(),
            coverage,
            failures: self.failures,
            trouble: self.trouble,
            interrupted: self.interrupted,
            recovery: self.recovery,
            phases: self.phases,
            workload: self.workload,
        }
    }
}
