//! Plans: which fault comes when.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::fault::{Bend, Defect, Fault, Node, Shape, Target};

/// The longest that a plan may have an fsync take, in milliseconds.
const LONGEST_FSYNC_MS: u64 = 60_000;

/// A nemesis as data: steps in the order of time. Derived from a seed, stored with the run, and accepted back.
///
/// ```json
/// {"steps": [
///   {"at_ms": 1200, "id": 1, "inject": {"kind": "kill", "target": {"leader": {"otherwise": "n3"}}, "crash": "kill"}},
///   {"at_ms": 2900, "id": 1, "heal": true}
/// ]}
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The steps, `at_ms` never falling.
    pub steps: Vec<Step>,
}

/// One thing that a plan does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawStep", into = "RawStep")]
pub struct Step {
    /// When, in milliseconds since the main phase began.
    pub at_ms: u64,
    /// Names the fault; a heal carries the id of what it heals.
    pub id: u32,
    /// Break or mend.
    pub what: StepKind,
}

/// Break or mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepKind {
    /// Inject the fault.
    Inject(Fault),
    /// Heal the fault that this step's id names.
    Heal,
}

/// A step as it stands in JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStep {
    at_ms: u64,
    id: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    inject: Option<Fault>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    heal: bool,
}

impl From<Step> for RawStep {
    fn from(step: Step) -> Self {
        let (inject, heal) = match step.what {
            StepKind::Inject(fault) => (Some(fault), false),
            StepKind::Heal => (None, true),
        };
        RawStep {
            at_ms: step.at_ms,
            id: step.id,
            inject,
            heal,
        }
    }
}

impl TryFrom<RawStep> for Step {
    type Error = &'static str;

    fn try_from(raw: RawStep) -> Result<Self, Self::Error> {
        let what = match (raw.inject, raw.heal) {
            (Some(fault), false) => StepKind::Inject(fault),
            (None, true) => StepKind::Heal,
            (Some(_), true) => return Err("it injects and heals at once: make two steps of it"),
            (None, false) => {
                return Err("it does nothing: give it \"inject\" with a fault, or \"heal\": true");
            }
        };
        Ok(Step {
            at_ms: raw.at_ms,
            id: raw.id,
            what,
        })
    }
}

/// What is wrong with a plan, where, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanError {
    /// The step, counted from 1; none if it is the plan as a whole.
    pub step: Option<usize>,
    /// What is wrong and what would be right.
    pub problem: String,
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.step {
            Some(step) => write!(f, "step {step} of the plan: {}", self.problem),
            None => write!(f, "the plan: {}", self.problem),
        }
    }
}

impl std::error::Error for PlanError {}

impl Plan {
    /// Reads a plan from JSON and [validates](Plan::validate) it.
    ///
    /// # Errors
    /// If it is not a plan, or not one for a cluster of `nodes` nodes.
    pub fn parse(json: &str, nodes: u16) -> Result<Plan, PlanError> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Steps {
            steps: Vec<serde_json::Value>,
        }
        let raw: Steps = serde_json::from_str(json).map_err(|error| PlanError {
            step: None,
            problem: error.to_string(),
        })?;
        let mut plan = Plan::default();
        for (position, step) in raw.steps.into_iter().enumerate() {
            let step = serde_json::from_value(step).map_err(|error| PlanError {
                step: Some(position + 1),
                problem: error.to_string(),
            })?;
            plan.steps.push(step);
        }
        plan.validate(nodes)?;
        Ok(plan)
    }

    /// Checks that the plan can be carried out in a cluster of `nodes` nodes. A fault without a heal is fine:
    /// it is healed at the end.
    ///
    /// # Errors
    /// The first step that cannot be, and how to mend it.
    pub fn validate(&self, nodes: u16) -> Result<(), PlanError> {
        let mut last_ms = 0;
        let mut healed: BTreeMap<u32, bool> = BTreeMap::new();
        for (position, step) in self.steps.iter().enumerate() {
            let wrong = |problem: String| {
                Err(PlanError {
                    step: Some(position + 1),
                    problem,
                })
            };
            let Step { at_ms, id, what } = step;
            if *at_ms < last_ms {
                return wrong(format!(
                    "it comes at {at_ms} ms, before the step above it: sort the steps by \"at_ms\""
                ));
            }
            last_ms = *at_ms;
            match (what, healed.get(id)) {
                (StepKind::Inject(_), Some(_)) => {
                    return wrong(format!(
                        "fault {id} was injected before: give this one an \"id\" of its own"
                    ));
                }
                (StepKind::Inject(fault), None) => {
                    healed.insert(*id, false);
                    if let Err(problem) = check(fault, nodes) {
                        return wrong(problem);
                    }
                }
                (StepKind::Heal, Some(false)) => {
                    healed.insert(*id, true);
                }
                (StepKind::Heal, Some(true)) => {
                    return wrong(format!("fault {id} was healed before: remove this step"));
                }
                (StepKind::Heal, None) => {
                    return wrong(format!(
                        "it heals fault {id}, which no step above injects: inject it, or remove this"
                    ));
                }
            }
        }
        Ok(())
    }

    /// The kinds of the faults that it injects, as coverage counts them.
    pub fn kinds(&self) -> BTreeSet<&'static str> {
        self.faults().map(|(_, fault)| fault.kind()).collect()
    }

    /// The faults that it injects, with their ids, in order.
    pub fn faults(&self) -> impl Iterator<Item = (u32, &Fault)> {
        self.steps.iter().filter_map(|step| match &step.what {
            StepKind::Inject(fault) => Some((step.id, fault)),
            StepKind::Heal => None,
        })
    }
}

/// Checks one fault.
fn check(fault: &Fault, nodes: u16) -> Result<(), String> {
    match fault {
        Fault::Partition { shape } => check_shape(shape, nodes),
        Fault::Kill { target, .. } | Fault::Pause { target } | Fault::Leave { target } => {
            check_target(target, nodes)
        }
        Fault::Clock { target, bend } => {
            check_target(target, nodes)?;
            match bend {
                Bend::Drift { rate_ppm } if *rate_ppm <= -1_000_000 => Err(format!(
                    "a clock with a rate of {rate_ppm} ppm stands still or runs backwards: stay above -1000000"
                )),
                Bend::Strobe { every_ms: 0, .. } => Err("\"every_ms\" is 0: give at least 1".to_owned()),
                _ => Ok(()),
            }
        }
        Fault::Disk { target, defect } => {
            check_target(target, nodes)?;
            match defect {
                Defect::Slow { fsync_ms: 0 } => Err("\"fsync_ms\" is 0: give at least 1".to_owned()),
                Defect::Slow { fsync_ms } if *fsync_ms > LONGEST_FSYNC_MS => Err(format!(
                    "an fsync that takes {fsync_ms} ms is as good as none: give at most {LONGEST_FSYNC_MS}"
                )),
                _ => Ok(()),
            }
        }
        Fault::Packets { target, packets } => {
            check_target(target, nodes)?;
            let percents = [
                packets.loss_percent,
                packets.duplicate_percent,
                packets.reorder_percent,
            ];
            match percents.into_iter().find(|percent| *percent > 100) {
                Some(percent) => Err(format!("{percent} per cent is more than all: give at most 100")),
                None if percents == [0; 3] && packets.delay_ms == 0 => {
                    Err("packets are not mistreated at all: give a delay or a percentage above 0".to_owned())
                }
                None => Ok(()),
            }
        }
    }
}

fn check_target(target: &Target, nodes: u16) -> Result<(), String> {
    match target {
        Target::Nodes(targets) if targets.is_empty() => {
            Err("it hits nobody: name at least one node".to_owned())
        }
        Target::Nodes(targets) => check_nodes(targets, nodes),
        Target::Leader { otherwise } => check_nodes([otherwise], nodes),
        Target::LeaderAnd { otherwise, others } => {
            check_nodes([otherwise], nodes)?;
            check_nodes(others, nodes)
        }
    }
}

fn check_nodes<'a>(targets: impl IntoIterator<Item = &'a Node>, nodes: u16) -> Result<(), String> {
    match targets.into_iter().find(|node| node.0 == 0 || node.0 > nodes) {
        Some(node) => Err(format!(
            "there is no {node} in a cluster of {nodes}: name nodes from n1 to n{nodes}"
        )),
        None => Ok(()),
    }
}

fn check_shape(shape: &Shape, nodes: u16) -> Result<(), String> {
    match shape {
        Shape::Groups(groups) => {
            let mut seen = BTreeSet::new();
            for group in groups {
                check_nodes(group, nodes)?;
                if let Some(twice) = group.iter().find(|node| !seen.insert(**node)) {
                    return Err(format!(
                        "{twice} is in two groups: leave it in one (in none, it talks to all)"
                    ));
                }
            }
            match groups.iter().filter(|group| !group.is_empty()).count() {
                0 | 1 => Err("a partition needs two groups that are not empty".to_owned()),
                _ => Ok(()),
            }
        }
        Shape::Alone(target) | Shape::Minority(target) | Shape::OneWay { target, .. } => {
            check_target(target, nodes)
        }
        Shape::Grudge(grudge) => {
            for (node, from) in &grudge.0 {
                check_nodes([node], nodes)?;
                check_nodes(from, nodes)?;
            }
            if crate::shapes::links(grudge).is_empty() {
                return Err("nobody drops anybody's packets: add a node to the grudge".to_owned());
            }
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KILL: &str = r#"{"at_ms": 1200, "id": 1, "inject": {"kind": "kill", "target": {"leader": {"otherwise": "n3"}}, "crash": "kill"}}"#;

    fn parse(steps: &str) -> Result<Plan, String> {
        Plan::parse(&format!("{{\"steps\": [{steps}]}}"), 5).map_err(|error| error.to_string())
    }

    #[test]
    fn a_plan_that_is_given_back_is_the_same_plan() {
        let plan = parse(&format!(r#"{KILL}, {{"at_ms": 2900, "id": 1, "heal": true}}"#)).expect("valid");
        let json = serde_json::to_string(&plan).expect("JSON");
        assert_eq!(
            json,
            r#"{"steps":[{"at_ms":1200,"id":1,"inject":{"kind":"kill","target":{"leader":{"otherwise":"n3"}},"crash":"kill"}},{"at_ms":2900,"id":1,"heal":true}]}"#
        );
        assert_eq!(Plan::parse(&json, 5), Ok(plan));
    }

    #[test]
    fn what_is_wrong_with_a_plan_is_said_with_the_step_and_the_mend() {
        let inject = |fault: &str| format!(r#"{{"at_ms": 0, "id": 1, "inject": {fault}}}"#);
        let cases = [
            (
                r#"{"at_ms": 5, "id": 1, "heal": true}"#.to_owned(),
                "step 1",
                "inject it, or remove this",
            ),
            (format!("{KILL}, {KILL}"), "step 2", "an \"id\" of its own"),
            (
                format!(r#"{KILL}, {{"at_ms": 5, "id": 1, "heal": true}}"#),
                "step 2",
                "sort the steps",
            ),
            (r#"{"at_ms": 5, "id": 1}"#.to_owned(), "step 1", "\"heal\": true"),
            (
                inject(r#"{"kind": "pause", "target": {"nodes": ["n6"]}}"#),
                "step 1",
                "n1 to n5",
            ),
            (
                inject(r#"{"kind": "pause", "target": {"nodes": ["x"]}}"#),
                "step 1",
                "nodes are named n1",
            ),
            (
                inject(r#"{"kind": "pause", "target": {"nodes": []}}"#),
                "step 1",
                "at least one node",
            ),
            (
                inject(r#"{"kind": "pauze", "target": {"nodes": ["n1"]}}"#),
                "step 1",
                "`pause`",
            ),
            (
                inject(r#"{"kind": "partition", "shape": {"groups": [["n1"], ["n1", "n2"]]}}"#),
                "step 1",
                "n1 is in two groups",
            ),
            (
                inject(r#"{"kind": "partition", "shape": {"groups": [["n1"]]}}"#),
                "step 1",
                "two groups",
            ),
            (
                inject(
                    r#"{"kind": "clock", "target": {"nodes": ["n1"]}, "bend": {"strobe": {"offset_ms": 5, "every_ms": 0}}}"#,
                ),
                "step 1",
                "at least 1",
            ),
        ];
        for (steps, place, mend) in cases {
            let error = parse(&steps).expect_err(&steps);
            assert!(error.contains(place) && error.contains(mend), "{steps}\n{error}");
        }
        assert!(Plan::parse("[]", 5).is_err());
    }
}
