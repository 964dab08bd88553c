//! Tells failures apart: the same property broken, by faults of the same shape once they are shrunk, is one failure.

use perjury_nemesis::StepKind;
use perjury_systems::replica::ConfigError;

use crate::hunt::Found;
use crate::script::Blow;
use crate::setup::Setup;
use crate::shrink::{Effort, shrink};

/// Failed runs of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Distinct {
    /// The first of them.
    pub found: Found,
    /// What is left of it: the kinds of its faults, in their order.
    pub shape: Vec<String>,
    /// How many of the runs that were looked at are alike.
    pub runs: u64,
}

/// Shrinks failed runs, and puts those together of which the same is left. `stop` is asked whether to be content with
/// what is shrunk so far.
///
/// # Errors
/// If a run cannot be run any more.
pub fn distinct(
    found: &[Found],
    invariants: bool,
    effort: Effort,
    stop: &dyn Fn() -> bool,
) -> Result<Vec<Distinct>, ConfigError> {
    let mut kinds: Vec<Distinct> = Vec::new();
    for one in found {
        let shrunk = shrink(&one.setup, invariants, effort, stop, &mut |_, _| {})?;
        let shape = shape(shrunk.as_ref().map_or(&one.setup, |shrunk| &shrunk.setup));
        let known = kinds
            .iter_mut()
            .find(|known| known.shape == shape && known.found.property() == one.property());
        match known {
            Some(known) => known.runs += 1,
            None => kinds.push(Distinct {
                found: one.clone(),
                shape,
                runs: 1,
            }),
        }
    }
    Ok(kinds)
}

/// The kinds of a run's faults, those that come at their times first.
fn shape(setup: &Setup) -> Vec<String> {
    let timed = setup.plan.steps.iter().filter_map(|step| match &step.what {
        StepKind::Inject(fault) => Some(fault.kind().to_owned()),
        StepKind::Heal => None,
    });
    let triggered = setup
        .triggers
        .iter()
        .map(|trigger| format!("{:?} at {:?}", trigger.strike, trigger.on));
    let script = setup.script.iter();
    let befell = script
        .flat_map(|script| &script.mishaps)
        .filter_map(|mishap| match mishap.what {
            Blow::Crash { .. } => Some("crash".to_owned()),
            Blow::Stall { .. } => Some("stall".to_owned()),
            Blow::Start => None,
        });
    timed.chain(triggered).chain(befell).collect()
}
