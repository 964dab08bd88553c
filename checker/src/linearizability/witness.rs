//! The fewest operations that are still illegal.
//!
//! Leaving operations out of a history is only sound if what is left over still *proves* something: a read of a
//! value whose writer was left out is no proof. So nothing is really left out. A *kernel* is a set of operations
//! that are taken at their word, while every other operation of the history becomes optional: it may take effect
//! at any instant of its window, or never, and whatever it answered is ignored. Every legal order of the history
//! is a legal order of that weaker one; hence if the kernel has none, the history has none. A kernel is minimal if
//! weakening any one of its operations as well makes an order possible.

use super::Method;
use super::decide::{Decide, Evidence, Found};
use super::problem::Op;
use super::race::Rules;
use super::search::Answer;
use crate::budget::Budget;

// A proven violation is explained also when the time for checking is up, though by more operations then; these bound
// what that may cost.

/// Configurations that one attempt to weaken an operation may explore.
const STATES_PER_ATTEMPT: u64 = 100_000;
/// Configurations that may be explored when the time is up, to see whether the evidence that was found suffices.
const STATES_WHEN_LATE: u64 = 10_000;
/// Configurations that all attempts may explore together.
const STATES_IN_ALL: u64 = 1_000_000;

/// Up to how many earlier effects are searched through; of more than that, only the states that they may have
/// led to are considered, which is weaker but does not depend on the length of the history.
const MOST_BEFORE: usize = 100;

/// A minimal illegal set of operations.
#[derive(Clone, Debug)]
pub(crate) struct Kernel {
    /// Indexes into the key's operations, rising.
    pub ops: Vec<usize>,
    /// Whether it is known to be minimal.
    pub minimal: bool,
}

/// Reduces evidence to a minimal kernel. `sources` tells which operations show where the values of a kernel come
/// from; since these will be shown in any case, a kernel that relies on them is preferred to one that does not. When the
/// budget's time is up, what is illegal so far is the kernel.
pub(crate) fn minimise<S: Decide>(
    ops: &[Op],
    spec: &mut S,
    evidence: Evidence,
    budget: &Budget,
    sources: impl Fn(&[usize]) -> Vec<usize>,
) -> Kernel {
    let mut minimiser = Minimiser {
        ops,
        spec,
        budget,
        states: 0,
        gave_up: false,
    };
    let (ops, mut kernel) = minimiser.earliest(evidence);
    minimiser.ops = &ops;
    kernel.retain(|&index| ops.get(index).is_some_and(|op| op.required));
    // What made an unknown operation count may be missing from the evidence.
    if kernel.is_empty() || !minimiser.suffices(&kernel) {
        kernel = (0..ops.len()).filter(|&index| ops[index].required).collect();
        kernel = minimiser.shortest_tail(kernel);
    }
    minimiser.reduce(&mut kernel);
    for _ in 0..ROUNDS {
        if budget.expired() {
            break;
        }
        let known = |index: &usize| ops.get(*index).is_some_and(|op| op.required) && !kernel.contains(index);
        let new: Vec<usize> = sources(&kernel).into_iter().filter(known).collect();
        if new.is_empty() || kernel.len() + new.len() > MOST_WITH_SOURCES {
            break;
        }
        // Those that were there before go first.
        let mut richer = [new.clone(), kernel.clone()].concat();
        for index in kernel.iter().chain(&new) {
            let rest: Vec<usize> = richer.iter().copied().filter(|other| other != index).collect();
            if !rest.is_empty() && minimiser.illegal(&rest) {
                richer = rest;
            }
        }
        if richer.iter().all(|index| kernel.contains(index)) {
            break;
        }
        kernel = richer;
    }
    kernel.sort_unstable();
    Kernel {
        ops: kernel,
        minimal: !minimiser.gave_up,
    }
}

/// How often a kernel is reduced again together with its sources, and up to which size.
const ROUNDS: usize = 16;
const MOST_WITH_SOURCES: usize = 40;

struct Minimiser<'a, S: Decide> {
    ops: &'a [Op],
    spec: &'a mut S,
    budget: &'a Budget,
    states: u64,
    gave_up: bool,
}

impl<S: Decide> Minimiser<'_, S> {
    /// The shortest prefix of the history that is illegal, and evidence from it.
    fn earliest(&mut self, evidence: Evidence) -> (Vec<Op>, Vec<usize>) {
        let Evidence {
            operations: evidence,
            earliest,
            ..
        } = evidence;
        if earliest {
            let last = evidence
                .iter()
                .map(|&index| self.ops[index].returned)
                .max()
                .unwrap_or(0);
            return (prefix(self.ops, last), evidence);
        }
        let mut best = (self.ops.to_vec(), evidence);
        let mut returns: Vec<u64> = self
            .ops
            .iter()
            .filter(|op| op.required)
            .map(|op| op.returned)
            .collect();
        returns.sort_unstable();
        let attempt = self.attempt();
        // Where the evidence has completed, the history is illegal already; mostly not much earlier.
        let known = |ops: &[Op], evidence: &[usize]| {
            let all = evidence.iter().all(|&index| ops[index].required);
            let last = evidence
                .iter()
                .map(|&index| ops[index].returned)
                .max()
                .filter(|_| all)?;
            Some(returns.partition_point(|&at| at < last))
        };
        // Up to any completion below `low` it is legal, from that at `high` on it is not.
        let end = returns.len().saturating_sub(1);
        let (mut low, mut high) = (0, known(&best.0, &best.1).unwrap_or(end).min(end));
        let mut stride = 1;
        while low < high {
            let middle = if low > 0 {
                low + (high - low) / 2
            } else {
                high.saturating_sub(stride)
            };
            stride *= 2;
            let mut prefix = prefix(self.ops, returns[middle]);
            match self.spec.decide(&mut prefix, Method::Cheapest, &attempt).answer {
                Found::Illegal(Evidence {
                    operations: evidence, ..
                }) => {
                    high = known(&prefix, &evidence).map_or(middle, |place| place.min(middle));
                    best = (prefix, evidence);
                }
                Found::Legal | Found::Unknown(_) => low = middle + 1,
            }
        }
        let at = returns.get(high).copied().unwrap_or(0);
        (prefix(&best.0, at), best.1)
    }

    fn attempt(&self) -> Budget {
        self.budget.clone().with_states(STATES_PER_ATTEMPT)
    }

    /// The last few operations of the evidence, by completion, that suffice.
    fn shortest_tail(&mut self, mut evidence: Vec<usize>) -> Vec<usize> {
        evidence.sort_by_key(|&index| self.ops[index].returned);
        let mut count = 1;
        while count < evidence.len() {
            let tail = &evidence[evidence.len() - count..];
            if self.illegal(tail) {
                return tail.to_vec();
            }
            count *= 2;
        }
        evidence
    }

    /// Weakens operations, many at a time and then one by one, as long as the rest is illegal.
    fn reduce(&mut self, kernel: &mut Vec<usize>) {
        let mut chunk = kernel.len() / 2;
        while chunk >= 1 {
            let mut start = 0;
            let mut reduced = false;
            while start < kernel.len() {
                let end = (start + chunk).min(kernel.len());
                let rest: Vec<usize> = kernel[..start].iter().chain(&kernel[end..]).copied().collect();
                if !rest.is_empty() && self.illegal(&rest) {
                    *kernel = rest;
                    reduced = true;
                } else {
                    start = end;
                }
            }
            if chunk > 1 || !reduced {
                chunk /= 2;
            }
        }
    }

    /// Whether the kernel alone, all else being optional, has no legal order. When in doubt: no.
    fn illegal(&mut self, kernel: &[usize]) -> bool {
        if self.states > STATES_IN_ALL || self.budget.expired() {
            self.gave_up = true;
            return false;
        }
        self.proves(kernel, &self.attempt())
    }

    /// The same, asked once however late it is.
    fn suffices(&mut self, kernel: &[usize]) -> bool {
        if !self.budget.expired() {
            return self.illegal(kernel);
        }
        let attempt = Budget::unlimited().with_states(STATES_WHEN_LATE);
        self.proves(kernel, &attempt.with_bytes(self.budget.bytes))
    }

    fn proves(&mut self, kernel: &[usize], attempt: &Budget) -> bool {
        let last = kernel
            .iter()
            .map(|&index| self.ops[index].returned)
            .max()
            .unwrap_or(0);
        let first = kernel
            .iter()
            .map(|&index| self.ops[index].invoked)
            .min()
            .unwrap_or(0);
        let mut required = vec![false; self.ops.len()];
        for &index in kernel {
            required[index] = true;
        }
        let weak = |index: usize, op: &Op| Op {
            required: required[index],
            ..*op
        };
        let relevant = |op: &Op| op.invoked < last;
        let (mut inside, mut before) = (Vec::new(), Vec::new());
        for (index, op) in self.ops.iter().enumerate().filter(|(_, op)| relevant(op)) {
            if required[index] || !self.spec.pure(op.class) {
                if op.returned < first {
                    before.push(*op)
                } else {
                    inside.push(weak(index, op))
                }
            }
        }
        let roots = if before.len() > MOST_BEFORE {
            self.spec.roots(&inside, &before)
        } else {
            None
        };
        if let Some(roots) = roots {
            let raced = self
                .spec
                .race(&inside, &roots, Rules::new(Method::Cheapest), attempt);
            self.states += raced.states;
            self.gave_up |= !matches!(raced.answer, Answer::Legal | Answer::Illegal(_));
            return matches!(raced.answer, Answer::Illegal(_));
        }
        before.iter_mut().for_each(|op| op.required = false);
        before.append(&mut inside);
        before.sort_unstable_by_key(|op| op.invoked);
        let decided = self.spec.decide(&mut before, Method::Cheapest, attempt);
        self.states += decided.states;
        self.gave_up |= matches!(decided.answer, Found::Unknown(_));
        matches!(decided.answer, Found::Illegal(_))
    }
}

/// What was known when the event at `at` had happened: later invocations are gone, later completions unknown.
fn prefix(ops: &[Op], at: u64) -> Vec<Op> {
    let cut = |op: &Op| {
        if op.returned > at {
            Op {
                required: false,
                ..*op
            }
        } else {
            *op
        }
    };
    ops.iter().take_while(|op| op.invoked < at).map(cut).collect()
}
