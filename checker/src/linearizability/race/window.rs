//! Looking back: a proof that there is no legal order, from the few events before the one at which the depth-first
//! search is stuck.

use super::{Answer, Budget, Method, Op, Race, Raced, Rules, Spec, Step, race};

/// Events before the one that the depth-first search is stuck at, among which a proof is looked for first, and how
/// many more are taken each time.
const WINDOW: usize = 64;
const WIDENING: usize = 4;

impl<const N: usize> Race<'_, N> {
    /// Looks for a proof close to the event at which the depth-first search is stuck: in few of the events before it,
    /// and then in more.
    pub(super) fn look_back<S: Spec + ?Sized>(&mut self, spec: &mut S, turn: u64) -> Option<Raced> {
        let stuck = self.search.furthest();
        let roots = spec.anything()?;
        let held = self.search.bytes() + self.meter.elsewhere;
        let (mut left, mut events) = (turn, WINDOW);
        while events < stuck {
            let Budget { states, bytes, .. } = *self.budget;
            let budget = self.budget.clone().with_bytes(bytes.saturating_sub(held));
            let budget = budget.with_states(left.min(states.saturating_sub(self.meter.states())));
            let Raced { answer, states, .. } = self.window(spec, &roots, stuck, events, &budget);
            self.meter.add(states);
            match answer {
                Answer::Legal => {}
                Answer::Illegal(_) => {
                    let op = self.plan.steps[stuck].op as usize;
                    return Some(self.ended(Answer::Illegal(op), true, Method::Frontier, None));
                }
                Answer::Spent(_) | Answer::TooWide(_) => return None,
            }
            left = left.saturating_sub(states);
            events *= WIDENING;
        }
        None
    }

    /// Decides some events up to a completion on their own. They begin in any state, and what was in flight then may
    /// have taken effect or not; so if they have no legal order, the history has none.
    fn window<S: Spec + ?Sized>(
        &self,
        spec: &mut S,
        roots: &[u32],
        completion: usize,
        events: usize,
        budget: &Budget,
    ) -> Raced {
        let at = |event: usize| {
            let Step { op, completes, .. } = self.plan.steps[event];
            let Op {
                invoked, returned, ..
            } = self.ops[op as usize];
            if completes { returned } else { invoked }
        };
        let (first, last) = (at(completion.saturating_sub(events)), at(completion));
        let inside = |op: &&Op| op.invoked <= last && op.returned >= first;
        let weak = |op: &Op| Op {
            required: op.required && op.invoked >= first && op.returned <= last,
            ..*op
        };
        let ops = self.ops.iter().filter(inside).map(weak);
        let ops: Vec<Op> = ops.filter(|op| op.required || !spec.pure(op.class)).collect();
        race(&ops, spec, roots, Rules::new(Method::Frontier), budget)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Plan;
    use super::super::tests::drawn;
    use super::*;

    #[test]
    fn a_window_of_what_is_legal_is_legal() {
        let (mut windows, mut proofs) = (0, 0);
        for seed in 0..200 {
            let stale = [(700, 3)];
            let (ops, mut spec) = drawn(seed, if seed % 2 == 0 { &stale } else { &[] });
            let (plan, budget) = (Plan::new(&ops), Budget::unlimited());
            let roots = spec.anything().expect("the values are few");
            let initial = [spec.init()];
            let mut race = Race::<1>::new(&plan, &ops, &initial, Rules::new(Method::Search), &budget);
            let expected = race.search.go(&mut spec, &mut race.meter, u64::MAX);
            let stuck = race.search.furthest();
            assert_eq!(expected == Some(Answer::Legal), stuck == plan.steps.len());
            for (event, step) in plan.steps.iter().enumerate().take(stuck + 1) {
                for length in [3, 10, 30, 90] {
                    if step.completes {
                        windows += 1;
                        let raced = race.window(&mut spec, &roots, event, length, &budget);
                        let illegal = raced.answer != Answer::Legal;
                        assert!(
                            !illegal || event == stuck,
                            "seed {seed}, {length} events up to {event}"
                        );
                        proofs += u32::from(illegal);
                    }
                }
            }
        }
        assert!(
            windows > 20_000 && proofs > 50,
            "{windows} windows, {proofs} proofs"
        );
    }
}
