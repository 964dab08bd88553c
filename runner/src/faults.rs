//! Carries out a plan: which fault comes now, what became of it, and what is still to be mended.

use std::collections::BTreeMap;

use perjury_checker::EventKind;
use perjury_nemesis::{Fault, Node, Plan, Resolved, Situation, StepKind, describe, kinds};

use crate::coverage::Counter;
use crate::record::Recorder;
use crate::step::{Action, Bite, FaultRecord, Notice};

/// How often a heal that failed is tried again. (Joining again is tried for as long as there is time: it needs
/// a cluster that works.)
const HEAL_TRIES: u32 = 3;

/// Where a fault is between being due and being mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nobody was left to hit.
    Skipped,
    /// Under way, in force, or attempted and possibly half in force: to be healed.
    Broken,
    /// Being healed.
    Healing,
    /// Healed, or given up.
    Over,
}

#[derive(Clone, Copy, Debug)]
struct Course {
    record: usize,
    state: State,
    counted: bool,
    tries: u32,
}

/// What a heal came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Healed {
    /// As it should, or it was not waited for.
    Fine,
    /// It failed, and is to be tried again.
    Again,
    /// It failed for good.
    Failed(String),
}

/// What the parts of the runner share when an action is due.
pub(crate) struct Out<'a> {
    pub(crate) now_ns: u64,
    pub(crate) recorder: &'a mut Recorder,
    pub(crate) counter: &'a mut Counter,
    pub(crate) actions: &'a mut Vec<Action>,
}

/// The course of all faults.
#[derive(Debug)]
pub(crate) struct Faults {
    plan: Plan,
    next: usize,
    situation: Situation,
    records: Vec<FaultRecord>,
    courses: BTreeMap<u32, Course>,
    nodes: u16,
}

impl Faults {
    pub(crate) fn new(plan: Plan, nodes: u16) -> Self {
        Faults {
            plan,
            next: 0,
            situation: Situation::new(nodes),
            records: Vec::new(),
            courses: BTreeMap::new(),
            nodes,
        }
    }

    /// When the next step is due, in milliseconds since the main phase began.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        self.plan.steps.get(self.next).map(|step| step.at_ms)
    }

    /// The kinds of the faults whose time had come.
    pub(crate) fn asked(&self) -> Vec<&'static str> {
        let due = self.plan.steps[..self.next]
            .iter()
            .filter_map(|step| match &step.what {
                StepKind::Inject(fault) => Some(fault.kind()),
                StepKind::Heal => None,
            });
        due.collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect()
    }

    pub(crate) fn records(&self) -> &[FaultRecord] {
        &self.records
    }

    pub(crate) fn dead(&self) -> &std::collections::BTreeSet<Node> {
        self.situation.dead()
    }

    pub(crate) fn see_leader(&mut self, leader: Option<Node>) {
        self.situation.see_leader(leader);
    }

    pub(crate) fn see_death(&mut self, node: Node) {
        self.situation.see_death(node);
    }

    /// Carries out the next step.
    pub(crate) fn step(&mut self, out: &mut Out<'_>) {
        let Some(step) = self.plan.steps.get(self.next).cloned() else {
            return;
        };
        self.next += 1;
        match step.what {
            StepKind::Inject(fault) => self.inject(step.id, &fault, out),
            StepKind::Heal => {
                if self
                    .courses
                    .get(&step.id)
                    .is_some_and(|course| course.state == State::Broken)
                {
                    self.heal(step.id, out);
                }
            }
        }
    }

    fn inject(&mut self, id: u32, fault: &Fault, out: &mut Out<'_>) {
        let resolved = self.situation.resolve(fault);
        let description = describe(&resolved, self.situation.leader(), self.nodes);
        let skipped = resolved.is_empty();
        let record = FaultRecord {
            id,
            kind: fault.kind().to_owned(),
            description: if skipped {
                format!("{}: nobody left to hit", fault.kind())
            } else {
                description
            },
            fault: resolved.clone(),
            injected_at: None,
            healed_at: None,
            bite: Bite::default(),
            error: skipped.then(|| "every target was already down, out of the cluster, or bent".to_owned()),
        };
        let state = if skipped { State::Skipped } else { State::Broken };
        self.courses.insert(
            id,
            Course {
                record: self.records.len(),
                state,
                counted: false,
                tries: 0,
            },
        );
        if !skipped {
            out.recorder.nemesis(
                out.now_ns,
                EventKind::Invoke,
                &record.kind,
                &record.description,
                None,
                out.actions,
            );
            self.situation.inject(id, resolved.clone());
        }
        out.actions.push(Action::Notice(Notice::Fault(record.clone())));
        self.records.push(record);
        if !skipped {
            out.actions.push(Action::Inject { id, fault: resolved });
        }
    }

    /// A fault was carried out, or could not be.
    pub(crate) fn injected(&mut self, id: u32, result: Result<Bite, String>, out: &mut Out<'_>) {
        let Some(course) = self.courses.get_mut(&id) else {
            return;
        };
        let record = &mut self.records[course.record];
        if course.state == State::Skipped || record.injected_at.is_some() || record.error.is_some() {
            return;
        }
        match result {
            Ok(bite) => {
                record.injected_at = Some(out.now_ns);
                record.bite = bite;
                let index = out.recorder.next_index();
                out.recorder.nemesis(
                    out.now_ns,
                    EventKind::Ok,
                    &record.kind,
                    &record.description,
                    None,
                    out.actions,
                );
                if course.state == State::Broken {
                    course.counted = true;
                    out.counter.injected(&record.kind, index);
                }
            }
            Err(error) => {
                out.recorder.nemesis(
                    out.now_ns,
                    EventKind::Fail,
                    &record.kind,
                    &record.description,
                    Some(&error),
                    out.actions,
                );
                record.error = Some(error);
            }
        }
        out.actions.push(Action::Notice(Notice::Fault(record.clone())));
    }

    /// Mends a fault, also one whose injection failed: part of it may have taken hold.
    pub(crate) fn heal(&mut self, id: u32, out: &mut Out<'_>) {
        let Some(course) = self.courses.get_mut(&id) else {
            return;
        };
        if matches!(course.state, State::Skipped | State::Over) {
            return;
        }
        let record = &self.records[course.record];
        if course.state == State::Broken {
            out.recorder.nemesis(
                out.now_ns,
                EventKind::Invoke,
                "heal",
                &record.description,
                None,
                out.actions,
            );
        }
        if course.counted {
            course.counted = false;
            out.counter.healing(&record.kind);
        }
        course.state = State::Healing;
        course.tries += 1;
        out.actions.push(Action::Heal { id });
    }

    /// A fault was healed, or could not be.
    pub(crate) fn healed(&mut self, id: u32, result: Result<Bite, String>, out: &mut Out<'_>) -> Healed {
        let Some(course) = self.courses.get_mut(&id) else {
            return Healed::Fine;
        };
        if course.state != State::Healing {
            return Healed::Fine;
        }
        let record = &mut self.records[course.record];
        let (kind, error) = match result {
            Ok(bite) => {
                course.state = State::Over;
                record.healed_at = Some(out.now_ns);
                // What bit once has bitten.
                let bit = record.bite.bit || bite.bit;
                if !bite.evidence.is_empty() || !bite.links.is_empty() || !record.bite.bit {
                    record.bite = bite;
                }
                record.bite.bit = bit;
                self.situation.heal(id);
                (EventKind::Ok, None)
            }
            Err(error) if course.tries < HEAL_TRIES || record.kind == kinds::MEMBERSHIP => {
                record.error = Some(error);
                out.actions.push(Action::Notice(Notice::Fault(record.clone())));
                return Healed::Again;
            }
            Err(error) => {
                course.state = State::Over;
                record.error = Some(error.clone());
                (EventKind::Fail, Some(error))
            }
        };
        out.recorder.nemesis(
            out.now_ns,
            kind,
            "heal",
            &record.description,
            error.as_deref(),
            out.actions,
        );
        out.actions.push(Action::Notice(Notice::Fault(record.clone())));
        match error {
            Some(error) => Healed::Failed(format!("{} could not be healed: {error}", record.description)),
            None => Healed::Fine,
        }
    }

    /// Mends what is not being mended yet: everything but membership first, since joining needs a cluster that
    /// works. Says whether everything is over.
    pub(crate) fn heal_all(&mut self, out: &mut Out<'_>) -> bool {
        let rest = |faults: &Self, last: bool| -> Vec<(u32, State)> {
            let open = faults.courses.iter().filter(|(_, course)| {
                matches!(course.state, State::Broken | State::Healing)
                    && (faults.records[course.record].kind == kinds::MEMBERSHIP) == last
            });
            open.map(|(id, course)| (*id, course.state)).collect()
        };
        let mut open = rest(self, false);
        if open.is_empty() {
            open = rest(self, true);
        }
        for (id, state) in &open {
            if *state == State::Broken {
                self.heal(*id, out);
            }
        }
        open.is_empty()
    }

    /// Gives up what could not be mended in time: the descriptions, and the nodes that did not join again.
    pub(crate) fn give_up(&mut self, out: &mut Out<'_>) -> (Vec<String>, Vec<Node>) {
        let (mut unmended, mut outside) = (Vec::new(), Vec::new());
        for course in self.courses.values_mut() {
            if !matches!(course.state, State::Broken | State::Healing) {
                continue;
            }
            course.state = State::Over;
            let record = &mut self.records[course.record];
            let error = record
                .error
                .get_or_insert_with(|| "healing did not end in time".to_owned())
                .clone();
            match &record.fault {
                Resolved::Leave { nodes } => outside.extend(nodes.iter().copied()),
                _ => unmended.push(format!("{}: {error}", record.description)),
            }
            out.recorder.nemesis(
                out.now_ns,
                EventKind::Fail,
                "heal",
                &record.description,
                Some(&error),
                out.actions,
            );
            out.actions.push(Action::Notice(Notice::Fault(record.clone())));
        }
        (unmended, outside)
    }

    pub(crate) fn into_records(self) -> Vec<FaultRecord> {
        self.records
    }
}
