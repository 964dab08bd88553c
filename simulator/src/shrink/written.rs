//! Shrinks a run that is written out.

use std::collections::BTreeSet;

use perjury_nemesis::{Fault, Node, Plan, Resolved, Step, StepKind, Target};
use perjury_runner::{Phase, Scripted};
use perjury_workloads::Call;

use super::Shrinker;
use super::ddmin::ddmin;
use crate::run::{Outcome, Violation, Wanted, run};
use crate::script::{Asked, Delivery, Firing, Mishap, Script};
use crate::setup::Setup;
use crate::world::{Strike, Weather};

const MILLISECOND: u64 = 1_000_000;

/// Between two things that happen, once time is pressed together, in nanoseconds.
const GAPS: [u64; 3] = [10 * MILLISECOND, 2 * MILLISECOND, MILLISECOND];

/// One thing that can be taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Item {
    Timer(usize),
    Delivery(usize),
    Operation(usize),
    Mishap(usize),
    Request(usize),
    Fault(u32),
    Trigger(usize),
}

impl Shrinker<'_> {
    /// Writes the run out, and takes out of it what can be taken out. What needs a healed network to fail (a cluster
    /// that does not recover) stays as it is.
    pub(super) fn in_writing(&mut self) {
        if self.setup.script.is_none() && !self.write_out() {
            return;
        }
        self.sweep();
        self.bring_the_end_forward();
        loop {
            let before = self.setup.clone();
            self.isolate_nodes();
            self.remove_items();
            self.fewer_clients();
            self.simplify_weather();
            self.simplify_settings();
            if self.setup == before || self.spent() {
                break;
            }
        }
        self.press_time();
    }

    fn write_out(&mut self) -> bool {
        let needs_no_peace = matches!(
            self.outcome.violations.first(),
            Some(
                Violation::History(_)
                    | Violation::Invariant(_)
                    | Violation::System(perjury_runner::Failure::NodeDied { .. })
            )
        );
        if !needs_no_peace {
            return false;
        }
        let wanted = Wanted {
            recording: true,
            ..self.wanted
        };
        self.runs += 1;
        let Ok(outcome) = run(&self.setup, &wanted) else {
            return false;
        };
        for (at_its_node, late) in [(true, true), (true, false), (false, true), (false, false)] {
            if let Some(written) = write_out(&self.setup, &outcome, at_its_node, late)
                && self.take(written)
            {
                return true;
            }
        }
        false
    }

    /// Takes out what had no effect.
    fn sweep(&mut self) {
        let Some(script) = &self.setup.script else { return };
        let played = &self.outcome.played;
        let mut candidate = self.setup.clone();
        let keep = |played: &[bool], place: usize| played.get(place).copied().unwrap_or(true);
        if let Some(new) = &mut candidate.script {
            new.deliveries = kept(&script.deliveries, |place| keep(&played.deliveries, place));
            new.timers = kept(&script.timers, |place| keep(&played.timers, place));
            let ended = self.outcome.virtual_ns + 1;
            new.ends_ns = new.ends_ns.min(ended);
            let ends_ns = new.ends_ns;
            new.operations.retain(|operation| operation.at_ns <= ends_ns);
            new.requests.retain(|asked| asked.at_ns <= ends_ns);
            new.mishaps.retain(|mishap| mishap.at_ns <= ends_ns);
            candidate
                .plan
                .steps
                .retain(|step| step.at_ms * MILLISECOND <= ends_ns);
            candidate.options.time_limit_ms = ends_ns / MILLISECOND + 1_000;
            let struck: BTreeSet<usize> = self.outcome.struck.iter().map(|(place, ..)| *place).collect();
            candidate.triggers = kept(&candidate.triggers, |place| struck.contains(&place));
        }
        self.take(candidate);
    }

    /// Nothing after the operations that prove it matters.
    fn bring_the_end_forward(&mut self) {
        let mut ends: Vec<u64> = self
            .outcome
            .finished
            .history
            .operations
            .iter()
            .filter_map(|operation| operation.completion.at)
            .map(|moment| moment.time + 1)
            .collect();
        ends.sort_unstable();
        while let Some(middle) = ends.get(ends.len() / 2).copied() {
            let mut candidate = self.setup.clone();
            if let Some(script) = &mut candidate.script {
                script.ends_ns = script.ends_ns.min(middle);
            }
            let half = ends.len() / 2;
            if self.take(candidate) {
                ends.truncate(half);
            } else {
                ends.drain(..=half);
            }
        }
        self.sweep();
    }

    /// Takes nodes out of the game, one after the other.
    fn isolate_nodes(&mut self) {
        for node in (1..=self.setup.options.nodes).map(Node) {
            let mut candidate = self.setup.clone();
            let Some(script) = &mut candidate.script else {
                return;
            };
            script.timers.retain(|timer| timer.node != node);
            script
                .deliveries
                .retain(|delivery| delivery.from != node && delivery.to != node);
            script.operations.retain(|operation| operation.node != node);
            script.requests.retain(|asked| asked.node != node);
            script.mishaps.retain(|mishap| mishap.node != node);
            if self.take(candidate) {
                self.sweep();
            }
        }
    }

    fn remove_items(&mut self) {
        ddmin(items(&self.setup).len(), &mut |range| {
            let gone = items(&self.setup)[range].iter().copied().collect();
            let candidate = without(&self.setup, &gone);
            // A single thing is worth other noise; it is cheap by now.
            let taken = if gone.len() == 1 {
                self.accept(candidate)
            } else {
                self.take(candidate)
            };
            taken.then(|| {
                self.sweep();
                items(&self.setup).len()
            })
        });
    }

    /// No more clients than have something to do, and as few as can do it.
    fn fewer_clients(&mut self) {
        let Some(script) = &self.setup.script else { return };
        let used: BTreeSet<usize> = script.operations.iter().map(|one| one.client).collect();
        let used: Vec<usize> = used.into_iter().collect();
        self.change(|setup| {
            setup.options.concurrency = used.len().max(1);
            if let Some(script) = &mut setup.script {
                for operation in &mut script.operations {
                    operation.client = used.iter().position(|one| *one == operation.client).unwrap_or(0);
                }
            }
        });
        while self.setup.options.concurrency > 1
            && self.change(|setup| {
                setup.options.concurrency -= 1;
                let last = setup.options.concurrency;
                if let Some(script) = &mut setup.script {
                    for operation in &mut script.operations {
                        operation.client %= last;
                    }
                }
            })
        {}
    }

    /// Brings what happens nearer together, in its order.
    fn press_time(&mut self) {
        for gap_ns in GAPS {
            // All of it, or as much of it as can be.
            let moments = moments(&self.setup).len();
            let mut pressed = vec![false; moments];
            ddmin(moments, &mut |range| {
                let mut all = pressed.clone();
                all[range].fill(true);
                let mut candidate = self.setup.clone();
                press(&mut candidate, &all, gap_ns);
                if self.take(candidate) {
                    pressed = vec![false; moments];
                }
                None
            });
        }
        self.sweep();
    }
}

fn kept<T: Clone>(things: &[T], keep: impl Fn(usize) -> bool) -> Vec<T> {
    let places = things.iter().enumerate().filter(|(place, _)| keep(*place));
    places.map(|(_, thing)| thing.clone()).collect()
}

/// Everything that can be taken out, in the order of time.
fn items(setup: &Setup) -> Vec<Item> {
    let Some(script) = &setup.script else {
        return Vec::new();
    };
    let mut items: Vec<(u64, Item)> = Vec::new();
    items.extend(
        (0..)
            .zip(&script.timers)
            .map(|(place, one)| (one.at_ns, Item::Timer(place))),
    );
    items.extend(
        (0..)
            .zip(&script.deliveries)
            .map(|(place, one)| (one.at_ns, Item::Delivery(place))),
    );
    items.extend(
        (0..)
            .zip(&script.operations)
            .map(|(place, one)| (one.at_ns, Item::Operation(place))),
    );
    items.extend(
        (0..)
            .zip(&script.mishaps)
            .map(|(place, one)| (one.at_ns, Item::Mishap(place))),
    );
    items.extend(
        (0..)
            .zip(&script.requests)
            .map(|(place, one)| (one.at_ns, Item::Request(place))),
    );
    items.extend(
        (0..)
            .zip(&setup.triggers)
            .map(|(place, one)| (one.after_ms * MILLISECOND, Item::Trigger(place))),
    );
    let faults = setup.plan.steps.iter().filter(|step| step.what != StepKind::Heal);
    items.extend(faults.map(|step| (step.at_ms * MILLISECOND, Item::Fault(step.id))));
    items.sort_unstable();
    items.into_iter().map(|(_, item)| item).collect()
}

fn without(setup: &Setup, gone: &BTreeSet<Item>) -> Setup {
    let mut setup = setup.clone();
    if let Some(script) = &mut setup.script {
        script.timers = kept(&script.timers, |place| !gone.contains(&Item::Timer(place)));
        script.deliveries = kept(&script.deliveries, |place| !gone.contains(&Item::Delivery(place)));
        script.operations = kept(&script.operations, |place| {
            !gone.contains(&Item::Operation(place))
        });
        script.mishaps = kept(&script.mishaps, |place| !gone.contains(&Item::Mishap(place)));
        script.requests = kept(&script.requests, |place| !gone.contains(&Item::Request(place)));
    }
    setup.triggers = kept(&setup.triggers, |place| !gone.contains(&Item::Trigger(place)));
    setup
        .plan
        .steps
        .retain(|step| !gone.contains(&Item::Fault(step.id)));
    setup
}

/// The moments at which anything happens, in nanoseconds.
fn moments(setup: &Setup) -> Vec<u64> {
    let mut moments: Vec<u64> = Vec::new();
    if let Some(script) = &setup.script {
        moments.extend(script.timers.iter().map(|one| one.at_ns));
        moments.extend(script.deliveries.iter().map(|one| one.at_ns));
        moments.extend(script.operations.iter().map(|one| one.at_ns));
        moments.extend(script.mishaps.iter().map(|one| one.at_ns));
        moments.extend(script.requests.iter().map(|one| one.at_ns));
        moments.push(script.ends_ns);
        moments.extend(script.weather_ns.map(|(from, _)| from));
        moments.extend(script.weather_ns.map(|(_, until)| until));
    }
    moments.extend(setup.plan.steps.iter().map(|step| step.at_ms * MILLISECOND));
    moments.extend(setup.triggers.iter().map(|one| one.after_ms * MILLISECOND));
    moments.sort_unstable();
    moments.dedup();
    moments
}

/// Shortens the times before the moments that are chosen to `gap_ns`, if they are longer.
fn press(setup: &mut Setup, chosen: &[bool], gap_ns: u64) {
    let before = moments(setup);
    let mut now = 0;
    let mut last = 0;
    let after: Vec<u64> = before
        .iter()
        .zip(chosen)
        .map(|(moment, chosen)| {
            let gap = moment - last;
            last = *moment;
            now += if *chosen { gap.min(gap_ns) } else { gap };
            now
        })
        .collect();
    let moved = |at_ns: u64| before.binary_search(&at_ns).map_or(at_ns, |place| after[place]);
    if let Some(script) = &mut setup.script {
        for one in &mut script.timers {
            one.at_ns = moved(one.at_ns);
        }
        for one in &mut script.deliveries {
            one.at_ns = moved(one.at_ns);
        }
        for one in &mut script.operations {
            one.at_ns = moved(one.at_ns);
        }
        for one in &mut script.requests {
            one.at_ns = moved(one.at_ns);
        }
        for one in &mut script.mishaps {
            one.at_ns = moved(one.at_ns);
        }
        if let Some((from, until)) = &mut script.weather_ns {
            (*from, *until) = (moved(*from), moved(*until));
        }
        script.ends_ns = moved(script.ends_ns);
    }
    for step in &mut setup.plan.steps {
        step.at_ms = moved(step.at_ms * MILLISECOND) / MILLISECOND;
    }
    for trigger in &mut setup.triggers {
        trigger.after_ms = moved(trigger.after_ms * MILLISECOND) / MILLISECOND;
    }
}

/// The run as a script. With `at_its_node`, triggers wait for nothing but the moment at which they struck.
fn write_out(setup: &Setup, outcome: &Outcome, at_its_node: bool, late: bool) -> Option<Setup> {
    let (recording, asked) = outcome.recording.as_ref()?;
    let began = |wanted: Phase| {
        let mut phases = outcome.finished.phases.iter();
        phases.find(|(phase, _)| *phase == wanted).map(|(_, at)| *at)
    };
    let started = began(Phase::Start)?;
    // It may break before the main phase.
    let main = began(Phase::Main).unwrap_or(started);
    // What the plan does comes so much later, as its time counts from the main phase, which now begins at once.
    let offset_ms = if late {
        (main - started).div_ceil(MILLISECOND)
    } else {
        (main - started) / MILLISECOND
    };
    let nodes = |name: &str| name.parse::<Node>().ok();
    let mut written = setup.clone();
    written.script = Some(Script {
        timers: recording
            .timers
            .iter()
            .map(|(at, node)| Firing {
                at_ns: *at,
                node: *node,
            })
            .collect(),
        deliveries: recording
            .arrivals
            .iter()
            .map(|(at, from, to, message, nth)| Delivery {
                at_ns: *at,
                from: *from,
                to: *to,
                message: (*message).to_owned(),
                nth: *nth,
            })
            .collect(),
        operations: outcome
            .finished
            .history
            .operations
            .iter()
            .filter_map(|operation| {
                Some(Scripted {
                    at_ns: operation.invoked.time,
                    client: operation.process as usize % setup.options.concurrency,
                    node: nodes(operation.node.as_deref()?)?,
                    call: Call {
                        f: operation.f.clone(),
                        key: operation.key.clone()?,
                        value: operation.argument.clone(),
                    },
                })
            })
            .collect(),
        requests: asked
            .iter()
            .map(|(at, node, command)| Asked {
                at_ns: *at,
                node: *node,
                command: command.clone(),
            })
            .collect(),
        mishaps: recording
            .mishaps
            .iter()
            .map(|(at, node, what)| Mishap {
                at_ns: *at,
                node: *node,
                what: *what,
            })
            .collect(),
        weather_ns: Some((main, began(Phase::Heal).unwrap_or(outcome.virtual_ns + 1))),
        ends_ns: outcome.virtual_ns + 1,
    });
    written.options.time_limit_ms = outcome.virtual_ns / MILLISECOND + 1_000;
    written.quorum_trial = false;
    written.weather = Weather {
        loss_ppm: 0,
        duplicate_ppm: 0,
        reorder_ppm: 0,
        clog_every_ms: 0,
        transfer_every_ms: 0,
        ..setup.weather
    };
    written.plan = plan(setup, outcome, offset_ms);
    for trigger in &mut written.triggers {
        trigger.after_ms += offset_ms;
    }
    if at_its_node {
        for (place, node, at) in &outcome.struck {
            let trigger = &mut written.triggers[*place];
            trigger.node = Some(*node);
            trigger.after_ms = at.saturating_sub(started) / MILLISECOND;
            trigger.skip = 0;
        }
    }
    // What is cut off is written out already.
    written
        .triggers
        .retain(|trigger| !matches!(trigger.strike, Strike::CutOff | Strike::CutOffLeader));
    Some(written)
}

/// Frozen processes, bent clocks and broken disks, with the nodes that they hit: everything else is written out already.
fn plan(setup: &Setup, outcome: &Outcome, offset_ms: u64) -> Plan {
    let resolved = |id: u32| {
        let mut records = outcome.finished.faults.iter();
        let record = records.find(|record| record.id == id && record.error.is_none())?;
        let nodes = |nodes: &BTreeSet<Node>| Target::Nodes(nodes.clone());
        match &record.fault {
            Resolved::Pause { nodes: who } => Some(Fault::Pause { target: nodes(who) }),
            Resolved::Clock { nodes: who, bend } => Some(Fault::Clock {
                target: nodes(who),
                bend: *bend,
            }),
            Resolved::Disk { nodes: who, defect } => Some(Fault::Disk {
                target: nodes(who),
                defect: *defect,
            }),
            _ => None,
        }
    };
    let steps = setup.plan.steps.iter().filter_map(|step| {
        let fault = resolved(step.id)?;
        Some(Step {
            at_ms: step.at_ms + offset_ms,
            id: step.id,
            what: match step.what {
                StepKind::Inject(_) => StepKind::Inject(fault),
                StepKind::Heal => StepKind::Heal,
            },
        })
    });
    Plan {
        steps: steps.collect(),
    }
}
