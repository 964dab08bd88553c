//! The frontier and the depth-first search, raced against each other within one budget.
//!
//! Each is exact, and each is hopeless on histories that the other decides at once: the depth-first search finds
//! one legal order among many, the frontier sees soonest that there is none. So they take turns. The depth-first
//! search goes on as long as it gets further in the history; when it is stuck, the others get as many
//! configurations as it had, and so on with ever longer turns:
//!
//! - **Refinement.** The frontier begins by treating operations of unknown outcome as inexhaustible. If not even
//!   then there is a legal order, there is none. If the order found uses some of them more often than they are
//!   there, only these are counted from now on; if it uses none too often, it is a legal order.
//! - **Looking back.** If the few events before the one at which the depth-first search is stuck have no legal order
//!   on their own, whatever the state at their beginning, the history has none.
//! - **Beam.** A frontier that keeps only its best configurations. If one survives, there is a legal order; if
//!   none does, that proves nothing, and the next beam is wider.

mod window;

use super::Method;
use super::frontier::{Effect, Frontier, Invoked, PENDING, Stop};
use super::problem::{NEVER, Op, Spec};
use super::search::{Answer, Plan, Search, Step, WIDEST};
use crate::budget::{Budget, Meter, Spent};

/// How a race ended.
pub(crate) struct Raced {
    pub answer: Answer,
    pub states: u64,
    /// If there is no legal order: whether it is known that there was one up to the completion that is named.
    pub earliest: bool,
    /// The method that decided.
    pub winner: Method,
    /// A legal order (indexes into the operations), if there is one and it was asked for.
    pub order: Option<Vec<usize>>,
}

/// Who takes part, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// [`Method::Search`] and [`Method::Frontier`] run alone.
    pub method: Method,
    /// Whether an order is asked for.
    pub order: bool,
    /// How many configurations the depth-first search may explore without getting further before the others
    /// have their first turn.
    pub patience: u64,
}

impl Rules {
    pub(crate) fn new(method: Method) -> Self {
        Rules {
            method,
            order: false,
            patience: 512,
        }
    }

    /// The method that is named where none decided.
    fn loser(self) -> Method {
        match self.method {
            Method::Frontier => Method::Frontier,
            _ => Method::Search,
        }
    }
}

/// How much longer each turn is than the one before.
const GROWTH: u64 = 4;
/// Configurations that one event may take while operations are treated as inexhaustible. Of some models the
/// states then never end.
const UNCOUNTED: u64 = 4096;
/// The price of an operation that never completed, divided among all that cannot be told apart from it: a way
/// to the end that uses few of them, and rather those that there are many of, uses fewest too often.
const PRICE: u32 = 256;
/// Up to which event a frontier can cheaply begin anew, only to count some more operations.
const NEAR: usize = 1 << 13;
/// Configurations that the first beam keeps, and how much wider each beam is than the one before.
const BEAM: usize = 32;
const BROADENING: usize = 8;

/// Looks for a legal order of `ops`, which stand in the order of invocation, from any of the roots.
pub(crate) fn race<S: Spec + ?Sized>(
    ops: &[Op],
    spec: &mut S,
    roots: &[u32],
    rules: Rules,
    budget: &Budget,
) -> Raced {
    let plan = Plan::new(ops);
    match plan.width {
        0..=64 => Race::<1>::new(&plan, ops, roots, rules, budget).run(spec),
        65..=512 => Race::<8>::new(&plan, ops, roots, rules, budget).run(spec),
        513..=WIDEST => Race::<64>::new(&plan, ops, roots, rules, budget).run(spec),
        width => Raced {
            answer: Answer::TooWide(width),
            states: 0,
            earliest: false,
            winner: rules.loser(),
            order: None,
        },
    }
}

struct Race<'a, const N: usize> {
    plan: &'a Plan,
    ops: &'a [Op],
    roots: &'a [u32],
    rules: Rules,
    budget: &'a Budget,
    meter: Meter<'a>,
    search: Search<'a, N>,
    /// Which pending actions are counted.
    counted: Vec<bool>,
}

/// A frontier on its way through the history.
struct Walk<const N: usize> {
    frontier: Frontier<N>,
    cursor: usize,
    states: u64,
    /// Where it stops on its way.
    stop: usize,
}

/// How a frontier's turn ended.
enum Turn {
    /// At the end of the history.
    Through,
    /// There is no legal order of the history up to this event.
    Stuck(usize),
    /// Past the event at which the depth-first search is stuck.
    Past,
    /// Its turn is over.
    Over,
    /// It can never go on, because one event took more than its turn.
    GivenUp,
    Spent(Spent),
}

impl<'a, const N: usize> Race<'a, N> {
    fn new(plan: &'a Plan, ops: &'a [Op], roots: &'a [u32], rules: Rules, budget: &'a Budget) -> Self {
        Race {
            plan,
            ops,
            roots,
            rules,
            budget,
            meter: Meter::new(budget),
            search: Search::new(plan, ops, roots),
            counted: vec![false; plan.pending.len()],
        }
    }

    fn run<S: Spec + ?Sized>(mut self, spec: &mut S) -> Raced {
        for (counted, &class) in self.counted.iter_mut().zip(&self.plan.pending) {
            *counted = !spec.repeatable(class);
        }
        if spec.foreign() {
            self.meter.watch_closely();
        }
        let alone = self.rules.method;
        let mut walk: Option<Walk<N>> = None;
        let mut beam = BEAM;
        let mut patience = self.rules.patience;
        for round in 0.. {
            if alone != Method::Frontier {
                self.meter.elsewhere = walk.as_ref().map_or(0, |walk| walk.frontier.bytes());
                let turn = if alone == Method::Search {
                    u64::MAX
                } else {
                    patience
                };
                if let Some(answer) = self.search.go(spec, &mut self.meter, turn) {
                    return self.searched(spec, answer);
                }
            }
            let turn = if alone == Method::Frontier {
                u64::MAX
            } else {
                self.search.states().max(patience)
            };
            if round == 0
                && alone == Method::Cheapest
                && let Some(raced) = self.look_back(spec, 2 * patience)
            {
                return raced;
            }
            // Once the depth-first search is stuck, it is mostly because there is no order; at first above all.
            let share = if round == 0 && self.search.furthest() < NEAR {
                2 * GROWTH
            } else {
                GROWTH
            };
            if let Some(raced) = self.refine(spec, &mut walk, turn.saturating_mul(share)) {
                return raced;
            }
            if round > 0 {
                if let Some(raced) = self.beam(spec, beam, turn) {
                    return raced;
                }
                beam = beam.saturating_mul(BROADENING);
            }
            patience = patience.saturating_mul(GROWTH);
        }
        self.ended(Answer::Spent(Spent::Time), false, self.rules.loser(), None)
    }

    fn searched<S: Spec + ?Sized>(mut self, spec: &mut S, answer: Answer) -> Raced {
        let wanted = self.rules.order && answer == Answer::Legal;
        let order = wanted.then(|| self.search.order(spec)).flatten();
        self.ended(answer, true, Method::Search, order)
    }

    fn ended(&self, answer: Answer, earliest: bool, winner: Method, order: Option<Vec<usize>>) -> Raced {
        Raced {
            answer,
            states: self.meter.states(),
            earliest,
            winner,
            order,
        }
    }

    fn walk<S: Spec + ?Sized>(&self, spec: &S, most: usize, exact: bool) -> Walk<N> {
        let trace = self.rules.order || (!exact && self.counted.contains(&false));
        let mut frontier = Frontier::new(self.roots, most, trace);
        let Plan { pending, supply, .. } = self.plan;
        for ((&class, &supply), &counted) in pending.iter().zip(supply).zip(&self.counted) {
            frontier.announce(spec, class, counted || exact, PRICE / supply.max(1));
        }
        Walk {
            frontier,
            cursor: 0,
            states: 0,
            stop: usize::MAX,
        }
    }

    /// One turn of the frontier, with refinement.
    fn refine<S: Spec + ?Sized>(
        &mut self,
        spec: &mut S,
        walk: &mut Option<Walk<N>>,
        turn: u64,
    ) -> Option<Raced> {
        let mut spent = 0;
        loop {
            let mut current = match walk.take() {
                Some(walk) => walk,
                None => self.walk(spec, usize::MAX, false),
            };
            // A way that overuses operations by then need not be followed to the end.
            let stuck = self.search.furthest();
            let uncounted = self.counted.contains(&false);
            if uncounted && (current.cursor..NEAR).contains(&stuck) && self.rules.method == Method::Cheapest {
                current.stop = stuck + 1;
            }
            self.meter.elsewhere = self.search.bytes();
            let before = current.states;
            let event = if uncounted { UNCOUNTED } else { u64::MAX };
            let end = self.advance(spec, &mut current, turn.saturating_sub(spent), event);
            spent += current.states - before;
            match end {
                Turn::Through => {
                    let path = current.frontier.trail().unwrap_or_default();
                    if self.overused(&path) {
                        // Some more are counted now.
                        continue;
                    }
                    let order = self.rules.order.then(|| self.replay(spec, &path)).flatten();
                    return Some(self.ended(Answer::Legal, true, Method::Frontier, order));
                }
                Turn::Past => {
                    let path = current.frontier.trail().unwrap_or_default();
                    if !self.overused(&path) {
                        *walk = Some(current);
                    }
                }
                Turn::Stuck(event) => {
                    let earliest = !self.counted.contains(&false) || self.search.furthest() >= event;
                    let op = self.plan.steps[event].op as usize;
                    return Some(self.ended(Answer::Illegal(op), earliest, Method::Frontier, None));
                }
                Turn::Over => {
                    *walk = Some(current);
                    return None;
                }
                Turn::GivenUp if self.counted.contains(&false) => self.counted.fill(true),
                Turn::GivenUp => return None,
                Turn::Spent(spent) => {
                    return Some(self.ended(Answer::Spent(spent), false, self.rules.loser(), None));
                }
            }
        }
    }

    /// A beam, from the beginning to the end or until it has had its turn.
    fn beam<S: Spec + ?Sized>(&mut self, spec: &mut S, most: usize, turn: u64) -> Option<Raced> {
        let mut walk = self.walk(spec, most, true);
        match self.advance(spec, &mut walk, turn, u64::MAX) {
            Turn::Through => {
                let path = walk.frontier.trail().unwrap_or_default();
                let order = self.rules.order.then(|| self.replay(spec, &path)).flatten();
                Some(self.ended(Answer::Legal, true, Method::Frontier, order))
            }
            Turn::Stuck(event) if !walk.frontier.was_cut() => {
                let op = self.plan.steps[event].op as usize;
                Some(self.ended(Answer::Illegal(op), true, Method::Frontier, None))
            }
            Turn::Spent(spent) => Some(self.ended(Answer::Spent(spent), false, self.rules.loser(), None)),
            Turn::Stuck(_) | Turn::Past | Turn::Over | Turn::GivenUp => None,
        }
    }

    /// Leads a frontier through the history until it has tried so many more configurations. `event` is the most
    /// that one event may take.
    fn advance<S: Spec + ?Sized>(&mut self, spec: &mut S, walk: &mut Walk<N>, turn: u64, event: u64) -> Turn {
        let Race { plan, ops, meter, .. } = self;
        let end = walk.states.saturating_add(turn);
        // One event may take more than what is left of the turn, but not much more.
        let most = end.saturating_add(turn.saturating_mul(GROWTH));
        let mut spent = None;
        while let Some(&Step { op, completes, .. }) = plan.steps.get(walk.cursor) {
            if walk.states > end {
                return Turn::Over;
            }
            if walk.cursor == walk.stop {
                walk.stop = usize::MAX;
                return Turn::Past;
            }
            let index = op as usize;
            let slot = plan.slot[index];
            let Op {
                class,
                returned,
                required,
                ..
            } = ops[index];
            if returned == NEVER {
                walk.frontier.pend(slot as usize);
            } else if completes {
                let held = spec.bytes();
                let Walk { frontier, states, .. } = walk;
                let most = most.min(states.saturating_add(event));
                let mut charge = |bytes| {
                    *states += 1;
                    match meter.charge(bytes + held) {
                        Ok(()) => *states <= most,
                        Err(limit) => {
                            spent = Some(limit);
                            false
                        }
                    }
                };
                match frontier.complete(spec, slot, &mut charge) {
                    Ok(()) => {}
                    Err(Stop::Empty) => return Turn::Stuck(walk.cursor),
                    Err(Stop::Limit) => return spent.map_or(Turn::GivenUp, Turn::Spent),
                }
            } else {
                walk.frontier.invoke(
                    spec,
                    Invoked {
                        slot,
                        class,
                        returned,
                        required,
                    },
                );
            }
            walk.cursor += 1;
        }
        Turn::Through
    }

    /// Whether a way to the end uses pending operations more often than they are there; these are counted from
    /// now on.
    fn overused(&mut self, path: &[Effect]) -> bool {
        let mut left = vec![0i64; self.plan.pending.len()];
        let mut overused = false;
        let mut cursor = 0;
        for effect in path {
            while cursor < effect.event as usize {
                let op = self.plan.steps[cursor].op as usize;
                if self.ops[op].returned == NEVER {
                    left[self.plan.slot[op] as usize] += 1;
                }
                cursor += 1;
            }
            if effect.what & PENDING != 0 {
                let position = (effect.what & !PENDING) as usize;
                left[position] -= 1;
                if left[position] < 0 && !self.counted[position] {
                    self.counted[position] = true;
                    overused = true;
                }
            }
        }
        overused
    }

    /// The order that a way to the end makes: with the reads as soon as they are legal, and the hidden writes
    /// where they were hidden.
    fn replay<S: Spec + ?Sized>(&self, spec: &mut S, path: &[Effect]) -> Option<Vec<usize>> {
        let Race { plan, ops, .. } = self;
        let mut pending = vec![std::collections::VecDeque::new(); plan.pending.len()];
        let mut occupant = vec![usize::MAX; plan.width];
        let mut placed = vec![false; ops.len()];
        // Where an operation was invoked, as a place in the order.
        let mut since = vec![0; ops.len()];
        let mut live: Vec<usize> = Vec::new();
        let mut order: Vec<usize> = Vec::new();
        let mut hidden: Vec<(usize, usize)> = Vec::new();
        let mut state = *self.roots.first()?;
        let mut path = path.iter().peekable();
        for (event, &Step { op, completes, .. }) in plan.steps.iter().enumerate() {
            let op = op as usize;
            let Op {
                class,
                returned,
                required,
                ..
            } = ops[op];
            if returned == NEVER {
                pending[plan.slot[op] as usize].push_back(op);
                continue;
            }
            if !completes {
                occupant[plan.slot[op] as usize] = op;
                since[op] = order.len();
                if spec.settles(state, class) {
                    placed[op] = true;
                    order.push(op);
                } else {
                    live.push(op);
                }
                continue;
            }
            while let Some(effect) = path.next_if(|effect| effect.event as usize == event) {
                let next = if effect.what & PENDING == 0 {
                    occupant[effect.what as usize]
                } else {
                    pending[(effect.what & !PENDING) as usize].pop_front()?
                };
                state = spec.step(state, ops[next].class)?;
                order.push(next);
                placed[next] = true;
                live.retain(|&other| {
                    let class = ops[other].class;
                    if !placed[other] && spec.settles(state, class) {
                        placed[other] = true;
                        order.push(other);
                    }
                    !placed[other]
                });
            }
            live.retain(|&other| other != op);
            if !placed[op] && required {
                let blind = |place: &usize| spec.blind(ops[order[*place]].class);
                hidden.push(((since[op]..order.len()).find(blind)?, op));
            }
        }
        hidden.sort_unstable();
        let mut whole = Vec::with_capacity(order.len() + hidden.len());
        let mut hidden = hidden.into_iter().peekable();
        for (place, op) in order.into_iter().enumerate() {
            while let Some((_, hides)) = hidden.next_if(|(at, _)| *at == place) {
                whole.push(hides);
            }
            whole.push(op);
        }
        Some(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::super::cells::CellSpec;
    use super::*;
    use crate::generate::{Load, Recipe, linearizable, make_stale};
    use crate::history::History;
    use crate::models::Cell;

    /// Sixty operations on a compare-and-set register of three values. From each of these places on, in thousandths of the
    /// history, one read is made stale by so many writes.
    pub(super) fn drawn(seed: u64, stale: &[(u64, usize)]) -> (Vec<Op>, CellSpec) {
        let recipe = Recipe {
            load: Load::CasRegister,
            operations: 60,
            values: Some(3),
            unknown_permille: 50 * (seed % 4),
            seed,
            ..Recipe::default()
        };
        let mut events = linearizable(&recipe);
        for (permille, back) in stale {
            make_stale(&mut events, *permille, *back);
        }
        let history = History::from_events(events).expect("generated histories are well-formed");
        let compiled = CellSpec::compile(&Cell::cas_register(), history.operations.iter());
        let (mut ops, spec) = compiled.expect("the model knows these operations");
        spec.share_classes(&mut ops);
        (ops, spec)
    }

    #[test]
    fn however_the_turns_fall_the_answer_is_the_same() {
        let (mut legal, mut illegal, mut by_frontier) = (0, 0, 0);
        for seed in 0..300 {
            let stale = [(400, 2), (600, 2), (800, 2)];
            let (ops, mut spec) = drawn(seed, &stale[..seed as usize % 3]);
            let mut run = |method, patience| {
                let rules = Rules {
                    patience,
                    ..Rules::new(method)
                };
                let budget = Budget::unlimited();
                let raced = race(&ops, &mut spec, &[0], rules, &budget);
                (raced.answer, raced.earliest, raced.winner)
            };
            let (expected, ..) = run(Method::Search, 0);
            legal += u32::from(expected == Answer::Legal);
            illegal += u32::from(expected != Answer::Legal);
            let mut others = vec![run(Method::Frontier, 0)];
            others.extend([1, 2, 7, 30].map(|patience| run(Method::Cheapest, patience)));
            for (answer, earliest, winner) in others {
                by_frontier += u32::from(winner == Method::Frontier);
                match answer {
                    Answer::Illegal(_) if !earliest => assert_ne!(expected, Answer::Legal, "seed {seed}"),
                    answer => assert_eq!(answer, expected, "seed {seed}"),
                }
            }
        }
        assert!(
            legal > 50 && illegal > 50 && by_frontier > 300,
            "{legal} {illegal} {by_frontier}"
        );
    }
}
