//! From names to a plan: rounds of faults with health in between.
//!
//! ```text
//!        ┌──── round ────┐          ┌─ round ─┐
//!  ──────┤ partition     ├──────────┤ kill    ├─────────  time
//!  health│    ┌ pause ┐  │  health  └─────────┘  health
//! ```
//!
//! A round holds one fault, or some that overlap, of different kinds; everything that a round breaks it mends.
//! The kinds are dealt from a shuffled deck, so that each that was asked for comes up before any comes twice.

use std::collections::BTreeSet;

use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::draw::{Class, Draw};
use crate::fault::{Fault, kinds};
use crate::menu::{Nemesis, NemesisError, Part};
use crate::plan::{Plan, Step, StepKind};

/// The shortest main phase in which a fault fits.
pub const MIN_TIME_LIMIT_MS: u64 = 500;

/// What a plan is made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How many nodes the cluster has.
    pub nodes: u16,
    /// How long the main phase lasts.
    pub time_limit_ms: u64,
    /// Mean time from the start of one round of faults to the start of the next. None chooses one that lets
    /// every kind come up: up to two seconds.
    pub interval_ms: Option<u64>,
    /// Mean time that a fault lasts. None: somewhat more than half of the interval.
    pub duration_ms: Option<u64>,
    /// Whom faults of processes, clocks and packets hit; empty for a mix that suits each. (Partitions have
    /// their shapes; from the cluster goes one node at a time.)
    pub targets: BTreeSet<Class>,
    /// The kinds that the environment and the system can do; see [`kinds::ALL`].
    pub can: BTreeSet<&'static str>,
    /// What is drawn only if it is asked for by name: neither by `all` nor by `swarm`.
    pub unless_named: BTreeSet<Part>,
    /// How fast or slow a clock may run: the error that the system claims to bear.
    pub drift_limit_ppm: u32,
}

impl Options {
    /// For a cluster that can do everything, with the default mix.
    pub fn new(nodes: u16, time_limit_ms: u64) -> Self {
        Options {
            nodes,
            time_limit_ms,
            interval_ms: None,
            duration_ms: None,
            targets: BTreeSet::new(),
            can: kinds::ALL.into_iter().collect(),
            unless_named: BTreeSet::new(),
            drift_limit_ppm: 200_000,
        }
    }
}

/// Makes a plan. The same options and the same state of `rng` make the same plan.
///
/// # Errors
/// If a nemesis was named that the environment, the system or so few nodes cannot have, or the time is too short
/// for any fault. `all` and `swarm` are content with what there is.
pub fn plan(nemesis: &Nemesis, options: &Options, rng: &mut ChaCha8Rng) -> Result<Plan, NemesisError> {
    let mut parts = possible(nemesis, options)?;
    if parts.is_empty() {
        return Ok(Plan::default());
    }
    if options.time_limit_ms < MIN_TIME_LIMIT_MS {
        return Err(NemesisError(format!(
            "no fault fits into {} ms: give a time limit of at least {MIN_TIME_LIMIT_MS} ms, or the nemesis \"none\"",
            options.time_limit_ms
        )));
    }
    let mut pace = Pace::new(options, &parts);
    if nemesis.is_swarm() {
        parts = subset(&parts, rng);
        pace.interval_ms = pace.interval_ms * rng.random_range(40..=160) / 100;
        pace.duration_ms = (pace.interval_ms * rng.random_range(25..=75) / 100).max(100);
    }
    let rounds = Rounds {
        deck: Deck::new(&parts),
        parts: &parts,
        pace,
        draw: Draw {
            rng,
            nodes: options.nodes,
            classes: &options.targets,
            drift_limit_ppm: options.drift_limit_ppm.max(1),
        },
        spans: Vec::new(),
    };
    Ok(rounds.plan())
}

/// The parts that were asked for and can be had.
fn possible(nemesis: &Nemesis, options: &Options) -> Result<BTreeSet<Part>, NemesisError> {
    if options.nodes == 0 {
        return Err(NemesisError("a cluster needs at least one node".to_owned()));
    }
    let left_out = |part: &Part| nemesis.takes_what_there_is() && options.unless_named.contains(part);
    let able = |part: &Part| {
        options.nodes >= part.least_nodes() && options.can.contains(part.kind()) && !left_out(part)
    };
    let parts: BTreeSet<Part> = nemesis.parts().into_iter().filter(able).collect();
    if !nemesis.takes_what_there_is() {
        for entry in nemesis.entries() {
            if entry.parts.is_empty() || entry.parts.iter().any(|part| parts.contains(part)) {
                continue;
            }
            let least = entry.least_nodes();
            return Err(NemesisError(if options.nodes < least {
                format!(
                    "nemesis {:?} needs at least {least} nodes, not {}",
                    entry.name, options.nodes
                )
            } else {
                format!(
                    "nemesis {:?} is not possible here: this environment or system cannot do it",
                    entry.name
                )
            }));
        }
    }
    Ok(parts)
}

/// About half of the kinds, and about two thirds of the parts of each; at least one.
fn subset(parts: &BTreeSet<Part>, rng: &mut ChaCha8Rng) -> BTreeSet<Part> {
    let present: BTreeSet<&str> = parts.iter().map(|part| part.kind()).collect();
    let mut kept: Vec<&str> = present.into_iter().collect();
    kept.shuffle(rng);
    let count = rng.random_range(1..=kept.len().div_ceil(2) + 1).min(kept.len());
    let mut chosen = BTreeSet::new();
    for kind in &kept[..count] {
        let mut own: Vec<Part> = parts
            .iter()
            .filter(|part| part.kind() == *kind)
            .copied()
            .collect();
        own.shuffle(rng);
        let first = own.pop();
        chosen.extend(first);
        chosen.extend(own.into_iter().filter(|_| rng.random_bool(0.6)));
    }
    chosen
}

/// How often and how long.
#[derive(Clone, Copy)]
struct Pace {
    limit_ms: u64,
    interval_ms: u64,
    duration_ms: u64,
}

impl Pace {
    fn new(options: &Options, parts: &BTreeSet<Part>) -> Self {
        let kinds = parts
            .iter()
            .map(|part| part.kind())
            .collect::<BTreeSet<_>>()
            .len() as u64;
        let limit_ms = options.time_limit_ms;
        let wanted = limit_ms * 6 / 5 / (2 * kinds).max(4);
        let interval_ms = options
            .interval_ms
            .unwrap_or_else(|| wanted.clamp(800, 2_000))
            .clamp(100, limit_ms);
        let duration_ms = options
            .duration_ms
            .unwrap_or(interval_ms * 11 / 20)
            .clamp(50, limit_ms / 2);
        Pace {
            limit_ms,
            interval_ms,
            duration_ms,
        }
    }

    /// Mean length of the health between two rounds.
    fn health_ms(&self) -> u64 {
        self.interval_ms
            .saturating_sub(self.duration_ms)
            .max(self.interval_ms / 5)
    }

    /// When everything is to be mended: a bit of health is left at the end.
    fn end_ms(&self) -> u64 {
        self.limit_ms - (self.health_ms() / 2).min(500).min(self.limit_ms / 10)
    }
}

/// Deals parts so that every kind comes up before any comes twice, and within a kind every part.
struct Deck {
    kinds: Vec<&'static str>,
    parts: Vec<Part>,
}

impl Deck {
    fn new(parts: &BTreeSet<Part>) -> Self {
        Deck {
            kinds: Vec::new(),
            parts: Vec::with_capacity(parts.len()),
        }
    }

    /// The next part, of none of these kinds; none if there is no other.
    fn deal(&mut self, all: &BTreeSet<Part>, not: &[&str], rng: &mut ChaCha8Rng) -> Option<Part> {
        let allowed: BTreeSet<&'static str> = all
            .iter()
            .map(|part| part.kind())
            .filter(|kind| !not.contains(kind))
            .collect();
        if !self.kinds.iter().any(|kind| allowed.contains(kind)) {
            let mut fresh: Vec<&str> = allowed.into_iter().collect();
            fresh.shuffle(rng);
            self.kinds.splice(0..0, fresh);
        }
        let place = self.kinds.iter().rposition(|kind| !not.contains(kind))?;
        let kind = self.kinds.remove(place);
        if !self.parts.iter().any(|part| part.kind() == kind) {
            let mut fresh: Vec<Part> = all.iter().filter(|part| part.kind() == kind).copied().collect();
            fresh.shuffle(rng);
            self.parts.extend(fresh);
        }
        let place = self.parts.iter().rposition(|part| part.kind() == kind)?;
        Some(self.parts.remove(place))
    }
}

/// A fault in time.
struct Span {
    from_ms: u64,
    to_ms: u64,
    fault: Fault,
}

struct Rounds<'a> {
    deck: Deck,
    parts: &'a BTreeSet<Part>,
    pace: Pace,
    draw: Draw<'a>,
    spans: Vec<Span>,
}

impl Rounds<'_> {
    fn plan(mut self) -> Plan {
        let end_ms = self.pace.end_ms();
        // The first fault comes early: a short run is to see some.
        let mut at_ms = self.jitter(self.pace.interval_ms / 3).min(end_ms / 3);
        while at_ms + self.pace.duration_ms / 3 < end_ms || self.spans.is_empty() {
            let over_ms = self.round(at_ms, end_ms);
            at_ms = over_ms + self.jitter(self.pace.health_ms()).max(50);
        }
        self.steps()
    }

    /// One round, and when everything in it is mended.
    fn round(&mut self, at_ms: u64, end_ms: u64) -> u64 {
        let first = self.spans.len();
        let mut dealt: Vec<&str> = Vec::new();
        let (mut start_ms, mut over_ms) = (at_ms, at_ms);
        let count = match self.draw.rng.random_range(0..100) {
            0..55 => 1,
            55..88 => 2,
            _ => 3,
        };
        for _ in 0..count {
            let Some(part) = self.deck.deal(self.parts, &dealt, self.draw.rng) else {
                break;
            };
            dealt.push(part.kind());
            let lasts_ms = self.duration().min(end_ms.saturating_sub(start_ms)).max(1);
            self.place(part, start_ms, lasts_ms);
            over_ms = over_ms.max(start_ms + lasts_ms);
            // The next one begins while this one is in force; or just when it is mended, as that is when a
            // node that has fallen behind can be chosen to lead.
            start_ms += if self.draw.rng.random_range(0..100) < 35 {
                (lasts_ms + self.draw.rng.random_range(0..=80)).saturating_sub(40)
            } else {
                lasts_ms * self.draw.rng.random_range(5..=70) / 100
            };
            if start_ms + 50 >= end_ms {
                break;
            }
        }
        debug_assert!(self.spans[first..].iter().all(|span| span.to_ms <= over_ms));
        over_ms
    }

    /// Mostly about the mean; a quarter of them much shorter, as a process that is restarted at once.
    fn duration(&mut self) -> u64 {
        let percent = if self.draw.rng.random_bool(0.25) {
            10..=35
        } else {
            60..=160
        };
        (self.pace.duration_ms * self.draw.rng.random_range(percent) / 100).max(20)
    }

    /// Puts a part into this time.
    fn place(&mut self, part: Part, from_ms: u64, lasts_ms: u64) {
        let again = match part {
            Part::PartitionFlapping => self.draw.rng.random_range(3..=6),
            // One after the other, as in a rolling restart, or a leader killed as soon as it is elected.
            Part::Kill | Part::Pause | Part::DiskLoseUnsynced | Part::DiskTornWrite
                if lasts_ms > 600 && self.draw.rng.random_bool(0.25) =>
            {
                self.draw.rng.random_range(2..=3)
            }
            _ => 1,
        };
        let slot_ms = lasts_ms / again;
        if again == 1 || slot_ms < 20 {
            let fault = self.draw.fault(part);
            self.spans.push(Span {
                from_ms,
                to_ms: from_ms + lasts_ms,
                fault,
            });
            return;
        }
        let flap = (part == Part::PartitionFlapping).then(|| self.draw.fault(part));
        for turn in 0..again {
            let fault = flap.clone().unwrap_or_else(|| self.draw.fault(part));
            let begin_ms = from_ms + turn * slot_ms;
            let broken_ms = slot_ms * self.draw.rng.random_range(40..=80) / 100;
            self.spans.push(Span {
                from_ms: begin_ms,
                to_ms: begin_ms + broken_ms,
                fault,
            });
        }
    }

    /// Between half and one and a half times the mean.
    fn jitter(&mut self, mean_ms: u64) -> u64 {
        mean_ms * self.draw.rng.random_range(50..=150) / 100
    }

    /// The spans as steps in order, faults numbered from 1 as they begin.
    fn steps(mut self) -> Plan {
        self.spans.sort_by_key(|span| span.from_ms);
        let mut steps = Vec::with_capacity(2 * self.spans.len());
        for (id, span) in (1..).zip(self.spans) {
            steps.push(Step {
                at_ms: span.from_ms,
                id,
                what: StepKind::Inject(span.fault),
            });
            steps.push(Step {
                at_ms: span.to_ms,
                id,
                what: StepKind::Heal,
            });
        }
        steps.sort_by_key(|step| (step.at_ms, step.what == StepKind::Heal, step.id));
        Plan { steps }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::fault::Defect;
    use crate::menu::MENU;
    use crate::streams::stream;

    fn made(name: &str, options: &Options, seed: u64) -> Plan {
        let nemesis: Nemesis = name.parse().expect("a name on the menu");
        plan(&nemesis, options, &mut stream(seed, "nemesis"))
            .unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// From when to when each fault is in force.
    fn spans(plan: &Plan) -> Vec<(u64, u64)> {
        let mut from = BTreeMap::new();
        let mut spans = Vec::new();
        for step in &plan.steps {
            match step.what {
                StepKind::Inject(_) => {
                    from.insert(step.id, step.at_ms);
                }
                StepKind::Heal => spans.push((from[&step.id], step.at_ms)),
            }
        }
        assert_eq!(spans.len(), from.len(), "every fault is healed");
        spans
    }

    #[test]
    fn every_plan_is_valid_and_heals_what_it_breaks_before_the_end() {
        for entry in MENU {
            for nodes in entry.least_nodes()..=9 {
                for limit_ms in [500, 1_000, 3_000, 10_000, 30_000, 120_000] {
                    for seed in 0..20 {
                        let plan = made(entry.name, &Options::new(nodes, limit_ms), seed);
                        plan.validate(nodes)
                            .unwrap_or_else(|error| panic!("{} {nodes}: {error}", entry.name));
                        assert_eq!(
                            plan.steps.is_empty(),
                            entry.name == "none",
                            "{} {limit_ms}",
                            entry.name
                        );
                        for (from_ms, to_ms) in spans(&plan) {
                            assert!(
                                from_ms < to_ms && to_ms < limit_ms,
                                "{} {from_ms}..{to_ms}",
                                entry.name
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn faults_leave_health_in_between() {
        for entry in MENU {
            for seed in 0..50 {
                let options = Options::new(5, 60_000);
                let mut broken = spans(&made(entry.name, &options, seed));
                broken.sort_unstable();
                let (mut sick_ms, mut until_ms) = (0, 0);
                for (from_ms, to_ms) in broken {
                    sick_ms += to_ms.saturating_sub(until_ms.max(from_ms));
                    until_ms = until_ms.max(to_ms);
                }
                assert!(
                    sick_ms < 50_000,
                    "{} with seed {seed}: broken for {sick_ms} of 60000 ms",
                    entry.name
                );
            }
        }
    }

    #[test]
    fn every_kind_that_was_asked_for_comes_up() {
        for (name, limit_ms) in [
            ("all", 30_000),
            ("all", 10_000),
            ("partition,kill,clock", 10_000),
            ("partition,pause", 5_000),
        ] {
            let nemesis: Nemesis = name.parse().expect("known");
            let asked: BTreeSet<&str> = nemesis.parts().iter().map(|part| part.kind()).collect();
            for seed in 0..200 {
                assert_eq!(
                    made(name, &Options::new(5, limit_ms), seed).kinds(),
                    asked,
                    "{name} with seed {seed}"
                );
            }
        }
    }

    #[test]
    fn what_cannot_be_done_is_refused_if_named_and_left_out_of_all() {
        let mut options = Options::new(3, 10_000);
        let error = |name: &str, options: &Options| {
            let nemesis: Nemesis = name.parse().expect("known");
            plan(&nemesis, options, &mut stream(1, "nemesis")).map_err(|error| error.to_string())
        };
        assert!(error("membership,kill", &options).is_err_and(|error| error.contains("at least 4 nodes")));
        options.can.remove(kinds::DISK);
        assert!(error("disk", &options).is_err_and(|error| error.contains("not possible here")));
        for seed in 0..20 {
            let kinds = made("all", &options, seed).kinds();
            assert!(!kinds.contains(kinds::DISK) && !kinds.contains(kinds::MEMBERSHIP));
        }
        options.time_limit_ms = 100;
        assert!(error("kill", &options).is_err_and(|error| error.contains("time limit")));
        assert_eq!(error("none", &options), Ok(Plan::default()));
    }

    #[test]
    fn what_is_drawn_only_if_it_is_named_is_left_out_of_all_and_swarm() {
        let mut options = Options::new(5, 30_000);
        let all = |options: &Options| -> Vec<Plan> {
            let seeds = 0..50;
            seeds.map(|seed| made("swarm", options, seed)).collect()
        };
        let rots = |plan: &Plan| {
            let flips = |(_, fault): (u32, &Fault)| {
                matches!(
                    fault,
                    Fault::Disk {
                        defect: Defect::FlippedBit,
                        ..
                    }
                )
            };
            plan.faults().any(flips)
        };
        assert!(all(&options).iter().any(rots));
        options.unless_named = BTreeSet::from([Part::DiskFlippedBit]);
        assert!(!all(&options).iter().any(rots));
        assert!(rots(&made("disk-flipped-bit", &options, 1)));
    }

    #[test]
    fn targets_that_were_asked_for_are_the_only_ones() {
        use crate::fault::Target;
        let mut options = Options::new(5, 30_000);
        options.targets = BTreeSet::from([Class::All]);
        for (_, fault) in made("kill", &options, 3).faults() {
            let Fault::Kill {
                target: Target::Nodes(nodes),
                ..
            } = fault
            else {
                panic!("{fault:?}")
            };
            assert_eq!(nodes.len(), 5);
        }
        options.targets = BTreeSet::from([Class::Leader]);
        assert!(made("pause", &options, 3).faults().all(|(_, fault)| matches!(
            fault,
            Fault::Pause {
                target: Target::Leader { .. }
            }
        )));
    }

    #[test]
    fn drift_stays_within_what_the_system_bears() {
        use crate::fault::Bend;
        let mut options = Options::new(5, 60_000);
        options.drift_limit_ppm = 50_000;
        for seed in 0..50 {
            for (_, fault) in made("clock-drift", &options, seed).faults() {
                let Fault::Clock {
                    bend: Bend::Drift { rate_ppm },
                    ..
                } = fault
                else {
                    panic!("{fault:?}")
                };
                assert!(rate_ppm.unsigned_abs() <= 50_000 && *rate_ppm != 0);
            }
        }
    }

    #[test]
    fn the_same_seed_makes_the_same_plan_and_another_seed_another() {
        let options = Options::new(5, 30_000);
        let plans: Vec<Plan> = (0..20).map(|seed| made("swarm", &options, seed)).collect();
        for (seed, plan) in (0..).zip(&plans) {
            assert_eq!(*plan, made("swarm", &options, seed));
        }
        assert!(plans.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
